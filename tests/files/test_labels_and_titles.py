"""Ticker labels, derived titles, and pages that try to make reading slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.files.tickers import split_tickers
from activities.adapters.files.titles import MAX_DERIVED_TITLE, first_sentence, page_text


@pytest.mark.parametrize(
    ("cell", "tickers"),
    [
        ("", ()),
        (" ,;| ", ()),
        ("ge", ("GE",)),
        ("GE, AA;IBM|T\tC", ("GE", "AA", "IBM", "T", "C")),
        ("$GE $ge GE", ("GE",)),
        ("NYSE:GE", ("GE",)),
        ("$NYSE:GE", ("GE",)),
        ("(NASDAQ:MSFT)", ("MSFT",)),
        ("GE:US", ("GE",)),
        ("LON:VOD", ("VOD",)),
        ("GE.N", ("GE",)),
        ("MSFT.O", ("MSFT",)),
        ("MSFT.OQ", ("MSFT",)),
        ("NYSE:BRK.B", ("BRK.B",)),
        ("BRK.B", ("BRK.B",)),
        ("BF.A", ("BF.A",)),
        ("N", ("N",)),
        ("O", ("O",)),
        (".N", (".N",)),
        ("['AAPL', \"T\"]", ("AAPL", "T")),
        ("BRK-B", ("BRK-B",)),
    ],
)
def test_tickers_when_written_in_many_ways_then_they_are_bare(cell: str, tickers: tuple[str, ...]) -> None:
    assert split_tickers(cell) == tickers


@given(
    st.lists(st.from_regex(r"[A-Z]{1,5}(\.[AB])?", fullmatch=True), max_size=6), st.sampled_from([",", ";", "|", " "])
)
def test_tickers_when_bare_already_then_they_stay_in_order(tickers: list[str], separator: str) -> None:
    assert split_tickers(separator.join(tickers)) == tuple(dict.fromkeys(tickers))


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("One. Two.", "One."),
        ("No end here", "No end here"),
        (
            "U.S. Bancorp (USB) and Alcoa Corp. (AA) report. Then more.",
            "U.S. Bancorp (USB) and Alcoa Corp. (AA) report.",
        ),
        ("Sales rose 3.5 pct. Profit fell.", "Sales rose 3.5 pct."),
        ('He said "Buy it." Then he left.', 'He said "Buy it."'),
        ("Why? Because.", "Why?"),
        ("One\n line. Two", "One line."),
    ],
)
def test_title_when_derived_then_it_is_the_first_sentence(text: str, title: str) -> None:
    assert first_sentence(text) == title


@pytest.mark.parametrize(("length", "cut"), [(199, False), (200, False), (201, True)])
def test_title_when_the_sentence_is_around_200_characters_then_only_a_longer_one_is_cut(length: int, cut: bool) -> None:
    title = first_sentence("x" * (length - 1) + ". Then more.")
    assert len(title) == min(length, MAX_DERIVED_TITLE)
    assert title.endswith("…") is cut


def test_title_when_cut_then_it_ends_with_a_whole_word() -> None:
    title = first_sentence("word " * 100)
    assert title.endswith("word…")
    assert 190 < len(title) <= MAX_DERIVED_TITLE


@given(st.text(max_size=600))
def test_title_when_derived_from_anything_then_it_is_short_and_there_if_the_text_is(text: str) -> None:
    title = first_sentence(text)
    assert len(title) <= MAX_DERIVED_TITLE
    assert bool(title) == bool(text.split())


@pytest.mark.parametrize(
    "piece",
    [
        "<a ",
        "<",
        "<!--",
        "<![CDATA[",
        '<a b="',
        "<script>",
        "<title>",
        "</",
        "<svg></svg",
        "&#9999",
        "& ",
        "\n ",
        "<p>",
    ],
)
def test_page_when_hostile_then_it_is_read_at_once(piece: str) -> None:
    started = time.process_time()
    page_text(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 5


def test_page_when_a_character_reference_has_5000_digits_then_the_text_survives() -> None:
    assert page_text(f"<p>a</p>&#{'9' * 5_000};<p>b</p>")[1].endswith("\nb")
