"""Formats of inline XBRL: what readers see and what is meant."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.fields import Refused
from activities.adapters.edgar.xbrl import exact
from activities.adapters.edgar.xbrl_formats import number_of, transformed


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("ixt:date-monthname-day-year-en", "September 28, 2024", "2024-09-28"),
        ("ixt:datemonthdayyearen", "Sept. 28, 2024", "2024-09-28"),
        ("ixt:datelongus", "January 6, 2025", "2025-01-06"),
        ("ixt:date-day-monthname-year-en", "the 3rd day of May, 2021", "2021-05-03"),
        ("ixt:dateslashus", "12/31/99", "2099-12-31"),
        ("ixt:date-day-month-year", "31.12.2023", "2023-12-31"),
        ("ixt:date-year-month-day", "2023-02-28", "2023-02-28"),
        ("ixt:date-monthname-day-en", "December 31", "--12-31"),
        ("ixt:date-month-day", "6/30", "--06-30"),
        ("ixt:date-monthname-year-en", "March 2026", "2026-03"),
        ("ixt:num-dot-decimal", "12,345.60", "12345.60"),
        ("ixt:num-dot-decimal-apos", "12'345.6", "12345.6"),
        ("ixt:numcommadot", "1,000", "1000"),
        ("ixt:numdotcomma", "1.000,5", "1000.5"),
        ("ixt:numspacecomma", "1 000,5", "1000.5"),
        ("ixt:num-unit-decimal", "12 dollars 5 cents", "12.05"),
        ("ixt:nocontent", "anything", ""),
        ("ixt:booleanfalse", "no", "false"),
        ("ixt-sec:boolballotbox", "☐", "false"),
        ("ixt-sec:numwordsen", "None", "0"),
        ("ixt-sec:numwordsen", "One million, two hundred thousand and five", "1200005"),
        ("ixt-sec:durwordsen", "ten years", "P10Y"),
        ("ixt-sec:durwordsen", "One year and six months", "P1Y6M"),
        ("ixt-sec:durwordsen", "forty-five days", "P45D"),
        ("ixt-sec:durwordsen", "two weeks", "P14D"),
        ("ixt-sec:duryear", "22.3456", "P22Y4M4D"),
        ("ixt-sec:duryear", "0", "P0Y"),
        ("ixt-sec:durmonth", "18", "P18M"),
        ("ixt-sec:durweek", "3", "P21D"),
        ("ixt-sec:durday", "90", "P90D"),
        ("ixt-sec:durhour", "1.5", "PT1H30M"),
        ("ixt-sec:stateprovnameen", "State of Delaware", "DE"),
        ("ixt-sec:stateprovnameen", "British Columbia", "BC"),
        ("ixt-sec:exchnameen", "The New York Stock Exchange", "NYSE"),
        ("ixt-sec:exchnameen", "Nasdaq Global Select Market", "NASDAQ"),
        ("ixt-sec:exchnameen", "NYSE Chicago, Inc.", "CHX"),
        ("ixt-sec:exchnameen", "The Bourse of Elsewhere", "The Bourse of Elsewhere"),
        ("ixt-sec:entityfilercategoryen", "non-accelerated filer", "Non-accelerated Filer"),
    ],
)
def test_text_when_of_a_known_format_then_it_is_what_is_meant(name: str, text: str, meant: str) -> None:
    assert transformed(name, text) == meant


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ixt:date-monthname-day-year-en", "February 30, 2024"),
        ("ixt:date-monthname-day-year-en", "2024"),
        ("ixt:date-monthname-day-year-en", "Foo 1, 2024"),
        ("ixt:date-month-day", "13/1"),
        ("ixt:num-dot-decimal", "1.2.3"),
        ("ixt:num-unit-decimal", "1 2 3"),
        ("ixt-sec:numwordsen", "some"),
        ("ixt-sec:durwordsen", "a while"),
        ("ixt-sec:durday", "9" * 30),
        ("ixt-sec:boolballotbox", "x"),
    ],
)
def test_text_when_it_is_not_of_its_format_then_it_is_refused(name: str, text: str) -> None:
    with pytest.raises(Refused):
        transformed(name, text)


def test_format_when_unknown_then_a_text_has_none_and_a_number_is_refused() -> None:
    assert transformed("ixt:num-roman", "IV") is None
    with pytest.raises(Refused, match="known format"):
        number_of("ixt:num-roman", "IV")


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=0, max_value=10**12), st.integers(-6, 9))
def test_number_when_written_with_groups_then_it_reads_back_exactly(number: Decimal, scale: int) -> None:
    found = exact(number_of("ixt:num-dot-decimal", f"{number:,f}"), scale, negative=True)
    assert found == -number * Decimal(10) ** scale
    assert "E+" not in str(found)


_NAMES = st.sampled_from(
    ["num-dot-decimal", "num-comma-decimal", "numwordsen", "durwordsen", "duryear", "date-month-day-year", "datelongus"]
)


@given(_NAMES, st.text(max_size=80))
def test_any_text_when_read_then_nothing_but_a_refusal_is_raised(name: str, text: str) -> None:
    with suppress(Refused):
        assert isinstance(transformed(f"ixt:{name}", text), str)
