"""Styles made to cost time, or to make a page too much to be looked through: nothing is read that may be hidden."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.pages.page import parse_page
from activities.adapters.visible import HidingUnclear, without_hidden
from domain.errors import SourceFormatError
from tests.pages.test_visible import text_of


@pytest.mark.parametrize(
    "markup",
    [
        "<style>" + "".join(f".a{n}{{display:none}}" for n in range(10_000)) + "</style>" + "<p class=b>x</p>" * 5_000,
        "<style>" + "p{color:red}" * 40_000 + "</style>" + "<p>x</p>" * 5_000,
        "<style>" + "".join(f".a{n} p{{color:red}}" for n in range(10_000)) + "</style>" + "<p>x</p>" * 5_000,
        "<style>" + "div " * 5_000 + "p{color:red}</style>" + "<div>" * 200 + "<p>x</p>" * 1_000,
        "<style>div>" * 300 + "p{color:red}</style>" + "<div>" * 200 + "<p>x</p>" * 1_000,
        "<style>" + "a," * 500_000 + "a{color:red}</style><p>x</p>",
        "<style>" + "[" * 500_000 + "{color:red}</style><p>x</p>",
        "<style>" + "\\4" * 500_000 + "!{color:red}</style><p>x</p>",
        "<style>" + "@media screen{" * 100_000 + ".x{display:none}</style><p class=x>x</p>",
        "<style>" + "{" * 500_000 + "</style><p>x</p>",
        "<style>" + "/*" * 500_000 + "</style><p>x</p>",
        "<style>" + "url(" * 500_000 + "</style><p>x</p>",
        "<style>" + "'\n" * 500_000 + "</style><p>x</p>",
        "<style>.x{a:" + "(" * 500_000 + "</style><p>x</p>",
        "<style>:not(" * 100_000 + "{display:none}</style><p>x</p>",
        "<style>a" + "~a" * 500_000 + "{display:none}</style><p>x</p>",
        "<style>@media " + "not " * 500_000 + "{.x{display:none}}</style><p>x</p>",
        "<style>@media " + "(a) and " * 200_000 + "{.x{display:none}}</style><p>x</p>",
        "<p style='background:" + "a(" * 500_000 + "'>x</p>",
        "<p style='background:" + "a(1 2 " * 300_000 + "'>x</p>",
        "<p style='transform:" + "(" * 2_000_000 + "'>x</p>",
        "<style></style>" * 100_000 + "<p>x</p>",
        "<p style='" + "color:red;" * 500_000 + "'>x</p>",
        "<p style='" + "-" * 5_000_000 + "'>x</p>",
        "<p style='left:" + "9" * 5_000_000 + "px;position:absolute'>x</p>",
        "<p style='transform:" + "translate(1px," * 300_000 + "'>x</p>",
        "<p style='clip-path:inset(" + "1" * 1_000_000 + "%'>x</p>",
        "<p class='" + "a " * 1_000_000 + "'>x</p><style>.a{display:none}</style>",
        "<p hidden>a</p>b" * 90_000,
        "<div style='display:none'>" * 90_000 + "x",
        "<b style='color:white'>" * 200 + "x</b>" * 90_000,
    ],
)
def test_page_when_its_style_is_hostile_then_it_ends_in_time(markup: str) -> None:
    began = time.thread_time()
    with contextlib.suppress(SourceFormatError):
        parse_page(f"<html><body>{markup}</body></html>".encode(), "text/html", "https://pages.example/a")
    assert time.thread_time() - began < 20


def test_page_when_its_style_asks_for_too_much_then_it_is_refused_rather_than_read_whole() -> None:
    sheet = ".a{color:red}" * 50_001
    with pytest.raises(SourceFormatError, match="PAGE_TOO_COMPLEX"):
        text_of("", f"<style>{sheet}.x{{display:none}}</style>")
    with pytest.raises(HidingUnclear):
        without_hidden("<b hidden>" * 400_001)


def test_rules_when_ten_thousand_then_each_is_heeded() -> None:
    sheet = "".join(f".a{number}{{display:none}}" for number in range(10_000))
    text = text_of("<p class=a9999>Secret</p><p class=a10000>Open plan of the board</p>", f"<style>{sheet}</style>")
    assert "Secret" not in text
    assert "Open" in text


@settings(max_examples=300, deadline=None)
@given(
    sheet=st.text(alphabet="ax.#>,*[]=~^$'\"{};:@!/\\ \n-0()", max_size=80),
    style=st.one_of(
        st.text(alphabet="ax:;()#%-0.9e'\"\\/! ", max_size=40),
        st.tuples(
            st.sampled_from(["color", "font", "left", "clip", "clip-path", "transform", "inset", "opacity", "scale"]),
            st.text(alphabet="0123456789.-%px#rgbhsla(), einscotylr", max_size=30),
        ).map(":".join),
    ),
)
def test_piece_when_any_style_then_nothing_but_our_error_is_raised_and_words_are_never_made(
    sheet: str, style: str
) -> None:
    markup = f'<style>{sheet.replace("<", "")}</style><p style="{style.replace(chr(34), "")};position:fixed">word</p>'
    left = without_hidden(markup)
    assert left.count("word") <= 1
