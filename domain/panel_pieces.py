"""Pieces: statements of a backtest cut wherever something of them changes other than their age.

That is where their novelty changes, where they are taken back or leave the look-back, and at a pass that is not one
trading day after the one before. Within a piece the weight decays by the same factor from pass to pass
(`domain.panel_scores` sums them).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.kernels import Floats
from domain.panel_novelty import Stretches
from domain.panel_passes import Ints, Passes, TradingTime
from domain.panel_statements import SLACK, Statements


@dataclass(frozen=True, eq=False)
class Pieces:
    """(P,) pieces, by slot and first pass."""

    slot: Ints
    first: Ints
    """Pass from which it counts."""
    within: Ints
    """(W, P) number of passes from the first on at which it stands inside each window, the widest last."""
    weight: Floats
    """At the first pass."""
    life: Ints
    """Its half-life's place in `lives`."""
    lives: Floats
    """(L,)"""
    sentiment: Floats

    @property
    def half_life(self) -> Floats:
        found: Floats = self.lives[self.life]
        return found


@dataclass(frozen=True, eq=False)
class Parts:
    """(P,) parts of statements."""

    of: Ints
    """Its statement's number."""
    first: Ints
    """Pass from which it counts."""
    within: Ints
    """(W, P) as of pieces."""
    start: Floats
    """Weight at age 0."""
    age: Floats
    """At the first pass, in trading days."""

    def taken(self, order: Ints) -> Parts:
        """Those at some places."""
        return Parts(self.of[order], self.first[order], self.within[:, order], self.start[order], self.age[order])


def parts_of(seen: Statements, worth: Stretches, weight: Floats, passes: Passes, windows: Sequence[float]) -> Parts:
    """Cut stretches where passes are uneven, and measure them; what is never inside the widest window is left out.

    Args:
        worth: novelty x materiality.
        weight: (M,) of each statement where that is 1.
        windows: ages in trading days up to which something counts, ends included, ascending.
    """
    of, first, end = worth.of, worth.first, np.minimum(worth.end, seen.alive[worth.of])
    start = weight[of] * worth.value
    kept = np.flatnonzero((first < end) & (start > 0.0))
    of, first, end, start = of[kept], first[kept], end[kept], start[kept]
    if len(of) and len(passes.starts) > 2:
        again, first, end = _cut_where_uneven(first, end, passes)
        of, start = of[again], start[again]
    told = TradingTime(seen.time.days[of], seen.time.over[of])
    age = passes.age(first, told)
    within = np.array([_within(window, age, first, end, told, passes) for window in windows])
    return Parts(of, first, within, start, age).taken(np.flatnonzero(within[-1] > 0))


def _cut_where_uneven(first: Ints, end: Ints, passes: Passes) -> tuple[Ints, Ints, Ints]:
    """Spans that hold an uneven pass become several; returns which each is of, first passes and those after."""
    cuts = passes.stretch[end - 1] - passes.stretch[first] + 1
    again = np.repeat(np.arange(len(first)), cuts)
    nth = np.arange(len(again)) - np.repeat(np.cumsum(cuts) - cuts, cuts)
    stretch = passes.stretch[first][again] + nth
    return (
        again,
        np.maximum(first[again], passes.starts[stretch]),
        np.minimum(end[again], passes.starts[stretch + 1]),
    )


def _within(window: float, age: Floats, first: Ints, end: Ints, told: TradingTime, passes: Passes) -> Ints:
    """The number of passes of each piece whose age is within a window, which is exact at its very end."""
    more = np.floor(window - age + SLACK).astype(np.int64)
    last = np.clip(first + more, first, end - 1)
    beyond = passes.age(last, told) > window
    return np.where(more < 0, 0, last - first + 1 - beyond)
