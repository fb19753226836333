"""Real statements, minutes and a news file, as they are and inside the markup of a page."""

from __future__ import annotations

import html
import re

import pytest

from activities.adapters.pages.models import PageKind, ParsedPage
from activities.adapters.pages.page import parse_page
from domain.documents import DatePrecision
from domain.text import strip_invisible
from tests.conftest import shared_data

STATEMENTS = ("2018-01-31", "2019-06-19", "2020-03-15", "2020-12-16")
MINUTES = ("2011-01-26", "2013-12-18", "2016-12-14")


def _squeezed(text: str) -> str:
    return " ".join(strip_invisible(text).split())


def _sections_are_whole(page: ParsedPage) -> bool:
    parts = [page.section_text(section) for section in page.sections]
    return all(part and part == part.strip() for part in parts) and _squeezed(" ".join(parts)) == _squeezed(page.text)


@pytest.mark.parametrize("day", STATEMENTS)
def test_statement_when_plain_then_each_paragraph_is_a_section(day: str) -> None:
    body = shared_data(f"macro/fomc_statements/{day}.txt").read_bytes()
    page = parse_page(body, "text/plain", "https://bank.example/statement")
    written = body.decode()
    assert page.kind is PageKind.TEXT
    assert page.language == "en"
    assert _squeezed(page.text) == _squeezed(written)
    paragraphs = [_squeezed(paragraph) for paragraph in re.split(r"\n\s*\n", written) if _squeezed(paragraph)]
    assert [_squeezed(page.section_text(section)) for section in page.sections] == paragraphs


@pytest.mark.parametrize("day", STATEMENTS)
def test_statement_when_in_a_page_then_date_sections_and_sentences_are_kept_and_menus_are_not(day: str) -> None:
    written = shared_data(f"macro/fomc_statements/{day}.txt").read_text()
    paragraphs = [paragraph for paragraph in written.split("\n\n") if paragraph.strip()]
    body = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
    menu = "<nav><ul><li><a href='/'>Home</a></li><li><a href='/news'>News and events</a></li></ul></nav>"
    meta = (
        f"<title>Board - FOMC statement</title><meta property='article:published_time' content='{day}T14:00:00-05:00'>"
    )
    markup = (
        f"<!DOCTYPE html><html><head>{meta}</head><body>{menu}<article><h1>Statement</h1>{body}</article></body></html>"
    )
    page = parse_page(markup.encode(), "text/html", "https://bank.example/statement")
    assert page.kind is PageKind.HTML
    assert page.title == "Board - FOMC statement"
    assert page.published_at is not None
    assert page.published_at.isoformat() == f"{day}T19:00:00+00:00"
    assert page.precision is DatePrecision.INSTANT
    assert _squeezed(paragraphs[0]) in page.text
    assert all(_squeezed(paragraph) in _squeezed(page.text) for paragraph in paragraphs[:3])
    assert "News and events" not in page.text
    assert _sections_are_whole(page)


@pytest.mark.parametrize("day", MINUTES)
def test_minutes_when_plain_then_no_word_is_lost(day: str) -> None:
    body = shared_data(f"macro/fomc_minutes/{day}.txt").read_bytes()
    page = parse_page(body, "", "https://bank.example/minutes")
    assert _squeezed(page.text) == _squeezed(body.decode())
    assert (page.language, page.truncated) == ("en", False)
    assert _sections_are_whole(page)


def test_news_file_when_declared_as_a_page_then_it_is_text() -> None:
    body = shared_data("news/raw_sample/news_20110719.csv").read_bytes()
    page = parse_page(body, "text/csv", "https://news.example/day")
    assert page.kind is PageKind.TEXT
    assert page.text.count("\n") + 1 == sum(1 for line in body.decode().splitlines() if line.strip())
    assert page.title.startswith("GOOG,Alphabet Inc,20110719,Apple smashes Street views")
    assert page.language == "en"
