"""Commands act through the API, as whoever's key they have; what they hold themselves only reads."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from pydantic import SecretStr
from typer.main import get_command

from api.keys import Scope
from api.operations import people, trading
from api.throttle import Gate
from cli.connection import connected
from cli.main import app
from cli.stack.supervisor import Stack
from domain.errors import StonksError
from tests.api.browser import PASSWORD
from tests.api.harness import NOW, Caller, Platform, eventually
from tests.conftest import REPOSITORY
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack

READS = """
    status inbox explain positions performance search lineage events account jobs schedules doctor
    account.history account.ledger agents.compare agents.list agents.show agents.variants
    audit.export audit.list audit.verify backtest.check backtest.compare backtest.list backtest.show
    breakers.show companies.list companies.resolve lake.query lake.tables config.proposals config.show config.versions
    dead-letters.list documents.list documents.show jobs.list jobs.show notifications.history notifications.show
    orders.show people.list sources.list sources.runs backup.list backup.verify
"""
BY_TEMPORAL = "backfill backtest.drift"
"""They start a workflow, and decide nothing."""
OWN = "up down demo replay worker dashboard paper-broker db.draft db.upgrade backup.fetch restore"
"""Processes, stacks of their own, the schema, and what puts a book back: decisions/0022 says why."""
THROUGH_THE_API: dict[str, str] = {
    "account.enter": "fee 1 --source s --reason x",
    "agents.activate": "document-extractor v --share 0.1",
    "agents.add-variant": "document-extractor --set engine=rules",
    "agents.budget": "document-extractor --calls-per-day 5",
    "agents.change": "document-extractor --set timeout_seconds=60",
    "agents.create": "new --kind document-extractor",
    "agents.deactivate": "document-extractor v",
    "agents.evaluate": "{file} --variant baseline",
    "agents.promote": "document-extractor v",
    "agents.test": "document-extractor text",
    "agents.what-if": "AAPL",
    "api": "POST /v1/trading/resume",
    "backtest.cancel": "id",
    "backup.drill": "20261127T083000Z",
    "backtest.run": "--from 2011-07-05 --to 2011-12-30",
    "backtest.sweep": "--from 2011-07-05 --to 2011-12-30 --grid signals.kappa=1,2",
    "breakers.forget": "--reason x",
    "breakers.release-reserve": "5 --reason x",
    "breakers.reset": "drawdown --reason x",
    "companies.add": "ZZZ Zebra",
    "companies.alias": "AAPL Apple",
    "companies.competitors": "AAPL --infer",
    "companies.earnings": "AAPL --add 2026-10-29",
    "config.approve": "ab --reason x",
    "config.decline": "ab --reason x",
    "config.set": "limits.daily_loss=0.015 --reason x",
    "dead-letters.discard": "document/x --reason x",
    "dead-letters.retry": "document/x",
    "documents.reprocess": "x --reason x",
    "documents.submit": "{file}",
    "jobs.cancel": "document/x --reason x",
    "lake.publish": "",
    "notifications.retry": "abcdef123",
    "notifications.set": "--config {{}}",
    "notifications.test": "",
    "order.buy": "MSFT 10 --reason x",
    "order.sell": "MSFT 10 --reason x",
    "orders.cancel": "x --reason x",
    "people.add": "ben read",
    "people.disable": "ben",
    "people.enable": "ben",
    "people.scopes": "ben read",
    "people.set-password": "ben --remove",
    "people.sign-out": "ben",
    "reconcile": "",
    "resume": "x",
    "schedules.pause": "x --reason x",
    "schedules.resume": "x --reason x",
    "sign-in-link": "ben",
    "sources.add": "new --config {{}}",
    "sources.change": "wire --name x",
    "sources.pause": "wire",
    "sources.remove": "wire",
    "sources.resume": "wire",
    "sources.run": "wire",
    "sources.test": "wire",
}
"""Words with which they come to act."""
THROUGH_THE_API_ELSEWHERE = """
    approve decline amend pause halt reconcile.accept reconcile.decline companies.exposures backup.run
