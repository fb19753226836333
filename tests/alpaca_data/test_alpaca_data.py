"""Alpaca's recorded news and bars, corrections, paging, HTML, and answers that are wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.alpaca_data.bars import bars_request, read_bars
from activities.adapters.alpaca_data.html_text import html_text
from activities.adapters.alpaca_data.news import first_request, read
from domain.documents import RejectReason
from domain.errors import SourceFormatError, StonksError, VendorRejected
from domain.fetching import HttpAnswer
from domain.sources import AlpacaNewsConfig
from tests.conftest import shared_data

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONFIG = AlpacaNewsConfig(since=datetime(2020, 1, 1, tzinfo=UTC))
TESTS = "api/alpaca/alpaca-py-tests"
READERS: tuple[Callable[[HttpAnswer], Any], ...] = (lambda answer: read(CONFIG, "", answer, NOW), read_bars)


def answer(body: object, status: int = 200, url: str = "https://data.alpaca.markets/v1beta1/news") -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url=url, body=data, fetched_at=NOW)


def recorded(name: str) -> HttpAnswer:
    return answer(shared_data(name).read_bytes())


def article(number: int, updated: str = "2024-11-07T09:16:41Z", **changes: object) -> dict[str, object]:
    return {
        "id": number,
        "headline": f"Headline {number}",
        "created_at": "2024-11-07T09:16:41Z",
        "updated_at": updated,
    } | changes


def test_news_when_recorded_then_it_is_read_and_the_token_followed_with_the_same_start() -> None:
    page = read(CONFIG, "", recorded(f"{TESTS}/historical_news_data__get_news_1.json"), NOW)
    [document] = page.documents
    assert (document.title, document.text, document.tickers) == ("headline", "summary", ("AAPL", "QCOM"))
    assert document.published_at == datetime(2024, 8, 18, 20, 15, 44, tzinfo=UTC)
    assert document.location == "alpaca news 40432158"
    assert page.next is not None
    assert page.next.params["page_token"] == "MTczMDk3MTEwMTAwMDAwMDAwMHw0MTc5OTExNQ=="
    assert [each.name for each in page.next.credentials] == ["APCA-API-KEY-ID", "APCA-API-SECRET-KEY"]
    last = read(CONFIG, page.cursor, recorded(f"{TESTS}/historical_news_data__get_news_2.json"), NOW)
    assert last.next is None
    assert last.documents[0].publisher == "benzinga"
    url = "https://data.alpaca.markets/v1beta1/news?start=2024-01-01T00%3A00%3A00Z&page_token=a"
    page = read(CONFIG, "", answer({"news": [], "next_page_token": "b"}, url=url), NOW)
    assert page.next is not None
    assert page.next.params["start"] == "2024-01-01T00:00:00Z"


def test_article_when_it_is_corrected_then_the_correction_is_a_new_document_of_its_own_time() -> None:
    first = read(CONFIG, "", answer({"news": [article(7)]}), NOW)
    again = read(CONFIG, first.cursor, answer({"news": [article(7), article(8)]}), NOW)
    assert [each.story for each in again.documents] == ["alpaca:8"]
    corrected = article(7, "2024-11-08T10:00:00Z", headline="Headline 7, corrected")
    third = read(CONFIG, again.cursor, answer({"news": [corrected]}), NOW)
    [found] = third.documents
    assert found.published_at == datetime(2024, 11, 8, 10, tzinfo=UTC)
    assert found.location == "alpaca news 7 changed 2024-11-08T10:00:00+00:00"
    assert found.story == first.documents[0].story == "alpaca:7"
    assert found.doc_id() != first.documents[0].doc_id()
    assert first_request(CONFIG, third.cursor, NOW).params["start"] == "2024-11-08T10:00:00Z"


def test_content_when_it_is_html_then_its_visible_text_is_kept() -> None:
    page = "<p>Profit rose 5&nbsp;% &amp; sales <b>fell</b>.</p><script>x()</script><!-- n --><ul><li>One<li>Two</ul>"
    assert html_text(page) == "Profit rose 5 % & sales fell.\nOne\nTwo"
    found = read(CONFIG, "", answer({"news": [article(1, content=page, summary="Short")]}), NOW)
    assert found.documents[0].text.startswith("Profit rose 5 % & sales fell.")


@pytest.mark.parametrize(
    "piece", ["<", "<!", "<!--", "<a ", "<a b='", "&#", "</", "<![CDATA[", "<?", "<script>", "<p>"]
)
def test_html_when_it_is_hostile_then_it_is_read_in_time(piece: str) -> None:
    begun = time.thread_time()
    html_text(piece * (200_000 // len(piece)))
    assert time.thread_time() - begun < 10


@given(st.text(max_size=200))
def test_html_when_it_is_anything_then_it_is_read(page: str) -> None:
    html_text(page)


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"headline": None}, "headline", RejectReason.MALFORMED_ROW),
        ({"headline": ""}, "headline", RejectReason.MISSING_VALUE),
        ({"id": "7"}, "id", RejectReason.MALFORMED_ROW),
        ({"updated_at": 1}, "updated_at", RejectReason.INVALID_DATE),
        ({"updated_at": "2090-01-01T00:00:00Z"}, "updated_at", RejectReason.DATE_IN_FUTURE),
        ({"created_at": "2090-01-01T00:00:00Z"}, "updated_at", RejectReason.DATE_IN_FUTURE),
        ({"symbols": "AAPL"}, "symbols", RejectReason.MALFORMED_ROW),
        ({"content": "x" * 200_001}, "content", RejectReason.LINE_TOO_LONG),
        ({"content": "\ud800"}, "content", RejectReason.INVALID_ENCODING),
    ],
)
def test_article_when_a_field_is_wrong_then_it_alone_is_refused_and_the_field_named(
    change: dict[str, object], column: str, reason: RejectReason
) -> None:
    page = read(CONFIG, "", answer({"news": [article(1) | change, article(2, new_field=[])]}), NOW)
    assert [(each.column, each.reason, each.line) for each in page.rejects] == [(column, reason, 1)]
    assert [each.title for each in page.documents] == ["Headline 2"]


def test_news_when_it_is_refused_or_unusable_then_the_error_says_why() -> None:
    with pytest.raises(VendorRejected, match=r"forbidden\."):
        read(CONFIG, "", answer({"message": "forbidden."}, 403), NOW)
    backwards = {"news": [article(1, "2024-11-09T00:00:00Z"), article(2)], "next_page_token": "a"}
    bodies: list[object] = [{}, {"news": {}}, {"news": [], "next_page_token": 5}, backwards]
    for body in bodies:
        with pytest.raises(SourceFormatError):
            read(CONFIG, "", answer(body), NOW)
    own_page = answer({"news": [], "next_page_token": "a"}, url="https://data.alpaca.markets/v1beta1/news?page_token=a")
    with pytest.raises(SourceFormatError, match="its own page"):
        read(CONFIG, "", own_page, NOW)


def test_bars_when_daily_then_they_are_exact_and_of_new_yorks_day() -> None:
    page = read_bars(recorded(f"{TESTS}/historical_stock_data__get_bars_1.json"))
    assert [each.session for each in page.bars] == [date(2022, 2, 1), date(2022, 2, 2)]
    assert (page.bars[0].high, page.bars[0].volume) == (Decimal("174.84"), 85_998_033)
    assert page.next_page_token == "QUFQTHxEfDIwMjItMDItMDJUMDU6MDA6MDAuMDAwMDAwMDAwWg=="
    page = read_bars(recorded(f"{TESTS}/historical_stock_data__multisymbol_get_bars_1.json"))
    assert [(each.symbol, each.close) for each in page.bars] == [
        ("AAPL", Decimal("162.95")),
        ("TSLA", Decimal("858.97")),
    ]
    page = read_bars(recorded(f"{TESTS}/historical_stock_data__get_bars_desc_1.json"))
    assert [each.session for each in page.bars] == [date(2023, 9, 27), date(2023, 9, 26), date(2023, 9, 25)]
    request = bars_request(CONFIG, ("AAPL", "TSLA"), date(2022, 3, 9), date(2022, 3, 9), "t")
    assert (request.params["adjustment"], request.params["page_token"]) == ("raw", "t")


@pytest.mark.parametrize("name", ["stock_bars.json", "crypto_bars.json", "option_bars.json"])
def test_bars_when_within_a_day_then_each_is_refused_by_its_time(name: str) -> None:
    page = read_bars(recorded(f"api/alpaca/recorded_haannbboo/{name}"))
    assert page.bars == ()
    assert [(each.column, each.line) for each in page.rejects] == [("t", 1), ("t", 2)]


@pytest.mark.parametrize(
    ("change", "column"),
    [({"o": "1"}, "o"), ({"h": 1}, ""), ({"v": -1.5}, "v"), ({"l": -1}, "l"), ({"t": "2022-03-09"}, "t")],
)
def test_bar_when_a_figure_is_wrong_then_it_is_refused_by_name(change: dict[str, object], column: str) -> None:
    good = {"t": "2022-03-09T05:00:00Z", "o": 2, "h": 3, "l": 1.5, "c": 2.5, "v": 10}
    page = read_bars(answer({"bars": {"X": [good | change, good], "no symbol": [good]}}))
    assert len(page.bars) == 1
    assert [each.column for each in page.rejects] == [column, "symbol"]


def test_every_recorded_answer_when_read_by_any_reader_then_only_errors_of_ours_are_raised() -> None:
    files = [*shared_data(TESTS).glob("*.json"), *shared_data("api/alpaca/recorded_haannbboo").glob("*.json")]
    assert len(files) >= 80
    for path in files:
        for reader in READERS:
            with suppress(StonksError):
                reader(answer(path.read_bytes()))


NAMES = ("news", "bars", "next_page_token", "id", "headline", "created_at", "updated_at", "X", "t", "o", "symbols")


@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["2024-01-01T05:00:00Z", "x", "\ud800", ""]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_reading_when_bytes_are_anything_then_only_errors_of_ours_are_raised(body: bytes) -> None:
    for reader in READERS:
        with suppress(StonksError):
            reader(answer(body))
