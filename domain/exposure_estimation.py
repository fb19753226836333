"""How far a company moves with the factors of the economy, from its weekly returns.

Ridge regression towards the sector's exposures, in closed form. With z-scores of the company's excess returns y and of
the factors' returns X over T weeks, and b0 the sector's exposures (0 where none are known),

    b = b0 + (X'X + lambda I)^-1 X'(y - X b0).

An exposure is therefore in deviations of the company's weekly return by deviation of the factor's, the other factors
held: it is comparable between factors, and [-1, 1] holds all but the oddest. lambda is in weeks, for X'X has T - 1 on
its diagonal: with lambda = 52 the prior weighs as much as a year of weeks of uncorrelated factors does, and a factor
that the data say nothing of keeps the sector's exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from domain.errors import InvalidInput
from domain.kernels import Floats
from domain.layer_config import ExposureConfig
from domain.model import Model
from domain.registry import Exposures, factor_of

DECIMALS = 6
"""Of an estimate. What is left out is far below its error, and differs between machines."""


class EstimatedExposure(Model):
    """A company's exposure to one factor."""

    exposure: Annotated[float, Field(ge=-1, le=1)]
    unclipped: float
    standard_error: Annotated[float, Field(ge=0)]
    """Of the unclipped estimate about its expectation, which is shrunk: sigma^2 A^-1 X'X A^-1, A = X'X + lambda I."""
    prior: float


class EstimatedExposures(Model):
    """A company's estimated profile. `weeks` is n."""

    factors: dict[str, EstimatedExposure]
    weeks: int
    explained: float
    """R squared in the weeks used; below 0 where the sector's exposures fit worse than none."""

    @property
    def profile(self) -> Exposures:
        """As a profile of the registry."""
        return {key: each.exposure for key, each in self.factors.items()}


def estimate_exposures(
    excess: ArrayLike,
    factors: Mapping[str, ArrayLike],
    *,
    config: ExposureConfig,
    prior: Mapping[str, float] | None = None,
) -> EstimatedExposures:
    """Estimate a company's exposures to factors; the order of the factors and of the weeks does not matter.

    Args:
        excess: (T,) weekly returns of the company above the riskless rate.
        factors: by `domain.registry.ExposureKey`, (T,) returns of the same weeks: of rates the change of a yield.
        prior: the sector's exposures in [-1, 1], best the means of its other companies; missing: 0.

    Raises:
        InvalidInput: no factor or one that is unknown, fewer weeks than `config.minimum_weeks`, not more than factors,
            lengths that differ, numbers that are missing or infinite, a series that never moves, or a prior outside
            [-1, 1].
    """
    keys = sorted(factors)
    believed = _priors(keys, prior or {})
    y = _standard("excess", excess, weeks=None, config=config, factors=len(keys))
    columns = [_standard(key, factors[key], weeks=len(y), config=config, factors=len(keys)) for key in keys]

    gram = np.array([[_dot(one, other) for other in columns] for one in columns], dtype=np.float64)
    moments = np.array([_dot(column, y) for column in columns], dtype=np.float64)
    start = np.array(believed, dtype=np.float64)
    inverse = np.linalg.inv(gram + config.penalty_weeks * np.eye(len(keys)))
    found = start + inverse @ (moments - gram @ start)
    errors = [
        value - math.fsum(float(b) * column[week] for b, column in zip(found, columns, strict=True))
        for week, value in enumerate(y)
    ]
    unexplained = _dot(errors, errors)
    hat = gram @ inverse
    freedom = len(y) - 1 - float(np.trace(hat))
    deviations = np.sqrt(np.maximum(0.0, np.diag(inverse @ hat)) * unexplained / freedom)
    return EstimatedExposures(
        factors={
            key: EstimatedExposure(
                exposure=round(max(-1.0, min(1.0, float(found[at]))), DECIMALS) + 0.0,
                unclipped=round(float(found[at]), DECIMALS) + 0.0,
                standard_error=round(float(deviations[at]), DECIMALS),
                prior=believed[at],
            )
            for at, key in enumerate(keys)
        },
        weeks=len(y),
        explained=round(1.0 - unexplained / _dot(y, y), DECIMALS),
    )


def sector_prior(profiles: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Average profiles of a sector's other companies, each factor over those that know it."""
    known: dict[str, list[float]] = {}
    for profile in profiles:
        for key, exposure in profile.items():
            known.setdefault(key, []).append(exposure)
    return {key: math.fsum(values) / len(values) for key, values in sorted(known.items())}


def _priors(keys: Sequence[str], prior: Mapping[str, float]) -> list[float]:
    if not keys:
        raise InvalidInput("NO_FACTORS", "Pass the returns of at least one factor.")
    for key in (*keys, *prior):
        try:
            factor_of(key)
        except ValueError as error:
            raise InvalidInput("UNKNOWN_FACTOR", str(error), found=key) from error
    for key, value in prior.items():
        if not -1.0 <= value <= 1.0:
            raise InvalidInput("EXPOSURE_OUT_OF_RANGE", factor=key, found=value, allowed="[-1, 1]")
    return [float(prior.get(key, 0.0)) for key in keys]


def _standard(name: str, given: ArrayLike, *, weeks: int | None, config: ExposureConfig, factors: int) -> list[float]:
    """Take a series' z-scores (n - 1)."""
    array: Floats = np.asarray(given, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InvalidInput("INVALID_SERIES", "Pass one row of finite numbers: leave incomplete weeks out.", series=name)
    needed = max(config.minimum_weeks, factors + 2)
    if array.size < needed:
        raise InvalidInput("SERIES_TOO_SHORT", series=name, weeks=array.size, needed=needed)
    if weeks is not None and array.size != weeks:
        raise InvalidInput("UNEQUAL_SERIES", "Pass one return a week.", series=name, found=array.size, expected=weeks)
    values: list[float] = array.tolist()
    mean = math.fsum(values) / len(values)
    apart = [value - mean for value in values]
    deviation = math.sqrt(_dot(apart, apart) / (len(apart) - 1))
    if min(values) == max(values) or not deviation > 0.0:
        raise InvalidInput("CONSTANT_SERIES", "A series that never moves says nothing.", series=name, value=values[0])
    return [value / deviation for value in apart]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, other, strict=True))
