"""How the account fared, session by session and over a period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, Field

from api.numbers import Money
from domain.errors import InvalidInput
from domain.metrics import PerformanceMetrics
from domain.performance import BenchmarkResult, ClosedLots, Performance, PerformancePoint, history, perform
from store import account_history, accounting
from store.database import Database

BENCHMARK = "SPY"


class ClosedLotsView(BaseModel):
    """What came of everything that was sold, first in, first out."""

    count: int
    winners: int
    losers: int
    gain: Money
    long_term: Money
    """The part of what was held for more than a year."""
    hit_rate: float | None


class SharpeInterval(BaseModel):
    """Where the true yearly ratio lies with a confidence of 95 %."""

    low: float
    high: float


class PerformanceView(BaseModel):
    """The account over a period. closing = opening + transfers + result, exactly; returns are net of transfers."""

    first: date | None = Field(description="null: no session was closed in the period")
    last: date | None
    opening: Money
    """Equity before the first session; 0 where the account was opened in it."""
    closing: Money
    transfers: Money
    result: Money
    fees: Money
    dividends: Money
    interest: Money
    traded: Money
    fees_bp: float | None
    """Fees in hundredths of a percent of what was traded."""
    metrics: PerformanceMetrics
    sharpe_interval: SharpeInterval | None
    net_exposure: float | None
    """Mean, as a fraction of equity; gross stands in the metrics."""
    drawdown: float
    """At the end: fraction below the best of the period."""
    lots: ClosedLotsView
    benchmark: BenchmarkResult | None = Field(description="null: the book lacks its bars of some session")
    unmeasured: int
    """Sessions without anything to earn on."""


class PerformancePointView(BaseModel):
    """A session, and the way up to it from the beginning of the period."""

    session: date
    as_of: datetime
    equity: Money
    transfers: Money
    result: Money
    """The change of equity that is no transfer."""
    change: float | None
    """The session's return, a fraction."""
    growth: float
    """What a dollar of the beginning has become."""
    drawdown: float
    exposure: float | None
    benchmark: float | None
    benchmark_growth: float | None


async def performance(
    database: Database, *, first: date | None = None, last: date | None = None, benchmark: str = BENCHMARK
) -> PerformanceView:
    """Measure the sessions in `first <= day <= last`."""
    _require_order(first, last)
    async with database.transaction() as session:
        found = await account_history.period(session, first=first, last=last)
        sold = await accounting.closings(session, after=found.after, until=found.marks[-1].as_of) if found.marks else []
        beside = await account_history.benchmark(session, benchmark.upper(), found)
    return _view(perform(found.marks, before=found.before, closings=sold, benchmark=beside))


async def series(
    database: Database, *, first: date | None = None, last: date | None = None, benchmark: str = BENCHMARK
) -> Sequence[PerformancePointView]:
    """Session by session, the newest first. Growth is counted from the beginning of the period."""
    _require_order(first, last)
    async with database.transaction() as session:
        found = await account_history.period(session, first=first, last=last)
        beside = await account_history.benchmark(session, benchmark.upper(), found)
    points = history(found.marks, before=found.before, benchmark=beside)
    return [_point(point) for point in reversed(points)]


def _require_order(first: date | None, last: date | None) -> None:
    if first is not None and last is not None and first > last:
        raise InvalidInput("PERIOD_INVALID", "`from` is the first day, `to` the last", found=f"{first} to {last}")


def _view(found: Performance) -> PerformanceView:
    body = {name: getattr(found, name) for name in PerformanceView.model_fields}
    interval = found.sharpe_interval
    return PerformanceView(
        **body
        | {
            "lots": _lots(found.lots),
            "sharpe_interval": None if interval is None else SharpeInterval(low=interval.low, high=interval.high),
        }
    )


def _lots(lots: ClosedLots) -> ClosedLotsView:
    return ClosedLotsView(**dict(lots))


def _point(point: PerformancePoint) -> PerformancePointView:
    return PerformancePointView(**dict(point))
