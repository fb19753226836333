"""Backups over the API, on the settings page and from a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.keys import Scope
from api.operations import backups as operations
from cli.backup_findings import backup_findings
from cli.stack.supervisor import Stack
from domain.backups import BackupState, backup_id
from store.tables.platform import Backup, BackupDrill
from tests.api.browser import person
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.backups.vault import Vault, open_vault
from tests.dashboard.test_pages import assert_sound
from tests.dashboard.visitor import Visitor, sign_in
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack

OLD = datetime(2020, 1, 1, tzinfo=UTC)
OF_SOMEBODY: dict[str, Any] = {"trigger": "hand", "requested_by": "x"}


@pytest.fixture(scope="module")
async def platform(vault: Vault) -> AsyncIterator[Platform]:
    made = Platform(vault.parts)
    async with made.working(Queue.OPS, Queue.TRADING):
        yield made


@pytest.fixture(scope="module")
def api(platform: Platform) -> Caller:
    return caller(platform)


async def _ended(api: Caller, backup: str) -> dict[str, object]:
    async def ended() -> dict[str, object] | None:
        found: dict[str, object] = await api.get(f"/v1/backups/{backup}")
        return found if found["finished_at"] else None

    return await eventually(ended, seconds=60)  # type: ignore[no-any-return]


async def test_backup_when_asked_for_over_the_api_then_it_is_followed_where_the_answer_says(
    platform: Platform, api: Caller
) -> None:
    answer = await api("POST", "/v1/backups", headers={"Idempotency-Key": "tonight"})
    begun = answer.json()
    assert (answer.status_code, begun["state"], begun["trigger"]) == (202, "running", "hand")
    assert answer.headers["location"] == f"/v1/backups/{begun['backup_id']}"
    again = await api("POST", "/v1/backups", headers={"Idempotency-Key": "tonight"})
    assert (again.json()["backup_id"], again.headers["idempotent-replay"]) == (begun["backup_id"], "true")
    made = await _ended(api, begun["backup_id"])
    assert (made["state"], made["error"], made["gaps"]) == (BackupState.VERIFIED, "", 0)
    assert made["temporal_url"] == f"http://ui.test/namespaces/{platform.parts.client.namespace}/workflows/" + (
        f"backup%2F{begun['backup_id']}"
    )
    drilling = await api("POST", f"/v1/backups/{begun['backup_id']}/drill")
    assert (drilling.status_code, drilling.headers["location"]) == (202, f"/v1/backups/{begun['backup_id']}")

    async def drilled() -> dict[str, object] | None:
        listed = await api.get("/v1/backups", limit=1)
        (found,) = listed["data"]
        assert found["backup_id"] == begun["backup_id"]
        return found["drills"][0] if found["drills"][0]["finished_at"] else None

    drill = await eventually(drilled, seconds=60)
    assert (drill["drill_id"], drill["state"], drill["flaws"]) == (drilling.json()["drill_id"], "passed", [])
    assert drill["seconds"] > 0


async def test_backup_when_there_is_none_or_it_was_not_verified_then_the_api_says_so(
    vault: Vault, api: Caller, platform: Platform
) -> None:
    await vault.add(
        Backup(**OF_SOMEBODY, backup_id="20200101T000000Z", state="failed", created_at=OLD, error="PROGRAM_MISSING")
    )
    assert_problem(await api("GET", "/v1/backups/20300101T000000Z"), 404, "BACKUP_NOT_FOUND")
    assert_problem(await api("POST", "/v1/backups/20300101T000000Z/drill"), 404, "BACKUP_NOT_FOUND")
    assert_problem(await api("POST", "/v1/backups/20200101T000000Z/drill"), 409, "BACKUP_NOT_VERIFIED")
    assert_problem(await api("GET", "/v1/backups/yesterday"), 422, "REQUEST_INVALID")
    assert_problem(await api("POST", "/v1/backups", json={"when": "now"}), 422, "REQUEST_INVALID")


async def test_backup_when_one_is_under_way_then_another_is_refused(vault: Vault, api: Caller) -> None:
    now = datetime.now(UTC)
    await vault.add(Backup(**OF_SOMEBODY, backup_id="20210101T000000Z", state="running", created_at=now))
    assert_problem(await api("POST", "/v1/backups"), 409, "BACKUP_RUNNING")
    later = "UPDATE backups SET created_at = :at WHERE backup_id = '20210101T000000Z'"
    await vault.rows(later, at=datetime.now(UTC) - timedelta(hours=7))  # whatever worked on it is gone
    begun = (await api("POST", "/v1/backups")).json()
    assert (await _ended(api, begun["backup_id"]))["state"] == BackupState.VERIFIED
    given_up = await api.get("/v1/backups/20210101T000000Z")
    assert (given_up["state"], given_up["error"].partition(":")[0]) == ("failed", "INTERRUPTED")


async def test_settings_page_when_an_administrator_looks_then_backups_are_made_and_tried_there(
    vault: Vault, platform: Platform, api: Caller
) -> None:
    await vault.back_up()
    async with Visitor(platform.app) as visitor:
        await sign_in(visitor)
        page = await visitor.get("/settings")
        assert_sound(page)
        section = "//section[@aria-labelledby='backups-head']"
        assert page.tree.xpath(f"{section}//*[contains(@class, 'status-verified')]")
        assert page.tree.xpath(f"{section}//*[contains(@class, 'status-failed')]")
        assert "PROGRAM_MISSING" in page.tree.xpath(f"string({section})")
        assert not page.tree.xpath(f"{section}//*[@role='alert']")
        done = await visitor.fill(page, "/settings/backups")
        assert "A backup is being made." in done.text
        newest = (await api.get("/v1/backups", limit=1))["data"][0]["backup_id"]
        await _ended(api, newest)
        page = await visitor.get("/settings")
        done = await visitor.fill(page, f"/settings/backups/{newest}/drill")
        assert "restored to a scratch database" in done.text

        async def tried() -> bool:
            drills = (await api.get(f"/v1/backups/{newest}"))["drills"]
            return bool(drills) and drills[0]["finished_at"] is not None

        assert await eventually(tried, seconds=60)
        assert (await visitor.get("/settings")).tree.xpath(f"{section}//*[contains(@class, 'status-passed')]")
        await vault.rows("UPDATE backups SET taken_at = taken_at - interval '3 days' WHERE state = 'verified'")
        warned = await visitor.get("/settings")
        assert "None of the last two days is verified" in warned.tree.xpath(f"string({section}//*[@role='alert'])")
        await vault.rows("UPDATE backups SET taken_at = taken_at + interval '3 days' WHERE state = 'verified'")
    async with Visitor(platform.app) as visitor:
        await sign_in(visitor, await platform.key(Scope.READ, person=await person(platform, Scope.READ)))
        page = await visitor.get("/settings")
        assert_sound(page)
        assert "Backups are shown to administrators" in page.text
        assert not page.tree.xpath("//form[@action='/settings/backups']")


async def test_standing_when_there_is_no_backup_yet_and_later_then_api_page_and_doctor_say_the_same(
    servers: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with open_vault(servers, tmp_path / "here") as vault, AsyncExitStack() as until:
        platform = Platform(vault.parts)
        await until.enter_async_context(platform.working())
        api = caller(platform)
        visitor = await until.enter_async_context(Visitor(platform.app))
        await sign_in(visitor)
        for name, value in vault.environment.items():
            monkeypatch.setenv(name, value)

        async def said() -> list[tuple[bool, str, str]]:
            listed = await api.get("/v1/backups", limit=1)
            found = [(each["ok"], each["what"], each["next_step"]) for each in listed["standing"]["findings"]]
            assert listed["standing"]["stale"] is (not found[0][0])
            doctor = await asyncio.to_thread(backup_findings, tmp_path)
            assert [(each.ok, each.what, each.fix) for each in doctor] == found
            page = await visitor.get("/settings")
            assert_sound(page)
            shown = page.tree.xpath("string(//section[@aria-labelledby='backups-head'])")
            for _, what, next_step in found:
                assert what[1:] in shown
                assert next_step.replace("`", "") in shown
            alerts = page.tree.xpath("//section[@aria-labelledby='backups-head']//*[@role='alert']")
            assert len(alerts) == sum(not ok for ok, _, _ in found)
            return found

        assert await said() == [(True, "none yet: the first is made in the coming night", "")]
        with monkeypatch.context() as days_later:
            days_later.setattr(operations, "STALE_AFTER", timedelta(0))
            ((ok, what, next_step),) = await said()
        assert (ok, what, "`stonks backup run`" in next_step) == (False, "none is verified", True)
        done = await vault.back_up()
        ((ok, what, _),) = await said()
        assert (ok, what.partition(",")[0]) == (True, f"the newest verified one is {done.backup_id}")
        # Ten newer ones that failed: the newest verified one is on none of the page's lines.
        for number in range(10):
            at = datetime.now(UTC) + timedelta(seconds=number)
            await vault.add(
                Backup(**OF_SOMEBODY, backup_id=backup_id(at), state="failed", created_at=at, error="PROGRAM_MISSING")
            )
        (ok, what, _), (failed, problem, _) = await said()
        assert (ok, failed, done.backup_id in what, "PROGRAM_MISSING" in problem) == (True, False, True, True)
        await vault.rows("UPDATE backups SET taken_at = taken_at - interval '3 days' WHERE state = 'verified'")
        (ok, what, _), *_ = await said()
        assert (ok, what.partition(":")[0]) == (False, "none of the last two days is verified")


async def test_terminal_when_the_api_is_away_then_a_backup_is_made_all_the_same(servers: Stack, vault: Vault) -> None:
    cli = Stonks(servers.directory.root)
    environment = {**vault.environment, "STONKS_API_PORT": "1", "STONKS_API_KEY": "x"}
    done = await cli("backup", "run", environment=environment)
    assert done.code == 0, done.err
    assert "API_UNAVAILABLE: it is done without the API." in done.err
    assert "verified" in done.out
    listed = await cli("backup", "list", environment=environment)
    assert done.out.split()[0] in listed.out
    for line in listed.out.splitlines()[:3]:
        assert len(line) <= 80, line
    drill = await cli("backup", "verify", done.out.split()[0], environment=environment)
    assert (drill.code, "is whole" in drill.out) == (0, True)


async def test_doctor_when_backups_are_old_failed_or_spoilt_then_it_names_that_and_the_next_step(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    await vault.back_up()
    for name, value in vault.environment.items():
        monkeypatch.setenv(name, value)

    async def findings() -> list[tuple[bool, str, str]]:
        found = await asyncio.to_thread(backup_findings, tmp_path_factory.getbasetemp())
        return [(each.ok, each.what, each.fix) for each in found]

    ((ok, what, _),) = await findings()
    assert ok
    made = what.removeprefix("the newest verified one is ").partition(",")[0]
    await vault.rows("UPDATE backups SET taken_at = taken_at - interval '3 days'")
    ((ok, _, fix),) = await findings()
    assert (ok, "`stonks backup run`" in fix) == (False, True)
    await vault.rows(
        "UPDATE backups SET taken_at = taken_at + interval '3 days', gaps = 2, offsite = 'OFFSITE_ERROR: x'"
    )
    wrong = [what for ok, what, fix in await findings() if not ok and fix]
    assert ["2 objects" in wrong[0], "OFFSITE_ERROR" in wrong[1]] == [True, True]
    await vault.rows("UPDATE backups SET gaps = 0, offsite = ''")
    flaw = {"kind": "ROWS_DIFFER", "what": "public.orders", "expected": "3 rows", "found": "2 rows"}
    await vault.add(
        BackupDrill(
            **OF_SOMEBODY,
            drill_id="x",
            backup_id=made,
            state="failed",
            created_at=datetime.now(UTC),
            flaw_count=1,
            flaws=[flaw],
        )
    )
    wrong = [what for ok, what, fix in await findings() if not ok and fix]
    assert ["ROWS_DIFFER: public.orders, expected=3 rows, found=2 rows" in each for each in wrong] == [True]
