"""Sweeps and walk-forward tests: the periods, the grid, every trial logged, and nothing run twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.operations import backtests
from cli.stack.supervisor import Stack
from domain.backtest_run import BacktestResult
from domain.errors import InvalidInput
from domain.sweep import WalkForward, chosen, combinations, periods
from store import backtests as kept
from tests.asking.platform import working
from tests.backtest_runs.test_run import put_bars
from workers.parts import CODE_VERSION, Parts
from workflows.names import Queue


def business_days(first: date, count: int) -> list[date]:
    days = (first + timedelta(days=n) for n in range(count * 2))
    return [day for day in days if day.weekday() < 5][:count]


@given(
    count=st.integers(60, 900),
    train=st.integers(1, 12),
    test=st.integers(1, 6),
    purge=st.integers(0, 15),
)
def test_periods_when_any_then_tests_lie_side_by_side_behind_their_purges(
    count: int, train: int, test: int, purge: int
) -> None:
    sessions = business_days(date(2012, 1, 2), count)
    try:
        found = periods(sessions, WalkForward(train_months=train, test_months=test, purge_sessions=purge))
    except InvalidInput:
        return
    places = {day: at for at, day in enumerate(sessions)}
    for (first, last), (test_first, test_last) in found:
        assert first < last < test_first <= test_last
        assert places[test_first] - places[last] == purge + 1
    for (_, (_, before)), (_, (after, _)) in pairwise(found):
        assert places[after] == places[before] + 1
    assert found[-1][1][1] == sessions[-1]


def test_periods_when_nothing_fits_then_what_is_wrong_is_named() -> None:
    sessions = business_days(date(2012, 1, 2), 100)
    with pytest.raises(InvalidInput, match="PERIOD_TOO_SHORT"):
        periods(sessions, WalkForward())
    with pytest.raises(InvalidInput, match="PURGE_TOO_LONG"):
        periods(sessions, WalkForward(train_months=2, test_months=1, purge_sessions=60))


def test_grid_when_combined_then_every_value_meets_every_other_once() -> None:
    found = combinations({"signals.kappa": [1, 2], "sizing.name_cap": ["0.03", "0.05"]})
    assert [label for label, _ in found] == [
        "signals.kappa=1, sizing.name_cap=0.03",
        "signals.kappa=1, sizing.name_cap=0.05",
        "signals.kappa=2, sizing.name_cap=0.03",
        "signals.kappa=2, sizing.name_cap=0.05",
    ]
    assert found[3][1] == {"signals": {"kappa": 2}, "sizing": {"name_cap": "0.05"}}
    assert combinations({}) == [("as it is", {})]


def test_choice_when_some_have_no_ratio_then_the_first_best_is_chosen() -> None:
    def result(sharpe: float | None) -> tuple[str, str, BacktestResult]:
        values = dict.fromkeys(("total_return", "cagr", "deflated_sharpe", "max_drawdown", "benchmark_return"))
        return "", "", BacktestResult(
            **values, sharpe=sharpe, report_key="", page_key="", sessions=1, trades=0, orders=0, equity="1", costs="0",
            out_of_sample=True, trials=1,
        )  # fmt: skip

    assert chosen([result(None), result(-1.0), result(0.5), result(0.5)]) == 2
    assert chosen([result(None), result(None)]) == 0


@pytest.fixture
async def parts(servers: Stack) -> AsyncIterator[Parts]:
    async with working(servers.environment(), Queue.OPS) as parts:
        await put_bars(parts)
        yield parts


def _wanted(first: date, last: date) -> backtests.NewBacktest:
    return backtests.NewBacktest(first=first, last=last, opening_cash=Decimal(uuid.uuid4().int % 10**9 + 10**5))


@pytest.mark.stack
async def test_sweep_when_run_then_every_trial_is_a_logged_backtest_and_is_not_run_again(parts: Parts) -> None:
    wanted = _wanted(date(2014, 7, 1), date(2014, 7, 18))
    alone = await backtests.begin(
        parts.database,
        parts.client,
        backtests.TemporalLinks("", "stonks"),
        wanted.model_copy(update={"changes": {"signals": {"kappa": 2}}}),
        code_version=CODE_VERSION,
        actor="test",
    )
    await backtests.wait(parts.client, alone.backtest_id)
    grid = {"signals.kappa": [1, 2, 4]}
    one, other = [
        await backtests.begin_sweep(parts.database, parts.client, wanted, grid, None, actor="test") for _ in range(2)
    ]
    report, again = await asyncio.gather(
        backtests.wait_sweep(parts.client, one), backtests.wait_sweep(parts.client, other)
    )
    (window,) = report.windows
    assert window.results == again.windows[0].results
    assert [label for label, _, _ in window.results] == ["signals.kappa=1", "signals.kappa=2", "signals.kappa=4"]
    assert alone.backtest_id in {backtest_id for _, backtest_id, _ in window.results}
    assert report.trials is not None
    assert report.trials.count == 3
    async with parts.database.transaction() as session:
        for _, backtest_id, result in window.results:
            assert BacktestResult.model_validate((await kept.require(session, backtest_id)).result) == result
        assert await kept.sweep(session, one) == report


@pytest.mark.stack
async def test_walk_forward_when_run_then_the_chosen_is_played_on_what_follows(parts: Parts) -> None:
    wanted = _wanted(date(2014, 3, 3), date(2014, 7, 18))
    walk = WalkForward(train_months=2, test_months=1, purge_sessions=5)
    grid = {"signals.kappa": [1, 2]}
    sweep_id = await backtests.begin_sweep(parts.database, parts.client, wanted, grid, walk, actor="test")
    report = await backtests.wait_sweep(parts.client, sweep_id)
    assert len(report.windows) >= 2
    tested = [window.test[1].sessions for window in report.windows if window.test is not None]
    assert len(tested) == len(report.windows)
    assert report.out_of_sample is not None
    assert report.out_of_sample.sessions == sum(tested)


@pytest.mark.stack
async def test_sweep_when_a_combination_is_not_allowed_then_nothing_is_begun(parts: Parts) -> None:
    wanted = _wanted(date(2014, 7, 1), date(2014, 7, 18))
    refusing = partial(backtests.begin_sweep, parts.database, parts.client, wanted)
    with pytest.raises(InvalidInput) as refused:
        await refusing({"signals.kappa": [1, -1]}, None, actor="test")
    assert refused.value.fields["field"] == "signals.kappa"
    wide = {"signals.kappa": list(range(1, 50)), "signals.lookback_days": list(range(1, 50))}
    with pytest.raises(InvalidInput, match="SWEEP_INVALID"):
        await refusing(wide, None, actor="test")
