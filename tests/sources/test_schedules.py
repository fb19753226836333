"""Schedules: Temporal's equal the table, by the exchange's hours, slower while a source fails."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.client import WorkflowFailureError
from temporalio.service import RPCError, RPCStatusCode

from domain.market import Session
from domain.schedules import LONGEST_BACKOFF_SECONDS, cadence_now
from store import sources
from tests.sources.newsroom import Newsroom, Turns, rss, xml
from tests.web.server import reply
from workflows import names
from workflows.client import reconcile_schedules
from workflows.reconcile_schedules import ReconcileSchedules


@pytest.mark.parametrize(
    ("exchange_open", "closed_seconds", "failures", "cadence"),
    [
        (True, 0, 0, 60),
        (False, 0, 0, 60),
        (False, 900, 0, 900),
        (True, 900, 0, 60),
        (True, 0, 1, 120),
        (True, 0, 3, 480),
        (False, 900, 2, 3_600),
        (True, 0, 50, LONGEST_BACKOFF_SECONDS),
    ],
)
def test_cadence_when_hours_and_failures_vary_then_it_follows(
    exchange_open: bool, closed_seconds: int, failures: int, cadence: int
) -> None:
    found = cadence_now(open_seconds=60, closed_seconds=closed_seconds, exchange_open=exchange_open, failures=failures)
    assert found == cadence


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.booleans(), st.integers(0, 60))
def test_cadence_when_failures_grow_then_it_never_gets_faster(
    seconds: int, closed: int, exchange_open: bool, failures: int
) -> None:
    def at(count: int) -> int:
        return cadence_now(open_seconds=seconds, closed_seconds=closed, exchange_open=exchange_open, failures=count)

    assert at(0) <= at(failures) <= at(failures + 1) <= max(at(0), LONGEST_BACKOFF_SECONDS)


def test_cadence_when_a_source_is_read_by_hand_then_no_failure_gives_it_one() -> None:
    assert cadence_now(open_seconds=0, closed_seconds=900, exchange_open=False, failures=3) == 0


async def _reconcile(newsroom: Newsroom) -> Any:
    await reconcile_schedules(newsroom.parts.client)
    handle = newsroom.parts.client.get_workflow_handle_for(ReconcileSchedules.run, names.RECONCILE_SCHEDULES)
    return await handle.result()


async def _schedule(newsroom: Newsroom, source_id: str) -> Any:
    handle = newsroom.parts.client.get_schedule_handle(names.source_schedule_id(source_id))
    return (await handle.describe()).schedule


async def _every(newsroom: Newsroom, source_id: str) -> timedelta:
    return (await _schedule(newsroom, source_id)).spec.intervals[0].every


async def _becomes(newsroom: Newsroom, source_id: str, every: timedelta) -> bool:
    for _ in range(300):
        if await _every(newsroom, source_id) == every:
            return True
        await asyncio.sleep(0.1)
    return False


@pytest.fixture
async def quiet(newsroom: Newsroom) -> Any:
    """Nothing of this test's schedules fires afterwards."""
    yield newsroom
    async for entry in await newsroom.parts.client.list_schedules():
        await newsroom.parts.client.get_schedule_handle(entry.id).delete()


async def test_source_when_added_then_it_is_read_at_once_and_scheduled(quiet: Newsroom) -> None:
    quiet.vendor.replies["/news"] = xml(rss([("A scheduled title", "A text of its own")]))
    source_id = await quiet.feed("/news")
    await _set(quiet, source_id, cadence_seconds=3_600, cadence_closed_seconds=7_200)

    async with quiet.working():
        await _reconcile(quiet)
        for _ in range(200):
            if any(run.status == "finished" for run in await quiet.runs(source_id)):
                break
            await asyncio.sleep(0.1)

    schedule = await _schedule(quiet, source_id)
    assert schedule.spec.intervals[0].every in (timedelta(hours=1), timedelta(hours=2))
    assert schedule.policy.overlap.name == "SKIP"
    assert timedelta(0) < schedule.spec.jitter <= timedelta(minutes=12)
    assert schedule.policy.catchup_window <= timedelta(hours=4)
    (run,) = await quiet.runs(source_id)
    assert run.status == "finished"


async def test_source_when_it_fails_then_it_is_read_less_often_until_it_recovers(quiet: Newsroom) -> None:
    good = xml(rss([("A title that comes back", "With a text")]))
    quiet.vendor.replies["/news"] = Turns(reply(404), reply(404), good)
    source_id = await quiet.feed("/news")
    await _set(quiet, source_id, cadence_seconds=3_600, paused=True)  # paused: this test alone reads it

    async with quiet.working():
        await _reconcile(quiet)
        assert await _every(quiet, source_id) == timedelta(hours=1)
        for hours in (2, 4):
            with pytest.raises(WorkflowFailureError):
                await quiet.run(source_id)
            assert await _becomes(quiet, source_id, timedelta(hours=hours))
        await quiet.run(source_id)
        assert await _becomes(quiet, source_id, timedelta(hours=1))

    assert (await quiet.row(source_id)).failures == 0


async def test_source_when_paused_or_removed_then_its_schedule_is_too(quiet: Newsroom) -> None:
    source_id = await quiet.feed("/news")
    await _set(quiet, source_id, cadence_seconds=3_600, paused=True)

    async with quiet.working():
        await _reconcile(quiet)
        assert (await _schedule(quiet, source_id)).state.paused
        await _set(quiet, source_id, removed=True)
        await _reconcile(quiet)
        with pytest.raises(RPCError) as gone:
            await _schedule(quiet, source_id)

    assert gone.value.status is RPCStatusCode.NOT_FOUND


async def _set(newsroom: Newsroom, source_id: str, **changes: Any) -> None:
    async with newsroom.parts.database.transaction() as session:
        row = await sources.require(session, source_id)
        for name, value in changes.items():
            setattr(row, name, value)
        session.add(row)


class Hours:
    """An exchange that is open or closed as a test has it."""

    def __init__(self, *, opened: bool) -> None:
        now = datetime.now(UTC)
        opens = now - timedelta(hours=1) if opened else now + timedelta(hours=1)
        self._session = Session(date=opens.date(), opens_at=opens, closes_at=opens + timedelta(hours=6))

    def next_session(self, after: datetime) -> Session:
        return self._session


@pytest.mark.parametrize(("opened", "minutes"), [(True, 60), (False, 240)], ids=["open", "closed"])
async def test_cadence_when_the_exchange_opens_or_closes_then_the_schedule_follows(
    quiet: Newsroom, opened: bool, minutes: int
) -> None:
    source_id = await quiet.feed("/news")
    await _set(quiet, source_id, cadence_seconds=3_600, cadence_closed_seconds=14_400, paused=True)

    async with quiet.working(calendar=Hours(opened=opened)):
        await _reconcile(quiet)

    assert await _every(quiet, source_id) == timedelta(minutes=minutes)
