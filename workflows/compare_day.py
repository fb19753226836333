"""CompareDay: a finished session compared with the same session played again.

    find the session -> wait for its prices -> play it -> compare, save, tell

Id: `drift/<session>`. The schedule starts `compare-day-<time>` each night, which looks for the last finished session
and compares it under that id, unless it has a report: so nothing happens on days without a session. Ends with the
headline; the report stands in the book.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.drift import DriftActivities
    from domain.drift_run import (
        CompareStep,
        DriftDay,
        DriftOutcome,
        DriftPlan,
        DriftQuery,
        DriftRequest,
        PlayDayStep,
    )
    from workflows import names, options

PRICES_PAUSE = timedelta(hours=1)
LOOKS_FOR_PRICES = 8
"""Bars of the day come hours after its close; in the morning it is given up, and a person may ask for it later."""


@workflow.defn
class CompareDay:
    @workflow.run
    async def run(self, request: DriftRequest) -> DriftOutcome:
        plan = await self._plan(request)
        if plan.day is None:
            return DriftOutcome(note="no session of this account is finished")
        if request.session is None:
            return await self._under_its_own_id(request, plan, plan.day)
        if not await self._priced(request, plan):
            raise ApplicationError(
                f"NO_BARS_IN_PERIOD: session={request.session}", type="NO_BARS_IN_PERIOD", non_retryable=True
            )
        return await self._compare(plan.day)

    async def _plan(self, request: DriftRequest) -> DriftPlan:
        return await workflow.execute_activity_method(
            DriftActivities.plan_drift,
            DriftQuery(request=request, as_of=workflow.now()),
            summary=f"session {request.session or 'to compare'}",
            **options.DRIFT,
        )

    async def _under_its_own_id(self, request: DriftRequest, plan: DriftPlan, day: DriftDay) -> DriftOutcome:
        """Compare the session in the workflow of that session: never twice at a time, whoever asks."""
        session = day.session.date
        if request.scheduled and plan.compared:
            return DriftOutcome(session=session, note="compared before")
        try:
            return await workflow.execute_child_workflow(
                CompareDay.run,
                request.model_copy(update={"session": session}),
                id=names.drift_id(session),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"{session} live against played",
            )
        except WorkflowAlreadyStartedError:
            return DriftOutcome(session=session, note="is being compared")

    async def _priced(self, request: DriftRequest, plan: DriftPlan) -> bool:
        """Wait for the bars of the day, where nobody waits for the answer."""
        looks = 1
        while not plan.priced:
            if not request.scheduled or looks >= LOOKS_FOR_PRICES:
                return False
            workflow.set_current_details(f"waiting for the bars of {request.session}")
            await workflow.sleep(PRICES_PAUSE, summary="bars of the day")
            plan = await self._plan(request)
            looks += 1
        return True

    async def _compare(self, day: DriftDay) -> DriftOutcome:
        step = PlayDayStep(day=day, decided_by=names.RESEARCH_UNIVERSE)
        played = await workflow.execute_activity_method(
            DriftActivities.play_day, step, summary=f"play {day.session.date} again", **options.BACKTEST
        )
        outcome = await workflow.execute_activity_method(
            DriftActivities.compare_day,
            CompareStep(step=step, played_key=played.played_key),
            summary="live beside played",
            **options.DRIFT,
        )
        found = ", ".join(f"{kind} {count}" for kind, count in outcome.counts.items())
        workflow.set_current_details(f"{found} · {outcome.unexplained or 'unknown'} dollars unexplained")
        return outcome
