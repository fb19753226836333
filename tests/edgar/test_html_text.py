"""Readable text of filings: no figure is lost, boilerplate is."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.html_text import document_text, html_text

Read = Callable[[str], bytes]
_FACT = re.compile(r"<ix:nonFraction[^>]*[^/]>(.*?)</ix:nonFraction>", re.DOTALL)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("10-K/2024-11-01_Apple.html.gz", 952),
        ("10-K/2025-01-27_Netflix.html.gz", 1175),
        ("10-K/2025-02-25_IBM.html.gz", 62),
        ("10-K/2025-02-26_NVIDIA.html.gz", 1217),
        ("10-K/2025-03-14_Walmart.html.gz", 1201),
        ("10-Q/2025-04-24_Procter-Gamble.html.gz", 776),
        ("10-Q/2025-07-18_Netflix.html.gz", 1147),
        ("10-Q/2025-07-24_Tesla.html.gz", 1084),
        ("10-Q/2025-08-01_Apple.html", 681),
    ],
)
def test_real_reports_when_read_then_every_tagged_figure_is_in_the_text(sec: Read, name: str, facts: int) -> None:
    markup = sec(f"filings/{name}").decode()
    text = document_text(markup)
    figures = [unescape(re.sub("<[^>]*>", "", found)).strip() for found in _FACT.findall(markup)]
    assert len(figures) == facts
    words = set(re.findall(r"[0-9][0-9,.]*[0-9]|[0-9]", text))
    numbers = {figure for figure in figures if re.fullmatch(r"[0-9][0-9,.]*[0-9]|[0-9]", figure)}
    assert len(numbers) > 20
    assert numbers <= words
    assert "xbrli:" not in text
    assert "http://fasb.org" not in text


def test_real_income_statement_when_read_then_its_rows_are_lines(sec: Read) -> None:
    lines = document_text(sec("filings/10-Q/2025-08-01_Apple.html").decode()).splitlines()
    assert "Total net sales 94,036 85,777 313,695 296,105" in lines
    assert "Diluted $ 1.57 $ 1.40 $ 5.62 $ 5.11" in lines


def test_html_when_tables_are_boilerplate_then_they_are_left_out_and_data_stays() -> None:
    contents = "".join(f'<tr><td><a href="#p{n}">Item {n}</a></td><td>{n}</td></tr>' for n in range(5))
    markup = (
        f"<html><body><table>{contents}</table><p>Sales   rose<br>twice</p><table><tr><td>- 7 -</td></tr></table>"
        "<table><tr><td>Sales</td><td>94,036</td></tr></table><div style='display: none'>hidden</div>"
        "<script>x()</script><!-- no --><p>M&amp;A of <b>A</b>cme</p></body></html>"
    )
    assert html_text(markup) == "Sales rose\ntwice\nSales 94,036\nM&A of Acme"


def test_html_when_nested_beyond_what_a_tree_holds_then_its_text_is_still_there() -> None:
    assert html_text("first" + "<font>" * 3_000 + "deep &amp; low").split() == ["first", "deep", "&", "low"]
    assert html_text("<div>" * 100_000 + "low") == "low"


def test_plain_text_when_filed_before_html_then_its_layout_is_kept() -> None:
    text = document_text("<PAGE>  1\nA\n\n\n<TABLE>\n<S>  <C>\nSales   12\n</TABLE>\n")
    assert [line for line in text.splitlines() if line.strip()] == ["  1", "A", "Sales   12"]


@given(st.text(max_size=400), st.lists(st.sampled_from(["<p>", "<table>", "<tr>", "<td>", "</", "<a href='#", "&#x"])))
def test_any_text_when_read_then_nothing_is_raised(text: str, tags: list[str]) -> None:
    assert "\x00" not in document_text("<html>" + text.join(tags) + text).replace(text, "")
