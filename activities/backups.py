"""Backups and drills as steps of workflows. Each step finds what an earlier attempt did; all of them heartbeat."""

from __future__ import annotations

from temporalio import activity

from activities.backing_up import Backups
from activities.drilling import Drills
from activities.heartbeats import alive
from domain.backup_run import (
    BackupFailure,
    BackupOutcome,
    BackupStep,
    CopyReport,
    DrillEnd,
    DrillFindings,
    DrillOutcome,
    DrillStep,
    DrillTask,
    FinishBackup,
    VerifyBackup,
)


class BackupActivities:
    """Steps are keyed by the backup's id. The directory is held during a step, and is free between two."""

    def __init__(self, backups: Backups) -> None:
        self._backups = backups

    @activity.defn
    async def begin_backup(self, step: BackupStep) -> None:
        """Write down that it is under way, and clear away what others left unfinished."""
        with self._backups.directory.held():
            await self._backups.begin(step)

    @activity.defn
    async def dump_book(self, step: BackupStep) -> None:
        """Dump the database and count it, in one cut."""
        with self._backups.directory.held():
            async with alive():
                await self._backups.dump(step)

    @activity.defn
    async def copy_objects(self, step: BackupStep) -> CopyReport:
        """Copy the objects that no earlier backup has."""
        with self._backups.directory.held():
            async with alive():
                return await self._backups.copy_objects(step)

    @activity.defn
    async def write_manifest(self, step: BackupStep) -> None:
        """Say what the backup holds."""
        with self._backups.directory.held():
            async with alive():
                await self._backups.write_manifest(step)

    @activity.defn
    async def verify_backup(self, asked: VerifyBackup) -> None:
        """Read back everything that was written."""
        with self._backups.directory.held():
            async with alive():
                await self._backups.verify(asked.step, asked.copied)

    @activity.defn
    async def store_backup_elsewhere(self, step: BackupStep) -> str:
        """Copy it to the other place, where one is named."""
        with self._backups.directory.held(reading=True):
            async with alive():
                return await self._backups.store_elsewhere(step)

    @activity.defn
    async def finish_backup(self, asked: FinishBackup) -> BackupOutcome:
        """Take older ones away, and say what it came to."""
        with self._backups.directory.held():
            async with alive():
                return await self._backups.finish(asked.step, asked.offsite)

    @activity.defn
    async def record_backup_failure(self, failure: BackupFailure) -> None:
        """Write down that it did not come to its end, and why."""
        await self._backups.fail(failure)


class DrillActivities:
    """Steps are keyed by the drill's id."""

    def __init__(self, drills: Drills) -> None:
        self._drills = drills

    @activity.defn
    async def begin_drill(self, step: DrillStep) -> DrillTask:
        """Choose the backup, and write down that it is being tried."""
        return await self._drills.begin(step)

    @activity.defn
    async def restore_to_scratch(self, task: DrillTask) -> DrillFindings:
        """Restore into a scratch database, compare, and drop it."""
        with self._drills.directory.held(reading=True):
            async with alive():
                return await self._drills.restore(task)

    @activity.defn
    async def replay_histories(self, task: DrillTask) -> DrillFindings:
        """Replay some workflow histories with today's code."""
        async with alive():
            return await self._drills.replay(task)

    @activity.defn
    async def end_drill(self, end: DrillEnd) -> DrillOutcome:
        """Write down what came of it."""
        return await self._drills.end(end)
