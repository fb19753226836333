"""Extraction: a document read by the variant it was assigned to, its answer stored as it was given.

The rules read in process; a model is asked through the desk. Where a model is away, missing, out of budget or has no
room for its answer, the rules read the document; where its answer stays unusable, the document is for a person.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.asking import Agent, Asker, ModelDesk
from activities.documents import Parser
from domain.agents import AgentKind, Assignment, Engine, assign
from domain.errors import (
    BudgetExhausted,
    ConfigurationError,
    ModelOutputInvalid,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)
from domain.extraction import Extraction, ExtractionInput, ExtractorKind
from domain.ids import digest
from domain.ingestion import DocumentOutcome, ExtractionReference, ParsedDocument, ReadingTask
from domain.validation import validate_extraction
from store import documents
from store.database import Database
from store.documents import AgentCall, ParsedText, Reading
from store.objects import ObjectStore, key_for
from store.tables.ingestion import ExtractionRow

AGENT = AgentKind.DOCUMENT_EXTRACTOR.value
ATTEMPTS_BEFORE_RULES = 3
"""A model server that cannot be reached this often in a row is away: the rules read the document meanwhile."""
BUSY_BEFORE_RULES = 10
"""The same for one that says that it is busy."""
CUT = "MODEL_OUTPUT_CUT"


class RulesReader(Protocol):
    """The rules: no model, no network."""

    async def extract(self, source: ExtractionInput) -> Extraction: ...


@dataclass(frozen=True)
class _Answered:
    answer: Extraction
    problem: str = ""
    unusable: bool = False
    witness: Extraction | None = None


class ExtractionActivities:
    """Read a document. Every attempt stores the same objects under the same names."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        resolver: AgentResolver,
        rules: RulesReader,
        desk: ModelDesk,
        agent: Agent[ExtractionInput, Extraction],
        *,
        attempt: Callable[[], int] = lambda: activity.info().attempt,
    ) -> None:
        self._database = database
        self._objects = objects
        self._resolver = resolver
        self._rules = rules
        self._desk = desk
        self._agent = agent
        self._attempt = attempt
        self._parser = Parser(database, objects)

    @activity.defn
    async def extract(self, parsed: ParsedDocument) -> ExtractionReference:
        """Read the document once, and store what was read with the answer; a retry reads and stores it again."""
        who = parsed.extractor
        if who is None:
            who = assign(parsed.doc_id, await self._resolver.resolve(AgentKind.DOCUMENT_EXTRACTOR))
        text = await parsed_text_of(self._objects, self._parser, parsed)
        reading = await self._read(text, who, shadow=False)
        key = await self._keep(reading)
        return ExtractionReference(
            doc_id=parsed.doc_id,
            extraction_id=extraction_id_of(parsed.doc_id, reading.answer),
            result_key=key,
            extractor=reading.answer.extractor.value,
            extractor_version=reading.answer.extractor_version,
        )

    @activity.defn
    async def read_in_shadow(self, task: ReadingTask) -> DocumentOutcome:
        """Read the document by a challenger, and store the answer where nothing is decided from it."""
        parsed = task.parsed
        assigned = parsed.extractor or Assignment(agent_id=AGENT)
        settings = await self._resolver.settings(AgentKind.DOCUMENT_EXTRACTOR, task.variant_id)
        who = assigned.model_copy(update={"variant_id": task.variant_id, "engine": settings.engine, "shadows": ()})
        text = await parsed_text_of(self._objects, self._parser, parsed)
        reading = await self._read(text, who, shadow=True)
        valid = validate_extraction(reading.answer, reading.source)
        status = documents.status_of(valid, unusable=reading.unusable)
        await documents.save_shadow(
            self._database,
            extraction=ExtractionRow(
                extraction_id=digest("shadow", task.variant_id, extraction_id_of(parsed.doc_id, reading.answer)),
                doc_id=parsed.doc_id,
                agent=AGENT,
                variant_id=task.variant_id,
                experiment=who.experiment,
                shadow=True,
                extractor=reading.answer.extractor.value,
                extractor_version=reading.answer.extractor_version,
                status=status.value,
                result_key=await self._keep(reading),
                quotes_total=valid.quotes_total,
                quotes_valid=valid.quotes_valid,
                dropped=list(valid.dropped),
                recorded_at=datetime.now(UTC),
            ),
            call=documents.performance_of(reading, valid) if reading.answer.extractor is ExtractorKind.RULES else None,
        )
        return DocumentOutcome(
            doc_id=parsed.doc_id,
            status=status.value,
            events=len(valid.extraction.events),
            dropped=len(valid.dropped),
        )

    async def _read(self, text: ParsedText, who: Assignment, *, shadow: bool) -> Reading:
        started = time.monotonic()
        if who.engine is Engine.RULES:
            answered = _Answered(await self._rules.extract(text.source))
        else:
            answered = await self._ask(text.source, who, shadow=shadow)
        info = activity.info()
        return Reading(
            available_at=text.available_at,
            source=text.source,
            takes_back=text.takes_back,
            answer=answered.answer,
            witness=answered.witness,
            unusable=answered.unusable,
            call=AgentCall(
                call_id=digest("call", info.workflow_run_id, info.activity_id, info.attempt),
                agent=AGENT,
                variant_id=who.variant_id,
                experiment=who.experiment,
                shadow=shadow,
                attempt=info.attempt,
                latency_ms=int((time.monotonic() - started) * 1_000),
                problem=answered.problem[:1_000],
                recorded_at=datetime.now(UTC),
            ),
        )

    async def _ask(self, source: ExtractionInput, who: Assignment, *, shadow: bool) -> _Answered:
        agent = await self._resolver.resolve(AgentKind.DOCUMENT_EXTRACTOR)
        asker = Asker(
            agent_id=AGENT,
            settings=await self._resolver.settings(AgentKind.DOCUMENT_EXTRACTOR, who.variant_id),
            variant_id=who.variant_id,
            budget=agent.budget,
            subject=source.doc_id,
            shadow=shadow,
        )
        try:
            asked = await self._desk.ask(self._agent, source, asker)
        except ModelOutputInvalid as error:
            rules = await self._rules.extract(source)
            if error.code == CUT:
                return _Answered(rules, problem=str(error))
            return _Answered(_nothing(source, asker), problem=str(error), unusable=True, witness=rules)
        except StonksError as error:
            if shadow or not rules_take_over(error, self._attempt()):
                raise
            return _Answered(await self._rules.extract(source), problem=str(error))
        return _Answered(asked.value, witness=await self._rules.extract(source))

    async def _keep(self, reading: Reading) -> str:
        body = reading.model_dump_json()
        return await self._objects.put(key_for("readings", digest(body, length=64)), body.encode(), "application/json")


