"""The directory that backups lie in, as files that plain tools can read too.

    backups/objects/<key>                   every object of every backup, once: they never change
    backups/<id>/book.dump                  the database, in PostgreSQL's own format
    backups/<id>/objects.sha256             the objects of this backup with their hashes
    backups/<id>/broker.sqlite3             the paper broker's book, where there is one on this machine
    backups/<id>/manifest.json              written last: a directory without it is no backup

What is written is written beside its name, flushed, and moved into place, so that a name stands for a whole file.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from domain.backups import FileSeal, Flaw, FlawKind, Manifest, object_of, opened, read_list
from domain.errors import ConfigurationError, InvalidInput, NotFound, StonksError

DUMP_FILE, LIST_FILE, BROKER_FILE, MANIFEST_FILE = "book.dump", "objects.sha256", "broker.sqlite3", "manifest.json"
CUT_FILE, KEYS_FILE, GAPS_FILE = "cut.json", "keys.txt", "gaps.jsonl"
"""Of a backup that is under way: what was counted, the objects that the book names, and those that are not there."""
OBJECTS = "objects"
CHUNK = 1024 * 1024
AT_ONCE = 200
_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z")


class BackupDirectory:
    """Where backups are written to and read from. `root` is made when the first one is written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def held(self, *, reading: bool = False) -> Iterator[None]:
        """Have the directory for oneself, or share it with others who only read.

        Raises:
            ConfigurationError: it cannot be written.
            StonksError: somebody else is writing, or reading what one would remove; asking again helps.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigurationError(
                "BACKUP_DIRECTORY_NOT_WRITABLE",
                "Name a directory that the worker's user owns in STONKS_BACKUP_DIRECTORY",
                path=self.root,
                problem=error.strerror,
            ) from error
        try:
            try:
                fcntl.flock(descriptor, (fcntl.LOCK_SH if reading else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StonksError(
                    "BACKUP_DIRECTORY_BUSY", "Another backup, drill or restore is at it: ask again", path=self.root
                ) from None
            yield
        finally:
            os.close(descriptor)

    def of(self, backup_id: str) -> BackupFiles:
        return BackupFiles(self.root / backup_id, self.root / OBJECTS)

    def ids(self) -> list[str]:
        """What was begun, whole or not, the oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(each.name for each in self.root.iterdir() if each.is_dir() and _ID.fullmatch(each.name))

    def unfinished(self) -> list[str]:
        """What has no manifest."""
        return [each for each in self.ids() if not self.of(each).manifest_path.exists()]

    def remove(self, backup_id: str) -> None:
        """Take a backup away, its manifest first: what is left of it then is none."""
        files = self.of(backup_id)
        files.manifest_path.unlink(missing_ok=True)
        shutil.rmtree(files.root, ignore_errors=True)

    def lists(self) -> Iterator[dict[str, str]]:
        """The objects of each backup that has a list, whole or under way."""
        for each in self.ids():
            path = self.of(each).list_path
            if path.exists():
                yield read_list(path.read_text(encoding="utf-8"))

    def present(self) -> Iterator[str]:
        """Every object that lies there."""
        pool = self.root / OBJECTS
        for folder, _, names in os.walk(pool):
            for name in names:
                if not name.startswith("."):
                    yield (Path(folder) / name).relative_to(pool).as_posix()

    def remove_objects(self, keys: Iterable[str]) -> int:
        removed = 0
        for key in keys:
            (self.root / OBJECTS / object_of(key)).unlink(missing_ok=True)
            removed += 1
        return removed


