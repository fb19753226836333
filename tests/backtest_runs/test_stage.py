"""A process that plays step after step and trial after trial: what it keeps saves work, and changes no byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.simulating import RUNS_STANDING, Stage
from domain import panel
from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.config import changed
from tests.backtests.any_market import CODE, AnyMarket, run_watched

SEEDS = st.integers(0, 2**32)
FEW = settings(deadline=None, max_examples=15, derandomize=True)


def played(stage: Stage, request: BacktestRequest, until: int, state: BacktestState | None = None) -> BacktestState:
    return stage.play(request, state, until, CODE, lambda _: None)


def market(seed: int) -> tuple[BacktestData, BacktestRequest, int]:
    data, request = AnyMarket(seed).build()
    return data, request, len(data.sessions)


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many layouts were made."""
    lay_out, made = panel.lay_out_all, []

    def counted(*given: object, **options: object) -> object:
        made.append(1)
        return lay_out(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(panel, "lay_out_all", counted)
    return lambda: len(made)


@FEW
@given(SEEDS, st.integers(1, 20), st.integers(1, 20))
def test_steps_when_one_stage_plays_them_then_every_byte_is_that_of_one_run_with_all_decided(
    seed: int, first: int, more: int
) -> None:
    data, request, sessions = market(seed)
    stage, state = Stage(data), None
    for until in (first, first + more, first + more, sessions):
        state = played(stage, request, until, state)
    assert state is not None
    assert state.model_dump_json() == run_watched(data, request).model_dump_json()


@FEW
@given(SEEDS, st.integers(2, 20))
def test_step_when_it_is_repeated_or_of_another_run_then_it_goes_on_from_its_own_state(seed: int, stop: int) -> None:
    data, request, sessions = market(seed)
    stage = Stage(data)
    half = played(stage, request, stop)
    whole = played(stage, request, sessions, half)
    other = request.model_copy(update={"opening_cash": request.opening_cash * 2})
    assert played(stage, other, sessions).model_dump_json() == run_watched(data, other).model_dump_json()
    again = BacktestState.model_validate_json(half.model_dump_json())
    assert played(stage, request, sessions, again).model_dump_json() == whole.model_dump_json()
    assert whole.model_dump_json() == run_watched(data, request).model_dump_json()


@FEW
@given(SEEDS)
def test_trials_when_they_score_alike_or_not_then_each_is_what_it_is_alone(seed: int) -> None:
    data, request, sessions = market(seed)
    stage = Stage(data)
    for changes in ({}, {"recommendation": {"buy_score": 0.2}}, {"signals": {"kappa": 0.4}}, {}):
        trial = request.model_copy(update={"config": changed(request.config, changes)})
        found = played(stage, trial, sessions)
        assert found.model_dump_json() == run_watched(data, trial).model_dump_json()


@FEW
@given(SEEDS)
def test_trials_when_more_of_them_take_turns_than_can_stand_then_each_is_what_it_is_alone(seed: int) -> None:
    data, request, sessions = market(seed)
    stage = Stage(data)
    trials = [
        request.model_copy(update={"opening_cash": request.opening_cash * (n + 1)}) for n in range(RUNS_STANDING + 1)
    ]
    states: list[BacktestState | None] = [None] * len(trials)
    for until in (sessions // 3, sessions // 2, sessions):
        states = [played(stage, trial, until, state) for trial, state in zip(trials, states, strict=True)]
    for trial, state in zip(trials, states, strict=True):
        assert state is not None
        assert state.model_dump_json() == run_watched(data, trial).model_dump_json()


def test_layout_when_steps_and_trials_read_the_same_then_it_is_made_once(layouts: Callable[[], int]) -> None:
    data, request, sessions = market(7)
    stage = Stage(data)
    played(stage, request, sessions, played(stage, request, 5))
    assert layouts() == 1
    choosier = request.model_copy(update={"config": changed(request.config, {"recommendation": {"buy_score": 0.3}})})
    played(stage, choosier, sessions)
    assert layouts() == 1
    others = request.model_copy(update={"config": changed(request.config, {"signals": {"kappa": 0.4}})})
    played(stage, others, sessions)
    assert layouts() == 2
    played(stage, others, sessions, BacktestState.model_validate_json(played(stage, others, 5).model_dump_json()))
    assert layouts() == 2
