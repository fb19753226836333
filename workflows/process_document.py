"""ProcessDocument: one document from raw bytes to evidence.

    parse -> extract (model queue) -> validate and save -> tell the symbols

Id: `document/<doc_id>`. Ends when the evidence is saved and every symbol was told. A step that gives up fails the
workflow: the failed workflow is the dead letter and keeps the document's id, the step and the error.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from activities.documents import DocumentActivities
    from activities.extraction import ExtractionActivities
    from domain.ingestion import DocumentFailure, DocumentOutcome, DocumentRequest
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
            extraction = await workflow.execute_activity_method(
                ExtractionActivities.extract, parsed, summary="events, roles, sentiment, quotes", **options.EXTRACT
            )
            stage = "save"
            return await workflow.execute_activity_method(
                DocumentActivities.save_evidence, extraction, summary="check every quote, save, tell", **options.STORE
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
