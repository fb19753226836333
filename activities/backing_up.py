"""Making a backup, step by step: the database first, then the objects that it names, the manifest last.

    begin -> dump and count in one cut -> copy what is new -> manifest -> read everything back -> elsewhere -> retention

Every step finds what an earlier attempt of it did, so that it can be repeated by another process. Nothing here needs
Temporal: a command may take the steps itself.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import structlog

from activities.adapters.offsite import OffsiteStore
from activities.adapters.postgres_programs import Place, PostgresPrograms
from activities.backup_directory import AT_ONCE, BackupDirectory, BackupFiles, hash_of, part_of, write_whole
from activities.backup_elsewhere import BackupsElsewhere
from domain.backup_run import BackupFailure, BackupOutcome, BackupStep, CopyReport
from domain.backups import (
    BackupState,
    CutNote,
    Flaw,
    FlawKind,
    Gap,
    Manifest,
    ObjectsSeal,
    Versions,
    is_content_of,
    list_text,
    sealed,
    to_remove,
    unreferenced,
)
from domain.errors import InvalidInput, NotFound, StonksError, VendorUnavailable
from store import backups, book_cut
from store.database import Database, DatabaseSettings
from store.objects import ObjectStore

log = structlog.get_logger(__name__)

PARALLEL = 8
FLAWS_SHOWN = 5
NOT_THERE, NOT_AS_NAMED = "the object store does not have it", "its content is not what its name says"

Say = Callable[[str], None]


class Backups:
    """Backups of one book and its objects in one directory.

    Args:
        product: the version of the code.
        offsite: where a copy goes; None: nowhere.
        broker_book: the paper broker's own book, where it lies on this machine.
    """

    pauses: tuple[float, ...] = (0.0, 5.0, 30.0)
    """Seconds before each attempt to copy a backup elsewhere; what an attempt has copied stays there."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        programs: PostgresPrograms,
        directory: BackupDirectory,
        *,
        product: str,
        now: Callable[[], datetime],
        offsite: OffsiteStore | None = None,
        broker_book: Path | None = None,
    ) -> None:
        self.directory = directory
        self._database = database
        self._objects = objects
        self._programs = programs
        self._product = product
        self._now = now
        self._elsewhere = None if offsite is None else BackupsElsewhere(offsite, directory)
        self._broker_book = broker_book

    async def run(self, step: BackupStep, *, say: Say = lambda _: None) -> BackupOutcome:
        """Take every step here and now, with the directory to oneself; what fails is written down."""
        with self.directory.held():
            await self.begin(step, alone=True)
            try:
                say("the database")
                await self.dump(step)
                say("the objects")
                copy = await self.copy_objects(step)
                await self.write_manifest(step)
                say("reading it back")
                await self.verify(step, copy)
                if self._elsewhere is not None:
                    say("the copy elsewhere")
                offsite = await self.store_elsewhere(step)
                return await self.finish(step, offsite)
            except BaseException as error:
                await self.fail(BackupFailure(backup_id=step.backup_id, error=str(error) or type(error).__name__))
                raise

    async def begin(self, step: BackupStep, *, alone: bool = False) -> None:
        """Write down that it is under way, and clear away what others left unfinished.

        Raises:
            Conflict: another one is under way.
        """
        async with self._database.transaction() as session:
            await backups.begin(session, step, location=str(self.directory.root / step.backup_id), alone=alone)
            going_on = {each.backup_id for each in await backups.known(session) if each.state is BackupState.RUNNING}
        for left in self.directory.unfinished():
            if left not in going_on:
                log.warning("unfinished_backup_removed", backup_id=left)
                await asyncio.to_thread(self.directory.remove, left)
        self.directory.of(step.backup_id).make()

    async def dump(self, step: BackupStep) -> None:
        """Dump the database, count its rows and list its objects, all in one cut. A repeat finds it done."""
        files = self.directory.of(step.backup_id)
        if files.cut_path.exists() or files.manifest_path.exists():
            return
        files.make()
        settings = self._database.settings
        async with book_cut.cut(settings) as cut:
            program = await self._programs.require(server=cut.server_version)
            with part_of(files.dump_path) as part:
                await self._programs.dump(place_of(settings), part, snapshot=cut.snapshot, without=book_cut.LEFT_OUT)
            with part_of(files.keys_path) as part, part.open("w", encoding="utf-8") as file:
                async for keys in cut.keys():
                    file.writelines(f"{key}\n" for key in keys)
        if self._broker_book is not None and self._broker_book.exists():
            await asyncio.to_thread(_copy_book, self._broker_book, files.broker_path)
        note = CutNote(
            taken_at=cut.taken_at,
            versions=Versions(
                product=self._product,
                schema_revision=cut.schema_revision,
                postgres=cut.server_version,
                dump_program=program,
            ),
            tables=cut.tables,
            audit_head=cut.audit_head,
        )
        write_whole(files.cut_path, note.model_dump_json().encode())

    async def copy_objects(self, step: BackupStep) -> CopyReport:
        """Copy the objects that the book names and no earlier backup has; what cannot be copied is a gap, and named."""
        files = self.directory.of(step.backup_id)
        if files.manifest_path.exists():
            return CopyReport()
        known = await asyncio.to_thread(self._known_hashes)
        hashes: dict[str, str] = {}
        gaps: list[Gap] = []
        size = copied = 0
        limit = asyncio.Semaphore(PARALLEL)

        async def one(key: str) -> _Copied:
            async with limit:
                return await self._copy(files, key, known.get(key, ""))

        for keys in _batches(files.keys_path):
            for key, found in zip(keys, await asyncio.gather(*(one(key) for key in keys)), strict=True):
                if found.problem:
                    gaps.append(Gap(key=key, problem=found.problem))
                    continue
                hashes[key] = found.sha256
                size += found.bytes
                copied += found.new
        write_whole(files.list_path, list_text(hashes).encode())
        write_whole(files.gaps_path, _gaps_text(gaps))
        return CopyReport(objects=len(hashes), copied=copied, bytes=size, gaps=len(gaps))

    async def write_manifest(self, step: BackupStep) -> None:
        """Say what the backup holds. From here on the directory is one. A repeat finds it written."""
        files = self.directory.of(step.backup_id)
        if files.manifest_path.exists():
            return
        await asyncio.to_thread(os.sync)  # the objects: each for itself would take hours
        cut = CutNote.model_validate_json(files.cut_path.read_bytes())
        hashes = await asyncio.to_thread(files.hashes)
        manifest = Manifest(
            backup_id=step.backup_id,
            started_at=step.as_of,
            taken_at=cut.taken_at,
            finished_at=self._now(),
            versions=cut.versions,
            tables=cut.tables,
            audit_head=cut.audit_head,
            dump=await files.seal(files.dump_path),
            objects=ObjectsSeal(
                count=len(hashes),
                bytes=await asyncio.to_thread(lambda: sum(files.object_path(key).stat().st_size for key in hashes)),
                list=await files.seal(files.list_path),
                gaps=_read_gaps(files.gaps_path.read_bytes()),
            ),
            broker_book=await files.seal(files.broker_path) if files.broker_path.exists() else None,
        )
        write_whole(files.manifest_path, sealed(manifest).model_dump_json(indent=1).encode())
        for path in (files.cut_path, files.keys_path, files.gaps_path):
            path.unlink(missing_ok=True)

    async def verify(self, step: BackupStep, copy: CopyReport) -> None:
        """Read back everything that was written; only then it counts. A repeat changes nothing.

        Raises:
            InvalidInput: something is not as it was written. The manifest is taken away: it is no backup.
        """
        files = self.directory.of(step.backup_id)
        found = await self.flaws(step.backup_id)
        if found:
            files.manifest_path.unlink(missing_ok=True)
            raise not_verified(step.backup_id, found)
        sha256, _ = hash_of(files.manifest_path)
        async with self._database.transaction() as session:
            await backups.note_verified(session, step.backup_id, files.manifest(), copy, sha256=sha256, at=self._now())

    async def flaws(self, backup_id: str) -> list[Flaw]:
        """What of a backup is missing or was changed since it was written; nothing is changed."""
        async with self._database.transaction() as session:
            row = await backups.find(session, backup_id)
        return await flaws_of(
            self.directory.of(backup_id), self._programs, manifest_sha256=row.manifest_sha256 if row else ""
        )

    async def store_elsewhere(self, step: BackupStep) -> str:
        """Copy it to the other place; the manifest goes last. Returns what to write down: a failure is one, too."""
        if self._elsewhere is None:
            return ""
        problem = ""
        for pause in self.pauses:
            await asyncio.sleep(pause)
            try:
                await self._elsewhere.store(step.backup_id)
            except StonksError as error:
                log.warning("backup_not_stored_elsewhere", backup_id=step.backup_id, error=str(error))
                problem = str(error)
                if not isinstance(error, VendorUnavailable):
                    break
            else:
                return backups.STORED
        return problem

    async def finish(self, step: BackupStep, offsite: str) -> BackupOutcome:
        """Take older ones away, now that this one is verified, and the objects that none of the kept ones names."""
        async with self._database.transaction() as session:
            going = to_remove(await backups.known(session))
        await asyncio.to_thread(self._remove, going)
        if self._elsewhere is not None and offsite == backups.STORED:
            try:
                await self._elsewhere.remove(going)
            except StonksError as error:  # it is tried again with the next one
                log.warning("backups_elsewhere_not_removed", error=str(error))
        async with self._database.transaction() as session:
            return await backups.note_finished(session, step.backup_id, offsite=offsite, removed=going, at=self._now())

    async def fail(self, failure: BackupFailure) -> None:
        """Write down that it did not come to its end, and why."""
        async with self._database.transaction() as session:
            await backups.note_failed(session, failure.backup_id, failure.error, at=self._now())

    def _known_hashes(self) -> dict[str, str]:
        """What objects hashed to when earlier backups copied them, where their names do not say it."""
        found: dict[str, str] = {}
        for each in self.directory.lists():
            found |= each
        return found

    def _remove(self, backup_ids: tuple[str, ...]) -> None:
        for each in backup_ids:
            self.directory.remove(each)
        self.directory.remove_objects(unreferenced(self.directory.present(), self.directory.lists()))

    async def _copy(self, files: BackupFiles, key: str, expected: str) -> _Copied:
        """One object: as it lies there where it is whole, else from the object store."""
        path = files.object_path(key)
        if path.is_file():
            sha256, size, whole = await asyncio.to_thread(_checked, path, key, expected)
            if whole:
                return _Copied(sha256, size)
        try:
            body = await self._objects.get(key)
        except NotFound:
            return _Copied(problem=NOT_THERE)
        if not is_content_of(key, body):
            return _Copied(problem=NOT_AS_NAMED)
        await asyncio.to_thread(write_whole, path, body, flush=False)
        sha256, size = await asyncio.to_thread(hash_of, path)
        return _Copied(sha256, size, new=True)


