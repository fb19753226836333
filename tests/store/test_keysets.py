"""Pages of lists: what is asked for, and how little is read for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest
from sqlalchemy import Column, DateTime, Index, MetaData, Table, Text, select

from cli.stack.supervisor import Stack
from store.database import Database
from store.keysets import Chosen, Position, newest_first_of
from workers.settings import load

AT = datetime(2026, 11, 26, tzinfo=UTC)


def test_conditions_when_some_values_are_none_then_those_are_left_out_and_the_places_are_counted_on() -> None:
    chosen = Chosen()
    chosen.add("source_id = {}", None)
    chosen.add("status = {}", "failed")
    chosen.before("available_at", "doc_id", (AT, "a1"))
    assert chosen.where == "WHERE status = $1 AND (available_at, doc_id) < ($2, $3)"
    assert chosen.values == ["failed", AT, "a1"]


def test_conditions_when_there_are_none_then_every_row_is_chosen() -> None:
    chosen = Chosen()
    chosen.add("status = {}", None)
    chosen.before("available_at", "doc_id", None)
    assert (chosen.where, chosen.values) == ("", [])


QUIET = 3_000
"""Rows that nothing followed for a while; behind them stand twenty times as many of others."""


@pytest.mark.stack
@pytest.mark.parametrize("before", [None, (AT - timedelta(minutes=62_500), "m"), (AT, "m")])
@pytest.mark.parametrize("last", [None, AT - timedelta(minutes=62_000)])
async def test_rows_of_one_when_it_was_quiet_for_long_then_the_others_are_not_walked_through(
    servers: Stack, before: Position | None, last: datetime | None
) -> None:
    told = Table(
        "told",
        MetaData(),
        Column("symbol", Text),
        Column("at", DateTime(timezone=True)),
        Column("key", Text),
        prefixes=["TEMPORARY"],
    )
    Index("told_newest", told.c.at, told.c.key)
    Index("told_of_symbol", told.c.symbol, told.c.at, told.c.key)
    database = Database(load(servers.environment()).database())
    page = newest_first_of(
        select(told), told.c.symbol, "QUIET", told.c.at, told.c.key, limit=20, last=last, before=before
    )
    plain = [
        (AT - timedelta(minutes=number), md5(str(number).encode()).hexdigest())
        for number in range(20 * QUIET, 21 * QUIET)
    ]
    plain = [each for each in plain if (last is None or each[0] <= last) and (before is None or each < before)]
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(told.create)
            await connection.exec_driver_sql(
                "INSERT INTO told SELECT CASE WHEN n < 20 * $1 THEN 'LOUD' ELSE 'QUIET' END, "
                "$2::timestamptz - n * interval '1 minute', md5(n::text) FROM generate_series(21 * $1 - 1, 0, -1) AS n",
                (QUIET, AT),
            )
            await connection.exec_driver_sql("ANALYZE told")
            rows = (await connection.execute(page)).all()
            assert [(row.at, row.key) for row in rows] == sorted(plain, reverse=True)[:20]
            text = str(page.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
            explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {text}")
            limited = explained.scalar_one()[0]["Plan"]
    finally:
        await database.close()
    (scan,) = limited["Plans"]
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Only Scan", "told_of_symbol"), scan
    assert scan["Local Hit Blocks"] + scan["Local Read Blocks"] < 10, scan  # a row of the page before is none of them
