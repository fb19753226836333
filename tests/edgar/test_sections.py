"""Sections of reports: they tile the text, begin at the right headings, and find competition."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.full_submission import parse_documents, parse_full_submission
from activities.adapters.edgar.html_text import document_text, read_document
from activities.adapters.edgar.readable import ReadableText
from activities.adapters.edgar.sections import ReportSection, competition_text, split_sections

Read = Callable[[str], bytes]
ANNUAL = ["1", "1A", "1B", "1C", "2", "3", "4", "5", "6", "7", "7A", "8", "9", "9A", "9B", "9C"]
ANNUAL += ["10", "11", "12", "13", "14", "15", "16"]
EARLIER = [code for code in ANNUAL if code not in ("1A", "1B", "1C", "9A", "9B", "9C", "15", "16")]
FIVE_YEARS_AGO = [code for code in ANNUAL if code not in ("1C", "9C", "16")]
QUARTER = ["I.1", "I.2", "I.3", "I.4", "II.1", "II.1A", "II.2", "II.3", "II.4", "II.5", "II.6"]
RISKS = "Item 1A. Risk Factors"
DISCUSSION = "Item 7. Management's Discussion and Analysis of Financial Condition and Results of Operations"
ITEMS = [
    ("10-K/1999_Medicis-Pharmaceutical.html", EARLIER),
    ("10-K/2016_Commonwealth-Income-Growth-F.html", FIVE_YEARS_AGO),
    ("10-K/2023-05-26_CarMax-Auto-Owner-Trust-2019.txt", [code for code in ANNUAL if code not in ("1C", "9C")]),
    ("10-K/2024-11-01_Apple.html.gz", ANNUAL),
    ("10-K/2025-01-27_Netflix.html.gz", ANNUAL),
    ("10-K/2025-02-25_IBM.html.gz", ANNUAL),
    ("10-K/2025-02-26_NVIDIA.html.gz", ANNUAL),
    ("10-K/2025-03-14_Walmart.html.gz", ANNUAL),
    ("10-Q/2000-05-11_APPLE-COMPUTER-INC.txt", ["I.1", "I.2", "I.3", "II.1", "II.4", "II.6"]),
    ("10-Q/2025-04-24_Procter-Gamble.html.gz", [code for code in QUARTER if code not in ("II.3", "II.4")]),
    ("10-Q/2025-07-18_Netflix.html.gz", [code for code in QUARTER if code not in ("II.3", "II.4")]),
    ("10-Q/2025-07-24_Tesla.html.gz", QUARTER),
    ("10-Q/2025-08-01_Apple.html", QUARTER),
    ("20-F/2001_AEGON.html", [str(number) for number in range(1, 20) if number != 17]),
]
REFERENCE = {
    "10-K/2024-11-01_Apple.html.gz": ("aapl", "10-K"),
    "10-K/2025-01-27_Netflix.html.gz": ("nflx", "10-K"),
    "10-K/2025-02-25_IBM.html.gz": ("ibm", "10-K"),
    "10-K/2025-02-26_NVIDIA.html.gz": ("nvda", "10-K"),
    "10-K/2025-03-14_Walmart.html.gz": ("wmt", "10-K"),
    "10-Q/2025-04-24_Procter-Gamble.html.gz": ("pg", "10-Q"),
    "10-Q/2025-07-18_Netflix.html.gz": ("nflx", "10-Q"),
    "10-Q/2025-08-01_Apple.html": ("aapl", "10-Q"),
}
THEIRS_RUNS_ON = {
    ("aapl", "4"),
    ("aapl", "9C"),
    ("aapl", "11"),
    ("aapl", "16"),
    ("aapl", "II.6"),
    ("nflx", "14"),
    ("nflx", "16"),
    ("nflx", "II.6"),
    ("ibm", "16"),
    ("nvda", "16"),
    ("wmt", "16"),
    ("pg", "I.4"),
    ("pg", "II.5"),
    ("pg", "II.6"),
}
"""Where the other parser took the next part's heading, the signatures or the statements behind them for more of it."""


_read: dict[str, tuple[ReadableText, tuple[ReportSection, ...]]] = {}


def _text(sec: Read, name: str) -> tuple[ReadableText, tuple[ReportSection, ...]]:
    if name not in _read:
        readable = read_document(_main(sec, name))
        _read[name] = readable, split_sections(readable, name.partition("/")[0])
    return _read[name]


def _main(sec: Read, name: str) -> str:
    body = sec(f"filings/{name}")
    is_submission = name.endswith(".txt")
    return (parse_full_submission(body).main_document() if is_submission else parse_documents(body)[0]).body


