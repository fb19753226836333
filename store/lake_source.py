"""The book as the lake reads it: at one cut, part by part, some rows at a time.

What changed since an export is told by the transactions that wrote the rows (`xmin`), never by a time in them: a row
may be committed long after the instant it carries. An export remembers its *horizon*: before it every transaction had
ended, and what it wrote was seen. A row written by that transaction or a later one may be new, and is read again. An
update writes a row anew. What was removed is told by counting (`domain.lake.parts_to_write`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from domain.lake import BookCut, BookPart, LakeTable, LakeType, Partition, bounds
from store.database import Database, fetch, in_batches

_CUT = """
    SELECT (SELECT system_identifier FROM pg_control_system())::text || '/' || database.oid::text AS cluster,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_transaction,
        now() AS at
    FROM pg_database AS database WHERE database.datname = current_database()
"""
_EVERYTHING_AGES = 2**31 - 1
WALK_SECONDS = 1_800.0
"""For going through a whole table."""


@asynccontextmanager
async def reading(database: Database) -> AsyncIterator[AsyncSession]:
    """A transaction that sees the book as it is at its first statement, to its end."""
    async with database.transaction() as session:
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
        yield session


async def cut(session: AsyncSession) -> BookCut:
    """Where the transaction looks from. `at` is when it began: what was committed by then is seen for sure."""
    (row,) = await fetch(session, _CUT)
    return BookCut(**dict(row))


async def parts(session: AsyncSession, table: LakeTable, *, since: int | None) -> list[BookPart]:
    """Every part of a table with its rows, and how many of them are new since a horizon; None: all are.

    Both ages are counted from the same transaction, so that 32 bits suffice for as long as `domain.lake.why` allows.
    """
    limit = _EVERYTHING_AGES if since is None else "age(($1::bigint % 4294967296)::text::xid)"
    rows = await fetch(
        session,
        f"SELECT {_number(table)} AS number, count(*) AS rows, "  # noqa: S608 - names of our own
        f"count(*) FILTER (WHERE age(xmin) <= {limit}) AS changed "
        f'FROM "{table.source}" GROUP BY 1 ORDER BY 1',
        *(() if since is None else (since,)),
        seconds=WALK_SECONDS,
    )
    return [BookPart(**dict(row)) for row in rows]


def rows(session: AsyncSession, table: LakeTable, number: int) -> AsyncIterator[list[Any]]:
    """The rows of one part, in the table's order, some thousands at a time."""
    columns = ", ".join(f'{each.expression} AS "{each.name}"' for each in table.columns)
    order = ", ".join(f'"{table.source}"."{name}"' for name in table.order)
    statement = f'SELECT {columns} FROM "{table.source}"'  # noqa: S608 - names of our own
    values: tuple[datetime, ...] = ()
    if table.partition is not Partition.NONE:
        values = bounds(table.partition, number)
        kind = "date" if table.column(table.event).type is LakeType.DAY else "timestamptz"
        statement += f' WHERE "{table.event}" >= $1::{kind} AND "{table.event}" < $2::{kind}'
        if kind == "date":
            return in_batches(session, f"{statement} ORDER BY {order}", *(each.date() for each in values))
    return in_batches(session, f"{statement} ORDER BY {order}", *values)


def _number(table: LakeTable) -> str:
    """A row's part, as `domain.lake.part_of` counts."""
    if table.partition is Partition.NONE:
        return "0"
    plain = table.column(table.event).type is LakeType.DAY
    when = f'"{table.event}"' if plain else f"(\"{table.event}\" AT TIME ZONE 'UTC')"
    years = f"(extract(year FROM {when})::int - 1970)"
    return years if table.partition is Partition.YEAR else f"{years} * 12 + extract(month FROM {when})::int - 1"
