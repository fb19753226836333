"""Classification: what a document says of the economy, read by the variant that it was assigned to."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.asking import Agent, Asker, ModelDesk
from activities.documents import Parser
from activities.extraction import CUT, parsed_text_of, rules_take_over
from domain.agents import AgentKind, Assignment, Engine, assign
from domain.documents import DocumentStatus
from domain.errors import ModelOutputInvalid, StonksError
from domain.extraction import ExtractorKind
from domain.ids import digest
from domain.ingestion import ClassificationOutcome, ParsedDocument, ReadingTask
from domain.macro import MacroInput, MacroReading, ValidatedMacro, validate_macro
from store import documents, economy
from store.database import Database, values_as_json
from store.documents import ParsedText
from store.objects import ObjectStore

AGENT = AgentKind.EVENT_CLASSIFIER.value


class RulesClassifier(Protocol):
    """The rules: no model, no network."""

    def classify(self, source: MacroInput) -> MacroReading: ...


@dataclass(frozen=True)
class _Answered:
    reading: MacroReading
    problem: str = ""
    unusable: bool = False


class ClassificationActivities:
    """Read what a document says of the economy, check it, save it. Keyed by content: a retry changes nothing."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        resolver: AgentResolver,
        rules: RulesClassifier,
        desk: ModelDesk,
        agent: Agent[MacroInput, MacroReading],
    ) -> None:
        self._database = database
        self._objects = objects
        self._resolver = resolver
        self._rules = rules
        self._desk = desk
        self._agent = agent
        self._parser = Parser(database, objects)

    @activity.defn
    async def classify(self, parsed: ParsedDocument) -> ClassificationOutcome:
        """Classify the document once, by rules or by a model, and keep what its text supports."""
        who = parsed.classifier
        if who is None:
            who = assign(parsed.doc_id, await self._resolver.resolve(AgentKind.EVENT_CLASSIFIER))
        return await self._classify(parsed, who, shadow=False)

    @activity.defn
    async def classify_in_shadow(self, task: ReadingTask) -> ClassificationOutcome:
        """Classify the document by a challenger, and store that it did where nothing is decided from it."""
        assigned = task.parsed.classifier or Assignment(agent_id=AGENT)
        settings = await self._resolver.settings(AgentKind.EVENT_CLASSIFIER, task.variant_id)
        who = assigned.model_copy(update={"variant_id": task.variant_id, "engine": settings.engine, "shadows": ()})
        return await self._classify(task.parsed, who, shadow=True)

    async def _classify(self, parsed: ParsedDocument, who: Assignment, *, shadow: bool) -> ClassificationOutcome:
        text = await parsed_text_of(self._objects, self._parser, parsed)
        source = macro_input(text)
        started = time.monotonic()
        answered = await self._answer(source, who, shadow=shadow)
        elapsed = int((time.monotonic() - started) * 1_000)
        return await self._save(text, who, answered, validate_macro(answered.reading, source), elapsed, shadow=shadow)

    async def _answer(self, source: MacroInput, who: Assignment, *, shadow: bool) -> _Answered:
        if who.engine is Engine.RULES:
            return _Answered(self._rules.classify(source))
        agent = await self._resolver.resolve(AgentKind.EVENT_CLASSIFIER)
        asker = Asker(
            agent_id=AGENT,
            settings=await self._resolver.settings(AgentKind.EVENT_CLASSIFIER, who.variant_id),
            variant_id=who.variant_id,
            budget=agent.budget,
            subject=source.doc_id,
            shadow=shadow,
        )
        try:
            asked = await self._desk.ask(self._agent, source, asker)
        except ModelOutputInvalid as error:
            if error.code == CUT:
                return _Answered(self._rules.classify(source), problem=str(error))
            version = f"{asker.settings.model}@unusable"
            nothing = MacroReading(doc_id=source.doc_id, extractor=ExtractorKind.MODEL, extractor_version=version)
            return _Answered(nothing, problem=str(error), unusable=True)
        except StonksError as error:
            if shadow or not rules_take_over(error, activity.info().attempt):
                raise
            return _Answered(self._rules.classify(source), problem=str(error))
        return _Answered(asked.value)

    async def _save(
        self,
        text: ParsedText,
        who: Assignment,
        answered: _Answered,
        valid: ValidatedMacro,
        elapsed_ms: int,
        *,
        shadow: bool,
    ) -> ClassificationOutcome:
        info = activity.info()
        reading = ClassifiedDocument(
            text=text,
            valid=valid,
            answer=answered.reading,
            variant_id=who.variant_id,
            experiment=who.experiment,
            problem=answered.problem[:1_000],
            unusable=answered.unusable,
            shadow=shadow,
            call_id=digest("call", info.workflow_run_id, info.activity_id, info.attempt),
            attempt=info.attempt,
            latency_ms=elapsed_ms,
            recorded_at=datetime.now(UTC),
        )
        await economy.save(
            self._database,
            extraction=values_as_json([reading.extraction()]),
            events=values_as_json([] if shadow else reading.events()),
            calls=values_as_json([reading.call()] if answered.reading.extractor is ExtractorKind.RULES else []),
        )
        return ClassificationOutcome(
            doc_id=text.source.doc_id,
            events=len(valid.reading.events),
            dropped=len(valid.dropped),
            review=reading.review,
        )


