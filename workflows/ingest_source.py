"""IngestSource: read a source once and start a `ProcessDocument` for every new document.

    fetch -> raw bytes to the object store -> deduplicate -> register -> release

Id: `ingest/<source>/<time>`. Ends when everything read was registered and, unless the documents are held back for a
replay, every registered document that is due was started.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.ingestion import IngestionActivities
    from domain.ingestion import IngestReport, IngestRequest, ReleaseRequest
    from workflows import names, options


@workflow.defn
class IngestSource:
    @workflow.run
    async def run(self, request: IngestRequest) -> IngestReport:
        if request.as_of is None:  # started by a schedule, whose payload is the same at every firing
            now = workflow.now()
            request = request.model_copy(update={"as_of": now, "run_id": names.run_stamp(now)})
        report = await workflow.execute_activity_method(
            IngestionActivities.fetch, request, summary=f"read {request.source_id}", **options.FETCH
        )
        workflow.set_current_details(
            f"read {report.read}, registered {report.registered}, duplicates {report.duplicates}, "
            f"rejected {report.rejected}"
        )
        if request.release:
            await workflow.execute_activity_method(
                IngestionActivities.release,
                ReleaseRequest(until=request.as_of or workflow.now()),
                summary="start the new documents",
                **options.RELEASE,
            )
        return report
