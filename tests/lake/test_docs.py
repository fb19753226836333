from __future__ import annotations

import asyncio
import re
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from domain.lake import LakeType
from domain.lake_tables import TABLES
from store import lake_source
from tests.conftest import REPOSITORY
from tests.lake import docs
from tests.lake.house import House
from workers.settings import load

PAGE = (REPOSITORY / "docs" / "lake.md").read_text(encoding="utf-8")
PASSWORD = "analysts-own"
SECRET = re.compile(
    r"password|secret|key_hash|(^|_)token$|session_id|cookie|shingles|^body$|^text$|^answer$|^title$|^quote$|thesis"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


def test_page_of_the_tables_when_compared_with_their_description_then_it_is_the_same() -> None:
    assert docs.PAGE.read_text(encoding="utf-8") == docs.page()


def test_tables_when_described_then_they_hold_no_text_and_nothing_that_lets_anybody_in() -> None:
    assert {table.source for table in TABLES}.isdisjoint(
        {
            "api_keys",
            "people",
            "sign_in_sessions",
            "notifications",
            "audit_log",
            "document_search",
            "theses",
            "kept_answers",
        }
    )
    for table in TABLES:
        assert [each.name for each in table.columns if SECRET.search(each.name)] == [], table.name
        assert len({each.name for each in table.columns}) == len(table.columns)
        if table.event:
            assert table.column(table.event).type in (LakeType.INSTANT, LakeType.DAY)


async def test_examples_when_run_on_a_published_book_then_they_answer(house: House) -> None:
    layers, slippage, costs = [await house.result(sql) for sql in blocks("sql")[:3]]

    assert layers.columns == ("layer", "said", "hits", "basis_points")
    assert layers.rows
    assert all(
        layer in ("company", "macro", "competitive") and 0 <= hits <= said for layer, said, hits, _ in layers.rows
    )
    assert [row for row in slippage.rows if row[0] == "LAKE"] == [("LAKE", "buy", 137, 0, 0.0)]
    async with house.database.transaction() as session:
        book = await lake_source.fetch(
            session,
            "SELECT agent, count(DISTINCT doc_id), count(*) FROM agent_performance_log"
            ' WHERE NOT cached AND NOT shadow GROUP BY 1 ORDER BY agent COLLATE "C"',
        )
    assert [tuple(row)[:3] for row in costs.rows] == [tuple(row) for row in book]


async def test_roles_and_reader_of_the_page_when_used_then_they_read_the_lake_and_not_the_book(
    house: House, migrated: dict[str, str]
) -> None:
    settings = load(migrated)
    for statement in blocks("sql")[3].replace("'...'", f"'{PASSWORD}'").split(";")[:-1]:
        async with house.database.engine.begin() as connection:
            await connection.execute(text(statement))
    where = f"{settings.db_host}:{settings.db_port}/{settings.db_name}"
    program = (
        blocks("python")[0]
        .replace("analyst:...@postgres:5432/stonks", f"analyst:{PASSWORD}@{where}")
        .replace("http://object-store:8333", settings.s3_endpoint)
        .replace('access-key-id": "..."', f'access-key-id": "{settings.s3_access_key.get_secret_value()}"')
        .replace('secret-access-key": "..."', f'secret-access-key": "{settings.s3_secret_key.get_secret_value()}"')
    )  # fmt: skip
    found: dict[str, Any] = {}

    await asyncio.to_thread(exec, program, found)

    ((expected,),) = await house.query("SELECT count(*) FROM fills WHERE filled_at >= '2014-07-01'")
    assert found["fills"].num_rows == expected > 0
    analyst = await asyncpg.connect(
        host=settings.db_host, port=settings.db_port, user="analyst", password=PASSWORD, database=settings.db_name
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.fetch("SELECT * FROM public.fills")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await analyst.execute("DELETE FROM lake.iceberg_tables")
    await analyst.close()
    async with house.database.engine.begin() as connection:
        for statement in (
            "REVOKE ALL ON ALL TABLES IN SCHEMA lake FROM analyst",
            "REVOKE ALL ON SCHEMA lake FROM analyst",
            "DROP ROLE analyst",
        ):
            await connection.execute(text(statement))


def test_trinos_catalog_when_read_then_it_is_the_one_that_is_written() -> None:
    from activities.adapters.lake.settings import CATALOG, FOLDER, NAMESPACE
    from domain.lake import CATALOG_SCHEMA

    (properties,) = blocks("properties")

    assert f"iceberg.jdbc-catalog.catalog-name={CATALOG}\n" in properties
    assert f"currentSchema={CATALOG_SCHEMA}\n" in properties
    assert f"default-warehouse-dir=s3://stonks/{FOLDER}\n" in properties
    assert f"`lake.{NAMESPACE}.fills`" in PAGE
