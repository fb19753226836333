"""One symbol's daily bars: as they were known at an instant, in the shares of its day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Self, overload

import numpy as np

from domain.adjustment import Split, adjusted_close, adjusted_volume, split_factor
from domain.decisions import MarketWindow
from domain.documents import NEW_YORK
from domain.evidence_columns import Codes, Floats, Ints, instant_of, micros_since_1970
from domain.market import Bar, CorporateAction
from domain.model import assembled
from domain.rules_config import StopRules
from domain.stops import average_true_range


@dataclass(frozen=True)
class KnownBar:
    """A raw bar, and the instant from which it was known."""

    bar: Bar
    available_at: datetime


class Days(NamedTuple):
    """(B,) days in ascending order, of which many symbols have the same."""

    each: Sequence[date]
    names: Sequence[str]
    """As ISO 8601 writes them."""
    places: Mapping[date, int]

    @classmethod
    def of(cls, ordinals: Ints) -> Self:
        return cls._of(ordinals.astype(np.int64, copy=False).tobytes())

    @classmethod
    @lru_cache(maxsize=8)
    def _of(cls, ordinals: bytes) -> Self:
        each = [date.fromordinal(one) for one in np.frombuffer(ordinals, dtype=np.int64).tolist()]
        return cls(each, [day.isoformat() for day in each], {day: at for at, day in enumerate(each)})


class PackedBars(Sequence[KnownBar]):
    """One symbol's bars, oldest first, as columns, of which a bar is made when it is asked for."""

    def __init__(
        self, symbol: str, ordinals: Ints, micros: Ints, prices: Ints, exponents: Codes, volumes: Ints
    ) -> None:
        """Take columns of valid bars.

        Args:
            ordinals: (B,) of the sessions, ascending.
            micros: (B,) when each was known, since 1970.
            prices: (B, 4) open, high, low and close, in units of 10 to the power of `exponents`, which has that shape.
        """
        self.symbol = symbol
        self.days = Days.of(ordinals)
        self._columns = ordinals, micros, prices, exponents, volumes
        self._made: dict[int, KnownBar] = {}

    @classmethod
    def of(cls, symbol: str, bars: Sequence[KnownBar]) -> Self:
        """Pack bars that are in the order of their sessions."""
        prices = [price.as_tuple() for one in bars for price in _prices(one.bar)]
        exponents = np.array([each.exponent for each in prices], dtype=np.int8).reshape(-1, 4)
        units = [int(Decimal((each.sign, each.digits, 0))) for each in prices]
        return cls(
            symbol,
            np.array([one.bar.session.toordinal() for one in bars], dtype=np.int64),
            np.array([micros_since_1970(one.available_at) for one in bars], dtype=np.int64),
            np.array(units, dtype=np.int64).reshape(-1, 4),
            exponents,
            np.array([one.bar.volume for one in bars], dtype=np.int64),
        )

    def __reduce__(self) -> tuple[type[Self], tuple[object, ...]]:
        return type(self), (self.symbol, *self._columns)

    @property
    def closes(self) -> list[Decimal]:
        """(B,)"""
        _, _, prices, exponents, _ = self._columns
        return list(map(_decimal, prices[:, 3].tolist(), exponents[:, 3].tolist()))

    @property
    def columns(self) -> BarColumns:
        _, micros, prices, exponents, volumes = self._columns
        _, highs, lows, closes = _nearest(prices, exponents).T.copy()
        return BarColumns(micros, highs, lows, closes, volumes.astype(np.float64))

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, at: int) -> KnownBar: ...
    @overload
    def __getitem__(self, at: slice) -> list[KnownBar]: ...
    def __getitem__(self, at: int | slice) -> KnownBar | list[KnownBar]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        at %= len(self)
        if at not in self._made:
            self._made[at] = self._make(at)
        return self._made[at]

    def _make(self, at: int) -> KnownBar:
        """Put a bar together again, which was valid before."""
        _, micros, prices, exponents, volumes = self._columns
        opened, high, low, close = map(_decimal, prices[at].tolist(), exponents[at].tolist())
        values = {"symbol": self.symbol, "session": self.days.each[at], "open": opened, "high": high, "low": low}
        made = assembled(Bar, {**values, "close": close, "volume": int(volumes[at])})
        return KnownBar(made, instant_of(int(micros[at])))


