"""The account's worth over time, from the marks taken at opens, closes and prices."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cli.paper_broker.amounts import DOLLAR
from cli.paper_broker.exchange import NEW_YORK, ExchangeCalendar
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.listing import names_in
from cli.paper_broker.refusals import invalid
from cli.paper_broker.tape import Mark, Tape, midnight

_STEPS = {
    "1Min": timedelta(minutes=1),
    "5Min": timedelta(minutes=5),
    "15Min": timedelta(minutes=15),
    "1H": timedelta(hours=1),
    "1D": None,
}
_PERIOD = re.compile(r"(\d{1,4})([DWMA])")
_DAYS = {"D": 1, "W": 7, "M": 30, "A": 365}
_INTRADAY_DAYS = 30


@dataclass(frozen=True)
class HistoryQuery:
    """Which windows are wanted: so many days back from an end, in steps of a timeframe."""

    days: int
    start: datetime | None
    end: datetime | None
    timeframe: str
    cashflow_types: tuple[str, ...]

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> HistoryQuery:
        period = parameters.get("period") or "1M"
        found = _PERIOD.fullmatch(period)
        if found is None:
            raise invalid(f"invalid period: {period}")
        days = int(found[1]) * _DAYS[found[2]]
        timeframe = parameters.get("timeframe") or ("1Min" if days < 7 else "15Min" if days < _INTRADAY_DAYS else "1D")
        if timeframe not in _STEPS:
            raise invalid(f"invalid timeframe: {timeframe}")
        if timeframe != "1D" and days > _INTRADAY_DAYS:
            raise invalid(f"timeframe must be 1D for a period of more than {_INTRADAY_DAYS} days")
        return cls(
            days=days,
            start=_moment(parameters, "start") or _moment(parameters, "date_start"),
            end=_moment(parameters, "end") or _moment(parameters, "date_end"),
            timeframe=timeframe,
            cashflow_types=names_in(parameters, "cashflow_types"),
        )


def _moment(parameters: Mapping[str, str], name: str) -> datetime | None:
    text = parameters.get(name)
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid(f"invalid {name}: {text}") from None
    return at if at.tzinfo else at.replace(tzinfo=NEW_YORK)


@dataclass(frozen=True)
class _Window:
    start: datetime
    end: datetime


def history(ledger: Ledger, query: HistoryQuery, *, now: datetime, days: ExchangeCalendar) -> dict[str, Any]:
    """The vendor's portfolio history; a window without a mark of its own has the value before it.

    The base is the worth before the first window, at the beginning the opening cash.
    """
    end = min(query.end or now, now)
    start = query.start or end - timedelta(days=query.days)
    account = ledger.account()
    start = max(start, midnight(account.created_at.astimezone(NEW_YORK).date()))
    windows = [window for window in _windows(query, start, end, days) if window.start <= end]
    marks = Tape(ledger).marks()
    before = _last(marks, windows[0].start - timedelta(microseconds=1)) if windows else None
    base = account.opening_cash if before is None else before.equity
    equity = []
    for window in windows:
        mark = _last(marks, window.end)
        equity.append(account.opening_cash if mark is None else mark.equity)
    answer: dict[str, Any] = {
        "timestamp": [int(window.start.timestamp()) for window in windows],
        "equity": [worth / DOLLAR for worth in equity],
        "profit_loss": [(worth - base) / DOLLAR for worth in equity],
        "profit_loss_pct": [(worth - base) / base if base else 0.0 for worth in equity],
        "base_value": base / DOLLAR,
        "timeframe": query.timeframe,
        "cashflow": _cashflow(ledger, query.cashflow_types, windows),
    }
    return answer if before is None else answer | {"base_value_asof": before.session.isoformat()}


def _windows(query: HistoryQuery, start: datetime, end: datetime, days: ExchangeCalendar) -> list[_Window]:
    """Days, or steps of the exchange's hours."""
    step = _STEPS[query.timeframe]
    windows = []
    for day in days.between(_day(start), _day(end)):
        if step is None:
            windows.append(_Window(midnight(day.day), day.closes_at))
            continue
        at = day.opens_at
        while at < day.closes_at:
            ends = min(at + step, day.closes_at)
            if ends > start:
                windows.append(_Window(at, ends))
            at += step
    return windows


def _day(at: datetime) -> date:
    return at.astimezone(NEW_YORK).date()


def _last(marks: list[Mark], at: datetime) -> Mark | None:
    index = bisect_right(marks, at.astimezone(UTC), key=lambda mark: mark.at)
    return marks[index - 1] if index else None


def _cashflow(ledger: Ledger, types: tuple[str, ...], windows: list[_Window]) -> dict[str, list[float]]:
    """What activities of the wanted kinds added since the first window's start, as of each window's end."""
    if not windows or types in ((), ("NONE",)):
        return {}
    flows: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for activity in ledger.activities():
        wanted = activity.kind != "FILL" if types == ("ALL",) else activity.kind in types
        if wanted and activity.at >= windows[0].start:
            flows[activity.kind].append((activity.at, activity.cash))
    return {
        kind: [sum(cash for at, cash in entries if at <= window.end) / DOLLAR for window in windows]
        for kind, entries in sorted(flows.items())
    }
