"""Filings as texts: every recorded file is read or refused by name, and press releases are part of an 8-K."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar import filing_text
from activities.adapters.edgar.eight_k_items import filing_items
from activities.adapters.edgar.filing_facts import document_facts, filing_facts
from activities.adapters.edgar.filing_text import FilingText, read_filing, read_loose
from activities.adapters.edgar.full_submission import (
    FullSubmission,
    Party,
    SubmissionDocument,
    parse_documents,
    parse_full_submission,
)
from activities.adapters.edgar.html_text import document_text
from activities.adapters.edgar.sections import competition_text
from domain.documents import DatePrecision, Section, SourceDocument
from domain.errors import SourceFormatError, StonksError
from tests.conftest import shared_data
from tests.edgar.conftest import NOW

Read = Callable[[str], bytes]
MARKS = frozenset(chr(code) for code in range(9)) | {"\x1f"}


def _submission(form: str, *documents: tuple[str, str], items: Sequence[str] = ()) -> FullSubmission:
    return FullSubmission(
        accession="0000000077-24-000001",
        form=form,
        parties=(Party(role="filer", name="ACME", cik="0000000077"),),
        filed=date(2024, 5, 1),
        items=tuple(items),
        documents=tuple(SubmissionDocument(type=type_, body=body) for type_, body in documents),
    )


def _is_whole(found: FilingText) -> bool:
    """Whether the sections tile the text, which holds no mark of its making and makes a document."""
    edges = [0, *(section.end for section in found.sections)]
    SourceDocument(
        title=found.title,
        text=found.text,
        sections=tuple(Section(heading=part.heading, start=part.start, end=part.end) for part in found.sections),
        published_at=NOW,
        precision=DatePrecision.DAY,
        location="a",
    )
    tiles = edges == [*(section.start for section in found.sections), len(found.text)]
    return tiles and not MARKS & set(found.text) and found.text == found.text.strip("\n")


def test_every_recorded_file_when_read_then_it_is_text_or_refused_by_name() -> None:
    read, loose, slowest = 0, 0, 0.0
    unread: set[str] = set()
    refused: list[tuple[str, str]] = []
    for path in sorted(shared_data("sec/filings").glob("*/*")):
        body = path.read_bytes()
        body = gzip.decompress(body) if path.suffix == ".gz" else body
        form = {"SC13D": "SC 13D", "POSAM": "POS AM", "S-3-A": "S-3/A"}.get(path.parent.name, path.parent.name)
        started = time.process_time()
        try:
            submission = parse_full_submission(body)
        except SourceFormatError as no_submission:
            unread.add(no_submission.code)
            try:
                found = read_loose(body, form)
            except SourceFormatError as unusable:
                refused.append((path.name, unusable.code))
                continue
            facts = document_facts(parse_documents(body)[0].body)
            loose += 1
        else:
            found = read_filing(submission)
            facts = filing_facts(submission)
            assert submission.form == form, path
            assert found.items == filing_items(submission)
            assert found.title.startswith(f"{form} ")
            read += 1
        slowest = max(slowest, time.process_time() - started)
        assert _is_whole(found), path
        assert len(found.text) > 90, path
        assert found.rejects == ()
        assert facts.rejected == 0
    assert (read, loose, refused) == (41, 30, [])
    assert unread == {"EDGAR_NO_DOCUMENT", "EDGAR_HEADER_UNUSABLE"}
    assert slowest < 5


@pytest.mark.parametrize(
    ("name", "sections", "says"),
    [
        (
            "2024-03-08_3M-CO.txt",
            [
                "Cover",
                "Item 8.01. Other Events",
                "Item 9.01. Financial Statements and Exhibits",
                "Signatures",
                "EX-99.1",
            ],
            "3M Board of Directors Approves Spin-off of Solventum",
        ),
        ("2025-12-19_Meta-Platforms-Inc.txt", ["Cover", "5.02", "Signatures"], "Powell McCormick"),
    ],
)
def test_real_8k_when_read_then_its_press_release_is_a_section_of_it(
    sec: Read, name: str, sections: list[str], says: str
) -> None:
    submission = parse_full_submission(sec(f"filings/8-K/{name}"))
    found = read_filing(submission, cik=submission.parties[0].cik)
    assert len(found.sections) == len(sections)
    for section, heading in zip(found.sections, sections, strict=True):
        assert heading in section.heading
    assert says.lower() in found.text.lower()
    for document in submission.documents:
        if document.type.startswith("EX-99"):
            release = found.sections[-1]
            assert found.text[release.start : release.end] == document_text(document.body)
            assert len(document_text(document.body)) > 1_000


def test_real_periodic_report_when_read_then_its_exhibits_stay_out(sec: Read) -> None:
    submission = parse_full_submission(sec("filings/10-K/2023-05-26_CarMax-Auto-Owner-Trust-2019.txt"))
    assert len(submission.documents) > 3
    found = read_filing(submission)
    assert found.text == document_text(submission.main_document().body)
    assert not any(section.heading.startswith("EX-") for section in found.sections)
    assert found.items == ()


def test_real_release_when_it_has_no_header_then_it_is_read_by_its_own_type(sec: Read) -> None:
    found = read_loose(sec("filings/8-K/2024_Buckle-Inc-EX-99-1.html"), "8-K")
    assert (found.title, [section.heading for section in found.sections]) == ("EX-99.1", ["EX-99.1"])
    assert "Net sales" in found.text
    assert any(line.count(" | ") >= 2 and line.startswith("SALES, Net") for line in found.text.splitlines())


def test_real_xml_forms_when_read_then_each_value_is_a_line(sec: Read) -> None:
    notice = read_loose(sec("filings/144/undated_Apple.xml"), "144").text.splitlines()
    assert "issuer name: Apple Inc." in notice
    table = read_loose(sec("filings/13F-HR/undated_infotable-only.xml"), "13F-HR").text
    assert "name of issuer: " in table
    assert "<" not in table


def test_releases_when_long_then_they_are_cut_at_a_line_and_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filing_text, "MAXIMUM_EXHIBIT", 100)
    monkeypatch.setattr(filing_text, "MAXIMUM_EXHIBITS", 150)
    monkeypatch.setattr(filing_text, "_LEAST_ROOM", 50)
    long = "\n".join(["Sales rose by a tenth."] * 20)
    found = read_filing(
        _submission(
            "8-K/A",
            ("8-K/A", "Item 8.01 Other Events\nSee exhibit."),
            ("EX-10.1", "a contract"),
            ("EX-99.1", long),
            ("EX-99", "begin 644 a.pdf\nM"),
            ("ex-99.2", long),
            ("EX-99.3", long),
            ("EX-101.SCH", "<xsd/>"),
        )
    )
    assert [section.heading for section in found.sections] == ["Item 8.01. Other Events", "EX-99.1", "EX-99.2"]
    first, second = found.sections[1:3]
    assert found.text[first.start : first.end].strip() == "\n".join(["Sales rose by a tenth."] * 4)
    assert found.text[second.start : second.end].strip() == "\n".join(["Sales rose by a tenth."] * 2)
    assert _is_whole(found)
    assert "a contract" not in found.text
    assert found.items == ("8.01",)


def test_6k_when_it_only_covers_a_release_then_the_release_is_its_text() -> None:
    found = read_filing(_submission("6-K", ("6-K", "<html><p>FORM 6-K</p></html>"), ("EX-99.1", "<p>We settled.</p>")))
    assert [section.heading for section in found.sections] == ["6-K", "EX-99.1"]
    assert found.text == "FORM 6-K\n\nWe settled."


def test_8k_when_its_main_document_is_empty_then_the_release_alone_is_its_text() -> None:
    found = read_filing(_submission("8-K", ("8-K", ""), ("EX-99.1", "We settled."), items=["Other Events"]))
    assert (found.text, [section.heading for section in found.sections]) == ("We settled.", ["EX-99.1"])
    assert (found.title, found.items) == ("8-K ACME: Other Events", ("8.01",))


def test_file_when_it_has_no_text_then_it_is_an_error() -> None:
    for body in (b"", b"<html></html>", b"<DOCUMENT>\n<TYPE>8-K\n<TEXT>\n</TEXT>\n</DOCUMENT>"):
        with pytest.raises(SourceFormatError, match="EDGAR_DOCUMENT_EMPTY"):
            read_loose(body, "8-K")
    with pytest.raises(SourceFormatError, match="EDGAR_DOCUMENT_UNUSABLE"):
        read_loose(b"<DOCUMENT>\n<TEXT>\na\n</TEXT>\n</DOCUMENT>", "8-K")


_LONG = 3_000


@pytest.mark.parametrize(
    "body",
    [
        "<html>" + "<table><tr><td>" * _LONG,
        "<html>" + "<tr><td>1</td>" * _LONG,
        "<html>" + "<p><b>Item 1. Business</b>" * _LONG,
        "<html>" + "<b>" * _LONG + "x",
        "<html>" + "<hr><p>7</p>" * _LONG,
        "<html><table>" + "<tr><td><a href='#a'>Item 1. Business</a>" * _LONG,
        "<html><p>" + "A" * 200_000,
        "<html><p>" + "Aa " * 50_000,
        "<html><p>Item 1." + " ." * 100_000,
        "<html><p style='" + "font:" * 100_000 + "'>x",
        "<html>" + "<" * 100_000,
        "Item 1. " * 30_000,
        "Item 1A\n" * 8_000,
        "ITEM 9.01, 9.01, " * 50_000,
        "PART II\n" * 20_000,
        "\n \n" * 50_000 + "x",
        "<PAGE>\n1\nhead\n" * 5_000,
        "<?xml version='1.0'?>" + "<a>" * 20_000,
        "<a>" + "<b>x</b>" * 20_000 + "</a>",
    ],
)
def test_document_when_hostile_then_it_is_read_in_bounded_time(body: str) -> None:
    started = time.process_time()
    for form in ("10-K", "8-K"):
        with suppress(StonksError):
            read_loose(body.encode(), form)
    competition_text(body)
    assert time.process_time() - started < 5


@given(st.binary(max_size=200), st.sampled_from(["10-K", "8-K", "4", "6-K"]))
def test_any_bytes_when_read_then_nothing_but_our_errors_is_raised(body: bytes, form: str) -> None:
    for whole in (body, b"<html><p>" + body, b"<DOCUMENT>\n<TYPE>EX-99.1\n<TEXT>\n" + body + b"</TEXT>\n</DOCUMENT>"):
        with suppress(StonksError):
            assert _is_whole(read_loose(whole, form))
