"""The arithmetic of scores: pure functions, elementwise over (N,) symbols or over the (M,) items of their evidence.

Sums are `math.fsum`, whose result depends neither on order nor on shape; hyperbolic tangents are `np.tanh` throughout,
for `math.tanh` differs from it in the last bit. Formulas: quantitative specification, section 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from domain.config import ConfirmationConfig, SignalConfig

Floats = NDArray[np.float64]

NANO = 1_000_000_000
"""Units of a persisted score: 1e-9."""


def document_weight(
    relevance: Floats, credibility: Floats, novelty: Floats, confidence: Floats, materiality: Floats
) -> Floats:
    """Multiply to w0 in [0, 1]; all (M,)."""
    return relevance * credibility * novelty * confidence * materiality


def signed_half_life(half_life: Floats, sentiment: Floats, negative_factor: float) -> Floats:
    """Lengthen the half-life of negative evidence, which is absorbed later (Heston and Sinha); all (M,)."""
    return np.where(sentiment < 0.0, half_life * negative_factor, half_life)


def decayed_weight(weight: Floats, age: Floats, half_life: Floats) -> Floats:
    """Decay to w = w0 * 2^(-age/h); all (M,)."""
    return weight * np.exp2(-age / half_life)


def segment_sums(values: Floats, offsets: Sequence[int]) -> Floats:
    """Sum the flat (M,) values of each symbol: symbol n owns `values[offsets[n]:offsets[n + 1]]`; (N,)."""
    flat = values.tolist()
    return np.array([math.fsum(flat[start:end]) for start, end in pairwise(offsets)], dtype=np.float64)


def layer_score(signed: Floats, total: Floats, kappa: float) -> Floats:
    """Shrink to S = sum(w s) / (kappa + sum w) in (-1, 1); all (N,)."""
    return signed / (kappa + total)


def contradiction(signed: Floats, absolute: Floats) -> Floats:
    """Measure D = 1 - |sum w s| / sum w|s| in [0, 1], 0 without signed evidence; all (N,)."""
    safe = np.where(absolute > 0.0, absolute, 1.0)
    return np.where(absolute > 0.0, np.clip(1.0 - np.abs(signed) / safe, 0.0, 1.0), 0.0)


def effective_documents(total: Floats, squares: Floats) -> Floats:
    """Count n_eff = (sum w)^2 / sum w^2, 0 where nothing weighs; all (N,)."""
    safe = np.where(squares > 0.0, squares, 1.0)
    return np.where(squares > 0.0, total * total / safe, 0.0)


def composite_score(company: Floats, macro: Floats, competitive: Floats, weights: tuple[float, float, float]) -> Floats:
    """Weigh the layers to S in [-1, 1]; a layer that is off has weight 0, without renormalising; all (N,)."""
    mixed = weights[0] * company + weights[1] * macro + weights[2] * competitive
    return np.clip(mixed, -1.0, 1.0) + 0.0  # adding 0 turns a negative zero into zero


def market_confirmation(
    score: Floats,
    trend: Floats,
    momentum: Floats,
    deviation: Floats,
    volume_z: Floats,
    config: ConfirmationConfig,
) -> Floats:
    """Measure how far the market agrees with the score's sign: m in [-1, 1], 0 without volatility; all (N,).

    Args:
        trend: ln(SMA20/SMA50).
        momentum: log return over 5 sessions.
        deviation: standard deviation of daily log returns; 0 where there are too few bars.
        volume_z: the last session's volume in standard deviations of the 20 before it.
    """
    known = deviation > 0.0
    safe = np.where(known, deviation, 1.0)
    by_trend = config.trend_weight * np.tanh(trend / (config.trend_scale * safe))
    by_return = config.momentum_weight * np.tanh(momentum / (safe * math.sqrt(config.momentum_sessions)))
    volume = config.volume_floor + (1.0 - config.volume_floor) * np.clip(volume_z / config.volume_z_scale, 0.0, 1.0)
    agreement = np.sign(score) * (by_trend + by_return * volume)
    return np.where(known, np.clip(agreement, -1.0, 1.0), 0.0) + 0.0


def confirmed_score(
    score: Floats, confirmation: Floats, deviation: Floats, burst: Floats, config: ConfirmationConfig
) -> Floats:
    """Scale to S* = clip(S (1 + .25 m) min(1, 1.5 s60/s5), -1, 1), never against the sign of S; all (N,)."""
    bursting = burst > 0.0
    ratio = config.burst_tolerance * deviation / np.where(bursting, burst, 1.0)
    damping = np.where(bursting, np.minimum(1.0, ratio), 1.0)
    return np.clip(score * (1.0 + config.strength * confirmation) * damping, -1.0, 1.0)


def conviction_of(score: Floats, disagreement: Floats, discount: float) -> Floats:
    """Discount to c = |S*| (1 - .5 D) in [0, 1]; all (N,)."""
    return np.abs(score) * (1.0 - discount * disagreement)


def horizon_of(weighted_lives: Floats, magnitudes: Floats, config: SignalConfig) -> Floats:
    """Average to H = clip(1.44 sum|a|h / sum|a|, 1, 60) trading days, the minimum without evidence; all (N,)."""
    known = magnitudes > 0.0
    mean = config.horizon_factor * weighted_lives / np.where(known, magnitudes, 1.0)
    return np.where(known, np.clip(mean, config.horizon_minimum, config.horizon_maximum), config.horizon_minimum)


def to_nano(value: float) -> int:
    """Round a score to integer nano-units, halves to even."""
    return round(value * NANO)


def largest_remainder(targets: Sequence[float], total: int) -> list[int]:
    """Round the targets to integers that sum to `total` exactly; ties go to the earlier one.

    Every target is floored and the rest handed out by the size of what was cut off. Without targets the result is
    empty, whatever the total.
    """
    if not targets:
        return []
    floors = [math.floor(target) for target in targets]
    everyone, rest = divmod(total - sum(floors), len(targets))
    order = sorted(range(len(targets)), key=lambda at: (floors[at] - targets[at], at))
    rounded = [floor + everyone for floor in floors]
    for at in order[:rest]:
        rounded[at] += 1
    return rounded
