"""TrySource: ask a source for its first page and say what is in it; nothing is registered.

    plan -> ask (the answer is stored) -> read

Id: `try/<source>/<time>`. Ends with the report, or fails with what is wrong with the source.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.fetching import FetchActivities
    from activities.ingestion import IngestionActivities
    from domain.ingestion import FetchTask, PageTask, PreviewTask, SourceTestReport, SourceTestRequest
    from workflows import names, options


@workflow.defn
class TrySource:
    @workflow.run
    async def run(self, request: SourceTestRequest) -> SourceTestReport:
        plan = await workflow.execute_activity_method(
            IngestionActivities.plan_test, request, summary=f"what {request.source_id} asks first", **options.PLAN_RUN
        )
        if plan.first is None:
            return await workflow.execute_activity_method(
                IngestionActivities.preview_whole, request, summary="read the beginning", **options.REGISTER_PAGE
            )
        answer = await workflow.execute_activity_method(
            FetchActivities.fetch_page,
            FetchTask(source_id=request.source_id, kind=plan.kind, request=plan.first),
            summary="ask for the first page",
            **options.on(names.fetch_queue(plan.rate_group), options.TEST_PAGE),
        )
        page = PageTask(source_id=request.source_id, run_id="", page=1, cursor=plan.cursor, answer=answer)
        return await workflow.execute_activity_method(
            IngestionActivities.preview_page,
            PreviewTask(test=request, page=page),
            summary="read it, register nothing",
            **options.REGISTER_PAGE,
        )
