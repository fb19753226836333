"""A backup on real servers: one cut, every object, the manifest last; what is spoilt is caught and named."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import NOT_AS_NAMED, NOT_THERE, Backups, flaws_of
from activities.backup_directory import BackupFiles
from api.operations import backups as operations
from api.operations.links import TemporalLinks
from cli.stack import credentials
from cli.stack.supervisor import Stack
from domain.backup_run import CopyReport
from domain.backups import KEPT, BackupState, DrillState, FlawKind, Trigger, opened
from domain.errors import ConfigurationError, Conflict, InvalidInput, NotFound, StonksError
from store import backups, migrate
from store.book_cut import connect
from tests.asking.platform import register, working
from tests.backups.vault import Vault, contents, copied, step
from tests.conftest import REPOSITORY, clean_environment
from workers.settings import load
from workflows.names import Queue

pytestmark = pytest.mark.stack

LINKS = TemporalLinks("", "test")


async def test_backup_when_made_then_it_is_of_one_cut_and_can_be_read_with_plain_tools(vault: Vault) -> None:
    done = await vault.back_up()
    files = vault.files(done.backup_id)
    manifest = files.manifest()
    assert done.state is BackupState.VERIFIED
    assert (done.rows, done.objects, done.gaps) == (manifest.rows, manifest.objects.count, 0)
    assert manifest.tables["public.documents"] == 3
    assert manifest.objects.count == 6  # each document as it came, and as it was read
    assert manifest.versions.schema_revision == migrate.head()
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", str(files.list_path)],
        cwd=files.objects,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert sorted(path.name for path in files.root.iterdir()) == ["book.dump", "manifest.json", "objects.sha256"]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (files.dump_path, files.manifest_path)}
    assert (modes, stat.S_IMODE(files.root.stat().st_mode)) == ({0o600}, 0o700)
    assert await vault.events(done.backup_id) == ["backup_verified"]


async def test_counts_when_rows_come_while_it_is_dumped_then_they_are_those_of_the_dump(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PostgresPrograms.dump

    async def late(*arguments: object, **options: object) -> None:
        await register(vault.parts)
        await real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(PostgresPrograms, "dump", late)
    done = await vault.back_up()
    (there,) = (await vault.rows("SELECT count(*) FROM documents"))[0]
    assert vault.files(done.backup_id).manifest().tables["public.documents"] == there - 1
    assert (await vault.drill(done.backup_id)).state is DrillState.PASSED


async def test_objects_when_an_earlier_backup_has_them_then_only_new_ones_are_copied(vault: Vault) -> None:
    first = await vault.back_up()
    await register(vault.parts)
    second = await vault.back_up()
    (copied_now,) = (await vault.rows("SELECT copied FROM backups WHERE backup_id = :id", id=second.backup_id))[0]
    assert (second.objects - first.objects, copied_now) == (1, 1)


async def test_object_when_the_store_lost_or_changed_it_then_the_backup_says_which_and_keeps_old_copies(
    vault: Vault,
) -> None:
    await vault.back_up()
    gone, changed = [await register(vault.parts) for _ in range(2)]
    keys = {
        doc: key
        for doc, key in await vault.rows("SELECT doc_id, raw_key FROM documents")
        if doc in {gone.doc_id, changed.doc_id}
    }
    objects = vault.parts.objects
    real = await objects.get(keys[changed.doc_id])
    await asyncio.to_thread(objects._client.remove_object, objects.settings.bucket, keys[gone.doc_id])
    await objects.put(keys[changed.doc_id], b"something else")
    try:
        done = await vault.back_up()
        manifest = vault.files(done.backup_id).manifest()
        assert {gap.key: gap.problem for gap in manifest.objects.gaps} == {
            keys[gone.doc_id]: NOT_THERE,
            keys[changed.doc_id]: NOT_AS_NAMED,
        }
        assert (done.state, done.gaps) == (BackupState.VERIFIED, 2)
        assert await vault.events(done.backup_id) == ["backup_has_gaps"]
        assert (await vault.drill(done.backup_id)).state is DrillState.PASSED  # it is what it says
    finally:
        await objects.put(keys[changed.doc_id], real)
        await vault.rows("DELETE FROM document_symbols WHERE doc_id = :id", id=gone.doc_id)
        await vault.rows("DELETE FROM documents WHERE doc_id = :id", id=gone.doc_id)


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(bytes(body))


def _edit_manifest(files: BackupFiles) -> None:
    body = json.loads(files.manifest_path.read_text())
    body["tables"]["public.documents"] += 1
    files.manifest_path.write_text(json.dumps(body))


def _an_object(files: BackupFiles) -> Path:
    return files.object_path(sorted(files.hashes())[0])


SPOILT: dict[str, tuple[Callable[[BackupFiles], None], FlawKind]] = {
    "a byte of the dump": (lambda files: _flip(files.dump_path), FlawKind.FILE_CHANGED),
    "the dump is cut": (lambda files: os.truncate(files.dump_path, 1_000), FlawKind.FILE_CHANGED),
    "no dump": (lambda files: files.dump_path.unlink(), FlawKind.FILE_MISSING),
    "a byte of an object": (lambda files: _flip(_an_object(files)), FlawKind.OBJECT_CHANGED),
    "an object less": (lambda files: _an_object(files).unlink(), FlawKind.OBJECT_MISSING),
    "the list": (lambda files: _flip(files.list_path), FlawKind.FILE_CHANGED),
    "the manifest": (_edit_manifest, FlawKind.MANIFEST_CHANGED),
    "no manifest": (lambda files: files.manifest_path.unlink(), FlawKind.MANIFEST_MISSING),
}


@pytest.mark.parametrize("what", SPOILT)
async def test_backup_when_spoilt_then_that_is_found_and_named(vault: Vault, tmp_path: Path, what: str) -> None:
    spoil, kind = SPOILT[what]
    files = copied(vault.files((await vault.back_up()).backup_id), tmp_path)
    programs = vault.parts.postgres_programs
    assert await flaws_of(files, programs) == []
    spoil(files)
    assert kind in {flaw.kind for flaw in await flaws_of(files, programs)}


async def test_manifest_when_made_anew_with_its_seal_then_the_book_knows_better(vault: Vault, tmp_path: Path) -> None:
    done = await vault.back_up()
    files = copied(vault.files(done.backup_id), tmp_path)
    manifest = opened(files.manifest_path.read_bytes())
    files.manifest_path.write_text(manifest.model_dump_json())  # the same, and yet other bytes
    (noted,) = (await vault.rows("SELECT manifest_sha256 FROM backups WHERE backup_id = :id", id=done.backup_id))[0]
    assert await flaws_of(files, vault.parts.postgres_programs) == []
    (flaw,) = await flaws_of(files, vault.parts.postgres_programs, manifest_sha256=noted)
    assert (flaw.kind, flaw.expected) == (FlawKind.MANIFEST_CHANGED, noted)


async def test_drill_when_an_object_was_changed_then_it_fails_is_told_and_leaves_no_database(vault: Vault) -> None:
    done = await vault.back_up()
    before = await vault.databases()
    path = _an_object(vault.files(done.backup_id))
    body = path.read_bytes()
    _flip(path)
    try:
        drilled = await vault.drill(done.backup_id)
    finally:
        path.write_bytes(body)
    assert (drilled.state, drilled.findings.flaw_count) == (DrillState.FAILED, 1)
    assert drilled.findings.flaws[0].kind is FlawKind.OBJECT_CHANGED
    assert (await vault.events(done.backup_id))[-1] == "backup_drill_failed"
    assert await vault.databases() == before
    again = await vault.drill(done.backup_id)
    tables = vault.files(done.backup_id).manifest().tables
    assert (again.state, again.findings.tables) == (DrillState.PASSED, len(tables))


async def test_copy_when_it_spoilt_since_then_the_next_backup_copies_it_again(vault: Vault) -> None:
    done = await vault.back_up()
    path = _an_object(vault.files(done.backup_id))
    _flip(path)
    again = await vault.back_up()
    assert again.state is BackupState.VERIFIED
    assert await vault.backups.flaws(done.backup_id) == []


async def test_role_when_it_may_not_make_databases_then_the_drill_says_what_to_do(servers: Stack, vault: Vault) -> None:
    await vault.back_up()
    user = vault.parts.settings.db_user
    async with superuser(servers) as connection:
        await connection.execute(f"ALTER ROLE {user} NOCREATEDB")
        try:
            with pytest.raises(ConfigurationError, match=f'ALTER ROLE "{user}" CREATEDB'):
                await vault.drill()
        finally:
            await connection.execute(f"ALTER ROLE {user} CREATEDB")
    state, error = (await vault.rows("SELECT state, error FROM backup_drills ORDER BY created_at DESC LIMIT 1"))[0]
    assert state == DrillState.FAILED
    assert error.startswith("ROLE_MAY_NOT_MAKE_DATABASES")


async def test_backups_when_more_are_verified_than_are_kept_then_the_oldest_and_its_objects_go(
    vault: Vault,
) -> None:
    async with vault.parts.database.transaction() as session:
        there = [each for each in await backups.known(session) if each.state is BackupState.VERIFIED]
    lonely = await register(vault.parts)
    ((key,),) = await vault.rows("SELECT raw_key FROM documents WHERE doc_id = :id", id=lonely.doc_id)
    with_it = await vault.back_up()
    assert vault.files(with_it.backup_id).object_path(key).exists()
    await vault.rows("DELETE FROM document_symbols WHERE doc_id = :id", id=lonely.doc_id)
    await vault.rows("DELETE FROM documents WHERE doc_id = :id", id=lonely.doc_id)
    gone = [*with_it.removed, *(await vault.back_up()).removed]
    for _ in range(KEPT - 2):
        gone += (await vault.back_up()).removed
    assert vault.files(with_it.backup_id).object_path(key).exists()
    last = await vault.back_up()
    assert last.removed == (with_it.backup_id,)
    assert {each.backup_id for each in there} <= set(gone)
    assert len(vault.parts.backup_directory.ids()) == KEPT
    assert not vault.files(last.backup_id).object_path(key).exists()
    ((state,),) = await vault.rows("SELECT state FROM backups WHERE backup_id = :id", id=with_it.backup_id)
    assert state == BackupState.REMOVED


# -- what goes wrong --------------------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
from datetime import UTC, datetime
from pathlib import Path
from pydantic import SecretStr
from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import Backups
from activities.backup_directory import BackupDirectory
from domain.backup_run import BackupStep
from store.database import Database, DatabaseSettings

class Hanging(Backups):
    async def copy_objects(self, step):
        await asyncio.sleep(600)

settings = DatabaseSettings.model_validate_json(sys.argv[2]).model_copy(
    update={"password": SecretStr(os.environ["STONKS_DB_PASSWORD"])}
)
backups = Hanging(
    Database(settings),
    None,
    PostgresPrograms(Path(os.environ["STONKS_BACKUP_PROGRAMS"])),
    BackupDirectory(Path(os.environ["STONKS_BACKUP_DIRECTORY"])),
    product="test",
    now=lambda: datetime.now(UTC),
)
asyncio.run(backups.run(BackupStep.model_validate_json(sys.argv[1])))
"""


