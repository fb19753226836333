"""Proving the book: everything it says is recomputed from what was executed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cli.paper_broker.amounts import dollars, shares, value_of
from cli.paper_broker.book import Book
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.lifecycle import FINAL, ImpossibleTransition, OrderEvent, OrderStatus, transition
from cli.paper_broker.records import Activity, Order, OrderType


def audit(book: Book) -> list[str]:
    """List what does not add up; an empty list is a sound book."""
    with book.reading() as ledger:
        return violations(ledger)


def violations(ledger: Ledger) -> list[str]:
    activities = ledger.activities()
    orders = ledger.list_orders("1", (), newest=False, limit=-1)
    return [
        *_cash(ledger, activities),
        *_positions(ledger, activities),
        *_orders(orders, activities),
        *_lives(ledger, orders),
        *_holds(ledger, orders),
        *_replacements(orders),
        *_groups(orders),
        *_watermarks(orders),
    ]


def _cash(ledger: Ledger, activities: list[Activity]) -> Iterator[str]:
    """Opening cash, less buys, plus sells and dividends, less fees, is cash."""
    account = ledger.account()
    expected = account.opening_cash
    for activity in activities:
        if activity.kind == "FILL" and activity.price is not None:
            traded = value_of(activity.price, activity.quantity)
            if activity.cash != -traded:
                yield f"FILL_VALUE: activity={activity.id}, cash={dollars(activity.cash)}, traded={dollars(traded)}"
            expected -= traded
        else:
            expected += activity.cash
    if expected != account.cash:
        yield f"CASH: found={dollars(account.cash)}, expected={dollars(expected)}"


def _positions(ledger: Ledger, activities: list[Activity]) -> Iterator[str]:
    """A position is the sum of its signed fills and splits."""
    expected: dict[str, int] = defaultdict(int)
    for activity in activities:
        expected[activity.symbol] += activity.quantity
    found = {position.symbol: position.quantity for position in ledger.list_positions()}
    for symbol in sorted(expected.keys() | found.keys()):
        if expected[symbol] != (quantity := found.get(symbol, 0)):
            yield f"POSITION: symbol={symbol}, found={shares(quantity)}, expected={shares(expected[symbol])}"


def _orders(orders: list[Order], activities: list[Activity]) -> Iterator[str]:
    """What an order says it filled is the sum of its executions, and not more than it asked for."""
    quantity: dict[str, int] = defaultdict(int)
    value: dict[str, int] = defaultdict(int)
    count: dict[str, int] = defaultdict(int)
    for activity in activities:
        if activity.kind == "FILL" and activity.order_id and activity.price is not None:
            quantity[activity.order_id] += abs(activity.quantity)
            value[activity.order_id] += abs(value_of(activity.price, activity.quantity))
            count[activity.order_id] += 1
    for order in orders:
        filled, done = shares(order.filled_quantity), (order.filled_quantity, order.filled_value, order.executions)
        if done != (quantity[order.id], value[order.id], count[order.id]):
            yield f"EXECUTIONS: order={order.id}, filled={filled}, sum={shares(quantity[order.id])}"
        if order.notional is not None and order.filled_value > order.notional:
            yield f"OVERSPENT: order={order.id}, value={dollars(order.filled_value)}, limit={dollars(order.notional)}"
        if order.quantity is None:
            continue
        if order.filled_quantity > order.quantity:
            yield f"OVERFILLED: order={order.id}, filled={filled}, qty={shares(order.quantity)}"
        if order.status is OrderStatus.FILLED and order.filled_quantity != order.quantity:
            yield f"FILLED_SHORT: order={order.id}, filled={filled}, qty={shares(order.quantity)}"


def _lives(ledger: Ledger, orders: list[Order]) -> Iterator[str]:
    """Every order's announced events are a possible life that ends in its present state."""
    state: dict[str, OrderStatus] = {}
    for row in ledger.execute("SELECT order_id, event, status FROM outbox ORDER BY sequence"):
        try:
            state[row["order_id"]] = transition(state.get(row["order_id"]), OrderEvent(row["event"]))
        except ImpossibleTransition as impossible:
            yield f"TRANSITION: order={row['order_id']}, {impossible}"
    for order in orders:
        if state.get(order.id) != order.status:
            yield f"STATUS: order={order.id}, found={order.status}, announced={state.get(order.id)}"
        ended = (order.filled_at, order.canceled_at, order.expired_at, order.failed_at, order.replaced_at)
        if sum(at is not None for at in ended) != (order.status in FINAL):
            yield f"END: order={order.id}, status={order.status}"


