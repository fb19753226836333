"""IndexDocuments: every document that was read can be found.

    look for documents that were read and are in no index -> index their stored readings

Id: `index-documents`, started with the worker that serves `ops`; one that runs goes on.
Ends when none is left. Documents that are read meanwhile are indexed with their reading, not here.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.search import SearchActivities
    from domain.search import IndexReport
    from workflows import options


@workflow.defn
class IndexDocuments:
    @workflow.run
    async def run(self) -> IndexReport:
        report = await workflow.execute_activity_method(
            SearchActivities.index_documents, summary="documents that were read before", **options.INDEX
        )
        workflow.set_current_details(f"{report.indexed} documents indexed, {report.lost} without their reading")
        return report
