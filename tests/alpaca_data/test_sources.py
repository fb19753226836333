"""Rounds of Alpaca's news and daily bars, interrupted anywhere, and what their sources refuse."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.alpaca_data.sources import BARS, NEWS
from activities.adapters.contract import SourceAdapter
from domain.documents import NEW_YORK, RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError, VendorRejected, VendorThrottled
from domain.fetching import HttpAnswer, HttpRequest
from domain.sources import AlpacaBarsConfig, AlpacaNewsConfig
from tests.conftest import shared_data
from tests.polygon.walking import walk

MONDAY = date(2024, 1, 8)
SINCE = date(2024, 1, 1)
NEWS_CONFIG = AlpacaNewsConfig(since=datetime(2020, 1, 1, tzinfo=UTC))


def evening(day: date, hour: int = 17) -> datetime:
    return datetime.combine(day, time(hour), NEW_YORK).astimezone(UTC)


NOW = evening(MONDAY)


def config(*symbols: str) -> AlpacaBarsConfig:
    return AlpacaBarsConfig(symbols=symbols, since=SINCE)


SOURCES: dict[str, tuple[SourceAdapter, Any]] = {"news": (NEWS, NEWS_CONFIG), "bars": (BARS, config("AAPL", "TSLA"))}


def answer(body: object, status: int = 200, url: str = "https://data.alpaca.markets/v2/stocks/bars") -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url=url, body=data, fetched_at=NOW)


def bar(day: date) -> dict[str, object]:
    opens = datetime.combine(day, time(0), NEW_YORK).astimezone(UTC)
    return {"t": opens.strftime("%Y-%m-%dT%H:%M:%SZ"), "o": 2, "h": 3, "l": 1, "c": 2, "v": day.toordinal()}


def bars_vendor(traded: dict[str, list[date]], size: int) -> Callable[[HttpRequest], HttpAnswer]:
    """The bars endpoint: by symbol first, then by time, as it is documented; a token belongs to its request."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        params = request.params
        asked = f"{params['symbols']}/{params['start']}"
        token_of, _, place = params.get("page_token", f"{asked}|0").partition("|")
        assert token_of == asked
        start, end = date.fromisoformat(params["start"]), date.fromisoformat(params["end"])
        found = [
            (symbol, day)
            for symbol in sorted(params["symbols"].split(","))
            for day in sorted(traded.get(symbol, ()))
            if start <= day <= end
        ]
        page: dict[str, list[dict[str, object]]] = {}
        for symbol, day in found[int(place) : int(place) + size]:
            page.setdefault(symbol, []).append(bar(day))
        more = int(place) + size < len(found)
        return answer({"bars": page, "next_page_token": f"{asked}|{int(place) + size}" if more else None})

    return _ask


