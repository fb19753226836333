"""Pages of lists that are ordered by instant and key, the newest first: each reads its own rows alone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import literal, tuple_
from sqlmodel import col

Position = tuple[datetime, str]
"""Where a row stands in its list: its instant, and its key among rows of the same instant."""


def newest_first(statement: Any, at: Any, key: Any, *, limit: int, before: Position | None = None) -> Any:
    """Order a SELECT and cut a page out of it; `before` is the last row of the page before.

    Compared is the pair: only so does an index over both begin where the page does.
    """
    if before is not None:
        statement = statement.where(tuple_(col(at), col(key)) < tuple_(literal(before[0]), literal(before[1])))
    return statement.order_by(col(at).desc(), col(key).desc()).limit(limit)
