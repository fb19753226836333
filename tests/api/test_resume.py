"""A resume that waited never undoes a pause that was acknowledged after it was given."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateStage

from activities.engine import EngineActivities
from api import failures
from api.operations import trading
from domain.decisions import TradingState
from domain.errors import Conflict
from domain.trading import ControlChange, Resume
from store import control
from store.tables.trading import TradingControl
from tests.api.harness import Caller, Platform, eventually
from tests.api.test_trading import say
from workflows import names
from workflows.names import Queue
from workflows.trading_engine import TradingEngine

pytestmark = pytest.mark.stack


@pytest.fixture
async def engine(platform: Platform) -> AsyncIterator[EngineActivities]:
    yield platform.parts.engine_activities()
    async with platform.parts.database.transaction() as session:
        await control.change(
            session, wanted=TradingState.ACTIVE, reason="the test is over", actor="test", at=datetime.now(UTC)
        )


def said(state: TradingState, key: str, *, at: datetime, epoch: int | None = None) -> ControlChange:
    return ControlChange(state=state, reason="a test", actor="cli:anna", change_key=key, as_of=at, epoch=epoch)


async def switch(platform: Platform) -> TradingControl:
    async with platform.parts.database.transaction() as session:
        return await control.state(session)


async def test_resume_when_the_switch_moved_since_it_was_given_then_it_is_refused(
    platform: Platform, engine: EngineActivities
) -> None:
    now = datetime.now(UTC)
    given_at = (await engine.change_control(said(TradingState.REDUCING, f"a/{now}", at=now))).epoch
    await engine.change_control(said(TradingState.HALTED, f"b/{now}", at=now))
    for _ in range(2):
        with pytest.raises(Conflict, match=r"STATE_CHANGED: .*state=halted"):
            await engine.change_control(said(TradingState.ACTIVE, f"c/{now}", at=now, epoch=given_at))
    seen = await switch(platform)
    assert (seen.state, seen.epoch) == ("halted", given_at + 1)
    report = await engine.change_control(said(TradingState.ACTIVE, f"d/{now}", at=now, epoch=seen.epoch))
    assert report.state is TradingState.ACTIVE


async def test_resume_by_signal_when_a_pause_was_said_later_then_it_is_refused(
    platform: Platform, engine: EngineActivities
) -> None:
    now = datetime.now(UTC)
    await engine.change_control(said(TradingState.REDUCING, f"e/{now}", at=now))
    with pytest.raises(Conflict, match="STATE_CHANGED"):
        await engine.change_control(said(TradingState.ACTIVE, f"f/{now}", at=now - timedelta(seconds=1)))
    assert (await switch(platform)).state == "reducing"


async def test_resume_when_it_waited_in_the_server_while_the_database_acknowledged_a_pause_then_it_is_refused(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = platform.parts.client
    handle = client.get_workflow_handle(names.TRADING_ENGINE)
    async with platform.working(Queue.TRADING, engine_stays=True):
        await say(api, "resume", "the engine runs")
    before = await switch(platform)
    await handle.signal("resume", "left in the server")
    monkeypatch.setattr(trading, "ACCEPT_SECONDS", 0.7)
    report = await say(api, "pause", "no worker is there")
    assert (report["acknowledged_by"], report["state"]) == ("database", "reducing")
    monkeypatch.undo()
    async with platform.working(Queue.TRADING):
        update = await handle.start_update(
            TradingEngine.resume,
            Resume(reason="given before the pause", actor="cli:ben", epoch=before.epoch),
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await update.result()
        assert failures.refused(refused.value).code == "STATE_CHANGED"

        async def quiet() -> bool:
            seen = await handle.query(TradingEngine.debug_state)
            return seen.changes == seen.settled and seen.changes >= 2

        await eventually(quiet)
        assert (await switch(platform)).state == "reducing"
        await say(api, "resume", "we looked at it")
        assert (await switch(platform)).state == "active"
