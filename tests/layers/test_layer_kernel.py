"""The arithmetic that layers share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.influence import Voice
from domain.layer_kernel import lagged_weight, score_layer
from tests.decisions.builders import PROPERTY


@pytest.mark.parametrize(
    ("age", "weight"), [(0.0, 0.0), (1.0, 0.5 * 2 ** (-1 / 15)), (15.0, (1 - 2**-15) / 2), (1e6, 0.0)]
)
def test_lag_when_time_passes_then_the_reaction_arrives_and_passes(age: float, weight: float) -> None:
    assert lagged_weight(np.array([age]), 1.0, 15.0)[0] == pytest.approx(weight)


def test_lag_when_its_constants_change_then_they_are_used() -> None:
    """(1 - 2^(-4/2)) 2^(-4/8) = .75 / sqrt 2."""
    assert lagged_weight(np.array([4.0]), 2.0, 8.0)[0] == pytest.approx(0.75 / 2**0.5)


@PROPERTY
@given(st.lists(st.floats(0, 500), max_size=20))
def test_lag_when_ages_are_any_then_it_is_in_bounds_and_elementwise(ages: list[float]) -> None:
    together = lagged_weight(np.array(ages, dtype=np.float64), 1.0, 15.0)
    assert all(0.0 <= weight < 1.0 for weight in together)
    assert together.tolist() == [float(lagged_weight(np.array([age]), 1.0, 15.0)[0]) for age in ages]


def test_layer_when_there_are_two_segments_then_each_is_scored_by_itself() -> None:
    """First: 1 and -.5 in both windows, 1 / (1 + 1.5) less .5 of it. Second: only the wider window."""
    voices = [Voice(name, 0.9, 1.0) for name in "abc"]
    found = score_layer(
        np.array([1.0, 0.5, 0.25]),
        np.array([1.0, -1.0, 1.0]),
        np.array([0.0, 1.0, 5.0]),
        voices,
        (0, 2, 3, 3),
        windows=(1.0, 10.0),
        parts=(0.6, 0.4),
        kappa=1.0,
    )
    assert found.windows[0].tolist() == pytest.approx([0.2, 0.0, 0.0])
    assert found.windows[1].tolist() == pytest.approx([0.2, 0.2, 0.0])
    assert found.score.tolist() == pytest.approx([0.2, 0.08, 0.0])
    assert found.shares.tolist() == pytest.approx([0.4, -0.2, 0.08])
    assert found.weights.tolist() == pytest.approx([1.0, 0.5, 0.1])


def test_layer_when_nothing_is_said_then_it_is_empty() -> None:
    nothing = np.array([], dtype=np.float64)
    found = score_layer(nothing, nothing, nothing, [], (0,), windows=(1.0,), parts=(1.0,), kappa=1.0)
    assert (found.score.size, found.shares.size, found.windows[0].size) == (0, 0, 0)
