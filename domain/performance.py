"""How the account fared: returns net of transfers, what they cost, and a benchmark beside them.

A session's return is what its equity became of the equity before it and of what was paid in meanwhile,

    r = equity / (equity before + transfers) - 1

so that chained returns are time-weighted: paying in or taking out is no result. Transfers count from the start of their
session, which makes the first session's return one on the money the account was opened with. Everything that moved the
account and is no transfer is a result, also what nobody can explain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Context, Decimal
from functools import reduce
from typing import Annotated

import numpy as np
from pydantic import Field

from domain.lots import LotClosing
from domain.market import Bar, CorporateAction
from domain.metrics import PerformanceMetrics, measure
from domain.model import Model, Utc
from domain.returns import SESSIONS_PER_YEAR, SMALLEST_EQUITY, checked_returns
from domain.sharpe import CONFIDENCE, Interval, session_sharpe, shape_of, sharpe_interval

ZERO = Decimal(0)

_EXACT = Context(prec=60)


class AccountMark(Model):
    """The account at a session's close, with what moved in the session."""

    session: date
    as_of: Utc
    equity: Decimal
    cash: Decimal
    gross: Annotated[Decimal, Field(ge=0)]
    """Dollars held, long plus short."""
    net: Decimal
    """Dollars held, long less short."""
    transfers: Decimal = ZERO
    """Dollars paid in less taken out since the mark before."""
    traded: Annotated[Decimal, Field(ge=0)] = ZERO
    """Dollars bought plus dollars sold."""
    fees: Annotated[Decimal, Field(ge=0)] = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO


class PerformancePoint(Model):
    """A session, and the way up to it."""

    session: date
    as_of: Utc
    equity: Decimal
    transfers: Decimal
    result: Decimal
    """Dollars: the change of equity that is no transfer."""
    change: float | None
    """The session's return, a fraction; None where there was nothing to earn on."""
    growth: float
    """What a dollar of the beginning has become, transfers apart."""
    drawdown: float
    """Fraction below the highest growth so far, in [0, 1]."""
    exposure: float | None
    """Gross, as a fraction of equity."""
    benchmark: float | None = None
    """The benchmark's return of the session, dividends in it."""
    benchmark_growth: float | None = None


class ClosedLots(Model):
    """What came of everything that was sold, first in, first out."""

    count: int = 0
    winners: int = 0
    losers: int = 0
    gain: Decimal = ZERO
    """Dollars, of winners and losers together, after fees."""
    long_term: Decimal = ZERO
    """The part of what was held for more than a year."""
    hit_rate: float | None = None
    """Winners among those that won or lost, in [0, 1]."""


class BenchmarkResult(Model):
    """The same sessions in something else: bought before the first of them, dividends reinvested."""

    symbol: str
    metrics: PerformanceMetrics
    excess: float | None
    """The account's total return less the benchmark's."""


class Performance(Model):
    """The account over a period. Figures are in the units of `domain.metrics`; None: not defined, or nothing to tell.

    closing = opening + transfers + result, exactly.
    """

    first: date | None = None
    last: date | None = None
    opening: Decimal = ZERO
    """Equity before the first session; 0 where the account was opened in it."""
    closing: Decimal = ZERO
    transfers: Decimal = ZERO
    result: Decimal = ZERO
    fees: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    traded: Decimal = ZERO
    fees_bp: float | None = None
    """Fees in hundredths of a percent of what was traded."""
    metrics: PerformanceMetrics
    net_exposure: float | None = None
    """Mean, as a fraction of equity."""
    drawdown: float = 0.0
    """At the end: fraction below the highest growth of the period."""
    sharpe_interval: Interval | None = None
    """Of the yearly ratio, with a confidence of 95 %."""
    lots: ClosedLots = ClosedLots()
    benchmark: BenchmarkResult | None = None
    unmeasured: int = 0
    """Sessions without anything to earn on. The measures leave them out."""


