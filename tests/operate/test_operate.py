"""What an operator types: answers on standard output, messages beside it, errors in one clear line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.stack.supervisor import Stack
from domain.actors import BOOTSTRAP_ACTOR
from domain.errors import ModelOutputInvalid
from tests.api.harness import NOW, Caller, Platform, eventually
from tests.conftest import stonks
from tests.operate.conftest import Stonks
from workflows import names
from workflows.names import Queue

pytestmark = pytest.mark.stack

QUEUES = (Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH)


async def test_commands_when_given_then_they_say_what_is_in_force(platform: Platform, cli: Stonks, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        assert "paused: nothing is opened" in await cli.text("pause", "lunch")
        status = await api.get("/v1/trading/status")
        assert (status["state"], status["reason"]) == ("reducing", "lunch")
        assert status["changed_by"] == BOOTSTRAP_ACTOR
        shown = await cli.text("status")
        assert "paused" in shown
        assert "lunch" in shown

        report = await cli.json("halt", "fire")
        assert report == {
            "acknowledged_by": "engine",
            "canceled_orders": 0,
            "epoch": report["epoch"],
            "may_arrive": [],
            "not_canceled": [],
            "state": "halted",
        }
        assert "halted" in await cli.text("status")
        assert (await cli.json("resume", "it was a drill"))["state"] == "active"
        seen = await cli.json("status")
        assert seen["trading"]["state"] == "active"
        assert seen["engine"]["state"] == "active"
        assert seen["mode"] == "paper"
        assert (seen["reconciliation"], seen["unpriced_orders"]) == (status["reconciliation"], [])
        of_trading = ("engine", "reconciliation", "unpriced_orders")
        assert {key: value for key, value in seen.items() if key not in of_trading} == await api.get("/v1/overview")


async def test_status_when_no_worker_answers_then_it_still_shows_the_book(cli: Stonks) -> None:
    shown = await cli.text("status")
    assert "Trading" in shown
    assert "does not answer" in shown


async def test_inbox_when_an_order_waits_then_it_is_approved_by_the_beginning_of_its_id(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        first, second = await platform.waiting("AAPL"), await platform.waiting("MSFT", quantity=1234)
        shown = await cli.text("inbox")
        for waiting in (first, second):
            assert waiting["approval_id"] in shown
        assert "61,700.00" in shown
        listed = (await cli.json("inbox"))["data"]
        assert first["order_hash"] in {each["order_hash"] for each in listed}

        done = await cli.text("approve", first["approval_id"][:10], "--reason", "the thesis holds")
        assert "approved: buy 700 AAPL, $35,000.00" in done
        declined = await cli.json("decline", second["approval_id"], "--reason", "too large")
        assert (declined["status"], declined["decision_reason"]) == ("declined", "too large")
        assert declined["decided_by"] == BOOTSTRAP_ACTOR
        assert second["approval_id"] not in await cli.text("inbox")

        again = await cli("approve", first["approval_id"], "--reason", "again")
        assert (again.code, again.out) == (1, "")
        assert again.err.startswith("APPROVAL_DECIDED: ")

        async def filled() -> bool:
            orders = await api.get("/v1/orders", symbol="AAPL", status="filled", limit=200)
            return any(each["intent_id"] == first["intent_id"] for each in orders["data"])

        await eventually(filled)


@pytest.mark.parametrize(
    ("given", "code"),
    [("ffff-none", "APPROVAL_NOT_FOUND"), ("a", "APPROVAL_ID_TOO_SHORT"), ("%%%%", "APPROVAL_NOT_FOUND")],
)
async def test_approve_when_the_id_means_nothing_then_one_line_says_so(cli: Stonks, given: str, code: str) -> None:
    done = await cli("approve", given, "--reason", "x")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"{code}: ")


async def test_explain_when_asked_by_symbol_or_id_then_it_shows_the_same_decision(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    recommendation = await platform.recommendation("INTC", publish=True)
    body = await cli.json("explain", "intc")
    assert body.pop("temporal_url").startswith("http://127.0.0.1:")
    over_http = await api.get(f"/v1/recommendations/{recommendation.recommendation_id}/explanation")
    over_http.pop("temporal_url")
    assert body == over_http
    shown = await cli.text("explain", recommendation.recommendation_id)
    for part in (
        "INTC  buy",
        f"{float(body['score']['value']):+.9f}",
        "Acme raised its full-year guidance",
        "No order followed.",
        recommendation.record_hash[:32],
        "the same result",
    ):
        assert part in shown, part
    done = await cli("explain", "NOPE")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("RECOMMENDATION_NOT_FOUND: wanted=NOPE")


async def test_dead_letters_when_listed_retried_and_discarded_then_each_is_told(
    platform: Platform, cli: Stonks
) -> None:
    def broken() -> ModelOutputInvalid:
        return ModelOutputInvalid("MODEL_ANSWER_INVALID", "The schema asks for [events]\x1b[2J", field="events")

    async with platform.working(*QUEUES):
        made = [await platform.document(f"Acme breaks {number}", at=NOW) for number in range(3)]
        for document in made:
            platform.extractor.errors[document.doc_id] = [broken()]
            await platform.process(document)
        ids = [names.document_id(document.doc_id) for document in made]

        async def listed() -> bool:
            found = {each["workflow_id"] for each in (await cli.json("dead-letters", "list"))["data"]}
            return set(ids) <= found

        await eventually(listed)
        shown = await cli.text("dead-letters", "list", "--stage", "extract", "--limit", "3")
        assert "extract, 1 attempt, failed" in shown
        assert "MODEL_ANSWER_INVALID" in shown
        assert "[events] [2J" in shown
        assert "\x1b" not in shown
        none = await cli.text("dead-letters", "list", "--error", "NO_SUCH_ERROR")
        assert none.strip() == "No dead letters."

        done = await cli("dead-letters", "discard", ids[0], "--reason", "a test page")
        assert (done.code, done.out) == (0, "")
        assert "Discarded" in done.err
        assert f"✓ {ids[1]} runs again from extract" in await cli.text("dead-letters", "retry", ids[1])
        report = await cli.json("dead-letters", "retry", "--error", "MODEL_ANSWER_INVALID", "--reason", "fixed")
        assert [each["workflow_id"] for each in report["retried"]] == [ids[2]]
        assert "Nothing matched." in await cli.text("dead-letters", "retry", "--error", "MODEL_ANSWER_INVALID")
        again = await cli("dead-letters", "retry", "document/none")
        assert again.code == 1
        assert again.err.startswith("DEAD_LETTER_NOT_FOUND: workflow_id=document/none")


@pytest.mark.parametrize(
    "words",
    [
        ("pause",),
        ("approve", "abcd"),
        ("dead-letters", "retry"),
        ("dead-letters", "retry", "document/x", "--all"),
        ("dead-letters", "discard", "document/x"),
        ("dead-letters", "list", "--limit", "0"),
        ("inbox", "--no-such-option"),
    ],
)
async def test_command_when_used_wrongly_then_exit_code_2_and_usage(cli: Stonks, words: tuple[str, ...]) -> None:
    done = await cli(*words)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
async def test_reason_when_empty_or_too_long_then_nothing_is_changed(cli: Stonks, api: Caller, reason: str) -> None:
    before = await api.get("/v1/overview")
    done = await cli("pause", reason)
    assert done.code == 1
    assert done.err.startswith("REASON_INVALID: ")
    assert (await api.get("/v1/overview"))["trading"] == before["trading"]


async def test_command_when_no_stack_runs_there_then_one_line_says_how_to_start_one(
    cli: Stonks, tmp_path: Path
) -> None:
    done = await cli("status", state=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("STACK_NOT_RUNNING: ")
    assert "stonks up" in done.err


async def test_command_when_the_environment_names_the_servers_then_no_state_directory_is_needed(
    cli: Stonks, servers: Stack, tmp_path: Path
) -> None:
    done = await cli("status", "--json", state=tmp_path, environment=servers.environment())
    assert done.code == 0, done.err
    assert json.loads(done.out)["mode"] == "paper"


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("STONKS_TEMPORAL_ADDRESS", "127.0.0.1:1", "TEMPORAL_UNAVAILABLE"),
        ("STONKS_DB_PORT", "1", "DATABASE_UNAVAILABLE"),
        ("STONKS_DB_PASSWORD", "wrong-hush", "DATABASE_REFUSES"),
        ("STONKS_DB_NAME", "nothing", "DATABASE_REFUSES"),
        ("STONKS_DB_NAME", "postgres", "SCHEMA_MISSING"),
        ("STONKS_DB_PORT", "many", "SETTING_INVALID"),
    ],
)
async def test_command_when_a_server_is_away_or_refuses_then_one_line_names_it(
    cli: Stonks, servers: Stack, tmp_path: Path, variable: str, value: str, code: str
) -> None:
    environment = {**servers.environment(), variable: value}
    done = await cli("status", state=tmp_path, environment=environment)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(code), done.err
    assert "Traceback" not in done.err
    assert "hush" not in done.err


def test_process_when_run_by_itself_then_standard_output_is_one_object(servers: Stack) -> None:
    done = stonks("status", "--json", "--state", str(servers.directory.root))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mode"] == "paper"
