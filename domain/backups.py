"""Backups: what one is made of, when it counts, which are kept, and whether a copy is what its manifest says.

    running -> verified -> removed        a backup counts once it was read back whole
           `-> failed  -> removed

The manifest is written last: a directory without one is no backup.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationError

from domain.errors import InvalidInput
from domain.ids import digest
from domain.model import Model, Utc

KEPT = 7
"""Verified backups that are kept; an older one goes only when a newer one is verified."""
FORMAT = 1
STALE_AFTER = timedelta(days=2)
"""An installation whose newest verified backup is older than this is told so."""
MOST_FLAWS = 50
"""Of a copy that differs in thousands of places these are named; all are counted."""

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]*(?:/[A-Za-z0-9][A-Za-z0-9._\-]*)+")
_HASHED = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


class BackupState(StrEnum):
    RUNNING = "running"
    VERIFIED = "verified"
    """Written, and read back whole."""
    FAILED = "failed"
    REMOVED = "removed"
    """Newer ones took its place; its files are gone."""

    @property
    def ended(self) -> bool:
        return self is not BackupState.RUNNING


class DrillState(StrEnum):
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


class Trigger(StrEnum):
    """What began it."""

    SCHEDULE = "schedule"
    HAND = "hand"
    DIRECT = "direct"
    """A command that did it itself, without a worker."""


class Versions(Model):
    """With what it was made: the product, the schema's revision, the server, and the program that wrote the dump."""

    product: str
    schema_revision: str
    postgres: str
    dump_program: str


class FileSeal(Model):
    """A file beside the manifest."""

    name: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: str


class Gap(Model):
    """An object that the book names and the object store did not have, or not as it was written."""

    key: str
    problem: str


class ObjectsSeal(Model):
    """The objects that the book names. `list` is the file that has each with its hash, as `sha256sum` writes it."""

    count: int
    bytes: int
    list: FileSeal
    gaps: tuple[Gap, ...] = ()


class Manifest(Model):
    """What a backup holds. `taken_at` is the instant of the one cut that rows and counts are of."""

    format: int = FORMAT
    backup_id: str
    started_at: Utc
    taken_at: Utc
    finished_at: Utc
    versions: Versions
    tables: dict[str, int]
    """Rows by table, schema and all: `public.orders`."""
    audit_head: str = ""
    """Hash of the audit log's last entry: whoever holds it can tell whether the log was cut off later.

    Empty: the log was, or nobody looked."""
    dump: FileSeal
    objects: ObjectsSeal
    broker_book: FileSeal | None = None
    """The paper broker's own book, where it lies on the same machine."""
    seal: str = ""
    """Hash of all of the above."""

    @property
    def rows(self) -> int:
        return sum(self.tables.values())


class CutNote(Model):
    """What was counted in the cut that a dump is of, kept until the manifest is written."""

    taken_at: Utc
    versions: Versions
    tables: dict[str, int]
    audit_head: str = ""


class FlawKind(StrEnum):
    MANIFEST_MISSING = "MANIFEST_MISSING"
    MANIFEST_CHANGED = "MANIFEST_CHANGED"
    FILE_MISSING = "FILE_MISSING"
    FILE_CHANGED = "FILE_CHANGED"
    DUMP_UNREADABLE = "DUMP_UNREADABLE"
    OBJECT_MISSING = "OBJECT_MISSING"
    OBJECT_CHANGED = "OBJECT_CHANGED"
    ROWS_DIFFER = "ROWS_DIFFER"
    SCHEMA_DIFFERS = "SCHEMA_DIFFERS"
    AUDIT_LOG_DIFFERS = "AUDIT_LOG_DIFFERS"
    REFERENCE_WITHOUT_OBJECT = "REFERENCE_WITHOUT_OBJECT"
    HISTORY_NOT_REPLAYABLE = "HISTORY_NOT_REPLAYABLE"


class Flaw(Model):
    """Something about a copy that is not as it should be."""

    kind: FlawKind
    what: str
    expected: str = ""
    found: str = ""

    def __str__(self) -> str:
        between = f", expected={self.expected}, found={self.found}" if self.expected or self.found else ""
        return f"{self.kind.value}: {self.what}{between}"


class KnownBackup(Model):
    """A backup as its row has it."""

    backup_id: str
    state: BackupState


class RestoredCopy(Model):
    """What was found in a database that a dump was restored into."""

    schema_revision: str
    tables: dict[str, int]
    audit_head: str = ""


