"""The engine, transactions and bulk copies: PostgreSQL through asyncpg."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from operator import itemgetter
from typing import Any

import asyncpg
from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic_core import to_json
from sqlalchemy import URL, event, inspect, text
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

Run = Callable[..., Awaitable[list[Any]]]
"""Runs one statement with its values and returns its rows."""

WAIT_SECONDS = 10.0
"""For a connection, where all are in use."""
CLOSING_SECONDS = 5.0
PING_AFTER_SECONDS = 1.0
BATCH = 10_000
"""Rows that are fetched at a time where there may be millions."""


class DatabaseSettings(BaseModel):
    """Where PostgreSQL is and how to sign in."""

    model_config = ConfigDict(frozen=True)

    host: str
    port: int = 5432
    name: str = "stonks"
    user: str = "stonks"
    password: SecretStr
    pool_size: int = 8
    read_only: bool = False
    """Every transaction is one that reads: the server refuses to change a row."""

    def url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            password=self.password.get_secret_value(),
            host=self.host,
            port=self.port,
            database=self.name,
        )


class Database:
    """One engine a process. Use `transaction()` for everything that reads or writes rows.

    `run()` and `runner()` have connections of the driver's own pool: taking one from the engine's costs as much as a
    short statement does.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self._pool: asyncpg.Pool | None = None
        self.engine: AsyncEngine = create_async_engine(
            settings.url(),
            pool_size=settings.pool_size,
            max_overflow=settings.pool_size,
            pool_timeout=WAIT_SECONDS,
            connect_args=_connecting(settings),
        )
        _ping_after_rest(self.engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a session that commits at the end of the block and rolls back when it raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def run(self, statement: str, *values: Any) -> list[Any]:
        """Run one statement with the driver itself, as a transaction of its own, and return its rows.

        For what every document does: one round trip, and a third of the work of a session. Values are `$1`, `$2`...
        """
        async with self.runner() as run:
            return await run(statement, *values)

    @asynccontextmanager
    async def runner(self) -> AsyncIterator[Run]:
        """The same for several statements over one connection, each still a transaction of its own."""
        if self._pool is None:
            self._pool = self._make_pool()
        pool = await self._pool
        async with pool.acquire(timeout=WAIT_SECONDS) as connection:
            try:
                yield connection.fetch
            except asyncpg.InternalClientError:
                connection.terminate()  # the server has said goodbye, and its end has not come through yet
                raise

    def _make_pool(self) -> asyncpg.Pool:
        """Connections that are opened when they are needed; one that the server has closed is replaced."""
        settings = self.settings
        return asyncpg.create_pool(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value(),
            database=settings.name,
            init_size=0,
            min_size=0,
            max_size=settings.pool_size,
            init=_read_json,
            reset=_leave_as_it_is,
            **_connecting(settings),
        )

    async def copy(self, table: str, columns: Sequence[str], records: Iterable[Sequence[Any]]) -> None:
        """Insert many new rows with COPY, through a temporary table; rows whose key exists stay as they are."""
        rows = list(records)
        if not rows:
            return
        names = ", ".join(f'"{name}"' for name in columns)
        staging = f"staging_{table}"
        async with self.engine.begin() as connection:
            await connection.execute(text(f'CREATE TEMP TABLE "{staging}" (LIKE "{table}") ON COMMIT DROP'))
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.copy_records_to_table(staging, records=rows, columns=list(columns))
            await connection.execute(
                text(f'INSERT INTO "{table}" ({names}) SELECT {names} FROM "{staging}" ON CONFLICT DO NOTHING')  # noqa: S608
            )

    async def ping(self) -> None:
        """Run a real query; raises when the database cannot answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        if self._pool is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_SECONDS):  # then what is still in use is cut off
                    await self._pool.close()
        await self.engine.dispose()


def _connecting(settings: DatabaseSettings) -> dict[str, Any]:
    named = {"application_name": "stonks"}
    if settings.read_only:
        named["default_transaction_read_only"] = "on"
    return {"timeout": 5, "command_timeout": 60, "server_settings": named}


async def _read_json(connection: Any) -> None:
    """Have JSON columns as Python values, as the engine's connections do."""
    for name, version in (("json", b""), ("jsonb", b"\x01")):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            format="binary",  # text could not be read inside of a row
            encoder=lambda value, version=version: version + json.dumps(value).encode(),
            decoder=lambda value, version=version: json.loads(value[len(version) :]),
        )


async def _leave_as_it_is(connection: Any) -> None:
    """Statements that are transactions of their own leave nothing behind on a connection."""


