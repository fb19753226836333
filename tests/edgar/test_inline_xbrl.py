"""Facts of inline XBRL; a scan of the raw tags, written apart from the reader, is the independent witness."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from decimal import Decimal
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar import inline_xbrl
from activities.adapters.edgar.inline_xbrl import is_inline_xbrl, parse_inline_xbrl
from activities.adapters.edgar.xbrl import Dimension, XbrlFact, XbrlReport
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]
REPORTS = [
    ("10-K/2024-11-01_Apple.html.gz", 952),
    ("10-K/2025-01-27_Netflix.html.gz", 1175),
    ("10-K/2025-02-25_IBM.html.gz", 62),
    ("10-K/2025-02-26_NVIDIA.html.gz", 1217),
    ("10-K/2025-03-14_Walmart.html.gz", 1201),
    ("10-Q/2025-04-24_Procter-Gamble.html.gz", 776),
    ("10-Q/2025-07-18_Netflix.html.gz", 1147),
    ("10-Q/2025-07-24_Tesla.html.gz", 1084),
    ("10-Q/2025-08-01_Apple.html", 681),
]
WORDS = {"none": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10}
PAGE = """<?xml version="1.0" encoding="ASCII"?>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:ix="http://www.xbrl.org/2013/inlineXBRL"
 xmlns:xbrli="http://www.xbrl.org/2003/instance" xmlns:xbrldi="http://xbrl.org/2006/xbrldi"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><head><title>t</title></head><body>
