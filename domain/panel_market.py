"""What the market tells of one company at all passes at once: the statistics of `domain.signals`, along its bars.

Rolling sums are made by doubling, so that nothing is subtracted and no error builds up. Where a statistic lies too near
to a case that is decided by equality, it is doubtful and left to the exact computation.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from types import EllipsisType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.bar_series import BarSeries
from domain.config import ConfirmationConfig
from domain.kernels import Floats
from domain.panel_passes import Flags, Ints, Passes

T = TypeVar("T", bound=np.generic)

THIN = 1e-5
"""Share of a sum of squares below which what is left of it after the mean is too inexact, or exactly nothing."""


@dataclass(frozen=True, eq=False)
class MarketPanel:
    """(K,) as `Assessment` and its kernels know them; all 0 where no bar is known."""

    trend: Floats
    momentum: Floats
    deviation: Floats
    burst: Floats
    volume_z: Floats
    dollar_volume: Floats
    last_close: Floats
    doubtful: Flags


@dataclass(frozen=True, eq=False)
class KnownBars:
    """One company's bars, (B,), in shares of the last pass's day, and what each pass knows of them."""

    closes: Floats
    volumes: Floats
    known: Ints
    """(K,) number of bars that are known."""
    later: Floats
    """(K,) what prices are multiplied by to be in shares of the pass's own day."""
    has_splits: bool


def known_bars(series: BarSeries, passes: Passes) -> KnownBars:
    """Lay out bars that became known in the order of their sessions."""
    closes, volumes = series.columns.closes, series.columns.volumes
    if series.splits:
        closes, volumes = closes.copy(), volumes.copy()
    later = np.ones(len(passes))
    for ex_date, ratio in series.splits:
        if ex_date <= passes.days[-1]:
            before = series.before(ex_date)
            closes[:before] /= float(ratio)
            volumes[:before] *= float(ratio)
            later[: bisect_left(passes.days, ex_date)] *= float(ratio)
    seen = np.searchsorted(series.columns.micros, passes.micros, side="right")
    return KnownBars(closes, volumes, seen, later, bool(series.splits))


def market_panel(bars: KnownBars, sessions: int, config: ConfirmationConfig) -> MarketPanel:
    """Measure one company at each pass.

    Args:
        sessions: bars that a decision may see.
    """
    if not len(bars.closes):
        zero = np.zeros(len(bars.known))
        return MarketPanel(zero, zero, zero, zero, zero, zero, zero, zero > 0.0)
    counted = min(config.liquidity_sessions, sessions)
    many = _Statistics.of(bars.closes, bars.volumes, counted, config)
    at = np.maximum(bars.known - 1, 0)
    seen, enough = bars.known > 0, np.minimum(bars.known, sessions) >= config.bars_needed
    traded = many.dollars / np.minimum(np.arange(len(many.dollars)) + 1, counted)

    def when(condition: Flags, values: Floats) -> Floats:
        return np.where(condition, values[at], 0.0)

    return MarketPanel(
        trend=when(enough, many.trend),
        momentum=when(enough, many.momentum),
        deviation=when(enough, many.deviation),
        burst=when(enough, many.burst),
        volume_z=when(enough, many.volume_z),
        dollar_volume=when(seen, traded),
        last_close=when(seen, bars.closes) * bars.later,
        doubtful=enough & (many.doubtful | (many.flat & bars.has_splits))[at],
    )


class RollingSums:
    """Sums of each value and those before it, along the last axis, by doubling: nothing is ever subtracted."""

    def __init__(self, values: Floats) -> None:
        self._doubled = [values]
        """Sums of 1, 2, 4, ... values."""

    def of(self, row: int | EllipsisType, size: int) -> Floats:
        """Sums of `size` values of a row, fewer at its start; an ellipsis means all rows."""
        while 2 ** len(self._doubled) <= size:
            last, length = self._doubled[-1], 2 ** (len(self._doubled) - 1)
            doubled = last.copy()
            doubled[..., length:] += last[..., :-length]
            self._doubled.append(doubled)
        total, done = np.zeros(0), 0
        for level in range(size.bit_length()):
            if not size >> level & 1:
                continue
            part = self._doubled[level][row]
            if not done:
                total = part.copy()
            elif done < part.shape[-1]:
                total[..., done:] += part[..., : part.shape[-1] - done]
            done += 2**level
        return total


def rolling_sum(values: Floats, size: int) -> Floats:
    """Sums of each value and those before it, `size` in all, fewer at the start; along the last axis."""
    return RollingSums(values).of(..., size)


def _later(values: NDArray[T], by: int) -> NDArray[T]:
    moved = np.zeros_like(values)
    moved[..., by:] = values[..., : max(0, values.shape[-1] - by)]
    return moved


@dataclass(frozen=True, eq=False)
class _Statistics:
    """(B,) along the bars; without meaning before there are enough of them."""

    trend: Floats
    momentum: Floats
    deviation: Floats
    burst: Floats
    volume_z: Floats
    dollars: Floats
    """Dollars traded in `counted` sessions, fewer at the start."""
    doubtful: Flags
    flat: Flags
    """Exactly constant, in shares of one day: in those of another the last bit may differ."""

    @classmethod
    def of(cls, closes: Floats, volumes: Floats, counted: int, config: ConfirmationConfig) -> _Statistics:
        logs = np.log(closes)
        returns = np.diff(logs, prepend=logs[:1])
        above = volumes - volumes.mean()
        usual = _later(above, 1)
        sums = RollingSums(np.array([closes, closes * volumes, returns, returns * returns, usual, usual * usual]))
        sessions = config.volatility_sessions
        deviation, thin, flat = _deviation(sums, _RETURNS, sessions)
        burst, thin_burst, flat_burst = _deviation(sums, _RETURNS, min(config.burst_sessions, sessions))
        spread, thin_volume, _ = _deviation(sums, _VOLUMES, config.volume_sessions)
        same = _later(_run_of_equals(volumes) >= config.volume_sessions - 1, 1)
        mean = sums.of(_VOLUMES, config.volume_sessions) / config.volume_sessions
        still = same | (spread <= 0.0)
        safe = np.where(still, 1.0, spread)
        short = sums.of(_CLOSES, config.short_average) / config.short_average
        long = sums.of(_CLOSES, config.long_average) / config.long_average
        return cls(
            trend=np.log(short / long),
            momentum=sums.of(_RETURNS, min(config.momentum_sessions, sessions)),
            deviation=deviation,
            burst=burst,
            volume_z=np.where(still, 0.0, (above - mean) / safe),
            dollars=sums.of(_DOLLARS, counted),
            doubtful=thin | thin_burst | (thin_volume & ~same),
            flat=flat | flat_burst | same,
        )


_CLOSES, _DOLLARS, _RETURNS, _, _VOLUMES, _ = range(6)
"""Rows of sums; squares come after what they are of."""


def _deviation(sums: RollingSums, row: int, size: int) -> tuple[Floats, Flags, Flags]:
    """Sample standard deviations of `size` values each; where they are too inexact; where all values are 0."""
    squares, total = sums.of(row + 1, size), sums.of(row, size)
    rest = squares - total * total / size
    thin = (rest < THIN * squares) & (squares > 0.0)
    return np.sqrt(np.maximum(rest, 0.0) / (size - 1)), thin, squares == 0.0


def _run_of_equals(values: Floats) -> Floats:
    """How many values before each are the same without a break."""
    numbers = np.arange(len(values))
    changed = np.diff(values, prepend=np.nan) != 0.0
    since = np.maximum.accumulate(np.where(changed, numbers, 0))
    return (numbers - since).astype(np.float64)