class _Copied(NamedTuple):
    sha256: str = ""
    bytes: int = 0
    new: bool = False
    problem: str = ""


async def flaws_of(files: BackupFiles, programs: PostgresPrograms, *, manifest_sha256: str = "") -> list[Flaw]:
    """Read a whole backup: what of it is missing or was changed.

    Args:
        manifest_sha256: of the manifest as the book noted it; empty: the book does not know it.
    """
    try:
        manifest = files.manifest()
    except NotFound:
        return [Flaw(kind=FlawKind.MANIFEST_MISSING, what=files.manifest_path.name)]
    except InvalidInput as error:
        return [Flaw(kind=FlawKind.MANIFEST_CHANGED, what=str(error))]
    found: list[Flaw] = []
    there, _ = hash_of(files.manifest_path)
    if manifest_sha256 and there != manifest_sha256:
        found.append(
            Flaw(kind=FlawKind.MANIFEST_CHANGED, what=files.manifest_path.name, expected=manifest_sha256, found=there)
        )
    found += await files.flaws(manifest)
    if files.dump_path.is_file():
        try:
            await programs.listed(files.dump_path)
        except StonksError as error:
            if error.code != "PROGRAM_FAILED":
                raise
            found.append(Flaw(kind=FlawKind.DUMP_UNREADABLE, what=error.hint[:300]))
    return found


