"""How we stand with the broker: the last comparison, what it left open, and orders that wait for a price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta

from pydantic import BaseModel, Field

from activities.ports import Calendar
from store import market, reconciliations, submissions
from store.database import Database

MAY_WAIT = timedelta(minutes=5)
"""An order that was placed since then has not outlived a session: the calendar need not be asked."""


class ReconciliationStanding(BaseModel):
    """The last comparison of book and broker."""

    reconciliation_id: str
    as_of: datetime
    age_seconds: int
    clean: bool
    open_differences: int = Field(description="that need a person, and that nobody has accepted")


class UnpricedOrder(BaseModel):
    """An order that the broker still holds although its session is over: the book has no bar of that session yet."""

    intent_id: str
    symbol: str
    side: str
    placed_at: datetime
    session: date
    newest_bar: date | None = Field(description="the newest session of which the book has a bar; null: none")


async def last_comparison(database: Database, *, now: datetime) -> ReconciliationStanding | None:
    """The newest comparison as it stands; None where there never was one."""
    async with database.transaction() as session:
        row = await reconciliations.latest(session)
        standing = await reconciliations.standing_differences(session)
    if row is None:
        return None
    return ReconciliationStanding(
        reconciliation_id=row.reconciliation_id,
        as_of=row.as_of,
        age_seconds=max(int((now - row.as_of).total_seconds()), 0),
        clean=row.clean,
        open_differences=len(standing),
    )


async def unpriced_orders(
    database: Database, calendar: Callable[[], Calendar], *, now: datetime
) -> list[UnpricedOrder]:
    """Orders whose session is over and whose symbol has no bar of it. The calendar is worked out only if it must be."""
    async with database.transaction() as session:
        there = [
            order
            for order in await submissions.perhaps_at_broker(session)
            if order.broker_order_id and order.created_at < now - MAY_WAIT
        ]
        newest = await market.newest_sessions(session, symbols=sorted({order.symbol for order in there}), as_of=now)
    if not there:
        return []
    days = await asyncio.to_thread(calendar)
    found = []
    for order in there:
        wanted, has = days.next_session(order.created_at), newest.get(order.symbol)
        if wanted.closes_at < now and (has is None or has < wanted.date):
            found.append(
                UnpricedOrder(
                    intent_id=order.intent_id,
                    symbol=order.symbol,
                    side=order.side,
                    placed_at=order.created_at,
                    session=wanted.date,
                    newest_bar=has,
                )
            )
    return found
