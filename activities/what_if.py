"""What if: plan from the decision record, read each frozen document again, decide again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.asking import Agent, Asker, ModelDesk
from activities.documents import check_reading
from activities.extraction import RulesReader, extraction_id_of
from domain.agents import AgentKind, Engine
from domain.decisions import DecisionRecord, EvidenceItem
from domain.documents import Credibility
from domain.errors import ModelOutputInvalid
from domain.evidence import evidence_values
from domain.extraction import EntityRole, EventType, Extraction, ExtractionInput, ExtractorKind, Materiality
from domain.ids import digest
from domain.prompting import ModelCall
from domain.what_if import (
    DecideAgainTask,
    ReadAgain,
    ReadAgainTask,
    WhatIfFailure,
    WhatIfOutcome,
    WhatIfPlan,
    WhatIfReport,
    WhatIfRequest,
    changes,
    check_not_later,
    decide_again,
)
from store import recommendations, what_ifs
from store.database import Database
from store.documents import Reading
from store.objects import ObjectStore, key_for
from store.tables.ingestion import Document

AGENT = AgentKind.DOCUMENT_EXTRACTOR.value
AD_HOC = "ad-hoc"
"""Stands for the variant where settings belong to none, so that their calls count for no variant."""


class WhatIfActivities:
    """Reads only what the decision could know, writes only the report."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        resolver: AgentResolver,
        rules: RulesReader,
        desk: ModelDesk,
        agent: Agent[ExtractionInput, Extraction],
    ) -> None:
        self._database = database
        self._objects = objects
        self._resolver = resolver
        self._rules = rules
        self._desk = desk
        self._agent = agent

    @activity.defn
    async def plan_what_if(self, request: WhatIfRequest) -> WhatIfPlan:
        """Find the documents that the decision knew, each as it was read then."""
        record = await self._record(request.recommendation_id)
        async with self._database.transaction() as session:
            plan = await what_ifs.plan(session, record)
        for document in plan.documents:
            check_not_later(document.doc_id, document.available_at, plan.as_of)
        return plan

    @activity.defn
    async def read_again(self, task: ReadAgainTask) -> ReadAgain:
        """Read a document's frozen text by the other settings; the answer is stored beside, not in the book."""
        document, settings = task.document, task.request.settings
        old = Reading.model_validate_json(await self._objects.get(document.result_key))
        check_not_later(document.doc_id, old.available_at, task.as_of)
        began, problem, calls, unusable = time.monotonic(), "", list[ModelCall](), False
        rules = await self._rules.extract(old.source)
        answer = rules
        if settings.engine is not Engine.RULES:
            try:
                asked = await self._desk.ask(self._agent, old.source, await self._asker(task))
                answer, calls = asked.value, asked.calls
            except ModelOutputInvalid as error:
                problem, unusable = f"{document.doc_id}: {error}"[:500], True
                answer = Extraction(
                    doc_id=document.doc_id,
                    extractor=ExtractorKind.MODEL,
                    extractor_version=f"{settings.model}@unusable",
                )
        witness = rules if answer.extractor is ExtractorKind.MODEL else None
        reading = old.model_copy(update={"answer": answer, "witness": witness, "unusable": unusable})
        body = reading.model_dump_json()
        key = await self._objects.put(key_for("readings", digest(body, length=64)), body.encode(), "application/json")
        return ReadAgain(
            doc_id=document.doc_id,
            result_key=key,
            version=answer.extractor_version,
            problem=problem,
            calls=len(calls),
            cached=sum(call.cached for call in calls),
            tokens_in=sum(call.tokens_in for call in calls),
            tokens_out=sum(call.tokens_out for call in calls),
            cost_dollars=sum((call.cost_dollars for call in calls), start=Decimal(0)),
            latency_ms=int((time.monotonic() - began) * 1_000),
        )

    @activity.defn
    async def decide_again(self, task: DecideAgainTask) -> WhatIfOutcome:
        """Decide from the record with the new readings, and save the report."""
        record = await self._record(task.request.recommendation_id)
        async with self._database.transaction() as session:
            rows = await what_ifs.documents_of(session, [reading.doc_id for reading in task.readings])
        evidence = {
            reading.doc_id: await self._evidence(record.symbol, reading, *rows[reading.doc_id])
            for reading in task.readings
        }
        before, after = decide_again(record, evidence)
        report = WhatIfReport(
            symbol=record.symbol,
            as_of=record.as_of,
            read_by=tuple(sorted({reading.version for reading in task.readings})),
            documents=len(task.readings),
            left_out=task.plan.left_out,
            changed=changes(record.evidence, evidence, {doc_id: row.title for doc_id, (row, _) in rows.items()}),
            before=before,
            after=after,
            problems=tuple(reading.problem for reading in task.readings if reading.problem),
            **_spent(task.readings),
        )
        await self._finish(task.request, report)
        return WhatIfOutcome(
            what_if_id=task.request.what_if_id,
            before=before.action,
            after=after.action,
            changed=len(report.changed),
        )

    @activity.defn
    async def record_what_if_failure(self, failure: WhatIfFailure) -> None:
        """Note that it gave up, so that whoever asked learns it; the workflow holds the details."""
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            await what_ifs.finish(session, failure.request.what_if_id, report=None, error=failure.error, now=now)

    async def _finish(self, request: WhatIfRequest, report: WhatIfReport) -> None:
        async with self._database.transaction() as session:
            await what_ifs.finish(session, request.what_if_id, report=report, now=datetime.now(UTC))

    async def _asker(self, task: ReadAgainTask) -> Asker:
        agent = await self._resolver.resolve(AgentKind.DOCUMENT_EXTRACTOR)
        return Asker(
            agent_id=AGENT,
            settings=task.request.settings,
            variant_id=task.request.variant_id or AD_HOC,
            budget=agent.budget,
            subject=task.document.doc_id,
            shadow=True,
        )

    async def _record(self, recommendation_id: str) -> DecisionRecord:
        async with self._database.transaction() as session:
            key = (await recommendations.require_record(session, recommendation_id)).record_key
        return DecisionRecord.model_validate_json(await self._objects.get(key))

    async def _evidence(self, symbol: str, again: ReadAgain, document: Document, site: str) -> list[EvidenceItem]:
        reading = Reading.model_validate_json(await self._objects.get(again.result_key))
        checked = check_reading(reading)
        extraction_id = extraction_id_of(again.doc_id, reading.answer)
        found = evidence_values(
            checked.valid, extraction_id=extraction_id, doc_id=again.doc_id, available_at=reading.available_at
        )
        return [
            EvidenceItem(
                evidence_id=values["evidence_id"],
                doc_id=again.doc_id,
                extraction_id=extraction_id,
                symbol=symbol,
                available_at=reading.available_at,
                published_at=document.published_at,
                event_type=EventType(values["event_type"]),
                role=EntityRole(values["role"]),
                materiality=Materiality(values["materiality"]),
                sentiment=values["sentiment"],
                confidence=values["confidence"],
                quote_validity=checked.valid.quote_validity,
                credibility=Credibility(document.credibility),
                extractor=reading.answer.extractor,
                content_hash=document.content_hash,
                publisher=document.publisher,
                site=site,
                title=document.title,
                quote=values["quote"],
                shingles=tuple(document.shingles),
            )
            for values in found.evidence
            if values["symbol"] == symbol
        ]


def _spent(readings: Sequence[ReadAgain]) -> dict[str, int | Decimal]:
    return {
        "calls": sum(reading.calls for reading in readings),
        "cached": sum(reading.cached for reading in readings),
        "tokens_in": sum(reading.tokens_in for reading in readings),
        "tokens_out": sum(reading.tokens_out for reading in readings),
        "cost_dollars": sum((reading.cost_dollars for reading in readings), start=Decimal(0)),
        "latency_ms": sum(reading.latency_ms for reading in readings),
    }