def _tiles(text: str, sections: Sequence[ReportSection]) -> bool:
    edges = [0, *(section.end for section in sections)]
    starts = [*(section.start for section in sections), len(text)]
    return edges == starts and all(section.start < section.end for section in sections)


@pytest.mark.parametrize(("name", "items"), ITEMS)
def test_real_report_when_split_then_its_items_come_in_order_and_tile_the_text(
    sec: Read, name: str, items: list[str]
) -> None:
    readable, sections = _text(sec, name)
    assert _tiles(readable.text, sections)
    found = list(dict.fromkeys(section.item for section in sections if section.item))
    assert Counter(found) == Counter(items)
    # One trust's report has an item out of its place.
    assert found == items or "CarMax" in name
    for section in sections:
        if section.item and not section.heading.endswith(("(continued)", ": Competition")):
            part, _, number = section.item.rpartition(".")
            begins = readable.text[section.start : section.end].lstrip()[:200].lower()
            in_contents_only = "Netflix" in name and section.item == "I.1"
            assert in_contents_only or f"item {number.lower()}" in begins.replace("\xa0", " "), section
            assert section.heading.startswith(f"Part {part}, Item {number}." if part else f"Item {number}.")


@pytest.mark.parametrize("name", REFERENCE)
def test_real_report_when_split_then_its_sections_are_as_long_as_another_parsers(sec: Read, name: str) -> None:
    _, sections = _text(sec, name)
    ours: Counter[str] = Counter()
    for section in sections:
        ours[section.item] += section.end - section.start
    filings = json.loads(sec("parser_reference/parser_corpus_manifest.json"))["filings"]
    theirs = next(filing for filing in filings if (filing["ticker"], filing["form"]) == REFERENCE[name])
    compared = 0
    for item, measured in theirs["items"].items():
        part = {"part_i": "I.", "part_ii": "II."}.get(measured["section_name"].partition("_item_")[0], "")
        code = f"{part}{item}" if REFERENCE[name][1] == "10-Q" else item
        if (theirs["ticker"], code) in THEIRS_RUNS_ON or not measured["section_name"].startswith("part_"):
            continue
        # Exhibits are a table, which is written in more ways than prose.
        off = 0.06 if code == "15" else 0.03
        assert abs(ours[code] - measured["text_len"]) <= max(80, off * measured["text_len"]), code
        compared += 1
    assert compared >= 3


def test_real_headings_when_read_then_they_say_what_the_report_says(sec: Read) -> None:
    _, sections = _text(sec, "10-K/2024-11-01_Apple.html.gz")
    headings = [section.heading.replace("’", "'") for section in sections]
    assert headings[0] == "Cover"
    assert headings[1:5] == [
        "Item 1. Business",
        "Item 1. Business: Competition",
        "Item 1. Business (continued)",
        RISKS,
    ]
    assert DISCUSSION in headings
    assert headings[-1] == "Signatures"
    _, quarter = _text(sec, "10-Q/2025-08-01_Apple.html")
    assert quarter[1].heading == "Part I, Item 1. Financial Statements"
    assert "Part II, Item 1A. Risk Factors" in [section.heading for section in quarter]


def test_real_report_when_an_item_is_named_in_its_contents_only_then_it_begins_where_those_lead(sec: Read) -> None:
    readable, sections = _text(sec, "10-Q/2025-07-18_Netflix.html.gz")
    statements = sections[1]
    assert statements.heading == "Part I, Item 1. Consolidated Financial Statements"
    assert readable.text[statements.start :].startswith("NETFLIX, INC.\nConsolidated Statements of Operations")


@pytest.mark.parametrize(
    ("name", "begins", "names", "longest"),
    [
        ("1999_Medicis-Pharmaceutical.html", "Competition\nThe pharmaceutical industry", "generic products", 5_000),
        (
            "2016_Commonwealth-Income-Growth-F.html",
            "COMPETITION\nThe equipment leasing",
            "competes with leasing",
            3_000,
        ),
        ("2024-11-01_Apple.html.gz", "Competition\nThe markets for the Company", "aggressive price competition", 4_000),
        ("2025-01-27_Netflix.html.gz", "COMPETITION\nThe market for entertainment", "streaming entertainment", 3_000),
        ("2025-02-25_IBM.html.gz", "Competition\nIBM is a globally", "Accenture", 9_000),
        ("2025-02-26_NVIDIA.html.gz", "Competition\nThe market for our products", "AMD", 5_000),
        ("2025-03-14_Walmart.html.gz", "Competition. We compete with", "membership-only warehouse clubs", 5_000),
    ],
)
def test_real_annual_report_when_asked_then_what_it_says_of_competition_is_found(
    sec: Read, name: str, begins: str, names: str, longest: int
) -> None:
    found = competition_text(_main(sec, f"10-K/{name}"))
    assert found.startswith(begins)
    assert names in found
    assert len(found) < longest


