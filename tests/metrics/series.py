"""Fixed series of returns, the same on every machine: from `random.random`, rounded to six digits.

The standard library alone, because `record_oracles` reads them where this project is not installed.
"""

from __future__ import annotations

import random
from statistics import NormalDist
from typing import NamedTuple

NORMAL = NormalDist()
RF = 0.0001
"""A session's risk-free return."""


class Case(NamedTuple):
    returns: list[float]
    benchmark: list[float]


def _case(
    seed: int,
    sessions: int,
    *,
    beta: float,
    drift: float,
    spread: float,
    crash: float = 0.0,
    first: float | None = None,
) -> Case:
    """Returns that follow a benchmark; `crash` is the chance that a session loses five times what it would have."""
    draw = random.Random(seed).random  # the one method whose sequence Python keeps from version to version
    returns, benchmark = [], []
    for _ in range(sessions):
        market = 0.0004 + 0.01 * NORMAL.inv_cdf(draw())
        own = drift + beta * market + spread * NORMAL.inv_cdf(draw())
        returns.append(round(own - 5 * abs(own) if draw() < crash else own, 6))
        benchmark.append(round(market, 6))
    return Case(returns if first is None else [first, *returns[1:]], benchmark)


CASES = {
    "five_years": _case(11, 1250, beta=0.9, drift=0.0004, spread=0.006),
    "with_crashes": _case(12, 504, beta=0.5, drift=0.0015, spread=0.008, crash=0.04),
    "losing_from_the_start": _case(9, 60, beta=1.4, drift=-0.001, spread=0.01, first=-0.07),
    "three_weeks": _case(10, 15, beta=0.2, drift=0.0, spread=0.01),
}
