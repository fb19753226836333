"""Control messages that move the market: a session's open and close, and prices on the wall clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from cli.paper_broker.actions import ExDateAction, apply_actions
from cli.paper_broker.amounts import dollars, micros, value_of
from cli.paper_broker.assets import Symbol, asset_for
from cli.paper_broker.execution import Costs, Desk
from cli.paper_broker.ledger import Ledger, stamp
from cli.paper_broker.lifecycle import OrderStatus
from cli.paper_broker.matching import Range
from cli.paper_broker.records import MarketState, Order, OrderType, TimeInForce
from cli.paper_broker.settings import BrokerSettings
from cli.paper_broker.tape import Tape
from cli.paper_broker.valuation import standing
from domain.errors import Conflict
from domain.market import Price
from domain.model import Model, Utc

MORNING = timedelta(hours=1)
"""How long before the open the morning's message sets the clock: before any order of the day is planned."""

WAITS_FOR_BAR = timedelta(hours=12)
"""How long after its session an order waits for the session's bar where no price of the session was seen."""

_WAITING = (OrderStatus.ACCEPTED, OrderStatus.PENDING_NEW)


class Phase(StrEnum):
    PRE_OPEN = "pre_open"
    """The morning of the session: corporate actions take effect, so that orders placed before the open see them."""
    OPEN = "open"
    CLOSE = "close"


class PhaseBar(Model):
    """One symbol's session. Of it the open phase uses only the open."""

    symbol: Symbol
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError(
                f"{self.symbol}: open {self.open} and close {self.close} must lie in {self.low}..{self.high}"
            )
        return self

    def range(self) -> Range:
        return Range(micros(self.open), micros(self.high), micros(self.low), micros(self.close))


