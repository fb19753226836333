"""Polygon's recorded answers, its paging, its errors, and answers that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.polygon.market import (
    bars_request,
    read_bars,
    read_dividends,
    read_splits,
)
from activities.adapters.polygon.news import first_request, read
from activities.adapters.polygon.reference import TickerDetails, read_details, read_history, read_tickers
from domain.documents import Reject, RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError, VendorRejected, VendorThrottled
from domain.fetching import HttpAnswer
from domain.sources import PolygonNewsConfig
from tests.conftest import shared_data

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CONFIG = PolygonNewsConfig(since=datetime(2020, 1, 1, tzinfo=UTC))
MOCKS = "api/polygon/client-python-mocks"
AGGREGATES = f"{MOCKS}/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json"

READERS: tuple[Callable[[HttpAnswer], Any], ...] = (
    lambda answer: read(CONFIG, "", answer, NOW),
    lambda answer: read_bars(CONFIG, answer),
    lambda answer: read_splits(CONFIG, answer),
    lambda answer: read_dividends(CONFIG, answer),
    lambda answer: read_tickers(CONFIG, answer),
    read_details,
    read_history,
)


def answer(body: object, status: int = 200, url: str = "https://api.massive.com/v2/x") -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url=url, body=data, fetched_at=NOW)


def recorded(name: str) -> HttpAnswer:
    return answer(shared_data(name).read_bytes())


def article(number: int, at: str = "2026-09-16T16:32:00Z", **changes: object) -> dict[str, object]:
    return {"id": f"a{number}", "title": f"Title {number}", "published_utc": at, "tickers": ["AAPL"]} | changes


def test_news_when_an_insight_is_mixed_then_it_stands_beside_the_article_in_the_vendors_words() -> None:
    whole = json.loads(shared_data("api/polygon/massive_reference_news_mixed_insight.json").read_text())
    page = read(CONFIG, "", answer(whole["body"]), NOW)
    [found] = page.documents
    told = {each["ticker"]: each for each in whole["body"]["results"][0]["insights"]}
    assert {each.ticker: each.sentiment for each in found.insights} == {
        "UEC": "negative",
        "CCJ": "negative",
        "UUUU": "mixed",
        "URG": "neutral",
    }
    assert all(each.reasoning == told[each.ticker]["sentiment_reasoning"] for each in found.insights)
    assert found.story == f"polygon:{whole['body']['results'][0]['id']}"
    assert found.published_at == datetime(2026, 9, 16, 16, 32, tzinfo=UTC)
    assert found.publisher == "Zacks Investment Research"
    assert found.tickers == ("UEC", "CCJ", "UUUU", "URG")
    assert "mixed" not in found.text
    assert page.next is None


def test_news_when_it_has_no_insights_then_it_is_read_all_the_same() -> None:
    page = read(CONFIG, "", recorded(f"{MOCKS}/v2/reference/news_and_ticker-NFLX.json"), NOW)
    assert page.documents[0].tickers == ("MSFT", "TSN", "NFLX", "AMZN")
    assert page.documents[0].insights == ()


def test_key_when_it_is_unknown_then_the_error_carries_the_vendors_words() -> None:
    whole = json.loads(shared_data("api/polygon/massive_401_unknown_api_key.json").read_text())
    refusal = answer(whole["body"], whole["status_code"], whole["request"])
    for reader in READERS:
        with pytest.raises(VendorRejected, match="ERROR: Unknown API Key") as raised:
            reader(refusal)
        assert raised.value.code == "VENDOR_CREDENTIALS_REFUSED"


def test_answer_when_it_refuses_with_a_success_status_then_it_is_no_empty_page() -> None:
    with pytest.raises(VendorRejected, match="not entitled"):
        read(CONFIG, "", answer({"status": "NOT_AUTHORIZED", "message": "You are not entitled"}), NOW)


def test_vendor_when_it_throttles_or_echoes_a_key_then_the_wait_is_kept_and_the_key_is_not() -> None:
    body = {"status": "ERROR", "error": "too many for key abcdefghijklmnopqrstuvwxyz123456"}
    with pytest.raises(VendorThrottled) as raised:
        read(CONFIG, "", answer(body, 429), NOW)
    assert raised.value.retry_after_seconds == 30
    assert "too many for key" in str(raised.value)
    assert "abcdef" not in str(raised.value)


def test_pages_when_they_overlap_then_nothing_is_lost_and_nothing_doubled() -> None:
    instants = [f"2026-09-16T16:32:0{number // 3}Z" for number in range(12)]
    everything = [article(number, at) for number, at in enumerate(instants)]
    for size in range(1, 13):
        cursor, collected, paused = "", [], set[int]()
        for _ in range(40):
            since = first_request(CONFIG, cursor, NOW).params["published_utc.gte"].removesuffix("Z")
            from_there = [each for each in everything if str(each["published_utc"]).removesuffix("Z") >= since]
            start = 0
            while True:
                following = {"next_url": f"https://api.massive.com/v2/reference/news?cursor={start + size}"}
                more = start + size < len(from_there)
                body = {"results": from_there[max(0, start - 1) : start + size]} | (following if more else {})
                page = read(CONFIG, cursor, answer(body), NOW)
                collected += [each.title for each in page.documents]
                cursor, start = page.cursor, start + size
                assert (page.next is not None) == more
                if not more or (len(collected) % 5 == 0 and len(collected) not in paused):
                    paused.add(len(collected))  # now and then a fetch ends early and another resumes
                    break
            if len(collected) == len(everything):
                break
        assert collected == [each["title"] for each in everything]


def test_news_when_several_tickers_are_wanted_then_others_pass_by_and_the_watermark_moves() -> None:
    config = CONFIG.model_copy(update={"tickers": ("MSFT", "KO")})
    body = {
        "results": [article(1), article(2, "2026-09-17T00:00:00Z", tickers=["KO"]), article(3, "2026-09-18T00:00:00Z")]
    }
    page = read(config, "", answer(body), NOW)
    assert [each.title for each in page.documents] == ["Title 2"]
    assert first_request(config, page.cursor, NOW).params["published_utc.gte"] == "2026-09-18T00:00:00Z"
    assert "ticker" not in first_request(config, "", NOW).params
    assert first_request(CONFIG.model_copy(update={"tickers": ("KO",)}), "", NOW).params["ticker"] == "KO"


def test_news_when_an_article_is_ahead_of_time_then_it_is_refused_and_the_watermark_stays() -> None:
    page = read(CONFIG, "", answer({"results": [article(1), article(2, "2090-01-01T00:00:00Z")]}), NOW)
    assert [(each.column, each.reason) for each in page.rejects] == [("published_utc", RejectReason.DATE_IN_FUTURE)]
    assert first_request(CONFIG, page.cursor, NOW).params["published_utc.gte"] == "2026-09-16T16:32:00Z"


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"title": 3}, "title", RejectReason.MALFORMED_ROW),
        ({"title": ""}, "title", RejectReason.MISSING_VALUE),
        ({"title": "x" * 2_001}, "title", RejectReason.LINE_TOO_LONG),
        ({"published_utc": "yesterday"}, "published_utc", RejectReason.INVALID_DATE),
        ({"published_utc": "2026-09-16T16:32:00"}, "published_utc", RejectReason.INVALID_DATE),
        ({"tickers": ["A", 1]}, "tickers.1", RejectReason.MALFORMED_ROW),
        ({"publisher": "Zacks"}, "publisher", RejectReason.MALFORMED_ROW),
        ({"description": "\ud800"}, "description", RejectReason.INVALID_ENCODING),
        ({"tickers": ["A\x00"]}, "tickers", RejectReason.INVALID_ENCODING),
    ],
)
def test_article_when_a_field_is_wrong_then_it_alone_is_refused_and_the_field_named(
    change: dict[str, object], column: str, reason: RejectReason
) -> None:
    page = read(CONFIG, "", answer({"results": [article(1) | change, article(2), 7]}), NOW)
    assert [each.title for each in page.documents] == ["Title 2"]
    assert [(each.column, each.reason, each.line) for each in page.rejects] == [
        (column, reason, 1),
        ("", RejectReason.MALFORMED_ROW, 3),
    ]


def test_insight_when_its_word_is_unknown_then_the_article_stands_without_it() -> None:
    insights = [{"ticker": "A", "sentiment": "euphoric"}, {"ticker": "B", "sentiment": "positive", "new": 1}, {}]
    page = read(CONFIG, "", answer({"results": [article(1, insights=insights, new_field={})]}), NOW)
    assert [each.ticker for each in page.documents[0].insights] == ["B"]
    assert [(each.file, each.column) for each in page.rejects] == [
        ("polygon news insights.0", "sentiment"),
        ("polygon news insights.2", "ticker"),
    ]
    assert "positive, negative, neutral, mixed" in page.rejects[0].detail


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v2?cursor=a",
        "http://api.massive.com/v2?cursor=a",
        "https://api.massive.com@evil.example/",
        "https://api.massive.com:444/",
        "https://api.massive.com.evil.example/",
        "//evil.example/",
        "https://api.massive.com\\@evil.example/",
        "https://[",
        "https://api.massive.com/v2/x",
        5,
    ],
)
def test_next_page_when_it_is_elsewhere_or_the_same_then_the_answer_is_refused(url: object) -> None:
    with pytest.raises(SourceFormatError):
        read(CONFIG, "", answer({"results": [], "next_url": url}), NOW)


def test_next_page_when_it_is_on_the_configured_host_then_the_key_travels_in_a_header() -> None:
    first = read_tickers(CONFIG, recorded(f"{MOCKS}/v3/reference/tickers.json"))
    assert [each.ticker for each in first.tickers] == ["A", "AA"]
    assert first.next is not None
    assert first.next.url.startswith("https://api.massive.com/v3/reference/tickers?cursor=")
    assert first.next.credentials[0].reference == "polygon_api_key"
    other = CONFIG.model_copy(update={"base_url": "https://api.polygon.io"})
    with pytest.raises(SourceFormatError, match="another host"):
        read_tickers(other, recorded(f"{MOCKS}/v3/reference/tickers.json"))


def test_news_when_it_is_out_of_order_with_more_to_come_then_it_is_refused() -> None:
    body = {"results": [article(1), article(2, "2026-09-16T16:31:00Z")], "next_url": "https://api.massive.com/n?c=1"}
    with pytest.raises(SourceFormatError, match="out of order"):
        read(CONFIG, "", answer(body), NOW)


@pytest.mark.parametrize(
    "name",
    [
        AGGREGATES,
        f"{MOCKS}/v2/aggs/ticker/AAPL/range/1/day/2005-04-02/2005-04-04.json",
        f"{MOCKS}/v2/aggs/ticker/AAPL/prev.json",
        f"{MOCKS}/v2/aggs/grouped/locale/us/market/stocks/2005-04-04_and_adjusted-true.json",
    ],
)
def test_bars_when_they_are_adjusted_or_do_not_say_then_the_whole_answer_is_refused(name: str) -> None:
    with pytest.raises(SourceFormatError, match="adjusted"):
        read_bars(CONFIG, recorded(name))
    with pytest.raises(SourceFormatError, match="adjusted"):
        read_bars(CONFIG, answer(shared_data(name).read_bytes().replace(b'"adjusted": true,', b"")))


def test_bars_when_they_are_raw_then_every_figure_is_exact_and_the_day_is_new_yorks() -> None:
    page = read_bars(CONFIG, answer(shared_data(AGGREGATES).read_bytes().replace(b"true", b"false")))
    assert [each.session for each in page.bars] == [date(2005, 4, 1), date(2005, 4, 4)]
    assert (page.bars[0].open, page.bars[0].close) == (Decimal("1.5032"), Decimal("1.4604"))
    assert page.bars[0].volume == 642_646_396
    assert page.bars[0].symbol == "AAPL"
    grouped = f"{MOCKS}/v2/aggs/grouped/locale/us/market/stocks/2005-04-04_and_adjusted-true.json"
    page = read_bars(CONFIG, answer(shared_data(grouped).read_bytes().replace(b"true", b"false")))
    assert [(each.symbol, each.session) for each in page.bars] == [("GIK", date(2020, 10, 14))]


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        (b'"o": "1.5"', "o", RejectReason.INVALID_NUMBER),
        (b'"o": NaN', "o", RejectReason.INVALID_NUMBER),
        (b'"o": 1e999999999999999999999', "o", RejectReason.INVALID_NUMBER),
        (b'"o": 1.12345678', "o", RejectReason.INVALID_NUMBER),
        (b'"o": -1', "o", RejectReason.NEGATIVE_PRICE),
        (b'"o": 9', "", RejectReason.INCONSISTENT_BAR),
        (b'"o": null', "o", RejectReason.INVALID_NUMBER),
        (b'"o": 1.5, "v": -1.5', "v", RejectReason.INVALID_NUMBER),
        (b'"o": 1.5, "v": true', "v", RejectReason.INVALID_NUMBER),
        (b'"o": 1.5, "t": 1112331660000', "t", RejectReason.INVALID_DATE),
        (b'"o": 1.5, "t": 1112331600000000000000', "t", RejectReason.INVALID_DATE),
        (b'"o": 1.5, "T": "A/B"', "T", RejectReason.MALFORMED_ROW),
    ],
)
def test_bar_when_a_figure_is_wrong_then_it_is_refused_by_name(
    change: bytes, column: str, reason: RejectReason
) -> None:
    good = b'{"h": 2, "l": 1, "c": 1.6, "v": 10.0, "t": 1112331600000, "o": 1.5}'
    bad = good[:-1] + b", " + change + b"}"
    page = read_bars(CONFIG, answer(b'{"ticker": "X", "adjusted": false, "results": [' + bad + b"," + good + b"]}"))
    assert len(page.bars) == 1
    assert [(each.column, each.reason) for each in page.rejects] == [(column, reason)]


def test_bar_when_its_volume_has_a_fraction_then_whole_shares_are_kept() -> None:
    bar = {"T": "X", "o": 1, "h": 1, "l": 1, "c": 1, "v": 9099.618093, "t": 1112331600000}
    [found] = read_bars(CONFIG, answer({"adjusted": False, "results": [bar]})).bars
    assert found.volume == 9_099


def test_bars_when_there_are_none_then_nothing_need_be_said_about_adjusting() -> None:
    for results in ({"results": []}, {"results": None}, {"resultsCount": 0}):
        assert read_bars(CONFIG, answer({"status": "OK", "ticker": "X", **results})).bars == ()


def test_bars_request_when_made_then_it_asks_for_raw_bars_and_takes_no_path() -> None:
    assert bars_request(CONFIG, "BRK.B", date(2024, 1, 2), date(2024, 1, 3)).params["adjusted"] == "false"
    with pytest.raises(InvalidInput):
        bars_request(CONFIG, "../v1", date(2024, 1, 2), date(2024, 1, 3))


def test_splits_when_recorded_then_they_are_new_shares_per_old_share() -> None:
    found = {
        (each.symbol, each.ex_date): each.split_ratio
        for each in read_splits(CONFIG, recorded(f"{MOCKS}/v3/reference/splits.json")).actions
    }
    assert len(found) == 10
    assert found["AMZN", date(2022, 6, 6)] == 20
    assert found["BRW", date(2022, 5, 20)] == Decimal("0.5")
    assert found["CIG.C", date(2022, 5, 2)] * 3 == pytest.approx(Decimal(4))
    bad = read_splits(
        CONFIG, answer({"results": [{"ticker": "X", "execution_date": "2022-01-01", "split_from": 0, "split_to": 2}]})
    )
    assert [(each.column, each.reason) for each in bad.rejects] == [("split_from", RejectReason.INVALID_SPLIT)]


def test_dividends_when_recorded_then_all_are_read_to_the_last_digit() -> None:
    name = f"{MOCKS}/v3/reference/dividends.json"
    told = json.loads(shared_data(name).read_text(), parse_float=str)["results"]
    page = read_dividends(CONFIG, recorded(name))
    assert not page.rejects
    assert [(each.symbol, str(each.ex_date), each.cash_dividend) for each in page.actions] == [
        (each["ticker"], each["ex_dividend_date"], Decimal(each["cash_amount"])) for each in told
    ]
    foreign = {"ticker": "X", "ex_dividend_date": "2022-01-03", "cash_amount": 1, "currency": "CAD"}
    assert read_dividends(CONFIG, answer({"results": [foreign]})).rejects[0].column == "currency"


@pytest.mark.parametrize(
    ("record", "column"),
    [
        ({"ex_dividend_date": "0001-01-01", "cash_amount": 1}, "ex_dividend_date"),
        ({"ex_dividend_date": "2022-01-03", "cash_amount": 10**20}, "cash_amount"),
        ({"execution_date": "9999-12-31", "split_from": 1, "split_to": 2}, "execution_date"),
        ({"execution_date": "2022-01-03", "split_from": 1, "split_to": 10**20}, "split_to"),
    ],
)
def test_action_when_it_cannot_be_then_it_is_refused_by_name(record: dict[str, object], column: str) -> None:
    reader = read_splits if "split_to" in record else read_dividends
    page = reader(CONFIG, answer({"results": [{"ticker": "X"} | record]}))
    assert page.actions == ()
    assert [each.column for each in page.rejects] == [column]


def test_action_when_its_id_comes_again_then_it_is_one_action() -> None:
    record = {"ticker": "X", "ex_dividend_date": "2022-01-03", "cash_amount": 1}
    records = [record | {"id": "a"}, record | {"id": "a"}, record | {"id": "b"}, record, record]
    assert len(read_dividends(CONFIG, answer({"results": records})).actions) == 4


@pytest.mark.parametrize("name", ["AAPL.json", "AAPL_and_date-2020-10-01.json"])
def test_details_when_recorded_then_they_are_typed(name: str) -> None:
    found = read_details(recorded(f"{MOCKS}/v3/reference/tickers/{name}"))
    assert isinstance(found, TickerDetails)
    assert (found.cik, found.primary_exchange, found.kind, found.currency) == ("0000320193", "XNAS", "CS", "USD")
    assert found.shares_outstanding == 16_319_440_000
    assert found.listed_on == date(1980, 12, 12)
    wrong = read_details(answer({"results": {"ticker": "A", "market_cap": "big"}}))
    assert isinstance(wrong, Reject)
    assert wrong.column == "market_cap"


def test_history_when_recorded_then_each_ticker_has_its_first_day() -> None:
    name = f"{MOCKS}/vX/reference/tickers/META/events_and_types-ticker_change.json"
    found = read_history(recorded(name))
    assert [(each.ticker, each.changed_on) for each in found.changes] == [
        ("META", date(2022, 6, 11)),
        ("FB", date(2012, 5, 18)),
    ]


def test_every_recorded_answer_when_read_by_any_reader_then_only_errors_of_ours_are_raised() -> None:
    files = sorted(shared_data("api/polygon").rglob("*.json"))
    assert len(files) >= 40
    for path in files:
        for reader in READERS:
            _read_or_refuse(reader, path.read_bytes())


@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "results",
                        "next_url",
                        "adjusted",
                        "ticker",
                        "insights",
                        "events",
                        "id",
                        "title",
                        "published_utc",
                        "t",
                        "o",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_reading_when_bytes_are_anything_then_only_errors_of_ours_are_raised(body: bytes) -> None:
    for reader in READERS:
        _read_or_refuse(reader, body)


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"results":' * 50_000, b'{"results": ' + b"9" * 10_000 + b"}", b"\xff\xfe"]
)
def test_reading_when_an_answer_is_hostile_then_it_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(SourceFormatError):
        read(CONFIG, "", answer(body), NOW)


@given(
    cursor=st.text(max_size=60)
    | st.sampled_from(['{"at": 1, "seen": []}', "[]", '{"at": "2020-01-01T00:00:00", "seen": 3}'])
)
def test_cursor_when_it_is_anything_then_only_errors_of_ours_are_raised(cursor: str) -> None:
    with suppress(StonksError):
        first_request(CONFIG, cursor, NOW)


def test_cursor_when_an_instant_is_crowded_then_it_stays_short() -> None:
    page = read(CONFIG, "", answer({"results": [article(number) for number in range(1_000)]}), NOW + timedelta(days=1))
    assert len(page.documents) == 1_000
    assert len(page.cursor) < 4_000


def _read_or_refuse(reader: Callable[[HttpAnswer], Any], body: bytes) -> None:
    with suppress(StonksError):
        reader(answer(body))
