"""Pages of lists that are ordered by instant and key, the newest first: each reads its own rows alone."""

from __future__ import annotations

from dataclasses import dataclass, field
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


def newest_first_of(
    statement: Any,
    of: Any,
    value: str,
    at: Any,
    key: Any,
    *,
    limit: int,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> Any:
    """The same of rows with one value, such as a company's; `first` and `last` are both inclusive.

    They are chosen as a range and ordered by the value, too: only an index that begins with it gives them so. Where
    they are chosen by equality, the planner may prefer to walk the rows of all values until it meets enough of these,
    and there may be none for years.
    """
    instants = tuple_(col(of), col(at))
    least = col(of) >= value if first is None else instants >= tuple_(literal(value), literal(first))
    # The closest bound alone: an index scan begins at one of several, and not at the closest.
    if before is not None and (last is None or before[0] <= last):
        most = tuple_(col(of), col(at), col(key)) < tuple_(literal(value), literal(before[0]), literal(before[1]))
    elif last is not None:
        most = instants <= tuple_(literal(value), literal(last))
    else:
        most = col(of) <= value
    statement = statement.where(least, most)
    return statement.order_by(col(of).desc(), col(at).desc(), col(key).desc()).limit(limit)


@dataclass
class Chosen:
    """What a SELECT for the driver itself leaves out: conditions joined by AND, and their values as `$1`, `$2`..."""

    values: list[Any] = field(default_factory=list)
    _conditions: list[str] = field(default_factory=list)

    def add(self, condition: str, *values: Any) -> None:
        """Add a condition, with `{}` where each value stands, unless a value is None: that was not asked for."""
        if any(value is None for value in values):
            return
        self.values += values
        places = (f"${number}" for number in range(len(self.values) - len(values) + 1, len(self.values) + 1))
        self._conditions.append(condition.format(*places))

    def before(self, at: str, key: str, position: Position | None) -> None:
        """Begin behind the last row of the page before. Compared is the pair, as `newest_first` does."""
        if position is not None:
            self.add(f"({at}, {key}) < ({{}}, {{}})", *position)

    @property
    def where(self) -> str:
        return f"WHERE {' AND '.join(self._conditions)}" if self._conditions else ""
