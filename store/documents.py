"""Documents, their symbols, and what was read in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy import exists, func, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import EvidenceItem
from domain.documents import Credibility, DocumentStatus, Relation, Section
from domain.errors import NotFound
from domain.extraction import (
    EntityRole,
    EventType,
    Extraction,
    ExtractionInput,
    ExtractorKind,
    Materiality,
    ValidatedExtraction,
)
from domain.model import Model, Utc
from domain.search import IndexedText
from domain.sources import site_of
from store import outbox
from store.database import Database, as_json, fetch, insert_from_json, insert_new, values_as_json
from store.search import index_from_json, index_values
from store.tables.agents import AgentPerformance
from store.tables.ingestion import (
    Document,
    DocumentLink,
    DocumentSymbol,
    EventRow,
    EvidenceRow,
    ExtractionRow,
    Source,
)

# What every document runs: single statements, each a transaction, so that a document costs two round trips.
_HEAD = """
    SELECT doc_id, raw_key, language, published_at, available_at, credibility,
           sections,
           ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id) AS symbols,
           ARRAY(SELECT original_id FROM document_links WHERE document_links.doc_id = documents.doc_id
                 AND relation IN ('correction', 'retraction')) AS takes_back
    FROM documents WHERE doc_id = $1
"""
_TELLING = outbox.telling(
    "'document/' || $10 || '/' || $2, 'document_processed', $1, "
    "jsonb_build_object('source_id', documents.source_id, 'status', $2::text), now()",
    ", documents WHERE documents.doc_id = $1",
)
_SAVE_EXTRACTION = f"""
    WITH earlier AS (
             UPDATE extractions SET superseded = NOT superseded
             WHERE doc_id = $1 AND agent = $9 AND NOT shadow AND superseded = (extraction_id = $10)
         ),
         new_extraction AS ({insert_from_json(ExtractionRow, "$4")}),
         new_events AS ({insert_from_json(EventRow, "$5")}),
         new_evidence AS ({insert_from_json(EvidenceRow, "$6")}),
         new_call AS ({insert_from_json(AgentPerformance, "$7")}),
         found_by AS ({index_from_json("$11", replace=True)}),
         {_TELLING}
    UPDATE documents SET status = $2, error = $8, text_key = $3 WHERE doc_id = $1
"""  # noqa: S608 - built from the names of tables
ADD_SYMBOLS = """
    INSERT INTO document_symbols (doc_id, symbol, label, available_at)
    SELECT new.doc_id, new.symbol, new.label, documents.available_at
    FROM json_to_recordset($1::text::json) AS new(doc_id text, symbol text, label text)
    JOIN documents ON documents.doc_id = new.doc_id
    ON CONFLICT DO NOTHING RETURNING doc_id
"""
"""Attaches symbols to documents that are there: (doc_id, symbol, label) as a JSON array."""
_SAVE_SHADOW = f"""
    WITH new_call AS ({insert_from_json(AgentPerformance, "$2")})
    {insert_from_json(ExtractionRow, "$1")}
"""
_TAKING_BACK = (Relation.CORRECTION.value, Relation.RETRACTION.value)
_JUDGED_IN = "SELECT DISTINCT symbol FROM evidence WHERE doc_id = ANY($1::text[]) ORDER BY symbol"


@dataclass(frozen=True)
class DocumentHead:
    """What processing a document needs of its row, and the symbols that its source attached, sorted."""

    doc_id: str
    raw_key: str
    language: str
    published_at: datetime
    available_at: datetime
    symbols: tuple[str, ...]
    credibility: str = Credibility.UNKNOWN.value
    sections: tuple[dict[str, Any], ...] = ()
    """Of the text as its source gave it."""
    takes_back: tuple[str, ...] = ()
    """Documents that it corrects or retracts."""


class ParsedText(Model):
    """A document as an extractor is given it, and when it could first be known."""

    available_at: Utc
    source: ExtractionInput
    takes_back: tuple[str, ...] = ()
    """Documents that this one corrects or retracts."""


class AgentCall(Model):
    """Who was asked to read, and how it went. Calls of models are logged one by one when they are made."""

    call_id: str
    agent: str
    variant_id: str = ""
    experiment: str = ""
    shadow: bool = False
    attempt: int
    latency_ms: int
    problem: str
    """Empty where the extractor that was asked gave the answer."""
    recorded_at: Utc


class Reading(ParsedText):
    """The object that a document's `text_key` and its extraction's `result_key` name: what an extractor was given,
    and what it answered.
    """

    answer: Extraction
    witness: Extraction | None = None
    """What the rules read in the same text, where a model gave the answer: a conflict of signs weakens it."""
    unusable: bool = False
    """The model's answer could not be read: somebody must look at the document."""
    call: AgentCall


