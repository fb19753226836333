"""Sources in the book, runs of them, and what the book says afterwards."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

from sqlmodel import col, select
from temporalio.client import WorkflowHandle

from activities.adapters.contract import SourceAdapter
from domain.ingestion import IngestReport, IngestRequest
from domain.sources import SourceConfig, SourceKind, read_config
from store import sources
from store.tables.ingestion import Document, DocumentLink, IngestionRun, Source
from tests.web.server import HostileServer, Reply, reply
from workers.main import build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.ingest_source import IngestSource
from workflows.names import Queue

NUMBERS = itertools.count(1)
QUEUES = (Queue.INGEST, Queue.FETCH, Queue.OPS)
FAST = {
    "STONKS_RATE_WEB": "500",
    "STONKS_RATE_POLYGON": "500",
    "STONKS_RATE_POLYGON_NEWS": "500",
    "STONKS_RATE_POLYGON_BARS": "500",
    "STONKS_RATE_POLYGON_ACTIONS": "500",
    "STONKS_RATE_POLYGON_TICKERS": "500",
    "STONKS_CREDENTIAL_POLYGON_API_KEY": "canary-polygon-key-4711",
    "STONKS_FETCH_SECONDS": "4",
}


class Newsroom:
    """The platform's parts with a vendor that they may reach."""

    def __init__(self, parts: Parts, vendor: HostileServer, environment: Mapping[str, str]) -> None:
        self.parts = parts
        self.vendor = vendor
        self.environment = environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.vendor.port}"

    async def source(self, config: dict[str, Any], **options: Any) -> str:
        """Save a source of a new name and return its id."""
        source_id = f"{config['kind'].replace('_', '-')}-{next(NUMBERS)}-{uuid.uuid4().hex[:6]}"
        found: SourceConfig = read_config(config)
        async with self.parts.database.transaction() as session:
            await sources.save(session, source_id=source_id, config=found, created_at=datetime.now(UTC), **options)
        return source_id

    async def feed(self, path: str, **changes: Any) -> str:
        return await self.source({"kind": "feed", "url": self.url + path, "publisher": "Example Wire", **changes})

    async def start(self, source_id: str) -> WorkflowHandle[IngestSource, IngestReport]:
        """Start a run as a schedule does."""
        return await self.parts.client.start_workflow(
            IngestSource.run,
            IngestRequest(source_id=source_id),
            id=names.ingest_id(source_id, uuid.uuid4().hex),
            task_queue=Queue.INGEST,
        )

    async def run(self, source_id: str) -> IngestReport:
        return await (await self.start(source_id)).result()

    async def row(self, source_id: str) -> Source:
        async with self.parts.database.transaction() as session:
            return await sources.require(session, source_id)

    async def runs(self, source_id: str) -> list[IngestionRun]:
        async with self.parts.database.transaction() as session:
            return await sources.list_runs(session, source_id=source_id, limit=50)

    async def documents(self, source_id: str) -> list[Document]:
        async with self.parts.database.transaction() as session:
            rows = await session.exec(
                select(Document).where(Document.source_id == source_id).order_by(col(Document.published_at))
            )
            return list(rows.all())

    async def links(self, doc_id: str) -> list[DocumentLink]:
        async with self.parts.database.transaction() as session:
            rows = await session.exec(select(DocumentLink).where(DocumentLink.doc_id == doc_id))
            return list(rows.all())

    @asynccontextmanager
    async def working(
        self,
        *queues: Queue,
        adapters: Mapping[SourceKind, SourceAdapter] | None = None,
        calendar: Any = None,
        **changes: str,
    ) -> AsyncIterator[Parts]:
        """Serve the queues in this process for a while, with another adapter or calendar than the real one."""
        parts = await Parts.connect(load({**self.environment, **changes}))
        parts.__dict__["source_adapters"] = {**parts.source_adapters, **(adapters or {})}
        if calendar is not None:
            parts.__dict__["calendar"] = calendar
        try:
            async with AsyncExitStack() as running:
                for queue in queues or QUEUES:
                    for worker in build_workers(queue, parts):
                        await running.enter_async_context(worker)
                yield parts
        finally:
            await parts.close()


@asynccontextmanager
async def opened(environment: Mapping[str, str], vendor: HostileServer) -> AsyncIterator[Newsroom]:
    ours = {**environment, **FAST, "STONKS_FETCH_OWN_SERVERS": f"127.0.0.1:{vendor.port}"}
    parts = await Parts.connect(load(ours))
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        yield Newsroom(parts, vendor, ours)
    finally:
        await parts.close()


def rss(items: Sequence[tuple[str, str]], *, minutes_ago: int = 60) -> bytes:
    """A feed of (title, text), the first the newest."""
    now = datetime.now(UTC).replace(microsecond=0)
    entries = "".join(
        f"<item><title>{escape(title)}</title><description>{escape(text)}</description>"
        f"<guid isPermaLink='false'>{abs(hash(title))}</guid>"
        f"<pubDate>{format_datetime(now - timedelta(minutes=minutes_ago + number))}</pubDate></item>"
        for number, (title, text) in enumerate(items)
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>T</title>{entries}</channel></rss>".encode()


class Turns:
    """A reply for each request in turn; the last one stays."""

    def __init__(self, *replies: Reply) -> None:
        self._replies = list(replies)
        self.asked = 0

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        await self._replies[min(self.asked, len(self._replies)) - 1](writer)


def xml(body: bytes, *headers: tuple[str, str]) -> Reply:
    return reply(200, body, [("Content-Type", "application/rss+xml"), *headers])
