"""The Sharpe ratio and how far to believe it: its error, the luck of the best of many, the length of record it needs.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (Journal of Risk 15(2), 2012) for the
probabilistic ratio and the minimum track record; the same, "The Deflated Sharpe Ratio" (Journal of Portfolio Management
40(5), 2014). All but `sharpe_ratio` are stated per session, as the formulas are: a yearly ratio divided by sqrt(252).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, NamedTuple

from domain.errors import InvalidInput
from domain.returns import SESSIONS_PER_YEAR, Floats, Values, checked_returns, deviation, excess, mean

CONFIDENCE = 0.95
NORMAL_SKEWNESS = 0.0
NORMAL_KURTOSIS = 3.0
MOST_TRIALS = 10**12
EULER_MASCHERONI = 0.5772156649015329

_NORMAL = NormalDist()


class Interval(NamedTuple):
    """Where the true ratio lies with the confidence asked for."""

    low: float
    high: float


class Shape(NamedTuple):
    """The third and fourth standardised moments of returns. `kurtosis` is 3 for a normal distribution, not 0."""

    skewness: float
    kurtosis: float


def sharpe_ratio(
    returns: Values, rf: float | Values = 0.0, *, sessions_per_year: int = SESSIONS_PER_YEAR
) -> float | None:
    """Yearly Sharpe ratio, sqrt(252) mean(r - rf) / sd(r - rf) with n - 1 (Sharpe 1994).

    Args:
        returns: (n,) per session, oldest first.
        rf: the risk-free return of a session, one for all or (n,).

    Returns:
        None with fewer than two returns or where all are equal.

    Raises:
        InvalidInput: a return is not legal, or the lengths differ.
    """
    per_session = session_sharpe(excess(checked_returns(returns), rf))
    return None if per_session is None else math.sqrt(sessions_per_year) * per_session


def session_sharpe(excess_returns: Floats) -> float | None:
    """Mean over standard deviation of checked excess returns, (n,), not annualised."""
    spread = deviation(excess_returns)
    return None if spread is None else mean(excess_returns) / spread


def shape_of(returns: Floats) -> Shape | None:
    """Measure skewness and kurtosis of checked returns, (n,), adjusted for the size of the sample.

    The adjusted Fisher-Pearson coefficients G1 and G2 + 3 (Joanes and Gill 1998), as pandas and quantstats have them:
    the plain moments are too close to 0 and 3 where tails are fat and the sample is small. None with fewer than four
    returns or where all are equal.
    """
    n, spread = len(returns), deviation(returns)
    if n < 4 or spread is None:
        return None
    z = (returns - mean(returns)) / spread
    cubes, fourths = math.fsum((z * z * z).tolist()), math.fsum((z * z * z * z).tolist())
    return Shape(
        skewness=n / ((n - 1) * (n - 2)) * cubes,
        kurtosis=n * (n + 1) / ((n - 1) * (n - 2) * (n - 3)) * fourths - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)) + 3,
    )


def probabilistic_sharpe(
    sharpe: float,
    sessions: int,
    *,
    skewness: float = NORMAL_SKEWNESS,
    kurtosis: float = NORMAL_KURTOSIS,
    against: float = 0.0,
) -> float | None:
    """Chance, in [0, 1], that the true ratio exceeds `against`: Phi((SR - SR*) sqrt(T - 1) / sqrt(v)).

    v = 1 - skewness SR + (kurtosis - 1)/4 SR^2. Both ratios are per session.

    Returns:
        None with fewer than two sessions, or where v is not positive: so few returns say nothing about their tails.

    Raises:
        InvalidInput: a value is not finite.
    """
    _require_finite(sharpe=sharpe, skewness=skewness, kurtosis=kurtosis, against=against)
    spread = _variance(sharpe, skewness, kurtosis)
    if sessions < 2 or spread is None:
        return None
    return _NORMAL.cdf((sharpe - against) * math.sqrt(sessions - 1) / math.sqrt(spread))


def sharpe_interval(
    sharpe: float,
    sessions: int,
    *,
    skewness: float = NORMAL_SKEWNESS,
    kurtosis: float = NORMAL_KURTOSIS,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Two-sided interval of the true ratio: SR +- z sqrt(v / (T - 1)), v as for the probabilistic ratio.

    Its ends are the ratios against which the probabilistic ratio is (1 + confidence)/2 and (1 - confidence)/2.

    Returns:
        None as for the probabilistic ratio.

    Raises:
        InvalidInput: a value is not finite, or the confidence is not in [.5, 1).
    """
    _require_finite(sharpe=sharpe, skewness=skewness, kurtosis=kurtosis)
    _require_confidence(confidence)
    spread = _variance(sharpe, skewness, kurtosis)
    if sessions < 2 or spread is None:
        return None
    reach = _NORMAL.inv_cdf((1 + confidence) / 2) * math.sqrt(spread / (sessions - 1))
    return Interval(sharpe - reach, sharpe + reach)


