"""Measures on series so short that they can be worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from domain.errors import InvalidInput
from domain.metrics import (
    Drawdown,
    MeasureConfig,
    cagr,
    calmar_ratio,
    expected_shortfall,
    exposure,
    hit_rate,
    maximum_drawdown,
    measure,
    regress,
    sortino_ratio,
    total_return,
    turnover,
    volatility,
)
from domain.overfitting import Trials
from domain.returns import SESSIONS_PER_YEAR
from domain.sharpe import Shape, shape_of, sharpe_ratio

YEAR = math.sqrt(252)


def test_sharpe_when_worked_by_hand_then_it_agrees() -> None:
    # Mean .02; distances -.01, 0, .01; variance .0002 / 2.
    assert sharpe_ratio([0.01, 0.02, 0.03]) == pytest.approx(YEAR * 0.02 / 0.01)
    assert sharpe_ratio([0.01, 0.02, 0.03], 0.01) == pytest.approx(YEAR * 0.01 / 0.01)
    assert sharpe_ratio([0.01, 0.02, 0.03], sessions_per_year=4) == pytest.approx(2 * 0.02 / 0.01)


def test_sharpe_when_the_risk_free_return_varies_then_each_session_is_charged_its_own() -> None:
    assert sharpe_ratio([0.02, 0.02, 0.06], [0.01, 0.0, 0.03]) == sharpe_ratio([0.02 - 0.01, 0.02, 0.06 - 0.03])


def test_sortino_when_worked_by_hand_then_the_mean_below_the_root_is_over_all_sessions() -> None:
    # min(r, 0)^2: 0, .0004, 0, 0; their mean .0001.
    assert sortino_ratio([0.03, -0.02, 0.01, 0.02]) == pytest.approx(YEAR * 0.01 / 0.01)
    # Less .01: .02, -.03, 0, .01; mean 0.
    assert sortino_ratio([0.03, -0.02, 0.01, 0.02], 0.01) == pytest.approx(0.0, abs=1e-12)
    assert sortino_ratio([0.03, 0.02]) is None


def test_cagr_when_a_year_or_half_of_it_has_passed_then_growth_is_raised_to_a_year() -> None:
    half = [0.1] + [0.0] * 125
    assert cagr(half) == pytest.approx(1.1**2 - 1)
    assert cagr([*half, *half]) == pytest.approx(0.21)
    assert total_return([0.5, -0.5]) == pytest.approx(-0.25)


def test_volatility_when_worked_by_hand_then_it_is_the_deviation_of_the_raw_returns() -> None:
    assert volatility([0.01, 0.02, 0.03]) == pytest.approx(YEAR * 0.01)
    assert measure([0.01, 0.02, 0.03], rf=[0.0, 0.01, 0.02]).volatility == pytest.approx(YEAR * 0.01)


def shape(values: list[float]) -> Shape:
    found = shape_of(np.array(values))
    assert found is not None
    return found


def test_shape_when_worked_by_hand_then_it_is_adjusted_for_the_sample() -> None:
    # In hundredths the distances from the mean of 4 are -3, -2, -1, 6: squares 50, cubes 180, fourth powers 1394.
    found, variance = shape([0.01, 0.02, 0.03, 0.10]), 50 / 3
    assert found.skewness == pytest.approx(4 / (3 * 2) * 180 / variance**1.5)
    assert found.kurtosis == pytest.approx(4 * 5 / (3 * 2 * 1) * 1394 / variance**2 - 3 * 9 / (2 * 1) + 3)
    assert shape([-0.02, -0.01, 0.01, 0.02]).skewness == pytest.approx(0.0, abs=1e-12)


def test_shape_when_there_are_fewer_than_four_returns_then_there_is_none() -> None:
    assert shape_of(np.array([0.01, 0.02, 0.04])) is None


# -- drawdown ------------------------------------------------------------------------------------------------------


def test_drawdown_when_the_first_session_loses_then_it_counts_from_the_starting_equity() -> None:
    # 1, .8, .88, .792
    found = maximum_drawdown([-0.2, 0.1, -0.1])
    assert found is not None
    assert found.depth == pytest.approx(0.208)
    assert (found.start, found.trough, found.recovery) == (0, 3, None)


def test_drawdown_when_equity_comes_back_then_start_trough_and_recovery_are_named() -> None:
    # 1, 1.25, 1.0, .5, 1.0, 1.25, 1.5
    found = maximum_drawdown([0.25, -0.2, -0.5, 1.0, 0.25, 0.2])
    assert found == Drawdown(depth=0.6, start=1, trough=3, recovery=5)


def test_drawdown_when_the_peak_was_reached_twice_then_the_fall_starts_at_the_later_time() -> None:
    # 1, .5, 1, .25: back at the peak in between, though 1/9 is no exact float in the second case.
    assert maximum_drawdown([-0.5, 1.0, -0.75]) == Drawdown(depth=0.75, start=2, trough=3, recovery=None)
    found = maximum_drawdown([-0.1, 1 / 9, -0.2])
    assert found is not None
    assert (found.start, found.trough) == (2, 3)


def test_drawdown_when_two_falls_are_as_deep_then_the_first_is_named() -> None:
    assert maximum_drawdown([-0.5, 1.0, -0.5, 1.0]) == Drawdown(depth=0.5, start=0, trough=1, recovery=2)


def test_drawdown_when_equity_never_fell_then_it_is_zero_without_places() -> None:
    assert maximum_drawdown([0.0, 0.1, 0.0]) == Drawdown(depth=0.0)
    assert calmar_ratio([0.0, 0.1, 0.0]) is None


def test_calmar_when_worked_by_hand_then_it_is_growth_over_depth() -> None:
    returns = [0.5, -0.2] + [0.0] * 250
    assert calmar_ratio(returns) == pytest.approx(0.2 / 0.2)


# -- tail, hits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "taken"),
    [(1, 1), (2, 1), (20, 1), (21, 2), (40, 2), (41, 3), (61, 4), (100, 5), (101, 6), (141, 8)],
)
def test_shortfall_when_sessions_are_counted_then_it_takes_the_place_of_the_linear_quantile(
    sessions: int, taken: int
) -> None:
    returns = [at / 1000 for at in range(sessions)]
    assert expected_shortfall(returns[::-1]) == pytest.approx(sum(returns[:taken]) / taken, abs=1e-15)


def test_shortfall_when_returns_are_equal_at_the_quantile_then_all_of_them_count() -> None:
    # Of ten, the quantile lies between the lowest and the next: both -.03, and the third is one too.
    returns = [-0.03, -0.03, -0.03, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07]
    assert expected_shortfall(returns) == pytest.approx(-0.03)
    # Of 21 the quantile is the second lowest itself.
    assert expected_shortfall([-0.05, -0.01, -0.01] + [0.0] * 18) == pytest.approx(-0.07 / 3)


def test_shortfall_when_the_tail_is_not_allowed_then_it_says_so() -> None:
    assert expected_shortfall([0.1, 0.2], tail_percent=1) == 0.1
    assert expected_shortfall([0.1, 0.2, 0.4], tail_percent=50) == pytest.approx(0.15)
    with pytest.raises(InvalidInput, match="TAIL_OUT_OF_RANGE: field=tail_percent, found=0"):
        expected_shortfall([0.1], tail_percent=0)


def test_hit_rate_when_sessions_were_flat_then_they_do_not_count() -> None:
    assert hit_rate([0.01, 0.0, -0.01, 0.02, 0.0]) == pytest.approx(2 / 3)
    assert hit_rate([0.0, 0.0]) is None
    assert hit_rate([]) is None


# -- trading -------------------------------------------------------------------------------------------------------


def test_turnover_when_all_is_bought_and_sold_once_a_year_then_it_is_one() -> None:
    traded = [100.0] + [0.0] * 250 + [100.0]
    assert turnover(traded, [100.0] * 252) == pytest.approx(1.0)
    assert turnover(traded[:126], [100.0] * 126) == pytest.approx(1.0)  # bought within half a year
    assert turnover([], []) is None


def test_turnover_when_equity_moves_then_its_mean_counts() -> None:
    assert turnover([60.0, 0.0], [50.0, 100.0]) == pytest.approx(60 / (2 * 75) * 126)


def test_exposure_when_worked_by_hand_then_it_is_the_mean_of_the_shares() -> None:
    assert exposure([50.0, 0.0, 300.0], [100.0, 100.0, 200.0]) == pytest.approx(2 / 3)
    assert exposure([], []) is None


# -- comparison ----------------------------------------------------------------------------------------------------


def test_regression_when_returns_are_a_line_then_it_finds_the_line() -> None:
    benchmark = [0.01, -0.02, 0.03, 0.0]
    line = regress([0.001 + 1.5 * each for each in benchmark], benchmark)
    assert line is not None
    assert line.beta == pytest.approx(1.5)
    assert line.alpha == pytest.approx(0.252)


def test_regression_when_there_is_a_risk_free_return_then_both_sides_are_charged_it() -> None:
    # .001 + 1.5 b = rf + 1.5 (b - rf) + .001 + .5 rf
    benchmark = [0.01, -0.02, 0.03, 0.0]
    line = regress([0.001 + 1.5 * each for each in benchmark], benchmark, 0.0004)
    assert line is not None
    assert line.alpha == pytest.approx(252 * (0.001 + 0.5 * 0.0004))


def test_regression_when_the_benchmark_is_flat_then_there_is_none() -> None:
    assert regress([0.01, 0.02], [0.01, 0.01]) is None
    assert regress([0.01], [0.02]) is None


# -- all of it -----------------------------------------------------------------------------------------------------


def test_measure_when_all_is_given_then_every_figure_is_what_its_function_says() -> None:
    returns = [0.01, -0.02, 0.03, 0.005, -0.01, 0.02]
    benchmark = [0.005, -0.01, 0.02, 0.0, -0.01, 0.01]
    equity, traded, gross = [100.0] * 6, [50.0, 0.0, 0.0, 0.0, 0.0, 50.0], [50.0] * 6
    trials = Trials(count=10, sharpe_variance=0.002, overfitting_probability=0.25)
    found = measure(returns, benchmark=benchmark, rf=0.0001, equity=equity, traded=traded, gross=gross, trials=trials)
    line = regress(returns, benchmark, 0.0001)
    assert line is not None
    assert found.model_dump(exclude={"skewness", "kurtosis", "probabilistic_sharpe", "deflated_sharpe"}) == {
        "sessions": 6,
        "total_return": total_return(returns),
        "cagr": cagr(returns),
        "volatility": volatility(returns),
        "sharpe": sharpe_ratio(returns, 0.0001),
        "sortino": sortino_ratio(returns, 0.0001),
        "max_drawdown": {"depth": pytest.approx(0.02), "start": 1, "trough": 2, "recovery": 3},
        "calmar": calmar_ratio(returns),
        "cvar_95": -0.02,
        "hit_rate": pytest.approx(4 / 6),
        "turnover": pytest.approx(100 / 200 * 252 / 6),
        "exposure": 0.5,
        "beta": line.beta,
        "alpha": line.alpha,
        "minimum_track_record": found.minimum_track_record,
        "trials": 10,
        "overfitting_probability": 0.25,
    }
    assert found.minimum_track_record is not None
    assert found.minimum_track_record > 6
    assert found.deflated_sharpe is not None
    assert found.probabilistic_sharpe is not None
    assert found.deflated_sharpe < found.probabilistic_sharpe


def test_measure_when_the_year_has_other_sessions_then_every_yearly_figure_follows() -> None:
    returns, benchmark = [0.01, -0.02, 0.03], [0.01, 0.0, 0.01]
    traded, equity = [10.0, 0.0, 0.0], [100.0, 100.0, 100.0]
    config = MeasureConfig(sessions_per_year=63)
    found = measure(returns, benchmark=benchmark, traded=traded, equity=equity, config=config)
    usual = measure(returns, benchmark=benchmark, traded=traded, equity=equity)
    assert SESSIONS_PER_YEAR == 4 * 63
    for name, factor in {"sharpe": 2, "sortino": 2, "volatility": 2, "turnover": 4, "alpha": 4}.items():
        assert getattr(usual, name) == pytest.approx(factor * getattr(found, name))
    assert found.cagr is not None
    assert usual.cagr == pytest.approx((1 + found.cagr) ** 4 - 1)
    assert usual.beta == found.beta


def test_measure_when_no_trial_was_logged_then_nothing_is_deflated() -> None:
    returns = [0.01, -0.02, 0.03, 0.005, -0.01]
    assert measure(returns).deflated_sharpe is None
    assert measure(returns, trials=Trials(count=3)).deflated_sharpe is None  # how they vary is not known
    alone = measure(returns, trials=Trials(count=1))
    assert alone.deflated_sharpe == alone.probabilistic_sharpe
    alike = measure(returns, trials=Trials(count=7, sharpe_variance=0.0))
    assert alike.deflated_sharpe == alone.probabilistic_sharpe
