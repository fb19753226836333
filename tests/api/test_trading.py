"""Pause, resume and halt through the API, through the plain Temporal CLI, and without any worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio import activity

from activities.engine import EngineActivities
from api.operations import trading
from domain.decisions import TradingState
from domain.trading import ControlChange, ControlReport
from store import audit
from store.tables.platform import AuditEntry
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, assert_problem, caller, eventually
from tests.api.temporal_cli import temporal
from workflows import names
from workflows.client import connect
from workflows.names import Queue
from workflows.trading_engine import TradingEngine

pytestmark = pytest.mark.stack


async def entries(platform: Platform) -> list[AuditEntry]:
    async with platform.parts.database.transaction() as session:
        assert await audit.first_broken(session) is None
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == names.TRADING_ENGINE).order_by(col(AuditEntry.sequence))
        )
        return list(rows.all())


async def say(api: Caller, command: str, reason: str) -> Any:
    answer = await api("POST", f"/v1/trading/{command}", json={"reason": reason})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_commands_when_the_engine_does_not_run_then_it_is_started_and_obeys(
    platform: Platform, api: Caller
) -> None:
    await platform.end_engine()
    before = len(await entries(platform))
    async with platform.working(Queue.TRADING):
        for command, state in (("pause", "reducing"), ("halt", "halted"), ("resume", "active")):
            report = await say(api, command, f"{command} for a test")
            assert report["state"] == state
            assert report["acknowledged_by"] == "engine"
            status = await api.get("/v1/trading/status")
            assert (status["state"], status["reason"]) == (state, f"{command} for a test")
            assert status["changed_by"] == "api:bootstrap/bootstrap"
            assert status["since"] is not None
            assert status["engine"]["state"] == state
            assert status["mode"] == "paper"
    assert [entry.action for entry in (await entries(platform))[before:]] == [
        "trading_reducing",
        "trading_halted",
        "trading_active",
    ]


async def test_engine_when_it_has_ended_then_it_is_not_asked_though_a_worker_could_tell_what_it_knew(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        await say(api, "resume", "there is an engine")
        assert (await api.get("/v1/trading/status"))["engine"]["state"] == "active"
        await platform.end_engine()
        assert (await api.get("/v1/trading/status"))["engine"] is None
        problem = assert_problem(await api("GET", "/v1/trading/debug/state"), 503, "ENGINE_NOT_ANSWERING")
        assert "It has ended" in problem["detail"]


async def test_commands_when_a_reason_holds_what_the_book_cannot_then_they_are_obeyed_without_it(
    platform: Platform, api: Caller
) -> None:
    await platform.end_engine()
    async with platform.working(Queue.TRADING):
        report = await say(api, "halt", "a nervous\x00 week")
        assert (report["state"], report["acknowledged_by"]) == ("halted", "engine")
        assert (await api.get("/v1/trading/status"))["reason"] == "a nervous week"
        engine = platform.parts.client.get_workflow_handle(names.TRADING_ENGINE)
        for signal, state in (("resume", "active"), ("pause", "reducing")):
            await engine.signal(signal, f"by\x00 {signal}")

            async def said(reason: str = f"by {signal}", state: str = state) -> bool:
                status = await api.get("/v1/trading/status")
                return (status["state"], status["reason"]) == (state, reason)

            await eventually(said)
        assert_problem(await api("POST", "/v1/trading/pause", json={"reason": "\x00"}), 422, "REQUEST_INVALID")
        await say(api, "resume", "the test is over")


async def test_halt_when_an_order_is_open_then_it_is_canceled_at_the_broker(platform: Platform, api: Caller) -> None:
    platform.broker.fill = False
    try:
        async with platform.working(Queue.TRADING):
            request = await platform.order("MSFT", quantity=10)

            async def placed() -> bool:
                found = await api.get("/v1/orders", symbol="MSFT", status="accepted")
                return any(each["intent_id"] == request.intent_id for each in found["data"])

            await eventually(placed)
            report = await say(api, "halt", "an order is open")
            assert report["canceled_orders"] >= 1
            assert f"b-so-paper-{request.intent_id}" in platform.broker.canceled

            async def canceled() -> bool:
                found = await api.get("/v1/orders", symbol="MSFT", status="canceled")
                return any(each["intent_id"] == request.intent_id for each in found["data"])

            await eventually(canceled)
            await say(api, "resume", "done")
    finally:
        platform.broker.fill = True


async def test_pause_when_no_worker_answers_then_the_switch_is_thrown_and_the_engine_learns_it_later(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.end_engine()
    monkeypatch.setattr(trading, "ACCEPT_SECONDS", 0.7)
    monkeypatch.setattr(trading, "QUERY_SECONDS", 0.7)
    report = await say(api, "pause", "nobody is there")
    assert report["acknowledged_by"] == "database"
    assert report["state"] == "reducing"
    assert (await api.get("/v1/trading/status"))["state"] == "reducing"
    assert (await entries(platform))[-1].body["engine"] == "did not answer"

    answer = await api("POST", "/v1/trading/resume", json={"reason": "too early"})
    assert_problem(answer, 503, "ENGINE_NOT_ANSWERING")
    assert (await api.get("/v1/trading/status"))["state"] == "reducing"

    handle = platform.parts.client.get_workflow_handle(names.TRADING_ENGINE)
    async with platform.working(Queue.TRADING):

        async def learnt() -> bool:
            status = await handle.query(TradingEngine.status)
            return status.state == "reducing" and "nobody is there" in status.reason

        await eventually(learnt)
        monkeypatch.undo()

        async def resumed() -> bool:
            """Refused while the engine still writes the pause that it found."""
            answer = await api("POST", "/v1/trading/resume", json={"reason": "back"})
            if answer.status_code != 200:
                assert_problem(answer, 409, "STATE_CHANGED")
            return answer.status_code == 200

        await eventually(resumed)
        assert (await api.get("/v1/trading/status"))["state"] == "active"


@asynccontextmanager
async def forwarded(address: str) -> AsyncIterator[str]:
    """A way to a server that can be cut: afterwards nobody listens there and open connections are gone."""
    host, port = address.rsplit(":", 1)
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(host, int(port))
        writers.extend((writer, there_writer))
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    listening.close()
    for writer in writers:
        writer.transport.abort()


async def test_pause_when_temporal_is_away_then_the_switch_is_thrown_all_the_same(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trading, "ACCEPT_SECONDS", 0.5)
    async with forwarded(platform.parts.settings.temporal_address) as address:
        client = await connect(address, "stonks")
    begun = asyncio.get_running_loop().time()
    report = await say(caller(platform, client=client), "halt", "Temporal is gone")
    assert asyncio.get_running_loop().time() - begun < 4
    assert (report["state"], report["acknowledged_by"]) == ("halted", "database")
    monkeypatch.undo()
    assert (await api.get("/v1/trading/status"))["reason"] == "Temporal is gone"
    async with platform.working(Queue.TRADING):
        await say(api, "resume", "it is back")


async def test_commands_when_written_down_then_the_audit_log_holds_no_key(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        await say(api, "pause", "first")
        await say(api, "resume", "second")
    written = [entry.model_dump_json() for entry in await entries(platform)]
    assert any('"second"' in entry for entry in written)
    assert not any(BOOTSTRAP_KEY in entry for entry in written)


async def test_engine_when_it_does_not_answer_then_the_status_says_so(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trading, "QUERY_SECONDS", 0.3)
    status = await api.get("/v1/trading/status")
    assert status["engine"] is None
    assert status["state"] in ("active", "reducing", "halted")


async def test_plain_temporal_cli_when_it_signals_then_trading_pauses_and_resumes(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        await say(api, "resume", "the engine runs")
        for signal, state in (("pause", "reducing"), ("halt", "halted"), ("resume", "active")):
            await temporal(
                platform,
                *("workflow", "signal", "--workflow-id", "trading-engine"),
                *("--name", signal, "--input", f'"{signal} by hand"'),
            )

            async def seen(wanted: tuple[str, str] = (state, f"{signal} by hand")) -> bool:
                status = await api.get("/v1/trading/status")
                return (status["state"], status["reason"]) == wanted

            await eventually(seen)
        assert (await api.get("/v1/trading/status"))["changed_by"] == "temporal-cli"
        asked = await temporal(platform, "workflow", "query", "--workflow-id", "trading-engine", "--name", "status")
        assert "active" in asked


class SlowToResume(EngineActivities):
    """Writes a resumption late, as a busy worker may."""

    @activity.defn
    async def change_control(self, change: ControlChange) -> ControlReport:
        if change.state is TradingState.ACTIVE:
            await asyncio.sleep(0.7)
        return await super().change_control(change)


async def test_pause_when_a_resume_before_it_is_slow_then_the_pause_stays_in_force(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = platform.parts
    slow = SlowToResume(parts.database, parts.broker, parts.calendar)
    async with platform.working(Queue.TRADING):
        await say(api, "resume", "the engine runs")
    monkeypatch.setattr(parts, "engine_activities", lambda: slow)
    async with platform.working(Queue.TRADING):
        resuming = asyncio.create_task(say(api, "resume", "first"))
        await asyncio.sleep(0.3)
        assert (await say(api, "pause", "second"))["state"] == "reducing"
        await resuming
        assert (await api.get("/v1/trading/status"))["state"] == "reducing"
        await say(api, "resume", "the test is over")
