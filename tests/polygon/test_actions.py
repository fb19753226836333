"""Rounds of splits and dividends: whole days, announced ones, and pages that end anywhere."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.polygon.actions import OVERLAP
from activities.adapters.polygon.sources import ACTIONS
from domain.documents import RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest
from domain.market import CorporateAction
from domain.sources import PolygonActionsConfig
from tests.conftest import shared_data
from tests.polygon.vendor import actions, answer
from tests.polygon.walking import rounds, walk

NOW = datetime(2024, 1, 8, 22, tzinfo=UTC)
REFERENCE = "api/polygon/client-python-mocks/v3/reference"


def config(*symbols: str, since: date = date(2023, 1, 1)) -> PolygonActionsConfig:
    return PolygonActionsConfig(symbols=symbols, since=since)


def dividend(symbol: str, day: object, amount: float = 1.0) -> dict[str, Any]:
    return {"ticker": symbol, "ex_dividend_date": str(day), "cash_amount": amount}


def split(symbol: str, day: object, new: int = 2) -> dict[str, Any]:
    return {"ticker": symbol, "execution_date": str(day), "split_from": 1, "split_to": new}


def test_symbol_when_read_then_its_splits_come_first_and_a_days_dividends_are_one() -> None:
    records = [
        dividend("KO", "2023-03-01", 0.25),
        dividend("KO", "2023-03-01", 1.5),
        dividend("KO", "2024-03-14", 0.5),
        dividend("KO", "2023-05-01", 0),
        split("KO", "2023-03-01", 3),
    ]
    [splits, dividends] = walk(ACTIONS, config("KO"), actions(records), NOW)
    assert splits.actions == (CorporateAction(symbol="KO", ex_date=date(2023, 3, 1), split_ratio=Decimal(3)),)
    assert [(each.ex_date, each.cash_dividend) for each in dividends.actions] == [
        (date(2023, 3, 1), Decimal("1.75")),
        (date(2024, 3, 14), Decimal("0.5")),
    ]
    assert all(each.split_ratio == 1 for each in dividends.actions)


def test_recorded_actions_when_read_then_those_of_other_tickers_are_refused_by_name() -> None:
    google = config("GOOGL", since=date(2020, 1, 1))
    page = ACTIONS.read(google, "", answer(shared_data(f"{REFERENCE}/splits.json").read_bytes()), NOW)
    assert [(each.symbol, each.ex_date, each.split_ratio) for each in page.actions] == [
        ("GOOGL", date(2022, 7, 18), 20)
    ]
    assert len(page.rejects) == 8  # of ten records; two more are of one ticker
    assert {each.reason for each in page.rejects} == {RejectReason.UNKNOWN_TICKER}
    assert page.next is not None
    assert page.next.url.endswith("/v3/reference/dividends")
    fund = config("CSSEN", since=date(2020, 1, 1))
    body = shared_data(f"{REFERENCE}/dividends.json").read_bytes()
    page = ACTIONS.read(fund, '{"at":"CSSEN","kind":"dividends"}', answer(body), NOW)
    days = [each["ex_dividend_date"] for each in json.loads(body)["results"] if each["ticker"] == "CSSEN"]
    assert [str(each.ex_date) for each in page.actions] == days
    assert page.next is None


def test_round_when_it_follows_another_then_it_begins_some_days_before_that_and_what_comes_again_is_equal() -> None:
    records = [dividend("KO", "2024-03-14", 0.5), dividend("KO", "2023-06-01", 0.4)]
    vendor = actions(records)
    later = NOW + timedelta(days=7)
    first, second = rounds(ACTIONS, config("KO"), vendor, [NOW, later])
    assert first[1].actions[-1] in second[1].actions
    assert len(second[1].actions) == 1
    records.append(dividend("KO", "2024-01-05", 9))
    [*_, third] = walk(ACTIONS, config("KO"), vendor, later, cursor=second[-1].cursor)
    assert [str(each.ex_date) for each in third.actions] == ["2024-01-05", "2024-03-14"]
    start = ACTIONS.first(config("KO"), first[-1].cursor, later)
    assert isinstance(start, HttpRequest)
    assert start.params["execution_date.gte"] == str(date(2024, 1, 8) - OVERLAP)


def test_round_when_it_rested_in_the_middle_of_a_symbol_then_its_mark_is_the_day_that_it_began() -> None:
    page = ACTIONS.read(config("KO"), "", answer({"results": []}), NOW)
    page = ACTIONS.read(config("KO"), page.cursor, answer({"results": []}), NOW + timedelta(days=60))
    start = ACTIONS.first(config("KO"), page.cursor, NOW)
    assert isinstance(start, HttpRequest)
    assert start.params["execution_date.gte"] == str(date(2024, 1, 8) - OVERLAP)


def test_symbol_when_it_is_new_or_unknown_then_it_is_read_from_the_beginning_again() -> None:
    vendor = actions([dividend("KO", "2023-02-01"), dividend("PEP", "2023-02-01")])

    def _only_known(request: HttpRequest) -> HttpAnswer:
        return answer({}, 404) if request.params["ticker"] == "GONE" else vendor(request)

    pages = walk(ACTIONS, config("KO", "GONE"), _only_known, NOW)
    assert [len(page.rejects) for page in pages] == [0, 0, 1]
    again = walk(ACTIONS, config("PEP", "GONE", "KO"), _only_known, NOW, cursor=pages[-1].cursor)
    assert [[each.symbol for each in page.actions] for page in again] == [[], ["PEP"], [], [], []]


def test_day_when_it_fills_more_than_an_answer_then_it_is_refused_and_the_rest_follows() -> None:
    records = [dividend("KO", "2023-02-01", number + 1) for number in range(5)] + [dividend("KO", "2023-03-01")]
    pages = walk(ACTIONS, config("KO"), actions(records, size=3), NOW)
    assert [str(each.ex_date) for page in pages for each in page.actions] == ["2023-03-01"]
    assert [each.reason for page in pages for each in page.rejects] == [RejectReason.MALFORMED_ROW]
    assert "2023-02-01" in next(each.detail for page in pages for each in page.rejects)


def test_page_when_nothing_on_it_can_be_used_then_the_vendors_next_one_is_asked_for() -> None:
    bad = {"results": [{"ticker": "KO"}], "next_url": "https://api.massive.com/v3/reference/splits?cursor=a"}
    page = ACTIONS.read(config("KO"), "", answer(bad), NOW)
    assert page.next is not None
    assert page.next.url.endswith("cursor=a")
    assert ACTIONS.first(config("KO"), page.cursor, NOW) == ACTIONS.first(config("KO"), "", NOW)
    backwards = [split("KO", "2023-03-01"), split("KO", "2023-02-01")]
    with pytest.raises(SourceFormatError, match="out of order"):
        ACTIONS.read(config("KO"), "", answer(bad | {"results": backwards}), NOW)


_RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["A", "BRK.B", "KO"]),
        st.integers(min_value=0, max_value=500),
        st.integers(min_value=2, max_value=9),
        st.booleans(),
    ),
    max_size=14,
)


@settings(max_examples=80)
@given(
    drawn=_RECORDS,
    spare=st.integers(min_value=1, max_value=3),
    interruptions=st.lists(st.booleans(), max_size=40),
    split_at=st.integers(min_value=0, max_value=14),
)
def test_actions_when_interrupted_anywhere_then_whole_days_come_once_in_a_round_and_none_is_lost(
    drawn: list[tuple[str, int, int, bool]], spare: int, interruptions: list[bool], split_at: int
) -> None:
    day_of = {number: date(2023, 1, 1) + timedelta(days=number) for number in range(501)}
    records = [
        split(symbol, day_of[number], size) if is_split else dividend(symbol, day_of[number], size)
        for symbol, number, size, is_split in drawn
    ]
    expected: dict[tuple[str, date, bool], Decimal] = {}
    counts: dict[tuple[str, date, bool], int] = defaultdict(int)
    for symbol, number, size, is_split in drawn:
        key = (symbol, day_of[number], is_split)
        counts[key] += 1
        before = expected.get(key)
        joined = Decimal(size) if before is None else before * size if is_split else before + size
        expected[key] = joined
    vendor = actions(records, size=max(counts.values(), default=1) + spare)
    all_three, cursor = config("A", "BRK.B", "KO"), ""
    for _ in range(2):
        pages = walk(ACTIONS, all_three, vendor, NOW, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found = [
            (each.symbol, each.ex_date, each.split_ratio != 1, each.cash_dividend or each.split_ratio)
            for page in pages
            for each in page.actions
        ]
        known_from = date(2023, 1, 1) if _ == 0 else date(2024, 1, 8) - OVERLAP
        assert sorted(found) == sorted((*key, value) for key, value in expected.items() if key[1] >= known_from)
        assert not any(page.rejects for page in pages)


def test_cursor_when_there_are_two_thousand_long_symbols_then_it_fits() -> None:
    symbols = tuple(f"{number:020d}" for number in range(2_000))
    marks = ",".join(f"{day}:{symbol}" for day, symbol in zip(range(738_000, 740_000), symbols, strict=True))
    cursor = json.dumps({"at": symbols[0], "kind": "dividends", "since": "2024-01-01", "marks": marks})
    page = ACTIONS.read(config(*symbols), cursor, answer({"results": []}), NOW)
    assert len(page.cursor) < MAXIMUM_CURSOR_CHARACTERS


@pytest.mark.parametrize("cursor", ["x", '{"kind": "other"}', '{"since": "9999-12-31"}', '{"marks": "a"}', "1"])
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        ACTIONS.first(config("KO"), cursor, NOW)


@given(st.text(max_size=60), st.binary(max_size=60))
def test_cursor_and_answer_when_they_are_anything_then_only_errors_of_ours_are_raised(cursor: str, body: bytes) -> None:
    try:
        ACTIONS.first(config("KO"), cursor, NOW)
        ACTIONS.read(config("KO"), cursor, answer(body), NOW)
    except StonksError:
        return
