"""Rounds of reported figures, company after company."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.edgar.companyfacts import parse_company_facts
from activities.adapters.edgar.facts_source import FACTS
from domain.documents import RejectReason
from domain.errors import InvalidInput, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest
from domain.market import ReportedFigure
from domain.sources import EdgarFactsConfig
from tests.edgar.conftest import answered
from tests.polygon.walking import rounds, walk

Read = Callable[[str], bytes]
NOW = datetime(2026, 11, 1, tzinfo=UTC)
USER_AGENT = "Example Research ops@example.com"
UNDECLARED = b"<!DOCTYPE html><html><h1>Your Request Originates from an Undeclared Automated Tool</h1></html>"


def config(*ciks: str, tags: tuple[str, ...] = ("Assets", "Revenues")) -> EdgarFactsConfig:
    return EdgarFactsConfig(ciks=ciks, user_agent=USER_AGENT, tags=tags)


def fact(filed: str, number: int = 1, **changes: object) -> dict[str, object]:
    record = {"end": "2023-12-31", "val": number, "accn": f"0000000077-24-{number:06d}", "form": "10-K", "filed": filed}
    return record | changes


def facts(cik: int, *records: dict[str, object], **tags: list[dict[str, object]]) -> bytes:
    known = {"Assets": list(records), **tags}
    body = {tag: {"units": {"USD": found}} for tag, found in known.items()}
    return json.dumps({"cik": cik, "entityName": "ACME", "facts": {"us-gaap": body}}).encode()


def vendor(bodies: dict[int, bytes]) -> Callable[[HttpRequest], HttpAnswer]:
    def _ask(request: HttpRequest) -> HttpAnswer:
        assert request.headers == {"User-Agent": USER_AGENT}
        cik = int(request.url.removesuffix(".json").rpartition("CIK")[2])
        body = bodies.get(cik)
        return answered(b"", 404, request.url) if body is None else answered(body, url=request.url)

    return _ask


@pytest.mark.parametrize(("name", "cik"), [("CIK0001835632.json.gz", "1835632"), ("snow_facts.json.gz", "1640147")])
def test_real_facts_when_first_read_then_the_wanted_figures_come_exactly_and_once(
    sec: Read, name: str, cik: str
) -> None:
    body = sec(f"companyfacts/{name}")
    wanted = EdgarFactsConfig(ciks=(cik,), user_agent=USER_AGENT)
    found = parse_company_facts(body)
    [page] = walk(FACTS, wanted, vendor({int(cik): body}), NOW)
    assert page.rejects == ()
    assert [(each.tag, each.unit, each.start, each.end, each.value, each.accession) for each in page.reported] == [
        (each.tag, each.unit, each.start, each.end, each.value, each.accession)
        for each in found.facts
        if each.taxonomy in ("us-gaap", "dei") and each.tag in wanted.tags
    ]
    assert len(page.reported) > 200
    again = walk(FACTS, wanted, vendor({int(cik): body}), NOW, cursor=page.cursor)
    assert [each.reported for each in again] == [()]
    [everything] = walk(FACTS, config(cik, tags=()), vendor({int(cik): body}), NOW)
    assert len(everything.reported) == len(found.facts)


def test_request_when_made_then_it_asks_the_data_host_for_ten_digits_and_says_who_asks() -> None:
    mirror = config("77").model_copy(update={"data_url": "https://mirror.example/data"})
    request = FACTS.first(mirror, "", NOW)
    assert isinstance(request, HttpRequest)
    assert request.url == "https://mirror.example/data/api/xbrl/companyfacts/CIK0000000077.json"
    assert request.headers == {"User-Agent": USER_AGENT}


def test_company_when_it_has_no_facts_or_unusable_or_anothers_then_it_is_refused_and_the_next_follows() -> None:
    bodies = {2: b"<html>", 3: facts(9, fact("2024-02-01")), 4: facts(4, fact("2024-02-01"))}
    pages = walk(FACTS, config("1", "2", "3", "4"), vendor(bodies), NOW)
    assert [[each.file for each in page.rejects] for page in pages] == [
        ["CIK0000000001.json"],
        ["CIK0000000002.json"],
        ["CIK0000000003.json"],
        [],
    ]
    assert pages[3].reported == (
        ReportedFigure(
            cik="0000000004",
            taxonomy="us-gaap",
            tag="Assets",
            unit="USD",
            end=date(2023, 12, 31),
            value=Decimal(1),
            form="10-K",
            accession="0000000077-24-000001",
            filed=date(2024, 2, 1),
        ),
    )


def test_round_when_a_filing_of_the_same_day_is_new_then_it_alone_follows() -> None:
    bodies = {77: facts(77, fact("2024-02-01"))}
    first = walk(FACTS, config("77"), vendor(bodies), NOW)
    bodies[77] = facts(77, fact("2024-02-01"), fact("2024-02-01", 2), fact("2024-01-15", 3), fact("2024-03-01", 4))
    second = walk(FACTS, config("77"), vendor(bodies), NOW, cursor=first[-1].cursor)
    assert [each.value for each in second[0].reported] == [2, 4]
    third = walk(FACTS, config("77"), vendor(bodies), NOW, cursor=second[-1].cursor)
    assert third[0].reported == ()


def test_tags_when_they_change_then_everything_is_read_anew() -> None:
    bodies = {77: facts(77, fact("2024-02-01"), Revenues=[fact("2024-02-01")], Other=[fact("2024-02-01")])}
    [page] = walk(FACTS, config("77", tags=("Assets",)), vendor(bodies), NOW)
    assert [each.tag for each in page.reported] == ["Assets"]
    [page] = walk(FACTS, config("77", tags=("Assets", "Revenues")), vendor(bodies), NOW, cursor=page.cursor)
    assert [each.tag for each in page.reported] == ["Assets", "Revenues"]
    [page] = walk(FACTS, config("77", tags=("Revenues", "Assets")), vendor(bodies), NOW, cursor=page.cursor)
    assert page.reported == ()


def test_fact_when_it_is_filed_ahead_or_too_large_then_it_is_refused_and_the_mark_stays() -> None:
    records = [fact("2024-02-01"), fact("2090-01-01", 2), fact("2024-02-01", 3, val=10**29), fact("2024-02-01", 4)]
    records[2]["val"] = "1e30"
    [page] = walk(FACTS, config("77"), vendor({77: facts(77, *records)}), NOW)
    assert [each.value for each in page.reported] == [1, 4]
    assert [(each.column, each.reason) for each in page.rejects] == [
        ("filed", RejectReason.DATE_IN_FUTURE),
        ("val", RejectReason.INVALID_NUMBER),
    ]
    assert '"filed":"2024-02-01"' in page.cursor


def test_cursor_when_there_are_five_hundred_companies_with_busy_days_then_it_fits() -> None:
    ciks = tuple(f"{number:010d}" for number in range(1, 501))
    mark = {"filed": "2024-02-01", "seen": ["a" * 8] * 5}
    seen = walk(FACTS, config("1"), vendor({1: facts(1, fact("2024-02-01"))}), NOW)[0].cursor
    cursor = json.dumps(json.loads(seen) | {"at": ciks[-1], "marks": dict.fromkeys(ciks, mark)}, separators=(",", ":"))
    assert len(cursor) < MAXIMUM_CURSOR_CHARACTERS
    page = FACTS.read(config(*ciks), cursor, answered(facts(500, fact("2024-03-01"))), NOW)
    assert len(page.cursor) < MAXIMUM_CURSOR_CHARACTERS
    assert len(json.loads(page.cursor)["marks"]) == 500


@settings(max_examples=60)
@given(
    drawn=st.lists(
        st.tuples(st.integers(min_value=1, max_value=3), st.integers(min_value=0, max_value=6)), max_size=12
    ),
    gone=st.sets(st.integers(min_value=1, max_value=3), max_size=1),
    interruptions=st.lists(st.booleans(), max_size=8),
    pauses=st.lists(st.integers(min_value=0, max_value=6), max_size=3),
)
def test_figures_when_read_in_any_rounds_then_each_comes_once_and_none_is_lost(
    drawn: list[tuple[int, int]], gone: set[int], interruptions: list[bool], pauses: list[int]
) -> None:
    found: list[tuple[str, Decimal]] = []
    cursor = ""
    for pause in (*sorted(pauses), 6):
        bodies = {
            cik: facts(
                cik,
                *[
                    fact(str(date(2024, 2, 1) + timedelta(days=day)), number)
                    for number, (of, day) in enumerate(drawn)
                    if of == cik and day <= pause
                ],
            )
            for cik in {1, 2, 3} - gone
        }
        pages = walk(FACTS, config("1", "2", "3"), vendor(bodies), NOW, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found += [(each.cik, each.value) for page in pages for each in page.reported]
    expected = [(f"{cik:010d}", Decimal(number)) for number, (cik, _) in enumerate(drawn) if cik not in gone]
    days = [(cik, day) for cik, day in drawn if cik not in gone]
    if max((days.count(each) for each in days), default=0) <= 5:
        assert sorted(found) == sorted(expected)
    else:
        assert set(found) == set(expected)


def test_rounds_when_nothing_is_new_then_the_cursor_stays() -> None:
    bodies = {1: facts(1, fact("2024-02-01")), 2: facts(2)}
    first, second = rounds(FACTS, config("1", "2"), vendor(bodies), [NOW, NOW])
    assert second[-1].cursor == first[-1].cursor


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("http_503.html", 503, VendorUnavailable),
        ("rate_exceeded_page.html", 403, VendorThrottled),
        ("rate_exceeded_page.html", 429, VendorThrottled),
        ("rate_exceeded_page.html", 200, VendorThrottled),
    ],
)
def test_recorded_refusal_when_judged_then_it_is_what_it_stands_for(
    sec: Read, name: str, status: int, error: type[StonksError]
) -> None:
    with pytest.raises(error):
        FACTS.judge(answered(sec(f"error_responses/{name}"), status))
    with pytest.raises(VendorRejected, match="UNDECLARED"):
        FACTS.judge(answered(UNDECLARED, 403))


@pytest.mark.parametrize(("name", "status"), [("http_403.xml", 403), ("http_404.xml", 404)])
def test_recorded_absence_when_judged_then_it_passes_and_is_a_reject(sec: Read, name: str, status: int) -> None:
    absent = answered(sec(f"error_responses/{name}"), status)
    FACTS.judge(absent)
    page = FACTS.read(config("1", "2"), "", absent, NOW)
    assert [each.file for each in page.rejects] == ["CIK0000000001.json"]
    assert page.next is not None


@pytest.mark.parametrize(
    "cursor",
    ["x", "[]", '{"marks": {"1": {}}}', '{"marks": {"1": {"filed": "2024-01-01", "seen": ["abcdefghi"]}}}', "\ud800"],
)
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        FACTS.first(config("1"), cursor, NOW)


_WORDS = ("cik", "entityName", "facts", "us-gaap", "Assets", "units", "USD", "end", "val", "filed", "2024-01-01")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(_WORDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5),
        max_leaves=20,
    ),
    st.binary(max_size=60),
    st.text(max_size=40),
)
def test_answer_and_cursor_when_anything_then_only_errors_of_ours_are_raised(
    body: Any, noise: bytes, cursor: str
) -> None:
    for data in (json.dumps(body).encode(), json.dumps({"cik": 1, "entityName": "A", "facts": body}).encode(), noise):
        FACTS.read(config("1"), "", answered(data), NOW)
        with suppress(StonksError):
            FACTS.read(config("1"), cursor, answered(data), NOW)