def _holds(ledger: Ledger, orders: list[Order]) -> Iterator[str]:
    """Only open orders reserve anything, and no more shares are held than there are."""
    held: dict[str, int] = defaultdict(int)
    for order in orders:
        if order.closed and (order.held() or order.reserved(0)):
            yield f"RESERVED: order={order.id}, status={order.status}"
        held[order.symbol] += order.held()
    positions = {position.symbol: abs(position.quantity) for position in ledger.list_positions()}
    for symbol, quantity in sorted(held.items()):
        if quantity > positions.get(symbol, 0):
            yield f"HELD: symbol={symbol}, held={shares(quantity)}, position={shares(positions.get(symbol, 0))}"


def _replacements(orders: list[Order]) -> Iterator[str]:
    """A replaced order names its successor and is named by it; only a rejected replacement has a predecessor alone."""
    known = {order.id: order for order in orders}
    for order in orders:
        if (order.status is OrderStatus.REPLACED) != (order.replaced_by is not None):
            yield f"REPLACED: order={order.id}, status={order.status}, replaced_by={order.replaced_by}"
        successor = known.get(order.replaced_by or "")
        if order.replaced_by is not None and (successor is None or successor.replaces != order.id):
            yield f"SUCCESSOR: order={order.id}, replaced_by={order.replaced_by}"
        predecessor = known.get(order.replaces or "")
        if order.replaces is None or order.status is OrderStatus.REJECTED:
            continue
        if predecessor is None or predecessor.replaced_by != order.id:
            yield f"PREDECESSOR: order={order.id}, replaces={order.replaces}"


def _groups(orders: list[Order]) -> Iterator[str]:
    """Legs work only after their entry is filled, and a filled exit leaves no other one open."""
    legs: dict[str, list[Order]] = defaultdict(list)
    for order in orders:
        if order.parent_id is not None and order.status is not OrderStatus.REPLACED:
            legs[order.parent_id].append(order)
        if order.status is OrderStatus.HELD and order.parent_id is None:
            yield f"HELD_ALONE: order={order.id}"
    known = {order.id: order for order in orders}
    for head_id, members in legs.items():
        head = known.get(head_id)
        if head is None:
            yield f"ORPHANS: parent={head_id}, legs={len(members)}"
            continue
        exits = members if head.leads_exits else [head, *members]
        if head.leads_exits and head.status is not OrderStatus.FILLED:
            yield from (
                f"EARLY_LEG: order={leg.id}, status={leg.status}, parent={head.status}"
                for leg in members
                if leg.filled_quantity or (not leg.closed and (head.closed or leg.status is not OrderStatus.HELD))
            )
        if any(leg.status is OrderStatus.FILLED for leg in exits) and any(not leg.closed for leg in exits):
            yield f"BOTH_EXITS: parent={head.id}"


def _watermarks(orders: list[Order]) -> Iterator[str]:
    """A trailing stop knows its stop exactly if it has seen a price."""
    for order in orders:
        if order.type is OrderType.TRAILING_STOP and (order.hwm is None) != (order.stop_price is None):
            yield f"WATERMARK: order={order.id}, hwm={order.hwm}, stop={order.stop_price}"
