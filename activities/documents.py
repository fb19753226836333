"""Documents: from raw bytes to clean text, from an extractor's answer to evidence in the book."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.layers import Reach
from activities.ports import Flows
from domain.agents import BASELINE, BASELINE_READER, RULES_READER, AgentKind, Assignment, assign, by_rules
from domain.cross_check import claim_limit, tempered
from domain.documents import NEW_YORK, Credibility, DocumentStatus, Section
from domain.evidence import evidence_values
from domain.extraction import Candidate, ExtractionInput, ExtractorKind, ValidatedExtraction
from domain.ids import digest
from domain.ingestion import (
    DocumentFailure,
    DocumentOutcome,
    DocumentRequest,
    ExtractionReference,
    ParsedDocument,
)
from domain.macro import concerns_economy
from domain.parsed import parsed_text
from domain.research import EconomyNotice, EvidenceNotice
from domain.search import indexed_text
from domain.validation import validate_extraction
from store import documents, outbox, registry
from store.database import Database
from store.documents import DocumentHead, ParsedText, Reading
from store.objects import ObjectStore, key_for
from store.registry import SymbolMaster
from store.tables.ingestion import EventRow, EvidenceRow, ExtractionRow

REGISTRY_SECONDS = 5.0
"""How long a change of the registry may take to be seen by the parser."""

NAMED_SCORE = 0.6
"""How sure the registry must be that a text names a company before the extractor looks at it."""
LONG_CHARACTERS = 20_000
"""Longer texts are searched for companies in a thread, so that others' documents do not wait."""


class Parser:
    """Makes what an extractor is given from what a source delivered. Makes the same again from the same bytes."""

    def __init__(self, database: Database, objects: ObjectStore) -> None:
        self._database = database
        self._objects = objects
        self._known: SymbolMaster | None = None
        self._known_since = 0.0

    async def parse(self, doc_id: str) -> ParsedText:
        """Clean the text, and find the companies it may be about."""
        document = await documents.require(self._database, doc_id)
        raw = json.loads(await self._objects.get(document.raw_key))
        master = await self.master()
        title, text = str(raw["title"]), str(raw["text"])
        if len(text) < LONG_CHARACTERS:
            source = extraction_input(document, title, text, master)
        else:
            source = await asyncio.to_thread(extraction_input, document, title, text, master)
        return ParsedText(available_at=document.available_at, source=source, takes_back=document.takes_back)

    async def master(self) -> SymbolMaster:
        """The registry, read again every few seconds: it changes by hand, documents come in bursts."""
        if self._known is None or time.monotonic() - self._known_since > REGISTRY_SECONDS:
            async with self._database.transaction() as session:
                known = await registry.load_master(session)
            await asyncio.to_thread(lambda: known.index)  # built once for a registry: a second for ten thousand names
            self._known, self._known_since = known, time.monotonic()
        return self._known


