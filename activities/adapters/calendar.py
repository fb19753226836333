"""The exchange's sessions, from `exchange_calendars` (XNYS), in UTC."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta
from typing import Any

import activities.adapters.pandas_alone  # noqa: F401 - before whatever imports pandas

# isort: split
import exchange_calendars

from domain.errors import InvalidInput
from domain.market import Session

FIRST_YEAR = 1990
YEARS_AHEAD = 2


class ExchangeCalendar:
    """The New York Stock Exchange, with its holidays and half days."""

    def __init__(self, *, today: date) -> None:
        """Compute sessions from 1990 to two years after `today`; the library's own default ends one year out."""
        self._last = date(today.year + YEARS_AHEAD, 12, 31)
        calendar: Any = exchange_calendars.get_calendar("XNYS", start=date(FIRST_YEAR, 1, 1), end=self._last)
        schedule = calendar.schedule
        self._sessions = [
            Session(date=day.date(), opens_at=opens.to_pydatetime(), closes_at=closes.to_pydatetime())
            for day, opens, closes in zip(
                schedule.index, schedule["open"].dt.floor("s"), schedule["close"].dt.floor("s"), strict=True
            )
        ]
        self._days = [session.date for session in self._sessions]

    def sessions(self, first: date, last: date) -> list[Session]:
        """Sessions from `first` to `last`, both included.

        Raises:
            InvalidInput: outside the years that the calendar covers.
        """
        if first < self._days[0] - timedelta(days=7) or last > self._last:
            raise InvalidInput(
                "OUTSIDE_CALENDAR",
                f"The calendar covers {self._days[0]} to {self._last}",
                first=first,
                last=last,
            )
        return self._sessions[bisect_left(self._days, first) : bisect_right(self._days, last)]

    def next_session(self, after: datetime) -> Session:
        """The first session that closes after the instant."""
        start = bisect_left(self._days, after.astimezone(UTC).date() - timedelta(days=1))
        for session in self._sessions[start:]:
            if session.closes_at > after:
                return session
        raise InvalidInput("OUTSIDE_CALENDAR", f"The calendar ends on {self._last}", after=after)