<div style="display:none"><ix:header><ix:hidden>{hidden}</ix:hidden><ix:resources>
<xbrli:context id="y"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">77</xbrli:identifier>
</xbrli:entity><xbrli:period><xbrli:startDate>2023-10-01</xbrli:startDate><xbrli:endDate>2024-09-28</xbrli:endDate>
</xbrli:period></xbrli:context>
<xbrli:context id="i"><xbrli:entity><xbrli:identifier scheme="http://www.sec.gov/CIK">77</xbrli:identifier>
<xbrli:segment><xbrldi:explicitMember dimension="us-gaap:Axis">acme:Member</xbrldi:explicitMember>
<xbrldi:typedMember dimension="us-gaap:Age"><acme:age xmlns:acme="http://a">P1Y</acme:age></xbrldi:typedMember>
</xbrli:segment></xbrli:entity><xbrli:period><xbrli:instant>2024-09-29T00:00:00</xbrli:instant></xbrli:period>
</xbrli:context><xbrli:unit id="usd"><xbrli:measure>iso4217:USD</xbrli:measure></xbrli:unit>
<xbrli:unit id="per"><xbrli:divide><xbrli:unitNumerator><xbrli:measure>iso4217:USD</xbrli:measure>
</xbrli:unitNumerator><xbrli:unitDenominator><xbrli:measure>xbrli:shares</xbrli:measure></xbrli:unitDenominator>
</xbrli:divide></xbrli:unit></ix:resources></ix:header></div>{body}</body></html>"""
SALES = '<ix:nonFraction contextRef="y" unitRef="usd" name="us-gaap:Sales" {0}>{1}</ix:nonFraction>'
NAME = '<ix:nonNumeric contextRef="y" name="dei:EntityRegistrantName" {0}>{1}</ix:nonNumeric>'


def _facts(body: str, hidden: str = "") -> tuple[XbrlFact, ...]:
    report = parse_inline_xbrl(PAGE.format(body=body, hidden=hidden))
    assert report.rejects == ()
    return report.facts


def _refused(body: str) -> str:
    report = parse_inline_xbrl(PAGE.format(body=body, hidden=""))
    assert report.facts == ()
    (refused,) = report.rejects
    assert "found" in refused.detail
    return refused.column


_reports: dict[str, XbrlReport] = {}


def _report(sec: Read, name: str) -> XbrlReport:
    if name not in _reports:
        _reports[name] = parse_inline_xbrl(sec(f"filings/{name}").decode())
    return _reports[name]


def _scanned(markup: str) -> Iterator[tuple[str, Decimal, str, str, tuple[str | None, str]]]:
    """Concept, value, unit, decimals and period of each tagged number, by patterns on the raw file alone."""
    periods: dict[str, tuple[str | None, str]] = {}
    for found in re.finditer(r'<xbrli:context id="([^"]*)">(.*?)</xbrli:context>', markup, re.DOTALL):
        days = re.findall(r"<xbrli:(startDate|endDate|instant)>([0-9-]{10})<", found[2])
        named = dict(days)
        periods[found[1]] = (named.get("startDate"), named.get("endDate") or named["instant"])
    units: dict[str, str] = {}
    for found in re.finditer(r'<xbrli:unit id="([^"]*)">(.*?)</xbrli:unit>', markup, re.DOTALL):
        units[found[1]] = "/".join(re.findall(r":([^:<]*)</xbrli:measure>", found[2]))
    for found in re.finditer(r"<ix:nonFraction( [^>]*?)(/?)>", markup):
        attributes = dict(re.findall(r' ([A-Za-z:]+)="([^"]*)"', found[1]))
        if attributes.get("xsi:nil") == "true":
            continue
        depth, at = 1, found.end()
        while depth:
            tag = re.compile(r"<(/?)ix:nonFraction[^>]*>").search(markup, at)
            assert tag
            depth += -1 if tag[1] else 1
            at = tag.end()
        raw = unescape(re.sub(r"<[^>]*>", "", markup[found.end() : at]))
        digits = re.sub(r"[,\s]", "", raw)
        form = attributes.get("format", "")
        digits = "0" if form.endswith("zero") else str(WORDS[raw.lower()]) if form.endswith("wordsen") else digits
        value = Decimal(digits)
        value *= Decimal(10) ** int(attributes.get("scale", "0"))
        value = -value if attributes.get("sign") == "-" else value
        decimals = attributes["decimals"]
        yield attributes["name"], value, units[attributes["unitRef"]], decimals, periods[attributes["contextRef"]]


@pytest.mark.parametrize(("name", "facts"), REPORTS)
def test_real_report_when_parsed_then_its_numbers_equal_the_raw_tags(sec: Read, name: str, facts: int) -> None:
    markup = sec(f"filings/{name}").decode()
    report = _report(sec, name)
    assert report.rejects == ()
    numbers = [
        (fact.concept, fact.number, fact.unit, fact.decimals, fact.start, fact.end)
        for fact in report.facts
        if fact.number is not None
    ]
    scanned = [
        (
            concept,
            value,
            unit,
            None if decimals == "INF" else int(decimals),
            date.fromisoformat(start) if start else None,
            date.fromisoformat(end),
        )
        for concept, value, unit, decimals, (start, end) in _scanned(markup)
    ]
    assert numbers == scanned
    assert len(numbers) + sum(bool(fact.unit) and fact.nil for fact in report.facts) >= facts
    assert report.rejected == 0
    assert len(report.facts) == len(re.findall(r"<ix:non(?:Fraction|Numeric)\b", markup))


@pytest.mark.parametrize(("name", "facts"), REPORTS)
def test_real_report_when_a_figure_is_stated_twice_then_both_agree_to_their_accuracy(
    sec: Read, name: str, facts: int
) -> None:
    stated: dict[tuple[object, ...], list[XbrlFact]] = defaultdict(list)
    for fact in _report(sec, name).facts:
        if fact.number is not None:
            stated[fact.concept, fact.unit, fact.start, fact.end, fact.dimensions].append(fact)
    for same in stated.values():
        exact_first = sorted(same, key=lambda fact: 99 if fact.decimals is None else fact.decimals, reverse=True)
        for fact in exact_first[1:]:
            assert fact.number is not None
            assert exact_first[0].number is not None
            off = Decimal(10) ** -(99 if fact.decimals is None else fact.decimals)
            assert abs(fact.number - exact_first[0].number) <= off, fact.concept


def test_real_report_when_parsed_then_known_figures_are_there(sec: Read) -> None:
    report = _report(sec, "10-K/2024-11-01_Apple.html.gz")
    sales = {fact.end: fact.number for fact in report.of("us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax")}
    assert sales[date(2024, 9, 28)] == Decimal(391_035_000_000)
    assert sales[date(2023, 9, 30)] == Decimal(383_285_000_000)
    diluted = [fact for fact in report.of("us-gaap:EarningsPerShareDiluted") if fact.end == date(2024, 9, 28)]
    assert {(fact.number, fact.unit) for fact in diluted} == {(Decimal("6.08"), "USD/shares")}
    services = [
        fact
        for fact in report.of("us-gaap:RevenueFromContractWithCustomerExcludingAssessedTax", dimensions=True)
        if Dimension(axis="srt:ProductOrServiceAxis", member="us-gaap:ServiceMember") in fact.dimensions
    ]
    assert Decimal(96_169_000_000) in {fact.number for fact in services}


@pytest.mark.parametrize(
    ("attributes", "text", "value"),
    [
        ('format="ixt:num-dot-decimal" scale="6" decimals="-6"', "94,930", "94930000000"),
        ('format="ixt:num-dot-decimal" scale="6" decimals="-6" sign="-"', "1,234.5", "-1234500000"),
        ('format="ixt:numdotdecimal" scale="-2" decimals="4"', "15.9", "0.159"),
        ('format="ixt:num-comma-decimal" decimals="2"', "1.234,56", "1234.56"),
        ('format="ixt:num-dot-decimal" decimals="0"', "1\u00a0234\u202f567", "1234567"),
        ('format="ixt:fixed-zero" scale="6" decimals="-6"', "—", "0"),
        ('format="ixt:zerodash" decimals="INF"', "-", "0"),
        ('format="ixt:fixed-zero" sign="-" decimals="INF"', "—", "0"),
        ('format="ixt-sec:numwordsen" decimals="INF"', "two hundred and twenty-five thousand", "225000"),
        ('decimals="INF"', " 42 ", "42"),
        ('decimals="2"', "<b>1</b>.<i>5</i>", "1.5"),
    ],
)
def test_number_when_formatted_scaled_or_signed_then_it_is_exact(attributes: str, text: str, value: str) -> None:
    (fact,) = _facts(SALES.format(attributes, text))
    assert fact.number == Decimal(value)
    assert fact.value == fact.number
    assert "E" not in str(fact.number)
    assert (fact.unit, fact.entity, fact.start, fact.end) == (
        "USD",
        "0000000077",
        date(2023, 10, 1),
        date(2024, 9, 28),
    )


@pytest.mark.parametrize(
    ("attributes", "text", "column"),
    [
        ('format="ixt:num-dot-decimal"', "twelve", "number"),
        ('format="ixt:num-dot-decimal"', "", "number"),
        ('format="ixt:num-dot-decimal"', "1.2.3", "number"),
        ('format="ixt:num-unknown"', "1", "format"),
        ("", "1,000", "number"),
        ('scale="99"', "1", "scale"),
        ('scale="x"', "1", "scale"),
        ('sign="+"', "1", "sign"),
        ('decimals="many"', "1", "decimals"),
        ("", "1" * 600, "number"),
    ],
)
def test_number_when_it_is_none_then_it_alone_is_refused_by_name(attributes: str, text: str, column: str) -> None:
    assert _refused(SALES.format(attributes, text)) == column


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        (('contextRef="y"', 'contextRef="z"'), "contextRef"),
        (('unitRef="usd"', 'unitRef="eur"'), "unitRef"),
        (('unitRef="usd"', ""), "unitRef"),
        (('name="us-gaap:Sales"', ""), "name"),
    ],
)
def test_fact_when_what_it_refers_to_is_missing_then_it_is_refused_by_name(wrong: tuple[str, str], column: str) -> None:
    assert _refused(SALES.format("", "1").replace(*wrong)) == column


def test_context_when_faulty_then_only_the_facts_that_refer_to_it_are_refused() -> None:
    body = SALES.format("", "1") + SALES.format("", "2").replace('"y"', '"i"')
    page = PAGE.format(body=body, hidden="").replace("2023-10-01", "2025-10-01")
    report = parse_inline_xbrl(page)
    assert [fact.number for fact in report.facts] == [Decimal(2)]
    assert report.rejects[0].column == "startDate"


def test_fact_when_nil_hidden_nested_or_dimensional_then_it_is_said() -> None:
    nil = SALES.format('xsi:nil="true" decimals="0"', "").replace("></ix:nonFraction>", "/>")
    nested = SALES.format('scale="3" format="ixt:num-dot-decimal"', SALES.format('decimals="0"', "7"))
    hidden = NAME.format("", "ACME &amp; CO")
    price = SALES.format("", "1.57").replace('"usd"', '"per"').replace('"y"', '"i"')
    first, absent, outer, inner, last = _facts(nil + nested + price, hidden)
    assert (first.hidden, first.text, first.value) == (True, "ACME & CO", "ACME & CO")
    assert (absent.nil, absent.number, absent.value) == (True, None, None)
    assert (outer.number, inner.number) == (Decimal(7_000), Decimal(7))
    assert (last.unit, last.start, last.end, last.hidden) == ("USD/shares", None, date(2024, 9, 28), False)
    assert last.dimensions == (
        Dimension(axis="us-gaap:Age", member="P1Y"),
        Dimension(axis="us-gaap:Axis", member="acme:Member"),
    )


def test_text_when_it_continues_elsewhere_then_the_parts_are_joined_and_what_is_excluded_is_left_out() -> None:
    body = (
        NAME.format('continuedAt="b" escape="true"', "<p>One <ix:exclude>page 7</ix:exclude>two</p>")
        + '<p>between</p><ix:continuation id="c">four</ix:continuation>'
        + '<ix:continuation id="b" continuedAt="c"><p>three</p></ix:continuation>'
    )
    (fact,) = _facts(body)
    assert fact.text == "One two\nthree\nfour"


def test_text_when_its_continuations_go_round_then_each_is_read_once() -> None:
    body = NAME.format('continuedAt="b"', "a") + '<ix:continuation id="b" continuedAt="b">b</ix:continuation>'
    (fact,) = _facts(body)
    assert fact.text == "ab"


def test_text_when_it_has_a_format_then_days_and_names_are_normal_and_unknown_formats_stay_as_shown() -> None:
    found = _facts(
        NAME.format('format="ixt:date-monthname-day-year-en"', "<b>September</b>\u00a028, 2024")
        + NAME.format('format="ixt-sec:stateprovnameen"', "New\nYork")
        + NAME.format('format="ixt:date-nowhere"', "as shown")
        + NAME.format('format="ixt-sec:boolballotbox"', "☒")
    )
    assert [fact.text for fact in found] == ["2024-09-28", "NY", "as shown", "true"]
    assert _refused(NAME.format('format="ixt:date-day-month-year"', "31.02.2024")) == "date"


def test_markup_when_it_is_no_xml_then_it_is_read_as_a_browser_would() -> None:
    body = "<p>&nbsp;<br>" + SALES.format('format="ixt:num-dot-decimal"', "1,500") + NAME.format("", "Acme<p>more")
    report = parse_inline_xbrl(PAGE.format(body=body, hidden="").removeprefix('<?xml version="1.0" encoding="ASCII"?>'))
    assert [fact.value for fact in report.facts] == [Decimal(1500), "Acme\nmore"]
    assert (report.facts[0].start, report.facts[0].entity) == (date(2023, 10, 1), "0000000077")


def test_prefixes_when_they_are_unusual_then_the_namespaces_count() -> None:
    page = PAGE.format(body=SALES.format("", "5"), hidden="").replace("ix:", "i:").replace("xbrli:", "x:")
    page = page.replace("xmlns:ix=", "xmlns:i=").replace("xmlns:xbrli=", "xmlns:x=")
    for markup in (page, page.replace("<body>", "<body>&nbsp;")):
        assert [fact.number for fact in parse_inline_xbrl(markup).facts] == [Decimal(5)]


def test_values_when_they_hold_each_other_too_often_then_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_xbrl, "_MAXIMUM_WORK", 1_000_000)
    opens = NAME.format('escape="true"', "").removesuffix("</ix:nonNumeric>")
    body = opens * 500 + "word " * 5_000 + "</ix:nonNumeric>" * 500
    with pytest.raises(SourceFormatError, match="EDGAR_XBRL_TOO_LARGE"):
        parse_inline_xbrl(PAGE.format(body=body, hidden=""))


def test_value_when_very_long_then_it_is_cut_and_says_so() -> None:
    (fact,) = _facts(NAME.format('escape="true"', "word " * 20_000))
    assert fact.truncated
    assert len(fact.text) <= inline_xbrl.MAXIMUM_TEXT


@pytest.mark.parametrize(
    "markup",
    [
        PAGE.format(body="", hidden="")
        .replace("<html", '<!DOCTYPE html [<!ENTITY a "b">]><html')
        .replace("t<", "&a;<"),
        "<ix:nonFraction>" * 50_000,
        "<html xmlns:ix='http://www.xbrl.org/2013/inlineXBRL'>" + "<ix:header><xbrli:context id='a'>" * 20_000,
        "",
        "\x00<html>",
    ],
)
def test_document_when_hostile_then_it_ends_soon_and_without_facts(markup: str) -> None:
    with suppress(SourceFormatError):
        assert parse_inline_xbrl(markup).facts == ()


def test_document_when_it_declares_no_inline_xbrl_then_it_is_not_one(sec: Read) -> None:
    assert is_inline_xbrl(PAGE)
    assert not is_inline_xbrl(sec("filings/10-K/1999_Medicis-Pharmaceutical.html").decode())


@given(st.text(max_size=60), st.integers(0, 3_000), st.sampled_from(["", "<", "</ix:nonNumeric>", "<ix:exclude>"]))
def test_any_text_when_parsed_then_nothing_but_our_errors_is_raised(noise: str, at: int, tag: str) -> None:
    body = SALES.format('scale="3"', "1") + NAME.format('continuedAt="a"', "x")
    whole = PAGE.format(body=body, hidden=SALES.format("", "2"))
    for markup in (noise + tag, whole[:at] + tag + noise + whole[at:]):
        try:
            parse_inline_xbrl(markup)
        except StonksError:
            continue
