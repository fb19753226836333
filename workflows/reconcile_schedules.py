"""ReconcileSchedules: make Temporal's Schedules equal to the `sources` table, and keep the engine alive.

Id: `reconcile-schedules` by hand and at start-up, `reconcile-schedules-<time>` by its own hourly schedule. Ends when
nothing differs any more.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.schedules import ScheduleActivities
    from domain.schedules import ScheduleChanges
    from workflows import options


@workflow.defn
class ReconcileSchedules:
    @workflow.run
    async def run(self) -> ScheduleChanges:
        changes = await workflow.execute_activity_method(
            ScheduleActivities.reconcile, summary="compare with the sources table", **options.SCHEDULES
        )
        await workflow.execute_activity_method(
            ScheduleActivities.ensure_engine, summary="the trading loop runs", **options.SCHEDULES
        )
        return changes
