"""What all of Polygon's sources have in common: recorded answers, refusals, and news that is interrupted anywhere."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.contract import SourceAdapter
from activities.adapters.polygon.sources import ACTIONS, BARS, NEWS, TICKERS
from domain.errors import NotFound, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.fetching import HttpRequest
from domain.sources import PolygonActionsConfig, PolygonBarsConfig, PolygonNewsConfig, PolygonTickersConfig
from tests.conftest import shared_data
from tests.polygon.vendor import NOW, answer, news
from tests.polygon.walking import walk

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
NEWS_CONFIG = PolygonNewsConfig(since=SINCE)
SOURCES: dict[str, tuple[SourceAdapter, Any, str]] = {
    "news": (NEWS, NEWS_CONFIG, ""),
    "bars": (BARS, PolygonBarsConfig(symbols=("AAPL",), since=date(2005, 1, 3)), ""),
    "sessions": (BARS, PolygonBarsConfig(since=date(2005, 1, 3)), ""),
    "splits": (ACTIONS, PolygonActionsConfig(symbols=("AAPL",), since=date(2005, 1, 3)), ""),
    "dividends": (
        ACTIONS,
        PolygonActionsConfig(symbols=("AAPL",), since=date(2005, 1, 3)),
        '{"at":"AAPL","kind":"dividends"}',
    ),
    "details": (TICKERS, PolygonTickersConfig(symbols=("AAPL",)), ""),
    "history": (TICKERS, PolygonTickersConfig(symbols=("META",)), '{"at":"META","details":{"symbol":"META"}}'),
}


@pytest.mark.parametrize("name", SOURCES)
def test_first_request_when_made_then_it_goes_to_the_configured_host_with_the_key_in_a_header(name: str) -> None:
    adapter, config, cursor = SOURCES[name]
    request = adapter.first(config, cursor, NOW)
    assert isinstance(request, HttpRequest)
    assert request.url.startswith("https://api.massive.com/v")
    assert [each.reference for each in request.credentials] == ["polygon_api_key"]
    other = config.model_copy(update={"base_url": "https://api.polygon.io"})
    assert adapter.first(other, cursor, NOW).url == request.url.replace("massive.com", "polygon.io")


@pytest.mark.parametrize("name", SOURCES)
def test_every_recorded_answer_when_judged_and_read_then_only_errors_of_ours_are_raised(name: str) -> None:
    adapter, config, cursor = SOURCES[name]
    files = sorted(shared_data("api/polygon").rglob("*.json"))
    assert len(files) >= 40
    for path in files:
        for status in (200, 404, 500):
            with suppress(StonksError):
                adapter.judge(answer(path.read_bytes(), status))
                adapter.read(config, cursor, answer(path.read_bytes(), status), NOW)


@pytest.mark.parametrize("name", SOURCES)
def test_refusal_when_judged_then_it_is_what_it_stands_for(name: str) -> None:
    adapter = SOURCES[name][0]
    whole = json.loads(shared_data("api/polygon/massive_401_unknown_api_key.json").read_text())
    with pytest.raises(VendorRejected, match="ERROR: Unknown API Key") as raised:
        adapter.judge(answer(whole["body"], whole["status_code"], whole["request"]))
    assert raised.value.code == "VENDOR_CREDENTIALS_REFUSED"
    for status, error in ((403, VendorRejected), (429, VendorThrottled), (503, VendorUnavailable)):
        with pytest.raises(error):
            adapter.judge(answer(b"<html>", status))
    for within in ("ERROR", "NOT_AUTHORIZED"):
        with pytest.raises(VendorRejected, match="too old"):
            adapter.judge(answer({"status": within, "message": "too old for this plan"}))
    # What cannot be read is kept before it is refused.
    adapter.judge(answer(b"<html>"))


@pytest.mark.parametrize("name", SOURCES)
def test_address_when_it_is_not_found_then_one_tickers_passes_and_the_news_do_not(name: str) -> None:
    adapter, config, cursor = SOURCES[name]
    missing = answer({"status": "NOT_FOUND", "message": "Ticker not found."}, 404)
    if name == "news":
        with pytest.raises(NotFound):
            adapter.judge(missing)
        return
    adapter.judge(missing)
    if name not in ("sessions", "history"):
        assert len(adapter.read(config, cursor, missing, NOW).rejects) == 1


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
        {"id": f"a{number}", "title": f"Title {number}", "published_utc": f"2024-01-08T00:00:0{second}Z"}
        for number, second in enumerate(sorted(seconds))
    ]
    found: list[str] = []
    cursor = ""
    for known in (articles[:known_at_first], articles, articles):
        pages = walk(NEWS, NEWS_CONFIG, news(known, size), NOW, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found += [document.story for page in pages for document in page.documents]
    assert found == [f"polygon:{each['id']}" for each in articles]


def test_news_when_the_vendor_adds_an_article_to_an_instant_that_was_read_then_it_is_read_too() -> None:
    first = {"id": "a", "title": "A", "published_utc": "2024-01-08T00:00:00Z"}
    pages = walk(NEWS, NEWS_CONFIG, news([first], 10), NOW)
    vendor = news([first, first | {"id": "b", "title": "B"}], 10)
    [page] = walk(NEWS, NEWS_CONFIG, vendor, NOW + timedelta(hours=1), cursor=pages[-1].cursor)
    assert [each.story for each in page.documents] == ["polygon:b"]
