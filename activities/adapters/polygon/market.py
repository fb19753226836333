"""Polygon's daily aggregates, splits and dividends as facts about the market, raw and exact.

Adjusted aggregates are refused as a whole: they change with every later split, and a bar is what was traded that day.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from activities.adapters.json_answers import Day, Number, VendorRecord, shown
from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import next_page, read_answer, request
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.errors import InvalidInput
from domain.fetching import HttpAnswer, HttpRequest
from domain.market import Bar, CorporateAction
from domain.model import Model
from domain.sources import PolygonAccount

_SESSION_HOURS = (time(0), time(13), time(16))
"""New York hours that stand for a whole session: its midnight, or its close, which is at 13:00 on short days."""
_MAX_VOLUME = 2**63 - 1
_MAX_DIVIDEND = 1_000_000_000
_SPLIT_RATIOS = (Decimal("0.000001"), Decimal(1_000_000))
_YEARS = (1900, 2199)
_ASCENDING = {"order": "asc", "limit": "1000"}
_SYMBOL = r"^[A-Za-z0-9][A-Za-z0-9.\-]{0,19}$"


class BarsPage(Model):
    bars: tuple[Bar, ...] = ()
    rejects: tuple[Reject, ...] = ()
    next: HttpRequest | None = None


class ActionsPage(Model):
    """Two actions of one symbol and day both stand here: a regular and a special dividend may share their day."""

    actions: tuple[CorporateAction, ...] = ()
    rejects: tuple[Reject, ...] = ()
    next: HttpRequest | None = None


class _Aggregate(VendorRecord):
    T: Annotated[str | None, Field(pattern=_SYMBOL)] = None
    o: Number
    h: Number
    l: Number  # noqa: E741 - the vendor's name
    c: Number
    v: Number
    """Fractions of a share are traded and counted since 2026."""
    t: int


class _Split(VendorRecord):
    ticker: Annotated[str, Field(pattern=_SYMBOL)]
    execution_date: Day
    split_from: Number
    split_to: Number


class _Dividend(VendorRecord):
    ticker: Annotated[str, Field(pattern=_SYMBOL)]
    ex_dividend_date: Day
    cash_amount: Number
    currency: str | None = None


def bars_request(config: PolygonAccount, symbol: str, start: date, end: date) -> HttpRequest:
    """Ask for one symbol's raw daily bars, both days included."""
    path = f"/v2/aggs/ticker/{_path_part(symbol)}/range/1/day/{start}/{end}"
    return request(config, path, {"adjusted": "false", "sort": "asc", "limit": "50000"})


def session_request(config: PolygonAccount, day: date) -> HttpRequest:
    """Ask for the raw bars of everything that was traded on a day."""
    return request(config, f"/v2/aggs/grouped/locale/us/market/stocks/{day}", {"adjusted": "false"})


def splits_request(config: PolygonAccount, symbol: str, start: date) -> HttpRequest:
    """Ask for one symbol's splits that take effect on `start` or later."""
    params = {"ticker": symbol, "execution_date.gte": str(start), "sort": "execution_date", **_ASCENDING}
    return request(config, "/v3/reference/splits", params)


def dividends_request(config: PolygonAccount, symbol: str, start: date) -> HttpRequest:
    """Ask for one symbol's cash dividends whose ex-date is `start` or later."""
    params = {"ticker": symbol, "ex_dividend_date.gte": str(start), "sort": "ex_dividend_date", **_ASCENDING}
    return request(config, "/v3/reference/dividends", params)


def read_bars(config: PolygonAccount, answer: HttpAnswer) -> BarsPage:
    """Read daily aggregates: of one symbol's range, of its previous session, or of all symbols in one session.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer is unusable, or holds bars and does not say that they are unadjusted.
    """
    found = read_answer(answer)
    records = _numbered(found)
    if records and found.get("adjusted") is not False:
        raise ANSWERS.unusable(
            f"adjusted={shown(found.get('adjusted'))}", "adjusted=false: raw bars, as traded that day"
        )
    symbol = found.get("ticker")
    if symbol is not None and not (isinstance(symbol, str) and re.fullmatch(_SYMBOL, symbol)):
        raise ANSWERS.unusable(f"ticker={shown(symbol)}", "a ticker")
    bars, rejects = _split_up([_bar(symbol, each, place) for place, each in records])
    return BarsPage(bars=bars, rejects=rejects, next=next_page(config, found.get("next_url"), answer))


def read_splits(config: PolygonAccount, answer: HttpAnswer) -> ActionsPage:
    """Read splits.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    found = read_answer(answer)
    actions, rejects = _split_up([_split(each, place) for place, each in _each_once(found)])
    return ActionsPage(actions=actions, rejects=rejects, next=next_page(config, found.get("next_url"), answer))


def read_dividends(config: PolygonAccount, answer: HttpAnswer) -> ActionsPage:
    """Read cash dividends, per share and in dollars.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    found = read_answer(answer)
    actions, rejects = _split_up([_dividend(each, place) for place, each in _each_once(found)])
    return ActionsPage(actions=actions, rejects=rejects, next=next_page(config, found.get("next_url"), answer))


FactT = TypeVar("FactT", Bar, CorporateAction)


def _split_up(found: list[FactT | Reject]) -> tuple[tuple[FactT, ...], tuple[Reject, ...]]:
    good = tuple(each for each in found if not isinstance(each, Reject))
    return good, tuple(each for each in found if isinstance(each, Reject))


