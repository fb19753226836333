"""How a series of returns fared: growth, risk, trading, comparison with a benchmark, and how far to believe it.

Measures that are not defined, of a series that is empty, flat or too short, are None: never NaN, never an error.
Returns are fractions per session, (n,), oldest first; ratios and rates are per year of 252 sessions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from domain.errors import InvalidInput
from domain.model import Model
from domain.overfitting import Trials
from domain.returns import (
    NOISE,
    SESSIONS_PER_YEAR,
    SMALLEST_EQUITY,
    Floats,
    Values,
    checked_amounts,
    checked_returns,
    deviation,
    excess,
    growth,
    log_growth,
    mean,
)
from domain.sharpe import (
    CONFIDENCE,
    deflated_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    session_sharpe,
    shape_of,
)

TAIL_PERCENT = 5


class MeasureConfig(Model):
    """What the measures take for granted."""

    sessions_per_year: Annotated[int, Field(ge=1, le=366)] = SESSIONS_PER_YEAR
    track_record_confidence: Annotated[float, Field(ge=0.5, lt=1)] = CONFIDENCE


DEFAULTS = MeasureConfig()


class Drawdown(Model):
    """The deepest fall below the highest equity until then.

    Places count the points of the equity curve: 0 is the starting equity, k the equity after the k-th session.
    """

    depth: Annotated[float, Field(ge=0, le=1)]
    """Fraction below the peak, positive; 0 where equity never fell."""
    start: int | None = None
    """Place of the peak, the last one before the fall. None where equity never fell, as `trough`."""
    trough: int | None = None
    """Place of the lowest equity, the first where several are as low."""
    recovery: int | None = None
    """First place at or above the peak again. None where that never came."""


class Regression(NamedTuple):
    """A line through returns over those of a benchmark, both in excess of the risk-free return."""

    beta: float
    alpha: float
    """A year, as a fraction: the mean of a session times 252, not compounded."""


class PerformanceMetrics(Model):
    """Everything measured of one series of returns. None: not defined for it, or what it needs was not given."""

    sessions: Annotated[int, Field(ge=0)]
    total_return: float | None = None
    """Fraction of the starting equity."""
    cagr: float | None = None
    """A year, as a fraction."""
    volatility: float | None = None
    """A year, as a fraction."""
    sharpe: float | None = None
    sortino: float | None = None
    max_drawdown: Drawdown | None = None
    calmar: float | None = None
    cvar_95: float | None = None
    """Mean return of the worst sessions, negative where they lost."""
    hit_rate: float | None = None
    """In [0, 1]."""
    turnover: float | None = None
    """Times a year that the equity is turned over."""
    exposure: float | None = None
    """Mean gross exposure, as a fraction of equity."""
    beta: float | None = None
    alpha: float | None = None
    """A year, as a fraction."""
    skewness: float | None = None
    kurtosis: float | None = None
    """3 for normal returns."""
    probabilistic_sharpe: float | None = None
    """Chance, in [0, 1], that the true Sharpe ratio is above 0."""
    deflated_sharpe: float | None = None
    """Chance, in [0, 1], that it is above what the best of all logged trials owes to luck."""
    minimum_track_record: float | None = None
    """Sessions after which the chance of a true Sharpe ratio above 0 reaches the confidence asked for."""
    trials: int | None = None
    """How many were logged before this one was chosen."""
    overfitting_probability: float | None = None
    """In [0, 1]; of the set of trials, not of this one."""


def measure(
    returns: Values,
    *,
    benchmark: Values | None = None,
    rf: float | Values = 0.0,
    equity: Values | None = None,
    traded: Values | None = None,
    gross: Values | None = None,
    trials: Trials | None = None,
    config: MeasureConfig = DEFAULTS,
) -> PerformanceMetrics:
    """Measure a series of returns.

    Args:
        returns: (n,) per session, oldest first; n may be 0.
        benchmark: (n,) returns on the same sessions, for beta and alpha; `regress` compares with another.
        rf: the risk-free return of a session, a fraction, one for all or (n,).
        equity: (n,) dollars at each session's close, at least 1e-6; needed with `traded` or `gross`.
        traded: (n,) dollars bought plus dollars sold in each session, for the turnover.
        gross: (n,) dollars held, long plus short, at each session's close, for the exposure.
        trials: everything that was tried before this was chosen; `survey_trials` sums it up.

    Raises:
        InvalidInput: a value is not finite, a return is not above -1, or the lengths differ. It names the field, what
            was found and what is allowed.
    """
    series = checked_returns(returns)
    over = excess(series, rf)
    year = config.sessions_per_year
    if equity is None and (traded is not None or gross is not None):
        raise InvalidInput("EQUITY_MISSING", field="equity", found=None, allowed=f"{len(series)} amounts in dollars")
    held = None if equity is None else checked_amounts(equity, "equity", sessions=len(series), at_least=SMALLEST_EQUITY)
    line = None if benchmark is None else regress(series, benchmark, rf, sessions_per_year=year)
    return PerformanceMetrics(
        sessions=len(series),
        total_return=total_return(series),
        cagr=cagr(series, sessions_per_year=year),
        volatility=volatility(series, sessions_per_year=year),
        sortino=sortino_ratio(series, rf, sessions_per_year=year),
        max_drawdown=maximum_drawdown(series),
        calmar=calmar_ratio(series, sessions_per_year=year),
        cvar_95=expected_shortfall(series),
        hit_rate=hit_rate(series),
        turnover=None if held is None or traded is None else turnover(traded, held, sessions_per_year=year),
        exposure=None if held is None or gross is None else exposure(gross, held),
        beta=None if line is None else line.beta,
        alpha=None if line is None else line.alpha,
        **_belief(over, trials, config),
    )


def _belief(over: Floats, trials: Trials | None, config: MeasureConfig) -> dict[str, float | None]:
    """What is known of the Sharpe ratio of checked excess returns, (n,), by the names of the model's fields."""
    sharpe, shape = session_sharpe(over), shape_of(over)
    known: dict[str, float | None] = {}
    if trials is not None:
        known |= {"trials": trials.count, "overfitting_probability": trials.overfitting_probability}
    if sharpe is not None:
        known["sharpe"] = math.sqrt(config.sessions_per_year) * sharpe
    if sharpe is None or shape is None:
        return known
    moments = shape._asdict()
    known |= moments
    known["probabilistic_sharpe"] = probabilistic_sharpe(sharpe, len(over), **moments)
    known["minimum_track_record"] = minimum_track_record(sharpe, confidence=config.track_record_confidence, **moments)
    if trials is not None and (trials.count == 1 or trials.sharpe_variance is not None):
        variance = trials.sharpe_variance or 0.0
        known["deflated_sharpe"] = deflated_sharpe(sharpe, len(over), trials=trials.count, variance=variance, **moments)
    return known