def rules_take_over(error: StonksError, attempt: int) -> bool:
    """Whether the rules answer instead of a model: it cannot, may not, or did not after several attempts."""
    if isinstance(error, VendorRejected | ConfigurationError | BudgetExhausted):
        return True
    if isinstance(error, VendorThrottled):
        return attempt >= BUSY_BEFORE_RULES
    return isinstance(error, VendorUnavailable) and attempt >= ATTEMPTS_BEFORE_RULES


async def parsed_text_of(objects: ObjectStore, parser: Parser, parsed: ParsedDocument) -> ParsedText:
    """What the parser made: mostly still in memory, made again where another process made it."""
    body = objects.kept(parsed.text_key)
    if body is None:
        return await parser.parse(parsed.doc_id)
    return ParsedText.model_validate_json(body)


def _nothing(source: ExtractionInput, asker: Asker) -> Extraction:
    version = f"{asker.settings.model}@unusable"
    return Extraction(doc_id=source.doc_id, extractor=ExtractorKind.MODEL, extractor_version=version)


def extraction_id_of(doc_id: str, answer: Extraction) -> str:
    """The same for the same answer, whatever the call that gave it took."""
    content = key_for("extractions", digest(answer.model_dump_json(), length=64))
    return digest("extraction", doc_id, answer.extractor_version, content)
