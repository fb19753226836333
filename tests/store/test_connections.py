"""A connection that died at rest is replaced before anything is sent over it."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy import text

from cli.stack.supervisor import Stack
from store import database
from store.database import Database
from workers.settings import load

pytestmark = pytest.mark.stack


async def _backend(of: Database) -> int:
    async with of.transaction() as session:
        connection = await session.connection()
        return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def test_connection_when_it_died_at_rest_then_the_next_transaction_gets_a_new_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load(stack.environment()).database()
    monkeypatch.setattr(database, "PING_AFTER_SECONDS", 0.0)
    rested, other = Database(settings), Database(settings)
    try:
        before = await _backend(rested)
        async with other.transaction() as session:
            connection = await session.connection()
            await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": before})
        assert await _backend(rested) != before
    finally:
        await rested.close()
        await other.close()


async def test_connection_when_it_is_alive_then_it_is_used_again(stack: Stack) -> None:
    used = Database(load(stack.environment()).database())
    try:
        assert await _backend(used) == await _backend(used)
    finally:
        await used.close()


async def test_connection_when_it_dies_under_a_statement_then_it_does_not_go_back_to_the_pool(stack: Stack) -> None:
    used = Database(load(stack.environment()).database())
    try:
        with pytest.raises(asyncpg.PostgresError):
            await used.run("SELECT pg_terminate_backend(pg_backend_pid())")
        assert (await used.run("SELECT 1 AS one"))[0]["one"] == 1
    finally:
        await used.close()