class DocumentActivities:
    """Parse and save. Every write is keyed by content, so that a retry changes nothing."""

    def __init__(self, database: Database, objects: ObjectStore, flows: Flows, resolver: AgentResolver) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._resolver = resolver
        self._parser = Parser(database, objects)
        self._reach = Reach(database)

    @activity.defn
    async def parse(self, request: DocumentRequest) -> ParsedDocument:
        """Parse a document and choose who reads it.

        The result is kept in memory for the extractor, which stores it beside its answer.
        """
        parsed = await self._parser.parse(request.doc_id)
        body = parsed.model_dump_json().encode()
        key = key_for("parsed", digest(body.decode(), length=64))
        self._objects.keep(key, body)
        return ParsedDocument(
            doc_id=request.doc_id,
            text_key=key,
            characters=len(parsed.source.text),
            candidates=len(parsed.source.candidates),
            extractor=await self._extractor(request),
            classifier=await self._classifier(request, parsed),
        )

    async def _extractor(self, request: DocumentRequest) -> Assignment:
        kind = AgentKind.DOCUMENT_EXTRACTOR
        if not request.read_by:
            return assign(request.doc_id, await self._resolver.resolve(kind))
        if request.read_by == RULES_READER:
            return by_rules(kind.value)
        variant_id = BASELINE if request.read_by == BASELINE_READER else request.read_by
        settings = await self._resolver.settings(kind, variant_id)
        return Assignment(agent_id=kind.value, variant_id=variant_id, engine=settings.engine)

    async def _classifier(self, request: DocumentRequest, parsed: ParsedText) -> Assignment | None:
        if not concerns_economy(parsed.source.text):
            return None
        if request.read_by:  # the same question would have the same answer that nobody could use
            return by_rules(AgentKind.EVENT_CLASSIFIER.value)
        return assign(request.doc_id, await self._resolver.resolve(AgentKind.EVENT_CLASSIFIER))

    @activity.defn
    async def save_evidence(self, reference: ExtractionReference) -> DocumentOutcome:
        """Keep what the text itself supports, save it, and tell every symbol that gained evidence.

        Told are also those that name one of these as a competitor, and the universe where the economy is spoken of.
        """
        reading = Reading.model_validate_json(await self._objects.get(reference.result_key))
        checked = check_reading(reading)
        valid = checked.valid
        found = evidence_values(
            valid,
            extraction_id=reference.extraction_id,
            doc_id=reference.doc_id,
            available_at=reading.available_at,
        )
        status = documents.status_of(valid, unusable=reading.unusable or bool(reference.review))
        text = reading.source.text
        words = indexed_text(text) if len(text) < LONG_CHARACTERS else await asyncio.to_thread(indexed_text, text)
        await documents.save_extraction(
            self._database,
            extraction=ExtractionRow(
                extraction_id=reference.extraction_id,
                doc_id=reference.doc_id,
                agent=reading.call.agent,
                variant_id=reading.call.variant_id,
                experiment=reading.call.experiment,
                extractor=reference.extractor,
                extractor_version=reference.extractor_version,
                status=status.value,
                result_key=reference.result_key,
                quotes_total=valid.quotes_total,
                quotes_valid=valid.quotes_valid,
                dropped=[*valid.dropped, *checked.conflicts],
                recorded_at=datetime.now(UTC),
            ),
            events=[EventRow(**values) for values in found.events],
            evidence=[EvidenceRow(**values) for values in found.evidence],
            status=status,
            calls=[documents.performance_of(reading, valid)] if reading.answer.extractor is ExtractorKind.RULES else [],
            problem=reading.call.problem or reference.review,
            words=words,
        )
        gained = {str(values["symbol"]) for values in found.evidence}
        if reading.takes_back:  # what an earlier document said of a company counts no longer: it is judged anew
            gained |= set(await documents.symbols_judged_in(self._database, reading.takes_back))
        symbols = tuple(sorted(gained))
        gained |= await self._reach.rivals_of(symbols)
        if await self._reach.economy_matters() and concerns_economy(reading.source.text):
            await self._flows.tell_universe(EconomyNotice(doc_id=reference.doc_id, available_at=reading.available_at))
        notices = [
            EvidenceNotice(symbol=symbol, doc_id=reference.doc_id, available_at=reading.available_at)
            for symbol in sorted(gained)
        ]
        await asyncio.gather(*(self._flows.tell_symbol(notice) for notice in notices))
        return DocumentOutcome(
            doc_id=reference.doc_id,
            status=status.value,
            events=len(found.events),
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
            await outbox.publish(
                session,
                event_id=f"document/{failure.doc_id}/{activity.info().workflow_run_id}/failed",
                event="document_failed",
                subject_id=failure.doc_id,
                body={"status": DocumentStatus.FAILED.value, "step": failure.stage},
                occurred_at=datetime.now(UTC),
                wake=False,
            )


class CheckedReading(NamedTuple):
    """What the hard checks left of a reading, and where a model and the rules saw opposite signs."""

    valid: ValidatedExtraction
    conflicts: tuple[str, ...] = ()


def check_reading(reading: Reading) -> CheckedReading:
    """Keep what the text supports, and weaken what the rules contradict: a pure function of what is stored."""
    if reading.witness is None:
        return CheckedReading(validate_extraction(reading.answer, reading.source))
    valid = validate_extraction(claim_limit(reading.answer), reading.source)
    weakened = tempered(valid.extraction, reading.witness)
    return CheckedReading(valid.model_copy(update={"extraction": weakened.extraction}), weakened.notes)


def extraction_input(document: DocumentHead, title: str, text: str, master: SymbolMaster) -> ExtractionInput:
    """What an extractor is given of a document: clean text, its sections, and the companies that it may be about."""
    parsed, sections = parsed_text(title, text, [Section(**section) for section in document.sections])
    return ExtractionInput(
        doc_id=document.doc_id,
        text=parsed,
        language=document.language,
        published_at=document.published_at,
        candidates=_candidates(parsed, document.symbols, master, _day(document.published_at)),
        sections=sections,
        filed=document.credibility == Credibility.OFFICIAL.value,
    )


def _day(published_at: datetime) -> date:
    """The day in New York that a document belongs to; a day-precise one ends with it."""
    return (published_at - timedelta(seconds=1)).astimezone(NEW_YORK).date()


def _candidates(text: str, labelled: Sequence[str], master: SymbolMaster, on: date) -> tuple[Candidate, ...]:
    """Of the companies that are followed: those that the source names, and those that the text names on that day."""
    labelled = [symbol for symbol in labelled if symbol in master.followed]
    named = {
        found.symbol: found
        for found in master.index.resolve(text, on)
        if found.score >= NAMED_SCORE and found.symbol in master.followed
    }

    def names(symbol: str) -> tuple[str, ...]:
        mentions = named[symbol].mentions if symbol in named else ()
        spoken = {text[start:end] for start, end in mentions}
        # A ticker must not become a name: MA stands for Mastercard only where the text says so.
        words = {word for word in spoken if master.index.resolve_ticker(word, on) is None}
        known = words | set(master.names.get(symbol, ()))
        return tuple(sorted(known, key=lambda name: (-len(name), name))) or (symbol,)

    found = [Candidate(symbol=symbol, names=names(symbol), labelled=True) for symbol in labelled]
    found += [Candidate(symbol=symbol, names=names(symbol)) for symbol in sorted(named.keys() - set(labelled))]
    return tuple(found)
