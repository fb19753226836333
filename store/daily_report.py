"""The daily report: what the book says of a session when the account was marked at its close."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.breaker_state import BreakerPhase
from domain.daily_report import DailyReport, ReportFill, ReportPosition
from domain.documents import NEW_YORK
from domain.portfolio import product
from store import portfolio
from store.tables.decisions import Approval
from store.tables.platform import DeadLetterNote, OutboxEvent
from store.tables.trading import AccountSnapshot, BreakerEventRow, FillRow, Order

FIRST_DAY = timedelta(hours=24)
"""How far back orders count where no close came before."""
LETTERS_OF = timedelta(days=30)
"""Failed work older than this has left Temporal, too."""


async def compose(session: AsyncSession, *, as_of: datetime) -> DailyReport | None:
    """Read the report of a close; None where the account was not marked then."""
    marked = await session.get(AccountSnapshot, as_of)
    if marked is None:
        return None
    before = await portfolio.latest_snapshot(session, before=as_of)
    since = before.as_of if before else as_of - FIRST_DAY
    return DailyReport(
        session=as_of.astimezone(NEW_YORK).date(),
        as_of=as_of,
        equity=marked.equity,
        cash=marked.cash,
        previous_equity=before.equity if before else None,
        realized=marked.realized_pnl - before.realized_pnl if before else None,
        orders=await _orders(session, since, as_of),
        fills=await _fills(session, since, as_of),
        positions=await _positions(session),
        breakers=await _breakers(session, as_of),
        approvals_waiting=await _waiting(session, as_of),
        dead_letters=await _dead_letters(session, as_of),
    )


async def _orders(session: AsyncSession, since: datetime, until: datetime) -> dict[str, int]:
    rows = await session.exec(
        select(Order.status, func.count())
        .where(col(Order.created_at) > since, col(Order.created_at) <= until)
        .group_by(Order.status)
        .order_by(Order.status)
    )
    return dict(rows.all())


async def _fills(session: AsyncSession, since: datetime, until: datetime) -> tuple[ReportFill, ...]:
    rows = await session.exec(
        select(FillRow.symbol, FillRow.side, func.sum(FillRow.quantity), func.sum(FillRow.quantity * FillRow.price))
        .where(col(FillRow.filled_at) > since, col(FillRow.filled_at) <= until)
        .group_by(FillRow.symbol, FillRow.side)
        .order_by(FillRow.symbol, FillRow.side)
    )
    return tuple(
        ReportFill(symbol=symbol, side=side, quantity=quantity, average_price=spent / quantity)
        for symbol, side, quantity, spent in rows
    )


async def _positions(session: AsyncSession) -> tuple[ReportPosition, ...]:
    held = [
        ReportPosition(
            symbol=holding.symbol,
            quantity=holding.quantity,
            value=holding.market_value,
            unrealized=holding.market_value - product(holding.quantity, holding.average_price),
        )
        for holding in await portfolio.holdings(session)
    ]
    return tuple(sorted(held, key=lambda each: (-abs(each.value), each.symbol)))


async def _breakers(session: AsyncSession, as_of: datetime) -> dict[str, str]:
    """The last word on each breaker, where it is not that it is closed."""
    rows = await session.exec(
        select(BreakerEventRow.breaker, BreakerEventRow.state)
        .where(col(BreakerEventRow.as_of) <= as_of)
        .order_by(col(BreakerEventRow.as_of), col(BreakerEventRow.event_id))
    )
    last = dict(rows.all())
    return {breaker: last[breaker] for breaker in sorted(last) if last[breaker] != BreakerPhase.CLOSED}


async def _waiting(session: AsyncSession, as_of: datetime) -> int:
    statement = select(func.count()).where(Approval.status == "pending", col(Approval.expires_at) > as_of)
    return (await session.exec(statement)).one()


async def _dead_letters(session: AsyncSession, as_of: datetime) -> int:
    run_id, workflow_id = OutboxEvent.body["run_id"].astext, OutboxEvent.body["workflow_id"].astext
    noted = select(DeadLetterNote.workflow_id, DeadLetterNote.run_id)
    statement = select(func.count()).where(
        OutboxEvent.event == "dead_letter",
        col(OutboxEvent.occurred_at) > as_of - LETTERS_OF,
        col(OutboxEvent.occurred_at) <= as_of,
        tuple_(workflow_id, run_id).not_in(noted),
    )
    return int((await session.exec(statement)).one())
