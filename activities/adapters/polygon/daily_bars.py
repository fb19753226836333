"""Raw daily bars, of chosen symbols or of everything; only of sessions that are over.

Chosen symbols are asked one after the other, each from the day after its last bar on. Everything is asked a weekday at
a time. A symbol's mark moves by the bars that came and not by what was asked, so that a bar that is late is asked for
again; a weekday without any bar is passed as a holiday once a later one is over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from activities.adapters.json_answers import last_session_over
from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import is_unknown, unknown
from activities.adapters.polygon.market import bars_request, read_bars, session_request
from activities.adapters.polygon.rounds import Marks, decoded, encoded, kept
from domain.documents import NEW_YORK, Reject, RejectReason
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.market import Bar
from domain.model import Model
from domain.sources import PolygonBarsConfig

DAYS_A_ROUND = 30
_WHERE = "aggregates"
_DAY_ASKED = re.compile(r"/(\d{4}-\d{2}-\d{2})(?:[?#]|$)", re.ASCII)
_ONE_DAY = timedelta(days=1)


class _Cursor(Model):
    at: str = ""
    """Whose turn it is; empty: the first symbol's."""
    marks: Marks = Field(default_factory=dict)
    """Day of each symbol's last bar."""
    day: Annotated[date, Field(le=date(2199, 12, 31))] | None = None
    """Last weekday that was read as a whole, where no symbols are chosen."""
    days: Annotated[int, Field(ge=0)] = 0
    """Weekdays read in this round."""


def first(config: PolygonBarsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for whatever the cursor stands at. Where nothing is due, the answer will hold nothing new."""
    at = decoded(_Cursor, cursor)
    if config.symbols:
        return _range_request(config, at, _symbol(config, at), now)
    due = _due(config, at)
    return session_request(config, due if due <= last_session_over(now) else _sunday(now))


def read(config: PolygonBarsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one symbol's bars, or one weekday's.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or bars with more to follow are not in order of time.
    """
    at = decoded(_Cursor, cursor)
    return _read_symbol(config, at, answer, now) if config.symbols else _read_day(config, at, answer, now)


def _read_symbol(config: PolygonBarsConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    symbol = _symbol(config, at)
    if is_unknown(answer):
        return _next_symbol(config, at, symbol, now, rejects=(unknown(_WHERE, symbol),))
    page = read_bars(config, answer)
    sessions = [bar.session for bar in page.bars]
    if page.next is not None and sessions != sorted(sessions):
        raise ANSWERS.unusable("bars out of order", "bars in ascending order of t")
    known = at.marks.get(symbol)
    new = [bar for bar in page.bars if (bar.session >= config.since if known is None else bar.session > known)]
    bars, rejects = _usable(new, last_session_over(now), lambda bar: bar.symbol == symbol, symbol)
    if bars:
        at = at.model_copy(update={"marks": at.marks | {symbol: max(bar.session for bar in bars)}})
    if page.next is not None:
        cursor = encoded(at.model_copy(update={"at": symbol}))
        return SourcePage(bars=bars, rejects=page.rejects + rejects, cursor=cursor, next=page.next)
    return _next_symbol(config, at, symbol, now, bars, page.rejects + rejects)


def _next_symbol(
    config: PolygonBarsConfig,
    at: _Cursor,
    symbol: str,
    now: datetime,
    bars: tuple[Bar, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    symbols = tuple(dict.fromkeys(config.symbols))
    end = last_session_over(now)
    rest = symbols[symbols.index(symbol) + 1 :]
    following = next((each for each in rest if at.marks.get(each, date.min) < end), "")
    moved = _Cursor(at=following, marks=kept(at.marks, symbols))
    request = _range_request(config, moved, following, now) if following else None
    return SourcePage(bars=bars, rejects=rejects, cursor=encoded(moved), next=request)


def _read_day(config: PolygonBarsConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    due, end = _due(config, at), last_session_over(now)
    asked = _day_asked(answer.url) or due
    page = read_bars(config, answer)
    bars, rejects = _usable(page.bars, end, lambda bar: bar.session == asked == due, str(asked))
    rejects = page.rejects + rejects
    is_late = due == end and not (page.bars or page.rejects)
    if page.next is not None:
        moved, following = at, page.next
    elif asked != due or due > end or is_late:
        moved, following = _Cursor(day=at.day), None
    else:
        moved = _Cursor(day=due, days=at.days + 1)
        day = _due(config, moved)
        following = session_request(config, day) if day <= end and moved.days < DAYS_A_ROUND else None
        moved = moved if following else _Cursor(day=due)
    return SourcePage(bars=bars, rejects=rejects, cursor=encoded(moved), next=following)


def _usable(
    bars: Iterable[Bar], end: date, is_asked: Callable[[Bar], bool], asked: str
) -> tuple[tuple[Bar, ...], tuple[Reject, ...]]:
    """Refuse bars that were not asked for, whose session is not over, or that come twice."""
    good: dict[tuple[str, date], Bar] = {}
    rejects: list[Reject] = []
    for bar in bars:
        told = f"{bar.symbol} {bar.session}"
        if not is_asked(bar):
            rejects.append(_refused(RejectReason.MALFORMED_ROW, f"{told} found, asked was {asked}"))
        elif bar.session > end:
            detail = f"{told} found, allowed are sessions that are over, up to {end}"
            rejects.append(_refused(RejectReason.DATE_IN_FUTURE, detail))
        elif (bar.symbol, bar.session) in good:
            rejects.append(_refused(RejectReason.DUPLICATE_BAR, f"{told} found again, allowed is one bar a session"))
        else:
            good[bar.symbol, bar.session] = bar
    return tuple(good.values()), tuple(rejects)


def _refused(reason: RejectReason, detail: str) -> Reject:
    return ANSWERS.refused(_WHERE, 0, "t", reason, detail)


def _symbol(config: PolygonBarsConfig, at: _Cursor) -> str:
    return at.at if at.at in config.symbols else config.symbols[0]


def _range_request(config: PolygonBarsConfig, at: _Cursor, symbol: str, now: datetime) -> HttpRequest:
    end = last_session_over(now)
    mark = at.marks.get(symbol)
    start = config.since if mark is None else mark + _ONE_DAY
    return bars_request(config, symbol, min(start, end), end)


def _due(config: PolygonBarsConfig, at: _Cursor) -> date:
    day = config.since if at.day is None else at.day + _ONE_DAY
    return day + timedelta(days=7 - day.weekday()) if day.weekday() > 4 else day


def _sunday(now: datetime) -> date:
    """The last Sunday that is over: a day of which there is an answer, and nothing in it."""
    today = now.astimezone(NEW_YORK).date()
    return today - timedelta(days=today.isoweekday())


def _day_asked(url: str) -> date | None:
    """The day in the address of the answered request: an answer without bars does not tell what it is about."""
    found = _DAY_ASKED.search(url)
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None
