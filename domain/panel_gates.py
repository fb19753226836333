"""Entry gates over arrays: which candidates would be bought, and which are too near a limit to say.

Candidates are few: edge and cost are asked of `domain.recommendation` itself, of one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.config import TradingConfig
from domain.decisions import Assessment
from domain.kernels import Floats
from domain.panel_passes import Flags, Ints
from domain.recommendation import BASIS_POINTS, cost_bp, edge_bp
from domain.sizing import volatility_weight

NEAR = 1e-9
"""Closer than this to a limit, relative to what is compared, the exact computation is asked."""
MICRO = 1e-6
"""Prices are compared as they are kept, rounded to the micro-dollar."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """(C,) passes and companies whose score is at or above what buying needs, or too near it to say."""

    at: Ints
    """Number of the pass."""
    company: Ints
    score: Floats
    contradiction: Floats
    conviction: Floats
    horizon: Floats
    deviation: Floats
    dollar_volume: Floats
    last_close: Floats


@dataclass(frozen=True, eq=False)
class Judged:
    """(C,) each; what is neither open nor shut is too near a limit."""

    open: Flags
    """Every gate passes, but for the cool-down, which depends on the account."""
    shut: Flags
    """Some gate does not pass."""
    weight: Floats
    """Share of equity that a position would have at the most, whatever its stop."""


def judge(of: Candidates, config: TradingConfig) -> Judged:
    rules, limits = config.recommendation, config.limits
    assessed = [_assessment(of, number) for number in range(len(of.at))]
    edge = np.array([edge_bp(one, config) for one in assessed], dtype=np.float64)
    cost = np.array([cost_bp(one, config) for one in assessed], dtype=np.float64)
    needed = rules.edge_over_cost * cost
    margins = (
        _above(of.score, rules.buy_score),
        _above(of.conviction, limits.min_conviction),
        _above(-of.contradiction, -rules.maximum_contradiction),
        _above(edge, needed),
        _above(of.last_close, float(limits.min_price), MICRO),
        _above(of.dollar_volume, float(limits.min_adv20), MICRO),
    )
    shut = of.deviation <= 0.0
    sure = ~shut
    for passes, fails in margins:
        sure &= passes
        shut |= fails
    return Judged(sure, shut, _weights(of, edge - cost, config))


def _weights(of: Candidates, net_edge: Floats, config: TradingConfig) -> Floats:
    """Near enough `weights.position_weight` without a stop."""
    by_volatility = np.array([volatility_weight(each, config.sizing) for each in of.deviation.tolist()])
    scale = np.minimum(1.0, of.conviction / config.weights.full_conviction)
    variance = of.deviation**2 * of.horizon
    known = variance > 0.0
    kelly = float(config.weights.kelly_fraction) * np.maximum(net_edge, 0.0) / BASIS_POINTS
    by_edge = np.where(known, kelly / np.where(known, variance, 1.0), 0.0)
    smaller: Floats = np.minimum(np.minimum(by_volatility * scale, by_edge), float(config.sizing.name_cap))
    return smaller


def _assessment(of: Candidates, number: int) -> Assessment:
    """As much of an assessment as edge and cost read."""
    values = {
        "score": of.score,
        "contradiction": of.contradiction,
        "conviction": of.conviction,
        "horizon_td": of.horizon,
        "daily_volatility": of.deviation,
        "average_dollar_volume": of.dollar_volume,
        "last_close": of.last_close,
    }
    known: dict[str, Any] = {name: float(column[number]) for name, column in values.items()}
    return Assessment.model_construct(**known)


def _above(values: Floats, limit: Floats | float, unit: float = 0.0) -> tuple[Flags, Flags]:
    """Where values are surely at or above a limit, and where surely below it."""
    near = NEAR * np.maximum(1.0, np.maximum(np.abs(values), np.abs(limit))) + unit
    return values - limit > near, values - limit < -near
