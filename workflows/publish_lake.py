"""PublishLake: the lake is brought up to date with the book.

    plan -> every table: read what changed -> write its parts -> commit   [-> remove what nobody reads any more]

Id: `publish-lake-<time>` and `tidy-lake-<time>`, started by their schedules every hour and every night;
`publish-lake/<time>` by hand. It is the publication's id: a table is exported once in it, however often that is tried.
Ends with what became of every table; where one could not be published, it fails after all others were.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.publishing import PublishingActivities
    from domain.lake import (
        ExportRequest,
        FailedExport,
        PublishReport,
        PublishRequest,
        TableExport,
        TidyReport,
        TidyRequest,
    )
    from workflows import options

TABLES_AT_ONCE = 2


@workflow.defn
class PublishLake:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(TABLES_AT_ONCE)
        self._report = PublishReport(publication_id=workflow.info().workflow_id)

    @workflow.run
    async def run(self, request: PublishRequest) -> PublishReport:
        plan = await workflow.execute_activity_method(
            PublishingActivities.plan_publication, request, summary="which tables", **options.PLAN_PUBLICATION
        )
        await asyncio.gather(*(self._publish(table, tidy=request.tidy) for table in plan.tables))
        if self._report.failed:
            reasons = "; ".join(f"{each.table}: {each.error}" for each in self._report.failed)
            raise ApplicationError(reasons, type="LAKE_INCOMPLETE", non_retryable=True)
        return self._report

    async def _publish(self, table: str, *, tidy: bool) -> None:
        async with self._slots:
            try:
                self._add(exports=await self._export(table))
                if tidy:
                    self._add(tidied=await self._tidy(table))
            except ActivityError as error:
                self._add(failed=FailedExport(table=table, error=_why(error)))
        workflow.set_current_details(self._report.summary)

    async def _export(self, table: str) -> TableExport:
        return await workflow.execute_activity_method(
            PublishingActivities.publish_table,
            ExportRequest(publication_id=self._report.publication_id, table=table),
            summary=table,
            **options.PUBLISH,
        )

    async def _tidy(self, table: str) -> TidyReport:
        return await workflow.execute_activity_method(
            PublishingActivities.tidy_table,
            TidyRequest(table=table, at=workflow.now()),
            summary=f"{table}: what nobody reads any more",
            **options.PUBLISH,
        )

    def _add(self, **found: TableExport | TidyReport | FailedExport) -> None:
        changes = {name: (*getattr(self._report, name), each) for name, each in found.items()}
        self._report = self._report.model_copy(update=changes)


def _why(error: ActivityError) -> str:
    """What the activity said; its code stands in that."""
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