"""
"""They act on what must be there first, or go on without the API: other tests look at who they acted as."""
MAY_WRITE = {
    "cli/connection.py",  # read-only, which a test below holds
    "cli/trading_findings.py",  # read-only
    "cli/backup_findings.py",  # read-only
    "cli/commands/backups.py",  # a backup without the API, and a book that is put back
    "cli/commands/processes.py",  # the API itself
    "cli/commands/stack.py",  # the first link that signs the owner in
    "cli/migrate.py",
    "cli/replaying.py",  # a stack of its own
}


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if not inner or command.invoke_without_command:
        yield ".".join(path)
    for name, each in inner.items():
        yield from _commands(each, (*path, name))


def test_command_when_there_is_one_then_it_is_said_by_which_way_it_acts() -> None:
    lists = (READS, BY_TEMPORAL, OWN, THROUGH_THE_API_ELSEWHERE)
    said = [*(name for each in lists for name in each.split()), *THROUGH_THE_API]
    assert sorted(said) == sorted(_commands(get_command(app)))


def test_cli_when_it_opens_the_book_then_only_where_a_reason_stands() -> None:
    opens = re.compile(r"\b(Database|ObjectStore)\(|Parts\.connect\(")
    found = {
        str(file.relative_to(REPOSITORY))
        for file in (REPOSITORY / "cli").rglob("*.py")
        if opens.search(file.read_text(encoding="utf-8"))
    }
    assert found == MAY_WRITE
    writing = {
        str(file.relative_to(REPOSITORY))
        for file in (REPOSITORY / "cli").rglob("*.py")
        if "read_only=False" in file.read_text(encoding="utf-8")
    }
    assert writing == {"cli/commands/operate.py"}  # a stop while the API is away


async def test_command_that_acts_when_the_api_is_away_then_nothing_happens_and_it_says_what_to_do(
    platform: Platform, cli: Stonks, tmp_path: Path
) -> None:
    await platform.document("A source for the commands", at=NOW)
    file = tmp_path / "sentences.csv"
    file.write_text("text,label\nProfit rose.,positive\n", encoding="utf-8")
    database = platform.parts.database
    before = await database.run("SELECT max(sequence) FROM audit_log")
    for command, words in THROUGH_THE_API.items():
        given = words.format(file=file).split()
        done = await cli(*command.split("."), *given, environment={"STONKS_API_PORT": "1"})
        assert (done.code, done.err.split(":")[0].strip()) == (1, "API_UNAVAILABLE"), (command, done)
        assert "stonks doctor" in done.err
    assert await database.run("SELECT max(sequence) FROM audit_log") == before


async def test_connection_of_a_command_when_it_would_change_something_then_it_is_refused(
    platform: Platform, servers: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in servers.environment().items():
        monkeypatch.setenv(name, value)
    statement = "UPDATE companies SET name = 'x' WHERE symbol = 'AAPL'"

    async def by_the_driver(parts: Any) -> None:
        await parts.database.run(statement)

    async def by_a_session(parts: Any) -> None:
        await people.add(parts.database, name="ben", scopes=[], actor="cli:x")

    async def by_the_object_store(parts: Any) -> None:
        await parts.objects.put("raw/x", b"x")

    for act, code in (
        (by_the_driver, "DATABASE_READ_ONLY"),
        (by_a_session, "DATABASE_READ_ONLY"),
        (by_the_object_store, "OBJECTS_READ_ONLY"),
    ):
        with pytest.raises(StonksError, match=code):
            async with connected(tmp_path) as parts:
                await act(parts)


async def _person(platform: Platform, *scopes: Scope, unattended: bool = True) -> tuple[str, dict[str, str]]:
    """Somebody with a key and a password of one's own, and what a command needs to act as that person."""
    name = f"carla-{secrets.token_hex(3)}"
    database = platform.parts.database
    await people.add(database, name=name, scopes=[*scopes], actor="test")
    await people.set_password(database, Gate(), name=name, password=SecretStr(PASSWORD), actor="test")
    key = await platform.key(*scopes, person=name, unattended=unattended)
    return name, {"STONKS_PERSON_KEY": key}


