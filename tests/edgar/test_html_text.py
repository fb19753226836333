"""Readable text of filings: no figure is lost, boilerplate is."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.html_text import document_text, html_text, read_document

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
    assert "Total net sales | 94,036 | 85,777 | 313,695 | 296,105" in lines
    assert "Diluted | $1.57 | $1.40 | $5.62 | $5.11" in lines


def test_html_when_tables_are_boilerplate_then_they_are_left_out_and_data_stays() -> None:
    contents = "".join(f'<tr><td><a href="#p{n}">Item {n}</a></td><td>{n}</td></tr>' for n in range(5))
    markup = (
        f"<html><body><table>{contents}</table><p>Sales   rose<br>twice</p><table><tr><td>- 7 -</td></tr></table>"
        "<table><tr><td>Sales</td><td>94,036</td></tr></table><div style='display: none'>hidden</div>"
        "<script>x()</script><!-- no --><p>M&amp;A of <b>A</b>cme</p></body></html>"
    )
    assert html_text(markup) == "Sales rose\ntwice\nSales | 94,036\nM&A of Acme"


def test_html_when_nested_beyond_what_a_tree_holds_then_its_text_is_still_there() -> None:
    assert html_text("first" + "<font>" * 3_000 + "deep &amp; low").split() == ["first", "deep", "&", "low"]
    assert html_text("<div>" * 100_000 + "low") == "low"


def test_plain_text_when_filed_before_html_then_its_layout_is_kept() -> None:
    text = document_text("<PAGE>  1\nA\n\n\n<TABLE>\n<S>  <C>\nSales   12\n</TABLE>\n")
    assert [line for line in text.splitlines() if line.strip()] == ["A", "Sales   12"]


@pytest.mark.parametrize(
    ("cells", "line"),
    [
        (["Net sales", "$", "94,930", "", "$", "89,498"], "Net sales | $94,930 | $89,498"),
        (["Loss", "(", "1,234", ")", "(5", ")%"], "Loss | (1,234) | (5)%"),
        (["Loss", "$(", "12", ")", "$", "(7", ")"], "Loss | $(12) | $(7)"),
        (["Growth", "12", "%", "—", "%"], "Growth | 12% | —%"),
        (["Change", "(1)", "(2)"], "Change | (1) | (2)"),
        (["•", "We sell anvils"], "• We sell anvils"),
        (["(a)", "Exhibits", "3"], "(a) Exhibits | 3"),
        (["Item 5.02.", "Departure of Directors"], "Item 5.02. Departure of Directors"),
        (["—", "5", "7"], "— | 5 | 7"),
        (["<p>Three Months</p><p>Ended</p>", "<div>2024<br>Q1</div>"], "Three Months Ended | 2024 Q1"),
        (["Total<hr>", "<hr noshade>", "7"], "Total | 7"),
        (["", "\u00a0", "<span> </span>"], ""),
    ],
)
def test_row_when_read_then_it_is_one_line_with_its_signs_beside_the_numbers(cells: list[str], line: str) -> None:
    markup = "".join(f"<td>{cell}</td>" for cell in cells)
    assert html_text(f"<html><table><tr>{markup}</tr></table></html>") == line


def test_table_when_it_is_layout_then_its_paragraphs_stay_apart() -> None:
    prose = "We make anvils and sell them to whoever wants one. " * 6
    markup = f"<html><table><tr><td>•</td><td><p>{prose}</p><p>{prose}</p></td></tr></table>"
    assert html_text(markup).splitlines() == [f"• {prose.strip()}", prose.strip()]
    nested = "<html><table><tr><td>Left<table><tr><td>Sales</td><td>7</td></tr></table></td><td>Right</td></tr></table>"
    assert html_text(nested).splitlines() == ["Left", "Sales | 7", "Right"]


def test_pages_when_they_end_then_their_numbers_and_running_heads_are_left_out_and_figures_stay() -> None:
    pages = "".join(
        f"<p>Text of page {page}, which says something.</p><p>Sales in {2000 + page}</p><p>{page}</p>"
        "<hr style='page-break-after:always'><p>ACME CORP</p><p>(in millions)</p>"
        f"<p><a href='#toc'>Table of Contents</a></p><p>Form 10-K | {page}</p>"
        for page in range(1, 6)
    )
    lines = html_text(f"<html><body>{pages}<p>12</p><p>the end</p></body></html>").splitlines()
    assert [line for line in lines if line.isdigit()] == ["12"]
    assert lines.count("ACME CORP") == 1
    assert sum("10-K" in line for line in lines) == 1
    assert lines.count("(in millions)") == 5
    assert "Table of Contents" not in lines
    assert sum(line.startswith("Text of page") for line in lines) == 5
    assert sum(line.startswith("Sales in") for line in lines) == 5


def test_page_numbers_when_they_count_on_without_page_ends_then_they_are_left_out() -> None:
    lines = [line for page in range(1, 9) for line in (f"Paragraph {'x' * page}", f"- {page} -")]
    text = "\n".join([*lines, "7", "F-1", "more", "F-2", "xi", "y", "xii"])
    found = document_text(text).splitlines()
    assert found == [*(f"Paragraph {'x' * page}" for page in range(1, 9)), "7", "more", "y"]


def test_html_when_it_is_preformatted_then_lines_stay_and_columns_are_cells() -> None:
    assert (
        html_text("<html><p>Head<pre>Sales     1,000     900\nCosts   7\n</pre>")
        == "Head\nSales | 1,000 | 900\nCosts | 7"
    )
    plain = "<html><body><div>\n" + "Line of text &amp; more\n" * 50 + "</div></body></html>"
    assert html_text(plain).splitlines()[3] == "Line of text & more"


def test_emphasis_when_a_line_begins_with_it_then_it_may_be_a_heading() -> None:
    markup = (
        "<html><p><b>Risk</b> <b>Factors</b></p><p><i>Competition.</i> We compete.</p><p>We <b>win</b>.</p>"
        "<p style='font-weight:bold'>Bold <span style='font-weight:400'>not</span></p>"
        "<table><tr><td><u>Item 7.</u></td><td><u>Discussion</u></td></tr></table><h2>Head</h2>"
    )
    readable = read_document(markup)
    found = [(readable.text[each.start : each.end], each.whole_line) for each in readable.emphases]
    assert found == [
        ("Risk Factors", True),
        ("Competition.", False),
        ("Bold", False),
        ("Item 7. Discussion", True),
        ("Head", True),
    ]


def test_contents_when_they_link_then_they_say_where_in_the_text_each_entry_leads() -> None:
    rows = "".join(f"<tr><td><a href='#i{n}'>Item {n}.</a></td><td>Part {n}</td><td>{n}</td></tr>" for n in range(1, 6))
    body = "".join(f"<div id='i{n}'></div><p>Text {n}</p>" for n in range(1, 5))
    readable = read_document(f"<html><body><p>Cover</p><table>{rows}</table>{body}</body></html>")
    assert readable.text == "Cover\nText 1\nText 2\nText 3\nText 4"
    entries = [(entry.label, readable.text[entry.position :][:6]) for entry in readable.contents]
    assert entries == [(f"Item {n}. Part {n} {n}", f"Text {n}") for n in range(1, 5)]


def test_xml_when_it_is_no_web_page_then_each_value_is_named() -> None:
    body = (
        "<?xml version='1.0'?><f xmlns='a'><issuerName>ACME &amp; CO</issuerName><shares><value>5</value></shares></f>"
    )
    assert document_text(body) == "issuer name: ACME & CO\nshares: 5"
    assert document_text("<submission><formType>D</formType></submission>") == "form type: D"
    assert document_text("<?xml version='1.0'?><a><b></a>") == ""
    assert document_text("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>") == ""
    assert document_text("<?xml version='1.0'?><html><p>a</p></html>") == "a"


@given(st.text(max_size=400), st.lists(st.sampled_from(["<p>", "<table>", "<tr>", "<td>", "</", "<a href='#", "&#x"])))
def test_any_text_when_read_then_nothing_is_raised(text: str, tags: list[str]) -> None:
    assert "\x00" not in document_text("<html>" + text.join(tags) + text).replace(text, "")
