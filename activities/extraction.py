"""Extraction: a document read by the configured extractor, its answer stored as it was given."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from temporalio import activity

from activities.documents import Parser
from activities.ports import Extractor
from domain.errors import ConfigurationError, ModelOutputInvalid, VendorRejected, VendorUnavailable
from domain.extraction import Extraction
from domain.ids import digest
from domain.ingestion import ExtractionReference, ParsedDocument
from store.database import Database
from store.documents import AgentCall, ParsedText, Reading
from store.objects import ObjectStore, key_for

AGENT = "document-extractor"
ATTEMPTS_BEFORE_RULES = 3
"""A model that cannot be reached this often in a row is away: the rules read the document meanwhile."""


class ExtractionActivities:
    """Ask the extractor; where a model is away, missing or unusable, `fallback` (the rules) reads the document."""

    def __init__(
        self, database: Database, objects: ObjectStore, extractor: Extractor, fallback: Extractor | None = None
    ) -> None:
        self._objects = objects
        self._extractor = extractor
        self._fallback = fallback
        self._parser = Parser(database, objects)

    @activity.defn
    async def extract(self, parsed: ParsedDocument) -> ExtractionReference:
        """Read the document once, and store what was read with the answer; a retry reads and stores it again."""
        text = await self._text(parsed)
        started = time.monotonic()
        problem = ""
        try:
            answer = await self._extractor.extract(text.source)
        except (ModelOutputInvalid, VendorRejected, ConfigurationError, VendorUnavailable) as error:
            away = isinstance(error, VendorUnavailable)
            if self._fallback is None or (away and activity.info().attempt < ATTEMPTS_BEFORE_RULES):
                raise
            problem = str(error)
            answer = await self._fallback.extract(text.source)
        reading = Reading(
            available_at=text.available_at,
            source=text.source,
            takes_back=text.takes_back,
            answer=answer,
            call=_call(int((time.monotonic() - started) * 1000), problem),
        )
        body = reading.model_dump_json()
        key = await self._objects.put(key_for("readings", digest(body, length=64)), body.encode(), "application/json")
        return ExtractionReference(
            doc_id=parsed.doc_id,
            extraction_id=extraction_id_of(parsed.doc_id, answer),
            result_key=key,
            extractor=answer.extractor.value,
            extractor_version=answer.extractor_version,
        )

    async def _text(self, parsed: ParsedDocument) -> ParsedText:
        """What the parser made: mostly still in memory, made again where another process made it."""
        body = self._objects.kept(parsed.text_key)
        if body is None:
            return await self._parser.parse(parsed.doc_id)
        return ParsedText.model_validate_json(body)


def extraction_id_of(doc_id: str, answer: Extraction) -> str:
    """The same for the same answer, whatever the call that gave it took."""
    content = key_for("extractions", digest(answer.model_dump_json(), length=64))
    return digest("extraction", doc_id, answer.extractor_version, content)


def _call(latency_ms: int, problem: str) -> AgentCall:
    info = activity.info()
    return AgentCall(
        call_id=digest("call", info.workflow_run_id, info.activity_id, info.attempt),
        agent=AGENT,
        attempt=info.attempt,
        latency_ms=latency_ms,
        problem=problem[:1_000],
        recorded_at=datetime.now(UTC),
    )
