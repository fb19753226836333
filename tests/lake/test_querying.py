from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import InvalidInput, NotFound
from domain.lake_tables import BY_NAME
from tests.lake.house import House


async def test_query_when_tables_are_joined_then_answer_is_the_books(house: House) -> None:
    found = await house.result(
        "SELECT f.symbol, sum(f.quantity * f.price) AS paid, min(f.filled_at) AS first"
        " FROM fills f JOIN orders o USING (order_id) JOIN order_intents i USING (intent_id)"
        " WHERE f.symbol = 'LAKE' GROUP BY 1"
    )

    assert found.columns == ("symbol", "paid", "first")
    ((symbol, paid, first),) = found.rows
    assert (symbol, paid) == ("LAKE", Decimal(137 * 50))
    assert isinstance(first, datetime)
    assert first.tzinfo is UTC


async def test_query_when_there_are_more_rows_than_asked_for_then_it_says_so(house: House) -> None:
    found = await house.result("SELECT * FROM range(1_000_000_000_000)", limit=3)

    assert (found.rows, found.more) == ([(0,), (1,), (2,)], True)
    assert not (await house.result("SELECT * FROM range(3)", limit=3)).more


@pytest.mark.parametrize(
    "sql",
    [
        "COPY fills TO 'fills.csv'",
        "CREATE TABLE t AS SELECT 1",
        "INSERT INTO fills SELECT * FROM fills",
        "DROP VIEW fills",
        "ATTACH 'other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CREATE SECRET (TYPE s3)",
        "SELECT 1; SELECT 2",
        "EXPORT DATABASE 'x'",
        "",
    ],
)
async def test_query_when_it_is_more_than_reading_then_it_is_refused(house: House, sql: str) -> None:
    with pytest.raises(InvalidInput, match=r"LAKE_QUERY_(REFUSED|INVALID)"):
        await house.result(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM read_blob('{file}')",
        "SELECT * FROM read_json('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "SELECT * FROM read_parquet('s3://stonks/x.parquet')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM house",  # a variable of this process
        "SELECT getenv('PATH')",
    ],
)
async def test_query_when_it_reaches_for_anything_else_then_it_gets_nothing(
    house: House, tmp_path: Path, sql: str
) -> None:
    file = tmp_path / "secret.csv"
    file.write_text("a,b\n1,2\n", encoding="utf-8")

    with pytest.raises(InvalidInput, match="LAKE_QUERY_INVALID"):
        await house.result(sql.format(file=file))


async def test_query_when_it_takes_too_long_then_it_is_ended(house: House) -> None:
    endless = "SELECT count(*) FROM range(1_000_000_000) a, range(1_000_000_000) b WHERE a.range + b.range = -1"

    with pytest.raises(InvalidInput, match=r"LAKE_QUERY_TOO_LONG: allowed_seconds=0\.2"):
        await house.result(endless, seconds=0.2)


async def test_query_when_a_table_was_never_published_then_it_says_what_to_do(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BY_NAME, "unborn", BY_NAME["fills"].model_copy(update={"name": "unborn"}))  # type: ignore[attr-defined]

    with pytest.raises(NotFound, match=r"LAKE_TABLE_UNPUBLISHED: table=unborn\. `stonks lake publish` writes it"):
        await house.result("SELECT * FROM unborn")
