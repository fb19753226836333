"""What the market tells of one company at all passes at once: the statistics of `domain.signals`, along its bars.

Rolling sums are made by doubling, so that nothing is subtracted and no error builds up. Where a statistic lies too near
to a case that is decided by equality, it is doubtful and left to the exact computation.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.backtest_data import BarSeries
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
    known, closes, volumes = series.columns
    if series.splits:
        closes, volumes = closes.copy(), volumes.copy()
    later = np.ones(len(passes))
    for ex_date, ratio in series.splits:
        if ex_date <= passes.days[-1]:
            before = sum(1 for one in series.bars if one.bar.session < ex_date)
            closes[:before] /= float(ratio)
            volumes[:before] *= float(ratio)
            later[: bisect_left(passes.days, ex_date)] *= float(ratio)
    seen = np.searchsorted(known, passes.micros, side="right")
    return KnownBars(closes, volumes, seen, later, bool(series.splits))


def market_panel(bars: KnownBars, sessions: int, config: ConfirmationConfig) -> MarketPanel:
    """Measure one company at each pass.

    Args:
        sessions: bars that a decision may see.
    """
    if not len(bars.closes):
        zero = np.zeros(len(bars.known))
        return MarketPanel(zero, zero, zero, zero, zero, zero, zero, zero > 0.0)
    many = _Statistics.of(bars.closes, bars.volumes, config)
    at = np.maximum(bars.known - 1, 0)
    seen, enough = bars.known > 0, np.minimum(bars.known, sessions) >= config.bars_needed
    counted = min(config.liquidity_sessions, sessions)
    traded = rolling_sum(bars.closes * bars.volumes, counted)
    traded = traded / np.minimum(np.arange(len(traded)) + 1, counted)

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


def rolling_sum(values: Floats, size: int) -> Floats:
    """Sums of each value and those before it, `size` in all, fewer at the start; along the last axis."""
    total, doubled = np.zeros_like(values), values
    done, length = 0, 1
    while length <= size:
        if size & length and done < values.shape[-1]:
            total[..., done:] += doubled[..., : doubled.shape[-1] - done]
            done += length
        doubled = doubled + _later(doubled, length)
        length *= 2
    return total


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
    doubtful: Flags
    flat: Flags
    """Exactly constant, in shares of one day: in those of another the last bit may differ."""

    @classmethod
    def of(cls, closes: Floats, volumes: Floats, config: ConfirmationConfig) -> _Statistics:
        logs = np.log(closes)
        returns = np.diff(logs, prepend=logs[:1])
        sessions = config.volatility_sessions
        deviation, thin, flat = _deviation(returns, sessions)
        burst, thin_burst, flat_burst = _deviation(returns, min(config.burst_sessions, sessions))
        usual = _later(volumes - volumes.mean(), 1)
        spread, thin_volume, _ = _deviation(usual, config.volume_sessions)
        same = _later(_run_of_equals(volumes) >= config.volume_sessions - 1, 1)
        mean = rolling_sum(usual, config.volume_sessions) / config.volume_sessions
        safe = np.where(same | (spread <= 0.0), 1.0, spread)
        short = rolling_sum(closes, config.short_average) / config.short_average
        long = rolling_sum(closes, config.long_average) / config.long_average
        return cls(
            trend=np.log(short / long),
            momentum=rolling_sum(returns, min(config.momentum_sessions, sessions)),
            deviation=deviation,
            burst=burst,
            volume_z=np.where(same | (spread <= 0.0), 0.0, (volumes - volumes.mean() - mean) / safe),
            doubtful=thin | thin_burst | (thin_volume & ~same),
            flat=flat | flat_burst | same,
        )


def _deviation(values: Floats, size: int) -> tuple[Floats, Flags, Flags]:
    """Sample standard deviations of `size` values each; where they are too inexact; where all values are 0."""
    squares = rolling_sum(values * values, size)
    total = rolling_sum(values, size)
    rest = squares - total * total / size
    thin = (rest < THIN * squares) & (squares > 0.0)
    return np.sqrt(np.maximum(rest, 0.0) / (size - 1)), thin, squares == 0.0


def _run_of_equals(values: Floats) -> Floats:
    """How many values before each are the same without a break."""
    changed = np.flatnonzero(np.diff(values, prepend=np.nan) != 0.0)
    numbers = np.arange(len(values))
    since = changed[np.searchsorted(changed, numbers, side="right") - 1]
    return (numbers - since).astype(np.float64)
