"""Documents as people see them, and what is done with one that nobody could read: have it read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from api import queries
from api.operations.document_texts import require
from api.operations.links import TemporalLinks
from domain.agents import BASELINE_READER, RULES_READER, AgentKind
from domain.documents import DocumentStatus
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import digest
from domain.ingestion import DocumentRequest
from store import agents, audit
from store.database import Database
from store.keysets import Position
from store.tables.ingestion import Document, DocumentLink, ExtractionRow
from workflows import names
from workflows.client import TemporalFlows

OPEN = (DocumentStatus.NEEDS_REVIEW, DocumentStatus.FAILED)
"""Documents that may be read again: nothing was concluded from them."""
RPC_TIMEOUT = timedelta(seconds=30)
RELATED_SHOWN = 100


class Reprocessing(BaseModel):
    """Who reads it this time, and why."""

    model_config = ConfigDict(extra="forbid")

    read_by: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]{1,64}$")] = RULES_READER
    """`rules`, `baseline` for the extractor's own settings, or an active variant of it."""
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")
    ]


class Reprocessed(BaseModel):
    doc_id: str
    read_by: str
    workflow_id: str
    temporal_url: str


class DocumentView(BaseModel):
    doc_id: str
    source_id: str
    title: str
    url: str
    publisher: str
    language: str
    credibility: str
    published_at: datetime
    precision: str
    available_at: datetime
    """When it could first be known: the instant that orders documents."""
    recorded_at: datetime
    location: str
    status: str
    error: str
    symbols: list[str]


class RelatedView(BaseModel):
    """What a document is to another one."""

    doc_id: str = Field(description="the other one")
    later: bool = Field(description="the other one came later, and is this to the document; else the document is it")
    relation: str = Field(examples=["correction"])
    similarity: float = Field(description="share of five-word runs in common, in [0, 1]")
    reason: str
    available_at: datetime


class InsightView(BaseModel):
    """What a vendor says that it means for a ticker, in the vendor's words. Never a score of ours."""

    ticker: str
    sentiment: str
    reasoning: str


class DocumentDetail(DocumentView):
    content_hash: str
    run_id: str = Field(description="the run that brought it")
    story: str = Field(description="the source's own name of the story; empty: it has none")
    insights: list[InsightView]
    related: list[RelatedView] = Field(description="one hundred at the most, the earliest known first")
    readings: int = Field(description="how often it was read, in shadow included")
    temporal_url: str


_OF_ROW = (set(DocumentView.model_fields) - {"symbols"}) | {"content_hash", "run_id", "story"}


async def list_documents(
    database: Database,
    *,
    limit: int,
    symbol: str | None = None,
    source: str | None = None,
    status: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> list[DocumentView]:
    """Documents by `available_at`, newest first; `first` and `last` are both inclusive."""
    rows = await queries.list_documents(
        database,
        limit=limit,
        symbol=symbol,
        source=source,
        status=status,
        first=first,
        last=last,
        before=before,
    )
    return [DocumentView(**row) for row in rows]


async def document(database: Database, links: TemporalLinks, doc_id: str) -> DocumentDetail:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await require(session, doc_id)
        symbols = await queries.symbols_of_document(session, doc_id)
        found = await session.exec(
            select(DocumentLink)
            .where((col(DocumentLink.doc_id) == doc_id) | (col(DocumentLink.original_id) == doc_id))
            .order_by(col(DocumentLink.available_at), col(DocumentLink.doc_id), col(DocumentLink.original_id))
            .limit(RELATED_SHOWN)
        )
        related = [_related(link, doc_id) for link in found]
        read = await session.exec(select(func.count()).select_from(ExtractionRow).where(ExtractionRow.doc_id == doc_id))
        readings = int(read.one())
    return DocumentDetail(
        **row.model_dump(include=_OF_ROW),
        symbols=symbols,
        insights=[InsightView.model_validate(insight) for insight in row.insights],
        related=related,
        readings=readings,
        temporal_url=links.workflow(names.document_id(doc_id)),
    )


def _related(link: DocumentLink, doc_id: str) -> RelatedView:
    later = link.original_id == doc_id
    return RelatedView(
        **link.model_dump(include={"relation", "similarity", "reason", "available_at"}),
        doc_id=link.doc_id if later else link.original_id,
        later=later,
    )


async def reprocess(
    database: Database, client: Client, links: TemporalLinks, doc_id: str, wanted: Reprocessing, *, actor: str
) -> Reprocessed:
    """Have a document read again that needs a person's look, or whose processing gave up.

    Raises:
        NotFound: no such document, or no such variant.
        InvalidInput: the variant is not active.
        Conflict: somebody is reading it, or it was read and what was concluded from it stands.
    """
    now = datetime.now(UTC)
    running = await _is_running(client, doc_id)
    async with database.transaction() as session:
        row = await session.get(Document, doc_id, with_for_update=True)
        if row is None:
            raise NotFound("DOCUMENT_NOT_FOUND", "/v1/documents lists them", doc_id=doc_id)
        if running:
            raise _being_read(doc_id)
        if row.status not in {each.value for each in OPEN}:
            raise Conflict(
                "DOCUMENT_NOT_OPEN",
                "Only what needs review or has failed is read again; a what-if shows what another reader would say",
                doc_id=doc_id,
                status=row.status,
            )
        if wanted.read_by not in (RULES_READER, BASELINE_READER):
            await _require_active(session, wanted.read_by)
        body = {"read_by": wanted.read_by, "reason": wanted.reason, "status": row.status}
        await _note(session, "document_reprocessed", doc_id, body, actor=actor, now=now)
        request = DocumentRequest(doc_id=doc_id, source_id=row.source_id, read_by=wanted.read_by)
    # It keeps its status until it was read: should nobody start, it waits for a person as before.
    if not await TemporalFlows(client, driven=False).start_document(request, again=True):
        raise _being_read(doc_id)
    workflow_id = names.document_id(doc_id)
    return Reprocessed(
        doc_id=doc_id, read_by=wanted.read_by, workflow_id=workflow_id, temporal_url=links.workflow(workflow_id)
    )


def _being_read(doc_id: str) -> Conflict:
    return Conflict(
        "DOCUMENT_IS_BEING_READ",
        "Wait until its workflow has ended, or cancel it first",
        doc_id=doc_id,
        workflow=names.document_id(doc_id),
    )


async def _is_running(client: Client, doc_id: str) -> bool:
    """Whether its workflow goes on: to start it again would change nothing, without a word."""
    try:
        found = await client.get_workflow_handle(names.document_id(doc_id)).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return found.status is WorkflowExecutionStatus.RUNNING


async def _require_active(session: AsyncSession, variant_id: str) -> None:
    agent_id = AgentKind.DOCUMENT_EXTRACTOR.value
    if (await agents.require_variant(session, agent_id, variant_id)).active:
        return
    active = (await agents.active_variants(session, [agent_id]))[agent_id]
    raise InvalidInput(
        "VARIANT_NOT_ACTIVE",
        f"`stonks agents variants {agent_id}` shows those that are",
        field="read_by",
        found=variant_id,
        allowed=", ".join((RULES_READER, BASELINE_READER, *(each.variant_id for each in active))),
    )


async def _note(
    session: AsyncSession, action: str, doc_id: str, body: dict[str, str], *, actor: str, now: datetime
) -> None:
    key = digest(action, doc_id, now)
    await audit.append(session, key=key, actor=actor, action=action, subject=doc_id, body=body, recorded_at=now)
