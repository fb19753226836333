"""RunBacktest: a strategy over a period of the book, in steps of a year, beside its control, with a report.

    plan -> simulate, a year a step -> the same by the rules alone, where models read anything -> report

Id: `backtest/<id>`, where the id is a function of the request, the data and the code. Cancelling it ends the running
step at once. Ends with the headline; the report lies in the object store.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.backtests import BacktestActivities
    from domain.backtest import ReadBy
    from domain.backtest_run import (
        SESSIONS_A_STEP,
        BacktestEnd,
        BacktestPlan,
        BacktestProgress,
        BacktestResult,
        BacktestStart,
        ReportStep,
        SimulateStep,
    )
    from domain.text import dollars
    from workflows import options


@workflow.defn
class RunBacktest:
    def __init__(self) -> None:
        self._progress = BacktestProgress()

    @workflow.run
    async def run(self, start: BacktestStart) -> BacktestResult:
        self._note(begun_at=workflow.now())
        try:
            return await self._run(start)
        except (ActivityError, asyncio.CancelledError) as error:
            canceled = is_cancelled_exception(error)
            cause = error.cause if isinstance(error, ActivityError) else None
            await asyncio.shield(self._end(start, canceled=canceled, error="" if canceled else str(cause or error)))
            raise

    @workflow.query
    def progress(self) -> BacktestProgress:
        return self._progress

    async def _run(self, start: BacktestStart) -> BacktestResult:
        plan = await workflow.execute_activity_method(
            BacktestActivities.plan_backtest, start, summary="read the period's data", **options.BACKTEST
        )
        rounds = 2 if plan.with_control else 1
        self._note(sessions=plan.sessions * rounds, step="simulating")
        state = await self._simulate(start, plan, start.request.read_by, done=0)
        control = ""
        if plan.with_control:
            self._note(step="the control, by rules alone")
            control = await self._simulate(start, plan, ReadBy.RULES, done=plan.sessions)
        self._note(step="reporting")
        return await workflow.execute_activity_method(
            BacktestActivities.report_backtest,
            ReportStep(start=start, state_key=state, control_key=control),
            summary="figures, benchmarks, report",
            **options.BACKTEST,
        )

    async def _simulate(self, start: BacktestStart, plan: BacktestPlan, read_by: ReadBy, *, done: int) -> str:
        """Play every session, some a step; returns where the last state lies."""
        key = ""
        for begin in range(0, plan.sessions, SESSIONS_A_STEP):
            until = min(begin + SESSIONS_A_STEP, plan.sessions)
            report = await workflow.execute_activity_method(
                BacktestActivities.simulate_sessions,
                SimulateStep(start=start, read_by=read_by, until=until, state_key=key),
                summary=f"sessions {begin + 1} to {until}{'' if read_by is ReadBy.ALL else ', by rules'}",
                **options.BACKTEST,
            )
            key = report.state_key
            self._note(sessions_done=done + report.sessions_done, equity=report.equity)
        return key

    async def _end(self, start: BacktestStart, *, canceled: bool, error: str) -> None:
        await workflow.execute_activity_method(
            BacktestActivities.end_backtest,
            BacktestEnd(backtest_id=start.backtest_id, status="canceled" if canceled else "failed", error=error),
            summary="canceled" if canceled else "gave up",
            **options.RECORD_BACKTEST,
        )

    def _note(self, **changes: object) -> None:
        self._progress = self._progress.model_copy(update=changes)
        seen = self._progress
        equity = f", equity {dollars(Decimal(seen.equity))}" if seen.equity else ""
        workflow.set_current_details(f"{seen.step}: {seen.sessions_done}/{seen.sessions} sessions{equity}")
