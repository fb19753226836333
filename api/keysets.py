"""Cursors of lists that are ordered by text: a page begins behind the key of the last row of the page before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.paging import Page, Row, View, decode, encode
from domain.errors import InvalidInput


def key_of(kind: str, cursor: str | None, parts: int = 1) -> tuple[str, ...] | None:
    """Read the cursor of a list whose key has so many parts.

    Raises:
        InvalidInput: it is not one of this list's.
    """
    if cursor is None:
        return None
    found = decode(kind, cursor)
    if (
        not isinstance(found, list)
        or len(found) != parts
        or not all(isinstance(part, str) and _is_storable(part) for part in found)
    ):
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return tuple(found)


def keyed_page(
    kind: str, rows: Sequence[Row], limit: int, *, key: Callable[[Row], tuple[str, ...]], view: Callable[[Row], View]
) -> Page[View]:
    """Make a page of rows that were read with `limit + 1`: the one too many says that there are more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        data=[view(row) for row in shown],
        has_more=more,
        next_cursor=encode(kind, list(key(shown[-1]))) if more else None,
    )


def _is_storable(part: str) -> bool:
    """Whether the database can compare it: a forged cursor may hold what no text of ours does."""
    try:
        return b"\x00" not in part.encode()
    except UnicodeEncodeError:
        return False
