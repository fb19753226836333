"""The exchange's calendar: sessions, opening hours and settlement days of the New York Stock Exchange."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DAY = date(1990, 1, 1)
_AHEAD = timedelta(days=730)
_SETTLEMENT = ((date(2024, 5, 28), 1), (date(2017, 9, 5), 2), (FIRST_DAY, 3))
"""Business days from trade to settlement, by the first day the rule was in force (SEC Rule 15c6-1)."""


@dataclass(frozen=True, slots=True)
class TradingDay:
    day: date
    opens_at: datetime
    closes_at: datetime


class ExchangeCalendar:
    """Sessions in order, from 1990 to about two years after `today`."""

    def __init__(self, days: list[TradingDay]) -> None:
        self._days = days
        self._dates = [day.day for day in days]
        self._opens = [day.opens_at for day in days]
        self._closes = [day.closes_at for day in days]

    def open_session(self, at: datetime) -> TradingDay | None:
        """The session under way at an instant; the close itself is no longer part of it."""
        index = bisect_right(self._opens, at) - 1
        if index >= 0 and at < self._closes[index]:
            return self._days[index]
        return None

    def next_open(self, at: datetime) -> datetime:
        """The first opening after an instant."""
        return self._opens[self._inside(bisect_right(self._opens, at), at)]

    def next_close(self, at: datetime) -> datetime:
        return self._closes[self._inside(bisect_right(self._closes, at), at)]

    def next_session(self, at: datetime) -> TradingDay:
        """The session under way, or else the one that opens next."""
        return self._days[self._inside(bisect_right(self._closes, at), at)]

    def between(self, first: date, last: date) -> list[TradingDay]:
        """Sessions of a period, both ends included."""
        return self._days[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    def settlement(self, day: TradingDay) -> date:
        """The day a trade of that session settles."""
        lag = next(lag for since, lag in _SETTLEMENT if day.day >= since)
        index = bisect_left(self._dates, day.day) + lag
        return self._dates[min(index, len(self._dates) - 1)]

    def _inside(self, index: int, at: datetime) -> int:
        if index >= len(self._days):
            raise ValueError(f"the calendar ends on {self._dates[-1]}, before the session after {at.isoformat()}")
        return index


_loading = threading.Lock()


def calendar(today: date) -> ExchangeCalendar:
    """The calendar as of a day. The first call takes about a second and a half; later ones of the year are free."""
    with _loading:
        return _load(today.year)


@cache
def _load(year: int) -> ExchangeCalendar:
    import activities.adapters.pandas_alone  # noqa: F401 - before whatever imports pandas

    # isort: split
    import exchange_calendars

    end = date(max(year, FIRST_DAY.year), 1, 1) + _AHEAD
    listing: Any = exchange_calendars.get_calendar("XNYS", start=FIRST_DAY.isoformat(), end=end.isoformat()).schedule
    days = [
        TradingDay(session.date(), _utc(opens_at), _utc(closes_at))
        for session, opens_at, closes_at in zip(listing.index, listing["open"], listing["close"], strict=True)
    ]
    return ExchangeCalendar(days)


def _utc(at: Any) -> datetime:
    moment: datetime = at.to_pydatetime()
    return moment.astimezone(UTC)
