"""Invisible characters and the numbers in a phrase."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import numbers_in, states_number, strip_invisible


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain text\n\twith lines\r\n", "plain text\n\twith lines\r\n"),
        ("zero\u200bwidth\u200c\u200d\ufeff", "zerowidth"),
        ("\u202edesrever\u202c and \u2066isolated\u2069", "desrever and isolated"),
        ("tag\U000e0041\U000e0042s", "tags"),
        ("soft\u00adhyphen", "softhyphen"),
        ("control\x00\x07\x1b\x7f\x85s", "controls"),
        ("a\ufe0f\U000e0100b", "ab"),
        ("e\u200d\u0301", "é"),
        ("hangul\u3164filler", "hangulfiller"),
        ("naïve – “quoted” €5", "naïve – “quoted” €5"),
        ("", ""),
    ],
)
def test_strip_invisible_when_characters_are_hidden_then_only_they_go(text: str, left: str) -> None:
    assert strip_invisible(text) == left


@given(st.text(max_size=200))
def test_strip_invisible_when_repeated_then_it_changes_nothing_more_and_is_nfc(text: str) -> None:
    once = strip_invisible(text)
    assert strip_invisible(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(char) in {"Cf", "Cs"} for char in once)


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_strip_invisible_when_text_is_plain_then_it_is_returned_as_it_is(text: str) -> None:
    assert strip_invisible(text) == text


@pytest.mark.parametrize(
    ("text", "value", "multiplier", "percent", "currency"),
    [
        ("$3.4 billion", "3.4", 10**9, False, "USD"),
        ("EUR41m", "41", 10**6, False, "EUR"),
        ("EUR12 .8 mn", "12.8", 10**6, False, "EUR"),
        ("EUR995 ,000", "995000", 1, False, "EUR"),
        ("1,234,567 units", "1234567", 1, False, ""),
        ("26 pct", "26", 1, True, ""),
        ("4.7-per-cent", "4.7", 1, True, ""),
        ("-0.4 mn", "-0.4", 10**6, False, ""),
        ("a loss of (3.2) million", "-3.2", 10**6, False, ""),
        ("3.9 trln won", "3.9", 10**12, False, "KRW"),
        ("$.05 a share", "0.05", 1, False, "USD"),
    ],
)
def test_numbers_when_written_in_a_usual_way_then_value_and_marks_are_read(
    text: str, value: str, multiplier: int, percent: bool, currency: str
) -> None:
    (number, *_) = numbers_in(text)
    assert (number.value, number.multiplier) == (Decimal(value), Decimal(multiplier))
    assert (number.percent, number.currency) == (percent, currency)


def test_numbers_when_digits_are_grouped_by_a_blank_then_both_readings_are_listed() -> None:
    assert {number.value for number in numbers_in("hired 1 000 people")} >= {Decimal(1000), Decimal(1)}


@given(st.integers(0, 10**12), st.sampled_from(["", " million", " bln", " pct", "%"]))
def test_states_number_when_the_quote_was_made_from_the_number_then_it_holds(value: int, tail: str) -> None:
    assert states_number(f"rose to ${value:,}{tail} in all", Decimal(value))
    assert not states_number(f"rose to ${value:,}{tail} in all", Decimal(value) * 7 + 3)


def test_states_number_when_the_value_is_not_finite_then_it_does_not_hold() -> None:
    assert not states_number("rose 5 pct", Decimal("Infinity"))


@pytest.mark.parametrize(
    ("text", "lower", "multiplier", "currency"),
    [
        ("revenue of $10.0 to $10.5 billion", "10.0", 10**9, "USD"),
        ("revenue of $10.0 billion to $10.5 billion", "10.0", 10**9, "USD"),
        ("between 10 and 12 million", "10", 10**6, ""),
        ("between about $10 and about $12 million", "10", 10**6, "USD"),
        ("10.0-10.5 billion", "10.0", 10**9, ""),
        ("€10 – €12bn", "10", 10**9, "EUR"),
        ("10 to 12 million euros", "10", 10**6, "EUR"),
        ("from US$1,200 through US$1,400 million", "1200", 10**6, "USD"),
        ("a loss of $(10) to $(12) million", "-10", 10**6, "USD"),
    ],
)
def test_numbers_when_a_range_has_its_scale_at_its_end_then_the_lower_end_is_read_with_it_too(
    text: str, lower: str, multiplier: int, currency: str
) -> None:
    found = [(number.value, number.multiplier, number.currency) for number in numbers_in(text)]
    assert (Decimal(lower), Decimal(multiplier), currency) in found
    scale = {10**6: "million", 10**9: "billion"}[multiplier]
    assert states_number(text, Decimal(lower), scale)
    assert states_number(text, Decimal(lower) * multiplier)


@pytest.mark.parametrize(
    "text",
    [
        "stores in 10 states and 12 million visitors",
        "rose 10 and 12 million",
        "10% to 12 million",
        "10 cents to 12 million",
        "10 thousand to 12 million",
        "10, 12 million",
        "10 of 12 million",
        "10 to 12",
    ],
)
def test_numbers_when_no_range_lends_a_scale_then_none_is_taken(text: str) -> None:
    assert not states_number(text, Decimal(10), "million")


def test_numbers_when_in_a_range_then_the_written_reading_comes_first() -> None:
    found = [(number.value, number.multiplier) for number in numbers_in("$10.0 to $10.5 billion")]
    billion = Decimal(10**9)
    assert found == [(Decimal("10.0"), 1), (Decimal("10.0"), billion), (Decimal("10.5"), billion)]


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(["to", "-", "–", "through"]))
def test_states_number_when_a_range_was_made_from_its_ends_then_both_hold(low: int, high: int, word: str) -> None:
    quote = f"sees ${low} {word} ${high} million"
    assert states_number(quote, Decimal(low), "million")
    assert states_number(quote, Decimal(high), "million")
    assert not states_number(quote, Decimal(low + high + 1), "million")


def test_numbers_when_a_text_has_none_then_none_is_listed() -> None:
    assert numbers_in("inflation is little changed") == numbers_in("") == ()
