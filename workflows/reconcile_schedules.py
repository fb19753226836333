"""ReconcileSchedules: make Temporal's Schedules equal to the `sources` table, and keep the engine alive.

Id: `reconcile-schedules` by hand, at start-up and after every change of a source, `reconcile-schedules-<time>` by its
own schedule, which fires when the exchange may open or close. Ends when nothing differs and nobody has said `changed`
meanwhile.
"""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.schedules import ScheduleActivities
    from domain.schedules import ScheduleChanges
    from workflows import options


@workflow.defn
class ReconcileSchedules:
    def __init__(self) -> None:
        self._changed = True

    @workflow.run
    async def run(self) -> ScheduleChanges:
        changes = await self._compare()
        await workflow.execute_activity_method(
            ScheduleActivities.ensure_engine, summary="the trading loop runs", **options.SCHEDULES
        )
        if self._changed and workflow.patched("schedules-changed-meanwhile"):
            changes = await self._compare()
        return changes

    async def _compare(self) -> ScheduleChanges:
        changes = ScheduleChanges()
        while self._changed:
            self._changed = False
            changes = await workflow.execute_activity_method(
                ScheduleActivities.reconcile, summary="compare with the sources table", **options.SCHEDULES
            )
        return changes

    @workflow.signal
    def changed(self) -> None:
        """A source was changed: compare once more. Sent with the start, so that no change is missed."""
        self._changed = True
