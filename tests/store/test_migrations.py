"""Migrations lead to the tables that the code knows, step by step, and there and back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from cli.stack.supervisor import Stack
from store import migrate
from workers.settings import load

pytestmark = pytest.mark.stack


class Fresh:
    """A database of its own, at no revision."""

    def __init__(self, url: Any) -> None:
        self.engine: AsyncEngine = create_async_engine(url, poolclass=NullPool)
        self._config = Config()
        self._config.set_main_option("script_location", str(migrate._MIGRATIONS))
        self._config.attributes["url"] = url

    async def upgrade(self, revision: str = "head") -> None:
        await asyncio.to_thread(command.upgrade, self._config, revision)

    async def downgrade(self, revision: str) -> None:
        await asyncio.to_thread(command.downgrade, self._config, revision)

    async def tables(self) -> set[str]:
        async with self.engine.connect() as connection:
            return set(await connection.run_sync(lambda each: inspect(each).get_table_names()))

    async def differences(self) -> list[Any]:
        """What a migration from the database to the code's tables would do."""

        def compare(connection: Connection) -> list[Any]:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, SQLModel.metadata))

        async with self.engine.connect() as connection:
            return await connection.run_sync(compare)


@pytest.fixture
async def fresh(servers: Stack) -> AsyncIterator[Fresh]:
    url = load(servers.environment()).database().url()
    name = f"fresh_{uuid.uuid4().hex[:12]}"
    standing = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with standing.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    found = Fresh(url.set(database=name))
    yield found
    await found.engine.dispose()
    async with standing.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await standing.dispose()


async def test_migrations_when_applied_then_the_tables_are_those_of_the_code(fresh: Fresh) -> None:
    await fresh.upgrade()
    assert await fresh.differences() == []
    await fresh.upgrade()
    assert await fresh.differences() == []


async def test_drift_reports_when_migrated_there_and_back_then_only_that_table_comes_and_goes(fresh: Fresh) -> None:
    await fresh.upgrade("0004")
    before = await fresh.tables()
    await fresh.upgrade("0005")
    assert await fresh.tables() - before == {"drift_reports"}
    await fresh.downgrade("0004")
    assert await fresh.tables() == before
    await fresh.upgrade("0005")
    assert "drift_reports" in await fresh.tables()
