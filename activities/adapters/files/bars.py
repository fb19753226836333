"""Daily bars from CSV files.

A bar must be consistent: low <= open, close <= high. Nothing is mended, rounded or clamped: vendors' files that carry
open or close a rounding step outside the range lose those rows, with the reason, because what was traded is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from activities.adapters.files.market_csv import MarketCsv, open_market_csv, require_day, require_symbol
from activities.adapters.files.numbers import parse_price, parse_volume
from activities.adapters.files.rejects import Refused, reject
from domain.documents import Reject, RejectReason
from domain.market import Bar

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker"),
    "session": ("session", "date", "timestamp"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
}
_ALL_FIELDS = set(Bar.model_fields)
_MAX_CACHED = 65_536
_MAX_CACHED_CHARACTERS = 64
_MAX_WATCHED_SYMBOLS = 4_096
_FIRST_DAY = date(1900, 1, 1).toordinal()
_DAYS = date(2100, 1, 1).toordinal() - _FIRST_DAY


def read_bars(
    path: Path,
    *,
    start: date | None = None,
    end: date | None = None,
    symbols: frozenset[str] | None = None,
) -> Iterator[Bar | Reject]:
    """Stream a CSV file's bars in the order they stand, in constant memory.

    A second bar of one symbol and session is refused wherever it stands, for the first 4,096 symbols of a file; of
    further symbols only within an uninterrupted run of one symbol's rows.

    Args:
        start: first session wanted, end: last session wanted; rows outside are skipped without being checked further.
        symbols: upper-case symbols wanted; rows of others are skipped without being checked further.

    Raises:
        SourceFormatError: there is no such file, its name does not end in `.csv` or `.csv.gz`, or a column is absent.
            Raised when the first bar is asked for.
    """
    with open_market_csv(path, KNOWN_NAMES, required=[(field,) for field in KNOWN_NAMES]) as opened:
        if isinstance(opened, Reject):
            yield opened
        else:
            yield from _bars(opened, start or date.min, end or date.max, symbols)


def _bars(opened: MarketCsv, start: date, end: date, symbols: frozenset[str] | None) -> Iterator[Bar | Reject]:
    at = opened.positions
    at_symbol, at_session, at_volume = at["symbol"], at["session"], at["volume"]
    at_open, at_high, at_low, at_close = at["open"], at["high"], at["low"], at["close"]
    columns = opened.columns
    labels = _Symbols(columns["symbol"], symbols)
    days = _Days(columns["session"], start, end)
    prices = _Prices()
    any_row = False
    for record in opened.records:
        any_row = True
        if isinstance(record, Reject):
            yield record
            continue
        line, fields, data = record
        try:
            symbol, seen = labels[fields[at_symbol]]
            if symbol is None:
                continue
            session, byte, bit = days[fields[at_session]]
            if session is None:
                continue
            try:
                opening, high = prices[fields[at_open]], prices[fields[at_high]]
                low, close = prices[fields[at_low]], prices[fields[at_close]]
            except Refused as refused:
                raise _with_column(refused, fields, at, columns) from refused
            volume = parse_volume(fields[at_volume], columns["volume"])
            if not (low <= opening <= high and low <= close <= high):
                raise _inconsistent(columns, opening, high, low, close)
            if seen[byte] & bit:
                detail = f"a second bar of {symbol} for {session} found, allowed is one; the first is kept"
                raise Refused(RejectReason.DUPLICATE_BAR, detail, columns["session"])
            seen[byte] |= bit
        except Refused as refused:
            yield reject(opened.file, line, refused, data)
            continue
        yield _checked_bar(
            {
                "symbol": symbol,
                "session": session,
                "open": opening,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
            }
        )
    if not any_row:
        detail = "a header and no row found, allowed are rows after it"
        yield reject(opened.file, 0, Refused(RejectReason.EMPTY_FILE, detail))


class _Symbols(dict[str, tuple[str | None, bytearray]]):
    """By the text of a cell: the symbol, None where it is not wanted, and a bit for each of its sessions seen so far.

    The bits are 9 KB a symbol. Beyond the watched number of symbols, those of the last new one alone are kept.
    """

    def __init__(self, column: str, wanted: frozenset[str] | None) -> None:
        super().__init__()
        self._column = column
        self._wanted = wanted
        self._seen: dict[str, bytearray] = {}
        self._unwatched: tuple[str, bytearray] = ("", bytearray())

    def __missing__(self, label: str) -> tuple[str | None, bytearray]:
        symbol = require_symbol(label, self._column)
        if self._wanted is not None and symbol not in self._wanted:
            entry: tuple[str | None, bytearray] = (None, bytearray())
        elif (seen := self._seen.get(symbol)) is not None:
            entry = (symbol, seen)
        elif len(self._seen) < _MAX_WATCHED_SYMBOLS:
            entry = (symbol, self._seen.setdefault(symbol, bytearray(_DAYS // 8 + 1)))
        else:
            if self._unwatched[0] != symbol:
                self._unwatched = (symbol, bytearray(_DAYS // 8 + 1))
            return self._unwatched
        if len(self) < _MAX_CACHED and len(label) <= _MAX_CACHED_CHARACTERS:
            self[label] = entry
        return entry


class _Days(dict[str, tuple[date | None, int, int]]):
    """By the text of a cell: the session, None where it is not wanted, and where its bit stands."""

    def __init__(self, column: str, start: date, end: date) -> None:
        super().__init__()
        self._column = column
        self._start = start
        self._end = end

    def __missing__(self, text: str) -> tuple[date | None, int, int]:
        session = require_day(text, self._column)
        byte, bit = divmod(session.toordinal() - _FIRST_DAY, 8)
        entry = (session if self._start <= session <= self._end else None, byte, 1 << bit)
        if len(self) < _MAX_CACHED:
            self[text] = entry
        return entry


class _Prices(dict[str, Decimal]):
    """By the text of a cell: the price. The same prices recur many times in a file."""

    def __missing__(self, text: str) -> Decimal:
        price = parse_price(text, "")
        if len(self) >= _MAX_CACHED:
            self.clear()
        if len(text) <= _MAX_CACHED_CHARACTERS:
            self[text] = price
        return price


def _with_column(refused: Refused, fields: list[str], at: dict[str, int], columns: dict[str, str]) -> Refused:
    """Find out which price it was; on the way of a good row nobody needs to know."""
    for field in ("open", "high", "low", "close"):
        try:
            parse_price(fields[at[field]], columns[field])
        except Refused as found:
            return found
    return refused


def _checked_bar(values: dict[str, Any]) -> Bar:
    """Make a bar of values that have passed every check of the model already.

    It goes the way unpickling goes, which is several times as fast as `model_construct` or
    validation; over a file of a hundred thousand bars that would be most of the time.
    """
    bar = Bar.__new__(Bar)
    bar.__setstate__(
        {
            "__dict__": values,
            "__pydantic_fields_set__": _ALL_FIELDS,
            "__pydantic_extra__": None,
            "__pydantic_private__": None,
        }
    )
    return bar


def _inconsistent(columns: dict[str, str], opening: Decimal, high: Decimal, low: Decimal, close: Decimal) -> Refused:
    if high < low:
        detail = f"high {high} is below low {low}, allowed is low <= high"
        return Refused(RejectReason.INCONSISTENT_BAR, detail, columns["high"])
    name, price = ("open", opening) if not low <= opening <= high else ("close", close)
    detail = f"{name} {price} is outside low..high {low}..{high}"
    return Refused(RejectReason.INCONSISTENT_BAR, detail, columns[name])