class BenchmarkSeries(Model):
    """Returns of a benchmark by session; sessions that it has none of are absent."""

    symbol: str
    returns: dict[date, float]


def history(
    marks: Sequence[AccountMark], *, before: Decimal = ZERO, benchmark: BenchmarkSeries | None = None
) -> tuple[PerformancePoint, ...]:
    """Follow the account from session to session.

    Args:
        marks: oldest first, one a session.
        before: equity before the first of them; 0 where it was opened in it.
    """
    points = []
    growth = peak = 1.0
    beside: float | None = 1.0 if benchmark is not None else None
    for mark in marks:
        change = session_return(mark, before)
        growth *= 1.0 + (change or 0.0)
        peak = max(peak, growth)
        other = benchmark.returns.get(mark.session) if benchmark is not None else None
        beside = None if beside is None or other is None else beside * (1.0 + other)
        points.append(
            PerformancePoint(
                session=mark.session,
                as_of=mark.as_of,
                equity=mark.equity,
                transfers=mark.transfers,
                result=_sum(mark.equity, -before, -mark.transfers),
                change=change,
                growth=growth,
                drawdown=1.0 - growth / peak,
                exposure=_share(mark.gross, mark.equity),
                benchmark=other,
                benchmark_growth=beside,
            )
        )
        before = mark.equity
    return tuple(points)


def session_return(mark: AccountMark, before: Decimal) -> float | None:
    """What the session made of a dollar, less 1; None where there was nothing to earn on, or nothing is left."""
    base = _sum(before, mark.transfers)
    if base < Decimal(repr(SMALLEST_EQUITY)) or mark.equity < Decimal(repr(SMALLEST_EQUITY)):
        return None
    return float(_EXACT.subtract(_EXACT.divide(mark.equity, base), Decimal(1)))


def perform(
    marks: Sequence[AccountMark],
    *,
    before: Decimal = ZERO,
    closings: Sequence[LotClosing] = (),
    benchmark: BenchmarkSeries | None = None,
) -> Performance:
    """Measure the account over the sessions of its marks.

    Args:
        marks: oldest first, one a session; there may be none.
        before: equity before the first of them; 0 where it was opened in it.
        closings: what was sold in these sessions.
        benchmark: compared where it has a return of every session measured.

    Raises:
        InvalidInput: an amount or a return is not one that `domain.metrics` takes; it names the field.
    """
    points = history(marks, before=before)
    measured = [(mark, point.change) for mark, point in zip(marks, points, strict=True) if point.change is not None]
    returns = [change for _, change in measured]
    others = _others(benchmark, [mark.session for mark, _ in measured])
    metrics = measure(
        returns,
        benchmark=others,
        equity=[float(mark.equity) for mark, _ in measured],
        traded=[float(mark.traded) for mark, _ in measured],
        gross=[float(mark.gross) for mark, _ in measured],
    )
    traded, fees = _sum(*(mark.traded for mark in marks)), _sum(*(mark.fees for mark in marks))
    net = [float(mark.net / mark.equity) for mark, _ in measured]
    return Performance(
        first=marks[0].session if marks else None,
        last=marks[-1].session if marks else None,
        opening=before,
        closing=marks[-1].equity if marks else before,
        transfers=_sum(*(mark.transfers for mark in marks)),
        result=_sum(*(point.result for point in points)),
        fees=fees,
        dividends=_sum(*(mark.dividends for mark in marks)),
        interest=_sum(*(mark.interest for mark in marks)),
        traded=traded,
        fees_bp=10_000 * float(fees / traded) if traded else None,
        metrics=metrics,
        net_exposure=math.fsum(net) / len(net) if net else None,
        drawdown=points[-1].drawdown if points else 0.0,
        sharpe_interval=_yearly_interval(returns),
        lots=closed_lots(closings),
        benchmark=_beside(benchmark, others, metrics),
        unmeasured=len(marks) - len(measured),
    )


