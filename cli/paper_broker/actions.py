"""Corporate actions on the ex-date, before the open.

Open orders are treated as FINRA Rule 5330 has it, which is how the vendor describes its good-till-canceled orders: a
forward split divides their prices and multiplies their quantities, rounded down; a reverse split cancels them; a
dividend lowers the prices of resting good-till-canceled buy limits and sell stops by its amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from cli.paper_broker.amounts import SHARE, divide, micros, scale, tick_down, value_of
from cli.paper_broker.assets import Symbol
from cli.paper_broker.book import derived_id
from cli.paper_broker.execution import Desk
from cli.paper_broker.records import Activity, Order, OrderType, Position, Side, TimeInForce
from cli.paper_broker.tape import Tape
from domain.model import Model


class ExDateAction(Model):
    """A cash dividend a share and/or a split (new shares for each old one) taking effect before the open."""

    symbol: Symbol
    cash_dividend: Annotated[Decimal, Field(ge=0, decimal_places=6, max_digits=18)] = Decimal(0)
    split_ratio: Annotated[Decimal, Field(gt=0, decimal_places=12, max_digits=24)] = Decimal(1)

    def keep(self, tape: Tape, ex_date: date, ordinal: int) -> None:
        """Remember the action as market data."""
        if self.cash_dividend:
            tape.put_action(self.symbol, ex_date, ordinal, dividend=micros(self.cash_dividend), ratio=None)
        if self.split_ratio != 1:
            tape.put_action(self.symbol, ex_date, ordinal, dividend=None, ratio=self.split_ratio)


def apply_actions(desk: Desk, actions: Sequence[ExDateAction], *, session: date, cash_in_lieu: bool) -> None:
    """Pay dividends on what was held at the last close, then split positions, prices and open orders."""
    tape = Tape(desk.ledger)
    for ordinal, action in enumerate(actions):
        earlier = sum(other.symbol == action.symbol for other in actions[:ordinal])
        action.keep(tape, session, earlier)
    for ordinal, action in enumerate(actions):
        if action.cash_dividend:
            _pay_dividend(desk, action, _Entry("DIV", action.symbol, session, ordinal))
    for ordinal, action in enumerate(actions):
        if action.split_ratio != 1:
            _split(desk, action, _Entry("SPLIT", action.symbol, session, ordinal), cash_in_lieu=cash_in_lieu)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Which activity an action leaves: several of one kind may fall on one day."""

    kind: str
    symbol: str
    session: date
    ordinal: int

    def record(self, desk: Desk, *, quantity: int, cash: int, price: int | None = None) -> None:
        desk.ledger.add_activity(
            Activity(
                id=derived_id(self.kind, desk.ledger.account().id, self.symbol, self.session, self.ordinal),
                kind=self.kind,
                at=desk.market.now,
                session=self.session.isoformat(),
                symbol=self.symbol,
                quantity=quantity,
                cash=cash,
                price=price,
            )
        )


def _pay_dividend(desk: Desk, action: ExDateAction, entry: _Entry) -> None:
    per_share = micros(action.cash_dividend)
    position = desk.ledger.position(action.symbol)
    if position is not None:
        amount = value_of(per_share, position.quantity)
        desk.ledger.add_cash(amount)
        entry.record(desk, quantity=0, cash=amount, price=per_share)
    for order in desk.open_orders(action.symbol):
        if order.time_in_force is TimeInForce.GTC:
            _lower(desk, order, per_share)


def _lower(desk: Desk, order: Order, dividend: int) -> None:
    buy_limit = order.side is Side.BUY and order.type is OrderType.LIMIT
    sell_stop = order.side is Side.SELL and order.type in (OrderType.STOP, OrderType.STOP_LIMIT)
    if not (buy_limit or sell_stop):
        return
    limit = None if order.limit_price is None else tick_down(order.limit_price - dividend)
    stop = None if order.stop_price is None else tick_down(order.stop_price - dividend)
    if any(price is not None and price <= 0 for price in (limit, stop)):
        desk.cancel(order, "dividend")
        return
    reserve = limit if buy_limit else order.reserve_price
    desk.adjust(replace(order, limit_price=limit, stop_price=stop, reserve_price=reserve), "dividend")


def _split(desk: Desk, action: ExDateAction, entry: _Entry, *, cash_in_lieu: bool) -> None:
    ratio = Fraction(action.split_ratio)
    price = desk.ledger.price(action.symbol)
    last = None
    if price is not None:
        last = max(scale(price.last, 1 / ratio), 1)
        previous = None if price.previous_close is None else max(scale(price.previous_close, 1 / ratio), 1)
        desk.ledger.rebase_price(action.symbol, last=last, previous_close=previous)
    position = desk.ledger.position(action.symbol)
    if position is not None:
        _split_position(desk, position, ratio, entry, last if cash_in_lieu else None)
    for order in desk.open_orders(action.symbol):
        _split_order(desk, order, ratio)


def _split_position(desk: Desk, position: Position, ratio: Fraction, entry: _Entry, lieu_price: int | None) -> None:
    """Scale the quantity and keep the cost; with a price given, pay out the fraction of a share at it."""
    quantity = scale(position.quantity, ratio)
    fraction = 0
    if lieu_price is not None:
        whole = abs(quantity) // SHARE * SHARE
        fraction = quantity - (whole if quantity > 0 else -whole)
    kept = quantity - fraction
    cash = value_of(lieu_price or 0, fraction)
    desk.ledger.put_position(
        replace(
            position,
            quantity=kept,
            cost=divide(position.cost * kept, quantity) if quantity else 0,
            day_cost=divide(position.day_cost * kept, quantity) if quantity else 0,
        )
    )
    desk.ledger.add_cash(cash)
    entry.record(desk, quantity=kept - position.quantity, cash=cash)


def _split_order(desk: Desk, order: Order, ratio: Fraction) -> None:
    if ratio < 1:
        desk.cancel(order, "reverse split")
        return
    quantity = order.quantity
    filled = order.filled_quantity
    if quantity is not None:
        left = scale(quantity - filled, ratio)
        whole = quantity % SHARE == 0 and filled % SHARE == 0
        quantity = filled + (left // SHARE * SHARE if whole else left)
    limit, stop = (
        None if price is None else tick_down(scale(price, 1 / ratio)) for price in (order.limit_price, order.stop_price)
    )
    reserve = None if order.reserve_price is None else max(scale(order.reserve_price, 1 / ratio), 1)
    if limit == 0 or stop == 0:
        desk.cancel(order, "split")
        return
    trail, hwm = (
        None if price is None else max(scale(price, 1 / ratio), 1) for price in (order.trail_price, order.hwm)
    )
    changed = replace(order, limit_price=limit, stop_price=stop, reserve_price=reserve, trail_price=trail, hwm=hwm)
    desk.adjust(replace(changed, quantity=quantity), "split")
