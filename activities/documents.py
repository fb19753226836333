"""Documents: from raw bytes to clean text, from an extractor's answer to evidence in the book."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.ports import Flows
from domain.documents import DocumentStatus
from domain.extraction import (
    Candidate,
    Extraction,
    ExtractionInput,
    ValidatedExtraction,
    document_text,
)
from domain.ids import digest
from domain.ingestion import (
    DocumentFailure,
    DocumentOutcome,
    DocumentRequest,
    ExtractionReference,
    ParsedDocument,
)
from domain.novelty import shingles
from domain.research import EvidenceNotice
from domain.text import strip_invisible
from domain.validation import validate_extraction
from store import documents, registry
from store.database import Database
from store.objects import ObjectStore, key_for
from store.registry import SymbolMaster
from store.tables.ingestion import Document, EventRow, EvidenceRow, ExtractionRow

REGISTRY_SECONDS = 5.0
"""How long a change of the registry may take to be seen by the parser."""

MAXIMUM_CHARACTERS = 200_000
"""Longer texts are cut: no news story is longer, and a filing has its own parser."""


class DocumentActivities:
    """Parse and save. Every write is keyed by content, so that a retry changes nothing."""

    def __init__(self, database: Database, objects: ObjectStore, flows: Flows) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._known: SymbolMaster | None = None
        self._known_since = 0.0

    @activity.defn
    async def parse(self, request: DocumentRequest) -> ParsedDocument:
        """Clean the text, find the companies it may be about, and store both under the text's own hash."""
        async with self._database.transaction() as session:
            document = await documents.require(session, request.doc_id)
            labelled = await documents.symbols_of(session, request.doc_id)
            master = await self._master(session)
        raw = json.loads(await self._objects.get(document.raw_key))
        text = strip_invisible(document_text(raw["title"], raw["text"]))[:MAXIMUM_CHARACTERS]
        source = ExtractionInput(
            doc_id=document.doc_id,
            text=text,
            language=document.language,
            published_at=document.published_at,
            candidates=_candidates(text, labelled, master.names),
        )
        body = source.model_dump_json().encode()
        key = await self._objects.put(key_for("parsed", digest(body.decode(), length=64)), body, "application/json")
        async with self._database.transaction() as session:
            await documents.save_text(session, request.doc_id, text_key=key, shingles=list(shingles(text)))
        return ParsedDocument(
            doc_id=request.doc_id, text_key=key, characters=len(text), candidates=len(source.candidates)
        )

    async def _master(self, session: AsyncSession) -> SymbolMaster:
        """The registry, read again every few seconds: it changes by hand, documents come in bursts."""
        if self._known is None or time.monotonic() - self._known_since > REGISTRY_SECONDS:
            self._known, self._known_since = await registry.load_master(session), time.monotonic()
        return self._known

    @activity.defn
    async def save_evidence(self, reference: ExtractionReference) -> DocumentOutcome:
        """Keep what the text itself supports, save it, and tell every symbol that gained evidence."""
        async with self._database.transaction() as session:
            document = await documents.require(session, reference.doc_id)
        answer, text = await asyncio.gather(
            self._objects.get(reference.result_key), self._objects.get(document.text_key)
        )
        source = ExtractionInput.model_validate_json(text)
        valid = validate_extraction(Extraction.model_validate_json(answer), source)
        events, evidence = _rows(valid, reference, document)
        status = _status(valid)
        async with self._database.transaction() as session:
            await documents.save_extraction(
                session,
                extraction=ExtractionRow(
                    extraction_id=reference.extraction_id,
                    doc_id=reference.doc_id,
                    extractor=reference.extractor,
                    extractor_version=reference.extractor_version,
                    status=status.value,
                    result_key=reference.result_key,
                    quotes_total=valid.quotes_total,
                    quotes_valid=valid.quotes_valid,
                    dropped=list(valid.dropped),
                    recorded_at=datetime.now(UTC),
                ),
                events=events,
                evidence=evidence,
            )
            await documents.set_status(session, [reference.doc_id], status)
        symbols = tuple(sorted({row.symbol for row in evidence}))
        for symbol in symbols:
            await self._flows.tell_symbol(
                EvidenceNotice(symbol=symbol, doc_id=document.doc_id, available_at=document.available_at)
            )
        return DocumentOutcome(
            doc_id=reference.doc_id,
            status=status.value,
            events=len(events),
            symbols=symbols,
            dropped=len(valid.dropped),
        )

    @activity.defn
    async def record_failure(self, failure: DocumentFailure) -> None:
        """Mark a document whose processing gave up, so that lists show it; the workflow holds the details."""
        async with self._database.transaction() as session:
            await documents.set_status(
                session, [failure.doc_id], DocumentStatus.FAILED, error=f"{failure.stage}: {failure.error}"[:2_000]
            )


def _candidates(text: str, labelled: list[str], names: dict[str, tuple[str, ...]]) -> tuple[Candidate, ...]:
    """The source's own symbols, and every company one of whose names stands in the text."""
    found = [Candidate(symbol=symbol, names=names.get(symbol, (symbol,)), labelled=True) for symbol in labelled]
    known = set(labelled)
    for symbol in sorted(names):
        if symbol not in known and any(name in text for name in names[symbol]):
            found.append(Candidate(symbol=symbol, names=names[symbol]))
    return tuple(found)


def _status(valid: ValidatedExtraction) -> DocumentStatus:
    """An answer none of whose events survived is for a person to look at, not a silent 'nothing happened'."""
    if valid.dropped and not valid.extraction.events:
        return DocumentStatus.NEEDS_REVIEW
    return DocumentStatus.PROCESSED


def _rows(
    valid: ValidatedExtraction, reference: ExtractionReference, document: Document
) -> tuple[list[EventRow], list[EvidenceRow]]:
    events: list[EventRow] = []
    evidence: dict[tuple[str, str], EvidenceRow] = {}
    for number, event in enumerate(valid.extraction.events):
        event_id = digest("event", reference.extraction_id, number)
        events.append(
            EventRow(
                event_id=event_id,
                extraction_id=reference.extraction_id,
                doc_id=reference.doc_id,
                type=event.type.value,
                materiality=event.materiality.value,
                horizon=event.horizon.value,
                confidence=event.confidence,
                facts=[fact.model_dump(mode="json") for fact in event.facts],
                quotes=[quote.model_dump(mode="json") for quote in event.evidence],
            )
        )
        for entity in event.entities:
            if entity.sentiment == 0.0:
                continue
            evidence.setdefault(
                (event_id, entity.symbol),
                EvidenceRow(
                    evidence_id=digest("evidence", event_id, entity.symbol),
                    event_id=event_id,
                    extraction_id=reference.extraction_id,
                    doc_id=reference.doc_id,
                    symbol=entity.symbol,
                    available_at=document.available_at,
                    event_type=event.type.value,
                    role=entity.role.value,
                    materiality=event.materiality.value,
                    sentiment=entity.sentiment,
                    confidence=event.confidence,
                    quote=event.evidence[0].quote,
                ),
            )
    return events, list(evidence.values())
