"""People, sign-in links and the audit log at the terminal."""

from __future__ import annotations

import asyncio
import io
import json
import re
import secrets
import sys
from pathlib import Path
from typing import Any

import pytest

from api.keys import Scope
from cli.commands.stack import show_sign_in
from cli.stack.names import PartName
from cli.stack.supervisor import Stack, StackReport
from domain.actors import BOOTSTRAP_ACTOR
from tests.api.browser import PASSWORD, Browser, person, signed_in
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack


async def test_person_when_added_limited_and_shut_out_then_the_terminal_and_the_api_say_the_same(
    cli: Stonks, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"anna-{secrets.token_hex(3)}"
    assert (await cli.json("people", "add", name, "read", "approve"))["scopes"] == ["approve", "read"]
    assert f"{name}: read" in await cli.text("people", "scopes", name, "read")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{PASSWORD}\n"))
    assert (await cli.json("people", "set-password", name))["has_password"]
    assert (await api.get(f"/v1/people/{name}"))["has_password"]
    assert "disabled" in await cli.text("people", "disable", name)
    assert name in await cli.text("people", "list")
    refused = await cli("sign-in-link", name)
    assert (refused.code, refused.err.partition(":")[0]) == (1, "PERSON_DISABLED")
    assert (await cli.json("people", "enable", name))["disabled_at"] is None
    assert not (await cli.json("people", "set-password", name, "--remove"))["has_password"]
    entries = await cli.json("audit", "list", "--action", "person_disabled", "--limit", "1")
    assert entries[0]["actor"] == BOOTSTRAP_ACTOR
    assert entries[0]["body"]["name"] == name


async def test_person_when_signed_out_at_the_terminal_then_every_browser_is_out_and_it_stands_in_the_audit_log(
    platform: Platform, cli: Stonks
) -> None:
    anna, ben = await person(platform, Scope.READ), await person(platform, Scope.READ)
    browsers = [await signed_in(platform, name) for name in (anna, anna, ben)]
    assert await cli.text("people", "sign-out", anna) == f"{anna}: signed out everywhere\n"
    assert [(await each("GET", "/v1/session")).status_code for each in browsers] == [401, 401, 200]
    entries = await cli.json("audit", "list", "--action", "person_signed_out", "--limit", "1")
    assert (entries[0]["actor"], entries[0]["body"]["name"]) == (BOOTSTRAP_ACTOR, anna)


async def test_person_when_signing_out_at_the_terminal_then_a_key_of_ones_own_is_enough_but_not_for_others(
    platform: Platform, cli: Stonks
) -> None:
    anna, ben = await person(platform, Scope.READ), await person(platform, Scope.READ)
    browsers = [await signed_in(platform, name) for name in (anna, ben)]
    environment = {"STONKS_PERSON_KEY": await platform.key(Scope.READ, person=anna)}
    refused = await cli("people", "sign-out", ben, environment=environment)
    assert (refused.code, refused.err.partition(":")[0]) == (1, "SCOPE_MISSING")
    done = await cli("people", "sign-out", "--json", environment=environment)
    assert json.loads(done.out) == {"name": None, "signed_out": True}
    assert [(await each("GET", "/v1/session")).status_code for each in browsers] == [401, 200]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("people", "add", "Anna", "read"), "PERSON_NAME_INVALID"),
        (("people", "add", "system", "read"), "PERSON_NAME_INVALID"),
        (("people", "add", "ben", "fly"), "SCOPE_UNKNOWN"),
        (("people", "disable", "nobody-here"), "PERSON_NOT_FOUND"),
        (("people", "sign-out", "nobody-here"), "PERSON_NOT_FOUND"),
        (("sign-in-link", "nobody-here"), "PERSON_NOT_FOUND"),
        (("audit", "list", "--from", "yesterday"), "TIME_INVALID"),
        (("audit", "verify", "/no/such/file"), "AUDIT_FILE_UNREADABLE"),
    ],
)
async def test_command_when_used_wrongly_then_one_line_says_so(cli: Stonks, words: tuple[str, ...], code: str) -> None:
    done = await cli(*words)
    assert (done.code, done.err.partition(":")[0]) == (1, code)