def closed_lots(closings: Sequence[LotClosing]) -> ClosedLots:
    """Sum up what was sold."""
    winners = sum(1 for each in closings if each.gain > 0)
    losers = sum(1 for each in closings if each.gain < 0)
    return ClosedLots(
        count=len(closings),
        winners=winners,
        losers=losers,
        gain=_sum(*(each.gain for each in closings)),
        long_term=_sum(*(each.gain for each in closings if each.long_term)),
        hit_rate=winners / (winners + losers) if winners + losers else None,
    )


def benchmark_series(
    symbol: str,
    bars: Sequence[Bar],
    actions: Sequence[CorporateAction],
    sessions: Sequence[date],
    *,
    opened: bool,
) -> BenchmarkSeries:
    """Returns of holding a symbol over the sessions, dividends reinvested at the close of their ex-date.

    A session is compared with the close of the session before it among `sessions`; the first one with the last bar
    before it or, for an account that was opened in it, with its own open.

    Args:
        bars: of the symbol, oldest first, raw as traded.
        actions: of the symbol.
        opened: whether the account was opened in the first session.
    """
    by_day = {bar.session: bar for bar in bars}
    returns: dict[date, float] = {}
    earlier = [bar for bar in bars if sessions and bar.session < sessions[0]]
    known = earlier[-1] if earlier and not opened else None
    for place, session in enumerate(sessions):
        bar = by_day.get(session)
        if bar is not None and place == 0 and opened:
            returns[session] = _plus_dividends(bar.close, bar.open, {})
        elif bar is not None and known is not None:
            between = {each.ex_date: each for each in actions if known.session < each.ex_date <= session}
            returns[session] = _plus_dividends(bar.close, known.close, between)
        known = bar
    return BenchmarkSeries(symbol=symbol, returns=returns)


def _plus_dividends(close: Decimal, before: Decimal, actions: Mapping[date, CorporateAction]) -> float:
    """What a share's worth became, less 1: a dividend is of a share of before its split."""
    shares, paid = Decimal(1), ZERO
    for _, action in sorted(actions.items()):
        paid = _EXACT.add(paid, _EXACT.multiply(shares, action.cash_dividend))
        shares = _EXACT.multiply(shares, action.split_ratio)
    worth = _EXACT.add(_EXACT.multiply(shares, close), paid)
    return float(_EXACT.subtract(_EXACT.divide(worth, before), Decimal(1)))


def _others(benchmark: BenchmarkSeries | None, sessions: Sequence[date]) -> list[float] | None:
    """The benchmark's returns of the same sessions; None where it lacks one."""
    if benchmark is None or not sessions or any(session not in benchmark.returns for session in sessions):
        return None
    return [benchmark.returns[session] for session in sessions]


def _beside(
    benchmark: BenchmarkSeries | None, others: list[float] | None, metrics: PerformanceMetrics
) -> BenchmarkResult | None:
    if benchmark is None or others is None:
        return None
    theirs = measure(others)
    ours, other = metrics.total_return, theirs.total_return
    excess = None if ours is None or other is None else ours - other
    return BenchmarkResult(symbol=benchmark.symbol, metrics=theirs, excess=excess)


def _yearly_interval(returns: Sequence[float]) -> Interval | None:
    series = checked_returns(np.asarray(returns, dtype=np.float64))
    sharpe, shape = session_sharpe(series), shape_of(series)
    if sharpe is None or shape is None:
        return None
    found = sharpe_interval(sharpe, len(series), confidence=CONFIDENCE, **shape._asdict())
    return None if found is None else Interval(*(math.sqrt(SESSIONS_PER_YEAR) * end for end in found))


def _share(amount: Decimal, equity: Decimal) -> float | None:
    return float(amount / equity) if equity > 0 else None


def _sum(*amounts: Decimal) -> Decimal:
    """Add exactly, without the default context's rounding to 28 digits."""
    return reduce(_EXACT.add, amounts, ZERO)