def _numbered(found: dict[str, Any]) -> list[tuple[int, Any]]:
    return list(enumerate(ANSWERS.read_list(found, "results"), start=1))


def _each_once(found: dict[str, Any]) -> list[tuple[int, Any]]:
    """The records without those whose id came before: one action, told twice."""
    seen: set[str] = set()
    once: list[tuple[int, Any]] = []
    for place, record in _numbered(found):
        record_id = record.get("id") if isinstance(record, dict) else None
        if isinstance(record_id, str) and record_id:
            if record_id in seen:
                continue
            seen.add(record_id)
        once.append((place, record))
    return once


def _bar(symbol: str | None, record: object, place: int) -> Bar | Reject:
    found = ANSWERS.checked(_Aggregate, record, "aggregates", place)
    if isinstance(found, Reject):
        return found
    label = found.T or symbol
    if not label:
        detail = "nothing found, needed is T or the answer's ticker"
        return ANSWERS.refused("aggregates", place, "T", RejectReason.MISSING_VALUE, detail, record)
    session = _session(found.t)
    if session is None:
        detail = f"{shown(found.t)} found, allowed are milliseconds at 0:00, 13:00 or 16:00 in New York, 1900 to 2199"
        return ANSWERS.refused("aggregates", place, "t", RejectReason.INVALID_DATE, detail, record)
    if not 0 <= found.v <= _MAX_VOLUME:
        detail = f"{shown(found.v)} found, allowed is a number of shares from 0 to {_MAX_VOLUME}"
        return ANSWERS.refused("aggregates", place, "v", RejectReason.INVALID_NUMBER, detail, record)
    prices = {"open": found.o, "high": found.h, "low": found.l, "close": found.c}
    try:
        return Bar(symbol=label, session=session, volume=int(found.v), **prices)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    column = ".".join(str(part) for part in first["loc"])
    if not column:
        return ANSWERS.refused("aggregates", place, "", RejectReason.INCONSISTENT_BAR, first["msg"], record)
    reason = RejectReason.NEGATIVE_PRICE if prices[column] <= 0 else RejectReason.INVALID_NUMBER
    detail = f"{shown(prices[column])} found, allowed is a price above 0 of at most 6 decimals"
    return ANSWERS.refused("aggregates", place, column[0], reason, detail, record)


def _session(milliseconds: int) -> date | None:
    try:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)).astimezone(NEW_YORK)
    except OverflowError:
        return None
    return local.date() if local.time() in _SESSION_HOURS and _YEARS[0] <= local.year <= _YEARS[1] else None


def _split(record: object, place: int) -> CorporateAction | Reject:
    found = ANSWERS.checked(_Split, record, "splits", place)
    if isinstance(found, Reject):
        return found
    for name, value in (("split_from", found.split_from), ("split_to", found.split_to)):
        if value <= 0:
            detail = f"{shown(value)} found, allowed is a number of shares above 0"
            return ANSWERS.refused("splits", place, name, RejectReason.INVALID_SPLIT, detail, record)
    if not _has_year(found.execution_date):
        return _refused_year("splits", place, "execution_date", found.execution_date, record)
    ratio = found.split_to / found.split_from
    if not _SPLIT_RATIOS[0] <= ratio <= _SPLIT_RATIOS[1]:
        detail = f"{shown(ratio)} found, allowed are {_SPLIT_RATIOS[0]} to {_SPLIT_RATIOS[1]} new shares per old share"
        return ANSWERS.refused("splits", place, "split_to", RejectReason.INVALID_SPLIT, detail, record)
    return CorporateAction(symbol=found.ticker, ex_date=found.execution_date, split_ratio=ratio)


def _dividend(record: object, place: int) -> CorporateAction | Reject:
    found = ANSWERS.checked(_Dividend, record, "dividends", place)
    if isinstance(found, Reject):
        return found
    if found.cash_amount < 0:
        detail = f"{shown(found.cash_amount)} found, allowed is a dividend of 0 or more"
        return ANSWERS.refused("dividends", place, "cash_amount", RejectReason.NEGATIVE_PRICE, detail, record)
    if found.currency not in (None, "", "USD"):
        detail = f"{shown(found.currency)} found, allowed is USD"
        return ANSWERS.refused("dividends", place, "currency", RejectReason.MALFORMED_ROW, detail, record)
    if found.cash_amount > _MAX_DIVIDEND:
        detail = f"{shown(found.cash_amount)} found, allowed are at most {_MAX_DIVIDEND} dollars a share"
        return ANSWERS.refused("dividends", place, "cash_amount", RejectReason.INVALID_NUMBER, detail, record)
    if not _has_year(found.ex_dividend_date):
        return _refused_year("dividends", place, "ex_dividend_date", found.ex_dividend_date, record)
    return CorporateAction(symbol=found.ticker, ex_date=found.ex_dividend_date, cash_dividend=found.cash_amount)


def _has_year(day: date) -> bool:
    return _YEARS[0] <= day.year <= _YEARS[1]


def _refused_year(where: str, place: int, column: str, day: date, record: object) -> Reject:
    detail = f"{day} found, allowed are the years {_YEARS[0]} to {_YEARS[1]}"
    return ANSWERS.refused(where, place, column, RejectReason.INVALID_DATE, detail, record)


def _path_part(symbol: str) -> str:
    if not symbol.replace(".", "").replace("-", "").isalnum() or not symbol.isascii() or ".." in symbol:
        raise InvalidInput("SYMBOL_INVALID", "Letters, digits, '.' and '-' are allowed", symbol=symbol[:40])
    return symbol
