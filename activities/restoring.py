"""Putting a backup back: read it whole, put the objects back, then the database, compare, and throw the kill switch.

    verify -> room -> objects -> database -> compare -> today's schema -> halt and settle

Until the last step a mark stands in the database, with which nothing starts. What was there before is set aside, and
comes back where the restored copy is not what its manifest says, or cannot be brought up to date.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

from activities.adapters.postgres_programs import PostgresPrograms
from activities.backing_up import flaws_of, not_verified, place_of
from activities.backup_directory import AT_ONCE, BackupFiles, hash_of
from domain.backup_run import RestoreReport, Settled
from domain.backups import Manifest, backup_id, differences
from domain.errors import Conflict, InvalidInput, NotFound
from store import book_cut, migrate, restoring
from store.database import Database, DatabaseSettings
from store.objects import ObjectStore
from store.restoring import Standing

Say = Callable[[str], None]


class Restorer:
    """Restores into one database and one object store, which nobody else uses meanwhile."""

    def __init__(
        self,
        settings: DatabaseSettings,
        objects: ObjectStore,
        programs: PostgresPrograms,
        *,
        now: Callable[[], datetime],
        say: Say = lambda _: None,
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._programs = programs
        self._now = now
        self._say = say

    async def restore(self, files: BackupFiles, *, replace: bool, actor: str) -> RestoreReport:
        """Restore a backup.

        Args:
            replace: whether a book that is in use may be set aside for it.

        Raises:
            InvalidInput: the backup is not as it was written.
            Conflict: the database holds a book, somebody is connected, or no migration leads to today's schema.
            ConfigurationError: the backup is of a later release, or a program is missing.
        """
        self._say("reading the backup")
        manifest = await self._whole(files)
        found = await self._require_room(replace=replace)
        self._say("the objects")
        objects = await self._put_objects(files)
        self._say("the database")
        at = self._now()
        stamp = backup_id(at)
        aside = await restoring.make_room(self._settings, found, stamp=stamp)
        try:
            await self._programs.restore(place_of(self._settings), files.dump_path)
            flaws = differences(manifest, await book_cut.copy_of(self._settings))
            if flaws:
                raise InvalidInput(
                    "RESTORED_COPY_DIFFERS",
                    "; ".join(str(each) for each in flaws[:5]),
                    backup_id=manifest.backup_id,
                    differences=len(flaws),
                )
        except BaseException:
            await restoring.give_back(self._settings, aside)
            raise
        self._say("today's schema")
        try:
            revision = manifest.versions.schema_revision
            await asyncio.to_thread(migrate.upgrade_copy, self._settings, revision=revision)
            settled = await self._settle(files, manifest, stamp=stamp, actor=actor, at=at)
        except Exception:  # where it is interrupted instead, a migration may still be at work
            await restoring.give_back(self._settings, aside)
            raise
        return RestoreReport(
            restoration_id=stamp,
            backup_id=manifest.backup_id,
            taken_at=manifest.taken_at,
            rows=manifest.rows,
            objects=objects,
            set_aside=aside,
            settled=settled,
        )

    async def _whole(self, files: BackupFiles) -> Manifest:
        require_known_release(files)
        flaws = await flaws_of(files, self._programs)
        if flaws:
            raise not_verified(files.root.name, flaws)
        return files.manifest()

    async def _require_room(self, *, replace: bool) -> Standing:
        server = await restoring.require_alone(self._settings)
        await self._programs.require(server=server)
        found = await restoring.standing(self._settings)
        if found is Standing.USED and not replace:
            raise Conflict(
                "DATABASE_NOT_EMPTY",
                "Restore into a new installation; or say `--replace`: what is there is set aside then, not removed",
                host=self._settings.host,
                database=self._settings.name,
            )
        return found

    async def _settle(self, files: BackupFiles, manifest: Manifest, *, stamp: str, actor: str, at: datetime) -> Settled:
        sha256, _ = hash_of(files.manifest_path)
        database = Database(self._settings)
        try:
            async with database.transaction() as session:
                return await restoring.settle(
                    session,
                    manifest,
                    sha256=sha256,
                    location=str(files.root),
                    restoration_id=stamp,
                    actor=actor,
                    at=at,
                )
        finally:
            await database.close()

    async def _put_objects(self, files: BackupFiles) -> int:
        """Put every object back, and read it back: the book must not name what is not there."""
        await self._objects.ensure_bucket()
        hashes = await asyncio.to_thread(files.hashes)
        keys = list(hashes)
        for start in range(0, len(keys), AT_ONCE):
            part = keys[start : start + AT_ONCE]
            await asyncio.gather(*(self._put(files, key, hashes[key]) for key in part))
        return len(keys)

    async def _put(self, files: BackupFiles, key: str, sha256: str) -> None:
        if await self._hash_there(key) == sha256:
            return
        await self._objects.put(key, await asyncio.to_thread(files.object_path(key).read_bytes))
        if await self._hash_there(key) != sha256:
            raise Conflict("OBJECT_NOT_RESTORED", "The object store gives back something else", key=key)

    async def _hash_there(self, key: str) -> str:
        try:
            return hashlib.sha256(await self._objects.get(key)).hexdigest()
        except NotFound:
            return ""


def require_known_release(files: BackupFiles) -> None:
    """Look at the manifest alone: this code can restore what it describes. One that is spoilt is not judged here.

    Raises:
        ConfigurationError: a later release wrote the backup.
        InvalidInput: its manifest is of a later format.
    """
    try:
        versions = files.manifest().versions
    except NotFound:
        return
    except InvalidInput as error:
        if error.code == "MANIFEST_FORMAT":
            raise
        return
    migrate.require_known(versions.schema_revision, release=versions.product)
