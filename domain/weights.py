"""The weight a position should have on its own, and what bound it.

    w = min(w_vol min(1, 2c), f max(0, edge - cost) / sd_H^2, risk / stop distance, name cap)

Sources: quantitative specification, section 3; the second term is a fraction f of the growth-optimal weight mean over
variance (Kelly 1956; Thorp 2006), with the costs of the round trip taken from the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from domain.errors import InvalidInput
from domain.rules_config import WeightRules

BASIS_POINT = Fraction(1, 10_000)


class WeightBound(StrEnum):
    """A term of the formula, in its order."""

    VOLATILITY = "volatility"
    KELLY = "kelly"
    STOP = "stop"
    NAME_CAP = "name_cap"


@dataclass(frozen=True)
class WeightTerm:
    bound: WeightBound
    weight: Fraction
    """Share of equity that this term alone would allow; never negative."""


@dataclass(frozen=True)
class PositionWeight:
    """The smallest term, and all of them in the order of the formula."""

    weight: Fraction
    bound: WeightBound
    """The term that decided; of equal ones the first."""
    terms: tuple[WeightTerm, ...]


def position_weight(
    *,
    volatility_weight: float,
    conviction: float,
    edge_bp: float,
    cost_bp: float,
    daily_volatility: float,
    horizon_td: float,
    stop_distance: Fraction | None,
    name_cap: Decimal,
    rules: WeightRules,
) -> PositionWeight:
    """Give the share of equity a long position should have, exactly the smallest of its bounds.

    What is not known allows nothing: without a volatility the Kelly term is 0.

    Args:
        volatility_weight: w_vol, the share of equity that meets the volatility target; 0 where volatility is unknown.
        conviction: c in [0, 1].
        edge_bp, cost_bp: expected gain over the horizon and cost of the round trip, in basis points of the price.
        daily_volatility: standard deviation of daily log returns; sd_H^2 is its square times the horizon.
        horizon_td: H in trading days.
        stop_distance: way to the initial stop as a share of the price; not in (0, 1) means that no stop fits, None that
            the position has none and that the term is left out.
        name_cap: largest share of equity in one name.

    Raises:
        InvalidInput: a number is not finite, or one that cannot be negative is.
    """
    numbers = {
        "volatility_weight": volatility_weight,
        "conviction": conviction,
        "cost_bp": cost_bp,
        "daily_volatility": daily_volatility,
        "horizon_td": horizon_td,
    }
    for name, number in {**numbers, "edge_bp": edge_bp}.items():
        if not math.isfinite(number) or (name in numbers and number < 0):
            raise InvalidInput("WEIGHT_INPUT_INVALID", field=name, found=number)
    conviction_scale = min(1.0, conviction / rules.full_conviction)
    by_stop = () if stop_distance is None else (WeightTerm(WeightBound.STOP, _by_stop(stop_distance, rules)),)
    terms = (
        WeightTerm(WeightBound.VOLATILITY, Fraction(volatility_weight * conviction_scale)),
        WeightTerm(WeightBound.KELLY, _kelly(edge_bp - cost_bp, daily_volatility, horizon_td, rules)),
        *by_stop,
        WeightTerm(WeightBound.NAME_CAP, max(Fraction(0), Fraction(name_cap))),
    )
    least = min(terms, key=lambda term: term.weight)
    return PositionWeight(weight=least.weight, bound=least.bound, terms=terms)


def _kelly(net_edge_bp: float, daily_volatility: float, horizon_td: float, rules: WeightRules) -> Fraction:
    variance = Fraction(daily_volatility) ** 2 * Fraction(horizon_td)
    if variance == 0 or net_edge_bp <= 0:
        return Fraction(0)
    return Fraction(rules.kelly_fraction) * Fraction(net_edge_bp) * BASIS_POINT / variance


def _by_stop(stop_distance: Fraction, rules: WeightRules) -> Fraction:
    if not 0 < stop_distance < 1:
        return Fraction(0)
    return Fraction(rules.trade_risk) / stop_distance