def news_vendor(articles: list[dict[str, Any]], size: int) -> Callable[[HttpRequest], HttpAnswer]:
    """The news endpoint: by the time of an article's last change."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        since = request.params["start"]
        found = [each for each in articles if each["updated_at"] >= since]
        place = int(request.params.get("page_token", "0"))
        more = str(place + size) if place + size < len(found) else None
        url = f"{request.url}?start={since}&page_token={place}"
        return answer({"news": found[place : place + size], "next_page_token": more}, url=url)

    return _ask


_DAYS = st.sets(st.integers(min_value=0, max_value=25), max_size=10).map(
    lambda numbers: [day for day in (SINCE + timedelta(days=each) for each in sorted(numbers)) if day.weekday() < 5]
)


@settings(max_examples=80)
@given(
    traded=st.dictionaries(st.sampled_from(["A", "BRK.B", "KO", "ZZ"]), _DAYS, max_size=4),
    size=st.integers(min_value=1, max_value=6),
    interruptions=st.lists(st.booleans(), max_size=40),
    pauses=st.lists(st.integers(min_value=0, max_value=24), max_size=2),
)
def test_bars_when_interrupted_anywhere_then_none_is_lost_or_doubled(
    traded: dict[str, list[date]], size: int, interruptions: list[bool], pauses: list[int]
) -> None:
    vendor, cursor, found = bars_vendor(traded, size), "", Counter[tuple[str, date]]()
    for last in (*sorted(pauses), 25):
        now = evening(SINCE + timedelta(days=last))
        pages = walk(BARS, config("ZZ", "A", "KO", "BRK.B"), vendor, now, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        for page in pages:
            assert page.rejects == ()
            found += Counter((each.symbol, each.session) for each in page.bars)
    assert found == {(symbol, day): 1 for symbol, days in traded.items() for day in days}


@settings(max_examples=60)
@given(
    seconds=st.lists(st.integers(min_value=0, max_value=6), max_size=15),
    size=st.integers(min_value=1, max_value=6),
    interruptions=st.lists(st.booleans(), max_size=30),
    known_at_first=st.integers(min_value=0, max_value=15),
)
def test_news_when_interrupted_anywhere_then_each_article_comes_once(
    seconds: list[int], size: int, interruptions: list[bool], known_at_first: int
) -> None:
    articles = [
        {"id": number, "headline": "x", "created_at": "2024-01-07T00:00:00Z", "updated_at": f"2024-01-08T00:00:0{at}Z"}
        for number, at in enumerate(sorted(seconds))
    ]
    found: list[str] = []
    cursor = ""
    for known in (articles[:known_at_first], articles, articles):
        vendor = news_vendor(known, size)
        pages = walk(NEWS, NEWS_CONFIG, vendor, NOW, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found += [document.story for page in pages for document in page.documents]
    assert found == [f"alpaca:{each['id']}" for each in articles]


def test_symbols_when_one_stopped_trading_or_is_new_then_each_is_asked_from_its_own_last_bar() -> None:
    days = [SINCE + timedelta(days=each) for each in (0, 1, 2, 3, 4, 7)]
    vendor = bars_vendor({"A": days, "DEAD": days[:2], "B": days, "NEW": days}, 100)
    pages = walk(BARS, config("A", "DEAD", "B"), vendor, NOW)
    assert [len(page.bars) for page in pages] == [14]
    asked: list[tuple[str, str]] = []

    def _noting(request: HttpRequest) -> HttpAnswer:
        asked.append((request.params["symbols"], request.params["start"]))
        return vendor(request)

    later = walk(BARS, config("A", "DEAD", "B", "NEW"), _noting, evening(MONDAY, 18), cursor=pages[-1].cursor)
    assert asked == [("A", "2024-01-08"), ("DEAD", "2024-01-03"), ("NEW", "2024-01-01")]
    assert [len(page.bars) for page in later] == [0, 0, 6]


def test_recorded_bars_when_more_follow_then_the_token_belongs_to_the_same_request() -> None:
    apple = AlpacaBarsConfig(symbols=("AAPL",), since=date(2022, 2, 1))
    name = "api/alpaca/alpaca-py-tests/historical_stock_data__get_bars_1.json"
    page = BARS.read(apple, "", answer(shared_data(name).read_bytes()), NOW)
    assert [str(each.session) for each in page.bars] == ["2022-02-01", "2022-02-02"]
    assert page.next is not None
    assert page.next.params["page_token"].startswith("QUFQTHxEfDIwMjItMDIt")
    assert (page.next.params["start"], page.next.params["end"]) == ("2022-02-01", "2024-01-08")
    assert BARS.first(apple, page.cursor, evening(date(2024, 1, 9))) == page.next
    with pytest.raises(SourceFormatError, match="its own page"):
        BARS.read(apple, page.cursor, answer(shared_data(name).read_bytes()), NOW)
    # The token is good for its own symbols; where one of them is wanted no more, the others are asked for anew.
    assert BARS.first(AlpacaBarsConfig(symbols=("TSLA", "AAPL"), since=date(2022, 2, 1)), page.cursor, NOW) == page.next
    asked = BARS.first(AlpacaBarsConfig(symbols=("TSLA",), since=date(2022, 2, 1)), page.cursor, NOW)
    assert isinstance(asked, HttpRequest)
    assert (asked.params["symbols"], asked.params["start"]) == ("TSLA", "2022-02-01")
    assert "page_token" not in asked.params


def test_recorded_empty_bars_when_read_then_the_round_ends() -> None:
    for name in ("get_bars_multi_empty_response_1", "get_bars_single_empty_response_1"):
        body = shared_data(f"api/alpaca/alpaca-py-tests/historical_stock_data__{name}.json").read_bytes()
        page = BARS.read(config("AAPL"), "", answer(body), NOW)
        assert (page.bars, page.rejects, page.next) == ((), (), None)


def test_bar_when_its_session_is_not_over_or_it_is_anothers_or_doubled_then_it_is_refused() -> None:
    body = {"bars": {"AAPL": [bar(date(2024, 1, 5)), bar(date(2024, 1, 5)), bar(MONDAY)], "KO": [bar(SINCE)]}}
    page = BARS.read(config("AAPL"), "", answer(body), evening(MONDAY, 16))
    assert [each.session for each in page.bars] == [date(2024, 1, 5)]
    assert [each.reason for each in page.rejects] == [
        RejectReason.DUPLICATE_BAR,
        RejectReason.DATE_IN_FUTURE,
        RejectReason.UNKNOWN_TICKER,
    ]
    backwards = {"bars": {"AAPL": [bar(MONDAY), bar(date(2024, 1, 5))]}, "next_page_token": "a"}
    with pytest.raises(SourceFormatError, match="out of order"):
        BARS.read(config("AAPL"), "", answer(backwards), NOW)


def test_cursor_when_there_are_two_hundred_long_symbols_then_it_fits() -> None:
    symbols = tuple(f"A{number:019d}" for number in range(200))
    body = {"bars": {symbol: [bar(MONDAY)] for symbol in symbols}, "next_page_token": "a" * 1_000}
    page = BARS.read(config(*symbols), "", answer(body), NOW)
    assert len(page.bars) == 200
    assert len(page.cursor) < 20_000


@pytest.mark.parametrize("name", SOURCES)
def test_every_recorded_answer_when_judged_and_read_then_only_errors_of_ours_are_raised(name: str) -> None:
    adapter, its_config = SOURCES[name]
    files = sorted(shared_data("api/alpaca").rglob("*.json"))
    assert len(files) >= 80
    for path in files:
        if path.parent.name != "openapi":
            with suppress(StonksError):
                adapter.judge(answer(path.read_bytes()))
                adapter.read(its_config, "", answer(path.read_bytes()), NOW)


@pytest.mark.parametrize("name", SOURCES)
def test_refusal_when_judged_then_it_is_what_it_stands_for(name: str) -> None:
    judge = SOURCES[name][0].judge
    with pytest.raises(VendorRejected, match=r"forbidden\."):
        judge(answer({"message": "forbidden."}, 403))
    with pytest.raises(VendorRejected):
        judge(answer({"message": "unauthorized."}, 401))
    with pytest.raises(VendorThrottled):
        judge(answer({"message": "too many requests."}, 429))
    judge(answer(b"<html>"))


_WORDS = ("bars", "news", "next_page_token", "AAPL", "t", "o", "h", "l", "c", "v", "2024-01-05T05:00:00Z")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(_WORDS),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5),
        max_leaves=20,
    ),
    st.text(max_size=40),
)
def test_answer_and_cursor_when_they_are_anything_then_only_errors_of_ours_are_raised(
    body: object, cursor: str
) -> None:
    for adapter, its_config in SOURCES.values():
        for used in ("", cursor):
            with suppress(StonksError):
                adapter.read(its_config, used, answer(body), NOW)
                adapter.first(its_config, used, NOW)


@pytest.mark.parametrize(
    "cursor", ["x", "[]", '{"marks": {"AAPL": "9999-12-31"}}', '{"paging": {"symbols": []}}', '{"at": 1}', "\ud800"]
)
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        BARS.first(config("AAPL"), cursor, NOW)
