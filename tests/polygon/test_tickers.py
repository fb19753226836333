"""Rounds over what the vendor knows about companies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.polygon.sources import TICKERS
from domain.documents import RejectReason
from domain.errors import InvalidInput, StonksError, VendorRejected
from domain.fetching import HttpAnswer, HttpRequest
from domain.registry import Alias, CompanyDetails, NameKind
from domain.sources import PolygonTickersConfig
from tests.conftest import shared_data
from tests.polygon.vendor import answer
from tests.polygon.walking import walk

NOW = datetime(2024, 1, 8, 22, tzinfo=UTC)
MOCKS = "api/polygon/client-python-mocks"


def config(*symbols: str) -> PolygonTickersConfig:
    return PolygonTickersConfig(symbols=symbols)


def details(ticker: str, **changes: object) -> dict[str, object]:
    return {"results": {"ticker": ticker, "name": f"{ticker} Inc.", "primary_exchange": "XNYS", "type": "CS"} | changes}


def history(*changes: tuple[str, str]) -> dict[str, object]:
    events = [{"type": "ticker_change", "date": day, "ticker_change": {"ticker": ticker}} for day, ticker in changes]
    return {"results": {"name": "X", "events": events}}


def vendor(known: dict[str, tuple[Any, Any]]) -> Callable[[HttpRequest], HttpAnswer]:
    """Answers of details and of history by ticker; None: not found."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        is_history = request.url.endswith("/events")
        ticker = request.url.removesuffix("/events").rpartition("/")[2]
        body = known.get(ticker, (None, None))[is_history]
        return answer({"status": "NOT_FOUND"}, 404) if body is None else answer(body)

    return _ask


def test_recorded_details_when_read_then_the_company_comes_with_its_history() -> None:
    apple = shared_data(f"{MOCKS}/v3/reference/tickers/AAPL.json").read_bytes()
    name = f"{MOCKS}/vX/reference/tickers/META/events_and_types-ticker_change.json"
    meta = (details("META", cik="0001326801"), shared_data(name).read_bytes())
    pages = walk(TICKERS, config("AAPL", "META"), vendor({"AAPL": (apple, None), "META": meta}), NOW)
    assert [len(page.companies) for page in pages] == [0, 1, 0, 1]
    assert not any(page.rejects for page in pages)
    assert pages[1].companies[0] == CompanyDetails(
        symbol="AAPL",
        name="Apple Inc.",
        kind="stock",
        exchange="NASDAQ",
        cik="0000320193",
        industry="Electronic computers",
        active_from=date(1980, 12, 12),
    )
    assert pages[3].companies[0].exchange == "NYSE"
    assert pages[3].companies[0].aliases == (
        Alias(alias="FB", kind=NameKind.TICKER, valid_from=date(2012, 5, 18), valid_to=date(2022, 6, 10)),
        Alias(alias="META", kind=NameKind.TICKER, valid_from=date(2022, 6, 11)),
    )


def test_history_when_a_ticker_came_back_or_was_given_up_then_only_what_was_before_the_last_time_is_former() -> None:
    told = history(
        ("2020-01-01", "A"), ("2010-01-01", "A"), ("2015-01-01", "B"), ("2015-01-01", "C"), ("2023-01-01", "D")
    )
    [_, page] = walk(TICKERS, config("A"), vendor({"A": (details("A"), told)}), NOW)
    assert [(each.alias, str(each.valid_from), str(each.valid_to)) for each in page.companies[0].aliases] == [
        ("C", "2015-01-01", "2019-12-31"),
        ("A", "2020-01-01", "None"),
    ]
    [_, page] = walk(TICKERS, config("X"), vendor({"X": (details("X"), told)}), NOW)
    assert page.companies[0].aliases == ()
    assert [each.reason for each in page.rejects] == [RejectReason.UNKNOWN_TICKER]


def test_company_when_it_is_delisted_or_of_an_unknown_kind_then_it_is_kept_as_far_as_it_is_known() -> None:
    changes: dict[str, object] = {
        "active": False,
        "delisted_utc": "2021-03-01T05:00:00Z",
        "type": "WARRANT",
        "primary_exchange": "XXXX",
        "cik": "n/a",
        "sic_description": "Mixed Case",
    }
    [_, page] = walk(TICKERS, config("A"), vendor({"A": (details("A", **changes), None)}), NOW)
    assert page.companies == (
        CompanyDetails(symbol="A", name="A Inc.", exchange="XXXX", industry="Mixed Case", active_to=date(2021, 3, 1)),
    )


def test_symbol_when_it_is_unknown_anothers_or_unreadable_then_it_is_refused_and_the_next_follows() -> None:
    known: dict[str, tuple[Any, Any]] = {
        "OTHER": (details("B"), None),
        "BAD": (details("BAD", market_cap="big"), None),
        "ODD": (details("ODD"), {"results": []}),
        "FINE": (details("FINE"), history(("2010-01-01", "FINE"))),
    }
    pages = walk(TICKERS, config("GONE", "OTHER", "BAD", "ODD", "FINE"), vendor(known), NOW)
    assert [each.symbol for page in pages for each in page.companies] == ["ODD", "FINE"]
    assert [(each.file, each.column) for page in pages for each in page.rejects] == [
        ("polygon tickers", "ticker"),
        ("polygon tickers", "ticker"),
        ("polygon tickers", "market_cap"),
        ("polygon ticker events", ""),
    ]


def test_judge_when_a_ticker_is_unknown_then_it_passes_and_a_refusal_within_a_success_does_not() -> None:
    TICKERS.judge(answer({"status": "NOT_FOUND"}, 404))
    with pytest.raises(VendorRejected, match="not entitled"):
        TICKERS.judge(answer({"status": "NOT_AUTHORIZED", "message": "You are not entitled"}))


@given(st.lists(st.booleans(), max_size=12))
def test_companies_when_interrupted_anywhere_then_each_comes_once(interruptions: list[bool]) -> None:
    known = {
        name: (details(name, name="x" * 20_000), history(("2010-01-01", "OLD"), ("2012-01-01", name)))
        for name in "ABCD"
    }
    pages = walk(TICKERS, config(*"ABCD"), vendor(known), NOW, interruptions=interruptions)
    companies = [each for page in pages for each in page.companies]
    assert [each.symbol for each in companies] == list("ABCD")
    assert all([alias.alias for alias in each.aliases] == ["OLD", each.symbol] for each in companies)
    assert TICKERS.first(config(*"ABCD"), pages[-1].cursor, NOW) == TICKERS.first(config(*"ABCD"), "", NOW)


@pytest.mark.parametrize("cursor", ["x", '{"details": {}}', '{"at": 5}', '{"marks": ""}'])
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        TICKERS.first(config("A"), cursor, NOW)


_WORDS = ("results", "ticker", "events", "type", "date", "ticker_change", "name", "A", "list_date", "2020-01-01")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(_WORDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
        max_leaves=20,
    ),
    st.sampled_from(["", '{"at":"A","details":{"symbol":"A"}}']),
)
def test_answer_when_it_is_any_json_then_only_errors_of_ours_are_raised(body: object, cursor: str) -> None:
    try:
        TICKERS.read(config("A"), cursor, answer({"results": body} if cursor else body), NOW)
    except StonksError:
        return
