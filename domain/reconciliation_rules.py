"""The comparison itself: orders, executions, money, shares; each rule names what differs and what to adopt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal

from domain.broker import BrokerActivity, BrokerFill, BrokerOrder, execution_key, root_id
from domain.decisions import Holding
from domain.market import CorporateAction
from domain.portfolio import apply_split, plain, product
from domain.reconciliation import (
    DIVIDENDS,
    TRANSFERS,
    AdoptedFill,
    AdoptedOrder,
    Adoption,
    Book,
    BookOrder,
    BrokerSide,
    Difference,
    DifferenceKind,
    MissingOrder,
    Reconciled,
    SeenActivity,
    Treatment,
    signed,
    totals,
)
from domain.reconciliation_orders import by_order, chains_of, flat, in_order, may_follow, owners_of, same_terms
from domain.submission import combined, judge_missing

ZERO = Decimal(0)
CASH_TOLERANCE = Decimal("0.01")
"""Dollars, beside fees that the broker has counted and not yet taken."""
PAID_WITHIN = timedelta(days=120)
"""A dividend is paid this long after its ex-date at the most."""


def reconcile(book: Book, broker: BrokerSide) -> Reconciled:
    """Compare the book, read first, with the broker, read after it."""
    run = _Run(book, broker)
    run.orders()
    run.strangers()
    run.unproven_fills()
    run.activities()
    run.cash()
    run.shares()
    return run.result()


class _Run:
    def __init__(self, book: Book, broker: BrokerSide) -> None:
        self._book, self._broker = book, in_order(broker)
        self._placed = {order.broker_order_id: order for order in flat(self._broker.orders)}
        self._chains = chains_of(book, self._placed)
        self._owner = owners_of(book, self._placed, self._chains)
        self._new = [
            each for each in self._broker.activities if each.activity_id not in book.seen and not each.canceled
        ]
        self._new_fills = [fill for fill in self._broker.fills if fill.execution_id not in book.seen]
        self._executed = totals(self._broker.fills)
        self._fills: list[AdoptedFill] = []
        self._orders: list[AdoptedOrder] = []
        self._missing: list[MissingOrder] = []
        self._actions: list[CorporateAction] = []
        self._foreign: dict[str, Decimal] = {}
        self._seen: list[SeenActivity] = []
        self._opening = ZERO
        self._found: list[Difference] = []

    def result(self) -> Reconciled:
        adoption = Adoption(
            fills=tuple(self._fills),
            orders=tuple(self._orders),
            missing=tuple(self._missing),
            actions=tuple(self._actions),
            foreign=self._foreign,
            activities=tuple(self._seen),
            opening_cash=self._opening,
        )
        return Reconciled(differences=tuple(self._found), adoption=adoption)

    def orders(self) -> None:
        held = dict(self._book.positions)
        booked = {execution_key(fill.fill_id) for fill in self._book.fills}
        listed = by_order(self._broker.fills)
        wanted: list[tuple[BookOrder, BrokerFill]] = []
        for order in self._book.orders:
            chain = self._chains.get(order.order_id, ())
            ids = [each.broker_order_id for each in chain] or [order.broker_order_id]
            wanted += [
                (order, fill)
                for broker_order_id in ids
                for fill in listed.get(broker_order_id, ())
                if execution_key(fill.execution_id) not in booked and same_terms(order, fill)
            ]
            if chain:
                self._known_order(order, chain)
            elif order.client_order_id in self._broker.not_found:
                self._missing_order(order)
        for order, fill in sorted(wanted, key=lambda pair: (pair[1].filled_at, pair[1].execution_id)):
            self._missing_fill(order, fill, held)

    def _known_order(self, order: BookOrder, chain: Sequence[BrokerOrder]) -> None:
        seen = combined(chain, self._executed)
        if not same_terms(order, seen):
            self._note(
                DifferenceKind.TERMS_MISMATCH,
                Treatment.ALARMED,
                order.client_order_id,
                order.symbol,
                ours=f"{order.side} {order.symbol}",
                broker=f"{seen.side} {seen.symbol}",
                detail="another order carries our id: another program, or a book restored from an old backup",
                blocking=True,
            )
            return
        executed = sum((self._executed.get(each.broker_order_id, ZERO) for each in chain), ZERO)
        complete = executed == seen.filled_quantity or seen.submitted_at < self._broker.since
        if not complete:
            self._note(
                DifferenceKind.UNLISTED_FILLS,
                Treatment.LEFT_ALONE,
                order.client_order_id,
                order.symbol,
                ours=str(executed),
                broker=str(seen.filled_quantity),
                detail="the broker's order and its activity list differ; the next run asks again",
                blocking=True,
            )
        if (order.status, order.filled_quantity) != (seen.status, seen.filled_quantity) or order.abandoned:
            self._other_state(order, seen, complete=complete)

    def _other_state(self, order: BookOrder, seen: BrokerOrder, *, complete: bool) -> None:
        ours = f"{order.status}, {_plain(order.filled_quantity)} filled"
        theirs = f"{seen.status}, {_plain(seen.filled_quantity)} filled"
        if order.abandoned and not order.status.final:
            self._orders.append(AdoptedOrder(intent_id=order.intent_id, seen=seen, late=True))
            self._note(
                DifferenceKind.LATE_ORDER,
                Treatment.ADOPTED,
                order.client_order_id,
                order.symbol,
                ours="given up",
                broker=theirs,
                detail="it arrived after it was given up, and is followed again",
            )
        elif may_follow(order, seen):
            if complete:
                self._orders.append(AdoptedOrder(intent_id=order.intent_id, seen=seen))
                self._note(
                    DifferenceKind.STATUS_MISMATCH,
                    Treatment.ADOPTED,
                    order.client_order_id,
                    order.symbol,
                    ours=ours,
                    broker=theirs,
                )
        else:
            self._note(
                DifferenceKind.STATUS_MISMATCH,
                Treatment.ALARMED,
                order.client_order_id,
                order.symbol,
                ours=ours,
                broker=theirs,
                detail="the book is ahead of the broker, or ended where the broker did not",
                blocking=True,
            )

    def _missing_order(self, order: BookOrder) -> None:
        if order.status.final or order.abandoned or self._broker.at < order.times.expires_at:
            return
        if order.broker_order_id:
            self._note(
                DifferenceKind.MISSING_ORDER,
                Treatment.ALARMED,
                order.client_order_id,
                order.symbol,
                ours=order.status.value,
                broker="not known",
                detail="the broker knew this order before",
                blocking=True,
            )
            return
        verdict = judge_missing(order.times, at=self._broker.at)
        self._missing.append(MissingOrder(intent_id=order.intent_id, **verdict.model_dump()))
        if verdict.abandoned:
            self._note(
                DifferenceKind.MISSING_ORDER,
                Treatment.ADOPTED,
                order.client_order_id,
                order.symbol,
                ours=order.status.value,
                broker="not known",
                detail="given up; should it arrive after all, the next run finds it",
            )

    def _missing_fill(self, order: BookOrder, fill: BrokerFill, held: dict[str, Decimal]) -> None:
        after = held.get(fill.symbol, ZERO) + signed(fill.side, fill.quantity)
        short = after < 0
        if not short:
            held[fill.symbol] = after
            self._fills.append(AdoptedFill(order_id=order.order_id, intent_id=order.intent_id, fill=fill))
        self._note(
            DifferenceKind.MISSING_FILL,
            Treatment.ALARMED if short else Treatment.ADOPTED,
            execution_key(fill.execution_id),
            fill.symbol,
            ours="not booked",
            broker=f"{fill.side} {_plain(fill.quantity)} at {_plain(fill.price)}",
            detail=f"{order.client_order_id}{': more than the book holds was sold' if short else ''}",
            blocking=short,
        )

    def strangers(self) -> None:
        """Orders that the book has not: those under our prefix are an alarm, others are somebody else's."""
        for order in self._placed.values():
            if order.broker_order_id in self._owner or root_id(order.client_order_id) in self._book.too_new:
                continue
            if order.client_order_id.startswith(self._book.prefix):
                self._note(
                    DifferenceKind.UNKNOWN_ORDER,
                    Treatment.ALARMED,
                    order.client_order_id,
                    order.symbol,
                    ours="no such order",
                    broker=f"{order.side} {_plain(order.quantity)}, {order.status}",
                    detail="was the book restored from an older backup?",
                    blocking=True,
                )
            elif not order.status.final:
                self._note(
                    DifferenceKind.FOREIGN_ORDER,
                    Treatment.LEFT_ALONE,
                    order.broker_order_id,
                    order.symbol,
                    broker=f"{order.side} {_plain(order.quantity)}",
                    detail="not ours; left as it is",
                )

    def unproven_fills(self) -> None:
        listed = {execution_key(fill.execution_id) for fill in self._broker.fills}
        for fill in self._book.fills:
            if fill.filled_at >= self._broker.since and execution_key(fill.fill_id) not in listed:
                self._note(
                    DifferenceKind.UNPROVEN_FILL,
                    Treatment.ALARMED,
                    execution_key(fill.fill_id),
                    ours="booked",
                    broker="not listed",
                    detail="the broker took it back, or another account's fills were booked",
                    blocking=True,
                )

    def activities(self) -> None:
        """Remember what moved cash or shares, and name transfers and dividends that nobody expected."""
        for fill in self._new_fills:
            moved = signed(fill.side, fill.quantity)
            self._seen.append(
                SeenActivity(
                    activity_id=fill.execution_id,
                    kind="FILL",
                    day=fill.filled_at.date(),
                    symbol=fill.symbol,
                    quantity=moved,
                    cash=-product(moved, fill.price),
                    ours=self._mine(fill),
                )
            )
        for each in self._new:
            self._seen.append(
                SeenActivity(
                    activity_id=each.activity_id,
                    kind=each.kind,
                    day=each.day,
                    symbol=each.symbol,
                    quantity=each.quantity,
                    cash=each.net_amount,
                )
            )
            if each.kind in TRANSFERS:
                self._transfer(each)
            elif each.kind in DIVIDENDS:
                self._dividend(each)

    def _transfer(self, activity: BrokerActivity) -> None:
        what = f"{_plain(activity.quantity)} shares" if activity.quantity else f"{_plain(activity.net_amount)} dollars"
        self._note(
            DifferenceKind.TRANSFER,
            Treatment.LEFT_ALONE,
            activity.activity_id,
            activity.symbol,
            broker=what,
            detail=activity.kind,
        )

    def _dividend(self, activity: BrokerActivity) -> None:
        """A dividend on shares of ours that the book has not heard of; one that it has not booked yet is booked."""
        if not self._book.positions.get(activity.symbol):
            return
        due = [
            action
            for action in self._book.unbooked_actions
            if action.symbol == activity.symbol and action.split_ratio == 1 and action.ex_date <= activity.day
        ]
        if due:
            self._act(due)
        elif not any(
            symbol == activity.symbol and timedelta(0) <= activity.day - on <= PAID_WITHIN
            for symbol, on in self._book.booked_actions
        ):
            self._note(
                DifferenceKind.CORPORATE_ACTION,
                Treatment.ALARMED,
                activity.activity_id,
                activity.symbol,
                ours="not known",
                broker=f"{_plain(activity.net_amount)} dollars",
                detail="a dividend on shares of ours that no source of ours has announced",
            )

    def _act(self, actions: Iterable[CorporateAction]) -> None:
        for action in actions:
            if action in self._actions:
                continue
            self._actions.append(action)
            self._note(
                DifferenceKind.CORPORATE_ACTION,
                Treatment.ADOPTED,
                f"{action.symbol}/{action.ex_date}",
                action.symbol,
                ours="not booked",
                broker="booked",
                detail=f"split {_plain(action.split_ratio)}, dividend {_plain(action.cash_dividend)}",
            )

    def cash(self) -> None:
        """The account's cash against what its activities make of the opening cash."""
        new = sum((each.cash for each in self._seen), ZERO)
        account, opening = self._broker.account, self._book.opening_cash
        self._opening = account.cash - new - self._book.explained_cash if opening is None else opening
        expected = self._opening + self._book.explained_cash + new
        if abs(account.cash - expected) <= CASH_TOLERANCE + abs(account.accrued_fees):
            return
        self._note(
            DifferenceKind.CASH_MISMATCH,
            Treatment.ALARMED,
            "cash",
            ours=_plain(expected),
            broker=_plain(account.cash),
            detail=f"{_plain(account.cash - expected)} dollars that no activity explains",
            blocking=True,
        )

    def shares(self) -> None:
        theirs = {position.symbol: position.quantity for position in self._broker.positions}
        for symbol in sorted({*theirs, *self._book.positions, *self._book.foreign}):
            self._shares_of(symbol, theirs.get(symbol, ZERO))

    def _shares_of(self, symbol: str, theirs: Decimal) -> None:
        ours = self._book.positions.get(symbol, ZERO) + sum(
            (signed(each.fill.side, each.fill.quantity) for each in self._fills if each.fill.symbol == symbol), ZERO
        )
        known = self._book.foreign.get(symbol, ZERO)
        if theirs == ours + known or self._split(symbol, ours=ours, known=known, theirs=theirs):
            return
        disputed = self._disputed(symbol)
        rest = theirs - ours
        explained = self._book.opening_cash is None or rest == known + self._foreign_moves(symbol)
        if not disputed and (ours == 0 or (explained and rest >= 0)):
            self._foreign[symbol] = rest
            if rest:
                self._note(
                    DifferenceKind.FOREIGN_POSITION,
                    Treatment.LEFT_ALONE,
                    symbol,
                    symbol,
                    broker=_plain(rest),
                    detail="not ours; left as it is",
                )
            return
        action = any(each.kind == "SPLIT" and each.symbol == symbol for each in self._new)
        self._note(
            DifferenceKind.CORPORATE_ACTION if action else DifferenceKind.POSITION_MISMATCH,
            Treatment.ALARMED,
            symbol,
            symbol,
            ours=_plain(ours),
            broker=_plain(theirs - known),
            detail=self._why(symbol, action=action, sold=rest < known),
            blocking=True,
        )

    def _why(self, symbol: str, *, action: bool, sold: bool) -> str:
        if action:
            return "the broker booked a split that no source of ours has announced"
        if sold and self._foreign_moves(symbol) < 0:
            return "somebody else's order sold shares of ours"
        return "neither executions nor transfers explain it"

    def _split(self, symbol: str, *, ours: Decimal, known: Decimal, theirs: Decimal) -> bool:
        """Whether splits that the book has not booked make the two sides equal; then they are booked."""
        due = [each for each in self._book.unbooked_actions if each.symbol == symbol and each.split_ratio != 1]
        if not due:
            return False
        after, others = ours, known
        for action in due:
            after, others = _split_shares(after, action.split_ratio), others * action.split_ratio
        if after + others != theirs:
            return False
        self._act(due)
        if known:
            self._foreign[symbol] = others
        return True

    def _foreign_moves(self, symbol: str) -> Decimal:
        """Shares that other people's orders and transfers moved since the last run."""
        by_orders = sum(
            (
                signed(fill.side, fill.quantity)
                for fill in self._new_fills
                if fill.symbol == symbol and not self._mine(fill)
            ),
            ZERO,
        )
        return by_orders + sum(
            (each.quantity for each in self._new if each.symbol == symbol and each.kind in TRANSFERS), ZERO
        )

    def _disputed(self, symbol: str) -> bool:
        """Whether orders under our prefix that the book has not traded the symbol: those shares are nobody else's."""
        return any(
            order.symbol == symbol and order.filled_quantity > 0
            for order in self._placed.values()
            if order.broker_order_id not in self._owner and order.client_order_id.startswith(self._book.prefix)
        )

    def _mine(self, fill: BrokerFill) -> bool:
        if fill.broker_order_id in self._owner:
            return True
        order = self._placed.get(fill.broker_order_id)
        return order is not None and order.client_order_id.startswith(self._book.prefix)

    def _note(
        self,
        kind: DifferenceKind,
        treatment: Treatment,
        subject: str,
        symbol: str = "",
        *,
        ours: str = "",
        broker: str = "",
        detail: str = "",
        blocking: bool = False,
    ) -> None:
        self._found.append(
            Difference(
                kind=kind,
                treatment=treatment,
                subject=subject,
                symbol=symbol,
                ours=ours,
                broker=broker,
                detail=detail,
                blocking=blocking,
            )
        )


def _split_shares(quantity: Decimal, ratio: Decimal) -> Decimal:
    holding = Holding(symbol="", quantity=quantity, average_price=ZERO, last_price=ZERO)
    return apply_split(holding, ratio).holding.quantity


def _plain(amount: Decimal) -> str:
    return format(plain(amount), "f")
