"""What charts and tables of a report need to know of its series, and its metrics do not say."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from domain.backtest import TradeEntry
from domain.backtest_report import BacktestReport, returns_of
from domain.returns import NOISE


class Fall(NamedTuple):
    """A time below the highest equity until then; places count the points of the equity curve."""

    depth: float
    start: int
    trough: int
    recovery: int | None
    """None: not before the end."""


class Bin(NamedTuple):
    """How many returns lie in [low, high)."""

    low: float
    high: float
    sessions: int


def returns_while_solvent(equity: Sequence[Decimal]) -> list[float]:
    """Return of each session until nothing was left: there is no rate from nothing."""
    gone = next((at for at, amount in enumerate(equity) if amount <= 0), len(equity))
    return returns_of(equity[:gone])


def first_out_of_sample(report: BacktestReport) -> int:
    """Place of the first session after the model's training, which is also that of the equity before it."""
    cutoff = report.request.model_cutoff
    return 0 if cutoff is None else bisect_right(report.sessions, cutoff)


def drawdowns(equity: Sequence[Decimal]) -> list[float]:
    """Each point as a fraction of the highest until then, less 1: 0 or negative."""
    found, peak = [], 0.0
    for amount in map(float, equity):
        peak = max(peak, amount)
        found.append(amount / peak - 1 if peak > 0 else 0.0)
    return found


def falls(equity: Sequence[Decimal]) -> list[Fall]:
    """All times below the highest equity, the deepest first."""
    below = drawdowns(equity)
    found: list[Fall] = []
    start: int | None = None
    for at, depth in enumerate(below):
        if depth < -NOISE:
            start = at - 1 if start is None else start
        elif start is not None:
            found.append(_fall(below, start, at))
            start = None
    if start is not None:
        found.append(_fall(below, start, None))
    return sorted(found, key=lambda fall: (-fall.depth, fall.start))


def _fall(below: Sequence[float], start: int, recovery: int | None) -> Fall:
    inside = below[start:recovery]
    return Fall(depth=-min(inside), start=start, trough=start + inside.index(min(inside)), recovery=recovery)


def by_period(
    sessions: Sequence[date], equity: Sequence[Decimal], key: Callable[[date], tuple[int, ...]]
) -> dict[tuple[int, ...], float]:
    """Return of each month or year, also of one that is not whole: its last equity over the last one before it."""
    last: dict[tuple[int, ...], float] = {}
    for session, amount in zip(sessions, equity[1:], strict=False):
        last[key(session)] = float(amount)
    ends = [float(equity[0]), *last.values()] if equity else []
    return {
        period: after / before - 1
        for period, (before, after) in zip(last, pairwise(ends), strict=True)
        if before > 0 and after >= 0
    }


def month_of(session: date) -> tuple[int, ...]:
    return session.year, session.month


def year_of(session: date) -> tuple[int, ...]:
    return (session.year,)


def rolling(
    returns: Sequence[float], window: int, measured: Callable[[Sequence[float]], float | None]
) -> list[float | None]:
    """A measure of the sessions up to each, from the first that has a whole window on."""
    return [measured(returns[end - window : end]) for end in range(window, len(returns) + 1)]


def histogram(returns: Sequence[float], most: int = 41) -> list[Bin]:
    """Count returns in bins as wide as each other; zero is an edge, so that no bin holds both gains and losses."""
    if not returns:
        return []
    widest = max(abs(min(returns)), abs(max(returns)))
    if widest <= NOISE:
        return [Bin(-0.0005, 0.0005, len(returns))]
    half = max(3, min(most // 2, math.isqrt(len(returns)) + 2))
    width = widest / half
    counts = dict.fromkeys(range(-half, half), 0)
    for value in returns:
        counts[max(-half, min(half - 1, math.floor(value / width)))] += 1
    return [Bin(place * width, (place + 1) * width, count) for place, count in counts.items()]


def kept_places(values: Sequence[float], most: int) -> list[int]:
    """Choose the points of a curve that are drawn: all, or both ends and the lowest and highest of each stretch."""
    if len(values) <= most:
        return list(range(len(values)))
    size = math.ceil(2 * len(values) / most)
    kept = {0, len(values) - 1}
    for start in range(0, len(values), size):
        stretch = range(start, min(start + size, len(values)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(kept)


def result_by_symbol(trades: Sequence[TradeEntry]) -> list[tuple[str, Decimal]]:
    """Sum results, the best first."""
    total: dict[str, Decimal] = {}
    for trade in trades:
        total[trade.symbol] = total.get(trade.symbol, Decimal(0)) + trade.result
    return sorted(total.items(), key=lambda each: (-each[1], each[0]))


def trade_return(trade: TradeEntry) -> float | None:
    """Result over what was paid; None where nothing was."""
    return float(trade.result / trade.cost) if trade.cost > 0 else None


def trade_days(trade: TradeEntry, last: date | None) -> int:
    """Calendar days from the first share to the last, or to the end of the backtest."""
    end = trade.closed or last or trade.opened
    return (end - trade.opened).days