class StoredText(BaseModel):
    """The text of a stored reading, without what was read in it."""

    text: str
    sections: tuple[Section, ...] = ()


class _StoredReading(BaseModel):
    source: StoredText


def read_text(body: bytes) -> StoredText:
    """Read the text of a document out of its reading (see `Reading`)."""
    return _StoredReading.model_validate_json(body).source


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
    if fresh:
        values = [row.model_dump(include={"doc_id", "symbol", "label"}) for row in fresh]
        await fetch(session, ADD_SYMBOLS, values_as_json(values))
    return Registration(
        new=frozenset(ids) - known, linked=frozenset(row.doc_id for row in fresh if row.doc_id in known)
    )


async def of_run(session: AsyncSession, doc_ids: Sequence[str], *, run_id: str, answer_key: str = "") -> set[str]:
    """Those of the documents that this run registered from this answer, now or in an attempt before."""
    rows = await session.exec(
        select(Document.doc_id).where(
            col(Document.doc_id).in_(doc_ids), Document.run_id == run_id, Document.answer_key == answer_key
        )
    )
    return set(rows.all())


async def count_copies(session: AsyncSession, doc_ids: Iterable[str]) -> int:
    """How many of the documents repeat an earlier story and are not read."""
    found = await session.exec(
        select(func.count())
        .select_from(Document)
        .where(col(Document.doc_id).in_(list(doc_ids)), Document.status == DocumentStatus.DUPLICATE.value)
    )
    return int(found.one())


async def require(database: Database, doc_id: str) -> DocumentHead:
    rows = await database.run(_HEAD, doc_id)
    if not rows:
        raise NotFound("DOCUMENT_NOT_FOUND", "`stonks status` and /v1/documents list what is known", doc_id=doc_id)
    found = dict(rows[0])
    found["symbols"], found["takes_back"] = tuple(sorted(found["symbols"])), tuple(sorted(found["takes_back"]))
    return DocumentHead(**{**found, "sections": tuple(found["sections"])})


async def symbols_judged_in(database: Database, doc_ids: Sequence[str]) -> list[str]:
    """Companies on which evidence was read in the documents."""
    return [row["symbol"] for row in await database.run(_JUDGED_IN, list(doc_ids))]


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
    database: Database,
    *,
    extraction: ExtractionRow,
    events: Sequence[EventRow],
    evidence: Sequence[EvidenceRow],
    status: DocumentStatus,
    calls: Sequence[AgentPerformance] = (),
    problem: str = "",
    words: IndexedText | None = None,
) -> None:
    """Save an extraction with all that hangs on it, and what became of its document; repeating it changes nothing.

    Of a document that is read again the newest reading counts.

    Args:
        problem: why somebody should look at the document.
        words: what it is found by from now on.
    """
    symbols = sorted({row.symbol for row in evidence})
    found_by = [] if words is None else [index_values(extraction.doc_id, words, symbols)]
    await database.run(
        _SAVE_EXTRACTION,
        extraction.doc_id,
        status.value,
        extraction.result_key,
        as_json([extraction]),
        as_json(events),
        as_json(evidence),
        as_json(calls),
        problem if status is DocumentStatus.NEEDS_REVIEW else "",
        extraction.agent,
        extraction.extraction_id,
        values_as_json(found_by),
    )


async def save_shadow(database: Database, *, extraction: ExtractionRow, call: AgentPerformance | None) -> None:
    """Save what a challenger read: an extraction without events and evidence, so that nothing is decided from it."""
    await database.run(_SAVE_SHADOW, as_json([extraction]), as_json([call] if call is not None else []))


