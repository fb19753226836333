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
from tests.databases import drop
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
    settings = load(servers.environment()).database()
    url = settings.url()
    name = f"fresh_{uuid.uuid4().hex[:12]}"
    standing = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with standing.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    found = Fresh(url.set(database=name))
    yield found
    await found.engine.dispose()
    await standing.dispose()
    await drop(settings, name)


async def test_migrations_when_applied_then_the_tables_are_those_of_the_code(fresh: Fresh) -> None:
    await fresh.upgrade()
    assert await fresh.differences() == []
    await fresh.upgrade()
    assert await fresh.differences() == []


async def test_search_when_migrated_there_and_back_then_rows_keep_what_they_had(fresh: Fresh) -> None:
    """Instants are those of the documents, and a signal's documents those of its terms."""
    await fresh.upgrade("0012")
    before = await fresh.tables()
    async with fresh.engine.begin() as connection:
        for statement in _BOOK_OF_0012:
            await connection.execute(text(statement))
    await fresh.upgrade("0013")
    assert await fresh.tables() - before == {"document_search"}
    async with fresh.engine.connect() as connection:
        known = await connection.execute(
            text(
                "SELECT e.available_at, s.available_at, d.available_at FROM documents d "
                "JOIN events e USING (doc_id) JOIN document_symbols s USING (doc_id)"
            )
        )
        (row,) = known.all()
        assert row[0] == row[1] == row[2]
        signals = await connection.execute(text("SELECT snapshot_id, doc_ids FROM signal_snapshots"))
        assert {row[0]: row[1] for row in signals} == {"told": ["d1", "d2"], "silent": []}
    await fresh.downgrade("0012")
    assert await fresh.tables() == before
    async with fresh.engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM events"))).scalar_one() == 1
    await fresh.upgrade()
    assert await fresh.differences() == []


_BOOK_OF_0012 = (
    "INSERT INTO companies (symbol, name, kind, sector, industry, cik, exchange, followed, origin, version) "
    "VALUES ('AAPL', 'Apple', 'stock', '', '', '', '', true, 'seed', 1)",
    "INSERT INTO sources (source_id, name, kind, config, cadence_seconds, cadence_closed_seconds, paused, removed, "
    "credibility, cursor, failures, last_error, created_at, updated_at, version) VALUES ('wire', '', 'file', '{}', 0, "
    "0, false, false, '', '', 0, '', now(), now(), 1)",
    "INSERT INTO documents (doc_id, content_hash, source_id, run_id, title, url, publisher, language, credibility, "
    "published_at, precision, available_at, recorded_at, location, raw_key, answer_key, text_key, story, sections, "
    "insights, shingles, status, error) VALUES ('d1', 'h', 'wire', 'r', 't', '', '', 'en', '', now(), 'instant', "
    "'2014-07-15 12:00+00', now(), '', 'raw', '', '', '', '[]', '[]', '{}', 'processed', '')",
    "INSERT INTO document_symbols (doc_id, symbol, label) VALUES ('d1', 'AAPL', '')",
    "INSERT INTO extractions (extraction_id, doc_id, agent, variant_id, experiment, shadow, superseded, extractor, "
    "extractor_version, status, result_key, quotes_total, quotes_valid, dropped, recorded_at) VALUES ('x1', 'd1', '', "
    "'', '', false, false, 'rules', '', '', '', 0, 0, '[]', now())",
    "INSERT INTO events (event_id, extraction_id, doc_id, type, materiality, horizon, confidence, facts, quotes) "
    "VALUES ('e1', 'x1', 'd1', 'other', 'low', 'days', 0.5, '[]', '[]')",
    "INSERT INTO signal_snapshots (snapshot_id, symbol, as_of, score_nano, company, macro, competitive, confirmation, "
    "conviction, contradiction, evidence_count, assessment) VALUES "
    '(\'told\', \'AAPL\', now(), 0, 0, 0, 0, 0, 0, 0, 0, \'{"attributions": [{"doc_id": "d2"}, {"doc_id": ""}, '
    '{"doc_id": "d1"}, {"doc_id": "d2"}]}\'), '
    "('silent', 'AAPL', now() - interval '1 hour', 0, 0, 0, 0, 0, 0, 0, 0, '{\"attributions\": []}')",
)


async def test_drift_reports_when_migrated_there_and_back_then_only_that_table_comes_and_goes(fresh: Fresh) -> None:
    await fresh.upgrade("0004")
    before = await fresh.tables()
    await fresh.upgrade("0005")
    assert await fresh.tables() - before == {"drift_reports"}
    await fresh.downgrade("0004")
    assert await fresh.tables() == before
    await fresh.upgrade("0005")
    assert "drift_reports" in await fresh.tables()
