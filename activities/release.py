"""Releasing documents: start the workflow of every registered document whose time has come, and wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from activities.ports import Flows
from domain.documents import DocumentStatus
from domain.ingestion import DocumentRequest
from store import documents
from store.database import Database

BATCH = 200
PARALLEL_STARTS = 16
POLL_SECONDS = 0.1
STALLED_AFTER_POLLS = 300
"""Without progress for this many polls, look at the workflows themselves: one may have been terminated by hand."""


async def release_due(
    database: Database, flows: Flows, *, until: datetime, heartbeat: Callable[[int], None]
) -> list[str]:
    """Start every due document once and return their ids.

    A document is marked released only after its workflow was started, so that a crash in between starts it again,
    which the workflow id absorbs. One that is still being read waits for the next release.
    """
    released: list[str] = []
    busy: set[str] = set()
    limit = asyncio.Semaphore(PARALLEL_STARTS)

    async def start(doc_id: str, source_id: str, again: bool) -> str | None:
        async with limit:
            started = await flows.start_document(DocumentRequest(doc_id=doc_id, source_id=source_id), again=again)
        return doc_id if started else None

    while True:
        async with database.transaction() as session:
            due = await documents.list_due(session, until=until, limit=BATCH + len(busy))
        fresh = [each for each in due if each[0] not in busy]
        if not fresh:
            return released
        started = await asyncio.gather(*(start(doc_id, source_id, again) for doc_id, source_id, again in fresh))
        ids = [doc_id for doc_id in started if doc_id is not None]
        busy |= {doc_id for doc_id, _, _ in fresh} - set(ids)
        async with database.transaction() as session:
            await documents.set_status(session, ids, DocumentStatus.RELEASED, only=DocumentStatus.REGISTERED)
        released += ids
        heartbeat(len(released))


async def wait_processed(
    database: Database, flows: Flows, *, until: datetime, heartbeat: Callable[[int], None]
) -> None:
    """Wait until no released document is unfinished."""
    left, still = -1, 0
    while True:
        async with database.transaction() as session:
            counts = await documents.count_by_status(session, until=until)
        waiting = counts.get(DocumentStatus.RELEASED.value, 0)
        if not waiting:
            return
        still = still + 1 if waiting == left else 0
        left = waiting
        if still >= STALLED_AFTER_POLLS:
            await _mark_failed(database, flows, until=until)
            still = 0
        heartbeat(waiting)
        await asyncio.sleep(POLL_SECONDS)


async def _mark_failed(database: Database, flows: Flows, *, until: datetime) -> None:
    """Mark documents whose workflow ended without saying so: terminated, timed out, or deleted."""
    async with database.transaction() as session:
        stuck = await documents.list_ids(session, status=DocumentStatus.RELEASED, until=until)
    for doc_id in stuck:
        failure = await flows.failed_document(doc_id)
        if failure is not None:
            async with database.transaction() as session:
                await documents.set_status(
                    session, [doc_id], DocumentStatus.FAILED, error=failure, only=DocumentStatus.RELEASED
                )
