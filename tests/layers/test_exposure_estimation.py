"""Exposures from weekly returns: by hand, against the augmented least squares, by property, and on real prices."""

from __future__ import annotations

import csv
import gzip
import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.exposure_estimation import EstimatedExposures, estimate_exposures, sector_prior
from domain.kernels import Floats
from domain.layer_config import ExposureConfig
from domain.macro_layer import macro_scores
from tests.conftest import shared_data
from tests.decisions.builders import PROPERTY

from .builders import statement, states

CONFIG = ExposureConfig()


def normal(seed: int, size: int = 156) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 0.02, size)


def standard(values: Floats) -> Floats:
    scaled: Floats = (values - values.mean()) / values.std(ddof=1)
    return scaled


def test_estimate_when_there_is_one_factor_then_it_is_the_shrunk_correlation() -> None:
    """b = b0 + (T - 1) (rho - b0) / (T - 1 + lambda)."""
    factor, own = normal(1), normal(2)
    excess = 0.5 * factor + own
    rho = float(np.corrcoef(factor, excess)[0, 1])
    for prior in (0.0, -0.6):
        found = estimate_exposures(excess, {"oil": factor}, config=CONFIG, prior={"oil": prior}).factors["oil"]
        assert found.exposure == found.unclipped == pytest.approx(prior + 155 * (rho - prior) / (155 + 52), abs=1e-6)
        assert found.prior == prior


def test_estimate_when_factors_are_many_then_it_is_least_squares_with_the_prior_as_data() -> None:
    """Ridge towards b0 is least squares on the data and sqrt(lambda) rows that say b0."""
    x = np.stack([normal(seed) for seed in (1, 2, 3)], axis=1)
    x[:, 2] += 0.7 * x[:, 0]
    excess = x @ np.array([0.6, -0.4, 0.2]) + normal(4)
    prior = {"oil": 0.3, "rates": -0.5, "usd": 0.1}
    found = estimate_exposures(excess, dict(zip(("oil", "rates", "usd"), x.T, strict=True)), config=CONFIG, prior=prior)
    z, y = np.apply_along_axis(standard, 0, x), standard(excess)
    root = math.sqrt(CONFIG.penalty_weeks)
    rows = np.vstack([z, root * np.eye(3)]), np.concatenate([y, root * np.array([0.3, -0.5, 0.1])])
    expected, *_ = np.linalg.lstsq(*rows, rcond=None)
    assert [each.unclipped for each in found.factors.values()] == pytest.approx(expected.tolist(), abs=1e-6)
    assert list(found.factors) == ["oil", "rates", "usd"]
    assert found.weeks == 156

    errors, a = y - z @ expected, np.linalg.inv(z.T @ z + CONFIG.penalty_weeks * np.eye(3))
    sigma = float(errors @ errors) / (155 - float(np.trace(z @ a @ z.T)))
    deviations = np.sqrt(np.diag(a @ z.T @ z @ a) * sigma)
    assert [each.standard_error for each in found.factors.values()] == pytest.approx(deviations.tolist(), abs=1e-6)
    assert found.explained == pytest.approx(1 - float(errors @ errors) / float(y @ y), abs=1e-6)


def test_estimate_when_the_penalty_is_small_or_huge_then_it_is_the_data_s_or_the_prior_s() -> None:
    factors = {"oil": normal(1), "usd": normal(2)}
    excess = factors["oil"] - 0.5 * factors["usd"] + normal(3)
    prior = {"oil": -0.2, "usd": 0.2}
    free = estimate_exposures(excess, factors, config=ExposureConfig(penalty_weeks=1e-9), prior=prior)
    plain, *_ = np.linalg.lstsq(
        np.stack([standard(each) for each in factors.values()], axis=1), standard(excess), rcond=None
    )
    assert list(free.profile.values()) == pytest.approx(plain.tolist(), abs=1e-6)
    bound = estimate_exposures(excess, factors, config=ExposureConfig(penalty_weeks=10_000), prior=prior)
    assert list(bound.profile.values()) == pytest.approx([-0.2, 0.2], abs=0.03)
    assert bound.factors["oil"].standard_error < 0.002


def test_estimate_when_factors_are_the_same_then_they_share_it() -> None:
    factor = normal(1)
    found = estimate_exposures(
        factor + 0.1 * normal(2), {"oil": factor, "sector:Energy": factor}, config=CONFIG
    ).factors
    assert found["oil"] == found["sector:Energy"]
    assert 0.4 < found["oil"].exposure < 0.5


def test_estimate_when_it_passes_one_then_it_is_clipped() -> None:
    """Two factors that nearly cancel, of which the company follows the difference."""
    one, rest = normal(1), normal(2)
    other = one + 0.3 * rest
    config = ExposureConfig(penalty_weeks=0.01)
    found = estimate_exposures(one - other + 0.001 * normal(3), {"oil": one, "usd": other}, config=config).factors
    assert found["oil"].unclipped > 1.0 == found["oil"].exposure
    assert found["usd"].unclipped < -1.0 == found["usd"].exposure


