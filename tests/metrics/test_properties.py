"""What must hold for any returns."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.metrics import (
    expected_shortfall,
    maximum_drawdown,
    measure,
    regress,
    sortino_ratio,
    turnover,
    volatility,
)
from domain.sharpe import sharpe_ratio

from .builders import PROPERTY, daily, series

factors = st.sampled_from([0.01, 0.1, 0.5, 1.7])
CLOSE = 1e-9


@PROPERTY
@given(series(least=2), factors)
def test_ratios_when_every_return_is_scaled_then_they_stay_and_volatility_scales(
    returns: list[float], factor: float
) -> None:
    scaled = [factor * each for each in returns]
    assume(min(scaled, default=0.0) > -1)
    for ratio in (sharpe_ratio, sortino_ratio):
        usual, found = ratio(returns), ratio(scaled)
        assert found == (None if usual is None else pytest.approx(usual, rel=CLOSE, abs=CLOSE))
    before, after = volatility(returns), volatility(scaled)
    assert before is not None
    assert after == pytest.approx(factor * before, rel=CLOSE)
    shortfall = expected_shortfall(returns)
    assert shortfall is not None
    assert expected_shortfall(scaled) == pytest.approx(factor * shortfall, rel=CLOSE)


@PROPERTY
@given(series(), st.randoms(use_true_random=False))
def test_measure_when_sessions_change_places_then_only_the_drawdown_may_change(
    returns: list[float], shuffler: random.Random
) -> None:
    other = list(returns)
    shuffler.shuffle(other)
    depends = {"max_drawdown", "calmar"}
    assert measure(returns).model_dump(exclude=depends) == measure(other).model_dump(exclude=depends)


@PROPERTY
@given(st.lists(st.tuples(daily, daily), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_regression_when_sessions_change_places_together_then_it_stays(
    pairs: list[tuple[float, float]], shuffler: random.Random
) -> None:
    other = list(pairs)
    shuffler.shuffle(other)
    found = regress([own for own, _ in pairs], [market for _, market in pairs])
    assert regress([own for own, _ in other], [market for _, market in other]) == found


@PROPERTY
@given(series(least=2), st.floats(-2, 2), st.floats(-0.001, 0.001))
def test_regression_when_returns_follow_a_line_then_it_finds_it(
    benchmark: list[float], beta: float, alpha: float
) -> None:
    returns = [alpha + beta * each for each in benchmark]
    assume(min(returns) > -1)
    found = regress(returns, benchmark)
    if max(benchmark) == min(benchmark):
        assert found is None
    else:
        assert found is not None
        assert found.beta == pytest.approx(beta, abs=1e-6)
        assert found.alpha == pytest.approx(252 * alpha, abs=1e-5)


@PROPERTY
@given(series(least=2))
def test_regression_when_returns_are_the_benchmark_then_beta_is_one_and_alpha_none(returns: list[float]) -> None:
    found = regress(returns, returns)
    if found is not None:
        assert found.beta == pytest.approx(1.0)
        assert found.alpha == pytest.approx(0.0, abs=1e-9)


@PROPERTY
@given(series(least=1))
def test_drawdown_when_compared_with_every_pair_of_points_then_it_is_the_deepest_fall(returns: list[float]) -> None:
    equity = [1.0]
    for each in returns:
        equity.append(equity[-1] * (1 + each))
    falls = [1 - equity[late] / equity[early] for late in range(len(equity)) for early in range(late + 1)]
    found = maximum_drawdown(returns)
    assert found is not None
    assert found.depth == pytest.approx(max(falls), abs=1e-12)


@PROPERTY
@given(series(least=1))
def test_drawdown_when_places_are_named_then_equity_there_says_the_same(returns: list[float]) -> None:
    found = maximum_drawdown(returns)
    assert found is not None
    assert 0.0 <= found.depth < 1.0
    assert found.depth >= max(0.0, -min(returns)) - 1e-12
    if not found.depth:
        assert (found.start, found.trough, found.recovery) == (None, None, None)
        return
    assert found.start is not None
    assert found.trough is not None
    equity = [math.prod(1 + each for each in returns[:at]) for at in range(len(returns) + 1)]
    peak = equity[found.start]
    assert found.start < found.trough <= len(returns)
    assert peak == pytest.approx(max(equity[: found.trough + 1]))
    assert equity[found.trough] == pytest.approx((1 - found.depth) * peak)
    after = equity[found.trough :]
    if found.recovery is None:
        assert max(after) < peak
    else:
        assert found.recovery > found.trough
        assert equity[found.recovery] >= peak * (1 - 1e-9)
        assert max(equity[found.trough : found.recovery]) < peak


@PROPERTY
@given(series(least=1), daily)
def test_drawdown_when_the_record_grows_then_it_never_shrinks(returns: list[float], more: float) -> None:
    before, after = maximum_drawdown(returns), maximum_drawdown([*returns, more])
    assert before is not None
    assert after is not None
    assert after.depth >= before.depth


@PROPERTY
@given(series(least=1))
def test_shortfall_when_compared_then_it_lies_between_the_worst_return_and_the_mean(returns: list[float]) -> None:
    found = expected_shortfall(returns)
    assert found is not None
    assert min(returns) - 1e-12 <= found <= math.fsum(returns) / len(returns) + 1e-12
    half = expected_shortfall(returns, tail_percent=50)
    assert half is not None
    assert found <= half + 1e-12


@PROPERTY
@given(series(least=2))
def test_measure_when_returns_are_doubled_in_number_then_rates_stay(returns: list[float]) -> None:
    once, twice = measure(returns), measure([*returns, *returns])
    assert twice.hit_rate == once.hit_rate
    assert twice.cagr == pytest.approx(once.cagr)
    assert twice.sortino == pytest.approx(once.sortino)


@PROPERTY
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(1, 1e6)), min_size=1, max_size=30), st.floats(0.001, 1000))
def test_turnover_when_money_is_counted_in_another_unit_then_it_stays(
    amounts: list[tuple[float, float]], unit: float
) -> None:
    traded, equity = [each for each, _ in amounts], [each for _, each in amounts]
    found = turnover(traded, equity)
    assert found is not None
    assert found >= 0.0
    assert turnover([unit * each for each in traded], [unit * each for each in equity]) == pytest.approx(found)
