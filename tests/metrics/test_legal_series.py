"""What is refused, and what is legal although little can be said of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from pydantic import ValidationError

from domain.errors import InvalidInput
from domain.metrics import Drawdown, PerformanceMetrics, exposure, measure, turnover
from domain.overfitting import Trials, overfitting_probability, survey_trials
from domain.returns import checked_returns, excess
from domain.sharpe import sharpe_ratio

from .builders import PROPERTY, legal, series

THREE = [0.01, -0.02, 0.03]


@pytest.mark.parametrize(
    ("arguments", "code", "fields"),
    [
        ({"returns": [0.01, math.nan]}, "VALUE_NOT_FINITE", {"field": "returns", "at": 1, "allowed": "finite numbers"}),
        ({"returns": [math.inf]}, "VALUE_NOT_FINITE", {"field": "returns", "at": 0, "found": math.inf}),
        ({"returns": [0.0, -1.0]}, "RETURN_OUT_OF_RANGE", {"at": 1, "found": -1.0, "allowed": "(-1, 1e+06]"}),
        ({"returns": [-1.5]}, "RETURN_OUT_OF_RANGE", {"field": "returns", "at": 0, "found": -1.5}),
        ({"returns": [1e7]}, "RETURN_OUT_OF_RANGE", {"field": "returns", "found": 1e7}),
        ({"returns": THREE, "benchmark": [0.01]}, "LENGTHS_DIFFER", {"field": "benchmark", "found": 1, "allowed": 3}),
        ({"returns": THREE, "benchmark": [0, 0, -2]}, "RETURN_OUT_OF_RANGE", {"field": "benchmark", "at": 2}),
        ({"returns": THREE, "rf": [0.0, 0.0]}, "LENGTHS_DIFFER", {"field": "rf", "found": 2, "allowed": 3}),
        ({"returns": THREE, "rf": math.nan}, "VALUE_NOT_FINITE", {"field": "rf", "allowed": "finite numbers"}),
        ({"returns": THREE, "rf": "four"}, "NUMBERS_EXPECTED", {"field": "rf"}),
        ({"returns": [THREE]}, "DIMENSIONS_WRONG", {"field": "returns", "found": 2, "allowed": "1"}),
        ({"returns": 0.01}, "DIMENSIONS_WRONG", {"field": "returns", "found": 0}),
        ({"returns": ["much"]}, "NUMBERS_EXPECTED", {"field": "returns"}),
        ({"returns": [0.01, None]}, "VALUE_NOT_FINITE", {"field": "returns", "at": 1}),
        ({"returns": THREE, "traded": [0, 0, 0]}, "EQUITY_MISSING", {"field": "equity", "found": None}),
        ({"returns": THREE, "gross": [0, 0, 0]}, "EQUITY_MISSING", {"field": "equity"}),
        ({"returns": THREE, "equity": [100.0, 0.0, 1.0]}, "AMOUNT_OUT_OF_RANGE", {"field": "equity", "at": 1}),
        ({"returns": THREE, "equity": [1, 1]}, "LENGTHS_DIFFER", {"field": "equity", "found": 2, "allowed": 3}),
        (
            {"returns": THREE, "equity": [1, 1, 1], "traded": [0, 0, -5]},
            "AMOUNT_OUT_OF_RANGE",
            {"field": "traded", "at": 2, "found": -5.0, "allowed": "[0, 1e+15] dollars"},
        ),
        (
            {"returns": THREE, "equity": [1, 1, 1], "gross": [0, math.inf, 0]},
            "VALUE_NOT_FINITE",
            {"field": "gross", "at": 1},
        ),
    ],
)
def test_measure_when_a_value_is_not_allowed_then_the_error_names_it(
    arguments: dict[str, Any], code: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as error:
        measure(**arguments)
    assert error.value.code == code
    assert {name: error.value.fields[name] for name in fields} == fields
    assert {"field", "found", "allowed"} <= error.value.fields.keys()


def test_error_when_printed_then_it_says_field_found_and_allowed() -> None:
    with pytest.raises(InvalidInput) as error:
        checked_returns([0.5, -1.25])
    assert str(error.value) == (
        "RETURN_OUT_OF_RANGE: field=returns, at=1, found=-1.25, allowed=(-1, 1e+06]. "
        "A return is a fraction: 0.01 is one percent."
    )


def test_trials_when_a_value_is_not_allowed_then_the_error_names_session_and_strategy() -> None:
    with pytest.raises(InvalidInput) as error:
        overfitting_probability([[0.0, 0.1], [0.0, -1.0]])
    assert error.value.fields["at"] == (1, 1)
    with pytest.raises(InvalidInput) as error:
        overfitting_probability([[0.0, 0.1], [0.0]])
    assert error.value.code == "NUMBERS_EXPECTED"
    with pytest.raises(InvalidInput) as error:
        survey_trials([[0.0, 0.1], [0.0, 0.2]], rf=[0.0])
    assert error.value.fields == {"field": "rf", "found": 1, "allowed": 2}


def test_turnover_and_exposure_when_lengths_differ_then_they_are_refused() -> None:
    for each in (turnover, exposure):
        with pytest.raises(InvalidInput, match="LENGTHS_DIFFER"):
            each([1.0], [1.0, 2.0])


def test_excess_when_each_session_has_its_rate_then_every_strategy_is_charged_it() -> None:
    table = np.array([[0.01, 0.02], [0.03, 0.04]])
    assert excess(table, [0.01, 0.02]).tolist() == [[0.0, 0.01], [0.03 - 0.02, 0.02]]


# -- little to say -------------------------------------------------------------------------------------------------


def test_measure_when_there_is_no_session_then_nothing_is_known_and_nothing_raises() -> None:
    found = measure([], benchmark=[], equity=[], traded=[], gross=[], rf=[])
    assert found == PerformanceMetrics(sessions=0)


def test_measure_when_nothing_moved_then_ratios_are_none_and_the_rest_is_zero() -> None:
    found = measure([0.0] * 20, benchmark=[0.0] * 20, equity=[100.0] * 20, traded=[0.0] * 20, gross=[0.0] * 20)
    assert found == PerformanceMetrics(
        sessions=20,
        total_return=0.0,
        cagr=0.0,
        volatility=0.0,
        max_drawdown=Drawdown(depth=0.0),
        cvar_95=0.0,
        turnover=0.0,
        exposure=0.0,
    )


def test_measure_when_every_return_is_the_same_then_rounding_makes_no_sharpe_ratio_of_it() -> None:
    # 0.1 + 0.2 and 0.3 differ in the last bit; so would an equity curve that earns interest alone.
    found = measure([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2, 0.3], rf=0.1)
    assert found.volatility == 0.0
    assert found.sharpe is None
    assert found.skewness is None
    assert found.hit_rate == 1.0


def test_measure_when_one_session_is_all_then_only_what_one_return_defines_is_known() -> None:
    found = measure([0.02], benchmark=[0.01])
    known = {name for name, value in found.model_dump().items() if value is not None}
    assert known == {"sessions", "total_return", "cagr", "max_drawdown", "cvar_95", "hit_rate"}


def test_measure_when_growth_a_year_exceeds_every_float_then_it_is_none() -> None:
    found = measure([20.0])
    assert found.cagr is None
    assert found.calmar is None
    assert found.total_return == pytest.approx(20.0, rel=1e-14)
    assert measure([1000.0, -0.5]).calmar is None


@PROPERTY
@given(series(legal, most=12), series(legal, most=12))
def test_measure_when_series_are_legal_then_every_figure_is_finite_or_none(
    one: list[float], other: list[float]
) -> None:
    sessions = min(len(one), len(other))
    returns, benchmark = one[:sessions], other[:sessions]
    table = np.column_stack([returns, benchmark]) if sessions else np.empty((0, 2))
    found = measure(
        returns,
        benchmark=benchmark,
        rf=0.0001,
        equity=[1e-6] * sessions,
        traded=[1e15] * sessions,
        gross=[1e15] * sessions,
        trials=survey_trials(table, logged=50),
    )
    figures = found.model_dump()
    figures |= figures.pop("max_drawdown") or {}
    assert all(value is None or math.isfinite(value) for value in figures.values())
    assert all(value is None or type(value) in (int, float) for value in figures.values())


def test_metrics_when_changed_then_they_refuse() -> None:
    found = measure(THREE)
    with pytest.raises(ValidationError):
        found.sharpe = 3.0  # type: ignore[misc]
    assert PerformanceMetrics.model_validate_json(found.model_dump_json()) == found


def test_sharpe_when_given_an_array_or_a_list_then_it_is_the_same() -> None:
    assert sharpe_ratio(np.array(THREE)) == sharpe_ratio(THREE) == measure(THREE).sharpe


def test_trials_when_none_is_counted_then_they_are_refused() -> None:
    with pytest.raises(ValidationError):
        Trials(count=0)