def not_verified(backup_id: str, found: list[Flaw]) -> InvalidInput:
    shown = "; ".join(str(each) for each in found[:FLAWS_SHOWN])
    return InvalidInput("BACKUP_NOT_AS_WRITTEN", shown, backup_id=backup_id, flaws=len(found))


def place_of(settings: DatabaseSettings, *, name: str = "") -> Place:
    return Place(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        password=settings.password,
        name=name or settings.name,
    )


def _checked(path: Path, key: str, expected: str) -> tuple[str, int, bool]:
    """Hash and length of a copied object, and whether it is what it was."""
    body = path.read_bytes()
    sha256, size = hash_of(path)
    return sha256, size, is_content_of(key, body) and expected in ("", sha256)


def _batches(path: Path) -> Iterator[list[str]]:
    batch: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            batch.append(line.rstrip("\n"))
            if len(batch) == AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


def _gaps_text(gaps: list[Gap]) -> bytes:
    return "".join(f"{each.model_dump_json()}\n" for each in gaps).encode()


def _read_gaps(body: bytes) -> tuple[Gap, ...]:
    return tuple(Gap.model_validate_json(line) for line in body.splitlines())


def _copy_book(source: Path, target: Path) -> None:
    """Copy a SQLite database that is in use, whole."""
    with part_of(target) as part:
        reading = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        writing = sqlite3.connect(part)
        try:
            reading.backup(writing)
        finally:
            writing.close()
            reading.close()
