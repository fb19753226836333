"""A layer's arithmetic: the weights of its items in, scores and every item's share of them out.

The same for every layer: voices are bounded within each window (`domain.influence`), S = sum(w s) / (kappa + sum w),
windows are mixed. Elementwise over the (N,) segments, which are symbols or factors; items are flat (M,).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from domain.influence import Choir, Voice
from domain.kernels import Floats, layer_score, segment_sums


@dataclass(frozen=True)
class ScoredLayer:
    """`windows` and `score` are (N,), `shares` and `weights` flat (M,)."""

    windows: tuple[Floats, ...]
    score: Floats
    shares: Floats
    """Each item's part of its segment's score: they sum to it."""
    weights: Floats
    """Each item's bounded weight, averaged over the windows as they count."""


def score_layer(
    weight: Floats,
    sentiment: Floats,
    age: Floats,
    voices: Sequence[Voice],
    offsets: Sequence[int],
    *,
    windows: Sequence[float],
    parts: Sequence[float],
    kappa: float,
) -> ScoredLayer:
    """Score N segments: segment n owns the items `[offsets[n]:offsets[n + 1]]`.

    Args:
        weight: w of each item, decayed, at least 0.
        sentiment: s of each item in [-1, 1].
        age: trading days since each item.
        voices: whose word each item is.
        windows: ages up to which an item counts, ends included.
        parts: weight of each window's score; together at most 1.
    """
    counts = np.diff(np.array(offsets))
    choirs = [Choir(voices[start:end]) for start, end in pairwise(offsets)]
    score, scores = np.zeros(len(offsets) - 1), []
    shares, weights = np.zeros_like(weight), np.zeros_like(weight)
    for window, part in zip(windows, parts, strict=True):
        counted = bounded(weight * (age <= window), choirs, offsets, kappa)
        total = segment_sums(counted, offsets)
        scores.append(layer_score(segment_sums(counted * sentiment, offsets), total, kappa))
        score = score + part * scores[-1]
        shares = shares + part * counted * sentiment / np.repeat(kappa + total, counts)
        weights = weights + part * counted
    return ScoredLayer(windows=tuple(scores), score=score, shares=shares, weights=weights)


def bounded(weight: Floats, choirs: Sequence[Choir], offsets: Sequence[int], kappa: float) -> Floats:
    """Keep every voice within its credibility and its share of each segment; (M,), one choir a segment."""
    flat = weight.tolist()
    kept: list[float] = []
    for choir, (start, end) in zip(choirs, pairwise(offsets), strict=True):
        kept += choir.limited(flat[start:end], kappa)
    return np.array(kept, dtype=np.float64)


def lagged_weight(age: Floats, rise: float, fall: float) -> Floats:
    """Let a reaction arrive and pass: k(t) = (1 - 2^(-t/rise)) 2^(-t/fall) in [0, 1), 0 at age 0; all (M,)."""
    return (1.0 - np.exp2(-age / rise)) * np.exp2(-age / fall)
