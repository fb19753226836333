"""One cut through the book: a snapshot that the dump, the counts and the list of objects are all of.

The connection that exports the snapshot must stay open until whoever uses it has begun its own transaction, which a
dump does first; it stays open until the dump has ended, so that a slow start is no matter.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from domain.backups import RestoredCopy, object_of
from domain.errors import ConfigurationError
from domain.lake import CATALOG_SCHEMA
from store.database import BATCH, DatabaseSettings

SET_ASIDE = "before_restore_"
"""How schemas begin that keep what was there before a restoration."""
RESTORING = "restoring"
"""The schema that says that a restoration is under way, or was interrupted."""
LEFT_OUT = (f"{SET_ASIDE}*", CATALOG_SCHEMA)
"""No part of any backup, in the words of pg_dump. The lake is made of the book, and made again after a restoration."""

REFERENCES = {
    "documents.raw_key": "SELECT raw_key AS key FROM documents",
    "documents.answer_key": "SELECT answer_key FROM documents",
    "documents.text_key": "SELECT text_key FROM documents",
    "extractions.result_key": "SELECT result_key FROM extractions",
    "decision_records.record_key": "SELECT record_key FROM decision_records",
    "backtests.result.report_key": "SELECT result ->> 'report_key' FROM backtests",
    "backtests.result.page_key": "SELECT result ->> 'page_key' FROM backtests",
}
"""Every column of the book that names an object. What else lies in the object store belongs to work under way."""
_KEYS = (
    f"SELECT DISTINCT split_part(key, '@', 1) AS key FROM ({' UNION ALL '.join(REFERENCES.values())}) AS named "  # noqa: S608
    "WHERE key <> '' ORDER BY 1"
)
_TABLES = """
    SELECT schemaname, tablename FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'restoring', $2) AND NOT starts_with(schemaname, $1)
      AND schemaname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Cut:
    """An open snapshot and what it holds."""

    snapshot: str
    taken_at: datetime
    server_version: str
    schema_revision: str
    tables: dict[str, int]
    audit_head: str
    connection: Any

    async def keys(self) -> AsyncIterator[list[str]]:
        """The objects that the book names, some at a time, in order and once each."""
        async for batch in _keys(self.connection):
            yield batch


@asynccontextmanager
async def cut(settings: DatabaseSettings) -> AsyncIterator[Cut]:
    """Open a snapshot and count every table in it.

    Raises:
        ConfigurationError: the database has no schema of ours.
    """
    connection = await connect(settings)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            taken_at = await connection.fetchval("SELECT now()")
            copy = await contents(connection)
            if not copy.schema_revision:
                raise ConfigurationError(
                    "DATABASE_EMPTY", "There is nothing to back up: `stonks db upgrade` makes the tables"
                )
            yield Cut(
                snapshot=snapshot,
                taken_at=taken_at.astimezone(UTC),
                server_version=connection.get_settings().server_version,
                schema_revision=copy.schema_revision,
                tables=copy.tables,
                audit_head=copy.audit_head,
                connection=connection,
            )
    finally:
        await connection.close()


async def contents(connection: Any) -> RestoredCopy:
    """The schema's revision (empty: there is none) and the rows of every table."""
    named = [(row[0], row[1]) for row in await connection.fetch(_TABLES, SET_ASIDE, CATALOG_SCHEMA)]
    tables = {
        f"{schema}.{table}": int(await connection.fetchval(f'SELECT count(*) FROM "{schema}"."{table}"'))  # noqa: S608
        for schema, table in named
    }
    revision = ""
    if "public.alembic_version" in tables:
        revision = str(await connection.fetchval("SELECT version_num FROM public.alembic_version") or "")
    head = ""
    if "public.audit_log" in tables:
        newest = "SELECT entry_hash FROM public.audit_log ORDER BY sequence DESC LIMIT 1"
        head = str(await connection.fetchval(newest) or "")
    return RestoredCopy(schema_revision=revision, tables=tables, audit_head=head)


async def copy_of(settings: DatabaseSettings) -> RestoredCopy:
    """The contents of a database that nobody writes to."""
    connection = await connect(settings)
    try:
        return await contents(connection)
    finally:
        await connection.close()


async def named_objects(settings: DatabaseSettings) -> AsyncIterator[list[str]]:
    """The objects that a database names, some at a time."""
    connection = await connect(settings)
    try:
        async with connection.transaction(readonly=True):
            async for batch in _keys(connection):
                yield batch
    finally:
        await connection.close()


async def _keys(connection: Any) -> AsyncIterator[list[str]]:
    cursor = await connection.cursor(_KEYS)
    while rows := await cursor.fetch(BATCH):
        yield [object_of(row["key"]) for row in rows]


async def connect(settings: DatabaseSettings) -> Any:
    """A connection whose statements may take as long as they do: counting a large book takes minutes."""
    return await asyncpg.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password.get_secret_value(),
        database=settings.name,
        timeout=10,
        server_settings={"application_name": "stonks-backup"},
    )
