"""Extraction: a document read by the configured extractor, its answer stored as it was given."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from temporalio import activity

from activities.ports import Extractor
from domain.errors import ConfigurationError, ModelOutputInvalid, VendorRejected, VendorUnavailable
from domain.extraction import Extraction, ExtractionInput
from domain.ids import digest
from domain.ingestion import ExtractionReference, ParsedDocument
from store.database import Database, insert_new
from store.objects import ObjectStore, key_for
from store.tables.ingestion import AgentPerformance

AGENT = "document-extractor"
ATTEMPTS_BEFORE_RULES = 3
"""A model that cannot be reached this often in a row is away: the rules read the document meanwhile."""


class ExtractionActivities:
    """Ask the extractor; where a model is away, missing or unusable, `fallback` (the rules) reads the document."""

    def __init__(
        self, database: Database, objects: ObjectStore, extractor: Extractor, fallback: Extractor | None = None
    ) -> None:
        self._database = database
        self._objects = objects
        self._extractor = extractor
        self._fallback = fallback

    @activity.defn
    async def extract(self, parsed: ParsedDocument) -> ExtractionReference:
        """Read the document once; a retry reads it again and stores the answer under the answer's own hash."""
        source = ExtractionInput.model_validate_json(await self._objects.get(parsed.text_key))
        started = time.monotonic()
        problem = ""
        try:
            answer = await self._extractor.extract(source)
        except (ModelOutputInvalid, VendorRejected, ConfigurationError, VendorUnavailable) as error:
            away = isinstance(error, VendorUnavailable)
            if self._fallback is None or (away and activity.info().attempt < ATTEMPTS_BEFORE_RULES):
                raise
            problem = str(error)
            answer = await self._fallback.extract(source)
        body = answer.model_dump_json().encode()
        key = await self._objects.put(
            key_for("extractions", digest(body.decode(), length=64)), body, "application/json"
        )
        await self._log(answer, started, problem)
        return ExtractionReference(
            doc_id=parsed.doc_id,
            extraction_id=digest("extraction", parsed.doc_id, answer.extractor_version, key),
            result_key=key,
            extractor=answer.extractor.value,
            extractor_version=answer.extractor_version,
        )

    async def _log(self, answer: Extraction, started: float, problem: str) -> None:
        info = activity.info()
        row = AgentPerformance(
            call_id=digest("call", info.workflow_run_id, info.activity_id, info.attempt),
            agent=AGENT,
            doc_id=answer.doc_id,
            extractor_version=answer.extractor_version,
            attempt=info.attempt,
            latency_ms=int((time.monotonic() - started) * 1000),
            valid=not problem,
            problem=problem[:1_000],
            quotes_total=sum(len(event.evidence) for event in answer.events),
            recorded_at=datetime.now(UTC),
        )
        async with self._database.transaction() as session:
            await insert_new(session, [row])
