"""Documents through the real workflows, read by the double of a model server."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from cli.stack.supervisor import Stack
from domain.documents import DatePrecision, SourceDocument
from domain.ingestion import DocumentOutcome, DocumentRequest
from domain.sources import FileSourceConfig
from store import documents, sources
from store.objects import key_for
from store.tables.agents import AgentVariant
from store.tables.ingestion import Document, DocumentSymbol
from tests.model_server.server import MODEL
from workers.main import KEEP_OBJECTS, build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.names import Queue
from workflows.process_document import ProcessDocument

NOW = datetime(2014, 7, 15, 20, tzinfo=UTC)
SOURCE = "agents-wire"
_minutes = itertools.count(5)
QUEUES = (Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH)


def later() -> datetime:
    """An instant after every document, another one each time: a symbol is assessed once at an instant."""
    return NOW + timedelta(minutes=next(_minutes))


def environment(stack: Stack, url: str, **changes: str) -> dict[str, str]:
    """The servers', with a model server that every agent uses."""
    return {
        **stack.environment(),
        "STONKS_OLLAMA_URL": url,
        "STONKS_OLLAMA_MODEL": MODEL,
        "STONKS_OLLAMA_SLOTS": "2",
        **changes,
    }


@asynccontextmanager
async def working(settings: Mapping[str, str], *queues: Queue) -> AsyncIterator[Parts]:
    """A worker's parts, with its queues served in this process."""
    parts = await Parts.connect(load(dict(settings)), keep_objects=KEEP_OBJECTS)
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            for queue in queues or QUEUES:
                for worker in build_workers(queue, parts):
                    await running.enter_async_context(worker)
            yield parts
    finally:
        await parts.close()


async def register(
    parts: Parts,
    title: str = "Apple profit rose 12 percent, beating expectations",
    body: str = "Apple said quarterly profit rose and raised its forecast.",
    symbols: tuple[str, ...] = ("AAPL",),
    note: str = "",
) -> DocumentRequest:
    """Put a document into the book as ingestion does; its text is like no other's.

    How near it is to others hangs on the note, which is drawn anew where none is given.
    """
    document = SourceDocument(
        title=title,
        text=f"{body} Note {note or uuid.uuid4().hex}.",
        published_at=NOW,
        precision=DatePrecision.INSTANT,
        location="test",
    )
    key = key_for("raw", document.content_hash())
    await parts.objects.put(key, document.canonical_bytes())
    row = Document(
        doc_id=document.doc_id(),
        content_hash=document.content_hash(),
        source_id=SOURCE,
        run_id="run",
        title=document.title,
        published_at=NOW,
        precision="instant",
        available_at=NOW,
        recorded_at=NOW,
        raw_key=key,
    )
    async with parts.database.transaction() as session:
        await sources.save(session, source_id=SOURCE, config=FileSourceConfig(path="x"), created_at=NOW)
        links = [DocumentSymbol(doc_id=row.doc_id, symbol=symbol, label=symbol) for symbol in symbols]
        await documents.register(session, documents=[row], symbols=links)
    return DocumentRequest(doc_id=row.doc_id, source_id=SOURCE)


async def process(parts: Parts, *requests: DocumentRequest) -> list[DocumentOutcome]:
    """Start the documents' workflows and wait for their ends."""
    for request in requests:
        await parts.flows.start_document(request)
    handles = [
        parts.client.get_workflow_handle_for(ProcessDocument.run, names.document_id(request.doc_id))
        for request in requests
    ]
    return list(await asyncio.gather(*(handle.result() for handle in handles)))


async def shadows_done(parts: Parts, request: DocumentRequest) -> None:
    """Wait until the challengers have read a document."""
    await parts.client.get_workflow_handle(await shadow_of(parts, request)).result()


async def shadow_of(parts: Parts, request: DocumentRequest) -> str:
    """The id of the workflow in which challengers read a document."""
    document = parts.client.get_workflow_handle(names.document_id(request.doc_id))
    return names.shadow_id(request.doc_id, (await document.describe()).run_id)


async def rows(parts: Parts, table: str, doc_id: str) -> list[dict[str, Any]]:
    """A document's rows of a table."""
    async with parts.database.engine.connect() as connection:
        found = await connection.execute(
            text(f"SELECT * FROM {table} WHERE doc_id = :doc_id"),
            {"doc_id": doc_id},
        )
        return [dict(row) for row in found.mappings()]


async def add_variant(
    parts: Parts, agent_id: str, settings: Mapping[str, Any], *, share: float = 0.0, shadow: bool = False
) -> str:
    """Make a variant and give it a share or a place in the shadow, past the gate."""
    variant_id = f"v-{uuid.uuid4().hex[:12]}"
    row = AgentVariant(
        variant_id=variant_id,
        agent_id=agent_id,
        name=variant_id,
        settings=dict(settings),
        traffic_share=share,
        active=True,
        shadow=shadow,
        created_at=NOW,
        created_by="test",
    )
    async with parts.database.transaction() as session:
        session.add(row)
    return variant_id


async def remove_variants(parts: Parts) -> None:
    """Take every variant off, so that other tests do not meet them."""
    async with parts.database.engine.begin() as connection:
        await connection.execute(text("UPDATE agent_variants SET active = false, traffic_share = 0"))
