"""Bounds on voices over arrays, against those that decide."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.influence import Voice, limited
from domain.panel_scores import _share_scales

CLOSE = 1e-12
UNBOUNDED = 1e9
"""A credibility that bounds nothing."""

weights = st.one_of(st.just(0.0), st.floats(1e-6, 4.0))
SHARES = st.lists(st.sampled_from([0.05, 0.2, 0.4, 0.5]), min_size=1, max_size=8)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(SHARES, st.data(), st.floats(0.05, 4.0))
def test_shares_when_voices_are_any_then_they_are_bounded_as_by_the_rule_itself(
    shares: list[float], data: st.DataObject, kappa: float
) -> None:
    many = st.lists(weights, min_size=len(shares), max_size=len(shares))
    passes = [data.draw(many) for _ in range(3)]
    found = np.array(passes).T * _share_scales(np.array(passes).T, np.array(shares), kappa)
    voices = [Voice(str(number), share, UNBOUNDED) for number, share in enumerate(shares)]
    for number, own in enumerate(passes):
        assert np.abs(found[:, number] - limited(own, voices, kappa)).max() < CLOSE


def test_shares_when_bounding_one_makes_another_pass_then_both_are_bounded() -> None:
    voices, share = np.array([[10.0], [3.5], [0.1]]), np.array([0.4, 0.4, 0.4])
    assert voices[1] < 0.4 * (1.0 + voices.sum())  # it passes once the first is bounded
    total = (1.0 + 0.1) / (1.0 - 0.8)
    bounded = voices * _share_scales(voices, share, 1.0)
    assert np.allclose(bounded[:, 0], [0.4 * total, 0.4 * total, 0.1])
