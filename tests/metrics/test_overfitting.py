"""The probability of backtest overfitting: on noise, with a true strategy, by hand, and against a plain version."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.overfitting import overfitting_probability, survey_trials
from domain.returns import Floats

from .builders import PROPERTY, tables


def noise(seed: int, sessions: int = 500, strategies: int = 20) -> Floats:
    return np.random.default_rng(seed).normal(0.0, 0.01, (sessions, strategies))


def plainly(returns: Floats, blocks: int) -> float:
    """The definition, word by word: numpy's own moments, ranks and logits; no ties, no flat halves."""
    logits = []
    parts = np.split(returns, blocks)
    for chosen in combinations(range(blocks), blocks // 2):
        first = np.concatenate([parts[at] for at in chosen])
        second = np.concatenate([parts[at] for at in range(blocks) if at not in chosen])
        best = int(np.argmax(first.mean(axis=0) / first.std(axis=0, ddof=1)))
        after = second.mean(axis=0) / second.std(axis=0, ddof=1)
        rank = int((after <= after[best]).sum()) / (returns.shape[1] + 1)
        logits.append(math.log(rank / (1 - rank)))
    return sum(logit <= 0 for logit in logits) / len(logits)


@pytest.mark.parametrize(("seed", "blocks", "strategies"), [(1, 10, 20), (2, 10, 7), (3, 4, 3), (4, 2, 5), (5, 12, 9)])
def test_overfitting_when_worked_from_the_definition_then_it_agrees(seed: int, blocks: int, strategies: int) -> None:
    returns = noise(seed, sessions=blocks * 12, strategies=strategies)
    assert overfitting_probability(returns, blocks=blocks) == plainly(returns, blocks)


@pytest.mark.parametrize("seed", range(4))
def test_overfitting_when_times_differ_more_than_days_then_it_still_agrees(seed: int) -> None:
    # Most of a half's variance then lies between its blocks, not within them.
    blocks = np.random.default_rng(100 + seed).normal(0.01, 0.03, (6, 9))
    returns = 0.05 * noise(seed, sessions=60, strategies=9) + np.repeat(blocks, 10, axis=0)
    assert overfitting_probability(returns, blocks=6) == plainly(returns, 6)


def test_overfitting_when_all_is_noise_then_it_is_about_a_half_over_many_records() -> None:
    found = [overfitting_probability(noise(seed)) for seed in range(60)]
    known = [each for each in found if each is not None]
    assert len(known) == 60
    # One record has a standard deviation of about .2; their mean has one of .03. About .45 is what one had.
    assert 0.40 <= sum(known) / 60 <= 0.56
    assert max(known) - min(known) > 0.5


def test_overfitting_when_one_true_strategy_is_planted_then_it_is_about_zero() -> None:
    for seed in range(10):
        returns = noise(seed, sessions=1250, strategies=45)
        returns[:, seed] += 0.0025  # a yearly ratio of about 4
        found = overfitting_probability(returns)
        assert found is not None
        assert found <= 0.01


def test_overfitting_when_the_best_turns_then_it_is_one() -> None:
    # The first is good in the first half and bad in the second, the other the reverse.
    wave = np.tile([0.01, -0.005], 10)
    returns = np.column_stack([np.concatenate([wave + 0.01, wave - 0.01]), np.concatenate([wave - 0.01, wave + 0.01])])
    assert overfitting_probability(returns, blocks=2) == 1.0


def test_overfitting_when_one_is_always_better_then_it_is_zero() -> None:
    wave = np.tile([0.01, -0.005], 20)
    assert overfitting_probability(np.column_stack([wave + 0.001, wave]), blocks=10) == 0.0


def test_overfitting_when_all_strategies_are_one_then_choosing_gains_nothing() -> None:
    assert overfitting_probability(np.repeat(noise(1, strategies=1), 4, axis=1)) == 1.0


def test_overfitting_when_a_strategy_did_not_trade_then_it_counts_as_cash() -> None:
    wave = np.tile([0.01, -0.005], 20)
    assert overfitting_probability(np.column_stack([wave - 0.01, np.zeros(40)])) == 0.0
    idle = np.column_stack([np.concatenate([np.zeros(20), wave[:20]]), wave - 0.01])
    assert overfitting_probability(idle, blocks=2) == 0.0


def test_overfitting_when_the_sessions_do_not_divide_then_the_oldest_are_left_out() -> None:
    returns = noise(3, sessions=107)
    assert overfitting_probability(returns) == overfitting_probability(returns[7:])


def test_overfitting_when_a_strategy_idled_at_times_then_what_it_lost_at_others_counts() -> None:
    losing = np.tile([-0.01, -0.005], 6)
    losing[:3] = 0.0
    assert overfitting_probability(np.column_stack([losing, np.zeros(12)]), blocks=4) == 0.0


def test_overfitting_when_a_strategy_idled_in_a_half_then_it_is_below_one_that_gained_there() -> None:
    wave = np.tile([0.01, -0.005], 10)  # a ratio of .33 a session
    late = np.concatenate([np.zeros(10), wave[10:] + 0.01])
    assert overfitting_probability(np.column_stack([wave, late]), blocks=2) == 1.0


def test_overfitting_when_two_are_best_then_each_is_chosen_as_often() -> None:
    # On the first half they are equal: choosing is right or wrong in equal parts. On the second one is better, and then
    # they are equal, which is no more than the middle.
    wave = np.tile([0.01, -0.005], 10)
    returns = np.column_stack([wave, np.concatenate([wave[:10], wave[10:] - 0.001])])
    assert overfitting_probability(returns, blocks=2) == 0.75


def test_overfitting_when_each_half_has_two_sessions_then_it_is_defined() -> None:
    assert overfitting_probability([[0.02, 0.0], [0.01, 0.0], [0.02, 0.0], [0.01, 0.0]], blocks=2) == 0.0
    assert overfitting_probability([[0.02, 0.0], [0.01, 0.0], [0.02, 0.0]], blocks=2) is None


def test_overfitting_when_there_are_as_many_blocks_as_allowed_then_it_still_agrees() -> None:
    returns = noise(2, sessions=32, strategies=3)
    assert overfitting_probability(returns, blocks=16) == plainly(returns, 16)


@pytest.mark.parametrize(
    "returns", [np.empty((0, 3)), noise(1, sessions=9), noise(1, strategies=1), np.zeros((50, 4)), np.empty((50, 0))]
)
def test_overfitting_when_it_is_not_defined_then_it_is_none(returns: Floats) -> None:
    assert overfitting_probability(returns) is None


@pytest.mark.parametrize("blocks", [0, 1, 3, -2, 18])
def test_overfitting_when_blocks_are_not_allowed_then_it_says_so(blocks: int) -> None:
    with pytest.raises(
        InvalidInput, match=rf"BLOCKS_INVALID: field=blocks, found={blocks}, allowed=even, in \[2, 16\]"
    ):
        overfitting_probability(noise(1), blocks=blocks)


@PROPERTY
@given(tables(3, 8, 24), st.permutations(range(3)), st.sampled_from([0.5, 0.25, 0.125]))
def test_overfitting_when_strategies_are_reordered_or_scaled_then_it_stays(
    rows: list[list[float]], order: list[int], factor: float
) -> None:
    returns = np.array(rows)
    found = overfitting_probability(returns, blocks=4)
    assert found is None or 0.0 <= found <= 1.0
    assert overfitting_probability(returns[:, order], blocks=4) == found
    assert overfitting_probability(returns * factor, blocks=4) == found


@pytest.mark.parametrize("seed", range(5))
def test_overfitting_when_blocks_change_places_then_it_stays(seed: int) -> None:
    returns = noise(seed, sessions=120, strategies=6)
    parts = np.split(returns, 10)
    turned = np.concatenate([parts[at] for at in np.random.default_rng(seed).permutation(10)])
    assert overfitting_probability(turned) == overfitting_probability(returns)


def test_overfitting_when_a_rate_is_given_then_it_is_charged_to_all() -> None:
    returns = noise(5)
    assert overfitting_probability(returns, rf=0.0001) == overfitting_probability(returns - 0.0001)


# -- the survey ------------------------------------------------------------------------------------------------------


def test_survey_when_trials_have_records_then_their_number_and_spread_are_told() -> None:
    returns = noise(6, strategies=8)
    found = survey_trials(returns, logged=30)
    ratios = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    assert found.count == 30
    assert found.sharpe_variance == pytest.approx(float(ratios.var(ddof=1)))
    assert found.overfitting_probability == overfitting_probability(returns)
    assert survey_trials(returns).count == 8


def test_survey_when_a_trial_never_traded_then_it_counts_but_has_no_ratio() -> None:
    returns = noise(6, strategies=3)
    returns[:, 0] = 0.0
    found = survey_trials(returns)
    assert found.count == 3
    ratios = returns[:, 1:].mean(axis=0) / returns[:, 1:].std(axis=0, ddof=1)
    assert found.sharpe_variance == pytest.approx(float(ratios.var(ddof=1)))
    assert survey_trials(returns[:, :2]).sharpe_variance is None


def test_survey_when_trials_are_equal_then_their_spread_is_zero() -> None:
    assert survey_trials(np.repeat(noise(1, strategies=1), 3, axis=1)).sharpe_variance == 0.0


@pytest.mark.parametrize(("strategies", "logged", "allowed"), [(3, 2, 3), (0, 0, 1), (0, None, 1)])
def test_survey_when_fewer_are_logged_than_have_a_record_then_it_says_so(
    strategies: int, logged: int | None, allowed: int
) -> None:
    with pytest.raises(InvalidInput, match=f"TRIALS_MISSING: field=logged, .*allowed=at least {allowed}"):
        survey_trials(np.zeros((5, strategies)), logged=logged)


def test_survey_when_only_a_log_is_left_then_it_still_counts() -> None:
    assert survey_trials(np.empty((5, 0)), logged=12).count == 12
