"""Rounds over many symbols: how far each was read, short enough for a cursor of two thousand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, PlainSerializer

from domain.errors import InvalidInput
from domain.model import Model

_FIRST, _LAST = date(1900, 1, 1).toordinal(), date(2199, 12, 31).toordinal()


def _read_marks(value: object) -> object:
    if not isinstance(value, str):
        if isinstance(value, dict) and all(isinstance(day, date) for day in value.values()):
            return value
        raise ValueError("marks in our own words are needed")
    marks: dict[str, date] = {}
    for part in value.split(",") if value else ():
        ordinal, _, symbols = part.partition(":")
        if not (ordinal.isascii() and ordinal.isdigit() and len(ordinal) == 6 and _FIRST <= int(ordinal) <= _LAST):
            raise ValueError(f"a day's number from {_FIRST} to {_LAST} is needed")
        marks |= dict.fromkeys(symbols.split(), date.fromordinal(int(ordinal)))
    return marks


def _write_marks(marks: dict[str, date]) -> str:
    by_day: dict[date, list[str]] = defaultdict(list)
    for symbol, day in marks.items():
        by_day[day].append(symbol)
    return ",".join(f"{day.toordinal()}:{' '.join(symbols)}" for day, symbols in sorted(by_day.items()))


Marks = Annotated[dict[str, date], BeforeValidator(_read_marks), PlainSerializer(_write_marks)]
"""A day a symbol. Written as `738890:AAPL MSFT,738891:KO`, days by their proleptic number: at most 28 letters each."""

CursorT = TypeVar("CursorT", bound=Model)


def decoded(kind: type[CursorT], cursor: str) -> CursorT:
    """Read a cursor; an empty one is the beginning.

    Raises:
        InvalidInput: it is none that `encoded` wrote.
    """
    try:
        return kind.model_validate_json(cursor) if cursor else kind()
    except ValueError as error:
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from error


def encoded(cursor: Model) -> str:
    """Write a cursor, without what stands at the beginning."""
    return cursor.model_dump_json(exclude_defaults=True)


def kept(marks: dict[str, date], symbols: Iterable[str]) -> dict[str, date]:
    """The marks of the symbols that are still configured."""
    return {symbol: marks[symbol] for symbol in symbols if symbol in marks}