# -- growth and risk -------------------------------------------------------------------------------------------------


def total_return(returns: Values) -> float | None:
    """Return over the whole series, prod(1 + r) - 1; None without returns."""
    series = checked_returns(returns)
    return growth(log_growth(series)) if len(series) else None


def cagr(returns: Values, *, sessions_per_year: int = SESSIONS_PER_YEAR) -> float | None:
    """Compound growth a year, prod(1 + r)^(252/n) - 1; None without returns or where no float is so large."""
    series = checked_returns(returns)
    return growth(log_growth(series) * sessions_per_year / len(series)) if len(series) else None


def volatility(returns: Values, *, sessions_per_year: int = SESSIONS_PER_YEAR) -> float | None:
    """Standard deviation a year, sqrt(252) sd(r) with n - 1: 0 where all are equal, None with fewer than two."""
    series = checked_returns(returns)
    if len(series) < 2:
        return None
    return math.sqrt(sessions_per_year) * (deviation(series) or 0.0)


def sortino_ratio(
    returns: Values, rf: float | Values = 0.0, *, sessions_per_year: int = SESSIONS_PER_YEAR
) -> float | None:
    """Yearly Sortino ratio, sqrt(252) mean(r - rf) / sqrt(mean(min(r - rf, 0)^2)).

    The mean below the root is over all sessions, not over the losing ones (Sortino and van der Meer 1991). None without
    returns, or where none is below the risk-free return.
    """
    over = excess(checked_returns(returns), rf)
    if not len(over):
        return None
    downside = math.sqrt(mean(np.square(np.minimum(over, 0.0))))
    return math.sqrt(sessions_per_year) * mean(over) / downside if downside > NOISE else None


def maximum_drawdown(returns: Values) -> Drawdown | None:
    """Find the deepest fall of equity below its peak, the starting equity included; None without returns."""
    series = checked_returns(returns)
    if not len(series):
        return None
    below = list(_shares_of_peak(series))
    depth = 1.0 - min(below)
    if depth <= NOISE:
        return Drawdown(depth=0.0)
    trough = below.index(min(below))
    at_peak = [at for at, share in enumerate(below) if share >= 1.0 - NOISE]
    return Drawdown(
        depth=depth,
        start=max(at for at in at_peak if at < trough),
        trough=trough,
        recovery=min((at for at in at_peak if at > trough), default=None),
    )


