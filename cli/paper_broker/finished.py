"""Bars of sessions that are over, on the wall clock: how orders fill where prices come once a day."""

from __future__ import annotations

from datetime import date
from typing import Any, Self

from pydantic import model_validator

from cli.paper_broker.amounts import micros
from cli.paper_broker.assets import asset_for
from cli.paper_broker.exchange import TradingDay
from cli.paper_broker.execution import Costs, Desk
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.records import MarketState, Order, OrderType, TimeInForce
from cli.paper_broker.sessions import PhaseBar, enter, equity_of, seen_on
from cli.paper_broker.settings import BrokerSettings
from cli.paper_broker.tape import Tape
from domain.model import Model


class FinishedSession(Model):
    """Bars of one session that is over. A symbol meets a session once, and sessions in their order."""

    session: date
    bars: tuple[PhaseBar, ...]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        symbols = [bar.symbol for bar in self.bars]
        if len(symbols) != len(set(symbols)):
            raise ValueError("bars must name every symbol once")
        return self


def apply_finished(
    ledger: Ledger, message: FinishedSession, day: TradingDay, market: MarketState, settings: BrokerSettings
) -> dict[str, Any]:
    """Let what was open in a session meet its bars, then end what was good for that session only.

    An order from before the open meets the open and then the whole range, one from within the session its close: the
    bar does not tell what came before. Where single prices of the session were seen, orders have met those, and the bar
    is market data alone. A bar that was given before, or that is older than one that was, changes nothing.
    """
    session, known = message.session.isoformat(), ledger.finished_sessions()
    bars = [bar for bar in message.bars if known.get(bar.symbol, "") < session]
    ledger.add_unknown_assets([asset_for(bar.symbol) for bar in bars])
    priced = {bar.symbol for bar in bars if seen_on(ledger, bar.symbol, day.closes_at.date())}
    tape = Tape(ledger)
    tape.see_session(((bar.symbol, bar.range(), bar.volume) for bar in bars), day=message.session, at=day.closes_at)
    for bar in bars:
        before = ledger.price(bar.symbol)
        if before is None or before.at <= day.closes_at:
            ledger.put_prices([(bar.symbol, micros(bar.close))], at=day.closes_at, session=session)
    over = MarketState(market.now, False, session, day.opens_at, day.closes_at)
    desk = Desk(ledger, over, Costs.of(settings))
    for bar in bars:
        for order in desk.open_orders(bar.symbol):
            if bar.symbol not in priced and order.submitted_at < day.closes_at:
                order = _meet(desk, order, bar)
            if not order.closed and order.expires_at is not None and order.expires_at <= day.closes_at:
                desk.expire(order)
    ledger.finish_sessions([bar.symbol for bar in bars], session)
    tape.mark(equity_of(desk, settings), at=market.now, session=session)
    return {"session": session, "bars": len(bars), "executions": desk.executions}


def _meet(desk: Desk, order: Order, bar: PhaseBar) -> Order:
    day, met = desk.market, bar.range()
    assert day.opens_at is not None
    working = enter(desk, order, day)
    if order.time_in_force is TimeInForce.CLS or order.submitted_at >= day.opens_at:
        return desk.meet_price(working, met.close)
    working = desk.meet_price(working, met.open)
    if working.closed or order.type is OrderType.MARKET:
        return working
    if order.time_in_force is TimeInForce.OPG:
        return desk.cancel(working, "not filled in the opening auction")
    return desk.meet_bar(working, met)
