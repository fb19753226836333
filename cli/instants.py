"""Days and instants as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import InvalidInput


def read_instant(text: str, option: str) -> datetime:
    """Read a day or an instant; without a zone it is UTC.

    Raises:
        InvalidInput: it is neither.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("TIME_INVALID", "Give it as 2016-03-01 or 2016-03-01T20:00Z", option=option) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
