"""Hypothesis strategies for series of returns."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, max_examples=80, derandomize=True)

daily = st.floats(-0.5, 0.5).map(lambda value: round(value, 6))
"""A return, a multiple of a millionth: what differs at all differs by more than rounding."""
legal = st.one_of(
    st.floats(-1, 1e6, exclude_min=True), st.sampled_from([0.0, -0.0, 1e-300, -5e-324, -1 + 2**-53, 1e6, 0.1])
)
"""Any return that is allowed, the strange ones too."""


def series(
    elements: st.SearchStrategy[float] = daily, least: int = 0, most: int = 40
) -> st.SearchStrategy[list[float]]:
    return st.lists(elements, min_size=least, max_size=most)


def tables(strategies: int, least: int, most: int) -> st.SearchStrategy[list[list[float]]]:
    """Rows of returns, one for each session."""
    row = st.lists(daily, min_size=strategies, max_size=strategies)
    return st.lists(row, min_size=least, max_size=most)
