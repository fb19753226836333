"""How a pair moves together at events: by hand, by property, and on real prices."""

from __future__ import annotations

import csv
import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.comovement import CoMovement, estimate_comovement, event_abnormal_returns
from domain.errors import InvalidInput
from domain.kernels import Floats
from domain.layer_config import ComovementConfig
from tests.conftest import shared_data
from tests.decisions.builders import PROPERTY

CONFIG = ComovementConfig()
NAN = math.nan
returns = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), max_size=20)


def test_comovement_when_returns_are_given_then_it_is_their_correlation_about_zero() -> None:
    """(1*2 + 2*1) / sqrt(5 * 5) = .8; a day on which one is unknown is left out."""
    found = estimate_comovement([1.0, 2.0, NAN, 3.0], [2.0, 1.0, 1.0, NAN])
    assert (found.rho, found.n) == (pytest.approx(0.8), 2)
    assert found.shrunk(8.0) == pytest.approx(0.16)


def test_comovement_when_both_fall_alike_every_time_then_it_is_one() -> None:
    assert estimate_comovement([-2.0, -2.0, -2.0], [-1.0, -1.0, -1.0]).rho == pytest.approx(1.0)


def test_comovement_when_there_is_nothing_to_see_then_it_is_unknown() -> None:
    assert estimate_comovement([], []) == CoMovement()
    assert estimate_comovement([NAN], [1.0]) == CoMovement()
    assert estimate_comovement([0.0, 0.0], [1.0, 2.0]) == CoMovement(rho=0.0, n=2)
    assert CoMovement().shrunk(8.0) == 0.0


@PROPERTY
@given(returns, st.randoms(use_true_random=False))
def test_comovement_when_returns_are_any_then_it_is_bounded_symmetric_and_in_no_order(
    pairs: list[tuple[float, float]], random: object
) -> None:
    one, other = [first for first, _ in pairs], [second for _, second in pairs]
    found = estimate_comovement(one, other)
    assert -1.0 <= found.rho <= 1.0
    assert abs(found.shrunk(8.0)) < 1.0
    assert estimate_comovement(other, one) == found
    random.shuffle(turned := list(pairs))  # type: ignore[attr-defined]
    assert estimate_comovement([first for first, _ in turned], [second for _, second in turned]) == found
    assert estimate_comovement([-value for value in one], other).rho == -found.rho


def noise(seed: int, size: int) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 0.01, size)


def test_abnormal_when_a_stock_follows_the_market_then_only_what_it_does_itself_is_left() -> None:
    market, own = noise(1, 200), noise(2, 200)
    stock = 0.0005 + 1.3 * market + own
    stock[150] += 0.025
    found = event_abnormal_returns(stock, market, [100, 150], CONFIG)
    before = slice(150 - 5 - 120, 150 - 5)
    beta, alpha = np.polyfit(market[before], stock[before], 1)
    errors = stock[before] - alpha - beta * market[before]
    expected = (stock[150] - alpha - beta * market[150]) / math.sqrt(float(errors @ errors) / 118)
    assert found[1] == pytest.approx(expected)
    assert abs(found[0]) < 3.0


def test_abnormal_when_a_day_is_extreme_then_it_is_cut() -> None:
    stock = noise(3, 200)
    stock[150] = -0.9
    assert event_abnormal_returns(stock, noise(1, 200), [150], CONFIG).tolist() == [-3.0]


def test_abnormal_when_the_past_is_too_short_or_the_event_is_not_over_then_it_is_unknown() -> None:
    market, stock = noise(1, 200), noise(2, 200)
    config = ComovementConfig(event_sessions=3)
    found = event_abnormal_returns(stock, market, [0, 64, 65, 197, 198], config)
    assert np.isnan(found).tolist() == [True, True, False, False, True]
    stock[66] = NAN
    assert np.isnan(event_abnormal_returns(stock, market, [65], config))[0]
    assert np.isnan(event_abnormal_returns(np.zeros(200), market, [100], CONFIG))[0]
    assert np.isnan(event_abnormal_returns(stock, np.zeros(200), [100], CONFIG))[0]


@PROPERTY
@given(st.integers(70, 198), st.integers(0, 1_000))
def test_abnormal_when_the_future_changes_then_every_bit_stays(event: int, seed: int) -> None:
    market, stock = noise(1, 200), noise(2, 200)
    found = event_abnormal_returns(stock, market, [event], CONFIG)
    market[event + 1 :], stock[event + 1 :] = noise(seed, 199 - event), noise(seed + 1, 199 - event)
    assert event_abnormal_returns(stock, market, [event], CONFIG).tolist() == found.tolist()


def test_inputs_when_they_are_invalid_then_they_are_refused() -> None:
    with pytest.raises(InvalidInput, match="UNEQUAL_SERIES"):
        estimate_comovement([1.0], [])
    with pytest.raises(InvalidInput, match="INVALID_SERIES"):
        estimate_comovement([math.inf], [1.0])
    with pytest.raises(InvalidInput, match="INVALID_SERIES"):
        estimate_comovement([[1.0]], [[1.0]])
    with pytest.raises(InvalidInput, match="UNEQUAL_SERIES"):
        event_abnormal_returns([0.1], [], [], CONFIG)
    with pytest.raises(InvalidInput, match="EVENT_OUTSIDE: found=1, allowed=0 to 0"):
        event_abnormal_returns([0.1], [0.1], [1], CONFIG)
    with pytest.raises(ValueError, match="minimum_sessions 200 is above estimation_sessions 120"):
        ComovementConfig(minimum_sessions=200)


def test_comovement_when_prices_are_real_then_banks_move_together_more_than_with_a_grocer() -> None:
    """Days on which Bank of America moved by itself, 2010-2016; they are chosen by its own returns alone."""
    closes: dict[str, dict[str, float]] = {}
    with gzip.open(shared_data("prices/daily_bars.csv.gz"), "rt") as lines:
        for row in csv.DictReader(lines):
            if row["symbol"] in ("BAC", "C", "COST", "SPY") and "2012" <= row["date"] < "2017":
                closes.setdefault(row["symbol"], {})[row["date"]] = float(row["close"])
    days = sorted(set.intersection(*(set(each) for each in closes.values())))
    series = {symbol: np.diff(np.log([each[day] for day in days])) for symbol, each in closes.items()}
    own = event_abnormal_returns(series["BAC"], series["SPY"], range(len(days) - 1), CONFIG)
    events = [at for at, value in enumerate(own.tolist()) if abs(value) >= 1.8]
    found = {
        symbol: estimate_comovement(own[events], event_abnormal_returns(series[symbol], series["SPY"], events, CONFIG))
        for symbol in ("C", "COST")
    }
    assert found["C"].n > 30
    assert found["C"].rho > 0.4 > found["COST"].rho + 0.2
