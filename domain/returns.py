"""Series of returns: what is legal in one, and the sums that every measure is made of.

A return is the relative change of equity over one session, as a fraction: 0.01 is one percent. Sums are `math.fsum`, so
that no measure depends on the order of its addends, except where time itself matters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.errors import InvalidInput

Floats = NDArray[np.float64]
Values = Sequence[float] | Floats
Table = Sequence[Sequence[float]] | Floats

SESSIONS_PER_YEAR = 252

NOISE = 1e-12
"""What differs by no more is equal: a return is a quotient less 1, and carries that quotient's rounding."""

LARGEST_RETURN = 1e6
SMALLEST_EQUITY = 1e-6
"""Dollars: one unit of the integer arithmetic."""
LARGEST_AMOUNT = 1e15
"""Dollars."""


# -- what is legal ---------------------------------------------------------------------------------------------------


def checked_returns(values: Values, field: str = "returns", *, sessions: int | None = None) -> Floats:
    """Take a series of returns, (n,), oldest first.

    Args:
        field: its name in an error.
        sessions: how many it must hold; any number, also none, without it.

    Raises:
        InvalidInput: it is no series of numbers or not as long as asked; or a value is not finite, or outside
            (-1, 1e6]. A loss of everything is refused, for there is no rate of growth from nothing.
    """
    series = _numbers(values, field, dimensions=(1,))
    _require_length(series, field, sessions)
    _require_returns(series, field)
    return series


def checked_table(values: Table, field: str = "returns") -> Floats:
    """Take the returns of several strategies on the same sessions, (n, strategies), oldest first.

    Raises:
        InvalidInput: as for one series, or the strategies have unequal numbers of sessions.
    """
    table = _numbers(values, field, dimensions=(2,))
    _require_returns(table, field)
    return table


def checked_amounts(values: Values, field: str, *, sessions: int | None = None, at_least: float = 0.0) -> Floats:
    """Take an amount of dollars for each session, (n,), in [at_least, 1e15].

    Raises:
        InvalidInput: it is no series of numbers or not as long as asked, or a value is not allowed.
    """
    series = _numbers(values, field, dimensions=(1,))
    _require_length(series, field, sessions)
    _require_finite(series, field)
    _refuse(
        (series < at_least) | (series > LARGEST_AMOUNT),
        series,
        field,
        code="AMOUNT_OUT_OF_RANGE",
        allowed=f"[{at_least:g}, {LARGEST_AMOUNT:g}] dollars",
    )
    return series


def excess(returns: Floats, rf: float | Values) -> Floats:
    """Subtract the risk-free return of a session, one for all or (n,), from checked returns, (n,) or (n, strategies).

    Raises:
        InvalidInput: the risk-free return is no legal return, or there is not one for each session.
    """
    rates = _numbers(rf, "rf", dimensions=(0, 1))
    if rates.ndim:
        _require_length(rates, "rf", len(returns))
    _require_returns(rates, "rf")
    shaped = rates[:, np.newaxis] if rates.ndim and returns.ndim == 2 else rates
    return np.subtract(returns, shaped, dtype=np.float64)


def _numbers(values: float | Values | Table, field: str, *, dimensions: tuple[int, ...]) -> Floats:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            "NUMBERS_EXPECTED",
            "Pass numbers alone, and as many for each strategy as for every other.",
            field=field,
            found=str(error),
            allowed="numbers, of equal length",
        ) from error
    if numbers.ndim not in dimensions:
        allowed = " or ".join(str(each) for each in dimensions)
        raise InvalidInput("DIMENSIONS_WRONG", field=field, found=numbers.ndim, allowed=allowed)
    return numbers


def _require_length(series: Floats, field: str, sessions: int | None) -> None:
    if sessions is not None and len(series) != sessions:
        raise InvalidInput(
            "LENGTHS_DIFFER",
            "Pass one value for each session of the returns.",
            field=field,
            found=len(series),
            allowed=sessions,
        )


def _require_finite(values: Floats, field: str) -> None:
    _refuse(
        ~np.isfinite(values),
        values,
        field,
        code="VALUE_NOT_FINITE",
        allowed="finite numbers",
        hint="Leave out, or fill, a session without a value.",
    )


def _require_returns(values: Floats, field: str) -> None:
    _require_finite(values, field)
    _refuse(
        (values <= -1.0) | (values > LARGEST_RETURN),
        values,
        field,
        code="RETURN_OUT_OF_RANGE",
        allowed=f"(-1, {LARGEST_RETURN:g}]",
        hint="A return is a fraction: 0.01 is one percent.",
    )


def _refuse(wrong: NDArray[np.bool_], values: Floats, field: str, *, code: str, allowed: str, hint: str = "") -> None:
    """Name the first value that is wrong, by its place counted from 0."""
    if wrong.any():
        index = tuple(int(part) for part in np.argwhere(wrong)[0])
        place = {"at": index[0] if len(index) == 1 else index} if index else {}
        raise InvalidInput(code, hint, field=field, **place, found=float(values[index]), allowed=allowed)


# -- sums ------------------------------------------------------------------------------------------------------------


def mean(values: Floats) -> float:
    """Average at least one value, (n,)."""
    return math.fsum(values.tolist()) / len(values)


def deviation(values: Floats) -> float | None:
    """Standard deviation with n - 1, (n,); None with fewer than two values, or where all are equal."""
    if len(values) < 2 or float(np.ptp(values)) <= NOISE:
        return None
    return math.sqrt(math.fsum(np.square(values - mean(values)).tolist()) / (len(values) - 1))


def log_growth(returns: Floats) -> float:
    """Sum ln(1 + r), (n,)."""
    return math.fsum(math.log1p(value) for value in returns.tolist())


def growth(logarithm: float) -> float | None:
    """Turn a sum of ln(1 + r) into the return over all of it; None where no float is so large."""
    try:
        return math.expm1(logarithm)
    except OverflowError:
        return None