def test_real_filing_when_it_is_a_trusts_then_it_says_nothing_of_competition(sec: Read) -> None:
    submission = parse_full_submission(sec("filings/10-K/2023-05-26_CarMax-Auto-Owner-Trust-2019.txt"))
    assert competition_text(submission) == ""


def test_plain_text_when_given_instead_of_markup_then_competition_is_found_all_the_same(sec: Read) -> None:
    text = document_text(_main(sec, "10-K/2024-11-01_Apple.html.gz"))
    found = competition_text(text)
    assert found.startswith("Competition\nThe markets for the Company")
    assert len(found) < 6_000


def test_competition_when_no_part_is_about_it_then_the_paragraphs_that_name_rivals_are_taken() -> None:
    text = (
        "Item 1. Business\nWe make anvils.\nWe compete with Ajax and Bolt.\nItem 1A. Risk Factors\nOur competitors\n"
        "include Coil.\nItem 7. Management's Discussion and Analysis\nSales rose."
    )
    assert competition_text(text) == "We compete with Ajax and Bolt."
    assert competition_text("Our principal competitors are Ajax and Bolt.\n\nSales rose.") == (
        "Our principal competitors are Ajax and Bolt."
    )
    assert competition_text("") == ""


CONTENTS = (
    "PART I\nItem 1. Business 3\nItem 1A. Risk Factors 9\nItem 2. Properties 20\nItem 7. Management's Discussion 30\n"
)
BODY = (
    "PART I\nItem 1. Business\n{0}\nItem 1A. Risk Factors\n{0}\nItem 2. Properties\nNone.\nPART II\n"
    "Item 7. Management’s Discussion and Analysis\n{0}\n"
)


@pytest.mark.parametrize("contents", ["", CONTENTS, CONTENTS.replace(". ", " | ")])
def test_contents_when_they_stand_before_the_items_then_they_are_not_taken_for_headings(contents: str) -> None:
    prose = "We make anvils and sell them. " * 30
    text = f"ACME\n{contents}{BODY.format(prose)}SIGNATURES\nWile E."
    sections = split_sections(ReadableText(text=text), "10-K")
    assert [section.heading for section in sections] == [
        "Cover",
        "Item 1. Business",
        "Item 1A. Risk Factors",
        "Item 2. Properties",
        "Item 7. Management’s Discussion and Analysis",
        "Signatures",
    ]
    assert _tiles(text, sections)
    assert text[sections[1].start :].startswith(f"PART I\nItem 1. Business\n{prose}".strip())
    assert text[sections[4].start :].startswith("PART II\nItem 7.")


def test_mentions_when_they_begin_a_line_then_they_are_not_taken_for_headings() -> None:
    prose = "We make anvils. " * 40
    text = BODY.format(f"{prose}\nItem 7 of this report says more.\nItem 2, Properties, lists them.\n{prose}")
    headings = [section.heading for section in split_sections(ReadableText(text=text), "10-K")]
    assert headings == [
        "Item 1. Business",
        "Item 1A. Risk Factors",
        "Item 2. Properties",
        "Item 7. Management’s Discussion and Analysis",
    ]


def test_headings_when_they_run_on_over_pages_then_the_section_begins_at_the_first() -> None:
    prose = "We make anvils. " * 40
    running = "Item 1. Business (continued)\n"
    text = BODY.format(f"{prose}\n{running}{prose}\n{running}{prose}")
    first = split_sections(ReadableText(text=text), "10-K")[0]
    assert first.start == 0
    assert text[: first.end].count("(continued)") == 2


def test_headings_when_the_report_numbers_nothing_then_its_titles_do() -> None:
    prose = "<p>" + "We make anvils and sell them. " * 20 + "</p>"
    titles = ("Business", "Risk Factors", "Legal Proceedings", "Management’s Discussion and Analysis")
    markup = "<html><body>" + "".join(f"<p><b>{title}</b></p>{prose}" for title in titles) + "</body></html>"
    sections = split_sections(read_document(markup), "10-K")
    assert [section.item for section in sections] == ["1", "1A", "3", "7"]


