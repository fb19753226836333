"""ProcessDocument: one document from raw bytes to evidence.

    parse, choose who reads -> extract (and classify, where it speaks of the economy) -> validate, save, tell symbols
                            -> start the challengers, which read in shadow

Id: `document/<doc_id>`. Ends when the evidence is saved and every symbol was told. A step that gives up fails the
workflow: the failed workflow is the dead letter and keeps the document's id, the step and the error.
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
    )
    from workflows import names, options
    from workflows.read_in_shadow import ReadInShadow


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
        await self._start_shadows(parsed)
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
        try:
            outcome = await workflow.execute_activity_method(
                ClassificationActivities.classify,
                parsed,
                summary="what it says of the economy",
                **options.reading(parsed.classifier.engine, options.EXTRACT),
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return f"classify: {error.cause or error}"[:1_000]  # what it says of companies is not lost with it
        return outcome.review

    async def _start_shadows(self, parsed: ParsedDocument) -> None:
        """Let challengers read, and do not wait for them."""
        readers = (who for who in (parsed.extractor, parsed.classifier) if who is not None)
        if any(who.shadows for who in readers):
            await workflow.start_child_workflow(
                ReadInShadow.run,
                parsed,
                id=names.shadow_id(parsed.doc_id, workflow.info().run_id),
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary="for comparison alone",
            )


def _engine(parsed: ParsedDocument) -> Engine:
    return parsed.extractor.engine if parsed.extractor is not None else Engine.RULES
