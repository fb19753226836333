"""SweepBacktests: configurations tried side by side, each a backtest of its own; or walked forward through a period.

    plan -> for every window: all trials -> the best -> its test -> report

Id: `sweep/<id>`. The trials are child workflows with the ids that they would have alone, so that one that was run
before is not run again. Ends with what was found.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.sweeps import SweepActivities, SweepEnd, SweepStart
    from domain.backtest_run import BacktestResult
    from domain.sweep import SweepReport, SweepWindow, Trial, WindowOutcome, chosen
    from workflows import names, options
    from workflows.run_backtest import RunBacktest

TRIALS_AT_ONCE = 4
"""How many wait for the simulation queue; it plays one at a time."""


@workflow.defn
class SweepBacktests:
    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(TRIALS_AT_ONCE)
        self._done = 0

    @workflow.run
    async def run(self, start: SweepStart) -> SweepReport:
        plan = await workflow.execute_activity_method(
            SweepActivities.plan_sweep, start, summary="which configurations on which sessions", **options.PLAN_SWEEP
        )
        total = sum(len(window.trials) + bool(window.tests) for window in plan.windows)
        windows = [await self._window(window, total) for window in plan.windows]
        return await workflow.execute_activity_method(
            SweepActivities.report_sweep,
            SweepEnd(start=start, windows=tuple(windows)),
            summary="what was found",
            **options.PLAN_SWEEP,
        )

    async def _window(self, window: SweepWindow, total: int) -> WindowOutcome:
        results = await asyncio.gather(*(self._trial(trial, total) for trial in window.trials))
        named = tuple(
            (trial.label, trial.start.backtest_id, result) for trial, result in zip(window.trials, results, strict=True)
        )
        best = chosen(named)
        test = None
        if window.tests:
            test = (window.tests[best].start.backtest_id, await self._trial(window.tests[best], total))
        return WindowOutcome(
            first=window.first, last=window.last, results=named, chosen=window.trials[best].label, test=test
        )

    async def _trial(self, trial: Trial, total: int) -> BacktestResult:
        async with self._slots:
            result = await self._run(trial)
        self._done += 1
        workflow.set_current_details(f"{self._done} of {total} backtests")
        return result

    async def _run(self, trial: Trial) -> BacktestResult:
        await workflow.execute_activity_method(
            SweepActivities.log_trial, trial, summary=trial.label, **options.RECORD_BACKTEST
        )
        try:
            return await workflow.execute_child_workflow(
                RunBacktest.run,
                trial.start,
                id=names.backtest_id(trial.start.backtest_id),
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                static_summary=trial.label,
            )
        except WorkflowAlreadyStartedError:  # by itself, or by another sweep
            return await workflow.execute_activity_method(
                SweepActivities.await_trial, trial, summary=f"{trial.label}, begun elsewhere", **options.AWAIT_TRIAL
            )