def status_of(valid: ValidatedExtraction, *, unusable: bool = False) -> DocumentStatus:
    """An answer that cannot be used, or of which no event survived, is for a person to look at: no silent nothing."""
    if unusable or (valid.dropped and not valid.extraction.events):
        return DocumentStatus.NEEDS_REVIEW
    return DocumentStatus.PROCESSED


BLANK_CALL: dict[str, Any] = {
    "variant_id": "",
    "kind": "first",
    "shadow": False,
    "cached": False,
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_dollars": 0,
}
"""Columns of a log line that a reading by the rules leaves as they are."""


def performance_of(reading: Reading, valid: ValidatedExtraction) -> AgentPerformance:
    """The log line of a reading by the rules."""
    call = reading.call
    return AgentPerformance(
        call_id=call.call_id,
        agent=call.agent,
        variant_id=call.variant_id,
        doc_id=reading.source.doc_id,
        extractor_version=reading.answer.extractor_version,
        attempt=call.attempt,
        shadow=call.shadow,
        latency_ms=call.latency_ms,
        valid=not call.problem,
        problem=call.problem,
        quotes_total=valid.quotes_total,
        quotes_valid=valid.quotes_valid,
        recorded_at=call.recorded_at,
    )


async def evidence_for(
    session: AsyncSession, *, symbols: Sequence[str], as_of: datetime, days: int
) -> dict[str, list[EvidenceItem]]:
    """Evidence known at `as_of` and not older than `days`, by symbol, ordered by (available_at, evidence id)."""
    rows = await session.exec(
        _evidence(after=as_of - timedelta(days=days), until=as_of).where(
            col(EvidenceRow.symbol).in_(symbols), ~taken_back(col(EvidenceRow.doc_id), as_of)
        )
    )
    found: dict[str, list[EvidenceItem]] = {symbol: [] for symbol in symbols}
    for evidence, document, extraction, kind in rows:
        found[evidence.symbol].append(_item(evidence, document, extraction, kind))
    return found


async def takings_back(session: AsyncSession, *, until: datetime) -> dict[str, datetime]:
    """By document, since when a correction or a retraction of it was known."""
    rows = await session.exec(
        select(DocumentLink.original_id, func.min(DocumentLink.available_at))
        .where(col(DocumentLink.relation).in_(_TAKING_BACK), DocumentLink.available_at <= until)
        .group_by(DocumentLink.original_id)
    )
    return dict(rows.all())


def _evidence(*, after: datetime, until: datetime) -> Any:
    """Evidence of the newest readings that became known after one instant and not after another, in order."""
    return (
        select(EvidenceRow, Document, ExtractionRow, Source.kind)
        .join(Document, col(Document.doc_id) == col(EvidenceRow.doc_id))
        .join(Source, col(Source.source_id) == col(Document.source_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(EvidenceRow.extraction_id))
        .where(EvidenceRow.available_at <= until, EvidenceRow.available_at > after, ~col(ExtractionRow.superseded))
        .order_by(col(EvidenceRow.available_at), col(EvidenceRow.evidence_id))
    )


def taken_back(doc_id: Any, as_of: datetime) -> Any:
    """Whether a document known at `as_of` corrects or retracts the one of the column."""
    return exists().where(
        col(DocumentLink.original_id) == doc_id,
        col(DocumentLink.relation).in_(_TAKING_BACK),
        col(DocumentLink.available_at) <= as_of,
    )


async def symbols_with_evidence(session: AsyncSession, *, as_of: datetime, days: int) -> list[str]:
    rows = await session.exec(
        select(EvidenceRow.symbol)
        .where(EvidenceRow.available_at <= as_of, EvidenceRow.available_at > as_of - timedelta(days=days))
        .distinct()
    )
    return sorted(rows.all())


def _item(evidence: EvidenceRow, document: Document, extraction: ExtractionRow, kind: str) -> EvidenceItem:
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
        site=site_of(document.source_id, kind, document.publisher),
        title=document.title,
        quote=evidence.quote,
        shingles=tuple(document.shingles),
    )
