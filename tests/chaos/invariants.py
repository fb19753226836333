"""The invariants of effectively-once trading, checked on both books. Pure: the evidence in, what is violated out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from domain.broker import execution_key, root_id
from domain.portfolio import OrderStatus
from tests.chaos.evidence import BrokerOrder, Evidence, Execution, Intent, Lots, OurOrder, OurPosition

ZERO = Decimal(0)
BROKER_FINAL = frozenset({"filled", "canceled", "expired", "rejected", "replaced"})
PROVEN_FAILURES = frozenset({"denied", "declined", "expired", "rejected"})
"""How an order may end that the broker never had."""
LIFE_ENDS = frozenset(status.value for status in OrderStatus if status.final)


class Invariant(StrEnum):
    DUPLICATE_ORDER = "at most one root broker order per intent"
    LOST_INTENT = "every accepted intent has an order or a proven final failure"
    STRANGER = "every order with our prefix has an intent"
    STATES_DIFFER = "an order that ended at the broker ended the same way in the book"
    EXECUTIONS = "sum of executions = filled_qty <= qty"
    FILLS_DIFFER = "every execution of the broker is booked once, and nothing else is"
    BROKER_CASH = "opening cash - buys + sells - fees = cash at the broker"
    LEDGER_CASH = "opening cash - buys + sells - fees = cash in the ledger = cash at the broker"
    POSITIONS = "position = sum of signed fills, on both sides"
    RESERVED = "nothing is reserved with no open orders"
    LEFT_FINAL = "no transition out of a final state"
    OPENED_WHILE_STOPPED = "nothing is opened while trading is paused, nothing is sent while it is halted"
    LOTS = "first-in-first-out lots agree with fills and positions"
    AVERAGE_COST = "average cost and realized result agree with fills and positions"
    BROKER_AUDIT = "the broker's own audit finds nothing"
    RECONCILIATION = "book and broker agree"
    AUDIT_CHAIN = "the audit log is an unbroken chain"


@dataclass(frozen=True)
class Violation:
    invariant: Invariant
    detail: str

    def __str__(self) -> str:
        return f"{self.invariant.name}: {self.invariant.value}; {self.detail}"


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that does not hold, in the order of the invariants."""
    return [Violation(invariant, detail) for invariant, check in CHECKS.items() for detail in check(evidence)]


def _duplicates(evidence: Evidence) -> Iterator[str]:
    roots = Counter(order.client_order_id for order in _ours_there(evidence) if not order.replaces)
    for client_order_id, count in roots.items():
        if count > 1:
            yield f"client_order_id={client_order_id}, orders={count}"


def _lost(evidence: Evidence) -> Iterator[str]:
    there = {root_id(order.client_order_id) for order in _ours_there(evidence)}
    for intent_id in evidence.intents:
        if intent_id not in evidence.ours.intents:
            yield f"intent={intent_id}, the book does not know it"
    for intent in evidence.ours.intents.values():
        order = evidence.ours.orders.get(intent.intent_id)
        placed = f"{evidence.prefix}{intent.intent_id}" in there
        if intent.state == "open":
            status = "none" if order is None else order.status
            yield f"intent={intent.intent_id}, state=open, order={status}, at_broker={placed}"
        elif not placed and not _failure_is_proven(intent, order):
            status = "none" if order is None else f"{order.status}, filled={order.filled}, reason={order.reason!r}"
            yield f"intent={intent.intent_id}, state={intent.state}, order={status}, the broker has no order"


def _failure_is_proven(intent: Intent, order: OurOrder | None) -> bool:
    """Whether the book shows why an intent ended that the broker never had: a verdict, an answer, a final order."""
    if order is not None:
        ended = order.status in PROVEN_FAILURES and order.status == intent.state
        return ended and bool(order.reason) and not order.filled and not order.abandoned
    match intent.state:
        case "denied":
            return intent.denied
        case "declined":
            return "declined" in intent.answers
        case "expired":
            return bool(intent.answers) and intent.answers[-1] != "approved"
    return False


def _strangers(evidence: Evidence) -> Iterator[str]:
    for order in _ours_there(evidence):
        intent_id = root_id(order.client_order_id).removeprefix(evidence.prefix)
        if intent_id not in evidence.ours.intents or intent_id not in evidence.ours.orders:
            yield f"broker_order={order.id}, client_order_id={order.client_order_id}"


def _states(evidence: Evidence) -> Iterator[str]:
    for order, chain in _chains(evidence):
        last, filled = chain[-1], sum((each.filled for each in chain), ZERO)
        if (order.status, order.filled, order.symbol, order.side) != (last.status, filled, last.symbol, last.side):
            yield (
                f"intent={order.intent_id}, ours={order.side} {order.filled} {order.symbol} {order.status}, "
                f"broker={last.side} {filled} {last.symbol} {last.status}"
            )
        intent = evidence.ours.intents.get(order.intent_id)
        if intent is not None and intent.state not in ("open", order.status):
            yield f"intent={order.intent_id}, state={intent.state}, order={order.status}"


