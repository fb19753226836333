"""Words, questions and snippets: of any text and any question, and never a piece that does not stand there."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.search import INDEXED_BYTES, indexed_text, read_query, snippet_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Acme's profit rose 3.4% to $1.2bn.", ["acme", "s", "profit", "rose", "3.4", "to", "1.2bn"]),
        ("third-quarter", ["third", "quarter"]),
        ("“AT&T” — BRK.B", ["at", "t", "brk", "b"]),
        ("ＦＵＬＬ ﬁt", ["full", "fit"]),
        ("STRASSE Straße", ["strasse", "strasse"]),
        ("..1..2.", ["1", "2"]),
        ("", []),
    ],
)
def test_text_when_cut_into_words_then_signs_part_them(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("question", "web"),
    [
        ("dividend cut", '"dividend" "cut"'),
        ('"dividend cut" -Rumour', '"dividend cut" -"rumour"'),
        ("third-quarter or Q2", '"third quarter" or "q2"'),
        ("or a or or b or", '"a" or "b"'),
        ("a or -b", '"a" -"b"'),
        ("-a or b", '-"a" "b"'),
        ('"unclosed phrase', '"unclosed phrase"'),
        ('"or"', '"or"'),
        ("a & b | !c <-> d:*", '"a" "b" "c" "d"'),
    ],
)
def test_question_when_read_then_only_its_words_and_three_signs_are_left(question: str, web: str) -> None:
    assert read_query(question).web == web


@pytest.mark.parametrize("question", ["", " ", "-a", '"', "or", "!?", "\x00"])
def test_question_when_nothing_is_looked_for_then_it_is_refused(question: str) -> None:
    with pytest.raises(InvalidInput, match="SEARCH_WITHOUT_WORDS"):
        read_query(question)


@given(st.text(max_size=400), st.text(max_size=60))
def test_snippet_when_chosen_then_it_and_its_highlights_stand_in_the_text(text: str, question: str) -> None:
    words: tuple[str, ...] = ()
    with contextlib.suppress(InvalidInput):
        words = read_query(question).words
    snippet = snippet_of(text, words, 80)
    assert text[snippet.start : snippet.end] == snippet.text
    assert all(snippet.start <= span.start < span.end <= snippet.end for span in snippet.highlights)


def test_snippet_when_words_stand_together_later_then_that_piece_is_chosen() -> None:
    text = "A cut. " + "x " * 300 + "The dividend cut came late. " + "y " * 300
    snippet = snippet_of(text, ("dividend", "cut"))
    marked = [text[span.start : span.end] for span in snippet.highlights]
    assert marked == ["dividend", "cut"]
    assert snippet.start > 100


@given(st.lists(st.text(alphabet="a\u00e9\u4e00\U00020000\ufdfa.- 1", max_size=50), max_size=50))
def test_text_when_indexed_then_it_stays_below_its_bound_and_is_cut_between_words(parts: list[str]) -> None:
    text = " ".join(parts) * 300
    found = indexed_text(text)
    assert len(found.text.encode()) <= INDEXED_BYTES
    assert found.text.split() == words_of(text)[: len(found.text.split())]
