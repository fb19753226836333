"""What a person does with a document that nobody could read: have it read again by somebody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client

from api.operations.links import TemporalLinks
from domain.agents import BASELINE_READER, RULES_READER, AgentKind
from domain.documents import DocumentStatus
from domain.errors import Conflict, NotFound
from domain.ids import digest
from domain.ingestion import DocumentRequest
from store import agents, audit
from store.database import Database
from store.documents import set_status
from store.tables.ingestion import Document
from workflows import names
from workflows.client import TemporalFlows

OPEN = (DocumentStatus.NEEDS_REVIEW, DocumentStatus.FAILED, DocumentStatus.RELEASED)
"""Documents that may be read again: nothing was concluded from them. One that is being read goes on as it is."""


class Reprocessing(BaseModel):
    """Who reads it this time, and why."""

    model_config = ConfigDict(extra="forbid")

    read_by: Annotated[str, Field(min_length=1, max_length=64)] = RULES_READER
    """`rules`, `baseline` for the extractor's own settings, or an active variant of it."""
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Reprocessed(BaseModel):
    doc_id: str
    read_by: str
    workflow_id: str
    temporal_url: str


async def reprocess(
    database: Database, client: Client, links: TemporalLinks, doc_id: str, wanted: Reprocessing, *, actor: str
) -> Reprocessed:
    """Have a document read again that needs a person's look, or whose processing gave up.

    Raises:
        NotFound: no such document, or no such variant.
        Conflict: it was read, and what was concluded from it stands.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await session.get(Document, doc_id, with_for_update=True)
        if row is None:
            raise NotFound("DOCUMENT_NOT_FOUND", "/v1/documents lists them", doc_id=doc_id)
        if row.status not in {each.value for each in OPEN}:
            raise Conflict(
                "DOCUMENT_NOT_OPEN",
                "Only what needs review or has failed is read again; a what-if shows what another reader would say",
                doc_id=doc_id,
                status=row.status,
            )
        if wanted.read_by not in (RULES_READER, BASELINE_READER):
            await agents.require_variant(session, AgentKind.DOCUMENT_EXTRACTOR.value, wanted.read_by)
        before = row.status
        await set_status(session, [doc_id], DocumentStatus.RELEASED)
        await audit.append(
            session,
            key=digest("reprocess", doc_id, now),
            actor=actor,
            action="document_reprocessed",
            subject=doc_id,
            body={"read_by": wanted.read_by, "reason": wanted.reason, "status": before},
            recorded_at=now,
        )
        request = DocumentRequest(doc_id=doc_id, source_id=row.source_id, read_by=wanted.read_by)
    await TemporalFlows(client, driven=False).start_document(request, again=True)
    workflow_id = names.document_id(doc_id)
    return Reprocessed(
        doc_id=doc_id, read_by=wanted.read_by, workflow_id=workflow_id, temporal_url=links.workflow(workflow_id)
    )
