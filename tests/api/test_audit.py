"""The audit log over HTTP: found, walked along, taken away; and nobody changes it."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.audit_chain import GENESIS, AuditRecord, ChainWalk, walk_lines
from domain.errors import SourceFormatError
from store import audit
from tests.api.harness import Caller, Platform

pytestmark = pytest.mark.stack

AT = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)


async def append(platform: Platform, count: int, **values: Any) -> str:
    """Add entries with an action of their own and return it."""
    action = f"tested_{secrets.token_hex(4)}"
    async with platform.parts.database.transaction() as session:
        for number in range(count):
            given = {"actor": "test", "subject": "s", "body": {"number": number, "share": 0.1}, "recorded_at": AT}
            await audit.append(session, key=f"{action}/{number}", action=action, **{**given, **values})
    return action


async def test_entries_when_filtered_and_paged_then_each_comes_once_newest_first(
    platform: Platform, api: Caller
) -> None:
    action = await append(platform, 5)
    seen: list[int] = []
    cursor = None
    while True:
        page = await api.get("/v1/audit", action=action, limit=2, **({"cursor": cursor} if cursor else {}))
        seen += [each["body"]["number"] for each in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert seen == [4, 3, 2, 1, 0]


async def test_entries_when_asked_for_by_actor_subject_and_time_then_only_those_come(
    platform: Platform, api: Caller
) -> None:
    who = f"session:{secrets.token_hex(4)}_/"
    action = await append(platform, 1, actor=f"{who}1", subject="here", recorded_at=AT)
    await append(platform, 1, actor=f"{who}2", subject="there", recorded_at=AT + timedelta(hours=1))
    assert len((await api.get("/v1/audit", actor=who))["data"]) == 2
    assert (await api.get("/v1/audit", actor=who.replace("_", "%")))["data"] == []
    (entry,) = (await api.get("/v1/audit", actor=who, subject="here"))["data"]
    assert (entry["action"], entry["actor"], entry["subject"]) == (action, f"{who}1", "here")
    for moment, count in ((AT, 2), (AT + timedelta(seconds=1), 1), (AT + timedelta(hours=2), 0)):
        page = await api.get("/v1/audit", actor=who, **{"from": moment.isoformat()})
        assert len(page["data"]) == count
    page = await api.get("/v1/audit", actor=who, to=AT.isoformat())
    assert len(page["data"]) == 1


@pytest.mark.parametrize(
    "query", [{"from": "yesterday"}, {"from": "2026-03-02T14:30:00"}, {"who": "x"}, {"cursor": "x"}, {"actor": ""}]
)
async def test_entries_when_asked_for_wrongly_then_422(api: Caller, query: dict[str, str]) -> None:
    answer = await api("GET", "/v1/audit", params=query)
    assert answer.status_code == 422
    assert answer.json()["code"] in ("REQUEST_INVALID", "CURSOR_INVALID")


async def test_chain_when_walked_then_every_entry_holds_and_the_export_says_the_same(
    platform: Platform, api: Caller
) -> None:
    await append(platform, audit.BATCH + 20)  # more than one batch
    exported = await api("GET", "/v1/audit/export")
    assert exported.status_code == 200
    assert exported.headers["content-type"].startswith("application/jsonl")
    lines = exported.text.splitlines()
    report = walk_lines(lines)
    assert report.whole
    assert report.entries == len(lines) > audit.BATCH
    said = await api.get("/v1/audit/verify")
    assert said["first_broken"] is None
    assert said["entries"] >= report.entries
    later = (await api("GET", "/v1/audit/export", params={"first": 5})).text.splitlines()
    part = walk_lines(later)
    assert (part.first, part.whole, part.entries) == (5, True, said["entries"] - 4)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'nobody' WHERE sequence = 1",
        "DELETE FROM audit_log WHERE sequence = 1",
        "TRUNCATE audit_log",
        "INSERT INTO audit_log SELECT * FROM audit_log WHERE sequence = 1 "
        "ON CONFLICT (sequence) DO UPDATE SET actor = 'nobody'",
    ],
)
async def test_audit_log_when_somebody_changes_it_then_the_database_refuses(platform: Platform, statement: str) -> None:
    with pytest.raises(DBAPIError, match="AUDIT_LOG_APPEND_ONLY"):
        async with platform.parts.database.transaction() as session:
            await (await session.connection()).execute(text(statement))


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'nobody'",
        "body = jsonb_set(body, '{number}', '7')",
        "recorded_at = recorded_at + interval '1 microsecond'",
        "previous_hash = entry_hash",
    ],
)
async def test_chain_when_one_entry_was_changed_then_its_sequence_is_named(platform: Platform, change: str) -> None:
    await append(platform, 3)
    async with platform.parts.database.transaction() as session:
        last = (await audit.verify(session)).entries
        connection = await session.connection()
        await connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER USER"))
        await connection.execute(text(f"UPDATE audit_log SET {change} WHERE sequence = {last - 1}"))
        report = await audit.verify(session)
        assert (report.first_broken, report.entries) == (last - 1, last - 2)
        assert await audit.first_broken(session) == last - 1
        await session.rollback()
    async with platform.parts.database.transaction() as session:
        assert await audit.first_broken(session) is None


async def test_chain_when_an_entry_was_taken_out_then_it_breaks_there(platform: Platform) -> None:
    await append(platform, 3)
    async with platform.parts.database.transaction() as session:
        last = (await audit.verify(session)).entries
        connection = await session.connection()
        await connection.execute(text("ALTER TABLE audit_log DISABLE TRIGGER USER"))
        await connection.execute(text(f"DELETE FROM audit_log WHERE sequence = {last - 1}"))
        assert await audit.first_broken(session) == last - 1
        await session.rollback()


def records(count: int) -> list[AuditRecord]:
    made: list[AuditRecord] = []
    for number in range(1, count + 1):
        record = AuditRecord(
            sequence=number,
            entry_key=f"k{number}",
            recorded_at=AT,
            actor="anna — ü",
            action="tested",
            subject="s",
            body={"x": 0.1, "big": 2**70, "text": "\u2028\ud83d\ude00", "none": None},
            previous_hash=made[-1].entry_hash if made else GENESIS,
        )
        made.append(record.model_copy(update={"entry_hash": record.computed_hash}))
    return made


def test_export_when_read_without_a_database_then_every_change_shows() -> None:
    lines = [record.line() for record in records(6)]
    whole = walk_lines(lines)
    assert (whole.whole, whole.entries, whole.first) == (True, 6, 1)
    assert walk_lines(lines[2:]).whole
    assert walk_lines([]).entries == 0
    for number in range(6):
        changed = list(lines)
        changed[number] = lines[number].replace("tested", "rested")
        assert walk_lines(changed).first_broken == number + 1
        if 0 < number < 5:
            without = lines[:number] + lines[number + 1 :]
            assert walk_lines(without).first_broken == number + 1
    assert walk_lines(lines[:1] + lines).first_broken == 2
    assert walk_lines(lines[:3]).head == records(3)[-1].entry_hash  # a cut end shows beside a head noted before
    assert walk_lines(lines[:3]).head != whole.head


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"sequence": "x"}', "[" * 100_000])
def test_export_when_a_line_is_no_entry_then_it_is_named(line: str) -> None:
    with pytest.raises(SourceFormatError, match=r"AUDIT_LINE_INVALID.*line=2"):
        walk_lines([records(1)[0].line(), line])


def test_walk_when_it_broke_then_nothing_after_counts() -> None:
    one, two, three = records(3)
    walk = ChainWalk()
    assert walk.step(one)
    assert not walk.step(three)
    assert not walk.step(two)
    assert walk.report().entries == 1


async def test_reading_when_the_log_is_long_then_only_a_batch_is_held(platform: Platform) -> None:
    await append(platform, audit.BATCH + 5)
    async with platform.parts.database.transaction() as session:
        most = 0
        async for _ in audit.read(session):
            most = max(most, _held(session))
    assert most <= 2 * audit.BATCH


def _held(session: AsyncSession) -> int:
    return len(list(session.sync_session.identity_map.values()))