def _shares_of_peak(returns: Floats) -> Iterator[float]:
    """Equity as a share of the highest equity until then, in [0, 1], from the starting equity on: n + 1 of them."""
    share = 1.0
    yield share
    for value in returns.tolist():
        share = min(1.0, share * (1.0 + value))
        yield share


def calmar_ratio(returns: Values, *, sessions_per_year: int = SESSIONS_PER_YEAR) -> float | None:
    """Compound growth a year over the depth of the maximum drawdown (Young 1991).

    None where equity never fell, or where no float is so large.
    """
    rate, fall = cagr(returns, sessions_per_year=sessions_per_year), maximum_drawdown(returns)
    if rate is None or fall is None or not fall.depth:
        return None
    ratio = rate / fall.depth
    return ratio if math.isfinite(ratio) else None


def expected_shortfall(returns: Values, *, tail_percent: int = TAIL_PERCENT) -> float | None:
    """Mean of the returns at or below their empirical 5 % quantile: CVaR95, negative for a loss; None without returns.

    The quantile is interpolated linearly between order statistics at place 0.05 (n - 1), counted from 0: type 7 of
    Hyndman and Fan 1996, the default of numpy and pandas. What lies at or below it is what lies at or below the order
    statistic at that place rounded down, which is found here with integers, without a rounding of the quantile.
    """
    series = checked_returns(returns)
    if not 1 <= tail_percent <= 50:
        raise InvalidInput("TAIL_OUT_OF_RANGE", field="tail_percent", found=tail_percent, allowed="[1, 50]")
    if not len(series):
        return None
    last = np.sort(series)[(len(series) - 1) * tail_percent // 100]
    return mean(series[series <= last])


def hit_rate(returns: Values) -> float | None:
    """Share of sessions with a gain, of those with a gain or a loss, in [0, 1]; None where equity never moved."""
    series = checked_returns(returns)
    moved = int((np.abs(series) > NOISE).sum())
    return int((series > NOISE).sum()) / moved if moved else None


# -- trading ---------------------------------------------------------------------------------------------------------


def turnover(traded: Values, equity: Values, *, sessions_per_year: int = SESSIONS_PER_YEAR) -> float | None:
    """How often a year the equity is turned over, sum|d notional| / (2 mean equity) * 252/n; None without sessions.

    A purchase and the sale of the same amount count once, hence the 2.

    Args:
        traded: (n,) dollars bought plus dollars sold in each session, at least 0. A price that moves trades nothing.
        equity: (n,) dollars at each session's close, at least 1e-6.

    Raises:
        InvalidInput: an amount is not allowed, or the lengths differ.
    """
    held = checked_amounts(equity, "equity", at_least=SMALLEST_EQUITY)
    amounts = checked_amounts(traded, "traded", sessions=len(held))
    if not len(held):
        return None
    return math.fsum(amounts.tolist()) / (2.0 * mean(held)) * sessions_per_year / len(held)


def exposure(gross: Values, equity: Values) -> float | None:
    """Mean of gross exposure over equity, 1 where everything is invested; None without sessions.

    Args:
        gross: (n,) dollars held, long plus short, at each session's close, at least 0.
        equity: (n,) dollars at each session's close, at least 1e-6.

    Raises:
        InvalidInput: an amount is not allowed, or the lengths differ.
    """
    held = checked_amounts(equity, "equity", at_least=SMALLEST_EQUITY)
    amounts = checked_amounts(gross, "gross", sessions=len(held))
    return mean(amounts / held) if len(held) else None


# -- comparison ------------------------------------------------------------------------------------------------------


def regress(
    returns: Values,
    benchmark: Values,
    rf: float | Values = 0.0,
    *,
    sessions_per_year: int = SESSIONS_PER_YEAR,
) -> Regression | None:
    """Fit r - rf = alpha + beta (b - rf) by least squares (Jensen 1968).

    beta = cov(r - rf, b - rf) / var(b - rf); alpha = 252 (mean(r - rf) - beta mean(b - rf)).

    Args:
        returns: (n,) per session.
        benchmark: (n,) on the same sessions.
        rf: the risk-free return of a session, one for all or (n,).

    Returns:
        None with fewer than two sessions, or where the benchmark does not vary.

    Raises:
        InvalidInput: a return is not legal, or the lengths differ.
    """
    series = checked_returns(returns)
    other = excess(checked_returns(benchmark, "benchmark", sessions=len(series)), rf)
    over, spread = excess(series, rf), deviation(other)
    if spread is None:
        return None
    products = (over - mean(over)) * (other - mean(other))
    beta = math.fsum(products.tolist()) / (len(over) - 1) / (spread * spread)
    return Regression(beta=beta, alpha=sessions_per_year * (mean(over) - beta * mean(other)))
