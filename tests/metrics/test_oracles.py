"""Two libraries that others use agree, on fixed series. What they say is recorded: see `record_oracles`.

Two of their figures differ from ours, and are meant to:

- quantstats' CVaR is by default the expected shortfall of a normal distribution with the sample's mean and deviation,
  so it does not see the tail that the sample has; its `historical` one is ours.
- empyrical's alpha compounds the mean daily alpha over 252 sessions, (1 + a)^252 - 1; ours, like quantstats', is 252 a.

empyrical's CVaR takes the lowest 1 + floor((n - 1)/20) returns, ours all at or below the quantile: these are the same
unless returns are equal there, as none is in these series.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from statistics import NormalDist

import pytest

from domain.metrics import PerformanceMetrics, measure

from .series import CASES, RF

RECORDED = json.loads(Path(__file__).with_name("oracles.json").read_text())["series"]
AGREED = 1e-6
ALL = pytest.mark.parametrize("name", sorted(CASES))


def close(value: float) -> object:
    return pytest.approx(value, rel=AGREED, abs=AGREED)


def ours(name: str, rf: float = 0.0) -> PerformanceMetrics:
    return measure(CASES[name].returns, benchmark=CASES[name].benchmark, rf=rf)


def figures(name: str) -> dict[str, float]:
    """Ours under the names and with the signs of theirs."""
    found, charged = ours(name), ours(name, RF)
    values = found.model_dump() | {"sharpe_rf": charged.sharpe, "sortino_rf": charged.sortino}
    return values | {"max_drawdown": -values["max_drawdown"]["depth"], "excess_kurtosis": values["kurtosis"] - 3}


@ALL
def test_series_when_made_again_then_they_are_those_of_which_the_oracles_spoke(name: str) -> None:
    digest = hashlib.sha256(json.dumps(CASES[name]).encode()).hexdigest()
    assert digest == RECORDED[name]["digest"], "run tests.metrics.record_oracles again"


@ALL
def test_quantstats_when_asked_then_it_agrees(name: str) -> None:
    theirs = dict(RECORDED[name]["quantstats"])
    theirs["cvar_95"] = theirs.pop("cvar_historical")
    del theirs["cvar_parametric"]
    assert len(theirs) == 16
    found = figures(name)
    assert {each: found[each] for each in theirs} == {each: close(value) for each, value in theirs.items()}


@ALL
def test_empyrical_when_asked_then_it_agrees(name: str) -> None:
    theirs = dict(RECORDED[name]["empyrical"])
    theirs["cvar_95"] = theirs.pop("cvar")
    del theirs["alpha"], theirs["alpha_rf"]
    assert len(theirs) == 11
    found = figures(name)
    assert {each: found[each] for each in theirs} == {each: close(value) for each, value in theirs.items()}


@ALL
def test_quantstats_cvar_when_compared_then_it_is_that_of_a_normal_distribution(name: str) -> None:
    found, theirs = ours(name), RECORDED[name]["quantstats"]["cvar_parametric"]
    returns = CASES[name].returns
    assert found.volatility is not None
    normal, spread = NormalDist(), found.volatility / math.sqrt(252)
    shortfall = math.fsum(returns) / len(returns) - spread * normal.pdf(normal.inv_cdf(0.05)) / 0.05
    assert theirs == close(shortfall)
    assert found.cvar_95 != close(theirs)


@ALL
def test_empyrical_alpha_when_compared_then_it_is_ours_compounded(name: str) -> None:
    theirs = RECORDED[name]["empyrical"]
    for found, each in ((ours(name), "alpha"), (ours(name, RF), "alpha_rf")):
        assert found.alpha is not None
        assert theirs[each] == close((1 + found.alpha / 252) ** 252 - 1)
        assert theirs[each] != close(found.alpha)


def test_series_when_looked_at_then_they_show_what_they_are_for() -> None:
    falls = {name: ours(name).max_drawdown for name in CASES}
    recovered = falls["five_years"]
    assert recovered is not None
    assert recovered.recovery is not None
    losing = falls["losing_from_the_start"]
    assert losing is not None
    assert losing.start == 0
    crashes = ours("with_crashes")
    assert crashes.kurtosis is not None
    assert crashes.kurtosis > 10