class SessionMessage(Model):
    """Move the virtual clock to a session's morning, open or close. Session and phase are the key of the message.

    The morning may be left out: its work is then done at the open.
    """

    session: date
    phase: Phase
    opens_at: Utc
    closes_at: Utc
    bars: tuple[PhaseBar, ...] = ()
    actions: tuple[ExDateAction, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.closes_at <= self.opens_at:
            raise ValueError(
                f"closes_at {self.closes_at.isoformat()} must be after opens_at {self.opens_at.isoformat()}"
            )
        symbols = [bar.symbol for bar in self.bars]
        if len(symbols) != len(set(symbols)):
            raise ValueError("bars must name every symbol once")
        return self


class SeenPrice(Model):
    """A trade or quote seen at an instant."""

    symbol: Symbol
    price: Price
    at: Utc


@dataclass
class _Tally:
    canceled: int = 0
    expired: int = 0
    executions: int = 0


def apply_session(ledger: Ledger, message: SessionMessage, settings: BrokerSettings) -> dict[str, Any]:
    """Apply a session message once; a repeat returns the first answer and changes nothing.

    Raises Conflict for a session before the latest one, a close without its open, and an open while another session is
    open.
    """
    session = message.session.isoformat()
    earlier = ledger.session_answer(session, message.phase)
    if earlier is not None:
        answer: dict[str, Any] = json.loads(earlier)
        return answer
    market = ledger.market()
    _require_order(market, message)
    tally = _Tally()
    known = [asset_for(bar.symbol) for bar in message.bars]
    ledger.add_unknown_assets(known)
    after = _STEPS[message.phase](ledger, message, settings, tally)
    worth = standing(ledger, fee_per_share=micros(settings.fee_per_share))
    answer = {
        "session": session,
        "phase": message.phase.value,
        "now": stamp(after.now),
        "is_open": after.is_open,
        "executions": tally.executions,
        "canceled": tally.canceled,
        "expired": tally.expired,
        "cash": dollars(worth.account.cash),
        "equity": dollars(worth.equity),
    }
    ledger.keep_session_answer(session, message.phase, json.dumps(answer))
    return answer


def _require_order(market: MarketState, message: SessionMessage) -> None:
    session, phase = message.session.isoformat(), message.phase
    found = {"session": session, "phase": phase.value, "latest": market.session or "none", "is_open": market.is_open}
    if session < market.session:
        raise Conflict("SESSION_IN_THE_PAST", "The clock moves forward only; send a later session", **found)
    if phase is not Phase.CLOSE and market.is_open:
        raise Conflict("SESSION_STILL_OPEN", "Close the latest session first", **found)
    if phase is not Phase.CLOSE and session == market.session:
        raise Conflict("SESSION_ALREADY_CLOSED", "Send the next session", **found)
    if phase is Phase.CLOSE and not (market.is_open and session == market.session):
        raise Conflict("SESSION_NOT_OPEN", "Send the open phase of the same session first", **found)


def _pre_open(ledger: Ledger, message: SessionMessage, settings: BrokerSettings, tally: _Tally) -> MarketState:
    before = ledger.market()
    morning = replace(before, now=max(before.now, message.opens_at - MORNING))
    ledger.set_market(morning)
    _begin_day(Desk(ledger, morning, Costs.of(settings)), message, settings, before.session)
    return morning


def _begin_day(desk: Desk, message: SessionMessage, settings: BrokerSettings, previous_session: str) -> None:
    roll_day(desk.ledger, previous_session, message.session.isoformat(), Costs.of(settings).fee_per_share)
    apply_actions(desk, message.actions, session=message.session, cash_in_lieu=settings.cash_in_lieu)


def _open(ledger: Ledger, message: SessionMessage, settings: BrokerSettings, tally: _Tally) -> MarketState:
    before = ledger.market()
    now = max(before.now, message.opens_at)
    market = MarketState(now, True, message.session.isoformat(), message.opens_at, message.closes_at)
    ledger.set_market(market)
    desk = Desk(ledger, market, Costs.of(settings))
    if ledger.session_answer(market.session, Phase.PRE_OPEN) is None:
        _begin_day(desk, message, settings, before.session)
    opens = {bar.symbol: micros(bar.open) for bar in message.bars}
    ledger.put_prices(opens.items(), at=now, session=market.session)
    tape = Tape(ledger)
    tape.see_session(((symbol, Range(o, o, o, o), 0) for symbol, o in opens.items()), day=message.session, at=now)
    for order in desk.open_orders():
        tally.canceled += _work(desk, order, market, opens.get(order.symbol))
    tally.executions = desk.executions
    tape.mark(equity_of(desk, settings), at=now, session=market.session)
    return market


def equity_of(desk: Desk, settings: BrokerSettings) -> int:
    return standing(desk.ledger, fee_per_share=Costs.of(settings).fee_per_share).equity


def _work(desk: Desk, order: Order, market: MarketState, price: int | None) -> bool:
    """Let an order work at one price, if there is one; returns whether it was canceled for missing the opening."""
    working = enter(desk, order, market)
    if price is not None and order.time_in_force is not TimeInForce.CLS:
        working = desk.meet_price(working, price)
    if order.time_in_force is not TimeInForce.OPG or working.closed:
        return False
    desk.cancel(working, "not filled in the opening auction")
    return True


def enter(desk: Desk, order: Order, market: MarketState) -> Order:
    """Let an order that waited for the session work in it."""
    if order.status not in _WAITING:
        return order
    ends = market.closes_at if order.expires_at is None else order.expires_at
    return desk.release(replace(order, expires_at=ends))


def _close(ledger: Ledger, message: SessionMessage, settings: BrokerSettings, tally: _Tally) -> MarketState:
    now = max(ledger.market().now, message.closes_at)
    market = MarketState(now, True, message.session.isoformat(), message.opens_at, message.closes_at)
    ranges = {bar.symbol: bar.range() for bar in message.bars}
    ledger.put_prices(((symbol, bar.close) for symbol, bar in ranges.items()), at=now, session=market.session)
    volumes = {bar.symbol: bar.volume for bar in message.bars}
    tape = Tape(ledger)
    tape.see_session(((symbol, bar, volumes[symbol]) for symbol, bar in ranges.items()), day=message.session, at=now)
    desk = Desk(ledger, market, Costs.of(settings))
    for order in desk.open_orders():
        bar = ranges.get(order.symbol)
        if bar is not None:
            _meet_close(desk, order, bar)
    _end_orders(desk, tally)
    tally.executions = desk.executions
    tape.mark(equity_of(desk, settings), at=now, session=market.session)
    closed = replace(market, is_open=False)
    ledger.set_market(closed)
    return closed


_STEPS = {Phase.PRE_OPEN: _pre_open, Phase.OPEN: _open, Phase.CLOSE: _close}


def _meet_close(desk: Desk, order: Order, bar: Range) -> None:
    if order.time_in_force is TimeInForce.CLS or order.type is OrderType.MARKET:
        desk.meet_price(order, bar.close)
    else:
        desk.meet_bar(order, bar)


def _end_orders(desk: Desk, tally: _Tally) -> None:
    """End what was good for the session only, and what is too old."""
    for order in desk.open_orders():
        if order.time_in_force is TimeInForce.CLS:
            desk.cancel(order, "not filled in the closing auction")
            tally.canceled += 1
        elif order.time_in_force is TimeInForce.DAY or (order.expires_at and order.expires_at <= desk.market.now):
            desk.expire(order)
            tally.expired += 1


def roll_day(ledger: Ledger, previous_session: str, session: str, fee_per_share: int) -> None:
    """Begin a trading day: the latest prices and what the account is worth at them become those of the day before.

    Dividends that came with the day itself are part of its gain.
    """
    worth = standing(ledger, fee_per_share=fee_per_share)
    equity = worth.equity - ledger.dividends_of(session)
    ledger.update_account(last_equity=equity, balance_as_of=previous_session)
    ledger.roll_prices()
    for position in ledger.list_positions():
        price = ledger.price(position.symbol)
        if price is not None:
            ledger.put_position(replace(position, day_cost=value_of(price.last, position.quantity)))


def advance(ledger: Ledger, market: MarketState, settings: BrokerSettings) -> None:
    """Do what real time has made due: begin the day, release waiting orders, end old ones. Harmless to repeat."""
    costs = Costs.of(settings)
    stored = ledger.market()
    if market.is_open and stored.session != market.session:
        roll_day(ledger, stored.session, market.session, costs.fee_per_share)
        Tape(ledger).forget_old_prices(market.now)
        ledger.set_market(market)
    desk = Desk(ledger, market, costs)
    for order in desk.open_orders():
        if order.expires_at is not None and order.expires_at <= market.now:
            if not _waits_for_bar(ledger, order, market.now):
                _end(desk, order)
        elif market.is_open:
            enter(desk, order, market)


def _waits_for_bar(ledger: Ledger, order: Order, now: datetime) -> bool:
    """Whether an order whose session is over may still fill from the session's bar, which comes when it is over."""
    if order.time_in_force is TimeInForce.GTC or order.expires_at is None:
        return False
    return now < order.expires_at + WAITS_FOR_BAR and not seen_on(ledger, order.symbol, order.expires_at.date())


def seen_on(ledger: Ledger, symbol: str, day: date) -> bool:
    """Whether the newest price of a symbol is one of a day."""
    price = ledger.price(symbol)
    return price is not None and price.at.date() == day


def _end(desk: Desk, order: Order) -> None:
    """End an order whose time is up; one for the closing auction fills at the session's last price first."""
    if order.time_in_force is not TimeInForce.CLS or order.expires_at is None:
        desk.expire(order)
        return
    price = desk.ledger.price(order.symbol)
    if price is not None and seen_on(desk.ledger, order.symbol, order.expires_at.date()):
        order = desk.meet_price(enter(desk, order, desk.market), price.last)
    if not order.closed:
        desk.cancel(order, "not filled in the closing auction")


def apply_prices(ledger: Ledger, prices: Iterable[SeenPrice], market: MarketState, settings: BrokerSettings) -> int:
    """Set latest prices and fill what rests; returns the number of executions. Prices older than known are ignored."""
    desk = Desk(ledger, market, Costs.of(settings))
    for seen in sorted(prices, key=lambda seen: seen.at):
        known = ledger.price(seen.symbol)
        if known is not None and known.at > seen.at:
            continue
        ledger.add_unknown_assets([asset_for(seen.symbol)])
        amount = micros(seen.price)
        ledger.put_prices([(seen.symbol, amount)], at=seen.at, session=market.session)
        in_session = market.is_open and market.opens_at is not None and seen.at >= market.opens_at
        Tape(ledger).see_price(seen.symbol, amount, seen.at, in_session=in_session)
        if not in_session:
            continue
        for order in desk.open_orders(seen.symbol):
            _work(desk, order, market, amount)
    if market.is_open:
        Tape(ledger).mark(equity_of(desk, settings), at=market.now, session=market.session)
    return desk.executions
