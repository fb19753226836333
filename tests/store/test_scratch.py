"""A drill's database is dropped whatever is at work in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from cli.stack import credentials
from cli.stack.supervisor import Stack
from store.book_cut import connect
from store.database import DatabaseSettings
from store.scratch import scratch_database
from workers.settings import load

pytestmark = pytest.mark.stack

SLOW = "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1"
"""Cleaning a table takes as long as a large one's does."""


@pytest.fixture
def settings(servers: Stack) -> DatabaseSettings:
    return load(servers.environment()).database()


@pytest.fixture
async def superuser(servers: Stack, settings: DatabaseSettings) -> AsyncIterator[Any]:
    """Of a server that looks for something to clean up every second."""
    kept = credentials.load(servers.directory.credentials)
    assert kept is not None
    password = SecretStr(kept.database_superuser_password)
    connection = await connect(settings.model_copy(update={"user": "postgres", "password": password}))
    await connection.execute("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    await connection.execute("SELECT pg_reload_conf()")
    yield connection
    await connection.execute("ALTER SYSTEM RESET autovacuum_naptime")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


async def test_scratch_when_the_server_cleans_it_up_and_a_connection_is_left_then_it_is_dropped_all_the_same(
    settings: DatabaseSettings, superuser: Any
) -> None:
    working = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'autovacuum worker'"
    async with scratch_database(settings, "busy") as scratch:
        left = await connect(scratch)
        await left.execute(f"CREATE TABLE large WITH ({SLOW}) AS SELECT repeat('x', 900) FROM generate_series(1, 5000)")
        await left.execute("DELETE FROM large")
        async with asyncio.timeout(60):
            while not await superuser.fetchval(working, scratch.name):
                await asyncio.sleep(0.1)
    assert not await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", scratch.name)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left.fetchval("SELECT 1")
    await left.close(timeout=5)
