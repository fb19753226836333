"""The engine's view of the book: plan the orders of a tick, mark at the close, change the trading state."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.ports import Broker, Calendar
from domain.decisions import Portfolio, TradingState
from domain.market import Session
from domain.sizing import size
from domain.trading import (
    ControlChange,
    ControlReport,
    MarkReport,
    MarkRequest,
    PlannedOrder,
    SessionQuery,
    TickPhase,
    TickReport,
    TickRequest,
)
from store import audit, config, control, market, orders, outbox, portfolio, recommendations
from store.database import Database

log = structlog.get_logger(__name__)

FRESH = timedelta(hours=20)
"""A recommendation older than this is not acted on: it was made for an earlier session."""


class EngineActivities:
    def __init__(self, database: Database, broker: Broker, calendar: Calendar) -> None:
        self._database = database
        self._broker = broker
        self._calendar = calendar

    @activity.defn
    async def next_session(self, query: SessionQuery) -> Session:
        """The first session that closes after the instant."""
        return self._calendar.next_session(query.as_of)

    @activity.defn
    async def plan(self, request: TickRequest) -> TickReport:
        """Size every recommendation in force against the account; write the intents of the tick together.

        Idempotent: intents are keyed by recommendation, and a tick that was planned before returns its own intents.
        """
        cash = (await self._broker.account()).cash
        async with self._database.transaction() as session:
            if request.phase is TickPhase.PRE_OPEN:
                actions = await market.actions_on(session, on=request.session.date)
                await portfolio.apply_actions(session, actions=actions, applied_at=request.as_of)
            planned = await orders.intents_at(session, request.as_of)
            account = await self._account(session, request.as_of, cash)
            if not planned:
                settings = await config.current(session)
                state = TradingState((await control.state(session)).state)
                found = await recommendations.latest(session, as_of=request.as_of, not_before=request.as_of - FRESH)
                waiting = {row.symbol for row in await orders.open_intents(session)}
                intents = size(
                    [each for each in found if each.symbol not in waiting],
                    account,
                    config=settings,
                    state=state,
                    as_of=request.as_of,
                )
                await orders.save_intents(session, intents)
                planned = await orders.intents_at(session, request.as_of)
        return TickReport(
            as_of=request.as_of,
            phase=request.phase,
            planned=tuple(PlannedOrder(intent_id=row.intent_id, symbol=row.symbol, side=row.side) for row in planned),
            equity=str(account.equity),
        )

    @activity.defn
    async def mark(self, request: MarkRequest) -> MarkReport:
        """Value the positions at the session's close and record the account."""
        cash = (await self._broker.account()).cash
        async with self._database.transaction() as session:
            await self._mark(session, request.as_of)
            row = await portfolio.snapshot(session, as_of=request.as_of, phase=request.phase.value, cash=cash)
            await outbox.publish(
                session,
                event_id=f"account/{request.as_of.isoformat()}",
                event="account_marked",
                subject_id=request.session.date.isoformat(),
                body={"equity": str(row.equity), "cash": str(row.cash), "positions": row.positions},
                occurred_at=request.as_of,
            )
        return MarkReport(equity=str(row.equity), cash=str(row.cash), positions=row.positions)

    @activity.defn
    async def change_control(self, change: ControlChange) -> ControlReport:
        """Write the trading state; when halting, cancel what is open at the broker."""
        async with self._database.transaction() as session:
            fresh = await audit.append(
                session,
                key=change.change_key,
                actor=change.actor,
                action=f"trading_{change.state.value}",
                subject="trading-engine",
                body={"reason": change.reason},
                recorded_at=change.as_of,
            )
            if fresh:
                row = await control.change(
                    session, wanted=change.state, reason=change.reason, actor=change.actor, at=change.as_of
                )
                await outbox.publish(
                    session,
                    event_id=f"control/{change.change_key}",
                    event="trading_state_changed",
                    subject_id="trading-engine",
                    body={"state": change.state.value, "reason": change.reason, "actor": change.actor},
                    occurred_at=change.as_of,
                )
            else:
                row = await control.state(session)
        canceled = await self._cancel_open() if change.cancel_open_orders else 0
        return ControlReport(state=TradingState(row.state), epoch=row.epoch, canceled_orders=canceled)

    async def _cancel_open(self) -> int:
        async with self._database.transaction() as session:
            working = [
                row.broker_order_id
                for intent in await orders.open_intents(session)
                if (row := await orders.order_of(session, intent.intent_id)) is not None and row.broker_order_id
            ]
        for broker_order_id in working:
            await self._broker.cancel(broker_order_id)
        return len(working)

    async def _account(self, session: AsyncSession, as_of: datetime, cash: Decimal) -> Portfolio:
        await self._mark(session, as_of)
        return await portfolio.load(session, as_of=as_of, cash=cash)

    async def _mark(self, session: AsyncSession, as_of: datetime) -> None:
        symbols = [holding.symbol for holding in await portfolio.holdings(session)]
        if symbols:
            seen = await market.windows(session, symbols=symbols, as_of=as_of, sessions=1)
            prices = {symbol: Decimal(str(window.closes[-1])) for symbol, window in seen.items()}
            await portfolio.mark(session, prices=prices, at=as_of)
