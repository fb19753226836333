"""ReadInShadow: challengers read what was read, for comparison alone.

    for each challenger: extract or classify, store apart

Id: `shadow/<doc_id>/<run>`. Started by the document's workflow and left alone, so that the document is done when those
who decide have read it. One that gives up leaves its attempts in the log of calls and nothing else.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.classification import ClassificationActivities
    from activities.extraction import ExtractionActivities
    from domain.ingestion import ParsedDocument, ReadingTask
    from workflows import options


@workflow.defn
class ReadInShadow:
    @workflow.run
    async def run(self, parsed: ParsedDocument) -> None:
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