class BackupFiles:
    """The files of one backup; `objects` is the directory that it shares with the others."""

    def __init__(self, root: Path, objects: Path) -> None:
        self.root = root
        self.objects = objects

    @property
    def manifest_path(self) -> Path:
        return self.root / MANIFEST_FILE

    @property
    def dump_path(self) -> Path:
        return self.root / DUMP_FILE

    @property
    def list_path(self) -> Path:
        return self.root / LIST_FILE

    @property
    def cut_path(self) -> Path:
        return self.root / CUT_FILE

    @property
    def keys_path(self) -> Path:
        return self.root / KEYS_FILE

    @property
    def gaps_path(self) -> Path:
        return self.root / GAPS_FILE

    @property
    def broker_path(self) -> Path:
        return self.root / BROKER_FILE

    def make(self) -> None:
        """Make the directory, for its owner alone: the book has hashes of passwords and keys in it."""
        for path in (self.root, self.objects):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def object_path(self, key: str) -> Path:
        return self.objects / object_of(key)

    def manifest(self) -> Manifest:
        """Read the manifest.

        Raises:
            NotFound: there is none: the backup was never finished.
            InvalidInput: it was changed.
        """
        return opened(self.manifest_bytes())

    def manifest_bytes(self) -> bytes:
        try:
            return self.manifest_path.read_bytes()
        except FileNotFoundError:
            raise NotFound(
                "MANIFEST_MISSING", "It was never finished, and is no backup", path=self.manifest_path
            ) from None

    def hashes(self) -> dict[str, str]:
        """Its objects by key.

        Raises:
            InvalidInput: the list cannot be read.
        """
        return read_list(self.list_path.read_text(encoding="utf-8"))

    async def seal(self, path: Path) -> FileSeal:
        sha256, size = await asyncio.to_thread(hash_of, path)
        return FileSeal(name=path.name, bytes=size, sha256=sha256)

    async def flaws(self, manifest: Manifest) -> list[Flaw]:
        """Read everything that the manifest speaks of; returns what is missing or was changed."""
        found: list[Flaw] = []
        seals = [manifest.dump, manifest.objects.list, *([manifest.broker_book] if manifest.broker_book else [])]
        for each in seals:
            found += await asyncio.to_thread(_file_flaws, self.root / Path(each.name).name, each)
        try:
            hashes = await asyncio.to_thread(self.hashes)
        except (OSError, UnicodeDecodeError, InvalidInput):
            return found  # named already: the list is missing or was changed
        return found + await self.object_flaws(hashes)

    async def object_flaws(self, hashes: Mapping[str, str]) -> list[Flaw]:
        """Which of these objects are missing, or not as they were written."""
        found: list[Flaw] = []
        keys = list(hashes)
        for start in range(0, len(keys), AT_ONCE):  # a thread's turn is short, so that whoever waits can stop
            part = keys[start : start + AT_ONCE]
            found += await asyncio.to_thread(self._object_flaws, {key: hashes[key] for key in part})
        return found

    def _object_flaws(self, hashes: Mapping[str, str]) -> list[Flaw]:
        found: list[Flaw] = []
        for key, expected in hashes.items():
            path = self.object_path(key)
            if not path.is_file():
                found.append(Flaw(kind=FlawKind.OBJECT_MISSING, what=key))
                continue
            sha256, _ = hash_of(path)
            if sha256 != expected:
                found.append(Flaw(kind=FlawKind.OBJECT_CHANGED, what=key, expected=expected, found=sha256))
        return found


def _file_flaws(path: Path, seal: FileSeal) -> list[Flaw]:
    if not path.is_file():
        return [Flaw(kind=FlawKind.FILE_MISSING, what=seal.name)]
    sha256, size = hash_of(path)
    if (sha256, size) == (seal.sha256, seal.bytes):
        return []
    return [
        Flaw(
            kind=FlawKind.FILE_CHANGED,
            what=seal.name,
            expected=f"{seal.bytes} bytes, sha256 {seal.sha256}",
            found=f"{size} bytes, sha256 {sha256}",
        )
    ]


def hash_of(path: Path) -> tuple[str, int]:
    """The sha256 of a file and its length."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def write_whole(path: Path, body: bytes, *, flush: bool = True) -> None:
    """Put a file into place in one step."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with part_of(path, flush=flush) as part:
        part.write_bytes(body)


@contextlib.contextmanager
def part_of(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A file beside a name, which gets the name at the end of the block; nothing is left of it where that fails.

    Args:
        flush: put it onto the disk first. Not for each of many: they are flushed together, before the manifest.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    os.close(descriptor)
    part = Path(name)
    try:
        yield part
        if flush:
            _flush(part)
        part.replace(path)
        if flush:
            _flush(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