def _ping_after_rest(engine: AsyncEngine) -> None:
    """Ask a connection whether it still lives when it rested a while; in a burst that would double the round trips.

    A connection that died within the second fails its transaction once, which the activity's retry repairs.
    """

    @event.listens_for(engine.sync_engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rests_since", math.inf) < PING_AFTER_SECONDS:
            return
        dialect = engine.sync_engine.dialect
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error  # the pool takes a new one


async def insert_new(session: AsyncSession, rows: Sequence[SQLModel]) -> int:
    """Insert rows whose primary or unique key is new; rows that exist stay untouched. Returns how many were new."""
    if not rows:
        return 0
    await session.flush()
    connection = await session.connection()
    result = await connection.execute(_insert(rows).on_conflict_do_nothing())
    return int(result.rowcount)


def insert_from_json(table: type[SQLModel], value: str) -> str:
    """The text of an INSERT of every row of a JSON array (see `as_json`); rows that exist stay untouched."""
    mapped: Any = inspect(table)
    name = mapped.local_table.name
    columns = ", ".join(f'"{column.name}"' for column in mapped.columns)
    rows = f'json_populate_recordset(NULL::"{name}", {value}::text::json)'
    return f'INSERT INTO "{name}" ({columns}) SELECT {columns} FROM {rows} ON CONFLICT DO NOTHING'  # noqa: S608


def as_json(rows: Sequence[SQLModel]) -> str:
    """Rows as one value, so that a statement has the same text, and stays prepared, for any number of them."""
    return f"[{','.join(row.model_dump_json() for row in rows)}]"


def value_as_json(row: Mapping[str, Any]) -> str:
    """As `as_json`, of one row that nobody made a model of: every column must be there."""
    return to_json(row).decode()


def values_as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return to_json(rows).decode()


async def fetch(session: AsyncSession, statement: str, *values: Any, seconds: float | None = None) -> list[Any]:
    """Run one statement with the driver itself inside the session's transaction, and return its rows.

    For batches: arrays go as they are. Values are `$1`, `$2`...; what the session has not flushed is not seen.
    `seconds` is how long it may take, where that is longer than a statement may as a rule.
    """
    driver = await _driver(session)
    rows: list[Any] = await driver.fetch(statement, *values, timeout=seconds)
    return rows


async def in_batches(session: AsyncSession, statement: str, *values: Any) -> AsyncIterator[list[Any]]:
    """Run one query as `fetch` does, and return its rows some at a time: a million of them are never there at once."""
    driver = await _driver(session)
    cursor = await driver.cursor(statement, *values)
    while rows := await cursor.fetch(BATCH):
        yield rows


async def in_groups(session: AsyncSession, statement: str, *values: Any) -> AsyncIterator[tuple[Any, list[Any]]]:
    """As `in_batches`, by the first column, which the statement orders by: each value of it with all its rows."""
    rows: list[Any] = []
    async for batch in in_batches(session, statement, *values):
        for key, found in groupby(batch, key=itemgetter(0)):
            if rows and rows[0][0] != key:
                yield rows[0][0], rows
                rows = []
            rows += found
    if rows:
        yield rows[0][0], rows


async def _driver(session: AsyncSession) -> Any:
    connection = await session.connection()
    raw = await connection.get_raw_connection()
    driver: Any = raw.driver_connection
    if not driver.is_in_transaction():  # the session begins one with its own first statement
        await connection.execute(text("SELECT 1"))
    return driver


async def upsert(session: AsyncSession, rows: Sequence[SQLModel]) -> None:
    """Insert rows, or replace the rows that carry the same primary key."""
    if not rows:
        return
    mapped: Any = inspect(type(rows[0]))
    keys = [column.name for column in mapped.primary_key]
    statement = _insert(rows)
    changed = {name: statement.excluded[name] for name in rows[0].model_dump() if name not in keys}
    await session.flush()
    connection = await session.connection()
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


async def lock(session: AsyncSession, key: int) -> None:
    """Hold an advisory lock until the transaction ends; wait for whoever holds it."""
    connection = await session.connection()
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _insert(rows: Sequence[SQLModel]) -> Insert:
    """An INSERT of the rows. The statement of a single row is compiled once and found again; that of several is not."""
    table: Any = type(rows[0])
    values = [_values(row) for row in rows]
    return insert(table.__table__).values(values[0] if len(values) == 1 else values)


def _values(row: SQLModel) -> dict[str, Any]:
    """The row's columns, without those that the database itself counts up or makes of others."""
    mapped: Any = inspect(type(row))
    made = {column.name for column in mapped.columns if column.identity is not None or column.computed is not None}
    return row.model_dump(exclude=made)
