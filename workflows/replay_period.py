"""ReplayPeriod: a past period through the production workflows, session by session.

    prepare -> ingest -> for every session: documents, research, plan, open, fills, close, mark -> report

Id: `replay/<id>`, where the id is a function of the inputs. Documents and bars enter when they could first be known;
the paper broker fills from the session's bar. Ends with a report that is a function of the inputs alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.market import MarketActivities
    from activities.replay import ReplayActivities
    from domain.ingestion import IngestRequest, ReleaseRequest
    from domain.market import Session
    from domain.replay import (
        MarketStep,
        OrdersStep,
        ReplayApprovals,
        ReplayPlan,
        ReplayProgress,
        ReplayResult,
        ReplayState,
    )
    from domain.research import AssessAllRequest
    from domain.trading import TickPhase, TickRequest
    from workflows import names, options
    from workflows.ingest_source import IngestSource

PRE_OPEN = timedelta(minutes=5)
"""Orders of a session are planned this long before its open, on what was known then."""

SESSIONS_A_RUN = 60
"""A session adds about 70 events to the history; continuing as new keeps it below 10,000."""


@workflow.defn
class ReplayPeriod:
    @workflow.init
    def __init__(self, state: ReplayState) -> None:
        self._request = state.request
        self._progress = state.progress

    @workflow.run
    async def run(self, state: ReplayState) -> ReplayResult:
        plan = state.progress.plan or await self._prepare()
        done = self._progress.sessions_done
        for index in range(done, len(plan.sessions)):
            await self._play(plan.sessions[index], last=index == len(plan.sessions) - 1)
            self._note(sessions_done=index + 1)
            if index + 1 - done >= SESSIONS_A_RUN and index + 1 < len(plan.sessions):
                workflow.continue_as_new(ReplayState(request=self._request, progress=self._progress))
        self._note(step="report")
        return await workflow.execute_activity_method(
            ReplayActivities.report,
            ReplayState(request=self._request, progress=self._progress),
            summary="write the report",
            **options.DRIVE,
        )

    @workflow.query
    def progress(self) -> ReplayProgress:
        return self._progress

    async def _prepare(self) -> ReplayPlan:
        plan = await workflow.execute_activity_method(
            ReplayActivities.prepare, self._request, summary="bars, actions, calendar, opening cash", **options.DRIVE
        )
        self._note(plan=plan, step="ingest")
        ingest = await workflow.execute_child_workflow(
            IngestSource.run,
            IngestRequest(
                source_id=plan.source_id,
                run_id=self._request.replay_id,
                as_of=workflow.now(),
                available_after=plan.available_after,
                available_until=plan.available_until,
                release=False,
            ),
            id=names.ingest_id(plan.source_id, self._request.replay_id),
            task_queue=names.Queue.INGEST,
            static_summary=f"ingest {plan.source_id}",
        )
        self._note(ingest=ingest, step="sessions")
        return plan

    async def _play(self, session: Session, *, last: bool) -> None:
        """One session: what was known before the open decides, the bar fills, the close marks."""
        before = session.opens_at - PRE_OPEN
        await self._documents(before)
        await self._research(before)
        await self._market(session, "pre_open")
        await self._tick(TickRequest(as_of=before, phase=TickPhase.PRE_OPEN, session=session))
        await self._settle(before, last=last)
        await self._market(session, "open")
        await self._settle(session.opens_at, last=last)
        await self._documents(session.closes_at)
        await self._market(session, "close")
        await self._settle(session.closes_at, last=last)
        await self._tick(TickRequest(as_of=session.closes_at, phase=TickPhase.CLOSE, session=session))

    async def _documents(self, until: datetime) -> None:
        released = await workflow.execute_activity_method(
            ReplayActivities.process_documents,
            ReleaseRequest(until=until),
            summary=f"documents known by {until.isoformat()}",
            **options.DRIVE,
        )
        self._note(documents_released=self._progress.documents_released + released.released)

    async def _research(self, as_of: datetime) -> None:
        await workflow.execute_activity_method(
            ReplayActivities.assess_all,
            AssessAllRequest(as_of=as_of),
            summary=f"assess every symbol at {as_of.isoformat()}",
            **options.DRIVE,
        )

    async def _tick(self, request: TickRequest) -> None:
        await workflow.execute_activity_method(
            ReplayActivities.tick,
            request,
            summary=f"engine, {request.phase.value} {request.session.date}",
            **options.DRIVE,
        )

    async def _market(self, session: Session, phase: str) -> None:
        await workflow.execute_activity_method(
            MarketActivities.advance_market,
            MarketStep(session=session, phase=phase),
            summary=f"market {phase} {session.date}",
            **options.MARKET,
        )

    async def _settle(self, as_of: datetime, *, last: bool) -> None:
        approvals = self._request.approvals
        await workflow.execute_activity_method(
            ReplayActivities.settle_orders,
            OrdersStep(as_of=as_of, approvals=approvals, last_session=last and approvals is ReplayApprovals.HOLD_LAST),
            summary=f"orders at rest at {as_of.isoformat()}",
            **options.DRIVE,
        )

    def _note(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        plan = self._progress.plan
        total = len(plan.sessions) if plan else 0
        workflow.set_current_details(
            f"{self._progress.step}: {self._progress.sessions_done}/{total} sessions, "
            f"{self._progress.documents_released} documents"
        )
