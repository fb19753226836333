"""Corporate actions on the ex-date, before the open.

Open orders are treated as FINRA Rule 5330 has it, which is how the vendor describes its good-till-canceled orders: a
forward split divides their prices and multiplies their quantities, rounded down; a reverse split cancels them; a
dividend lowers the prices of resting good-till-canceled buy limits and sell stops by its amount.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

from pydantic import Field, model_validator

from cli.paper_broker.amounts import SHARE, divide, micros, scale, tick_down, value_of
from cli.paper_broker.assets import Symbol
from cli.paper_broker.book import derived_id
from cli.paper_broker.exchange import NEW_YORK
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


class CorporateActions(Model):
    """Splits and dividends of one ex-date, each symbol once."""

    ex_date: date
    actions: tuple[ExDateAction, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        symbols = [action.symbol for action in self.actions]
        if len(symbols) != len(set(symbols)):
            raise ValueError("actions must name every symbol once")
        return self


def takes_effect(ex_date: date) -> datetime:
    """When the actions of a day do, on the wall clock: once no order of the session before waits for its bar."""
    return datetime.combine(ex_date, time(5), tzinfo=NEW_YORK).astimezone(UTC)


def apply_ex_date(desk: Desk, message: CorporateActions, *, cash_in_lieu: bool) -> dict[str, list[str]]:
    """Let the actions of a day take effect, each once. Bars of sessions before a split fill nothing from then on.

    One that comes after its hour still does where nothing of its symbol was executed since. Where something was, it
    does only if all that is held was bought since, which it then does not concern; else it is told as `late` and left
    out, because what was sold since may have been sold in either unit.
    """
    ex_date, since = message.ex_date.isoformat(), takes_effect(message.ex_date)
    known = set(desk.ledger.applied_actions(ex_date))
    told: dict[str, list[str]] = {"applied": [], "late": []}
    for action in message.actions:
        if (action.symbol, ex_date) in known:
            continue
        filled = desk.ledger.filled_since(action.symbol, since)
        if filled is not None:
            held = desk.ledger.position(action.symbol)
            if filled != (held.quantity if held else 0):
                told["late"].append(action.symbol)
                continue
            action.keep(Tape(desk.ledger), message.ex_date, 0)
        else:
            apply_actions(desk, [action], session=message.ex_date, cash_in_lieu=cash_in_lieu, since=since)
        if action.split_ratio != 1:
            desk.ledger.finish_sessions([action.symbol], (message.ex_date - timedelta(days=1)).isoformat())
        desk.ledger.keep_applied_action(action.symbol, ex_date)
        told["applied"].append(action.symbol)
    return told


def apply_actions(
    desk: Desk, actions: Sequence[ExDateAction], *, session: date, cash_in_lieu: bool, since: datetime | None = None
) -> None:
    """Pay dividends on what was held at the last close, then split positions, prices and open orders.

    Args:
        since: orders from then on know of the actions and stay as they are.
    """
    tape = Tape(desk.ledger)
    for ordinal, action in enumerate(actions):
        earlier = sum(other.symbol == action.symbol for other in actions[:ordinal])
        action.keep(tape, session, earlier)
    for ordinal, action in enumerate(actions):
        if action.cash_dividend:
            _pay_dividend(desk, action, _Entry("DIV", action.symbol, session, ordinal, since))
    for ordinal, action in enumerate(actions):
        if action.split_ratio != 1:
            _split(desk, action, _Entry("SPLIT", action.symbol, session, ordinal, since), cash_in_lieu=cash_in_lieu)


@dataclass(frozen=True, slots=True)
class _Entry:
    """Which activity an action leaves: several of one kind may fall on one day."""

    kind: str
    symbol: str
    session: date
    ordinal: int
    since: datetime | None = None
    """Orders from then on are for shares as they are now; None where there are none yet."""

    def concerns(self, order: Order) -> bool:
        return self.since is None or order.submitted_at < self.since

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
        if order.time_in_force is TimeInForce.GTC and entry.concerns(order):
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
        ex_date = entry.session.isoformat()
        last = max(scale(price.last, 1 / ratio), 1) if price.session < ex_date else price.last
        previous = price.previous_close
        if previous is not None and price.session <= ex_date:
            previous = max(scale(previous, 1 / ratio), 1)
        desk.ledger.rebase_price(action.symbol, last=last, previous_close=previous)
    position = desk.ledger.position(action.symbol)
    if position is not None:
        _split_position(desk, position, ratio, entry, last if cash_in_lieu else None)
    for order in desk.open_orders(action.symbol):
        if entry.concerns(order):
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
