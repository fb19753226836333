"""How a pair of companies moves together when something happens to one of them.

Abnormal returns on the event days of a competitor, its own and the other company's -> rho and n. The layer shrinks
rho by n / (n + 8) (`domain.layer_config.CompetitiveLayerConfig`), so that a few events say little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from domain.errors import InvalidInput
from domain.kernels import Floats
from domain.layer_config import ComovementConfig
from domain.model import Model


class CoMovement(Model):
    """Event co-movement of a company with a competitor. Without observations it is unknown, and 0."""

    rho: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 0.0
    n: Annotated[int, Field(ge=0)] = 0

    def shrunk(self, prior: float) -> float:
        """rho n / (n + prior), in (-1, 1)."""
        return self.rho * self.n / (self.n + prior)


UNKNOWN = CoMovement()


def estimate_comovement(competitor: ArrayLike, company: ArrayLike) -> CoMovement:
    """Correlate abnormal returns of the same event days; what is not known of one of the two (NaN) is left out.

    The correlation is about 0 and not about the means: an abnormal return is 0 where nothing happens, and events that
    hit both alike every time are co-movement, however alike they are. Events on which either does not move at all count
    in n. Both arrays are best cut deviations (`event_abnormal_returns`), so that a single day cannot decide.

    Args:
        competitor: (E,) abnormal returns of the company that the events happened to.
        company: (E,) those of the other one.

    Raises:
        InvalidInput: the arrays differ in length, or hold an infinite number.
    """
    first, second = _series("competitor", competitor), _series("company", company)
    if first.shape != second.shape:
        raise InvalidInput("UNEQUAL_SERIES", "Pass one return of each an event.", found=(first.size, second.size))
    known = ~(np.isnan(first) | np.isnan(second))
    one, other = first[known].tolist(), second[known].tolist()
    squares = _dot(one, one) * _dot(other, other)
    rho = _dot(one, other) / math.sqrt(squares) if squares > 0.0 else 0.0
    return CoMovement(rho=max(-1.0, min(1.0, rho)), n=len(one))


def event_abnormal_returns(
    returns: ArrayLike, market: ArrayLike, events: Sequence[int], config: ComovementConfig
) -> Floats:
    """Measure abnormal returns around events in deviations of the usual ones, cut at `config.limit`; (E,).

    r = a + b m is fitted (least squares) to the sessions before each event; the abnormal return is what it leaves of
    the event's sessions, summed. NaN where there are too few sessions before, where the event is not over yet, where a
    return in it is missing, or where the stock or the market never moves. Nothing behind an event's end is read.

    Args:
        returns: (T,) daily log returns of the company, oldest first; NaN where there is none.
        market: (T,) those of the market.
        events: positions of the first session on which each event could be traded.

    Raises:
        InvalidInput: the arrays differ in length, hold an infinite number, or an event lies outside of them.
    """
    own, index = _series("returns", returns), _series("market", market)
    if own.shape != index.shape:
        raise InvalidInput("UNEQUAL_SERIES", "Pass one return of each a session.", found=(own.size, index.size))
    outside = [at for at in events if not 0 <= at < own.size]
    if outside:
        raise InvalidInput("EVENT_OUTSIDE", found=outside[0], allowed=f"0 to {own.size - 1}")
    return np.array([_abnormal(own, index, at, config) for at in events], dtype=np.float64)


def _abnormal(own: Floats, index: Floats, event: int, config: ComovementConfig) -> float:
    last = max(0, event - config.gap_sessions)
    before = slice(max(0, last - config.estimation_sessions), last)
    known = ~(np.isnan(own[before]) | np.isnan(index[before]))
    y, x = own[before][known].tolist(), index[before][known].tolist()
    after = slice(event, event + config.event_sessions)
    happened, expected = own[after].tolist(), index[after].tolist()
    if len(y) < config.minimum_sessions or len(happened) < config.event_sessions:
        return math.nan
    mean_y, mean_x = math.fsum(y) / len(y), math.fsum(x) / len(x)
    y, x = [value - mean_y for value in y], [value - mean_x for value in x]
    variance = _dot(x, x)
    if min(x) == max(x) or min(y) == max(y) or not variance > 0.0:
        return math.nan
    beta = _dot(x, y) / variance
    errors = [a - beta * b for a, b in zip(y, x, strict=True)]
    deviation = math.sqrt(_dot(errors, errors) / (len(errors) - 2))
    left = math.fsum(r - mean_y - beta * (m - mean_x) for r, m in zip(happened, expected, strict=True))
    if math.isnan(left) or not deviation > 0.0:
        return math.nan
    return max(-config.limit, min(config.limit, left / (deviation * math.sqrt(config.event_sessions))))


def _series(name: str, given: ArrayLike) -> Floats:
    values = np.asarray(given, dtype=np.float64)
    if values.ndim != 1 or np.isinf(values).any():
        raise InvalidInput("INVALID_SERIES", "Pass one row of finite numbers, NaN where one is missing.", field=name)
    return values


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
