"""Documents that a person or a program hands in: registered and read as those of any source are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlmodel import select
from temporalio.client import Client

from activities.registration import Origin, Registration, resolve_labels
from api.instants import Instant
from api.operations.links import TemporalLinks
from api.operations.trading import REPLAY
from domain.documents import Credibility, DatePrecision, DocumentStatus, Relation, SourceDocument
from domain.errors import InvalidInput
from domain.ingestion import DocumentRequest, IngestRequest
from domain.sources import SUBMITTED, FileSourceConfig, SourceKind
from store import audit, documents, registry
from store.database import Database, insert_new
from store.objects import ObjectStore
from store.registry import SymbolMaster
from store.tables.ingestion import Document, DocumentLink, Source
from workflows import names
from workflows.client import TemporalFlows

LONGEST_TEXT = 200_000
CLOCKS_DIFFER = timedelta(minutes=5)
"""A document of the near future is one of now, by a clock that is ahead."""

_PLAIN = r"^[^\x00]*$"
Symbol = Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$")]


class NewDocument(BaseModel):
    """A document as its publisher wrote it. Title, text and time are what it is: the same again is the same one."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000, pattern=_PLAIN)]
    text: Annotated[str, Field(max_length=LONGEST_TEXT, pattern=_PLAIN)] = ""
    published_at: Annotated[Instant, Field(examples=["2026-11-26T14:30:00Z"])]
    url: Annotated[str, Field(max_length=2_000, pattern=r"^(https?://[^\s\x00]+)?$")] = ""
    publisher: Annotated[str, Field(max_length=200, pattern=_PLAIN)] = ""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    symbols: Annotated[
        list[Symbol], Field(max_length=20, description="whom it is about; without any, its text alone says so")
    ] = []


class Submitted(BaseModel):
    doc_id: str
    status: str
    duplicate: bool
    """It was known before, and nothing is read again, unless it is about a further symbol now."""
    copy_of: str | None = Field(description="the document that tells the same story: then this one is not read")
    symbols: list[str]
    workflow_id: str
    temporal_url: str


async def submit(
    database: Database,
    objects: ObjectStore,
    client: Client,
    links: TemporalLinks,
    new: NewDocument,
    *,
    mode: str,
    actor: str,
) -> Submitted:
    """Register a document and start reading it. A repeat finds what the first one did, and does what it left undone.

    Raises:
        InvalidInput: it is of the future, or about a symbol that nobody had then.
    """
    now, driven = datetime.now(UTC), mode == REPLAY
    document = _document(new, now)
    async with database.transaction() as session:
        master = await registry.load_master(session)
        _require_symbols(document, master)
        await insert_new(session, [_source(now)])
    origin = Origin(source_id=SUBMITTED, publisher="", credibility=Credibility.UNKNOWN.value)
    request = IngestRequest(source_id=SUBMITTED, run_id=names.run_id(SUBMITTED, now))
    registration = Registration(database, objects, request, origin, driven=driven)
    await registration.add([document], master, now=now)
    duplicate = not registration.report.registered
    doc_id = document.doc_id()
    async with database.transaction() as session:
        row = await session.get_one(Document, doc_id)
        await audit.append(
            session,
            key=f"document/{doc_id}/submitted/{now.isoformat()}",
            actor=actor,
            action="document_submitted",
            subject=doc_id,
            body={"duplicate": duplicate, "symbols": list(document.tickers)},
            recorded_at=now,
        )
        copies = await session.exec(
            select(DocumentLink.original_id).where(
                DocumentLink.doc_id == doc_id, DocumentLink.relation == Relation.DUPLICATE.value
            )
        )
        copy_of = copies.first()
    if row.status == DocumentStatus.REGISTERED.value:
        flows = TemporalFlows(client, driven=driven)
        wanted = DocumentRequest(doc_id=doc_id, source_id=row.source_id)
        if await flows.start_document(wanted, again=bool(row.text_key)):
            async with database.transaction() as session:
                await documents.set_status(session, [doc_id], DocumentStatus.RELEASED, only=DocumentStatus.REGISTERED)
    async with database.transaction() as session:
        row = await session.get_one(Document, doc_id, populate_existing=True)
    symbols = (await documents.require(database, doc_id)).symbols
    workflow_id = names.document_id(doc_id)
    return Submitted(
        doc_id=doc_id,
        status=row.status,
        duplicate=duplicate,
        copy_of=copy_of if row.status == DocumentStatus.DUPLICATE.value else None,
        symbols=list(symbols),
        workflow_id=workflow_id,
        temporal_url=links.workflow(workflow_id),
    )


def _document(new: NewDocument, now: datetime) -> SourceDocument:
    published_at = new.published_at.astimezone(UTC)
    if published_at > now + CLOCKS_DIFFER:
        raise InvalidInput(
            "DATE_IN_FUTURE",
            "Send it once it is published",
            field="published_at",
            found=published_at.isoformat(),
            allowed=f"until {now.isoformat(timespec='seconds')}",
        )
    return SourceDocument(
        title=new.title,
        text=new.text,
        published_at=published_at,
        precision=DatePrecision.INSTANT,
        tickers=tuple(dict.fromkeys(new.symbols)),
        url=new.url,
        publisher=new.publisher,
        language=new.language,
        location=SUBMITTED,
    )


def _require_symbols(document: SourceDocument, master: SymbolMaster) -> None:
    _, unknown = resolve_labels(document, master)
    if unknown:
        raise InvalidInput("SYMBOL_UNKNOWN", unknown[0].detail, field="symbols")


def _source(now: datetime) -> Source:
    """Where such documents come from: a source that is never read."""
    return Source(
        source_id=SUBMITTED,
        name="handed in",
        kind=SourceKind.FILE.value,
        config=FileSourceConfig(path=SUBMITTED).model_dump(mode="json"),
        paused=True,
        removed=True,
        credibility=Credibility.UNKNOWN.value,
        created_at=now,
        updated_at=now,
    )
