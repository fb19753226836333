"""A connection that died at rest is replaced before anything is sent over it."""

from __future__ import annotations

import asyncio
import contextlib

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


async def test_statement_when_its_connection_died_at_rest_then_it_fails_once_at_the_most(stack: Stack) -> None:
    settings = load(stack.environment()).database()
    rested, other = Database(settings), Database(settings)

    async def backend() -> int:
        return int((await rested.run("SELECT pg_backend_pid() AS pid"))[0]["pid"])

    try:
        before = await backend()
        await other.run("SELECT pg_terminate_backend($1)", before)
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
            assert await backend() != before
        assert await backend() != before
    finally:
        await rested.close()
        await other.close()


async def test_statements_when_they_are_more_than_connections_then_all_have_their_turn(stack: Stack) -> None:
    settings = load(stack.environment()).database().model_copy(update={"pool_size": 2})
    used = Database(settings)
    try:
        found = await asyncio.gather(
            *(used.run("SELECT $1::int AS number, pg_backend_pid() AS pid", number) for number in range(20))
        )
        assert [rows[0]["number"] for rows in found] == list(range(20))
        assert len({rows[0]["pid"] for rows in found}) <= 2
    finally:
        await used.close()


async def test_json_when_it_stands_in_a_column_or_in_a_row_then_it_is_read_as_values(stack: Stack) -> None:
    used = Database(load(stack.environment()).database())
    body = {"text": "é", "list": [1, None]}
    try:
        for kind in ("json", "jsonb"):
            (row,) = await used.run(
                f"SELECT $1::{kind} AS plain, ($1::{kind}, 2) AS pair, ARRAY[$1::{kind}] AS many", body
            )
            assert (row["plain"], tuple(row["pair"]), row["many"]) == (body, (body, 2), [body])
        async with used.transaction() as session:
            connection = await session.connection()
            found = await connection.execute(text("SELECT '{\"list\": [1, null]}'::jsonb AS plain"))
            assert found.scalar_one() == {"list": [1, None]}
    finally:
        await used.close()