def _executions(evidence: Evidence) -> Iterator[str]:
    ours = _summed(evidence.ours.executions, by=lambda each: each.order_id)
    for order in evidence.ours.orders.values():
        yield from _filled("ours", order.order_id, abs(ours.pop(order.order_id, ZERO)), order.filled, order.quantity)
    theirs = _summed(evidence.broker.executions, by=lambda each: each.order_id)
    for placed in evidence.broker.orders:
        done = abs(theirs.pop(placed.id, ZERO))
        yield from _filled("broker", placed.id, done, placed.filled, placed.quantity)
    for order_id in [*ours, *theirs]:
        yield f"executions of an order that does not exist: order={order_id}"


def _filled(side: str, order_id: str, executed: Decimal, filled: Decimal, quantity: Decimal) -> Iterator[str]:
    if executed != filled or filled > quantity:
        yield f"{side}: order={order_id}, executed={executed}, filled={filled}, quantity={quantity}"


def _fills(evidence: Evidence) -> Iterator[str]:
    prefixed = {order.id for order in _ours_there(evidence)}
    theirs = Counter(_face(each, each.execution_id) for each in evidence.broker.executions if each.order_id in prefixed)
    ours = Counter(_face(each, execution_key(each.execution_id)) for each in evidence.ours.executions)
    for face, count in (theirs - ours).items():
        yield f"not booked: {face}, times={count}"
    for face, count in (ours - theirs).items():
        yield f"booked and not at the broker: {face}, times={count}"


def _face(each: Execution, key: str) -> str:
    return f"execution={key}, {each.symbol} {_plain(each.quantity)} at {_plain(each.price)}"


def _broker_cash(evidence: Evidence) -> Iterator[str]:
    broker = evidence.broker
    expected = broker.opening + sum((each.cash for each in broker.executions), ZERO) + broker.fees
    if expected != broker.cash:
        yield f"found={broker.cash}, expected={expected}, difference={broker.cash - expected}"


def _ledger_cash(evidence: Evidence) -> Iterator[str]:
    ours = evidence.ours
    expected = ours.opening + sum((each.cash for each in ours.executions), ZERO)
    if ours.cash != expected:
        yield f"ledger={ours.cash}, by its fills={expected}, difference={ours.cash - expected}"
    if ours.cash != evidence.broker.cash:
        yield f"ledger={ours.cash}, broker={evidence.broker.cash}, difference={ours.cash - evidence.broker.cash}"


def _positions(evidence: Evidence) -> Iterator[str]:
    held = {symbol: position.quantity for symbol, position in evidence.ours.positions.items()}
    by_fills = _summed(evidence.ours.executions, by=lambda each: each.symbol)
    theirs = _summed(evidence.broker.executions, by=lambda each: each.symbol)
    yield from _compared("ours", held, by_fills)
    yield from _compared("broker", evidence.broker.positions, theirs)
    yield from _compared("ours against the broker", held, evidence.broker.positions)


def _compared(side: str, found: Mapping[str, Decimal], expected: Mapping[str, Decimal]) -> Iterator[str]:
    for symbol in sorted(found.keys() | expected.keys()):
        one, other = found.get(symbol, ZERO), expected.get(symbol, ZERO)
        if one != other:
            yield f"{side}: symbol={symbol}, position={one}, expected={other}"


def _reserved(evidence: Evidence) -> Iterator[str]:
    open_there = [order for order in evidence.broker.orders if order.status not in BROKER_FINAL]
    open_here = [intent for intent in evidence.ours.intents.values() if intent.state == "open"]
    if open_there or open_here:
        yield f"open at the broker={len(open_there)}, open intents={len(open_here)} after everything ended"
    for who, what in evidence.reserved.items():
        yield f"{who}: {what}"


def _left_final(evidence: Evidence) -> Iterator[str]:
    for order_id, before, after in evidence.ours.transitions:
        if before in LIFE_ENDS:
            yield f"ours: order={order_id}, {before} -> {after}"
    at: dict[str, str] = {}
    for order_id, status in evidence.broker.events:
        if at.get(order_id) in BROKER_FINAL:
            yield f"broker: order={order_id}, {at[order_id]} -> {status}"
        at[order_id] = status