async def test_process_when_killed_between_dump_and_manifest_then_no_backup_is_left_and_the_next_clears_up(
    vault: Vault,
) -> None:
    asked = step()
    files = vault.files(asked.backup_id)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, asked.model_dump_json(), vault.parts.settings.database().model_dump_json()],
        cwd=REPOSITORY,
        env={**clean_environment(), **vault.environment},
    )
    try:
        async with asyncio.timeout(60):
            while not files.cut_path.exists():
                assert child.poll() is None
                await asyncio.sleep(0.05)
        with pytest.raises(StonksError, match="BACKUP_DIRECTORY_BUSY"):
            await vault.back_up()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert files.dump_path.exists()
    (flaw,) = await flaws_of(files, vault.parts.postgres_programs)
    assert flaw.kind is FlawKind.MANIFEST_MISSING
    done = await vault.back_up()
    assert done.state is BackupState.VERIFIED
    assert not files.root.exists()
    state, error = (await vault.rows("SELECT state, error FROM backups WHERE backup_id = :id", id=asked.backup_id))[0]
    assert (state, error.partition(":")[0]) == (BackupState.FAILED, "INTERRUPTED")


async def test_steps_when_taken_again_by_another_process_then_they_find_what_was_done(vault: Vault) -> None:
    asked = step(Trigger.HAND)
    for _ in range(2):
        await vault.backups.begin(asked)
    await vault.backups.dump(asked)
    files = vault.files(asked.backup_id)
    written = files.dump_path.stat().st_mtime_ns
    await vault.backups.dump(asked)
    assert files.dump_path.stat().st_mtime_ns == written
    with pytest.raises(Conflict, match="BACKUP_RUNNING"):
        await vault.back_up()
    assert files.dump_path.exists()  # nobody clears away what a workflow is at
    reports = [await vault.backups.copy_objects(asked) for _ in range(2)]
    assert reports[0].objects == reports[1].objects
    assert reports[1].copied == 0
    for _ in range(2):
        await vault.backups.write_manifest(asked)
    sealed = files.manifest_path.read_bytes()
    for _ in range(2):
        await vault.backups.verify(asked, CopyReport())
    outcomes = [await vault.backups.finish(asked, "") for _ in range(2)]
    assert outcomes[0].model_copy(update={"removed": ()}) == outcomes[1].model_copy(update={"removed": ()})
    assert files.manifest_path.read_bytes() == sealed
    assert await vault.events(asked.backup_id) == ["backup_verified"]