def expected_maximum(trials: int) -> float:
    """Expected largest of N independent standard normal values, 0 for one of them.

    (1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e)) with g the Euler-Mascheroni constant (the paper of 2014). An
    approximation for many trials: .520 where .564 is true for N = 2, 1.575 for 1.539 at 10, 2.531 for 2.508 at 100.

    Raises:
        InvalidInput: N is not in [1, 10^12].
    """
    if not 1 <= trials <= MOST_TRIALS:
        raise InvalidInput("TRIALS_OUT_OF_RANGE", field="trials", found=trials, allowed=f"[1, {MOST_TRIALS}]")
    if trials == 1:
        return 0.0
    # Phi^-1(1 - p) = -Phi^-1(p), which keeps its digits where p is small.
    largest, next_largest = _NORMAL.inv_cdf(1 / trials), _NORMAL.inv_cdf(1 / (trials * math.e))
    return -(1 - EULER_MASCHERONI) * largest - EULER_MASCHERONI * next_largest


def deflated_sharpe(
    sharpe: float,
    sessions: int,
    *,
    trials: int,
    variance: float,
    skewness: float = NORMAL_SKEWNESS,
    kurtosis: float = NORMAL_KURTOSIS,
) -> float | None:
    """Chance, in [0, 1], that the true ratio exceeds what the best of so many worthless trials would show.

    The probabilistic ratio against sqrt(V) E[max of N], and so never above the one against 0.

    Args:
        sharpe: of the chosen strategy, per session.
        trials: N, every trial that was ever logged, whatever became of it.
        variance: V, of the trials' ratios per session; without effect where N is 1.

    Returns:
        None as for the probabilistic ratio.

    Raises:
        InvalidInput: a value is not finite, N is not in [1, 10^12], or the variance is negative.
    """
    _require_finite(variance=variance)
    if variance < 0:
        raise InvalidInput("VARIANCE_NEGATIVE", field="variance", found=variance, allowed="at least 0")
    luck = math.sqrt(variance) * expected_maximum(trials)
    return probabilistic_sharpe(sharpe, sessions, skewness=skewness, kurtosis=kurtosis, against=luck)


def minimum_track_record(
    sharpe: float,
    *,
    skewness: float = NORMAL_SKEWNESS,
    kurtosis: float = NORMAL_KURTOSIS,
    against: float = 0.0,
    confidence: float = CONFIDENCE,
) -> float | None:
    """Sessions, not rounded, after which the probabilistic ratio reaches `confidence`: 1 + v (z / (SR - SR*))^2.

    Returns:
        None where no record is long enough, for the ratio does not exceed `against`; or where v is not positive.

    Raises:
        InvalidInput: a value is not finite, or the confidence is not in [.5, 1).
    """
    _require_finite(sharpe=sharpe, skewness=skewness, kurtosis=kurtosis, against=against)
    _require_confidence(confidence)
    spread = _variance(sharpe, skewness, kurtosis)
    if spread is None or sharpe <= against:
        return None
    ratio = _NORMAL.inv_cdf(confidence) / (sharpe - against)
    length = 1 + spread * ratio * ratio
    return length if math.isfinite(length) else None


def _variance(sharpe: float, skewness: float, kurtosis: float) -> float | None:
    """Variance of the estimated ratio, times T - 1 (Mertens 2002); None unless positive and finite."""
    value = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe * sharpe
    return value if value > 0 and math.isfinite(value) else None


def _require_confidence(confidence: float) -> None:
    if not 0.5 <= confidence < 1:
        raise InvalidInput("CONFIDENCE_OUT_OF_RANGE", field="confidence", found=confidence, allowed="[0.5, 1)")


def _require_finite(**values: Any) -> None:
    for field, found in values.items():
        if not math.isfinite(found):
            raise InvalidInput("VALUE_NOT_FINITE", field=field, found=found, allowed="a finite number")
