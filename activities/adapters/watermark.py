"""How far a feed has been read: an instant, and which records of that very instant.

A feed in order of time is asked from the watermark's instant on, inclusively; what was seen there is left out. So
records that share an instant over two pages are neither lost nor doubled.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Self

from domain.errors import InvalidInput
from domain.model import Model, Utc

_DIGITS = 12
"""Hex digits of an id's hash: 48 bits tell the records of one instant apart."""
_MAX_SEEN = 240
"""Ids kept of one instant, the latest; beyond them records come again, and the store knows them by their content."""


class Watermark(Model):
    at: Utc
    seen: tuple[str, ...] = ()

    @classmethod
    def read(cls, cursor: str, since: datetime) -> Self:
        """Read a cursor; an empty one stands at `since` with nothing seen.

        Raises:
            InvalidInput: it is none that `text` wrote.
        """
        if not cursor:
            return cls(at=since)
        try:
            found = json.loads(cursor)
            seen = tuple(str(each) for each in found["seen"])
            return cls(at=datetime.fromisoformat(found["at"]).astimezone(UTC), seen=seen)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from error

    def text(self) -> str:
        return json.dumps({"at": self.at.isoformat(), "seen": list(self.seen)}, separators=(",", ":"))

    def has_seen(self, at: datetime, record_id: str) -> bool:
        """Whether a record lies before the watermark, or at its instant and was seen."""
        return at < self.at or self.holds(at, record_id)

    def holds(self, at: datetime, record_id: str) -> bool:
        """Whether a record lies at the watermark's instant and was seen."""
        return at == self.at and _short(record_id) in self.seen

    def passed(self, at: datetime, record_id: str) -> Self:
        """The watermark after a record: moved to its instant, or with its id added; an earlier one moves nothing."""
        if at < self.at:
            return self
        seen = (*self.seen, _short(record_id)) if at == self.at else (_short(record_id),)
        return self.model_copy(update={"at": at, "seen": seen[-_MAX_SEEN:]})


def _short(record_id: str) -> str:
    return hashlib.sha256(record_id.encode("utf-8", "replace")).hexdigest()[:_DIGITS]
