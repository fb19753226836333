"""Processes that play backtests: one rests between the steps of a run, and none is left behind."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities import simulating
from activities.simulating import Players
from domain.backtest import BacktestRequest, BacktestState
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.errors import InvalidInput
from domain.market import Session
from domain.simulation import Simulation

MANY = 9_000


def _data(sessions: int = MANY) -> BacktestData:
    start = datetime(2001, 1, 1, 14, 30, tzinfo=UTC)
    played = tuple(
        Session(date=opens.date(), opens_at=opens, closes_at=opens + timedelta(hours=6))
        for opens in (start + timedelta(days=day) for day in range(sessions))
    )
    return BacktestData(
        sessions=played, session_dates=tuple(each.date for each in played), evidence={}, bars={}, actions={}
    )


DATA = _data()
REQUEST = BacktestRequest(first=DATA.sessions[0].date, last=DATA.sessions[-1].date, config=TradingConfig())


@pytest.fixture
async def players() -> AsyncIterator[Players]:
    players = Players()
    yield players
    await players.close()
    assert _processes() == []


def _processes() -> list[int | None]:
    return [each.pid for each in multiprocessing.active_children() if each.name == "backtest"]


async def _play(
    players: Players, until: int, state: BacktestState | None = None, *, name: str = "data", **changes: Any
) -> BacktestState:
    told: Callable[[int], None] = changes.pop("on_progress", lambda _: None)
    request = REQUEST.model_copy(update=changes)
    return await players.play(name, DATA, request, state, until=until, code_version="test", on_progress=told)


async def test_step_when_it_follows_another_then_the_same_process_plays_it(players: Players) -> None:
    told: list[int] = []
    first = await _play(players, 20, on_progress=told.append)
    resting = _processes()
    second = await _play(players, 50, first, on_progress=told.append)
    assert (len(resting), _processes()) == (1, resting)
    assert told == list(range(1, 51))
    assert second == Simulation(DATA, REQUEST, code_version="test").run(50)


async def test_step_when_it_is_of_other_data_then_another_process_plays_it_and_the_first_ends(players: Players) -> None:
    await _play(players, 5)
    resting = _processes()
    await _play(players, 5, name="other data")
    assert len(_processes()) == 1
    assert _processes() != resting


async def test_steps_when_they_are_played_at_once_then_one_process_rests(
    players: Players, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = simulating._end

    async def slowly(*given: Any) -> None:
        await asyncio.sleep(0.5)  # so long that each that has played finds another one ending
        await end(*given)

    monkeypatch.setattr(simulating, "_end", slowly)
    states = await asyncio.gather(*(_play(players, 5) for _ in range(4)))
    assert all(state == states[0] for state in states)
    assert len(_processes()) == 1
    await players.close()
    assert _processes() == []


async def test_process_when_nobody_asks_for_a_while_then_it_ends() -> None:
    players = Players(rest_seconds=0.05)
    state = await _play(players, 5)
    while _processes():
        await asyncio.sleep(0.02)
    assert (await _play(players, 10, state)).sessions_done == 10
    await players.close()


async def test_process_when_it_died_while_it_rested_then_another_plays_the_next_step(players: Players) -> None:
    state = await _play(players, 5)
    (resting,) = (each for each in multiprocessing.active_children() if each.name == "backtest")
    resting.kill()
    resting.join()
    assert (await _play(players, 10, state)).sessions_done == 10


async def test_step_when_it_is_canceled_then_its_process_ends(players: Players) -> None:
    seen: list[int] = []
    playing = asyncio.create_task(_play(players, MANY, on_progress=seen.append))
    while not seen:
        await asyncio.sleep(0.02)
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert _processes() == []
    assert seen[-1] < MANY


class Refusing(dict[Any, Any]):
    def get(self, day: Any, otherwise: Any = None) -> Any:
        raise InvalidInput("NOT_PLAYED", "Ask for other data", day=day)


async def test_step_when_it_is_refused_then_it_says_why_and_its_process_ends(players: Players) -> None:
    data = replace(DATA, actions=Refusing())
    with pytest.raises(InvalidInput) as refused:
        await players.play("data", data, REQUEST, None, until=5, code_version="test", on_progress=lambda _: None)
    assert (refused.value.code, refused.value.hint) == ("NOT_PLAYED", "Ask for other data")
    assert refused.value.fields == {"day": "2001-01-01"}
    assert _processes() == []
