"""Texts one after the other: a column reads as the list that it was made of."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.packed_texts import PackedTexts

TEXTS = st.lists(st.text(max_size=5), max_size=12)
BOUNDS = st.none() | st.integers(-15, 15)


@settings(max_examples=300, derandomize=True)
@given(TEXTS, BOUNDS, BOUNDS, st.sampled_from((None, 1, 2, -1, -3)))
def test_texts_when_they_are_packed_then_they_read_as_the_list_that_they_were(
    texts: list[str], start: int | None, stop: int | None, step: int | None
) -> None:
    for packed in (found := PackedTexts.of(texts), pickle.loads(pickle.dumps(found))):
        assert len(packed) == len(texts)
        assert list(packed) == texts
        assert packed[start:stop:step] == texts[start:stop:step]
        for place in range(-len(texts), len(texts)):
            assert packed[place] == texts[place]


@given(TEXTS)
def test_text_when_its_place_is_beyond_the_ends_then_it_is_an_error(texts: list[str]) -> None:
    packed = PackedTexts.of(texts)
    for outside in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            packed[outside]
