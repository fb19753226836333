"""The copy of backups in another S3: laid out as the directory is, so that any client of S3 can bring it back."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from activities.adapters.offsite import OffsiteStore
from activities.backup_directory import (
    LIST_FILE,
    MANIFEST_FILE,
    OBJECTS,
    BackupDirectory,
    BackupFiles,
    hash_of,
    part_of,
)
from domain.backups import read_list, unreferenced
from domain.errors import NotFound, VendorUnavailable

PARALLEL = 4
_ID = re.compile(r"([0-9]{8}T[0-9]{6}Z)/")
_Act = Callable[[str], Awaitable[None]]


class BackupsElsewhere:
    def __init__(self, store: OffsiteStore, directory: BackupDirectory) -> None:
        self._store = store
        self._directory = directory

    async def store(self, backup_id: str) -> None:
        """Copy what is not there yet, the manifest last; what is a backup's own is read back.

        Raises:
            VendorUnavailable: the other place does not answer, or gives back something else.
        """
        files = self._directory.of(backup_id)
        hashes = await asyncio.to_thread(files.hashes)
        there = await self._store.names(f"{OBJECTS}/")
        missing = [key for key in hashes if there.get(f"{OBJECTS}/{key}") != files.object_path(key).stat().st_size]
        await self._each(missing, lambda key: self._store.put(f"{OBJECTS}/{key}", files.object_path(key)))
        for path in (*_own(files), files.manifest_path):
            name = f"{backup_id}/{path.name}"
            await self._store.put(name, path)
            sha256, _ = await asyncio.to_thread(hash_of, path)
            if await self._store.sha256(name) != sha256:
                raise VendorUnavailable("OFFSITE_CHANGED", "It gave back something else than was sent", name=name)

    async def remove(self, backup_ids: Sequence[str]) -> None:
        """Take backups away, manifests first, then objects that none of those which stay there names."""
        there = await self._store.names("")
        going = [name for name in there if name.partition("/")[0] in backup_ids]
        manifests = [name for name in going if name.endswith(f"/{MANIFEST_FILE}")]
        if not going:
            return
        await self._store.remove(manifests)
        await self._store.remove([name for name in going if name not in manifests])
        staying = {found[1] for name in there if (found := _ID.match(name))} - set(backup_ids)
        lists = [await self._list(each) for each in sorted(staying) if f"{each}/{LIST_FILE}" in there]
        prefix = f"{OBJECTS}/"
        copied = (name.removeprefix(prefix) for name in there if name.startswith(prefix))
        await self._store.remove([prefix + key for key in unreferenced(copied, lists)])

    async def fetch(self, backup_id: str) -> None:
        """Bring a backup into the directory, the manifest last.

        Raises:
            NotFound: there is none of the id, or it was never finished.
        """
        there = await self._store.names(f"{backup_id}/")
        manifest = f"{backup_id}/{MANIFEST_FILE}"
        if manifest not in there:
            raise NotFound("OFFSITE_NOT_FOUND", "The other place has no such backup", backup_id=backup_id)
        files = self._directory.of(backup_id)
        files.make()
        for name in sorted(there, key=lambda name: name == manifest):
            if name == manifest:
                hashes = await asyncio.to_thread(files.hashes)
                missing = [key for key in hashes if not files.object_path(key).is_file()]
                await self._each(missing, lambda key: self._fetched(f"{OBJECTS}/{key}", files.object_path(key)))
            await self._fetched(name, files.root / Path(name).name)

    async def _fetched(self, name: str, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with part_of(path, flush=False) as part:
            await self._store.get(name, part)

    async def _list(self, backup_id: str) -> dict[str, str]:
        own = self._directory.of(backup_id).list_path
        if own.exists():
            return read_list(own.read_text(encoding="utf-8"))
        with tempfile.TemporaryDirectory(prefix="stonks-") as folder:
            path = Path(folder) / LIST_FILE
            await self._store.get(f"{backup_id}/{LIST_FILE}", path)
            return read_list(path.read_text(encoding="utf-8"))

    async def _each(self, keys: Sequence[str], act: _Act) -> None:
        for start in range(0, len(keys), PARALLEL):
            await asyncio.gather(*(act(key) for key in keys[start : start + PARALLEL]))


def _own(files: BackupFiles) -> Iterator[Path]:
    for path in (files.dump_path, files.list_path, files.broker_path):
        if path.exists():
            yield path