@PROPERTY
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 100))
def test_estimate_when_series_are_any_then_it_is_bounded_and_in_no_order(seed: int, count: int, weeks: int) -> None:
    random = np.random.default_rng(seed)
    keys = ["rates", "usd", "oil", "region:Europe", "sector:Energy"][:count]
    x, excess = random.normal(size=(52 + weeks, count)), random.standard_t(2, size=52 + weeks)
    factors = {key: x[:, at] for at, key in enumerate(keys)}
    found = estimate_exposures(excess, factors, config=CONFIG)
    assert all(-1.0 <= value <= 1.0 for value in found.profile.values())
    assert all(each.standard_error >= 0.0 for each in found.factors.values())
    order = random.permutation(52 + weeks)
    turned = {key: factors[key][order] for key in reversed(keys)}
    assert estimate_exposures(excess[order], turned, config=CONFIG) == found
    scaled = estimate_exposures(100 * excess, {key: each + 3 for key, each in factors.items()}, config=CONFIG)
    assert list(scaled.profile.values()) == pytest.approx(list(found.profile.values()), abs=2e-6)
    assert EstimatedExposures.model_validate_json(found.model_dump_json()) == found


def test_prior_when_a_sector_s_profiles_differ_then_it_is_the_mean_of_those_that_know() -> None:
    assert sector_prior([{"oil": 0.5}, {"oil": 0.1, "usd": -0.4}, {}]) == {"oil": pytest.approx(0.3), "usd": -0.4}
    assert sector_prior([]) == {}


@pytest.mark.parametrize(
    ("excess", "factors", "prior", "message"),
    [
        (normal(1, 51), {"oil": normal(2, 51)}, {}, "SERIES_TOO_SHORT: series=excess, weeks=51, needed=52"),
        (normal(1), {"oil": normal(2, 60)}, {}, "UNEQUAL_SERIES: series=oil, found=60, expected=156"),
        (normal(1), {}, {}, "NO_FACTORS"),
        (normal(1), {"weather": normal(2)}, {}, "UNKNOWN_FACTOR: found=weather"),
        (normal(1), {"oil": normal(2)}, {"weather": 0.1}, "UNKNOWN_FACTOR: found=weather"),
        (normal(1), {"oil": normal(2)}, {"oil": 1.5}, "EXPOSURE_OUT_OF_RANGE: factor=oil, found=1.5"),
        (normal(1), {"oil": np.full(156, 0.3)}, {}, "CONSTANT_SERIES: series=oil, value=0.3"),
        (np.full(156, math.nan), {"oil": normal(2)}, {}, "INVALID_SERIES: series=excess"),
        (np.zeros((156, 2)), {"oil": normal(2)}, {}, "INVALID_SERIES: series=excess"),
    ],
)
def test_estimate_when_inputs_are_invalid_then_they_are_refused(
    excess: Floats, factors: dict[str, Floats], prior: dict[str, float], message: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        estimate_exposures(excess, factors, config=CONFIG, prior=prior)
    assert message in str(refused.value)


def test_estimate_when_factors_are_more_than_the_weeks_allow_then_it_is_refused() -> None:
    factors = {f"sector:S{n}": normal(n, 12) for n in range(11)}
    with pytest.raises(InvalidInput, match="SERIES_TOO_SHORT: series=excess, weeks=12, needed=13"):
        estimate_exposures(normal(99, 12), factors, config=ExposureConfig(minimum_weeks=10))


def weekly() -> tuple[dict[str, Floats], Floats]:
    """Weekly log returns of real stocks and weekly changes of the ten-year yield, 2010-2016, Wednesday to Wednesday."""
    yields: dict[str, float] = {}
    with gzip.open(shared_data("macro/daily-treasury-rates.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            if row["10 Yr"]:
                form = "%m/%d/%Y" if "/" in row["Date"] else "%m-%d-%Y"
                yields[datetime.strptime(row["Date"], form).date().isoformat()] = float(row["10 Yr"])  # noqa: DTZ007
    closes: dict[str, dict[str, float]] = {}
    with gzip.open(shared_data("prices/daily_bars.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            if row["symbol"] in ("SPY", "XOM", "CVX", "COP", "BAC", "D", "JPM") and "2010" <= row["date"] < "2017":
                closes.setdefault(row["symbol"], {})[row["date"]] = float(row["close"])
    days = sorted(
        day
        for day in set.intersection(set(yields), *(set(each) for each in closes.values()))
        if datetime.fromisoformat(day).weekday() == 2
    )
    stocks = {symbol: np.diff(np.log([each[day] for day in days])) for symbol, each in closes.items()}
    return stocks, np.diff([yields[day] for day in days])


def test_estimate_when_prices_are_real_then_banks_gain_with_yields_and_a_utility_loses() -> None:
    stocks, change = weekly()
    factors = {"rates": change, "region:United States": stocks["SPY"]}
    found = {
        symbol: estimate_exposures(stocks[symbol], factors, config=CONFIG).factors for symbol in ("BAC", "JPM", "D")
    }
    for bank in ("BAC", "JPM"):
        assert found[bank]["rates"].exposure > 2 * found[bank]["rates"].standard_error
    assert found["D"]["rates"].exposure < -2 * found["D"]["rates"].standard_error
    assert all(each["region:United States"].exposure > 0.2 for each in found.values())

    hike = states([statement()])
    scores = macro_scores(hike, {name: {"rates": each["rates"].exposure} for name, each in found.items()})
    assert scores["BAC"].score > 0.0 > scores["D"].score
