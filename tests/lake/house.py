"""A filled book, its lake, and what tests do with both."""

from __future__ import annotations

import asyncio
import itertools
import random
import string
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, Float, Integer, LargeBinary, Numeric, Table, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel
from temporalio.testing import ActivityEnvironment

import store.tables  # noqa: F401
from activities.adapters.lake.querying import QueryResult, query
from activities.publishing import PublishingActivities
from domain.cash import CashKind
from domain.lake import ExportRequest, TableExport
from domain.lake_tables import BY_NAME, TABLES
from store import lake_source
from tests.api.harness import Platform
from tests.api.library import Library, company
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

MADE_ROWS = 25
FIRST = datetime(2013, 11, 3, 1, 2, 3, 456_789, tzinfo=UTC)
DAYS = 70
_LISTS = ("checks", "quotes", "facts", "dropped", "clamps", "sections", "insights", "rules", "found")

_UNPROTECTED = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
    UNION ALL
    SELECT format('ALTER TABLE %s DISABLE TRIGGER USER', oid::regclass)
    FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
"""


class House:
    """The book and the lake, with the activities called as a worker calls them."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.database = platform.parts.database
        self.lake = platform.parts.lake
        self._made = itertools.count()
        self.activities: PublishingActivities = platform.parts.publishing_activities()

    async def furnish(self) -> None:
        """Real documents that were read, an order that was executed, and made rows in every table."""
        library = Library(self.platform)
        await library.open()
        for symbol in ("ZGS", "ZBA", "ZBM"):
            await library.assess(symbol)
        symbol = await company(self.platform, "LAKE")
        async with self.platform.working(Queue.TRADING):
            for quantity in (100, 37):
                request = await self.platform.order(symbol, quantity=quantity, publish=True)
                client = self.platform.parts.client
                await client.get_workflow_handle_for(ExecuteOrder.run, names.order_id(request.intent_id)).result()
        await self._open_the_book()
        for table in TABLES:
            await self.make(table.name, MADE_ROWS)

    async def _open_the_book(self) -> None:
        """Let tests write what they like: made rows refer to nothing, and append-only tables are changed too."""
        async with self.database.engine.begin() as connection:
            for statement in (await connection.execute(text(_UNPROTECTED))).scalars().all():
                await connection.execute(text(statement))

    async def make(self, table: str, count: int, **values: Any) -> list[dict[str, Any]]:
        """Add rows with values of every kind, and of the greatest length that a column can hold."""
        source = SQLModel.metadata.tables[BY_NAME[table].source]
        dice = random.Random(f"{table}/{next(self._made)}")
        rows = [{**_row(source, dice), **values} for _ in range(count)]
        async with self.database.engine.begin() as connection:
            await connection.execute(source.insert(), rows)
        return rows

    async def sql(self, statement: str, **values: Any) -> None:
        """Change the book."""
        async with self.database.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def export(self, table: str, publication: str = "") -> TableExport:
        request = ExportRequest(publication_id=publication or f"test/{uuid.uuid4()}", table=table)
        return await ActivityEnvironment().run(self.activities.publish_table, request)

    async def publish(self) -> dict[str, TableExport]:
        return {table.name: await self.export(table.name) for table in TABLES}

    async def in_lake(self, table: str) -> list[tuple[Any, ...]]:
        spec = BY_NAME[table]
        columns = ", ".join(f'"{each.name}"' for each in spec.columns)
        return sorted(await self.query(f'SELECT {columns} FROM "{table}"'), key=repr)

    async def in_book(self, table: str) -> list[tuple[Any, ...]]:
        """Every row as the lake should have it, read from the book by a statement of its own."""
        spec = BY_NAME[table]
        columns = ", ".join(f'{each.expression} AS "{each.name}"' for each in spec.columns)
        async with self.database.transaction() as session:
            rows = await lake_source.fetch(session, f'SELECT {columns} FROM "{spec.source}"')
        return sorted((tuple(row) for row in rows), key=repr)

    async def query(self, sql: str, *, limit: int = 1_000_000) -> list[tuple[Any, ...]]:
        return (await self.result(sql, limit=limit)).rows

    async def result(self, sql: str, *, limit: int = 1_000_000, seconds: float = 60.0) -> QueryResult:
        found = await asyncio.to_thread(query, self.lake, BY_NAME, sql, limit=limit, seconds=seconds)
        return found._replace(rows=[tuple(_plain(value) for value in row) for row in found.rows])

    async def snapshots(self, table: str) -> list[int]:
        found = await asyncio.to_thread(self.lake.find, BY_NAME[table])
        return [] if found is None else [each.snapshot_id for each in found.metadata.snapshots]


def _plain(value: Any) -> Any:
    """Instants with the zone that the driver gives them: they are compared by their text."""
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _row(source: Table, dice: random.Random) -> dict[str, Any]:
    return {column.name: _value(column, dice) for column in source.columns if column.computed is None}


def _value(column: Column[Any], dice: random.Random) -> Any:
    kind = column.type
    if (column.table.name, column.name) == ("cash_entries", "kind"):  # the database makes another column of it
        return dice.choice(list(CashKind)).value
    if column.nullable and dice.random() < 0.3:
        return None
    if isinstance(kind, Boolean):
        return dice.random() < 0.5
    if isinstance(kind, Numeric) and not isinstance(kind, Float):
        digits, scale = kind.precision or 1, kind.scale or 0
        length = dice.choice((1, scale, digits - 3 if digits < 39 else 36))
        return Decimal(dice.randrange(-(10**length), 10**length)).scaleb(-scale)
    if isinstance(kind, Float):
        return dice.uniform(-1, 1)
    if isinstance(kind, Integer):
        return dice.randrange(0, 2**31 if column.name not in ("latency_ms",) else 100)
    if isinstance(kind, DateTime):
        return FIRST + timedelta(days=dice.randrange(DAYS), microseconds=dice.randrange(86_400_000_000))
    if isinstance(kind, Date):
        return (FIRST + timedelta(days=dice.randrange(DAYS))).date()
    if isinstance(kind, JSONB):
        return [{"code": "MADE", "value": str(dice.random())}] * dice.randrange(3) if column.name in _LISTS else {}
    if isinstance(kind, ARRAY):
        return []
    if isinstance(kind, LargeBinary):
        return b""
    return "made-" + "".join(dice.choices(string.ascii_letters + "äß漢'\"\\ ", k=12)) + str(dice.random())