def test_headings_when_only_an_index_numbers_them_then_the_titles_in_the_text_do() -> None:
    prose = "<p>" + "We make anvils and sell them. " * 500 + "</p>"
    titles = ("Management’s Discussion and Analysis", "Risk Factors", "Legal Proceedings")
    index = (
        "<p>Item 1. Business | Pages 3, 5-7</p><p>Item 1A. Risk Factors | Page 9</p>"
        "<p>Item 3. Legal Proceedings | 20</p>"
        "<p>Item 4. Mine Safety Disclosures | Not applicable</p><p>Item 7. Management’s Discussion | 4-8, 11</p>"
    )
    body = "".join(f"<p><b>{title}</b></p>{prose}" for title in titles)
    sections = split_sections(read_document(f"<html><body>{body}{index}</body></html>"), "10-K")
    assert [section.item for section in sections] == ["7", "1A", "3"]


def test_items_when_one_is_out_of_order_or_without_its_number_then_it_has_a_section_too() -> None:
    prose = "<p>" + "We make anvils and sell them. " * 300 + "</p>"
    titles = (
        "Item 7. Management’s Discussion",
        "Item 1. Business",
        "Items 1A and 1B. Risk Factors",
        "Item 2. Properties",
        "Legal Proceedings",
        "Item 5. Market for Registrant’s Common Equity",
        "Items 10, 11, 12, 13, and 14. Directors",
    )
    markup = "<html><body>" + "".join(f"<p><b>{title}</b></p>{prose}" for title in titles)
    sections = split_sections(read_document(markup), "10-K")
    assert [section.item for section in sections] == ["7", "1", "1A", "2", "3", "5", "10"]


def test_quarterly_report_when_its_statements_have_no_number_then_they_begin_with_the_part() -> None:
    prose = "We make anvils. " * 60
    text = (
        f"Cover\nPART I. FINANCIAL INFORMATION\nBalance Sheet\n{prose}\nItem 2. Management's Discussion\n{prose}\n"
        f"PART II. OTHER INFORMATION\nItem 1. Legal Proceedings\nNone.\nItem 6. Exhibits\nNone.\n"
    )
    sections = split_sections(ReadableText(text=text), "10-Q")
    assert [section.item for section in sections] == ["", "I.1", "I.2", "II.1", "II.6"]
    assert sections[1].heading == "Part I, Item 1. Financial Statements"


def test_quarterly_items_when_their_numbers_come_twice_then_the_parts_tell_them_apart() -> None:
    prose = "We make anvils. " * 20
    text = (
        f"PART I. FINANCIAL INFORMATION\nItem 1. Financial Statements\n{prose}\n"
        f"Item 2. Management's Discussion\n{prose}\n"
        f"PART II - OTHER INFORMATION\nItem 1.\nLegal Proceedings\n{prose}\nItem 2.\nSomething unusual\n{prose}\n"
    )
    sections = split_sections(ReadableText(text=text), "10-Q/A")
    assert [section.item for section in sections] == ["I.1", "I.2", "II.1", "II.2"]
    assert sections[3].heading == "Part II, Item 2. Something unusual"


_PIECES = st.sampled_from(
    [
        "Item 1. Business",
        "ITEM 1A",
        "Item 7. Management's Discussion",
        "PART II",
        "Competition",
        "Competition. We compete with Ajax.",
        "Signatures",
        "Item 5.02 Departure",
        "Item 9",
        "",
        "    ",
        "1",
        "We make anvils. " * 20,
    ]
)


@given(st.lists(_PIECES | st.text(max_size=20), max_size=30), st.sampled_from(["10-K", "10-Q", "8-K", "20-F", "6-K"]))
def test_any_text_when_split_then_sections_tile_it(lines: list[str], form: str) -> None:
    text = "\n".join(lines)
    sections = split_sections(ReadableText(text=text), form)
    assert _tiles(text, sections)
    assert bool(sections) == bool(text)


@given(
    st.lists(st.tuples(st.sampled_from(["p", "b", "td", "h2", "tr", "pre", "hr"]), _PIECES | st.text(max_size=20))),
    st.sampled_from(["10-K", "10-Q", "8-K", "20-F"]),
)
def test_any_markup_when_read_and_split_then_sections_tile_its_text(blocks: list[tuple[str, str]], form: str) -> None:
    readable = read_document("<html><body>" + "".join(f"<{tag}>{text}</{tag}>" for tag, text in blocks))
    assert _tiles(readable.text, split_sections(readable, form))
    for emphasis in readable.emphases:
        assert readable.text[emphasis.start : emphasis.end].strip()
    assert not set("\x00\x01\x02\x03\x04\x05\x06\x07\x08") & set(readable.text)
    assert isinstance(competition_text(readable.text), str)
