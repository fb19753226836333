"""Files of historical documents, backfills of them, and what the book says afterwards."""

from __future__ import annotations

import csv
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle

from activities.backfill import BackfillActivities
from domain.backfill import BackfillReport, BackfillRequest, BackfillState
from domain.documents import Credibility
from domain.extraction import Extraction, ExtractionInput
from domain.sources import FileSourceConfig
from store import registry
from workers.main import KEEP_OBJECTS, build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.backfill_documents import BackfillDocuments
from workflows.names import Queue

Row = tuple[str, str, str, str]
"""Ticker, time, title, text."""

NUMBERS = itertools.count(1)
BEGIN = datetime(2014, 3, 3, 15, tzinfo=UTC)
SYMBOLS = ("AAPL", "INTC", "MSFT", "JPM", "GS", "CAT", "BA", "MCD")
OF_DOCUMENTS = (
    "evidence",
    "events",
    "macro_events",
    "extractions",
    "agent_performance_log",
    "document_bands",
    "document_symbols",
    "document_search",
)
"""Tables that hang on documents, those first on which nothing else hangs."""


class Archive:
    """The platform's parts, with files to read."""

    def __init__(self, parts: Parts, environment: Mapping[str, str], directory: Path) -> None:
        self.parts = parts
        self.environment = environment
        self.directory = directory

    def file(self, rows: Iterable[Row], *, name: str = "") -> Path:
        path = self.directory / f"{name or uuid.uuid4().hex[:8]}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["tickers", "published_at", "title", "text"])
            writer.writerows(rows)
        return path

    def request(self, path: Path, *, source_id: str = "", as_published: bool = False) -> BackfillRequest:
        return BackfillRequest(
            backfill_id=uuid.uuid4().hex[:16],
            source_id=source_id or f"archive-{next(NUMBERS)}-{uuid.uuid4().hex[:6]}",
            config=FileSourceConfig(path=str(path), publisher="Example Wire", credibility=Credibility.WIRE),
            as_published=as_published,
            actor="test",
        )

    async def start(self, request: BackfillRequest) -> WorkflowHandle[BackfillDocuments, BackfillReport]:
        return await self.parts.client.start_workflow(
            BackfillDocuments.run,
            BackfillState(request=request),
            id=names.backfill_id(request.backfill_id),
            task_queue=Queue.INGEST,
        )

    async def run(self, request: BackfillRequest) -> BackfillReport:
        return await (await self.start(request)).result()

    @asynccontextmanager
    async def working(
        self,
        *queues: Queue,
        extract: Callable[[ExtractionInput], Extraction] | None = None,
        change: Callable[[BackfillActivities], None] | None = None,
        **changes: str,
    ) -> AsyncIterator[Parts]:
        """Serve the queues in this process for a while, perhaps with another extractor or with changed activities."""
        parts = await Parts.connect(load({**self.environment, **changes}), keep_objects=KEEP_OBJECTS)
        activities = parts.backfill_activities()
        if extract is not None:
            activities.__dict__["_extract"] = extract
        if change is not None:
            change(activities)
        parts.__dict__["backfill_activities"] = lambda: activities
        try:
            async with AsyncExitStack() as running:
                for queue in queues or (Queue.INGEST,):
                    for worker in build_workers(queue, parts):
                        await running.enter_async_context(worker)
                yield parts
        finally:
            await parts.close()

    async def rows(self, table: str, source_id: str) -> list[dict[str, Any]]:
        """Rows of a table that belong to a source's documents, or to its runs."""
        if table in ("documents", "ingestion_runs"):
            statement = f"SELECT * FROM {table} WHERE source_id = $1"
        elif table == "rejects":
            statement = "SELECT * FROM rejects WHERE run_id IN (SELECT run_id FROM ingestion_runs WHERE source_id = $1)"
        else:
            statement = f"SELECT * FROM {table} WHERE doc_id IN (SELECT doc_id FROM documents WHERE source_id = $1)"
        return [dict(row) for row in await self.parts.database.run(statement, source_id)]

    async def counts(self, source_id: str) -> dict[str, int]:
        tables = ("documents", *OF_DOCUMENTS, "document_links", "rejects")
        return {table: len(await self.rows(table, source_id)) for table in tables}

    async def forget(self, source_id: str) -> None:
        """Take a source's documents out of the book, as if they had never been read."""
        run = self.parts.database.run
        ids = [row["doc_id"] for row in await self.rows("documents", source_id)]
        await run("DELETE FROM document_links WHERE doc_id = ANY($1) OR original_id = ANY($1)", ids)
        for table in (*OF_DOCUMENTS, "documents"):
            await run(f"DELETE FROM {table} WHERE doc_id = ANY($1)", ids)


@asynccontextmanager
async def opened(environment: Mapping[str, str], directory: Path) -> AsyncIterator[Archive]:
    parts = await Parts.connect(load(environment))
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with parts.database.transaction() as session:
            await registry.seed(session)
        yield Archive(parts, environment, directory)
    finally:
        await parts.close()


def stories(count: int, *, label: str = "") -> list[Row]:
    """Documents unlike each other, of which each says something about its company."""
    label = label or uuid.uuid4().hex
    rows: list[Row] = []
    for number in range(count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        own = " ".join(f"{label[:6]}{number}x{place}" for place in range(6))
        rows.append(
            (
                symbol,
                (BEGIN + timedelta(minutes=number)).isoformat(),
                f"{symbol} profit rose {number % 90 + 1} percent, beating expectations {own.split()[0]}",
                f"{symbol} said second-quarter profit rose to ${number + 1} million. {own}. It raised its forecast.",
            )
        )
    return rows


def comparable(rows: Sequence[dict[str, Any]], *, without: Iterable[str] = ()) -> list[str]:
    """Rows in an order of their own, without what differs from run to run."""
    left_out = {"recorded_at", "available_at", "run_id", "raw_key", "text_key", "result_key", "source_id"}
    left_out |= {"variant_id", *without}
    return sorted(
        json.dumps({name: value for name, value in row.items() if name not in left_out}, default=str, sort_keys=True)
        for row in rows
    )