async def test_backup_when_what_was_written_cannot_be_read_back_then_it_fails_and_older_ones_stay(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = vault.parts.backup_directory.ids()
    real = Backups.write_manifest

    async def and_spoil(self: Backups, asked: object) -> None:
        await real(self, asked)  # type: ignore[arg-type]
        _flip(self.directory.of(asked.backup_id).dump_path)  # type: ignore[attr-defined]

    monkeypatch.setattr(Backups, "write_manifest", and_spoil)
    asked = step()
    with pytest.raises(InvalidInput, match=r"BACKUP_NOT_AS_WRITTEN.*book\.dump"):
        await vault.backups.run(asked)
    assert await vault.events(asked.backup_id) == ["backup_failed"]
    assert not vault.files(asked.backup_id).manifest_path.exists()
    assert vault.parts.backup_directory.ids() == [*before, asked.backup_id]
    monkeypatch.undo()
    await vault.back_up()
    assert asked.backup_id not in vault.parts.backup_directory.ids()


@asynccontextmanager
async def superuser(servers: Stack) -> AsyncIterator[Any]:
    kept = credentials.load(servers.directory.credentials)
    assert kept is not None
    settings = load(servers.environment()).database()
    password = SecretStr(kept.database_superuser_password)
    connection = await connect(settings.model_copy(update={"user": "postgres", "password": password}))
    try:
        yield connection
    finally:
        await connection.close()


def _program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "code"),
    [("echo 'pg_dump (PostgreSQL) 9.6.2'", "PROGRAM_TOO_OLD"), ("echo hello", "PROGRAM_UNKNOWN"), ("", "")],
)
async def test_program_when_missing_or_too_old_then_that_is_said_before_anything_is_written(
    vault: Vault, tmp_path: Path, says: str, code: str
) -> None:
    if says:
        for name in ("pg_dump", "pg_restore"):
            _program(tmp_path, name, says)
    programs = PostgresPrograms(tmp_path)
    with pytest.raises(ConfigurationError, match=code or "PROGRAM_MISSING"):
        await programs.require(server="18.4")


