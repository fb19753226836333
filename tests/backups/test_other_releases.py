"""Backups that another release made: an older one's is brought up to date, a later one's is left alone."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel
from temporalio.testing import ActivityEnvironment

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import Backups
from activities.backup_directory import BackupDirectory, BackupFiles
from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.backups import BackupState, DrillState
from domain.decisions import TradingState
from domain.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from domain.lake import CATALOG_SCHEMA, ExportRequest, WhyWritten
from store import audit, backups, control
from store import migrate as schema
from store.book_cut import connect, copy_of
from store.database import Database
from store.objects import ObjectStore, key_for
from tests.backups.vault import BEGAN, Vault, contents, empty_book, open_vault, restore, step
from tests.conftest import stonks
from workers.parts import Parts
from workers.settings import Settings, load

pytestmark = pytest.mark.stack

FIRST = "0022"
"""The first revision whose release made backups."""
BEFORE_PEOPLE = "0013"
"""No release of it made any; its backup takes half of all migrations, and tables without a row in them."""
BODY = b"a document of before"
RAW = key_for("raw", hashlib.sha256(BODY).hexdigest())
ZEROES = {
    "ARRAY": "'{}'",
    "boolean": "false",
    "date": "now()",
    "jsonb": "'[]'",
    "text": "''",
    "timestamp with time zone": "now()",
}


async def _insert(connection: Any, table: str, **values: object) -> None:
    """A row of a table as its revision has it; what is not given and may not be missing is empty."""
    columns = await connection.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' "
        "AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL AND is_generated = 'NEVER'",
        table,
    )
    empty = {name: ZEROES.get(kind, "''" if "char" in kind else "0") for name, kind in columns if name not in values}
    names = ", ".join([*values, *empty])
    places = ", ".join([*(f"${number}" for number in range(1, len(values) + 1)), *empty.values()])
    await connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", *values.values())


async def _fill(settings: Settings, backup: str, revision: str) -> None:
    """A document with its object, an execution, a run and a backup under way, and an entry of the audit log."""
    connection = await connect(settings.database())
    await _insert(connection, "companies", symbol="AAPL", name="Apple", kind="stock", followed=True)
    await _insert(connection, "sources", source_id="wire", kind="file", config="{}")
    await _insert(connection, "documents", doc_id="d1", source_id="wire", raw_key=RAW, status="released")
    await _insert(connection, "document_symbols", doc_id="d1", symbol="AAPL")
    await _insert(connection, "ingestion_runs", run_id="r1", source_id="wire", status="running")
    await _insert(connection, "order_intents", intent_id="i1", symbol="AAPL", side="buy", state="filled")
    await _insert(connection, "orders", order_id="o1", intent_id="i1", client_order_id="c1", symbol="AAPL", side="buy")
    await _insert(connection, "fills", fill_id="f1", order_id="o1", symbol="AAPL", side="buy", quantity=3)
    # That release's table of the lake, which is another one since.
    await _insert(connection, "lake_exports", export_id="e1", table_name="documents", rows=9)
    if revision >= FIRST:
        await _insert(connection, "backups", backup_id=backup, state="running", trigger="hand", created_at=BEGAN)
    await connection.close()
    database = Database(settings.database())
    async with database.transaction() as session:
        entry: dict[str, Any] = {"actor": "anna", "action": "paused", "subject": "trading", "body": {}}
        await audit.append(session, key="before", recorded_at=BEGAN, **entry)
    await database.close()


async def _backup_of(servers: Stack, directory: Path, revision: str, *changes: str) -> BackupFiles:
    """A backup of a book at a revision, by those steps that write nothing to the book: so that release made it.

    Args:
        changes: statements that are run on the book before it is made.
    """
    async with empty_book(servers, directory) as environment:
        settings = load(environment)
        await asyncio.to_thread(schema.upgrade, settings.database(), revision)
        asked = step()
        await _fill(settings, asked.backup_id, revision)
        connection = await connect(settings.database())
        for change in changes:
            await connection.execute(change)
        await connection.close()
        objects, database = ObjectStore(settings.objects()), Database(settings.database())
        await objects.ensure_bucket()
        await objects.put(RAW, BODY)
        programs = PostgresPrograms(settings.backup_programs)
        made = Backups(
            database, objects, programs, BackupDirectory(directory), product="0.0.9", now=lambda: datetime.now(UTC)
        )
        await made.dump(asked)
        await made.copy_objects(asked)
        await made.write_manifest(asked)
        await database.close()
        objects.close()
    return made.directory.of(asked.backup_id)


@pytest.fixture
async def room(servers: Stack, tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with empty_book(servers, tmp_path) as environment:
        yield environment


@pytest.fixture
async def installation(servers: Stack, tmp_path: Path) -> AsyncIterator[Vault]:
    """One of today's release, in use."""
    async with open_vault(servers, tmp_path / "here") as made:
        await made.documents(1)
        yield made


async def _differences(database: Database) -> list[Any]:
    """What a migration from the database to the code's tables would do."""

    def compare(connection: Connection) -> list[Any]:
        return list(
            compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), SQLModel.metadata)
        )

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)


