"""The audit log as a chain: every entry carries the hash of the one before, so that a changed one shows.

The chain says that nothing in it was changed, moved or taken out. That its newest entries are still there shows only
beside the number and the head that somebody noted down before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from domain.errors import SourceFormatError
from domain.model import Model, Utc

GENESIS = "0" * 64


class AuditRecord(Model):
    """One entry: who did what to what, and when."""

    sequence: int
    entry_key: str
    recorded_at: Utc
    actor: str
    action: str
    subject: str
    body: dict[str, Any]
    previous_hash: str
    entry_hash: str = ""

    @property
    def computed_hash(self) -> str:
        body = [
            self.sequence,
            self.entry_key,
            self.recorded_at.isoformat(),
            self.actor,
            self.action,
            self.subject,
            self.body,
            self.previous_hash,
        ]
        return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def line(self) -> str:
        """As one line of JSON. The body goes through the same writer as the hash, so that nothing is rounded."""
        plain = self.model_dump(exclude={"recorded_at"}) | {"recorded_at": self.recorded_at.isoformat()}
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))


class ChainReport(Model):
    """What a walk along the chain found."""

    entries: int
    """How many follow from each other, from the first on."""
    first: int
    """Sequence number that the walk began with; 0 where there is no entry."""
    head: str
    """Hash of the last good entry. Whoever noted it down can tell whether the end was cut off."""
    first_broken: int | None
    """Sequence number that should stand where the chain breaks; None: nowhere."""

    @property
    def whole(self) -> bool:
        return self.first_broken is None


class ChainWalk:
    """Walks along entries in order and remembers only where it is.

    Args:
        partial: whether it may begin in the middle; what came before is then taken on trust.
    """

    def __init__(self, *, partial: bool = False) -> None:
        self._partial = partial
        self._first = 0
        self._entries = 0
        self._head = GENESIS
        self._broken: int | None = None

    def step(self, record: AuditRecord) -> bool:
        """Take the next entry. False where it does not follow, and from there on."""
        if self._broken is not None:
            return False
        if not self._first:
            self._first = record.sequence if self._partial and record.sequence > 1 else 1
            if self._first > 1:
                self._head = record.previous_hash
        expected = self._first + self._entries
        follows = record.sequence == expected and record.previous_hash == self._head
        if not follows or record.entry_hash != record.computed_hash:
            self._broken = expected
            return False
        self._head, self._entries = record.entry_hash, self._entries + 1
        return True

    def report(self) -> ChainReport:
        return ChainReport(entries=self._entries, first=self._first, head=self._head, first_broken=self._broken)


def walk_lines(lines: Iterable[str]) -> ChainReport:
    """Walk along an exported log, line by line.

    Raises:
        SourceFormatError: a line is no entry.
    """
    walk = ChainWalk(partial=True)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = AuditRecord.model_validate(json.loads(line))
        except (ValueError, ValidationError, RecursionError):
            raise SourceFormatError(
                "AUDIT_LINE_INVALID", "Give a file of `stonks audit export`, unchanged", line=number
            ) from None
        if not walk.step(record):
            break
    return walk.report()