async def test_passwords_when_programs_run_then_they_stand_on_no_command_line_and_in_no_message(
    vault: Vault, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    real = vault.parts.settings.backup_programs
    assert real is not None
    said = tmp_path / "said"
    listen = f'echo "$*" >> {said}; tr "\\0" " " < /proc/$$/cmdline >> {said}'
    for name in ("pg_dump", "pg_restore"):
        _program(tmp_path, name, f'{listen}; exec {real}/{name} "$@"')
    canary = vault.parts.settings.db_password.get_secret_value()
    made = await vault.backups_with(tmp_path).run(step())
    await vault.drill(made.backup_id)
    for words in ("--format=custom", "--list"):
        assert words in said.read_text()
    assert canary not in said.read_text()
    for path in vault.files(made.backup_id).root.iterdir():
        assert canary.encode() not in path.read_bytes()
    _program(tmp_path, "pg_dump", f'[ "$1" = --version ] && exec {real}/pg_dump "$@"\necho failed: $* >&2\nexit 3')
    failing, asked = vault.backups_with(tmp_path), step()
    with pytest.raises(StonksError, match="PROGRAM_FAILED") as refused:
        await failing.run(asked)
    assert canary not in str(refused.value)
    ((error,),) = await vault.rows("SELECT error FROM backups WHERE backup_id = :id", id=asked.backup_id)
    assert canary not in error
    captured = capfd.readouterr()
    assert canary not in captured.out + captured.err


# -- as a workflow ----------------------------------------------------------------------------------------------------


async def test_workflow_when_asked_for_then_it_backs_up_drills_and_replays_histories(vault: Vault) -> None:
    database, client = vault.parts.database, vault.parts.client
    begun = await operations.begin(database, client, LINKS, actor="api:anna/1")
    await asyncio.sleep(1)  # another one would be named by another second
    with pytest.raises(Conflict, match="BACKUP_RUNNING"):
        await operations.begin(database, client, LINKS, actor="api:ben/1")
    async with working(vault.environment, Queue.OPS):
        made = await operations.wait(client, database, LINKS, begun.backup_id)
        assert (begun.state, made.state, made.requested_by) == (BackupState.RUNNING, BackupState.VERIFIED, "api:anna/1")
        with pytest.raises(NotFound, match="BACKUP_NOT_FOUND"):
            await operations.begin_drill(database, client, LINKS, "20000101T000000Z", actor="api:anna/1")
        drill = await operations.begin_drill(database, client, LINKS, made.backup_id, actor="api:anna/1")
        tried = await operations.wait_drill(client, database, LINKS, drill.drill_id)
    assert (tried.state, tried.flaw_count, tried.error) == (DrillState.PASSED, 0, "")
    assert tried.histories >= 2  # documents that were read, and the backup itself
    audited = await vault.rows("SELECT action FROM audit_log WHERE actor = 'api:anna/1' ORDER BY sequence")
    assert [action for (action,) in audited] == ["backup_begun", "backup_drill_begun"]


async def test_contents_when_compared_then_a_changed_row_is_noticed(vault: Vault) -> None:
    """What the tests of restoring compare with can tell."""
    before = await contents(vault.environment)
    await vault.rows("UPDATE companies SET name = name || '.' WHERE symbol = 'AAPL'")
    after = await contents(vault.environment)
    await vault.rows("UPDATE companies SET name = rtrim(name, '.') WHERE symbol = 'AAPL'")
    assert {table for table in before if before[table] != after[table]} == {"companies"}
