"""Listings of filings; the filings' own headers are the independent witness of their times."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.edgar.full_submission import parse_full_submission
from activities.adapters.edgar.submissions import parse_older_page, parse_submissions, read_acceptance
from domain.documents import RejectReason
from domain.errors import SourceFormatError, StonksError

Read = Callable[[str], bytes]


def _listing(**changed: list[Any]) -> bytes:
    recent = {
        "accessionNumber": ["0000000077-24-000002", "0000000077-24-000001"],
        "filingDate": ["2024-05-01", "2024-04-01"],
        "reportDate": ["", "2024-03-31"],
        "acceptanceDateTime": ["2024-05-01T16:00:00.000Z", "2024-04-01T16:00:00.000Z"],
        "form": ["8-K", "10-Q"],
        "items": ["2.02,9.01", ""],
        "primaryDocument": ["a.htm", "b.htm"],
        **changed,
    }
    return json.dumps({"cik": "77", "name": "ACME", "tickers": ["ACM"], "filings": {"recent": recent}}).encode()


@pytest.mark.parametrize(
    ("name", "company", "filings"),
    [("CIK0000320193", "Apple Inc.", 1005), ("CIK0001318605", "Tesla, Inc.", 1002), ("CIK0000350001", None, 0)],
)
def test_real_listing_when_parsed_then_every_filing_is_there(
    sec: Read, name: str, company: str | None, filings: int
) -> None:
    page = parse_submissions(sec(f"submissions/{name}.json"))
    assert len(page.filings) == filings
    assert page.rejects == ()
    assert company is None or page.company == company
    assert all(f"CIK{filing.cik}" == name for filing in page.filings)


def test_real_older_page_when_parsed_then_it_continues_its_listing(sec: Read) -> None:
    page = parse_submissions(sec("submissions/CIK0001318605.json"))
    (older_page,) = page.older_pages
    assert older_page.name == "CIK0001318605-submissions-001.json"
    assert (older_page.number(), str(older_page.first), str(older_page.last)) == ("001", "2005-02-17", "2018-02-11")
    assert page.tickers == ("TSLA",)
    older = parse_older_page(sec(f"submissions/{older_page.name}"), cik=page.cik, company=page.company)
    assert len(older.filings) == 720
    assert max(filing.filed for filing in older.filings) <= min(filing.filed for filing in page.filings)


def test_real_listing_when_it_names_several_older_pages_then_the_oldest_comes_first(sec: Read) -> None:
    page = parse_submissions(sec("submissions/CIK0000310522.json"))
    assert [older.number() for older in page.older_pages] == ["003", "002", "001"]
    assert page.rejects == ()


@pytest.mark.parametrize(
    "file",
    [
        {"name": "../../CIK0000000077-submissions-001.json", "filingFrom": "2020-01-01", "filingTo": "2020-02-01"},
        {"name": "CIK0000000078-submissions-001.json", "filingFrom": "2020-01-01", "filingTo": "2020-02-01"},
        {"name": "CIK0000000077-submissions-001.json", "filingFrom": "2020-01-01", "filingTo": "soon"},
        {"name": "CIK0000000077-submissions-001.json"},
        "CIK0000000077-submissions-001.json",
    ],
)
def test_listing_when_an_older_page_is_named_wrongly_then_it_is_refused_and_the_filings_stand(file: Any) -> None:
    listing = json.loads(_listing())
    listing["filings"]["files"] = [file]
    page = parse_submissions(json.dumps(listing).encode())
    assert page.older_pages == ()
    assert len(page.filings) == 2
    assert page.rejects[0].column in ("files", "filingFrom", "filingTo")


@pytest.mark.parametrize(
    ("listing", "path"),
    [
        ("CIK0001814722", "F-3/2025-03-19_TR-Finance-LLC.txt"),
        ("CIK0001796129", "S-3/2025-01-24_Vincerx-Pharma-Inc.txt"),
        ("CIK0001796129", "POSAM/2025-05-01_Vincerx-Pharma-Inc.txt"),
        ("CIK0000749647", "424B5/2025-12-31_Imunon-Inc.txt"),
        ("CIK0001677077", "424B5/2026-03-06_Alzamend-Neuro-Inc.txt.gz"),
        ("CIK0000320193", "UPLOAD/2024-05-16_Apple-Inc.txt"),
    ],
)
def test_real_acceptance_when_compared_with_the_header_then_it_is_one_of_both_readings(
    sec: Read, listing: str, path: str
) -> None:
    header = parse_full_submission(sec(f"filings/{path}"))
    page = parse_submissions(sec(f"submissions/{listing}.json"))
    filing = next(filing for filing in page.filings if filing.accession == header.accession)
    assert (filing.form, filing.filed) == (header.form, header.filed)
    assert header.accepted_at in (filing.accepted_earliest, filing.accepted_latest)
    assert header.accepted_at is not None
    assert filing.accepted_latest >= header.accepted_at


@pytest.mark.parametrize(
    ("label", "earliest", "latest"),
    [
        ("2024-05-01T16:00:00.000Z", 16, 20),
        ("2024-05-01T23:30:00.000Z", 23, 23),
        ("2024-05-01T07:00:00.000Z", 11, 11),
        ("2024-05-01T00:00:00.000Z", 4, 4),
    ],
)
def test_acceptance_when_only_one_reading_is_possible_then_it_is_taken(label: str, earliest: int, latest: int) -> None:
    found = read_acceptance(label)
    assert (found[0].hour, found[1].hour) == (earliest, latest)


def test_listing_when_parsed_then_values_are_typed() -> None:
    first, second = parse_submissions(_listing()).filings
    assert (first.items, first.period, second.period) == (("2.02", "9.01"), None, date(2024, 3, 31))
    assert first.accepted_earliest == datetime(2024, 5, 1, 16, tzinfo=UTC)
    assert first.submission_url() == (
        "https://www.sec.gov/Archives/edgar/data/77/000000007724000002/0000000077-24-000002.txt"
    )


def test_listing_when_a_value_is_bad_then_that_filing_alone_is_refused() -> None:
    page = parse_submissions(_listing(filingDate=["2024-13-01", "2024-04-01"], form=["8-K", "10-Q"]))
    assert [filing.form for filing in page.filings] == ["10-Q"]
    (refused,) = page.rejects
    assert (refused.column, refused.reason, refused.line) == ("filingDate", RejectReason.INVALID_DATE, 1)
    assert "'2024-13-01' found" in refused.detail


@pytest.mark.parametrize("column", ["form", "filingDate", "items", "primaryDocument"])
def test_listing_when_columns_are_uneven_then_it_is_unusable(column: str) -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_COLUMNS_UNEVEN") as raised:
        parse_submissions(_listing(**{column: ["8-K"]}))
    assert raised.value.fields[column] == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"[" * 100_000, b'{"filings": []}', b'{"filings":{"recent":{}},"cik":1,"name":"a"}', b"9" * 9_000],
)
def test_listing_when_hostile_then_it_is_unusable(body: bytes) -> None:
    with pytest.raises(SourceFormatError):
        parse_submissions(body)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.binary(max_size=100), st.sampled_from(["form", "items", "filingDate", "acceptanceDateTime"]), _VALUES)
def test_any_value_when_parsed_then_nothing_but_our_errors_is_raised(noise: bytes, column: str, value: Any) -> None:
    for body in (noise, _listing(**{column: [value, value]}), _listing(**{column: value})):
        try:
            parse_submissions(body)
        except StonksError:
            continue
