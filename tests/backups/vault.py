"""A book of a test's own on the shared servers, with its objects, its namespace and its directory of backups."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlmodel import SQLModel

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import Backups
from activities.backup_directory import BackupFiles
from activities.restoring import Restorer
from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.backup_run import BackupOutcome, BackupStep, DrillOutcome, DrillStep, RestoreReport
from domain.backups import Trigger, backup_id
from store import registry
from store.book_cut import connect
from store.objects import ObjectStore
from tests.asking.platform import process, register, working
from tests.databases import drop
from tests.namespaces import new_namespace
from workers.parts import Parts
from workers.settings import load

_SECONDS = itertools.count()
BEGAN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""Before anything that a command or a route begins at the present."""


def next_instant() -> datetime:
    """An instant of another second each time: backups are named by it."""
    return BEGAN + timedelta(seconds=next(_SECONDS))


def step(trigger: Trigger = Trigger.DIRECT) -> BackupStep:
    at = next_instant()
    return BackupStep(backup_id=backup_id(at), trigger=trigger, requested_by="cli:anna", as_of=at)


class Vault:
    def __init__(self, parts: Parts, environment: Mapping[str, str]) -> None:
        self.parts = parts
        self.environment = dict(environment)

    @property
    def backups(self) -> Backups:
        return self.parts.backups()

    def backups_with(self, programs: Path) -> Backups:
        """Backups that are made with other programs."""
        return Backups(
            self.parts.database,
            self.parts.objects,
            PostgresPrograms(programs),
            self.parts.backup_directory,
            product="test",
            now=lambda: datetime.now(UTC),
        )

    @property
    def root(self) -> Path:
        return self.parts.settings.backups

    def files(self, backup: str) -> BackupFiles:
        return self.parts.backup_directory.of(backup)

    async def documents(self, count: int) -> None:
        """Read some documents, so that the book names objects."""
        async with working(self.environment) as parts:
            await process(parts, *[await register(parts) for _ in range(count)])

    async def back_up(self) -> BackupOutcome:
        return await self.backups.run(step())

    async def drill(self, backup: str = "") -> DrillOutcome:
        at = next_instant()
        asked = DrillStep(
            drill_id=backup_id(at), backup_id=backup, trigger=Trigger.DIRECT, requested_by="cli:anna", as_of=at
        )
        return await self.parts.drills().run(asked)

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with self.parts.database.engine.begin() as connection:
            found = await connection.execute(text(statement), values)
            return [tuple(row) for row in found] if found.returns_rows else []

    async def add(self, row: SQLModel) -> None:
        async with self.parts.database.transaction() as session:
            session.add(row)

    async def events(self, backup: str) -> list[str]:
        rows = await self.rows("SELECT event FROM outbox WHERE subject_id = :id ORDER BY sequence", id=backup)
        return [event for (event,) in rows]

    async def databases(self) -> set[str]:
        return {name for (name,) in await self.rows("SELECT datname FROM pg_database")}


@asynccontextmanager
async def empty_book(stack: Stack, directory: Path, **changes: str) -> AsyncIterator[dict[str, str]]:
    """The environment of an empty database, dropped afterwards, and of a bucket that is not there yet."""
    name = f"book_{uuid.uuid4().hex[:12]}"
    environment = {
        **stack.environment(),
        "STONKS_MODE": "paper",
        "STONKS_DB_NAME": name,
        "STONKS_S3_BUCKET": name.replace("_", "-"),
        "STONKS_BACKUP_DIRECTORY": str(directory),
        **changes,
    }
    settings = load(stack.environment()).database()
    connection = await connect(settings)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    try:
        yield environment
    finally:
        await drop(settings, name)


@asynccontextmanager
async def open_vault(stack: Stack, directory: Path, **changes: str) -> AsyncIterator[Vault]:
    """A migrated book with the packaged companies, and a namespace of its own."""
    async with empty_book(stack, directory, **changes) as environment:
        environment["STONKS_TEMPORAL_NAMESPACE"] = environment["STONKS_S3_BUCKET"]
        await asyncio.to_thread(migrate, environment)
        await new_namespace(stack, environment["STONKS_TEMPORAL_NAMESPACE"])
        parts = await Parts.connect(load(environment))
        try:
            await parts.objects.ensure_bucket()
            async with parts.database.transaction() as session:
                await registry.seed(session)
            yield Vault(parts, environment)
        finally:
            await parts.close()


async def restore(
    environment: Mapping[str, str], files: BackupFiles, *, replace: bool = False, at: datetime | None = None
) -> RestoreReport:
    """Restore into the book of an environment, as the command does."""
    settings = load(dict(environment))
    objects = ObjectStore(settings.objects())
    try:
        restorer = Restorer(
            settings.database(),
            objects,
            PostgresPrograms(settings.backup_programs),
            now=lambda: at or datetime.now(UTC),
        )
        return await restorer.restore(files, replace=replace, actor="cli:anna")
    finally:
        objects.close()


async def contents(environment: Mapping[str, str]) -> dict[str, str]:
    """A hash of all rows of every table: equal where, and only where, every row is."""
    connection = await connect(load(dict(environment)).database())
    try:
        tables = [
            row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        return {
            table: await connection.fetchval(
                f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM public.\"{table}\" AS t"
            )
            for table in tables
        }
    finally:
        await connection.close()


def copied(files: BackupFiles, folder: Path) -> BackupFiles:
    """A backup and the objects beside it somewhere else: what is done to it there spoils no other test's."""
    shutil.copytree(files.root, folder / files.root.name)
    shutil.copytree(files.objects, folder / "objects")
    return BackupFiles(folder / files.root.name, folder / "objects")
