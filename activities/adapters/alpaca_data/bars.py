"""Alpaca's bars endpoint: raw daily bars."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, time

from pydantic import ValidationError

from activities.adapters.alpaca_data.answers import ANSWERS
from activities.adapters.alpaca_data.asking import request
from activities.adapters.alpaca_data.news import page_token
from activities.adapters.json_answers import Instant, Number, VendorRecord, shown
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.fetching import HttpAnswer, HttpRequest
from domain.market import Bar
from domain.model import Model
from domain.sources import AlpacaAccount

_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9./\-]{0,24}", re.ASCII)
_MAX_VOLUME = 2**63 - 1


class BarsPage(Model):
    bars: tuple[Bar, ...] = ()
    rejects: tuple[Reject, ...] = ()
    next_page_token: str = ""
    """Empty at the end."""


class _Bar(VendorRecord):
    t: Instant
    o: Number
    h: Number
    l: Number  # noqa: E741 - the vendor's name
    c: Number
    v: Number
    """Fractions of a share are traded and counted since 2026."""


def bars_request(
    config: AlpacaAccount, symbols: tuple[str, ...], start: date, end: date, token: str = ""
) -> HttpRequest:
    """Ask for raw daily bars, both days included; the answer does not say whether bars are adjusted."""
    params = {
        "symbols": ",".join(symbols),
        "timeframe": "1Day",
        "start": str(start),
        "end": str(end),
        "adjustment": "raw",
        "sort": "asc",
        "limit": "10000",
    }
    return request(config, "/v2/stocks/bars", params | ({"page_token": token} if token else {}))


def read_bars(answer: HttpAnswer) -> BarsPage:
    """Read bars by symbol, each symbol's latest bar, or bars that name their symbol. Bars within a day are refused.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    ANSWERS.require_ok(answer)
    found = ANSWERS.read_object(answer.body)
    if "bars" not in found:
        raise ANSWERS.unusable("no bars", "bars by symbol")
    bars: list[Bar] = []
    rejects: list[Reject] = []
    for place, (symbol, record) in enumerate(_records(found["bars"]), start=1):
        bar = _bar(symbol, record, place)
        if isinstance(bar, Reject):
            rejects.append(bar)
        else:
            bars.append(bar)
    return BarsPage(bars=tuple(bars), rejects=tuple(rejects), next_page_token=page_token(found))


def _records(found: object) -> Iterator[tuple[object, object]]:
    if isinstance(found, list):
        for record in found:
            yield (record.get("S") if isinstance(record, dict) else None), record
    elif isinstance(found, dict):
        for symbol, records in found.items():
            for record in records if isinstance(records, list) else [records]:
                yield symbol, record
    elif found is not None:
        raise ANSWERS.unusable(f"bars={shown(found)}", "bars by symbol")


def _bar(symbol: object, record: object, place: int) -> Bar | Reject:
    found = ANSWERS.checked(_Bar, record, "bars", place)
    if isinstance(found, Reject):
        return found
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        detail = f"{shown(symbol)} found, allowed is a symbol such as BRK.B"
        return ANSWERS.refused("bars", place, "symbol", RejectReason.UNKNOWN_TICKER, detail, record)
    local = found.t.astimezone(NEW_YORK)
    if local.time() != time(0):
        detail = f"{found.t.isoformat()} found, allowed is midnight in New York: a bar is one session"
        return ANSWERS.refused("bars", place, "t", RejectReason.INVALID_DATE, detail, record)
    if not 0 <= found.v <= _MAX_VOLUME:
        detail = f"{shown(found.v)} found, allowed is a number of shares from 0 to {_MAX_VOLUME}"
        return ANSWERS.refused("bars", place, "v", RejectReason.INVALID_NUMBER, detail, record)
    prices = {"open": found.o, "high": found.h, "low": found.l, "close": found.c}
    try:
        return Bar(symbol=symbol, session=local.date(), volume=int(found.v), **prices)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
    column = ".".join(str(part) for part in first["loc"])
    if not column:
        return ANSWERS.refused("bars", place, "", RejectReason.INCONSISTENT_BAR, first["msg"], record)
    reason = RejectReason.NEGATIVE_PRICE if prices[column] <= 0 else RejectReason.INVALID_NUMBER
    detail = f"{shown(prices[column])} found, allowed is a price above 0 of at most 6 decimals"
    return ANSWERS.refused("bars", place, column[0], reason, detail, record)
