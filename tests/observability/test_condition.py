"""What the book and Temporal say: true, bounded in time, and never a figure of before that nobody could read now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from temporalio.client import Client

from api import condition as watching
from api.condition import KEEP_SECONDS, LONGEST_SECONDS, SHARE, ConditionMetrics, Reading
from cli.stack.supervisor import Stack
from domain.breaker_state import Breaker, BreakerPhase
from domain.decisions import TradingState
from domain.stages import PIPELINE
from store import condition, control
from store.condition import Condition
from store.database import Database, DatabaseSettings
from store.pipeline import StageState
from tests.namespaces import new_namespace
from tests.observability.pages import Page
from workers.parts import Parts
from workers.settings import load

pytestmark = pytest.mark.stack

NOW = datetime.now(UTC)
NOWHERE = DatabaseSettings(host="127.0.0.1", port=1, password=SecretStr("none"))
OF_THE_BOOK = (
    "stonks_stage_last_success_timestamp_seconds",
    "stonks_stage_queue_items",
    "stonks_stage_queue_oldest_seconds",
    "stonks_stage_failed_items",
    "stonks_approvals_pending",
    "stonks_trading_state",
    "stonks_trading_breaker_open",
    "stonks_trading_reconciliation_breaks",
)


@pytest.fixture(scope="module")
async def parts(servers: Stack) -> AsyncIterator[Parts]:
    parts = await Parts.connect(load(servers.environment()))
    yield parts
    await parts.close()


async def page_of(database: Database, client: Client, *, mode: str = "paper") -> Page:
    return Page.of(await ConditionMetrics(database, client, mode=mode).families())


# --- what is there -------------------------------------------------------------------------------------------------


async def test_book_when_it_is_read_then_every_family_has_what_stands_in_it(parts: Parts) -> None:
    page = await page_of(parts.watched_database, parts.client)
    (row,) = await parts.database.run("SELECT count(*) AS pending FROM approvals WHERE status = 'pending'")

    assert page.value("stonks_book_up") == 1
    assert page.value("stonks_approvals_pending") == row["pending"]
    assert page.sum("stonks_trading_state", account="paper") == 1
    stages = {sample.labels["stage"] for sample in page.families["stonks_stage_queue_items"].samples}
    assert stages == {stage.value for stage in PIPELINE}
    breakers = {sample.labels["breaker"] for sample in page.families["stonks_trading_breaker_open"].samples}
    assert breakers == {breaker.value for breaker in Breaker}


async def test_trading_when_it_is_halted_then_the_next_reading_says_so(parts: Parts) -> None:
    async def put(wanted: TradingState) -> None:
        async with parts.database.transaction() as session:
            await control.change(session, wanted=wanted, reason="test", actor="test", at=datetime.now(UTC))

    await put(TradingState.HALTED)
    try:
        page = await page_of(parts.watched_database, parts.client)
    finally:
        await put(TradingState.ACTIVE)
    after = await page_of(parts.watched_database, parts.client)

    assert page.by("stonks_trading_state", "state", account="paper") == {"halted": 1}
    assert after.by("stonks_trading_state", "state", account="paper") == {"active": 1}


async def test_breakers_and_breaks_when_there_are_some_then_each_is_told_under_its_account(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    oldest = NOW - timedelta(minutes=7)

    async def read(database: Database, *, now: datetime) -> Condition:
        return Condition(
            stages=[
                StageState("ingest", NOW, 2, now - timedelta(minutes=7), 1),
                StageState("approval", None, 3, oldest, 0),
                StageState("reconcile", None, 0, None, 4),
                StageState("lake", None, 0, None, 0, NOW),
            ],
            trading=TradingState.REDUCING,
            breakers={Breaker.DRAWDOWN: BreakerPhase.OPEN, Breaker.BROKER: BreakerPhase.HALF_OPEN},
            backed_up_at=now - timedelta(hours=3),
            drilled_at=None,
        )

    monkeypatch.setattr(condition, "read", read)

    page = await page_of(parts.watched_database, parts.client, mode="live")

    assert page.by("stonks_trading_breaker_open", "breaker", account="live") == {"drawdown": 1}
    assert page.value("stonks_trading_reconciliation_breaks", account="live") == 4
    assert page.value("stonks_approvals_pending") == 3
    assert page.by("stonks_stage_queue_items", "stage") == {"ingest": 2, "approval": 3}
    taken = page.value("stonks_backup_last_success_timestamp_seconds")
    assert time.time() - taken == pytest.approx(3 * 3600, abs=60)
    assert page.value("stonks_lake_up_to_timestamp_seconds") == NOW.timestamp()
    assert page.value("stonks_stage_queue_oldest_seconds", stage="ingest") == 420
    assert page.by("stonks_stage_failed_items", "stage") == {"ingest": 1, "reconcile": 4}
    assert page.by("stonks_stage_last_success_timestamp_seconds", "stage") == {"ingest": NOW.timestamp()}


async def test_backlog_when_nobody_serves_a_queue_then_its_tasks_and_their_age_are_told(
    servers: Stack, parts: Parts
) -> None:
    client = await new_namespace(servers, "backlog")
    for number in range(3):
        await client.start_workflow("NobodyKnows", id=f"waits-{number}", task_queue="research")
    await asyncio.sleep(0.5)

    page = await page_of(parts.watched_database, client)

    assert page.value("stonks_temporal_up") == 1
    assert page.by("stonks_task_queue_backlog_tasks", "task_queue", type="workflow") == {"research": 3}
    assert page.value("stonks_task_queue_backlog_age_seconds", task_queue="research", type="workflow") > 0
    assert page.by("stonks_task_queue_backlog_tasks", "task_queue", type="activity") == {}


# --- what is not ---------------------------------------------------------------------------------------------------


async def test_book_when_the_database_is_away_then_the_page_says_so_and_has_no_figure_of_it(parts: Parts) -> None:
    away = Database(NOWHERE)
    try:
        page = await page_of(away, parts.client)
    finally:
        await away.close()

    assert page.families["stonks_book_up"].samples[0].value == 0
    assert page.value("stonks_temporal_up") == 1
    for name in OF_THE_BOOK:
        assert page.families[name].samples == []


async def test_book_when_it_goes_away_and_comes_back_then_no_figure_outlives_its_reading() -> None:
    answers: list[Any] = ["before", OSError("away"), "after"]
    clock = 0.0

    async def read() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    reading = Reading("test", read, clock=lambda: clock)
    found = []
    for clock in (0.0, 1.0, KEEP_SECONDS, KEEP_SECONDS + 1, 2 * KEEP_SECONDS):  # noqa: B007 - the clock reads it
        found.append((await reading.get())[0])

    assert found == ["before", "before", None, None, "after"]


async def test_book_when_a_table_is_locked_then_the_scrape_does_not_wait_for_it_and_the_statement_is_given_up(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition, "STATEMENT_MS", 100)
    async with parts.database.engine.begin() as connection:
        await connection.execute(text("LOCK TABLE approvals IN ACCESS EXCLUSIVE MODE"))
        during = await page_of(parts.watched_database, parts.client)
        (waiting,) = (await connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).one()
    after = await page_of(parts.watched_database, parts.client)

    assert during.families["stonks_book_up"].samples[0].value == 0
    assert waiting == 0
    assert after.value("stonks_book_up") == 1


async def test_reading_when_it_never_ends_then_whoever_asks_is_told_in_time_and_no_second_one_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "LIMIT_SECONDS", 0.05)
    begun = 0

    async def read() -> str:
        nonlocal begun
        begun += 1
        await asyncio.sleep(60)
        return "never"

    reading = Reading("test", read)
    found = await asyncio.gather(*(reading.get() for _ in range(5)))

    assert [value for value, _ in found] == [None] * 5
    assert begun == 1


@pytest.mark.parametrize(("took", "kept"), [(0.001, KEEP_SECONDS), (0.5, SHARE * 0.5), (3.0, LONGEST_SECONDS)])
async def test_reading_when_it_took_long_then_it_is_kept_longer_within_limits(took: float, kept: float) -> None:
    clock, begun = 100.0, 0

    async def read() -> int:
        nonlocal clock, begun
        clock += took
        begun += 1
        return begun

    reading = Reading("test", read, clock=lambda: clock)
    assert (await reading.get()) == (1, pytest.approx(took))
    clock += kept - 0.01
    assert (await reading.get())[0] == 1
    clock += 0.02
    assert (await reading.get())[0] == 2


async def test_watched_database_when_something_would_change_a_row_then_it_is_refused(parts: Parts) -> None:
    with pytest.raises(Exception, match="read-only transaction"):
        await parts.watched_database.run("DELETE FROM approvals")
    assert parts.watched_database.settings.pool_size == 1
