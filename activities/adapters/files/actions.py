"""Corporate actions from CSV files: cash dividends and splits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from activities.adapters.files.market_csv import MarketCsv, open_market_csv, require_day, require_symbol
from activities.adapters.files.numbers import parse_number
from activities.adapters.files.rejects import Refused, reject, shown
from domain.documents import Reject, RejectReason
from domain.market import CorporateAction

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "symbol": ("symbol", "ticker"),
    "ex_date": ("ex_date", "date"),
    "cash_dividend": ("cash_dividend", "dividend", "dividend_amount"),
    "split_ratio": ("split_ratio", "split_coefficient", "split"),
}
_INTEGER_DIGITS = 12
_DECIMALS = 12


def read_actions(
    path: Path,
    *,
    start: date | None = None,
    end: date | None = None,
    symbols: frozenset[str] | None = None,
) -> Iterator[CorporateAction | Reject]:
    """Stream a CSV file's corporate actions in the order they stand, in constant memory.

    An empty dividend is 0 and an empty split ratio 1; so is a column that the file does not have. Two actions of one
    symbol and day are both yielded: a regular and a special dividend may share their day.

    Args:
        start: first ex-date wanted, end: last ex-date wanted; rows outside are skipped without being checked further.
        symbols: upper-case symbols wanted; rows of others are skipped without being checked further.

    Raises:
        SourceFormatError: there is no such file, its name does not end in `.csv` or `.csv.gz`, or the symbol, the day
            or both dividend and split have no column. Raised when the first action is asked for.
    """
    required = [("symbol",), ("ex_date",), ("cash_dividend", "split_ratio")]
    with open_market_csv(path, KNOWN_NAMES, required=required) as opened:
        if isinstance(opened, Reject):
            yield opened
        else:
            yield from _actions(opened, start or date.min, end or date.max, symbols)


def _actions(
    opened: MarketCsv, start: date, end: date, symbols: frozenset[str] | None
) -> Iterator[CorporateAction | Reject]:
    at, columns = opened.positions, opened.columns
    any_row = False
    for record in opened.records:
        any_row = True
        if isinstance(record, Reject):
            yield record
            continue
        line, fields, data = record
        try:
            symbol = require_symbol(fields[at["symbol"]], columns["symbol"])
            if symbols is not None and symbol not in symbols:
                continue
            ex_date = require_day(fields[at["ex_date"]], columns["ex_date"])
            if not start <= ex_date <= end:
                continue
            action = CorporateAction(
                symbol=symbol,
                ex_date=ex_date,
                cash_dividend=_dividend(fields[at["cash_dividend"]], columns) if "cash_dividend" in at else Decimal(0),
                split_ratio=_split(fields[at["split_ratio"]], columns) if "split_ratio" in at else Decimal(1),
            )
        except Refused as refused:
            yield reject(opened.file, line, refused, data)
            continue
        yield action
    if not any_row:
        detail = "a header and no row found, allowed are rows after it"
        yield reject(opened.file, 0, Refused(RejectReason.EMPTY_FILE, detail))


def _dividend(text: str, columns: dict[str, str]) -> Decimal:
    if not text.strip():
        return Decimal(0)
    dividend = parse_number(text, columns["cash_dividend"], integer_digits=_INTEGER_DIGITS, decimals=_DECIMALS)
    if dividend < 0:
        detail = f"{shown(text)} found, allowed is a dividend of 0 or more"
        raise Refused(RejectReason.NEGATIVE_PRICE, detail, columns["cash_dividend"])
    return dividend


def _split(text: str, columns: dict[str, str]) -> Decimal:
    if not text.strip():
        return Decimal(1)
    ratio = parse_number(text, columns["split_ratio"], integer_digits=_INTEGER_DIGITS, decimals=_DECIMALS)
    if ratio <= 0:
        detail = f"{shown(text)} found, allowed are new shares per old share above 0; 1 where there is no split"
        raise Refused(RejectReason.INVALID_SPLIT, detail, columns["split_ratio"])
    return ratio
