"""Jobs, schedules, orders, documents and events as an operator types them; the API from the terminal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from cli.commands import api as api_command
from cli.http import Api, StreamEvent, api_of
from cli.stack.supervisor import Stack
from domain.errors import VendorUnavailable
from tests.api.harness import BOOTSTRAP_KEY, Caller, Platform, eventually
from tests.api.streaming import served, tell
from tests.api.test_orders import at_the_broker
from tests.operate.conftest import Stonks
from workers.schedules import ensure_broker_reconciliation
from workflows import names
from workflows.names import Queue

pytestmark = pytest.mark.stack


@pytest.fixture
async def environment(platform: Platform, servers: Stack) -> AsyncIterator[dict[str, str]]:
    """The API on a port of its own, and what a command needs to find it."""
    async with served(create_app(platform.dependencies())) as address:
        host, port = address.removeprefix("http://").split(":")
        ours = {"STONKS_API_HOST": host, "STONKS_API_PORT": port, "STONKS_API_KEY": BOOTSTRAP_KEY}
        yield {**servers.environment(), **ours}


async def test_jobs_when_listed_shown_and_canceled_then_a_terminal_says_the_same_as_the_api(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    await platform.parts.flows.ensure_engine()

    async def there() -> Any:
        page = await cli.json("jobs", "list", "--stage", "trading", "--status", "running")
        return [each["workflow_id"] for each in page["data"]] == [names.TRADING_ENGINE]

    await eventually(there)
    assert names.TRADING_ENGINE in await cli.text("jobs", "list", "--kind", "TradingEngine")
    assert (await cli.json("jobs"))["data"]
    shown = await cli.json("jobs", "show", names.TRADING_ENGINE)
    told = await api.get(f"/v1/jobs/{names.TRADING_ENGINE}")
    assert {**shown, "temporal_url": ""} == {**told, "temporal_url": ""}
    assert "the trading loop" in await cli.text("jobs", "show", names.TRADING_ENGINE)
    refused = await cli("jobs", "cancel", names.TRADING_ENGINE, "--reason", "x")
    assert refused.code == 1
    assert refused.err.startswith("JOB_NOT_CANCELABLE")
    assert "stonks pause" in refused.err
    wrong = await cli("jobs", "list", "--status", "odd")
    assert (wrong.code, wrong.err.split(":")[0]) == (1, "CHOICE_INVALID")
    missing = await cli("jobs", "show", "document/none")
    assert (missing.code, missing.err.split(":")[0]) == (1, "JOB_NOT_FOUND")


async def test_schedules_when_paused_and_resumed_then_the_list_says_so(platform: Platform, cli: Stonks) -> None:
    await ensure_broker_reconciliation(platform.parts.client)
    schedule_id = names.RECONCILE_BROKER

    async def listed() -> Any:
        found = (await cli.json("schedules"))["data"]
        return next((each for each in found if each["schedule_id"] == schedule_id), None)

    await eventually(listed)
    paused = await cli.json("schedules", "pause", schedule_id, "--reason", "the broker rests")
    assert paused["paused"] is True
    assert "the broker rests" in await cli.text("schedules")
    assert (await cli("schedules", "resume", schedule_id, "--reason", "it is back")).code == 0
    assert (await listed())["paused"] is False
    missing = await cli("schedules", "pause", "none", "--reason", "x")
    assert (missing.code, missing.err.split(":")[0]) == (1, "SCHEDULE_NOT_FOUND")


async def test_order_when_shown_and_canceled_then_a_terminal_says_what_came_of_it(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    platform.broker.fill = False
    try:
        async with platform.working(Queue.TRADING):
            order = await at_the_broker(platform, api, "MSFT")
            text = await cli.text("orders", "show", order["order_id"])
            assert "buy 10 MSFT" in text
            assert "accepted" in text
            done = await cli.text("orders", "cancel", order["order_id"], "--reason", "the story was wrong")
            assert done == "The order is canceled.\n"
            again = await cli.json("orders", "cancel", order["order_id"], "--reason", "once more")
            assert (again["status"], again["new"]) == ("canceled", False)
    finally:
        platform.broker.fill = True


async def test_document_when_submitted_from_a_file_then_the_same_file_is_the_same_document(
    platform: Platform, cli: Stonks, tmp_path: Path
) -> None:
    file = tmp_path / "note.txt"
    file.write_text("A note of the desk\n\nNobody has said anything about anything.\n", encoding="utf-8")
    first = await cli.json("documents", "submit", str(file), "--publisher", "the desk")
    again = await cli.json("documents", "submit", str(file))
    assert (first["duplicate"], again["duplicate"]) == (False, True)
    assert first["doc_id"] == again["doc_id"]
    rows = await platform.parts.database.run("SELECT title FROM documents WHERE doc_id = $1", first["doc_id"])
    assert rows[0]["title"] == "A note of the desk"
    for words, code in (
        (("submit", "-"), "TIME_MISSING"),
        (("submit", str(tmp_path / "none")), "FILE_UNREADABLE"),
        (("submit", str(file), "--published", "yesterday"), "TIME_INVALID"),
        (("submit", str(file), "--symbol", "NOSUCH"), "SYMBOL_UNKNOWN"),
    ):
        refused = await cli("documents", *words)
        assert (refused.code, refused.err.split(":")[0].strip()) == (1, code), refused


async def test_api_when_called_from_the_terminal_then_its_json_is_printed_and_a_refusal_ends_with_1(
    cli: Stonks, environment: dict[str, str], tmp_path: Path
) -> None:
    read = await cli("api", "get", "/v1/overview", environment=environment)
    assert read.code == 0, read
    assert json.loads(read.out)["mode"] == "paper"

    body = tmp_path / "list.json"
    body.write_text('{"name": "from-the-terminal"}', encoding="utf-8")
    words = ("api", "POST", "/v1/watchlists", "--body", f"@{body}", "--idempotency-key", "once")
    first, again = [await cli(*words, environment=environment) for _ in range(2)]
    assert first.code == again.code == 0, first
    assert first.out == again.out  # the list was made once
    refused = await cli(*words[:-2], environment=environment)
    assert (refused.code, json.loads(refused.out)["status"]) == (1, 409)

    for words, code in (
        (("api", "FETCH", "/v1/overview"), "CHOICE_INVALID"),
        (("api", "GET", "v1/overview"), "PATH_INVALID"),
        (("api", "POST", "/v1/watchlists", "--body", "{"), "JSON_INVALID"),
        (("api", "POST", "/v1/watchlists", "--body", "@/no/such/file"), "FILE_UNREADABLE"),
    ):
        wrong = await cli(*words, environment=environment)
        assert (wrong.code, wrong.err.split(":")[0].strip()) == (1, code), wrong
    away = await cli("api", "GET", "/v1/overview", environment={**environment, "STONKS_API_PORT": "1"})
    assert (away.code, away.err.split(":")[0].strip()) == (1, "API_UNAVAILABLE")
    keyless = await cli("api", "GET", "/v1/overview", environment={**environment, "STONKS_API_KEY": ""})
    assert (keyless.code, keyless.err.split(":")[0].strip()) == (1, "SETTING_MISSING")
    assert BOOTSTRAP_KEY not in f"{read}{first}{refused}{away}{keyless}"


async def test_events_when_shown_then_the_last_ones_are_lines_of_json(
    platform: Platform, cli: Stonks, environment: dict[str, str]
) -> None:
    told = [await tell(platform.parts.database, symbol="AAPL", side="buy") for _ in range(3)]
    done = await cli("events", "--last", "3", "--types", "order", "--json", environment=environment)
    assert done.code == 0, done
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [each["subject_id"] for each in found] == told
    assert {(each["kind"], each["symbol"]) for each in found} == {("order", "AAPL")}
    text = await cli("events", "--last", "3", "--types", "order", environment=environment)
    assert text.out.count("order_denied") == 3
    wrong = await cli("events", "--types", "orders", environment=environment)
    assert (wrong.code, wrong.err.split(":")[0].strip()) == (1, "TYPE_UNKNOWN")


async def test_events_when_followed_over_a_restart_of_the_api_then_nothing_is_lost_and_nothing_shown_twice(
    platform: Platform, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real reading of the stream, whose connection breaks after every other event."""
    monkeypatch.setattr(api_command, "RETRY_SECONDS", 0.01)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    plain = Api.stream

    def breaking(self: Api, **options: Any) -> Any:
        for number, event in enumerate(plain(self, **options)):
            yield event
            if number == 2:
                raise VendorUnavailable("API_UNAVAILABLE")

    monkeypatch.setattr(Api, "stream", breaking)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def follow() -> list[StreamEvent]:
        found: list[StreamEvent] = []
        with api_of(Path("unused")) as api:
            at = api_command._back(api, 0)
            loop.call_soon_threadsafe(begun.set)
            for event in api_command._followed(api, "order", at):
                found.append(event)
                if event.data["subject_id"] == "the-last":
                    return found
        return found

    task = asyncio.create_task(asyncio.to_thread(follow))
    await asyncio.wait_for(begun.wait(), 60)
    told = [await tell(platform.parts.database) for _ in range(9)]
    told.append(await tell(platform.parts.database, subject="the-last"))
    found = await asyncio.wait_for(task, 120)
    assert [each.data["subject_id"] for each in found] == told
