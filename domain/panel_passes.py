"""The passes of a backtest on one axis: the instants at which everything is decided, and trading days between them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Self

import numpy as np
from numpy.typing import NDArray

from domain.backtest_data import DAYS_AFTER, DAYS_BEFORE
from domain.calendar_math import TradingClock
from domain.config import SignalConfig
from domain.documents import NEW_YORK
from domain.kernels import Floats

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SECOND = 1_000_000
"""Microseconds."""
DAY = 86_400 * SECOND
_UNIX = date(1970, 1, 1).toordinal()


def micros_of(instants: Sequence[datetime]) -> Ints:
    """Microseconds since 1970, (M,)."""
    seconds = np.array([instant.timestamp() for instant in instants], dtype=np.float64)
    return np.rint(seconds * SECOND).astype(np.int64)


@dataclass(frozen=True, eq=False)
class TradingTime:
    """Places on the clock of trading days, as `TradingClock.ages` subtracts them; both (M,)."""

    days: Floats
    """Sessions before the instant's date, whole numbers."""
    over: Floats
    """How much of the date's own session is over, in [0, 1]."""


class ClockFace:
    """Reads a trading clock at many instants at once, to the same bits."""

    def __init__(self, session_dates: Sequence[date], config: SignalConfig) -> None:
        opens, closes = config.session_opens_minute, config.session_closes_minute
        self._clock = TradingClock(session_dates, opens_minute=opens, closes_minute=closes)
        self._opens, self._length = opens * 60, (closes - opens) * 60
        self._sessions = np.array([day.toordinal() - _UNIX for day in session_dates], dtype=np.int64)
        self._start, self._before, self._has = 0, np.zeros(0), np.zeros(0, dtype=np.bool_)

    def read(self, micros: Ints) -> TradingTime:
        if not len(micros):
            return TradingTime(np.zeros(0), np.zeros(0))
        day, rest = np.divmod(micros, DAY)
        self._know(int(day.min()), int(day.max()))
        at = day - self._start
        seconds = rest // SECOND + (rest % SECOND) / 1e6
        over = np.where(self._has[at], np.clip((seconds - self._opens) / self._length, 0.0, 1.0), 0.0)
        return TradingTime(self._before[at], over)

    def _know(self, first: int, last: int) -> None:
        """Look every day of a span up, so that reading is taking from a table."""
        if self._start <= first and last < self._start + len(self._has):
            return
        if len(self._has):
            first, last = min(first, self._start), max(last, self._start + len(self._has) - 1)
        days = np.arange(first, last + 1)
        before = np.searchsorted(self._sessions, days).astype(np.float64)
        has = np.isin(days, self._sessions)
        first_known, last_known = (self._sessions[0], self._sessions[-1]) if len(self._sessions) else (last + 1, last)
        for at in np.flatnonzero((days < first_known) | (days > last_known)).tolist():
            before[at], has[at] = self._of(int(days[at]))  # beyond the calendar
        self._start, self._before, self._has = first, before, has

    def _of(self, day: int) -> tuple[int, bool]:
        before, over = self._clock.position(datetime.combine(date.fromordinal(_UNIX + day), time.max, tzinfo=UTC))
        return before, over > 0.0


@dataclass(frozen=True, eq=False)
class Passes:
    """K instants, strictly ascending; all arrays are (K,)."""

    as_of: tuple[datetime, ...]
    days: tuple[date, ...]
    """In New York."""
    micros: Ints
    time: TradingTime
    stretch: Ints
    """Numbers of the stretches in which every pass lies exactly one trading day after the one before."""
    starts: Ints
    """First pass of each stretch, and K at the end."""

    @classmethod
    def of(cls, as_of: Sequence[datetime], face: ClockFace) -> Self:
        micros = micros_of(as_of)
        read = face.read(micros)
        even = (np.diff(read.days) == 1.0) & (np.diff(read.over) == 0.0)
        stretch = np.concatenate([[0], np.cumsum(~even)]).astype(np.int64)
        starts = np.concatenate([[0], np.flatnonzero(~even) + 1, [len(as_of)]]).astype(np.int64)
        days = tuple(instant.astimezone(NEW_YORK).date() for instant in as_of)
        return cls(tuple(as_of), days, micros, read, stretch, starts)

    def __len__(self) -> int:
        return len(self.as_of)

    def since(self, micros: Ints) -> Ints:
        """The first pass at or after each instant, K where there is none."""
        return np.searchsorted(self.micros, micros, side="left")

    def age(self, at: Ints, told: TradingTime) -> Floats:
        """Trading days from each telling to a pass: the bits of `TradingClock.ages`."""
        age: Floats = np.maximum(0.0, self.time.days[at] - told.days + self.time.over[at] - told.over)
        return age


def is_even(as_of: Sequence[datetime], session_dates: Sequence[date], config: SignalConfig) -> bool:
    """Whether one clock over all sessions measures, at every instant, what the clock of that instant does.

    The clock of an instant sees the calendar around it alone (`BacktestData.session_dates_at`); what lies beyond counts
    as Mondays to Fridays. That differs where the look-back is longer, or where the exchange was closed for a week.
    """
    if config.lookback_days >= DAYS_BEFORE or any(later <= earlier for earlier, later in pairwise(as_of)):
        return False
    if any(later <= earlier for earlier, later in pairwise(session_dates)):
        return False
    before, after = timedelta(days=DAYS_BEFORE), timedelta(days=DAYS_AFTER)
    for instant in as_of:
        oldest = (instant - timedelta(days=config.lookback_days)).date()
        seen = bisect_left(session_dates, oldest)
        if seen and session_dates[seen - 1] < (instant - before).date():
            return False
        ahead = bisect_left(session_dates, instant.date())
        if ahead < len(session_dates) and session_dates[ahead] > (instant.date() + after):
            return False
    return True