@pytest.mark.parametrize("revision", [BEFORE_PEOPLE, FIRST])
async def test_backup_when_of_an_older_release_then_every_row_is_there_and_the_schema_is_todays(
    servers: Stack, tmp_path: Path, room: dict[str, str], revision: str
) -> None:
    files = await _backup_of(servers, tmp_path / "then", revision)
    manifest = files.manifest()
    assert (manifest.versions.schema_revision, manifest.tables["public.lake_exports"]) == (revision, 1)
    report = await restore(room, files)
    assert (report.rows, report.objects) == (manifest.rows, 1)
    assert (report.settled.runs, report.settled.documents) == (1, 1)
    settings = load(room)
    copy = await copy_of(settings.database())
    assert copy.schema_revision == schema.head()
    for table in ("companies", "documents", "document_symbols", "fills", "orders", "sources"):
        assert copy.tables[f"public.{table}"] == manifest.tables[f"public.{table}"] == 1, table
    objects, database = ObjectStore(settings.objects()), Database(settings.database())
    assert await objects.get(RAW) == BODY
    assert await _differences(database) == []
    async with database.transaction() as session:
        assert (await audit.verify(session)).whole
        assert (await control.state(session)).state == TradingState.HALTED
        assert (await backups.require(session, manifest.backup_id)).state == BackupState.VERIFIED
    await database.close()
    objects.close()


async def test_lake_when_the_backup_is_older_than_it_then_it_is_made_of_the_restored_book(
    servers: Stack, tmp_path: Path, installation: Vault
) -> None:
    asked = ExportRequest(publication_id="publish-lake/by-hand", table="documents")
    publish = installation.parts.publishing_activities().publish_table
    await ActivityEnvironment().run(publish, asked)
    await installation.parts.database.close()
    files = await _backup_of(servers, tmp_path / "then", FIRST)
    await restore(installation.environment, files, replace=True)
    parts = Parts(load(installation.environment), client=installation.parts.client)
    try:
        assert await parts.database.run("SELECT export_id FROM lake_exports") == []
        assert await parts.database.run("SELECT 1 FROM pg_tables WHERE schemaname = $1", CATALOG_SCHEMA) == []
        again = await ActivityEnvironment().run(parts.publishing_activities().publish_table, asked)
    finally:
        await parts.close()
    assert (again.reason, again.rows) == (WhyWritten.FIRST, 1)


async def test_drill_when_the_backup_is_of_an_older_release_then_it_passes(
    servers: Stack, tmp_path: Path, installation: Vault
) -> None:
    files = await _backup_of(servers, installation.root, FIRST)
    await _note(installation, files)
    drilled = await installation.drill(files.root.name)
    assert drilled.state is DrillState.PASSED, drilled
    assert drilled.findings.rows == files.manifest().rows


async def _note(installation: Vault, files: BackupFiles) -> None:
    """Let the book have a backup as one of its own."""
    connection = await connect(installation.parts.settings.database())
    await _insert(connection, "backups", backup_id=files.root.name, state="verified", trigger="hand", created_at=BEGAN)
    await connection.close()


TAKEN = "CREATE TABLE ix_lake_exports_of_table (name text)"
"""Somebody's own table, of the name of an index that a later migration makes."""


async def test_backup_when_it_cannot_be_brought_up_to_date_then_what_was_there_is_there_again(
    servers: Stack, installation: Vault
) -> None:
    files = await _backup_of(servers, installation.root, FIRST, TAKEN)
    await _note(installation, files)
    said = rf"MIGRATION_FAILED: schema={FIRST}, known={schema.head()}, problem=.*ix_lake_exports_of_table"
    databases = await installation.databases()
    with pytest.raises(Conflict, match=said):
        await installation.drill(files.root.name)
    assert await installation.databases() == databases
    before = await contents(installation.environment)
    await installation.parts.database.close()
    with pytest.raises(Conflict, match=said):
        await restore(installation.environment, files, replace=True)
    assert await contents(installation.environment) == before
    await asyncio.to_thread(migrate, installation.environment)  # and it may start


# -- of a later release -----------------------------------------------------------------------------------------------

LATER = (
    "UPDATE alembic_version SET version_num = '9999'",
    "ALTER TABLE fills ADD COLUMN venue text NOT NULL DEFAULT ''",
)
REFUSED = rf"BACKUP_OF_A_LATER_RELEASE: release=0\.0\.9, schema=9999, known={schema.head()}\.? Use the release that"


async def test_backup_when_of_a_later_release_then_it_is_refused_before_anything_is_touched(
    servers: Stack, tmp_path: Path, installation: Vault
) -> None:
    files = await _backup_of(servers, installation.root, schema.head(), *LATER)
    await _note(installation, files)
    databases = await installation.databases()
    with pytest.raises(ConfigurationError, match=REFUSED):
        await installation.drill(files.root.name)
    assert await installation.databases() == databases
    before = await contents(installation.environment)
    await installation.parts.database.close()
    with pytest.raises(ConfigurationError, match=REFUSED):
        await restore(installation.environment, files, replace=True)
    assert await contents(installation.environment) == before
    with pytest.raises(NotFound):
        await installation.parts.objects.get(RAW)
    state = tmp_path / "state"
    done = await asyncio.to_thread(stonks, "restore", str(files.root), "--state", str(state))
    assert done.returncode != 0
    assert re.search(REFUSED, " ".join(done.stderr.split()))
    assert not state.exists()


async def test_manifest_when_of_a_later_format_then_that_is_said_and_not_that_it_was_changed(
    servers: Stack, tmp_path: Path, room: dict[str, str]
) -> None:
    files = await _backup_of(servers, tmp_path / "then", schema.head())
    body = json.loads(files.manifest_path.read_text())
    files.manifest_path.write_text(json.dumps({**body, "format": 2, "kept_for": "a year"}))
    with pytest.raises(InvalidInput, match=r"^MANIFEST_FORMAT: found=2, allowed=1\. Use the release that wrote it"):
        await restore(room, files)
    assert await contents(room) == {}
