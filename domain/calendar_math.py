"""Ages in trading days.

Every session of the exchange is worth one trading day, which accrues evenly between two fixed UTC minutes of its date
(13:30 and 21:00 by default: the earliest open and the latest close of a regular New York session over the year).
Nights, week-ends and holidays are worth nothing, so news that arrives after a close is of age 0 at the next open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from domain.errors import InvalidInput

SECONDS_PER_MINUTE = 60
SATURDAY = 5
"""`date.weekday()` of the first day that is no working day."""


def relevant_sessions(session_dates: Sequence[date], *, first: date, last: date) -> tuple[date, ...]:
    """Keep the sessions between two dates and one on either side, which shows that the calendar reaches that far.

    Raises:
        InvalidInput: the dates are not strictly ascending.
    """
    for earlier, later in pairwise(session_dates):
        if earlier >= later:
            raise InvalidInput(
                "SESSIONS_NOT_ASCENDING",
                "Pass each session once, oldest first.",
                found=f"{earlier.isoformat()}, {later.isoformat()}",
            )
    start = max(0, bisect_left(session_dates, first) - 1)
    end = bisect_right(session_dates, last) + 1
    return tuple(session_dates[start:end])


class TradingClock:
    """Measures trading time along one calendar.

    Args:
        session_dates: exchange session dates, strictly ascending; best from before the oldest evidence to one session
            past the present. Where the calendar does not reach, every Monday to Friday counts as a session.
        opens_minute: minute of the UTC day at which a session's trading day starts to accrue.
        closes_minute: minute at which it is complete.
    """

    def __init__(self, session_dates: Sequence[date], *, opens_minute: int, closes_minute: int) -> None:
        self._sessions = tuple(session_dates)
        self._opens = opens_minute * SECONDS_PER_MINUTE
        self._length = (closes_minute - opens_minute) * SECONDS_PER_MINUTE

    def age(self, since: datetime, until: datetime) -> float:
        """Trading days from one instant to a later one: 0 at the same instant, never falling as `until` grows."""
        if until <= since:
            return 0.0
        first, last = since.astimezone(UTC), until.astimezone(UTC)
        whole = self._sessions_between(first.date(), last.date())
        return max(0.0, whole + self._elapsed(last) - self._elapsed(first))

    def _sessions_between(self, first: date, last: date) -> int:
        """Count the sessions d with first <= d < last."""
        if not self._sessions:
            return _working_days(first, last)
        known_from, known_to = self._sessions[0], self._sessions[-1] + timedelta(days=1)
        before = _working_days(first, min(last, known_from))
        known = bisect_left(self._sessions, last) - bisect_left(self._sessions, first)
        after = _working_days(max(first, known_to), last)
        return before + known + after

    def _elapsed(self, instant: datetime) -> float:
        """Share of its date's trading day that is over at an instant, in [0, 1]; 0 where the date has no session."""
        day = instant.date()
        if self._sessions_between(day, day + timedelta(days=1)) == 0:
            return 0.0
        seconds = instant.hour * 3600 + instant.minute * 60 + instant.second + instant.microsecond / 1e6
        return min(1.0, max(0.0, (seconds - self._opens) / self._length))


def _working_days(first: date, last: date) -> int:
    """Count Mondays to Fridays d with first <= d < last; 0 when the range is empty."""
    days = (last - first).days
    if days <= 0:
        return 0
    weeks, rest = divmod(days, 7)
    start = first.weekday()
    return weeks * SATURDAY + sum((start + offset) % 7 < SATURDAY for offset in range(rest))
