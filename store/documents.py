"""Documents, their symbols, and what was read in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import EvidenceItem
from domain.documents import Credibility, DocumentStatus
from domain.errors import NotFound
from domain.extraction import EntityRole, EventType, ExtractorKind, Materiality
from store.database import insert_new
from store.tables.ingestion import (
    Document,
    DocumentSymbol,
    EventRow,
    EvidenceRow,
    ExtractionRow,
)


@dataclass(frozen=True)
class Registration:
    """What registering a batch changed: ids that were new, and known ids that gained a symbol."""

    new: frozenset[str]
    linked: frozenset[str]


async def register(
    session: AsyncSession, *, documents: Sequence[Document], symbols: Sequence[DocumentSymbol]
) -> Registration:
    """Insert documents and their symbols; what is known stays, and a known document may gain symbols."""
    ids = [document.doc_id for document in documents]
    known = set((await session.exec(select(Document.doc_id).where(col(Document.doc_id).in_(ids)))).all())
    await insert_new(session, documents)
    pairs = await session.exec(
        select(DocumentSymbol.doc_id, DocumentSymbol.symbol).where(col(DocumentSymbol.doc_id).in_(ids))
    )
    before = set(pairs.all())
    fresh = [row for row in symbols if (row.doc_id, row.symbol) not in before]
    await insert_new(session, fresh)
    return Registration(
        new=frozenset(ids) - known, linked=frozenset(row.doc_id for row in fresh if row.doc_id in known)
    )


async def of_run(session: AsyncSession, doc_ids: Sequence[str], *, run_id: str) -> set[str]:
    """Those of the documents that this run registered, now or in an attempt before."""
    rows = await session.exec(
        select(Document.doc_id).where(col(Document.doc_id).in_(doc_ids), Document.run_id == run_id)
    )
    return set(rows.all())


async def require(session: AsyncSession, doc_id: str) -> Document:
    document = await session.get(Document, doc_id)
    if document is None:
        raise NotFound("DOCUMENT_NOT_FOUND", "`stonks status` and /v1/documents list what is known", doc_id=doc_id)
    return document


async def save_text(session: AsyncSession, doc_id: str, *, text_key: str, shingles: list[int]) -> None:
    """Note where the document's parsed text is, and the shingles that later documents are compared with."""
    changed = {"text_key": text_key, "shingles": shingles}
    await session.exec(update(Document).where(col(Document.doc_id) == doc_id).values(**changed))


async def symbols_of(session: AsyncSession, doc_id: str) -> list[str]:
    """Symbols that the source attached, sorted."""
    rows = await session.exec(select(DocumentSymbol.symbol).where(DocumentSymbol.doc_id == doc_id))
    return sorted(rows.all())


async def list_due(session: AsyncSession, *, until: datetime, limit: int) -> list[tuple[str, str, bool]]:
    """Registered documents that could be known by `until`, oldest first: (doc_id, source_id, was processed before)."""
    rows = await session.exec(
        select(Document.doc_id, Document.source_id, Document.text_key)
        .where(Document.status == DocumentStatus.REGISTERED.value, Document.available_at <= until)
        .order_by(col(Document.available_at), col(Document.doc_id))
        .limit(limit)
    )
    return [(doc_id, source_id, bool(text_key)) for doc_id, source_id, text_key in rows.all()]


async def list_ids(session: AsyncSession, *, status: DocumentStatus, until: datetime) -> list[str]:
    rows = await session.exec(
        select(Document.doc_id)
        .where(Document.status == status.value, Document.available_at <= until)
        .order_by(col(Document.doc_id))
    )
    return list(rows.all())


async def set_status(
    session: AsyncSession,
    doc_ids: Iterable[str],
    status: DocumentStatus,
    *,
    error: str = "",
    only: DocumentStatus | None = None,
) -> None:
    statement = update(Document).where(col(Document.doc_id).in_(list(doc_ids)))
    if only is not None:
        statement = statement.where(col(Document.status) == only.value)
    await session.exec(statement.values(status=status.value, error=error))


async def count_by_status(session: AsyncSession, *, until: datetime | None = None) -> dict[str, int]:
    statement = select(Document.status, func.count()).group_by(Document.status)
    if until is not None:
        statement = statement.where(col(Document.available_at) <= until)
    rows = await session.exec(statement)
    return dict(rows.all())


async def save_extraction(
    session: AsyncSession,
    *,
    extraction: ExtractionRow,
    events: Sequence[EventRow],
    evidence: Sequence[EvidenceRow],
) -> None:
    """Save an extraction with its events and evidence; repeating it changes nothing."""
    await insert_new(session, [extraction])
    await insert_new(session, events)
    await insert_new(session, evidence)


async def evidence_for(
    session: AsyncSession, *, symbols: Sequence[str], as_of: datetime, days: int
) -> dict[str, list[EvidenceItem]]:
    """Evidence known at `as_of` and not older than `days`, by symbol, ordered by (available_at, evidence id)."""
    rows = await session.exec(
        select(EvidenceRow, Document, ExtractionRow)
        .join(Document, col(Document.doc_id) == col(EvidenceRow.doc_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(EvidenceRow.extraction_id))
        .where(
            col(EvidenceRow.symbol).in_(symbols),
            EvidenceRow.available_at <= as_of,
            EvidenceRow.available_at > as_of - timedelta(days=days),
        )
        .order_by(col(EvidenceRow.available_at), col(EvidenceRow.evidence_id))
    )
    found: dict[str, list[EvidenceItem]] = {symbol: [] for symbol in symbols}
    for evidence, document, extraction in rows:
        found[evidence.symbol].append(_item(evidence, document, extraction))
    return found


async def symbols_with_evidence(session: AsyncSession, *, as_of: datetime, days: int) -> list[str]:
    rows = await session.exec(
        select(EvidenceRow.symbol)
        .where(EvidenceRow.available_at <= as_of, EvidenceRow.available_at > as_of - timedelta(days=days))
        .distinct()
    )
    return sorted(rows.all())


def _item(evidence: EvidenceRow, document: Document, extraction: ExtractionRow) -> EvidenceItem:
    valid = extraction.quotes_valid / extraction.quotes_total if extraction.quotes_total else 1.0
    return EvidenceItem(
        evidence_id=evidence.evidence_id,
        doc_id=evidence.doc_id,
        extraction_id=evidence.extraction_id,
        symbol=evidence.symbol,
        available_at=evidence.available_at,
        published_at=document.published_at,
        event_type=EventType(evidence.event_type),
        role=EntityRole(evidence.role),
        materiality=Materiality(evidence.materiality),
        sentiment=evidence.sentiment,
        confidence=evidence.confidence,
        quote_validity=valid,
        credibility=Credibility(document.credibility),
        extractor=ExtractorKind(extraction.extractor),
        content_hash=document.content_hash,
        publisher=document.publisher,
        title=document.title,
        quote=evidence.quote,
        shingles=tuple(document.shingles),
    )
