"""IngestSource: read a source once and start a `ProcessDocument` for every new document.

    plan -> per page: wait for a turn, ask (the answer is stored), register, start the new documents -> note the end

Id: `ingest/<source>/<time>`. Ends when the vendor has no further page, when another run moved the cursor meanwhile, or
when a step gives up: what was read before stays, the failed workflow is the dead letter, and a retry goes on at the
failed step with the answer that is stored. Continues as new after a hundred pages.
"""

from __future__ import annotations

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.fetching import FetchActivities
    from activities.ingestion import IngestionActivities
    from domain.fetching import Request
    from domain.ingestion import (
        FetchedAnswer,
        FetchTask,
        IngestProgress,
        IngestReport,
        IngestRequest,
        PageReport,
        PageTask,
        ReleaseRequest,
        RunEnd,
        RunPlan,
        RunStatus,
    )
    from domain.sources import LIMITED_KINDS
    from workflows import names, options

PAGES_A_RUN = 100


@workflow.defn
class IngestSource:
    @workflow.run
    async def run(self, request: IngestRequest) -> IngestReport:
        if request.as_of is None:  # started by a schedule, whose payload is the same at every firing
            now = workflow.now()
            run_id = names.run_id(request.source_id, now) if _pages() else names.run_stamp(now)
            request = request.model_copy(update={"as_of": now, "run_id": run_id})
        if not _pages():
            return await self._read_whole(request)
        self._report = IngestReport(run_id=request.run_id, source_id=request.source_id)
        try:
            plan = await workflow.execute_activity_method(
                IngestionActivities.plan_run, request, summary=f"begin with {request.source_id}", **options.PLAN_RUN
            )
            if plan.first is None:
                return await self._read_whole(request)
            status = await self._read_pages(request, plan)
        except ActivityError as error:
            cause = error.cause
            told = cause.message if isinstance(cause, ApplicationError) else str(cause or error)
            await self._end(RunEnd(report=self._report, status=RunStatus.FAILED, error=told))
            raise
        await self._end(RunEnd(report=self._report, status=status))
        return self._report

    async def _read_whole(self, request: IngestRequest) -> IngestReport:
        report = await workflow.execute_activity_method(
            IngestionActivities.fetch, request, summary=f"read {request.source_id}", **options.FETCH
        )
        self._tell(report)
        if request.release:
            until = (workflow.now() if _pages() else request.as_of) or workflow.now()
            await self._release(ReleaseRequest(until=until))
        return report

    async def _read_pages(self, request: IngestRequest, plan: RunPlan) -> RunStatus:
        cursor, following, pages = plan.cursor, plan.first, 0
        if request.progress:
            self._report, cursor, following = request.progress.report, request.progress.cursor, request.progress.next
        while following is not None:
            if pages >= PAGES_A_RUN or workflow.info().is_continue_as_new_suggested():
                progress = IngestProgress(report=self._report, cursor=cursor, next=following)
                workflow.continue_as_new(request.model_copy(update={"progress": progress}))
            number = self._report.pages + 1
            answer = await self._ask(request, plan, following, number)
            page = await self._register(request, cursor, answer, number)
            self._report, pages = self._report.plus(**page.counts), pages + 1
            self._tell(self._report)
            if request.release and page.counts.get("read"):
                await self._release(ReleaseRequest(until=page.recorded_at))
            if page.superseded:
                return RunStatus.SUPERSEDED
            cursor, following = page.cursor, page.next
        return RunStatus.FINISHED

    async def _ask(self, request: IngestRequest, plan: RunPlan, what: Request, number: int) -> FetchedAnswer:
        if plan.kind in LIMITED_KINDS:
            await workflow.execute_activity_method(
                FetchActivities.take_turn,
                summary=f"a turn for {plan.kind.value}",
                **options.on(names.turn_queue(plan.kind), options.TURN),
            )
        return await workflow.execute_activity_method(
            FetchActivities.fetch_page,
            FetchTask(source_id=request.source_id, kind=plan.kind, request=what),
            summary=f"ask for page {number}",
            **options.on(names.fetch_queue(plan.rate_group), options.FETCH_PAGE),
        )

    async def _register(self, request: IngestRequest, cursor: str, answer: FetchedAnswer, number: int) -> PageReport:
        return await workflow.execute_activity_method(
            IngestionActivities.register_page,
            PageTask(source_id=request.source_id, run_id=request.run_id, page=number, cursor=cursor, answer=answer),
            summary=f"read and register page {number}",
            **options.REGISTER_PAGE,
        )

    async def _release(self, request: ReleaseRequest) -> None:
        await workflow.execute_activity_method(
            IngestionActivities.release, request, summary="start the new documents", **options.RELEASE
        )

    async def _end(self, end: RunEnd) -> None:
        await workflow.execute_activity_method(
            IngestionActivities.end_run, end, summary=f"the run is {end.status.value}", **options.END_RUN
        )

    def _tell(self, report: IngestReport) -> None:
        workflow.set_current_details(
            f"pages {report.pages}, read {report.read}, registered {report.registered}, copies {report.copies}, "
            f"duplicates {report.duplicates}, rejected {report.rejected}, facts {report.facts}"
        )


def _pages() -> bool:
    """Whether this run began with the code that reads page by page."""
    return workflow.patched("read-page-by-page")
