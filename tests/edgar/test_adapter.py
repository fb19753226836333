"""Rounds of the adapter on recorded listings and filings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.adapters.edgar.adapter import FILINGS, first, judge, read
from domain.documents import Credibility, RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError, VendorThrottled
from domain.fetching import HttpRequest, SourcePage
from domain.sources import EdgarFilingsConfig
from tests.edgar.conftest import NOW, answered

Read = Callable[[str], bytes]


def _config(**changed: Any) -> EdgarFilingsConfig:
    values: dict[str, Any] = {
        "ciks": ("749647", "0001677077"),
        "forms": ("424B5",),
        "user_agent": "Example Research ops@example.com",
        "since": date(2025, 12, 31),
    }
    return EdgarFilingsConfig(**{**values, **changed})


def _listing(accessions: list[str], day: str = "2024-05-01") -> bytes:
    recent = {
        "accessionNumber": accessions,
        "filingDate": [day] * len(accessions),
        "acceptanceDateTime": [f"{day}T16:00:00.000Z"] * len(accessions),
        "form": ["424B5"] * len(accessions),
        "primaryDocument": ["a.htm"] * len(accessions),
    }
    return json.dumps({"cik": "749647", "name": "A", "filings": {"recent": recent}}).encode()


def test_real_round_when_run_then_both_companies_filings_become_documents(sec: Read) -> None:
    config = _config()
    recorded = {
        "https://data.sec.gov/submissions/CIK0000749647.json": sec("submissions/CIK0000749647.json"),
        "https://data.sec.gov/submissions/CIK0001677077.json": sec("submissions/CIK0001677077.json"),
        "https://www.sec.gov/Archives/edgar/data/749647/000149315225029712/0001493152-25-029712.txt": sec(
            "filings/424B5/2025-12-31_Imunon-Inc.txt"
        ),
        "https://www.sec.gov/Archives/edgar/data/1677077/000121465926002941/0001214659-26-002941.txt": sec(
            "filings/424B5/2026-03-06_Alzamend-Neuro-Inc.txt.gz"
        ),
    }

    def run(cursor: str) -> list[SourcePage]:
        pages: list[SourcePage] = []
        request: HttpRequest | None = first(config, cursor, NOW)
        while request is not None:
            assert request.headers == {"User-Agent": "Example Research ops@example.com"}
            body = recorded.get(request.url)
            answer = answered(body, url=request.url) if body else answered(b"", 404, request.url)
            pages.append(read(config, cursor, answer, NOW))
            cursor, request = pages[-1].cursor, pages[-1].next
            assert request is None or request == first(config, cursor, NOW)
            assert len(pages) < 200
        return pages

    pages = run("")
    documents = [document for page in pages for document in page.documents]
    by_ticker = {document.tickers[1]: document for document in documents}
    assert by_ticker["IMNN"].title == "424B5 Imunon, Inc."
    assert by_ticker["IMNN"].published_at == datetime(2025, 12, 31, 13, 15, 19, tzinfo=UTC)
    assert by_ticker["ALZN"].published_at == datetime(2026, 3, 6, 21, 46, 18, tzinfo=UTC)
    assert len(documents) == 2
    again = run(pages[-1].cursor)
    assert len(again) == 2
    assert not any(page.documents for page in again)


def test_real_insider_report_when_read_then_its_text_says_what_was_done(sec: Read) -> None:
    config = _config(ciks=("1750",), forms=("4",), since=date(2025, 1, 1))
    cursor = '{"cik":"0000001750","paged":true,"tried":true,"pending":["000112760225001055"],"tickers":["AIR"]}'
    page = read(config, cursor, answered(sec("filings/4/2025-01-10_AAR-Corp.txt")), NOW)
    (document,) = page.documents
    assert document.title == "4 AAR CORP, Garascia Jessica A."
    assert document.published_at == datetime(2025, 1, 10, 21, 7, 30, tzinfo=UTC)
    assert "2025-01-10: disposed of 1500 Common Stock at 66.903, code S; 37565 held after it" in document.text
    assert (document.sections[0].start, document.sections[-1].end) == (0, len(document.text))
    assert page.next is None


def test_listing_when_a_day_has_more_filings_than_allowed_then_the_rest_are_refused_by_name() -> None:
    config = _config(ciks=("749647",), since=date(2024, 1, 1))
    accessions = [f"0000749647-24-{number:06d}" for number in range(35)]
    page = read(config, "", answered(_listing(accessions)), NOW)
    assert len(json.loads(page.cursor)["pending"]) == 30
    assert [refused.excerpt for refused in page.rejects] == accessions[30:]
    assert len(page.cursor) < 4_000


def test_filing_when_unusable_then_it_is_refused_and_the_next_follows() -> None:
    config = _config(ciks=("749647",), since=date(2024, 1, 1))
    page = read(config, "", answered(_listing(["0000749647-24-000001", "0000749647-24-000002"])), NOW)
    page = read(config, page.cursor, answered(b"<html>"), NOW)
    assert page.rejects[0].reason is RejectReason.MALFORMED_ROW
    assert page.next is not None
    assert page.next.url.endswith("0000749647-24-000002.txt")
    page = read(config, page.cursor, answered(b"", 404), NOW)
    assert (page.rejects, page.next) == ((), None)


def test_answer_when_throttled_then_the_cursor_is_not_passed(sec: Read) -> None:
    with pytest.raises(VendorThrottled):
        read(_config(), "", answered(sec("error_responses/rate_exceeded_page.html"), 403), NOW)
    with pytest.raises(VendorThrottled):
        judge(answered(sec("error_responses/rate_exceeded_page.html"), 403))
    judge(answered(b"", 404))
    assert (FILINGS.first, FILINGS.judge, FILINGS.read) == (first, judge, read)


def test_listing_when_it_is_another_companys_then_it_is_unusable() -> None:
    with pytest.raises(SourceFormatError, match="EDGAR_LISTING_UNUSABLE"):
        read(_config(ciks=("1",)), "", answered(_listing([])), NOW)


@pytest.mark.parametrize(
    "changed",
    [
        {"user_agent": "Mozilla/5.0"},
        {"user_agent": "ops@example.com\nX: y"},
        {"ciks": ()},
        {"ciks": ("AAPL",)},
        {"ciks": tuple(str(number) for number in range(1, 12))},
        {"forms": ("UPLOAD",)},
        {"forms": ()},
        {"form": "8-K"},
    ],
)
def test_configuration_when_wrong_then_it_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _config(**changed)


def test_configuration_when_good_then_ciks_have_ten_digits_and_the_source_is_official() -> None:
    config = _config(ciks=("1750", "0000001750"))
    assert config.ciks == ("0000001750",)
    assert config.credibility is Credibility.OFFICIAL


def test_cursor_when_not_ours_then_it_is_invalid() -> None:
    for cursor in (
        "x",
        "[]",
        '{"pending":["../../a"]}',
        '{"pages":["../a"]}',
        '{"marks":{"1":{"day":"2024-01-01","taken":"zz"}}}',
        '{"marks":{"1":{"day":"2024-01-01","missing":["1"]}}}',
    ):
        with pytest.raises(InvalidInput):
            first(_config(), cursor, NOW)


@given(st.binary(max_size=200), st.sampled_from(["", '{"cik":"0001677077","pending":["000112760225001055"]}']))
def test_any_answer_when_read_then_nothing_but_our_errors_is_raised(body: bytes, cursor: str) -> None:
    try:
        read(_config(), cursor, answered(body), NOW)
    except StonksError:
        return
