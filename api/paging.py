"""Lists: `{data, has_more, next_cursor}`. A cursor is opaque; it names the last row of the page before."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from domain.errors import InvalidInput

MAXIMUM_LIMIT = 200

Row = TypeVar("Row")
View = TypeVar("View")
Position = tuple[datetime, str]
"""Where a row stands in its list: its instant, and its id among rows of the same instant."""

_POSITION: TypeAdapter[tuple[AwareDatetime, str]] = TypeAdapter(tuple[AwareDatetime, str])


class PageQuery(BaseModel):
    """Query parameters of every list. A parameter that a list does not know is an error, not ignored."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    limit: Annotated[int, Field(ge=1, le=MAXIMUM_LIMIT)] = 50
    cursor: Annotated[str | None, Field(max_length=2_000, description="next_cursor of the page before")] = None


class Page(BaseModel, Generic[View]):
    data: list[View]
    has_more: bool
    next_cursor: str | None = None


def encode(kind: str, body: object) -> str:
    """Write a cursor of one list; another list will not take it."""
    return base64.urlsafe_b64encode(json.dumps([kind, body], separators=(",", ":")).encode()).decode().rstrip("=")


def decode(kind: str, cursor: str) -> object:
    """Read a cursor back.

    Raises:
        InvalidInput: it is not one of this list's.
    """
    try:
        found = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        json.dumps(found, ensure_ascii=False).encode()  # half a character is none that a row has
    except (binascii.Error, ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or len(found) != 2 or found[0] != kind:
        raise _invalid()
    return found[1]


def position(kind: str, cursor: str | None) -> Position | None:
    """Read the cursor of a list that is ordered by instant and id."""
    if cursor is None:
        return None
    try:
        return _POSITION.validate_python(decode(kind, cursor))
    except ValidationError:
        raise _invalid() from None


def page(
    kind: str, rows: Sequence[Row], limit: int, *, at: Callable[[Row], Position], view: Callable[[Row], View]
) -> Page[View]:
    """Make a page of rows that were read with `limit + 1`: the one too many says that there are more."""
    shown = rows[:limit]
    more = len(rows) > limit
    cursor = None
    if more:
        instant, key = at(shown[-1])
        cursor = encode(kind, [instant.isoformat(), key])
    return Page(data=[view(row) for row in shown], has_more=more, next_cursor=cursor)


def from_token(kind: str, token: bytes) -> str | None:
    """The cursor of a list whose pages Temporal counts; None where its token is empty: there is no further page."""
    return encode(kind, base64.b64encode(token).decode()) if token else None


def token_of(kind: str, cursor: str | None) -> bytes:
    """Temporal's token in such a cursor; empty for the first page.

    Raises:
        InvalidInput: it is not one of this list's.
    """
    if cursor is None:
        return b""
    try:
        return base64.b64decode(str(decode(kind, cursor)), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None


def _invalid() -> InvalidInput:
    return InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