async def test_password_when_too_weak_then_it_is_refused_and_not_shown(
    cli: Stonks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hunter2-7c\n"))
    done = await cli("people", "set-password", "owner")
    assert (done.code, done.err.partition(":")[0]) == (1, "PASSWORD_INVALID")
    assert "hunter2" not in done.err + done.out


async def test_link_when_made_at_the_terminal_then_it_signs_its_person_in_once(platform: Platform, cli: Stonks) -> None:
    made = await cli.json("sign-in-link")
    token = re.fullmatch(r"http://\S+/sign-in\?link=([\w-]+)", made["url"])
    assert token is not None
    browser = Browser(platform.app)
    assert (await browser.sign_in(link=token[1])).json()["person"]["name"] == "owner"
    assert_problem(await Browser(platform.app).sign_in(link=token[1]), 401, "SIGN_IN_FAILED")
    environment = {"STONKS_PUBLIC_URL": "https://desk.example.com/"}
    done = await cli("sign-in-link", "owner", environment=environment)
    assert done.out.startswith("https://desk.example.com/sign-in?link=")


async def test_up_when_everything_runs_then_its_last_line_is_an_address_that_signs_the_owner_in_once(
    platform: Platform, servers: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    address = "http://127.0.0.1:18765"
    report = StackReport(seconds={}, total_seconds=0, addresses={PartName.API: address}, external=frozenset())
    await asyncio.to_thread(show_sign_in, servers, report)
    said = capsys.readouterr()
    assert said.out == "", "standard output is for answers"
    line = re.fullmatch(rf"Dashboard +{address}/sign-in\?link=([\w-]+)\n", said.err)
    assert line is not None, said.err
    browser = Browser(platform.app)
    assert (await browser.sign_in(link=line[1])).json()["person"]["name"] == "owner"
    assert_problem(await Browser(platform.app).sign_in(link=line[1]), 401, "SIGN_IN_FAILED")
    entries = await caller(platform).get("/v1/audit", action="sign_in_link_made", limit=200)
    assert "cli:owner/up" in {each["actor"] for each in entries["data"]}


async def test_up_when_the_api_is_not_among_its_parts_then_no_link_is_made(
    servers: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    report = StackReport(seconds={}, total_seconds=0, addresses={}, external=frozenset())
    await asyncio.to_thread(show_sign_in, servers, report)
    assert capsys.readouterr().err == ""


async def test_audit_log_when_exported_then_it_is_checked_without_a_database(cli: Stonks, tmp_path: Path) -> None:
    await cli.json("people", "add", f"ben-{secrets.token_hex(3)}", "read")
    kept = tmp_path / "audit.jsonl"
    assert (await cli("audit", "export", str(kept))).code == 0
    whole = await cli.json("audit", "verify", str(kept))
    assert whole["whole"]
    assert whole["entries"] == len(kept.read_text().splitlines())
    book = await cli.json("audit", "verify")
    assert (book["entries"], book["head"]) == (whole["entries"], whole["head"])
    assert f"{whole['entries']} entries hold" in await cli.text("audit", "verify", str(kept))
    lines = kept.read_text().splitlines()
    entry = json.loads(lines[0])
    kept.write_text("\n".join([json.dumps({**entry, "actor": "nobody"}), *lines[1:]]) + "\n")
    broken = await cli("audit", "verify", str(kept))
    assert broken.code == 1
    assert broken.err.startswith("AUDIT_CHAIN_BROKEN: sequence=1")


async def test_order_when_changed_at_the_terminal_then_no_key_and_no_session_of_the_owner_approves_it(
    platform: Platform, cli: Stonks, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("GE")
        await cli.text("amend", waiting["approval_id"], "--quantity", "600", "--reason", "smaller is better")

        async def asked_anew() -> Any:
            listed = (await cli.json("inbox"))["data"]
            return next((each for each in listed if each["intent_id"] == waiting["intent_id"]), None)

        new = await eventually(asked_anew)
        assert new["proposers"][-1] == BOOTSTRAP_ACTOR
        review = {"approve": True, "reason": "mine", "order_hash": new["order_hash"]}
        path = f"/v1/approvals/{new['approval_id']}/review"
        owners_key = await platform.key(Scope.APPROVE, person="owner")
        for ask in (api, caller(platform, owners_key), await signed_in(platform, "owner")):
            assert_problem(await ask("POST", path, json=review), 403, "FOUR_EYES")
        await cli.text("decline", new["approval_id"], "--reason", "done")
