"""Raw daily bars of chosen symbols, many in one request; only of sessions that are over.

Symbols that stand next to each other and were read equally far are asked together, from the day after their last bar
on. A symbol's mark moves by the bars that came and not by what was asked, so that a late bar is asked for again.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Annotated

from pydantic import Field

from activities.adapters.alpaca_data.answers import ANSWERS
from activities.adapters.alpaca_data.bars import BarsPage, bars_request, read_bars
from activities.adapters.json_answers import last_session_over
from domain.documents import Reject, RejectReason
from domain.errors import InvalidInput
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.market import Bar
from domain.model import Model
from domain.sources import AlpacaBarsConfig

_ONE_DAY = timedelta(days=1)

_Day = Annotated[date, Field(le=date(2199, 12, 31))]


class _Paging(Model):
    """A request of which more pages follow: it must stay the same, for the vendor's token is about it."""

    symbols: tuple[str, ...]
    start: date
    end: date
    token: Annotated[str, Field(max_length=1_000)]


class _Cursor(Model):
    at: str = ""
    """First symbol of those whose turn it is; empty: the first one."""
    paging: _Paging | None = None
    marks: dict[str, _Day] = Field(default_factory=dict)
    """Day of each symbol's last bar."""


def first(config: AlpacaBarsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at. Where nothing is due, the answer will hold nothing new."""
    return _request(config, _decoded(config, cursor), now)


def read(config: AlpacaBarsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read a page of bars.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or bars with more to follow are not in order of time.
    """
    at = _decoded(config, cursor)
    asked = at.paging or _asked(config, at, now)
    page = read_bars(answer)
    if page.next_page_token:
        _require_order(page, asked)
    bars, rejects = _usable(config, at, asked, page.bars, last_session_over(now))
    marks = dict(at.marks)
    for bar in bars:
        marks[bar.symbol] = max(bar.session, marks.get(bar.symbol, bar.session))
    if page.next_page_token:
        paging = asked.model_copy(update={"token": page.next_page_token})
        moved = at.model_copy(update={"paging": paging, "marks": marks})
    else:
        moved = _Cursor(at=_following(config, asked, marks, now), marks=marks)
    following = _request(config, moved, now) if moved.at or moved.paging else None
    cursor = moved.model_dump_json(exclude_defaults=True)
    return SourcePage(bars=bars, rejects=page.rejects + rejects, cursor=cursor, next=following)


def _require_order(page: BarsPage, asked: _Paging) -> None:
    if page.next_page_token == asked.token:
        raise ANSWERS.unusable("next_page_token of its own page", "next_page_token of a further page")
    sessions: dict[str, list[date]] = defaultdict(list)
    for bar in page.bars:
        sessions[bar.symbol].append(bar.session)
    if any(days != sorted(days) for days in sessions.values()):
        raise ANSWERS.unusable("bars out of order", "each symbol's bars in ascending order of t")


def _usable(
    config: AlpacaBarsConfig, at: _Cursor, asked: _Paging, bars: tuple[Bar, ...], end: date
) -> tuple[tuple[Bar, ...], tuple[Reject, ...]]:
    """Leave out what was read before; refuse what was not asked for, is not over, or comes twice."""
    good: dict[tuple[str, date], Bar] = {}
    rejects: list[Reject] = []
    for bar in bars:
        told = f"{bar.symbol} {bar.session}"
        known = at.marks.get(bar.symbol)
        if bar.symbol not in asked.symbols:
            detail = f"{told} found, allowed is a symbol that was asked for"
            rejects.append(ANSWERS.refused("bars", 0, "symbol", RejectReason.UNKNOWN_TICKER, detail))
        elif bar.session < config.since or (known is not None and bar.session <= known):
            continue
        elif bar.session > end:
            detail = f"{told} found, allowed are sessions that are over, up to {end}"
            rejects.append(ANSWERS.refused("bars", 0, "t", RejectReason.DATE_IN_FUTURE, detail))
        elif (bar.symbol, bar.session) in good:
            detail = f"{told} found again, allowed is one bar a session"
            rejects.append(ANSWERS.refused("bars", 0, "t", RejectReason.DUPLICATE_BAR, detail))
        else:
            good[bar.symbol, bar.session] = bar
    return tuple(good.values()), tuple(rejects)


def _asked(config: AlpacaBarsConfig, at: _Cursor, now: datetime) -> _Paging:
    """The symbols from the cursor's on that were read equally far, and the days that they need."""
    symbols = _symbols(config)
    rest = symbols[symbols.index(at.at) if at.at else 0 :]
    mark = at.marks.get(rest[0])
    end = last_session_over(now)
    start = config.since if mark is None else mark + _ONE_DAY
    together = tuple(takewhile(lambda symbol: at.marks.get(symbol) == mark, rest))
    return _Paging(symbols=together, start=min(start, end), end=end, token="")


def _following(config: AlpacaBarsConfig, asked: _Paging, marks: dict[str, date], now: datetime) -> str:
    symbols, end = _symbols(config), last_session_over(now)
    rest = symbols[symbols.index(asked.symbols[-1]) + 1 :]
    return next((symbol for symbol in rest if marks.get(symbol, date.min) < end), "")


def _request(config: AlpacaBarsConfig, at: _Cursor, now: datetime) -> HttpRequest:
    asked = at.paging or _asked(config, at, now)
    return bars_request(config, asked.symbols, asked.start, asked.end, asked.token)


def _symbols(config: AlpacaBarsConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(config.symbols))


def _decoded(config: AlpacaBarsConfig, cursor: str) -> _Cursor:
    """Read a cursor. What it says about symbols that are configured no more, or asked otherwise by now, is left out."""
    try:
        at = _Cursor.model_validate_json(cursor) if cursor else _Cursor()
    except ValueError as error:
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from error
    symbols = _symbols(config)
    marks = {symbol: at.marks[symbol] for symbol in symbols if symbol in at.marks}
    paging = at.paging
    if paging is not None and not (paging.symbols and _stand_together(paging.symbols, symbols)):
        paging = None
    return _Cursor(at=at.at if at.at in symbols else "", paging=paging, marks=marks)


def _stand_together(some: tuple[str, ...], symbols: tuple[str, ...]) -> bool:
    place = symbols.index(some[0]) if some[0] in symbols else len(symbols)
    return symbols[place : place + len(some)] == some
