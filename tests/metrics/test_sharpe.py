"""How far a Sharpe ratio is believed: checked constants, and what must hold for any ratio."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.sharpe import deflated_sharpe, expected_maximum, minimum_track_record, probabilistic_sharpe

from .builders import PROPERTY

ratios = st.floats(-0.5, 0.5)
skews = st.floats(-3, 3)
kurtoses = st.floats(3, 30)
lengths = st.integers(2, 5000)
WORKED = {"skewness": -3.0, "kurtosis": 10.0}
"""Moments of the example of the paper of 2014, whose year has 250 sessions."""


# -- checked constants -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("trials", "expected"), [(1, 0.0), (10, 1.5746), (45, 2.2356), (100, 2.5306)])
def test_expected_maximum_when_trials_are_counted_then_it_is_the_checked_constant(trials: int, expected: float) -> None:
    assert expected_maximum(trials) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("trials", "exact"), [(10, 1.53875), (100, 2.50759)])
def test_expected_maximum_when_compared_with_the_exact_one_then_it_is_a_little_high(trials: int, exact: float) -> None:
    # The integral of x N phi(x) Phi(x)^(N - 1), by a sum over narrow steps.
    normal = NormalDist()
    steps = [at / 500 for at in range(-4000, 4001)]
    integral = math.fsum(x * trials * normal.pdf(x) * normal.cdf(x) ** (trials - 1) / 500 for x in steps)
    assert integral == pytest.approx(exact, abs=1e-5)
    assert integral < expected_maximum(trials) < 1.025 * integral


def test_deflated_sharpe_when_the_papers_example_is_worked_then_it_is_the_checked_constant() -> None:
    found = deflated_sharpe(2.5 / math.sqrt(250), 1250, trials=100, variance=0.5 / 250, **WORKED)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_deflated_sharpe_when_fewer_trials_were_made_then_the_same_ratio_is_believed() -> None:
    found = deflated_sharpe(2.5 / math.sqrt(250), 1250, trials=46, variance=0.5 / 250, **WORKED)
    assert found == pytest.approx(0.9505, abs=5e-5)  # the most that leave it above 95 %, as the paper finds


def test_probabilistic_sharpe_when_worked_by_hand_then_it_agrees() -> None:
    # SR .1, T 101, normal: v = 1 + .01 / 2, z = .1 * 10 / sqrt(1.005).
    assert probabilistic_sharpe(0.1, 101) == pytest.approx(NormalDist().cdf(1 / math.sqrt(1.005)))
    # Skewness -1, kurtosis 5: v = 1 + .1 + .01.
    found = probabilistic_sharpe(0.1, 101, skewness=-1, kurtosis=5, against=0.05)
    assert found == pytest.approx(NormalDist().cdf(0.5 / math.sqrt(1.11)))


def test_track_record_when_worked_by_hand_then_it_agrees() -> None:
    z = NormalDist().inv_cdf(0.95)
    assert minimum_track_record(0.1) == pytest.approx(1 + 1.005 * (z / 0.1) ** 2)
    assert minimum_track_record(0.1, confidence=0.5) == 1.0


# -- not defined, not allowed ----------------------------------------------------------------------------------------


def test_probabilistic_sharpe_when_it_is_not_defined_then_it_is_none() -> None:
    assert probabilistic_sharpe(0.1, 1) is None
    assert probabilistic_sharpe(2.0, 100, skewness=3.0, kurtosis=1.0) is None  # v = 1 - 6 + 0
    assert probabilistic_sharpe(1.0, 100, skewness=2.0, kurtosis=5.0) is None  # v = 1 - 2 + 1
    assert probabilistic_sharpe(1e300, 100) is None  # v exceeds every float
    assert deflated_sharpe(0.1, 0, trials=5, variance=0.1) is None


def test_track_record_when_none_is_long_enough_then_it_is_none() -> None:
    assert minimum_track_record(0.1, against=0.1) is None
    assert minimum_track_record(-0.1) is None
    assert minimum_track_record(5e-324) is None


def test_expected_maximum_when_trials_are_as_many_as_allowed_then_it_is_known() -> None:
    assert 7.0 < expected_maximum(10**12) < 7.2


@pytest.mark.parametrize("trials", [0, -1, 10**12 + 1])
def test_expected_maximum_when_there_is_no_such_number_of_trials_then_it_says_so(trials: int) -> None:
    with pytest.raises(InvalidInput, match=r"TRIALS_OUT_OF_RANGE: field=trials, found=.*, allowed="):
        expected_maximum(trials)


def test_ratios_when_a_value_is_not_allowed_then_the_error_names_it() -> None:
    with pytest.raises(InvalidInput, match="field=kurtosis, found=nan"):
        probabilistic_sharpe(0.1, 10, kurtosis=math.nan)
    with pytest.raises(InvalidInput, match=r"field=against, found=inf"):
        minimum_track_record(0.1, against=math.inf)
    with pytest.raises(InvalidInput, match=r"field=confidence, found=1\.0, allowed=\[0.5, 1\)"):
        minimum_track_record(0.1, confidence=1.0)
    with pytest.raises(InvalidInput, match=r"field=variance, found=-0\.1, allowed=at least 0"):
        deflated_sharpe(0.1, 10, trials=2, variance=-0.1)


# -- what always holds -----------------------------------------------------------------------------------------------


@PROPERTY
@given(ratios, ratios, lengths, skews, kurtoses, ratios)
def test_probabilistic_sharpe_when_more_is_asked_then_it_falls(
    sharpe: float, one: float, sessions: int, skewness: float, kurtosis: float, other: float
) -> None:
    low, high = sorted((one, other))
    easy = probabilistic_sharpe(sharpe, sessions, skewness=skewness, kurtosis=kurtosis, against=low)
    hard = probabilistic_sharpe(sharpe, sessions, skewness=skewness, kurtosis=kurtosis, against=high)
    assume(easy is not None and hard is not None)
    assert easy is not None
    assert hard is not None
    assert 0.0 <= hard <= easy <= 1.0


@PROPERTY
@given(ratios, ratios, lengths, st.floats(-0.5, 0.5))
def test_probabilistic_sharpe_when_the_ratio_of_normal_returns_is_higher_then_it_rises(
    one: float, other: float, sessions: int, against: float
) -> None:
    low, high = sorted((one, other))
    below, above = (probabilistic_sharpe(each, sessions, against=against) for each in (low, high))
    assert below is not None
    assert above is not None
    assert below <= above + 1e-15


@PROPERTY
@given(st.floats(0.001, 0.5), lengths, lengths, skews, skews, kurtoses, kurtoses)
def test_probabilistic_sharpe_when_a_positive_ratio_has_a_longer_or_kinder_record_then_it_rises(
    sharpe: float, one: int, other: int, left: float, right: float, thin: float, fat: float
) -> None:
    short, long = sorted((one, other))
    left, right = sorted((left, right))
    thin, fat = sorted((thin, fat))
    poor = probabilistic_sharpe(sharpe, short, skewness=left, kurtosis=fat)
    good = probabilistic_sharpe(sharpe, long, skewness=right, kurtosis=thin)
    assume(poor is not None and good is not None)
    assert poor is not None
    assert good is not None
    assert poor <= good + 1e-15


@PROPERTY
@given(ratios, lengths, skews, kurtoses, st.integers(1, 10**6), st.floats(0, 1))
def test_deflated_sharpe_when_there_were_trials_then_it_never_exceeds_the_probabilistic_one(
    sharpe: float, sessions: int, skewness: float, kurtosis: float, trials: int, variance: float
) -> None:
    plain = probabilistic_sharpe(sharpe, sessions, skewness=skewness, kurtosis=kurtosis)
    deflated = deflated_sharpe(sharpe, sessions, trials=trials, variance=variance, skewness=skewness, kurtosis=kurtosis)
    more = deflated_sharpe(sharpe, sessions, trials=trials + 1, variance=variance, skewness=skewness, kurtosis=kurtosis)
    assert (plain is None) == (deflated is None) == (more is None)
    if plain is not None and deflated is not None and more is not None:
        assert 0.0 <= more <= deflated <= plain
        assert deflated == plain or trials > 1


@PROPERTY
@given(st.integers(1, 5 * 10**11))
def test_expected_maximum_when_there_are_more_trials_then_it_grows(trials: int) -> None:
    assert 0.0 <= expected_maximum(trials) < expected_maximum(2 * trials) < 8.0


@PROPERTY
@given(st.floats(0.01, 0.5), st.floats(-2, 1), kurtoses, st.floats(0, 0.005), st.floats(0.6, 0.99))
def test_track_record_when_it_has_that_length_then_the_chance_is_the_confidence(
    sharpe: float, skewness: float, kurtosis: float, against: float, confidence: float
) -> None:
    length = minimum_track_record(sharpe, skewness=skewness, kurtosis=kurtosis, against=against, confidence=confidence)
    assert length is not None
    short = probabilistic_sharpe(sharpe, math.floor(length), skewness=skewness, kurtosis=kurtosis, against=against)
    long = probabilistic_sharpe(sharpe, math.ceil(length), skewness=skewness, kurtosis=kurtosis, against=against)
    assert short is None or short <= confidence + 1e-9
    assert long is not None
    assert long >= confidence - 1e-9