def backup_id(at: datetime) -> str:
    """The id of a backup or drill that begins at an instant; in the order of time.

    >>> from datetime import UTC
    >>> backup_id(datetime(2026, 11, 27, 3, 30, 5, 123456, tzinfo=UTC))
    '20261127T033005Z'
    """
    return f"{at:%Y%m%dT%H%M%SZ}"


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its seal."""
    return manifest.model_copy(update={"seal": _seal(manifest)})


def opened(body: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        InvalidInput: it is none, it is of a later format, or it was changed since it was sealed.
    """
    found = _format(body)
    if found not in (None, FORMAT):
        raise InvalidInput("MANIFEST_FORMAT", "Use the release that wrote it", found=found, allowed=FORMAT)
    try:
        manifest = Manifest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInput("MANIFEST_CHANGED", "It is no manifest of ours", field=where, problem=first["msg"]) from None
    if manifest.seal != _seal(manifest, as_read=True):
        raise InvalidInput(
            "MANIFEST_CHANGED", "It is not as it was written: use another backup", backup_id=manifest.backup_id
        )
    return manifest


def _format(body: bytes) -> int | None:
    """The format that a manifest says it is of, whatever else it has; None where it says none."""
    try:
        found = json.loads(body)
    except ValueError:
        return None
    said = found.get("format") if isinstance(found, dict) else None
    return said if isinstance(said, int) else None


def _seal(manifest: Manifest, *, as_read: bool = False) -> str:
    """Hash of a manifest. As it was read: of the fields that it had then, as the release that wrote it sealed them."""
    plain = manifest.model_copy(update={"seal": ""})
    return hashlib.sha256(plain.model_dump_json(exclude_unset=as_read).encode()).hexdigest()


def to_remove(known: Sequence[KnownBackup], *, keep: int = KEPT) -> tuple[str, ...]:
    """Backups whose files may go: verified ones beyond the newest `keep`, and failed ones older than a verified one.

    So nothing goes before a newer one is verified.
    """
    newest_first = sorted(known, key=lambda each: each.backup_id, reverse=True)
    verified = [each.backup_id for each in newest_first if each.state is BackupState.VERIFIED]
    if not verified:
        return ()
    failed = [each.backup_id for each in newest_first if each.state is BackupState.FAILED]
    return (*verified[keep:], *(each for each in failed if each < verified[0]))


def unreferenced(present: Iterable[str], lists: Iterable[Collection[str]]) -> list[str]:
    """Copied objects that none of the kept backups lists."""
    wanted: set[str] = set()
    for each in lists:
        wanted.update(each)
    return sorted(set(present) - wanted)


def object_of(key: str) -> str:
    """The object that a key means: of a slice of a pack, the pack.

    Raises:
        InvalidInput: it would lead out of the directory that objects are copied to.
    """
    found = key.partition("@")[0]
    if not _KEY.fullmatch(found):
        raise InvalidInput("OBJECT_KEY_INVALID", "The book names an object that cannot be one", key=key[:200])
    return found


def is_content_of(key: str, body: bytes) -> bool:
    """Whether an object is what its name says. Names that are no hash say nothing."""
    name = key.rsplit("/", 1)[-1].partition(".")[0]
    if not _HASHED.fullmatch(name) or hashlib.sha256(body).hexdigest() == name:
        return True
    try:
        return digest(body.decode(), length=64) == name
    except UnicodeDecodeError:
        return False


def list_text(hashes: Mapping[str, str]) -> str:
    """A list of objects by key with their hashes, which `sha256sum --check` reads too."""
    return "".join(f"{hashes[key]}  {key}\n" for key in sorted(hashes))


def read_list(text: str) -> dict[str, str]:
    """Hashes by key.

    Raises:
        InvalidInput: a line is none of such a list.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise InvalidInput("OBJECT_LIST_INVALID", "It is not as it was written", line=number)
        found[object_of(parts[2])] = parts[1]
    return found


def differences(manifest: Manifest, copy: RestoredCopy) -> tuple[Flaw, ...]:
    """Where a restored database is not what the manifest says, table by table."""
    found: list[Flaw] = []
    if copy.schema_revision != manifest.versions.schema_revision:
        found.append(
            Flaw(
                kind=FlawKind.SCHEMA_DIFFERS,
                what="revision",
                expected=manifest.versions.schema_revision,
                found=copy.schema_revision,
            )
        )
    if manifest.audit_head and copy.audit_head != manifest.audit_head:
        found.append(
            Flaw(kind=FlawKind.AUDIT_LOG_DIFFERS, what="head", expected=manifest.audit_head, found=copy.audit_head)
        )
    for table in sorted({*manifest.tables, *copy.tables}):
        expected, there = manifest.tables.get(table), copy.tables.get(table)
        if expected != there:
            found.append(Flaw(kind=FlawKind.ROWS_DIFFER, what=table, expected=_count(expected), found=_count(there)))
    return tuple(found)


def _count(rows: int | None) -> str:
    return "no such table" if rows is None else f"{rows} rows"
