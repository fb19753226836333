"""The weight formula: each term by hand, and that the smallest decides."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.rules_config import WeightRules
from domain.weights import PositionWeight, WeightBound, position_weight

from .builders import PROPERTY

RULES = WeightRules()


def weigh(**changes: Any) -> PositionWeight:
    """A position that its name cap bounds."""
    values: dict[str, Any] = {
        "volatility_weight": 0.10,
        "conviction": 0.5,
        "edge_bp": 40.0,
        "cost_bp": 10.0,
        "daily_volatility": 0.02,
        "horizon_td": 10.0,
        "stop_distance": Fraction(6, 100),
        "name_cap": Decimal("0.05"),
        "rules": RULES,
        **changes,
    }
    return position_weight(**values)


def test_terms_when_computed_by_hand_then_they_agree() -> None:
    found = {term.bound: float(term.weight) for term in weigh(conviction=0.3).terms}
    assert found[WeightBound.VOLATILITY] == pytest.approx(0.10 * 0.6)
    assert found[WeightBound.KELLY] == pytest.approx(0.2 * 0.0030 / (0.0004 * 10))  # f (edge - cost) / sd_H^2
    assert found[WeightBound.STOP] == pytest.approx(0.005 / 0.06)
    assert found[WeightBound.NAME_CAP] == 0.05


@pytest.mark.parametrize(
    ("changes", "bound", "weight"),
    [
        ({}, WeightBound.NAME_CAP, 0.05),
        ({"conviction": 0.2}, WeightBound.VOLATILITY, 0.04),
        ({"volatility_weight": 0.03, "conviction": 0.9}, WeightBound.VOLATILITY, 0.03),
        ({"edge_bp": 14.0}, WeightBound.KELLY, 0.02),
        ({"edge_bp": 10.0}, WeightBound.KELLY, 0.0),
        ({"edge_bp": -40.0}, WeightBound.KELLY, 0.0),
        ({"stop_distance": Fraction(1, 5)}, WeightBound.STOP, 0.025),
        ({"stop_distance": Fraction(1)}, WeightBound.STOP, 0.0),
        ({"stop_distance": Fraction(0)}, WeightBound.STOP, 0.0),
        ({"daily_volatility": 0.0, "volatility_weight": 0.0}, WeightBound.VOLATILITY, 0.0),
        ({"daily_volatility": 0.0}, WeightBound.KELLY, 0.0),
        ({"horizon_td": 0.0}, WeightBound.KELLY, 0.0),
    ],
)
def test_weight_when_a_term_is_the_smallest_then_it_is_named(
    changes: dict[str, Any], bound: WeightBound, weight: float
) -> None:
    found = weigh(**changes)
    assert found.bound is bound
    assert float(found.weight) == pytest.approx(weight)


@pytest.mark.parametrize(
    ("kelly", "risk", "by_kelly", "by_stop"),
    [("0.10", "0.0025", 0.075, 0.0416666), ("0.20", "0.005", 0.15, 0.0833333), ("0.30", "0.01", 0.225, 0.1666666)],
)
def test_terms_when_the_tier_changes_then_they_follow(kelly: str, risk: str, by_kelly: float, by_stop: float) -> None:
    rules = WeightRules(kelly_fraction=Decimal(kelly), trade_risk=Decimal(risk))
    found = {term.bound: float(term.weight) for term in weigh(rules=rules).terms}
    assert found[WeightBound.KELLY] == pytest.approx(by_kelly)
    assert found[WeightBound.STOP] == pytest.approx(by_stop, abs=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"edge_bp": math.nan},
        {"conviction": -0.1},
        {"daily_volatility": math.inf},
        {"cost_bp": -1.0},
        {"horizon_td": -1.0},
    ],
)
def test_weight_when_an_input_is_impossible_then_it_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="WEIGHT_INPUT_INVALID"):
        weigh(**wrong)


@PROPERTY
@given(
    st.floats(0, 2), st.floats(0, 1), st.floats(-100, 500), st.floats(0, 100), st.floats(0, 0.5), st.floats(0, 60),
    st.fractions(0, 2), st.decimals(0, 1, places=4, allow_nan=False),
)  # fmt: skip
def test_weight_when_inputs_are_any_then_it_is_the_least_term_and_never_above_the_cap(
    by_volatility: float, conviction: float, edge: float, cost: float, sd: float, horizon: float, stop: Fraction,
    cap: Decimal,
) -> None:  # fmt: skip
    found = weigh(
        volatility_weight=by_volatility, conviction=conviction, edge_bp=edge, cost_bp=cost, daily_volatility=sd,
        horizon_td=horizon, stop_distance=stop, name_cap=cap,
    )  # fmt: skip
    assert 0 <= found.weight <= Fraction(cap)
    assert found.weight == min(term.weight for term in found.terms)
    assert next(term for term in found.terms if term.weight == found.weight).bound is found.bound
    assert found.weight * stop <= Fraction(RULES.trade_risk)
    if edge <= cost:
        assert found.weight == 0
