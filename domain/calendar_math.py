"""Ages in trading days.

Every session of the exchange is worth one trading day, which accrues evenly between two fixed UTC minutes of its date
(13:30 and 21:00 by default: the earliest open and the latest close of a regular New York session over the year).
Nights, week-ends and holidays are worth nothing, so news that arrives after a close is of age 0 at the next open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
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
        self._known_from = self._sessions[0] if self._sessions else date.min
        self._known_to = self._sessions[-1] + timedelta(days=1) if self._sessions else date.min
        self._days: dict[date, tuple[int, bool]] = {}

    def age(self, since: datetime, until: datetime) -> float:
        """Trading days from one instant to a later one: 0 at the same instant, never falling as `until` grows."""
        return self.ages((since,), until)[0]

    def ages(self, since: Iterable[datetime], until: datetime) -> list[float]:
        """Trading days from each of some instants to one, 0 from those after it."""
        days, elapsed = self.position(until)
        position = self.position
        places = [None if until <= instant else position(instant) for instant in since]
        return [0.0 if place is None else max(0.0, days - place[0] + elapsed - place[1]) for place in places]

    def position(self, instant: datetime) -> tuple[int, float]:
        """The sessions before the instant's date, and how much of that date's trading day is over, in [0, 1].

        A date without a session has no trading day. Sessions count from a day of the calendar's own.
        """
        utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
        day = utc.date()
        known = self._days.get(day)
        if known is None:
            before = self._sessions_before(day)
            known = self._days[day] = (before, self._sessions_before(day + timedelta(days=1)) > before)
        before, has_session = known
        if not has_session:
            return before, 0.0
        seconds = utc.hour * 3600 + utc.minute * 60 + utc.second + utc.microsecond / 1e6
        return before, min(1.0, max(0.0, (seconds - self._opens) / self._length))

    def _sessions_before(self, day: date) -> int:
        """Count the sessions from the first known one to a day; below 0 where the day is before that."""
        if day < self._known_from:
            return -_working_days(day, self._known_from)
        return bisect_left(self._sessions, day) + _working_days(self._known_to, day)


def _working_days(first: date, last: date) -> int:
    """Count Mondays to Fridays d with first <= d < last; 0 when the range is empty."""
    days = (last - first).days
    if days <= 0:
        return 0
    weeks, rest = divmod(days, 7)
    start = first.weekday()
    return weeks * SATURDAY + sum((start + offset) % 7 < SATURDAY for offset in range(rest))
