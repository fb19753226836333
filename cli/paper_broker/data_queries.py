"""Reading the parameters of the market-data host, which complains with 400."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar

from cli.paper_broker.exchange import NEW_YORK
from cli.paper_broker.ledger import instant, stamp
from cli.paper_broker.listing import names_in
from cli.paper_broker.refusals import bad_request

MAX_POINTS = 10_000
DEFAULT_POINTS = 1_000
_MAX_SYMBOLS = 1_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMEFRAME = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_UNITS = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_AMOUNTS = {"Min": range(1, 60), "Hour": range(1, 24), "Day": (1,), "Week": (1,), "Month": (1, 2, 3, 4, 6, 12)}
_ADJUSTMENTS = {"raw", "split", "dividend", "spin-off", "all"}

Parameters = Mapping[str, str]
Point = TypeVar("Point")


@dataclass(frozen=True)
class Timeframe:
    amount: int
    unit: str

    @classmethod
    def read(cls, text: str) -> Timeframe:
        found = _TIMEFRAME.fullmatch(text)
        if found is None:
            raise bad_request(f"invalid timeframe: {text}")
        amount, unit = int(found[1]), _UNITS.get(found[2], found[2])
        if amount not in _AMOUNTS[unit]:
            raise bad_request(f"invalid timeframe: {text}")
        return cls(amount, unit)

    @property
    def intraday(self) -> bool:
        return self.unit in ("Min", "Hour")

    def floor(self, at: datetime) -> datetime:
        """Where the bar that holds an instant starts, aligned to New York's days, weeks and years."""
        local = at.astimezone(NEW_YORK)
        day = local.date()
        if self.intraday:
            step = self.amount * (60 if self.unit == "Hour" else 1)
            minutes = (local.hour * 60 + local.minute) // step * step
            return datetime.combine(day, time(minutes // 60, minutes % 60), NEW_YORK).astimezone(UTC)
        if self.unit == "Week":
            day -= timedelta(days=day.weekday())
        elif self.unit == "Month":
            day = date(day.year, (day.month - 1) // self.amount * self.amount + 1, 1)
        return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


@dataclass(frozen=True)
class PageQuery:
    """Which points of which symbols: a period with both ends included, and where the last page ended."""

    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    limit: int
    newest: bool
    after: tuple[str, datetime, int] | None

    @classmethod
    def read(cls, parameters: Parameters, symbols: Sequence[str], now: datetime) -> PageQuery:
        end = read_moment(parameters, "end", last=True)
        start = read_moment(parameters, "start")
        return cls(
            symbols=tuple(sorted(set(symbols))),
            start=datetime.combine(now.astimezone(NEW_YORK).date(), time(), NEW_YORK) if start is None else start,
            end=now if end is None else end,
            limit=read_count(parameters, "limit", DEFAULT_POINTS, MAX_POINTS),
            newest=read_sort(parameters),
            after=_read_token(parameters.get("page_token", "")),
        )


@dataclass(frozen=True)
class Page(Generic[Point]):
    points: dict[str, list[Point]]
    token: str | None


@dataclass(frozen=True)
class Placed(Generic[Point]):
    """A point with what orders it among those of its symbol."""

    at: datetime
    number: int
    point: Point


def paged(query: PageQuery, points_of: Mapping[str, Sequence[Placed[Point]]]) -> Page[Point]:
    """One page: symbols in order, each with its points in order; the limit counts points of all symbols together."""
    page: dict[str, list[Point]] = {}
    left, last = query.limit, None
    for symbol, placed in _following(query, points_of):
        if not left:
            return Page(page, _token(*last) if last else None)
        page.setdefault(symbol, []).append(placed.point)
        left, last = left - 1, (symbol, placed.at, placed.number)
    return Page(page, None)


def _following(
    query: PageQuery, points_of: Mapping[str, Sequence[Placed[Point]]]
) -> Iterator[tuple[str, Placed[Point]]]:
    for symbol in query.symbols:
        if query.after and symbol < query.after[0]:
            continue
        points = sorted(points_of.get(symbol, ()), key=lambda p: (p.at, p.number), reverse=query.newest)
        for placed in points:
            if query.after and symbol == query.after[0]:
                here, there = (placed.at, placed.number), query.after[1:]
                if (here >= there) if query.newest else (here <= there):
                    continue
            yield symbol, placed


def _token(symbol: str, at: datetime, number: int) -> str:
    return urlsafe_b64encode(f"{symbol}|{stamp(at)}|{number}".encode()).decode()


def _read_token(token: str) -> tuple[str, datetime, int] | None:
    if not token:
        return None
    try:
        symbol, at, number = urlsafe_b64decode(token.encode()).decode().split("|")
        return symbol, instant(at), int(number)
    except (ValueError, BinasciiError):
        raise bad_request("invalid page_token") from None


def read_symbols(parameters: Parameters) -> tuple[str, ...]:
    symbols = names_in(parameters, "symbols")
    if not symbols:
        raise bad_request("symbols is required")
    if len(symbols) > _MAX_SYMBOLS:
        raise bad_request(f"no more than {_MAX_SYMBOLS} symbols are accepted")
    return symbols


def read_adjustments(parameters: Parameters) -> set[str]:
    """Which corporate actions to take out of the prices."""
    chosen = {name.lower() for name in names_in(parameters, "adjustment")} or {"raw"}
    if not chosen <= _ADJUSTMENTS:
        raise bad_request(f"invalid adjustment: {', '.join(sorted(chosen - _ADJUSTMENTS))}")
    return {"split", "dividend"} if "all" in chosen else chosen - {"raw", "spin-off"}


def read_moment(parameters: Parameters, name: str, *, last: bool = False) -> datetime | None:
    """An instant; a date alone means its first instant in New York, or its last."""
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if last else 0)
            return datetime.combine(day, time(), NEW_YORK) - timedelta(microseconds=1 if last else 0)
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        raise bad_request(f"invalid {name}: {text}") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def read_date(parameters: Parameters, name: str, default: date) -> date:
    text = parameters.get(name, "")
    try:
        return date.fromisoformat(text[:10]) if text else default
    except ValueError:
        raise bad_request(f"invalid {name}: {text}") from None


def read_count(parameters: Parameters, name: str, default: int, maximum: int) -> int:
    text: Any = parameters.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= maximum:
        raise bad_request(f"{name} must be between 1 and {maximum}")
    return int(text)


def read_sort(parameters: Parameters, default: str = "asc") -> bool:
    """Whether the newest comes first."""
    sort = parameters.get("sort") or default
    if sort not in ("asc", "desc"):
        raise bad_request(f"invalid sort: {sort}")
    return sort == "desc"