async def test_person_when_acting_at_a_terminal_then_the_audit_log_names_that_person(
    platform: Platform, cli: Stonks
) -> None:
    name, environment = await _person(platform, Scope.READ, Scope.REGISTRY_WRITE)
    symbol = f"Z{secrets.token_hex(2).upper()}"
    done = await cli("companies", "add", symbol, "Zebra", environment=environment)
    assert done.code == 0, done
    entries = await cli.json("audit", "list", "--actor", f"api:{name}/", "--limit", "5")
    assert [(each["action"], each["subject"]) for each in entries if each["subject"] == symbol] == [
        ("company_created", symbol)
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("companies", "add", "ZZZ", "Zebra"),
        ("pause", "lunch"),
        ("config", "set", "limits.daily_loss=0.011", "--reason", "x"),
        ("people", "add", "dora", "read"),
        ("agents", "budget", "document-extractor", "--unlimited"),
    ],
)
async def test_person_when_the_scope_is_missing_then_the_command_is_refused_as_the_api_refuses(
    platform: Platform, cli: Stonks, api: Caller, words: tuple[str, ...]
) -> None:
    _, environment = await _person(platform, Scope.READ)
    before = await api.get("/v1/overview")
    done = await cli(*words, environment=environment)
    assert (done.code, done.out, done.err.partition(":")[0]) == (1, "", "SCOPE_MISSING"), done
    assert environment["STONKS_PERSON_KEY"] not in done.err
    assert (await api.get("/v1/overview"))["trading"] == before["trading"]


class Terminal:
    """Standard input that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("by", ["command", "api"])
async def test_proof_when_a_key_needs_one_then_a_terminal_asks_for_the_password(
    platform: Platform, cli: Stonks, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    _, environment = await _person(platform, Scope.READ, Scope.ADMIN, unattended=False)
    name = f"dora-{secrets.token_hex(3)}"
    words = (
        ("people", "add", name, "read")
        if by == "command"
        else ("api", "POST", "/v1/people", "--body", f'{{"name": "{name}", "scopes": ["read"]}}')
    )
    refused = await cli(*words, environment=environment)
    assert refused.code == 1
    assert "STEP_UP_REQUIRED" in refused.err
    assert "at a terminal, which asks for the password" in refused.err

    monkeypatch.setattr(sys, "stdin", Terminal())
    prompt = mock.Mock(return_value="not the password at all")
    monkeypatch.setattr(typer, "prompt", prompt)
    wrong = await cli(*words, environment=environment)
    assert (wrong.code, wrong.err.partition(":")[0].strip()) == (1, "SIGN_IN_FAILED"), wrong
    prompt.return_value = PASSWORD
    done = await cli(*words, environment=environment)
    assert done.code == 0, done
    assert prompt.call_count == 2
    assert prompt.call_args.kwargs["hide_input"]
    assert PASSWORD not in done.out + done.err
    assert (await people.read(platform.parts.database, name)).scopes == ["read"]


AWAY = {"STONKS_API_PORT": "1"}


async def test_pause_and_halt_when_the_api_is_away_then_the_engine_is_told(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        for word, state in (("pause", "reducing"), ("halt", "halted")):
            done = await cli(word, "the API is down", environment=AWAY)
            assert done.code == 0, done
            assert "trading is stopped without the API" in done.err
            status = await api.get("/v1/trading/status")
            assert (status["state"], status["reason"]) == (state, "the API is down")
            assert status["changed_by"].startswith("cli:owner/")
        assert (await cli("resume", "it is back", environment=AWAY)).err.startswith("API_UNAVAILABLE")
        keyless = await cli("pause", "no key", environment={"STONKS_API_KEY": ""})
        assert (keyless.code, keyless.err.partition(":")[0]) == (0, "SETTING_MISSING")
        assert (await cli.json("resume", "it is back"))["state"] == "active"


async def test_pause_when_neither_api_nor_worker_answers_then_the_switch_is_thrown_all_the_same(
    platform: Platform, cli: Stonks, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    await platform.end_engine()
    monkeypatch.setattr(trading, "ACCEPT_SECONDS", 0.5)
    done = await cli("pause", "all is dark", "--json", environment=AWAY)
    report = json.loads(done.out)
    assert (done.code, report["state"], report["acknowledged_by"]) == (0, "reducing", "database")
    assert (await api.get("/v1/overview"))["trading"]["state"] == "reducing"
    monkeypatch.undo()
    async with platform.working(Queue.TRADING):

        async def resumed() -> bool:  # the engine writes the pause that it finds first
            return (await cli("resume", "it is light")).code == 0

        await eventually(resumed)