def _lots(evidence: Evidence) -> Iterator[str]:
    expected = first_in_first_out(evidence.ours.executions)
    for symbol in sorted(expected.keys() | evidence.ours.lots.keys()):
        one, other = evidence.ours.lots.get(symbol, Lots()), expected.get(symbol, Lots())
        if one != other:
            yield f"symbol={symbol}, found={one}, expected={other}"
    held = {symbol: position.quantity for symbol, position in evidence.ours.positions.items()}
    yield from _compared("lots", {symbol: lots.quantity for symbol, lots in evidence.ours.lots.items()}, held)


def first_in_first_out(executions: Iterable[Execution]) -> dict[str, Lots]:
    """Play executions, in the order of time, by symbol: what is left and what it cost, what was closed."""
    waiting: dict[str, list[list[Decimal]]] = defaultdict(list)
    gone: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
    for each in executions:
        lots = waiting[each.symbol]
        if each.quantity > 0:
            lots.append([each.quantity, each.price])
            continue
        left = -each.quantity
        while left > 0 and lots:
            taken = min(left, lots[0][0])
            closed = gone[each.symbol]
            closed[0] += taken
            closed[1] += taken * lots[0][1]
            closed[2] += taken * each.price
            lots[0][0] -= taken
            left -= taken
            if not lots[0][0]:
                lots.pop(0)
    return {
        symbol: Lots(
            sum((quantity for quantity, _ in lots), ZERO),
            sum((quantity * price for quantity, price in lots), ZERO),
            *gone[symbol],
        )
        for symbol, lots in waiting.items()
    }


def _average_cost(evidence: Evidence) -> Iterator[str]:
    """For each symbol: money that moved = realized result - cost of what is held; lots and averages agree on it."""
    moved: dict[str, Decimal] = defaultdict(Decimal)
    for each in evidence.ours.executions:
        moved[each.symbol] += each.cash
    nothing = OurPosition(ZERO, ZERO, ZERO)
    for symbol in sorted(moved.keys() | evidence.ours.positions.keys()):
        position = evidence.ours.positions.get(symbol, nothing)
        expected = position.realized - position.quantity * position.average
        if moved[symbol] != expected:
            yield (
                f"symbol={symbol}, cash moved={moved[symbol]}, realized={position.realized}, "
                f"held={position.quantity} at {position.average}"
            )
        lots = evidence.ours.lots.get(symbol, Lots())
        if lots.proceeds - lots.closed_cost - lots.cost != expected:
            yield f"symbol={symbol}, by lots={lots.proceeds - lots.closed_cost - lots.cost}, by average cost={expected}"


CHECKS: Mapping[Invariant, Callable[[Evidence], Iterable[str]]] = {
    Invariant.DUPLICATE_ORDER: _duplicates,
    Invariant.LOST_INTENT: _lost,
    Invariant.STRANGER: _strangers,
    Invariant.STATES_DIFFER: _states,
    Invariant.EXECUTIONS: _executions,
    Invariant.FILLS_DIFFER: _fills,
    Invariant.BROKER_CASH: _broker_cash,
    Invariant.LEDGER_CASH: _ledger_cash,
    Invariant.POSITIONS: _positions,
    Invariant.RESERVED: _reserved,
    Invariant.LEFT_FINAL: _left_final,
    Invariant.OPENED_WHILE_STOPPED: lambda evidence: evidence.opened_while_stopped,
    Invariant.LOTS: _lots,
    Invariant.AVERAGE_COST: _average_cost,
    Invariant.BROKER_AUDIT: lambda evidence: evidence.broker_audit,
    Invariant.RECONCILIATION: lambda evidence: evidence.reconciliation,
    Invariant.AUDIT_CHAIN: lambda evidence: (
        () if evidence.broken_audit_entry is None else (f"entry={evidence.broken_audit_entry}",)
    ),
}


def _ours_there(evidence: Evidence) -> list[BrokerOrder]:
    """Orders at the broker that carry our prefix."""
    return [order for order in evidence.broker.orders if order.client_order_id.startswith(evidence.prefix)]


def _chains(evidence: Evidence) -> Iterator[tuple[OurOrder, Sequence[BrokerOrder]]]:
    """Our orders that the broker has, each with the broker's and what replaced it, one after the other."""
    placed = _ours_there(evidence)
    known = {order.id: order for order in placed}
    roots = {order.client_order_id: order for order in placed if not order.replaces}
    for order in evidence.ours.orders.values():
        root = roots.get(order.client_order_id)
        if root is None:
            continue
        chain = [root]
        while (successor := known.get(chain[-1].replaced_by)) is not None:
            chain.append(successor)
        yield order, chain


def _summed(executions: Iterable[Execution], *, by: Callable[[Execution], str]) -> dict[str, Decimal]:
    """Signed shares by what `by` names."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for each in executions:
        found[by(each)] += each.quantity
    return found


def _plain(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
