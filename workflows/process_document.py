"""ProcessDocument: one document from raw bytes to evidence.

    parse, choose who reads -> extract (and classify, where it speaks of the economy) -> validate, save, tell symbols
                            -> let challengers read in shadow

Id: `document/<doc_id>`. Ends when the evidence is saved, every symbol was told and every reader has read. A step that
gives up fails the workflow: the failed workflow is the dead letter and keeps the document's id, the step and the error.
A challenger that gives up does not: its attempts are in the log of calls.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.classification import ClassificationActivities
    from activities.documents import DocumentActivities
    from activities.extraction import ExtractionActivities
    from domain.agents import Engine
    from domain.ingestion import (
        DocumentFailure,
        DocumentOutcome,
        DocumentRequest,
        ExtractionReference,
        ParsedDocument,
        ReadingTask,
    )
    from workflows import options


@workflow.defn
class ProcessDocument:
    @workflow.run
    async def run(self, request: DocumentRequest) -> DocumentOutcome:
        stage = "parse"
        try:
            parsed = await workflow.execute_activity_method(
                DocumentActivities.parse, request, summary="read the raw bytes, clean the text", **options.PARSE
            )
            stage = "extract"
            reading = asyncio.create_task(self._extract(parsed))
            try:
                review = await self._classify(parsed)
                extraction = await reading
            finally:
                reading.cancel()
            stage = "save"
            outcome = await workflow.execute_activity_method(
                DocumentActivities.save_evidence,
                extraction.model_copy(update={"review": review}) if review else extraction,
                summary="check every quote, save, tell",
                **options.STORE,
            )
        except ActivityError as error:
            cause = error.cause or error
            await workflow.execute_activity_method(
                DocumentActivities.record_failure,
                DocumentFailure(doc_id=request.doc_id, stage=stage, error=str(cause)),
                summary=f"gave up at {stage}",
                **options.STORE,
            )
            raise
        await self._read_in_shadow(parsed)
        return outcome

    async def _extract(self, parsed: ParsedDocument) -> ExtractionReference:
        return await workflow.execute_activity_method(
            ExtractionActivities.extract,
            parsed,
            summary="events, roles, sentiment, quotes",
            **options.reading(_engine(parsed), options.EXTRACT),
        )

    async def _classify(self, parsed: ParsedDocument) -> str:
        """Read what it says of the economy. Returns why somebody should look at it, empty where nothing asks for it."""
        if parsed.classifier is None:
            return ""
        outcome = await workflow.execute_activity_method(
            ClassificationActivities.classify,
            parsed,
            summary="what it says of the economy",
            **options.reading(parsed.classifier.engine, options.EXTRACT),
        )
        return outcome.review

    async def _read_in_shadow(self, parsed: ParsedDocument) -> None:
        """Let challengers read what others have read; one that gives up only leaves its attempts in the log."""
        for step, who in (
            (ExtractionActivities.read_in_shadow, parsed.extractor),
            (ClassificationActivities.classify_in_shadow, parsed.classifier),
        ):
            for variant_id in who.shadows if who is not None else ():
                try:
                    await workflow.execute_activity_method(
                        step,
                        ReadingTask(parsed=parsed, variant_id=variant_id),
                        summary=f"in shadow by {variant_id}",
                        **options.SHADOW,
                    )
                except ActivityError as error:
                    if is_cancelled_exception(error):
                        raise
                    workflow.logger.warning("a challenger gave up: %s", error.cause or error)


def _engine(parsed: ParsedDocument) -> Engine:
    return parsed.extractor.engine if parsed.extractor is not None else Engine.RULES
