"""What the calendar says of entries, read from the book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.ports import Calendar
from domain.entries import EarningsCalendar
from domain.market import Session
from store import earnings

AROUND = timedelta(days=120)
"""Calendar days on either side that hold as many sessions as a blackout may have."""


async def earnings_around(
    session: AsyncSession, calendar: Calendar, symbols: Sequence[str], *, trading: Session | None, as_of: datetime
) -> EarningsCalendar:
    """The reports of some companies as known at an instant, for entries that would be filled next.

    Args:
        trading: the session that they would be filled in; None: the first that closes after the instant.
    """
    into = trading if trading is not None else calendar.next_session(as_of)
    return EarningsCalendar(
        await earnings.known_reports(session, symbols=symbols, until=as_of),
        session=into.date,
        session_dates=[one.date for one in calendar.sessions(into.date - AROUND, into.date + AROUND)],
        at_open=as_of < into.opens_at,
        as_of=as_of,
    )