class BarColumns(NamedTuple):
    """(B,) raw bars of one symbol, oldest first."""

    micros: Ints
    """When each was known, since 1970."""
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats


_POWERS = np.array([float(10**each) for each in range(23)])
"""Powers of ten that a float holds exactly."""
_WHOLE = 2**53
"""Up to here it holds every integer exactly."""


def _prices(bar: Bar) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return bar.open, bar.high, bar.low, bar.close


def _decimal(units: int, exponent: int) -> Decimal:
    return Decimal(units).scaleb(exponent)


def _nearest(units: Ints, exponents: Codes) -> Floats:
    """The floats nearest to decimal numbers: one division of two exact floats is rounded once."""
    if np.abs(units).max(initial=0) <= _WHOLE and ((exponents <= 0) & (exponents > -len(_POWERS))).all():
        return np.asarray(units / _POWERS[-exponents.astype(np.int64)])
    pairs = zip(units.ravel().tolist(), exponents.ravel().tolist(), strict=True)
    return np.array([float(_decimal(*each)) for each in pairs]).reshape(units.shape)


class RecentBars(NamedTuple):
    """Finished bars, oldest first, in the shares of one day."""

    sessions: Sequence[str]
    closes: Floats
    volumes: Floats


class BarSeries:
    """One symbol's bars, oldest first, seen as of an instant in that day's shares.

    Packed or pickled, it is columns: a model of each bar would take longer to hand over than to play with.
    """

    def __init__(self, symbol: str, bars: Sequence[KnownBar], splits: Sequence[Split]) -> None:
        if isinstance(bars, PackedBars):
            self._lay_out(symbol, bars, bars.days, bars.columns, sorted(splits))
            return
        ordered = sorted(bars, key=lambda known: known.bar.session)
        columns = BarColumns(
            micros=np.array([micros_since_1970(known.available_at) for known in ordered], dtype=np.int64),
            highs=np.array([float(known.bar.high) for known in ordered], dtype=np.float64),
            lows=np.array([float(known.bar.low) for known in ordered], dtype=np.float64),
            closes=np.array([float(known.bar.close) for known in ordered], dtype=np.float64),
            volumes=np.array([known.bar.volume for known in ordered], dtype=np.float64),
        )
        days = Days.of(np.array([known.bar.session.toordinal() for known in ordered], dtype=np.int64))
        self._lay_out(symbol, ordered, days, columns, sorted(splits))

    def _lay_out(
        self, symbol: str, bars: Sequence[KnownBar], days: Days, columns: BarColumns, splits: Sequence[Split]
    ) -> None:
        self.symbol, self._bars, self._columns, self._splits = symbol, bars, columns, splits
        self._known: list[int] = columns.micros.tolist()
        self._in_order = bool((np.diff(columns.micros) >= 0).all())
        self._epoch = -1
        self._sessions, self._on = days.names, days.places
        self._closes, self._volumes = columns.closes, columns.volumes

    def __reduce__(self) -> tuple[type[Self], tuple[str, PackedBars, Sequence[Split]]]:
        packed = self._bars if isinstance(self._bars, PackedBars) else PackedBars.of(self.symbol, self._bars)
        return type(self), (self.symbol, packed, self._splits)

    def on(self, session: date) -> Bar | None:
        """The raw bar of a session."""
        at = self._on.get(session)
        return None if at is None else self._bars[at].bar

    def has(self, session: date) -> bool:
        """Whether there is a bar of a session."""
        return session in self._on

    def closes_on(self, sessions: Iterable[date]) -> list[Decimal | None]:
        """The raw closes of some sessions; None of one without a bar. No bar is made for it."""
        places = map(self._on.get, sessions)
        if not isinstance(self._bars, PackedBars):
            return [None if at is None else self._bars[at].bar.close for at in places]
        closes = self._bars.closes
        return [None if at is None else closes[at] for at in places]

    def before(self, day: date) -> int:
        """How many bars are of sessions before a day."""
        return bisect_left(self._sessions, day.isoformat())

    @property
    def bars(self) -> Sequence[KnownBar]:
        return self._bars

    @property
    def columns(self) -> BarColumns:
        return self._columns

    @property
    def splits(self) -> Sequence[Split]:
        return self._splits

    @property
    def in_order(self) -> bool:
        """Whether bars became known in the order of their sessions."""
        return self._in_order

    def window(self, as_of: datetime, sessions: int) -> MarketWindow | None:
        """The last bars that were finished at an instant, split-adjusted as of its day in New York."""
        found = self.recent(as_of, sessions)
        if not len(found.closes):
            return None
        return assembled(
            MarketWindow,
            {
                "symbol": self.symbol,
                "sessions": tuple(found.sessions),
                "closes": tuple(found.closes.tolist()),
                "volumes": tuple(found.volumes.tolist()),
            },
        )

    def recent(self, as_of: datetime, sessions: int) -> RecentBars:
        """What `window` shows, as arrays; empty where it shows nothing."""
        self._adjust(as_of)
        if self._in_order:
            end = bisect_right(self._known, micros_since_1970(as_of))
            seen = slice(max(0, end - sessions), end)
            return RecentBars(self._sessions[seen], self._closes[seen], self._volumes[seen])
        rows = self._rows(as_of, sessions)
        return RecentBars([self._sessions[at] for at in rows], self._closes[rows], self._volumes[rows])

    def last_close(self, as_of: datetime) -> float | None:
        """The last of the closes that `window` shows; None where it shows none."""
        if not self._in_order:
            closes = self.recent(as_of, 1).closes
            return float(closes[-1]) if len(closes) else None
        self._adjust(as_of)
        end = bisect_right(self._known, micros_since_1970(as_of))
        return float(self._closes[end - 1]) if end else None

    def average_true_range(self, as_of: datetime, rules: StopRules, sessions: int) -> float | None:
        """The average true range at the last close known, in dollars a share of that day; None where it has none."""
        if self._in_order:
            end = bisect_right(self._known, micros_since_1970(as_of))
            seen: range | list[int] = range(max(0, end - sessions), end)
        else:
            seen = self._rows(as_of, sessions)
        if len(seen) <= rules.atr_sessions:
            return None
        if self._splits:
            today, bars = as_of.astimezone(NEW_YORK).date(), [self._bars[at].bar for at in seen]
            factors = [split_factor(bar.session, self._splits, today) for bar in bars]
            raw = zip(*((bar.high, bar.low, bar.close) for bar in bars), strict=True)
            highs, lows, closes = (np.array(list(map(adjusted_close, prices, factors))) for prices in raw)
        else:  # dividing by 1 changes nothing
            where, of = slice(seen.start, seen.stop) if isinstance(seen, range) else seen, self._columns
            highs, lows, closes = of.highs[where], of.lows[where], of.closes[where]
        found = float(average_true_range(highs, lows, closes, rules)[-1])
        return found if found > 0.0 else None

    def _rows(self, as_of: datetime, sessions: int) -> list[int]:
        """The last bars that were known, where they did not become known in the order of their sessions."""
        now = micros_since_1970(as_of)
        return [at for at, known in enumerate(self._known) if known <= now][-sessions:]

    def _adjust(self, as_of: datetime) -> None:
        """Express all bars in the day's shares; done anew only where a split has taken effect since the last time."""
        if not self._splits:
            return
        today = as_of.astimezone(NEW_YORK).date()
        epoch = bisect_right(self._splits, today, key=lambda split: split[0])
        if epoch == self._epoch:
            return
        self._epoch = epoch
        if not epoch:  # dividing by 1 changes nothing
            self._closes, self._volumes = self._columns.closes, self._columns.volumes
            return
        factors = [split_factor(known.bar.session, self._splits, today) for known in self._bars]
        pairs = list(zip(self._bars, factors, strict=True))
        self._closes = np.array([adjusted_close(known.bar.close, factor) for known, factor in pairs])
        self._volumes = np.array([adjusted_volume(known.bar.volume, factor) for known, factor in pairs])


def series_of(bars: Mapping[str, Sequence[KnownBar]], actions: Sequence[CorporateAction]) -> dict[str, BarSeries]:
    """Put each symbol's bars and splits together."""
    splits: dict[str, list[Split]] = {}
    for action in actions:
        if action.split_ratio != Decimal(1):
            splits.setdefault(action.symbol, []).append((action.ex_date, action.split_ratio))
    return {symbol: BarSeries(symbol, found, splits.get(symbol, [])) for symbol, found in sorted(bars.items())}
