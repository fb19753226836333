"""Documents read again: what may be, by whom, and what stays as it was where it cannot be done."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain.documents import DocumentStatus
from store.tables.ingestion import Document
from store.tables.platform import AuditEntry
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.test_agents import acted, added
from workflows import names
from workflows.names import Queue
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack

AT = datetime(2014, 7, 15, 20, tzinfo=UTC)
EXTRACTOR = "document-extractor"


class NothingStarts:
    """A Temporal that answers questions and fails when it is to start something."""

    def __init__(self, client: Client) -> None:
        self.namespace = client.namespace
        self.get_workflow_handle = client.get_workflow_handle

    async def start_workflow(self, *_: Any, **__: Any) -> Any:
        raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")


async def _unread(
    platform: Platform, title: str, status: DocumentStatus = DocumentStatus.NEEDS_REVIEW, *, error: str = "UNREADABLE"
) -> str:
    row = await platform.document(title, at=AT + timedelta(days=1), source_id="again", status=status.value, error=error)
    return row.doc_id


async def _state(platform: Platform, doc_id: str) -> tuple[str, str]:
    async with platform.parts.database.transaction() as session:
        row = await session.get(Document, doc_id)
    assert row is not None
    return row.status, row.error


async def _noted(platform: Platform, doc_id: str) -> list[str]:
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry).where(AuditEntry.subject == doc_id).order_by(col(AuditEntry.sequence))
        )
        return [row.action for row in rows]


async def _again(ask: Caller, doc_id: str, **body: Any) -> Any:
    return await ask("POST", f"/v1/documents/{doc_id}/reprocess", json={"reason": "it has tables", **body})


@pytest.mark.parametrize("status", [DocumentStatus.NEEDS_REVIEW, DocumentStatus.FAILED])
async def test_document_when_it_waits_for_a_person_then_it_is_read_again_and_not_twice_at_once(
    platform: Platform, api: Caller, status: DocumentStatus
) -> None:
    doc_id = await _unread(platform, f"Read again {status}", status)
    answer = await _again(api, doc_id, reason=" it has tables ")
    assert (answer.status_code, answer.json()["workflow_id"]) == (202, names.document_id(doc_id))
    assert await _state(platform, doc_id) == (status.value, "UNREADABLE")  # until it was read
    problem = assert_problem(await _again(api, doc_id, read_by="baseline"), 409, "DOCUMENT_IS_BEING_READ")
    assert "cancel" in problem["hint"]
    async with platform.working(Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH):
        handle = platform.parts.client.get_workflow_handle_for(ProcessDocument.run, names.document_id(doc_id))
        await asyncio.wait_for(handle.result(), timeout=30)
    assert (await _state(platform, doc_id))[0] == "processed"
    assert_problem(await _again(api, doc_id), 409, "DOCUMENT_NOT_OPEN")
    assert await _noted(platform, doc_id) == ["document_reprocessed"]


@pytest.mark.parametrize(
    "status",
    [DocumentStatus.REGISTERED, DocumentStatus.RELEASED, DocumentStatus.PROCESSED, DocumentStatus.DUPLICATE],
)
async def test_document_when_nothing_waits_for_a_person_then_it_is_not_read_again(
    platform: Platform, api: Caller, status: DocumentStatus
) -> None:
    doc_id = await _unread(platform, f"Not open {status}", status, error="")
    assert_problem(await _again(api, doc_id), 409, "DOCUMENT_NOT_OPEN")
    assert await _state(platform, doc_id) == (status.value, "")


async def test_document_when_its_workflow_goes_on_then_nothing_is_changed(platform: Platform, api: Caller) -> None:
    doc_id = await _unread(platform, "Still read")
    client = platform.parts.client
    handle = await client.start_workflow("NobodyServesIt", id=names.document_id(doc_id), task_queue="nobody")
    try:
        assert_problem(await _again(api, doc_id), 409, "DOCUMENT_IS_BEING_READ")
        assert await _state(platform, doc_id) == ("needs_review", "UNREADABLE")
        assert await _noted(platform, doc_id) == []
    finally:
        await handle.terminate()


async def test_document_when_its_workflow_cannot_be_started_then_it_waits_as_before(platform: Platform) -> None:
    doc_id = await _unread(platform, "Never started")
    ask = caller(platform, client=NothingStarts(platform.parts.client))
    assert_problem(await _again(ask, doc_id), 503, "TEMPORAL_UNAVAILABLE")
    assert await _state(platform, doc_id) == ("needs_review", "UNREADABLE")
    assert await _noted(platform, doc_id) == ["document_reprocessed"]


async def test_document_when_the_named_variant_reads_nothing_then_the_active_ones_are_named(
    platform: Platform, api: Caller
) -> None:
    doc_id = await _unread(platform, "By whom")
    idle, active = await added(api, EXTRACTOR, "idle", seed=11), await added(api, EXTRACTOR, "active", seed=12)
    assert (await acted(api, EXTRACTOR, active, "activate", shadow=True)).status_code == 200
    try:
        problem = assert_problem(await _again(api, doc_id, read_by=idle), 422, "VARIANT_NOT_ACTIVE")
    finally:
        await acted(api, EXTRACTOR, active, "deactivate")
    assert problem["fields"] == {"field": "read_by", "found": idle, "allowed": f"rules, baseline, {active}"}
    assert_problem(await _again(api, doc_id, read_by="av_nobody"), 404, "VARIANT_NOT_FOUND")
    assert await _state(platform, doc_id) == ("needs_review", "UNREADABLE")


@pytest.mark.parametrize("body", [{"reason": "a\x00"}, {"reason": "  "}, {"read_by": "rules\x00"}, {"read_by": "a b"}])
async def test_reprocessing_when_its_words_cannot_be_kept_then_422(api: Caller, body: dict[str, Any]) -> None:
    assert_problem(await _again(api, "0" * 24, **body), 422, "REQUEST_INVALID")


async def test_document_when_the_name_is_none_or_unknown_then_it_says_so(api: Caller) -> None:
    assert_problem(await _again(api, "%00"), 422, "REQUEST_INVALID")
    assert_problem(await _again(api, "0" * 24), 404, "DOCUMENT_NOT_FOUND")
