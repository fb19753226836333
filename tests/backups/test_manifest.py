"""What a backup says of itself, which are kept, and how a copy is compared with it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import SQLModel

from domain.backups import (
    KEPT,
    BackupState,
    FileSeal,
    FlawKind,
    Gap,
    KnownBackup,
    Manifest,
    ObjectsSeal,
    RestoredCopy,
    Versions,
    backup_id,
    differences,
    is_content_of,
    list_text,
    object_of,
    opened,
    read_list,
    sealed,
    to_remove,
    unreferenced,
)
from domain.errors import InvalidInput
from domain.ids import digest
from store import book_cut, tables  # noqa: F401 - the tables fill the metadata
from store.objects import key_for, pack_of

AT = datetime(2026, 11, 27, 8, 30, tzinfo=UTC)
HASH = hashlib.sha256(b"x").hexdigest()


def manifest(**changes: object) -> Manifest:
    seal = FileSeal(name="book.dump", bytes=10, sha256=HASH)
    plain = Manifest(
        backup_id=backup_id(AT),
        started_at=AT,
        taken_at=AT,
        finished_at=AT + timedelta(minutes=1),
        versions=Versions(product="1", schema_revision="0022", postgres="18.4", dump_program="18.4"),
        tables={"public.orders": 3, "public.fills": 5},
        dump=seal,
        objects=ObjectsSeal(count=1, bytes=1, list=seal, gaps=(Gap(key="raw/ab/cd", problem="gone"),)),
    )
    return sealed(plain.model_copy(update=changes))


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_ids_when_made_of_instants_then_they_are_in_the_order_of_time(first: int, seconds: int) -> None:
    at = AT + timedelta(seconds=first)
    assert backup_id(at) < backup_id(at + timedelta(seconds=seconds))


def test_manifest_when_read_back_then_it_is_the_same() -> None:
    found = manifest()
    assert opened(found.model_dump_json(indent=1).encode()) == found
    assert found.rows == 8


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("taken_at", "2026-11-28T08:30:00Z"),
        ("tables", {"public.orders": 2, "public.fills": 5}),
        ("seal", "0" * 64),
        ("dump", {"name": "book.dump", "bytes": 11, "sha256": HASH}),
    ],
)
def test_manifest_when_anything_in_it_was_changed_then_it_is_refused(field: str, value: object) -> None:
    body = json.loads(manifest().model_dump_json())
    assert body[field] != value
    with pytest.raises(InvalidInput, match="MANIFEST_CHANGED"):
        opened(json.dumps({**body, field: value}).encode())


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b"[]", b"\xff"])
def test_manifest_when_it_is_none_then_it_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput, match="MANIFEST_CHANGED"):
        opened(body)


def test_manifest_when_of_a_later_format_then_it_says_so() -> None:
    """Whatever else that format has."""
    later = {**json.loads(manifest(format=2).model_dump_json()), "kept_for": "a year"}
    with pytest.raises(InvalidInput, match="MANIFEST_FORMAT: found=2, allowed=1"):
        opened(json.dumps(later).encode())


def test_manifest_when_it_was_sealed_without_a_field_that_came_later_then_it_is_whole() -> None:
    older = {name: value for name, value in json.loads(manifest().model_dump_json()).items() if name != "audit_head"}
    bare = json.dumps({**older, "seal": ""}, separators=(",", ":"))
    older["seal"] = hashlib.sha256(bare.encode()).hexdigest()
    found = opened(json.dumps(older, indent=1).encode())
    copy = RestoredCopy(schema_revision="0022", tables=found.tables, audit_head="f00d")
    assert differences(found, copy) == ()
    with pytest.raises(InvalidInput, match="MANIFEST_CHANGED"):
        opened(json.dumps({**older, "audit_head": ""}).encode())


def known(*states: BackupState) -> list[KnownBackup]:
    """Backups of successive nights, the oldest first."""
    return [
        KnownBackup(backup_id=backup_id(AT + timedelta(days=number)), state=state)
        for number, state in enumerate(states)
    ]


GOOD, BAD, BUSY = BackupState.VERIFIED, BackupState.FAILED, BackupState.RUNNING


def test_retention_when_an_eighth_is_verified_then_the_oldest_goes_and_not_before() -> None:
    seven = known(*[GOOD] * KEPT, BUSY)
    assert to_remove(seven) == ()
    eight = known(*[GOOD] * (KEPT + 1))
    assert to_remove(eight) == (eight[0].backup_id,)


def test_retention_when_newer_ones_failed_then_every_verified_one_stays() -> None:
    found = known(*[GOOD] * KEPT, *[BAD] * 20)
    assert to_remove(found) == ()


def test_retention_when_a_failed_one_was_followed_by_a_verified_one_then_it_goes() -> None:
    found = known(GOOD, BAD, GOOD, BAD)
    assert to_remove(found) == (found[1].backup_id,)


@given(st.lists(st.sampled_from([GOOD, BAD, BUSY, BackupState.REMOVED]), max_size=40), st.integers(1, 9))
def test_retention_when_anything_happened_then_the_newest_verified_stay(states: list[BackupState], keep: int) -> None:
    found = known(*states)
    going = set(to_remove(found, keep=keep))
    verified = [each.backup_id for each in found if each.state is GOOD]
    assert not going & set(verified[-keep:])
    assert not going & {each.backup_id for each in found if each.state is BUSY}
    if not verified:
        assert not going
    assert len(set(verified) - going) == min(len(verified), keep)


def test_objects_when_no_kept_backup_lists_them_then_they_go() -> None:
    assert unreferenced(["a/b", "c/d", "e/f"], [{"a/b": "1"}, {"e/f": "2"}]) == ["c/d"]


@pytest.mark.parametrize("key", ["../etc/passwd", "raw/../../x", "/raw/ab", "raw", "raw//ab", "raw/ab\n", "", "raw/.x"])
def test_object_when_its_key_would_lead_elsewhere_then_it_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput, match="OBJECT_KEY_INVALID"):
        object_of(key)


def test_slice_when_copied_then_its_pack_is_meant() -> None:
    pack = pack_of([b"one", b"two"])
    assert {object_of(key) for key in pack.keys} == {pack.key}
    assert is_content_of(pack.key, pack.body)


@pytest.mark.parametrize("text", ["", "{}", "prices rose"])
def test_content_when_named_by_either_of_our_hashes_then_it_is_told_from_anything_else(text: str) -> None:
    body = text.encode()
    for content in (hashlib.sha256(body).hexdigest(), digest(text, length=64)):
        assert is_content_of(key_for("raw", content), body)
        assert not is_content_of(key_for("raw", content), body + b" ")
        assert not is_content_of(key_for("raw", content), b"\xff\xfe")
    assert is_content_of("backtests/one/0123456789abcdef01234567.html", body)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}/[0-9a-f]{2}/[0-9a-f]{8}", fullmatch=True), st.just(HASH)))
def test_list_when_read_back_then_it_is_the_same(hashes: dict[str, str]) -> None:
    assert read_list(list_text(hashes)) == hashes


@pytest.mark.parametrize("line", ["x", f"{HASH} raw/ab", f"{HASH}  ../x", f"{HASH[:-1]}  raw/ab"])
def test_list_when_a_line_is_none_of_ours_then_it_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_list(line)


def test_copy_when_it_is_the_same_then_nothing_differs() -> None:
    there = manifest()
    assert differences(there, RestoredCopy(schema_revision="0022", tables=dict(there.tables))) == ()


def test_copy_when_it_differs_then_every_table_is_named_with_both_counts() -> None:
    copy = RestoredCopy(schema_revision="0021", tables={"public.orders": 4, "public.other": 0}, audit_head="f00d")
    found = {
        (flaw.kind, flaw.what, flaw.expected, flaw.found) for flaw in differences(manifest(audit_head="beef"), copy)
    }
    assert found == {
        (FlawKind.SCHEMA_DIFFERS, "revision", "0022", "0021"),
        (FlawKind.AUDIT_LOG_DIFFERS, "head", "beef", "f00d"),
        (FlawKind.ROWS_DIFFER, "public.fills", "5 rows", "no such table"),
        (FlawKind.ROWS_DIFFER, "public.orders", "3 rows", "4 rows"),
        (FlawKind.ROWS_DIFFER, "public.other", "no such table", "0 rows"),
    }


NO_OBJECTS = {"model_calls.call_key", "audit_log.entry_key", "order_replacements.request_key"}
"""Columns that are called keys and name no object."""


def test_columns_when_they_name_objects_then_every_one_is_backed_up() -> None:
    """A new column named so must be added to what a backup looks for objects in, or to the list above."""
    named = {
        f"{table.name}.{column.name}"
        for table in SQLModel.metadata.tables.values()
        for column in table.columns
        if column.name.endswith("_key")
    }
    backed_up = {".".join(name.split(".")[:2]) for name in book_cut.REFERENCES}
    assert named - NO_OBJECTS <= backed_up
    assert named >= NO_OBJECTS
