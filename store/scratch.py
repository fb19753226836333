"""Databases that a drill restores into: made for it, and dropped whatever came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from domain.errors import ConfigurationError
from store.book_cut import connect
from store.database import DatabaseSettings

_MARK = "_drill_"


@asynccontextmanager
async def scratch_database(settings: DatabaseSettings, name: str) -> AsyncIterator[DatabaseSettings]:
    """Make an empty database beside the book's, and drop it at the end of the block.

    What an earlier drill left behind is dropped first: at most one is under way.

    Raises:
        ConfigurationError: the role may not make databases.
    """
    called = f"{settings.name}{_MARK}{name.lower()}"
    connection = await connect(settings)
    try:
        await _drop_leftovers(connection, settings.name)
        try:
            await connection.execute(f'CREATE DATABASE "{called}" TEMPLATE template0')
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                "ROLE_MAY_NOT_MAKE_DATABASES",
                f'A drill restores into a database of its own: ALTER ROLE "{settings.user}" CREATEDB',
                role=settings.user,
            ) from error
        try:
            yield settings.model_copy(update={"name": called})
        finally:
            await drop_database(connection, called)
    finally:
        await connection.close()


async def _drop_leftovers(connection: Any, name: str) -> None:
    rows = await connection.fetch(
        "SELECT datname FROM pg_database WHERE starts_with(datname, $1) "
        "AND datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)",
        name + _MARK,
    )
    for row in rows:
        await drop_database(connection, row["datname"])


async def drop_database(connection: Any, name: str) -> None:
    """Drop a database with our connections to it.

    Without FORCE: the server ends its own cleaning (autovacuum) for whoever drops a database, but with FORCE it asks
    for the right to end it, which only superusers have. A book that was just restored is being cleaned.
    """
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = $1 AND usename = current_user AND pid <> pg_backend_pid()",
        name,
    )
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
