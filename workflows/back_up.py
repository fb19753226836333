"""BackUp: the book and its objects, copied and read back.

    begin -> dump and count in one cut -> copy new objects -> manifest -> read it back -> elsewhere -> older ones go

Id: `backup/<id>`, where the id is the instant at which it begins; the schedule's are `backup/schedule-<time>`, each
night. Ends with the headline; what the backup holds says its manifest. One that fails is written down and told; the
next one clears away what it left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.backups import BackupActivities
    from domain.backup_run import (
        BackupFailure,
        BackupOutcome,
        BackUpRequest,
        BackupStep,
        FinishBackup,
        VerifyBackup,
    )
    from domain.backups import backup_id
    from workflows import options

S = TypeVar("S")
R = TypeVar("R")


@workflow.defn
class BackUp:
    @workflow.run
    async def run(self, request: BackUpRequest) -> BackupOutcome:
        step = BackupStep(
            backup_id=request.backup_id or backup_id(workflow.now()),
            trigger=request.trigger,
            requested_by=request.requested_by,
            as_of=workflow.now(),
        )
        try:
            return await self._back_up(step)
        except (ActivityError, asyncio.CancelledError) as error:
            said = "CANCELED: it was asked to end" if is_cancelled_exception(error) else _said(error)
            await asyncio.shield(self._failed(step, said))
            raise

    async def _back_up(self, step: BackupStep) -> BackupOutcome:
        await self._do(BackupActivities.begin_backup, step, "write it down")
        await self._do(BackupActivities.dump_book, step, "the database, in one cut")
        copied = await self._do(BackupActivities.copy_objects, step, "objects that no earlier one has")
        await self._do(BackupActivities.write_manifest, step, "what it holds")
        verified = VerifyBackup(step=step, copied=copied)
        await self._do(BackupActivities.verify_backup, verified, "read it back")
        offsite = await self._do(BackupActivities.store_backup_elsewhere, step, "a copy elsewhere")
        outcome = await self._do(
            BackupActivities.finish_backup, FinishBackup(step=step, offsite=offsite), "older ones go"
        )
        gaps = f", {outcome.gaps} objects missing" if outcome.gaps else ""
        workflow.set_current_details(f"{outcome.rows} rows, {outcome.objects} objects{gaps}")
        return outcome

    async def _do(self, activity: Callable[[Any, S], Awaitable[R]], step: S, summary: str) -> R:
        workflow.set_current_details(summary)
        return await workflow.execute_activity_method(activity, step, summary=summary, **options.BACKUP)

    async def _failed(self, step: BackupStep, error: str) -> None:
        await workflow.execute_activity_method(
            BackupActivities.record_backup_failure,
            BackupFailure(backup_id=step.backup_id, error=error),
            summary="gave up",
            **options.RECORD_BACKUP,
        )


def _said(error: BaseException) -> str:
    """What an activity gave up with, its code once."""
    cause = error.cause if isinstance(error, ActivityError) else None
    return cause.message if isinstance(cause, ApplicationError) else str(cause or error)