@dataclass(frozen=True)
class ClassifiedDocument:
    """What a reading of the economy comes to in the book: rows as columns by name."""

    text: ParsedText
    valid: ValidatedMacro
    answer: MacroReading
    call_id: str
    recorded_at: datetime
    variant_id: str = ""
    experiment: str = ""
    problem: str = ""
    unusable: bool = False
    shadow: bool = False
    attempt: int = 1
    latency_ms: int = 0

    @property
    def extraction_id(self) -> str:
        version = self.answer.extractor_version
        found = digest("classification", self.text.source.doc_id, version, self.answer.model_dump_json())
        return digest("shadow", self.variant_id, found) if self.shadow else found

    @property
    def review(self) -> str:
        """Why somebody should look at the document; empty where nothing asks for it."""
        if self.unusable:
            return self.problem
        if self.valid.dropped and not self.valid.reading.events:
            return self.valid.dropped[0]
        return ""

    def extraction(self) -> dict[str, Any]:
        status = DocumentStatus.NEEDS_REVIEW if self.review else DocumentStatus.PROCESSED
        return {
            "extraction_id": self.extraction_id,
            "doc_id": self.text.source.doc_id,
            "agent": AGENT,
            "variant_id": self.variant_id,
            "experiment": self.experiment,
            "shadow": self.shadow,
            "superseded": False,
            "extractor": self.answer.extractor.value,
            "extractor_version": self.answer.extractor_version,
            "status": status.value,
            "result_key": "",
            "quotes_total": self.valid.quotes_total,
            "quotes_valid": self.valid.quotes_valid,
            "dropped": list(self.valid.dropped),
            "recorded_at": self.recorded_at,
        }

    def events(self) -> list[dict[str, Any]]:
        return [
            {
                "macro_event_id": digest("macro-event", self.extraction_id, number),
                "extraction_id": self.extraction_id,
                "doc_id": self.text.source.doc_id,
                "topic": event.topic.value,
                "factor": event.factor.value,
                "name": event.name,
                "direction": event.direction,
                "confidence": event.confidence,
                "surprise": event.surprise.model_dump() if event.surprise is not None else {},
                "region": event.region,
                "sectors": list(event.sectors),
                "quotes": [quote.model_dump(mode="json") for quote in event.evidence],
                "available_at": self.text.available_at,
            }
            for number, event in enumerate(self.valid.reading.events)
        ]

    def call(self) -> dict[str, Any]:
        """The log line of a reading by the rules."""
        return {
            **documents.BLANK_CALL,
            "call_id": self.call_id,
            "agent": AGENT,
            "variant_id": self.variant_id,
            "shadow": self.shadow,
            "doc_id": self.text.source.doc_id,
            "extractor_version": self.answer.extractor_version,
            "attempt": self.attempt,
            "latency_ms": self.latency_ms,
            "valid": not self.problem,
            "problem": self.problem,
            "quotes_total": self.valid.quotes_total,
            "quotes_valid": self.valid.quotes_valid,
            "recorded_at": self.recorded_at,
        }


def macro_input(text: ParsedText) -> MacroInput:
    source = text.source
    return MacroInput(
        doc_id=source.doc_id, text=source.text, language=source.language, published_at=source.published_at
    )
