"""A drill: a backup is restored to a scratch database and looked at, as a real restoration would.

    read it whole -> scratch database -> compare every table -> today's schema -> every object that it names
    -> today's code against workflow histories

What differs is a flaw of the drill, not an error: it is written down, and people are told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import flaws_of, place_of
from activities.backup_directory import BackupDirectory, BackupFiles
from domain.backup_run import DrillEnd, DrillFindings, DrillOutcome, DrillStep, DrillTask
from domain.backups import MOST_FLAWS, DrillState, Flaw, FlawKind, differences
from domain.errors import InvalidInput, NotFound
from store import backups, book_cut, migrate
from store.database import Database, DatabaseSettings
from store.scratch import scratch_database

OF_EACH = 2
"""Histories that are replayed of each kind of workflow: the newest."""


class Histories(Protocol):
    """Workflows that Temporal remembers."""

    async def replay(self, *, of_each: int) -> tuple[int, list[Flaw]]:
        """Replay the newest of each kind with today's code; how many, and which are decided otherwise now."""
        ...


class Drills:
    """Drills of the backups of one directory. `histories` is None where there is no Temporal to ask."""

    def __init__(
        self,
        database: Database,
        programs: PostgresPrograms,
        directory: BackupDirectory,
        *,
        now: Callable[[], datetime],
        histories: Histories | None = None,
    ) -> None:
        self.directory = directory
        self._database = database
        self._programs = programs
        self._now = now
        self._histories = histories

    async def run(self, step: DrillStep) -> DrillOutcome:
        """Take every step here and now; what fails is written down."""
        task = await self.begin(step)
        try:
            with self.directory.held(reading=True):
                found = await self.restore(task)
            found = found.and_then(await self.replay(task))
        except BaseException as error:
            await self.end(DrillEnd(drill_id=task.drill_id, error=str(error) or type(error).__name__))
            raise
        return await self.end(DrillEnd(drill_id=task.drill_id, findings=found))

    async def begin(self, step: DrillStep) -> DrillTask:
        """Choose the backup, and write down that it is being tried.

        Raises:
            NotFound: there is no verified backup.
            Conflict: another drill is under way.
        """
        async with self._database.transaction() as session:
            row = await backups.begin_drill(session, step)
            return DrillTask(drill_id=row.drill_id, backup_id=row.backup_id)

    async def restore(self, task: DrillTask) -> DrillFindings:
        """Restore into a scratch database, compare it with the manifest, and drop it. A repeat begins anew.

        Raises:
            ConfigurationError: a later release wrote the backup.
            Conflict: no migration leads from it to today's schema.
        """
        files = self.directory.of(task.backup_id)
        async with self._database.transaction() as session:
            noted = (await backups.require(session, task.backup_id)).manifest_sha256
        flaws = await flaws_of(files, self._programs, manifest_sha256=noted)
        try:
            manifest = files.manifest()
        except (NotFound, InvalidInput):
            return _findings(flaws)
        found = _findings(flaws, objects=manifest.objects.count)
        if any(each.what == manifest.dump.name for each in flaws):
            return found
        versions = manifest.versions
        migrate.require_known(versions.schema_revision, release=versions.product)
        async with scratch_database(self._database.settings, task.drill_id) as scratch:
            await self._programs.restore(place_of(scratch), files.dump_path)
            copy = await book_cut.copy_of(scratch)
            flaws = list(differences(manifest, copy))
            await asyncio.to_thread(migrate.upgrade_copy, scratch, revision=versions.schema_revision)
            gaps = {each.key for each in manifest.objects.gaps}
            flaws += await _without_object(scratch, files, gaps)
        return found.and_then(_findings(flaws, tables=len(copy.tables), rows=sum(copy.tables.values())))

    async def replay(self, task: DrillTask) -> DrillFindings:
        """Replay some histories: a restored Temporal goes on only where today's code decides as it did then."""
        if self._histories is None:
            return DrillFindings()
        count, flaws = await self._histories.replay(of_each=OF_EACH)
        return _findings(flaws).model_copy(update={"histories": count})

    async def end(self, end: DrillEnd) -> DrillOutcome:
        """Write down what came of it."""
        async with self._database.transaction() as session:
            await backups.end_drill(session, end, at=self._now())
            row = await backups.require_drill(session, end.drill_id)
        finished = row.finished_at or row.created_at
        return DrillOutcome(
            drill_id=row.drill_id,
            backup_id=row.backup_id,
            state=DrillState(row.state),
            seconds=round((finished - row.created_at).total_seconds(), 1),
            findings=end.findings,
            error=row.error,
        )


async def _without_object(scratch: DatabaseSettings, files: BackupFiles, gaps: set[str]) -> list[Flaw]:
    """Objects that the restored book names and the backup does not have; those it never had are known."""
    try:
        hashes = await asyncio.to_thread(files.hashes)
    except (OSError, InvalidInput):
        return []  # named already
    return [
        Flaw(kind=FlawKind.REFERENCE_WITHOUT_OBJECT, what=key)
        async for keys in book_cut.named_objects(scratch)
        for key in keys
        if key not in hashes and key not in gaps
    ]


def _findings(flaws: list[Flaw], *, objects: int = 0, tables: int = 0, rows: int = 0) -> DrillFindings:
    return DrillFindings(
        objects=objects, tables=tables, rows=rows, flaws=tuple(flaws[:MOST_FLAWS]), flaw_count=len(flaws)
    )
