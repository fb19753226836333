"""What was read in documents: readings, the events they found, and the words of the text that say so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.operations.document_texts import require
from domain.errors import NotFound
from store.database import Database
from store.keysets import Position, newest_first, newest_first_of
from store.tables.ingestion import EventRow, EvidenceRow, ExtractionRow, MacroEventRow


class QuoteView(BaseModel):
    """Words of the document: `text[start:end]` of its content, in characters."""

    quote: str = Field(examples=["cut its quarterly dividend by half"])
    start: int = Field(examples=[112])
    end: int = Field(examples=[146])


class FactView(BaseModel):
    """A number that the text states. `value` is exact decimal text, as it is written without its scale."""

    metric: str = Field(examples=["eps"])
    value: str = Field(examples=["1.28"])
    unit: str = ""
    currency: str = Field(default="", examples=["USD"])
    scale: str = ""
    period: str = Field(default="", examples=["2014Q2"])
    basis: str = ""
    comparator: str = ""
    quote: str


class EventView(BaseModel):
    """One thing that happened, as it was read."""

    event_id: str
    doc_id: str
    extraction_id: str
    type: str = Field(examples=["buyback_dividend"])
    materiality: str
    horizon: str
    confidence: float = Field(description="how sure the reader is, in [0, 1]")
    available_at: datetime = Field(description="when the document could first be known")
    symbols: list[str] = Field(description="companies that it is good or bad for")
    facts: list[FactView]
    quotes: list[QuoteView]


class EventEvidence(BaseModel):
    """What the event means for one company: the unit that scores are made of."""

    evidence_id: str
    symbol: str
    role: str = Field(examples=["subject"])
    sentiment: float = Field(description="in [-1, 1]")
    confidence: float
    quote: str


class DocumentHead(BaseModel):
    doc_id: str
    title: str
    publisher: str
    url: str
    published_at: datetime
    status: str


class EventDetail(EventView):
    evidence: list[EventEvidence]
    document: DocumentHead
    extractor: str
    extractor_version: str
    superseded: bool = Field(description="its document was read again since: it counts no longer")


class StatementView(BaseModel):
    """A statement on the economy: how far a factor goes up."""

    macro_event_id: str
    topic: str
    factor: str = Field(examples=["rates"])
    name: str
    direction: float = Field(description="in [-1, 1]")
    confidence: float
    region: str
    sectors: list[str]
    quotes: list[QuoteView]


class ExtractionView(BaseModel):
    """One reading of a document."""

    extraction_id: str
    doc_id: str
    agent: str = Field(examples=["document-extractor"])
    variant_id: str
    experiment: str
    shadow: bool = Field(description="read for comparison alone: nothing is decided from it, and it keeps no events")
    superseded: bool = Field(description="the document was read again since")
    extractor: str = Field(description="rules or model")
    extractor_version: str = Field(
        description="of the rules, or the model with its prompt and the schema of its answer"
    )
    status: str
    quotes_total: int
    quotes_valid: int = Field(description="those that occur in the text, word for word")
    dropped: list[str] = Field(description="what the text did not support, with the reason")
    recorded_at: datetime
    events: list[EventView]
    statements: list[StatementView]


async def of_document(
    database: Database, doc_id: str, *, limit: int, before: Position | None = None
) -> list[ExtractionView]:
    """Readings of a document, the newest first. Raises NotFound."""
    async with database.transaction() as session:
        await require(session, doc_id)
        page = newest_first(
            select(ExtractionRow).where(ExtractionRow.doc_id == doc_id),
            ExtractionRow.recorded_at,
            ExtractionRow.extraction_id,
            limit=limit,
            before=before,
        )
        return await _views(session, (await session.exec(page)).all())


async def extraction(database: Database, extraction_id: str) -> ExtractionView:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await session.get(ExtractionRow, extraction_id)
        if row is None:
            raise NotFound(
                "EXTRACTION_NOT_FOUND", "/v1/documents/{id}/extractions lists a document's", extraction_id=extraction_id
            )
        (view,) = await _views(session, [row])
    return view


async def events(
    database: Database,
    *,
    limit: int,
    symbol: str | None = None,
    type: str | None = None,
    doc_id: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> list[EventView]:
    """Events of the readings that count, by when they could be known, the newest first; both bounds are inclusive."""
    of: Any = EventRow if symbol is None else EvidenceRow
    kind = EventRow.type if symbol is None else EvidenceRow.event_type
    found: Any = select(of.event_id, of.available_at).join(
        ExtractionRow, col(ExtractionRow.extraction_id) == of.extraction_id
    )
    found = found.where(~col(ExtractionRow.superseded))
    for column, wanted in ((kind, type), (of.doc_id, doc_id)):
        if wanted is not None:
            found = found.where(column == wanted)
    if symbol is not None:
        page = newest_first_of(
            found,
            of.symbol,
            symbol,
            of.available_at,
            of.event_id,
            limit=limit,
            first=first,
            last=last,
            before=before,
        )
    else:
        if first is not None:
            found = found.where(of.available_at >= first)
        if last is not None:
            found = found.where(of.available_at <= last)
        page = newest_first(found, of.available_at, of.event_id, limit=limit, before=before)
    async with database.transaction() as session:
        ids = [event_id for event_id, _ in await session.exec(page)]
        rows = {
            row.event_id: row for row in await session.exec(select(EventRow).where(col(EventRow.event_id).in_(ids)))
        }
        return await event_views(session, [rows[event_id] for event_id in ids])


async def event(database: Database, event_id: str) -> EventDetail:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await session.get(EventRow, event_id)
        if row is None:
            raise NotFound("EVENT_NOT_FOUND", "/v1/events lists them", event_id=event_id)
        (view,) = await event_views(session, [row])
        document = await require(session, row.doc_id)
        reading = await session.get(ExtractionRow, row.extraction_id)
        evidence = await session.exec(
            select(EvidenceRow).where(EvidenceRow.event_id == event_id).order_by(col(EvidenceRow.symbol))
        )
        found = [EventEvidence(**each.model_dump(include=set(EventEvidence.model_fields))) for each in evidence]
    return EventDetail(
        **dict(view),
        evidence=found,
        document=DocumentHead(**document.model_dump(include=set(DocumentHead.model_fields))),
        extractor=reading.extractor if reading else "",
        extractor_version=reading.extractor_version if reading else "",
        superseded=reading is not None and reading.superseded,
    )


async def event_views(session: AsyncSession, rows: Sequence[EventRow]) -> list[EventView]:
    ids = [row.event_id for row in rows]
    symbols: dict[str, list[str]] = {event_id: [] for event_id in ids}
    for event_id, symbol in await session.exec(
        select(EvidenceRow.event_id, EvidenceRow.symbol)
        .where(col(EvidenceRow.event_id).in_(ids))
        .order_by(col(EvidenceRow.symbol))
    ):
        symbols[event_id].append(symbol)
    return [_event(row, symbols[row.event_id]) for row in rows]


async def _views(session: AsyncSession, rows: Sequence[ExtractionRow]) -> list[ExtractionView]:
    ids = [row.extraction_id for row in rows]
    found = await session.exec(
        select(EventRow).where(col(EventRow.extraction_id).in_(ids)).order_by(col(EventRow.event_id))
    )
    events: dict[str, list[EventView]] = {extraction_id: [] for extraction_id in ids}
    for view in await event_views(session, found.all()):
        events[view.extraction_id].append(view)
    statements: dict[str, list[StatementView]] = {extraction_id: [] for extraction_id in ids}
    for row in await session.exec(
        select(MacroEventRow)
        .where(col(MacroEventRow.extraction_id).in_(ids))
        .order_by(col(MacroEventRow.macro_event_id))
    ):
        kept = set(StatementView.model_fields) - {"quotes"}
        statements[row.extraction_id].append(
            StatementView(**row.model_dump(include=kept), quotes=quotes_of(row.quotes))
        )
    return [
        ExtractionView(
            **row.model_dump(include=set(ExtractionView.model_fields)),
            events=sorted(events[row.extraction_id], key=_place),
            statements=statements[row.extraction_id],
        )
        for row in rows
    ]


def quotes_of(stored: Sequence[dict[str, Any]]) -> list[QuoteView]:
    return [QuoteView.model_validate(quote) for quote in stored]


def _event(row: EventRow, symbols: list[str]) -> EventView:
    kept = set(EventView.model_fields) - {"symbols", "facts", "quotes"}
    return EventView(
        **row.model_dump(include=kept),
        symbols=symbols,
        facts=[FactView.model_validate({**fact, "value": str(fact["value"])}) for fact in row.facts],
        quotes=quotes_of(row.quotes),
    )


def _place(event: EventView) -> tuple[int, str]:
    """Where it stands in the text."""
    return (min((quote.start for quote in event.quotes), default=0), event.event_id)
