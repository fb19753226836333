"""DrillBackup: a backup restored to a scratch database and looked at.

    choose -> restore, compare, drop -> replay some workflow histories -> write it down

Id: `drill/<id>`, where the id is the instant at which it begins; the schedule's are `drill/schedule-<time>`, each week.
Ends with what was found. A copy that differs is a drill that failed, and is told; the workflow itself fails only where
the drill could not be carried out.
"""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.backups import DrillActivities
    from domain.backup_run import DrillEnd, DrillFindings, DrillOutcome, DrillRequest, DrillStep
    from domain.backups import backup_id
    from workflows import options


@workflow.defn
class DrillBackup:
    @workflow.run
    async def run(self, request: DrillRequest) -> DrillOutcome:
        step = DrillStep(
            drill_id=request.drill_id or backup_id(workflow.now()),
            backup_id=request.backup_id or "",
            trigger=request.trigger,
            requested_by=request.requested_by,
            as_of=workflow.now(),
        )
        try:
            found = await self._drill(step)
        except (ActivityError, asyncio.CancelledError) as error:
            said = "CANCELED: it was asked to end" if is_cancelled_exception(error) else _said(error)
            await asyncio.shield(self._end(DrillEnd(drill_id=step.drill_id, error=said)))
            raise
        outcome = await self._end(DrillEnd(drill_id=step.drill_id, findings=found))
        workflow.set_current_details(
            f"{outcome.state.value}: {found.tables} tables, {found.rows} rows, {found.objects} objects, "
            f"{found.histories} histories, {found.flaw_count} differences"
        )
        return outcome

    async def _drill(self, step: DrillStep) -> DrillFindings:
        task = await workflow.execute_activity_method(
            DrillActivities.begin_drill, step, summary=step.backup_id or "the newest verified one", **options.BACKUP
        )
        found = await workflow.execute_activity_method(
            DrillActivities.restore_to_scratch, task, summary=f"restore {task.backup_id}", **options.BACKUP
        )
        replayed = await workflow.execute_activity_method(
            DrillActivities.replay_histories, task, summary="today's code against histories", **options.BACKUP
        )
        return found.and_then(replayed)

    async def _end(self, end: DrillEnd) -> DrillOutcome:
        return await workflow.execute_activity_method(
            DrillActivities.end_drill, end, summary=end.error or "write it down", **options.RECORD_BACKUP
        )


def _said(error: BaseException) -> str:
    """What an activity gave up with, its code once."""
    cause = error.cause if isinstance(error, ActivityError) else None
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
