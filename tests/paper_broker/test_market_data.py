"""Market data from the book: bars, trades, quotes, snapshots, corporate actions and news, as the SDK reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from alpaca.data.enums import Adjustment, CorporateActionsType
from alpaca.data.historical import NewsClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import MONDAY, Client, bar
from tests.paper_broker.test_wall_clock import NOON, Watch

DAY = timedelta(days=1)
SINCE = datetime(2024, 1, 1, tzinfo=UTC)
MINUTES = TimeFrame(5, TimeFrameUnit.Minute)


def _days(broker: Client, closes: list[str], symbol: str = "AAPL", actions: dict[int, Any] | None = None) -> None:
    for number, close in enumerate(closes):
        day = MONDAY + number * DAY
        broker.opened(bar(symbol, close), day=day, actions=(actions or {}).get(number, []))
        broker.closed(bar(symbol, close), day=day)


def _bars(broker: Client, *symbols: str, frame: TimeFrame = TimeFrame.Day, **fields: Any) -> dict[str, list[Any]]:
    request = StockBarsRequest(symbol_or_symbols=list(symbols), timeframe=frame, start=SINCE, **fields)
    found: dict[str, list[Any]] = broker.data.get_stock_bars(request).data
    return found


def _load(broker: Client, *bars: dict[str, Any], actions: list[dict[str, Any]] | None = None) -> Any:
    return broker.told("bars", {"bars": list(bars), "actions": actions or []})


def _loaded(symbol: str, start: str, price: str, timeframe: str = "1Day", **fields: Any) -> dict[str, Any]:
    prices = {"open": price, "high": price, "low": price, "close": price}
    return {"symbol": symbol, "start": start, "timeframe": timeframe} | prices | fields


def test_bars_when_a_session_is_under_way_then_only_its_open_is_known(broker: Client) -> None:
    day = bar("AAPL", "100", "120", "90", "110")
    broker.opened(day)
    (morning,) = _bars(broker, "AAPL")["AAPL"]
    assert (morning.open, morning.high, morning.close, morning.volume) == (100, 100, 100, 0)
    broker.closed(day)
    (evening,) = _bars(broker, "AAPL")["AAPL"]
    assert (evening.high, evening.low, evening.close, evening.volume) == (120, 90, 110, 1000)
    assert evening.timestamp == datetime(2024, 3, 4, 5, tzinfo=UTC)
    assert evening.vwap == pytest.approx(320 / 3)


def test_bars_when_nothing_is_known_then_an_empty_object_and_never_null(broker: Client) -> None:
    assert _bars(broker, "AAPL") == {}
    answer = broker.ask("GET", "/v2/stocks/bars", params={"symbols": "AAPL", "timeframe": "1Day"})
    assert answer.json() == {"bars": {}, "next_page_token": None}
    single = broker.ask("GET", "/v2/stocks/AAPL/bars", params={"timeframe": "1Day"})
    assert single.json() == {"bars": [], "next_page_token": None, "symbol": "AAPL"}


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_bars_when_paged_then_the_limit_counts_all_symbols_and_nothing_is_lost(
    broker: Client, limit: int, sort: str
) -> None:
    for symbol in ("MSFT", "AAPL"):
        for day in ("04", "05", "06"):
            _load(broker, _loaded(symbol, f"2024-01-{day}T12:00:00Z", "10"))
    parameters: dict[str, Any] = {"symbols": "MSFT,AAPL", "timeframe": "1Day", "start": "2024-01-01"}
    parameters |= {"limit": limit, "sort": sort}
    pages, token = [], ""
    while token is not None:
        answer = broker.ask("GET", "/v2/stocks/bars", params=parameters | {"page_token": token}).json()
        pages.append(answer["bars"])
        token = answer["next_page_token"]
    sizes = [sum(len(bars) for bars in page.values()) for page in pages]
    assert sum(sizes) == 6
    assert set(sizes[:-1]) <= {limit}
    seen = [(symbol, entry["t"][:10]) for page in pages for symbol, bars in page.items() for entry in bars]
    days = ["2024-01-04", "2024-01-05", "2024-01-06"]
    ordered = days if sort == "asc" else days[::-1]
    assert seen == [(symbol, day) for symbol in ("AAPL", "MSFT") for day in ordered]


def test_bars_when_the_sdk_pages_for_itself_then_gets_them_all(broker: Client) -> None:
    stamps = [datetime(2024, 2, 1, 15, tzinfo=UTC) + timedelta(minutes=n) for n in range(25)]
    _load(broker, *(_loaded("AAPL", at.isoformat(), "10", "1Min") for at in stamps))
    found = _bars(broker, "AAPL", frame=TimeFrame.Minute, limit=20)["AAPL"]
    assert [entry.timestamp for entry in found] == stamps[:20]
    assert len(_bars(broker, "AAPL", frame=TimeFrame.Minute)["AAPL"]) == 25


def test_bars_when_aggregated_then_follow_new_yorks_hours_weeks_and_months(broker: Client) -> None:
    minutes = [("14:31", "10"), ("14:34", "12"), ("14:35", "11"), ("15:02", "9")]
    _load(broker, *(_loaded("AAPL", f"2024-02-01T{at}:00Z", p, "1Min", volume=100) for at, p in minutes))
    days = [("2024-01-31", "1"), ("2024-02-01", "2"), ("2024-02-02", "4"), ("2024-02-05", "3")]
    _load(broker, *(_loaded("AAPL", f"{day}T12:00:00Z", price, volume=50) for day, price in days))

    def shown(frame: TimeFrame) -> list[Any]:
        found = _bars(broker, "AAPL", frame=frame)["AAPL"]
        return [(f"{e.timestamp:%m-%d %H:%M}", e.open, e.high, e.low, e.close, e.volume) for e in found]

    assert shown(MINUTES) == [
        ("02-01 14:30", 10, 12, 10, 12, 200),
        ("02-01 14:35", 11, 11, 11, 11, 100),
        ("02-01 15:00", 9, 9, 9, 9, 100),
    ]
    assert shown(TimeFrame.Hour) == [("02-01 14:00", 10, 12, 10, 11, 300), ("02-01 15:00", 9, 9, 9, 9, 100)]
    assert shown(TimeFrame.Week) == [("01-29 05:00", 1, 4, 1, 4, 150), ("02-05 05:00", 3, 3, 3, 3, 50)]
    assert shown(TimeFrame.Month) == [("01-01 05:00", 1, 1, 1, 1, 50), ("02-01 05:00", 2, 4, 2, 3, 150)]
    assert shown(TimeFrame(3, TimeFrameUnit.Month)) == [("01-01 05:00", 1, 4, 1, 3, 200)]


def test_bars_when_loaded_then_are_hidden_until_their_session_ends(broker: Client) -> None:
    _load(broker, _loaded("AAPL", "2024-03-04T12:00:00Z", "42"))
    _load(broker, _loaded("AAPL", "2024-03-04T15:00:00Z", "42", "1Min"))
    broker.told("clock", {"at": "2024-03-04T15:00:59Z"})
    assert _bars(broker, "AAPL") == _bars(broker, "AAPL", frame=TimeFrame.Minute) == {}
    broker.told("clock", {"at": "2024-03-04T15:01:00Z"})
    assert len(_bars(broker, "AAPL", frame=TimeFrame.Minute)["AAPL"]) == 1
    broker.told("clock", {"at": "2024-03-04T21:00:00Z"})
    assert _bars(broker, "AAPL")["AAPL"][0].close == 42


def test_bars_when_loaded_again_then_the_later_ones_stay(broker: Client) -> None:
    assert _load(broker, _loaded("NEW", "2024-01-04T12:00:00Z", "1")) == {"bars": 1, "actions": 0}
    _load(broker, _loaded("NEW", "2024-01-04T12:00:00Z", "2", trades=7, vwap="2.5"))
    (found,) = _bars(broker, "NEW")["NEW"]
    assert (found.close, found.trade_count, found.vwap) == (2, 7, 2.5)
    assert broker.sdk.get_asset("NEW").tradable is True


SPLIT = [{"symbol": "AAPL", "split_ratio": "4"}]
DIVIDEND = [{"symbol": "AAPL", "cash_dividend": "5"}]


@pytest.mark.parametrize(
    ("adjustment", "closes", "volumes"),
    [
        (Adjustment.RAW, [400, 100, 100], [1000, 1000, 1000]),
        (Adjustment.SPLIT, [100, 100, 100], [4000, 1000, 1000]),
        (Adjustment.DIVIDEND, [380, 95, 100], [1000, 1000, 1000]),
        (Adjustment.ALL, [95, 95, 100], [4000, 1000, 1000]),
    ],
)
def test_bars_when_adjusted_then_as_if_the_actions_had_always_been_in_force(
    broker: Client, adjustment: Adjustment, closes: list[float], volumes: list[float]
) -> None:
    _days(broker, ["400", "100", "100"], actions={1: SPLIT, 2: DIVIDEND})
    found = _bars(broker, "AAPL", adjustment=adjustment)["AAPL"]
    assert [entry.close for entry in found] == closes
    assert [entry.volume for entry in found] == volumes


def test_bars_when_an_action_lies_ahead_or_comes_twice_then_adjusts_once_and_only_in_time(broker: Client) -> None:
    _load(broker, _loaded("AAPL", "2024-01-04T12:00:00Z", "400"))
    ahead = [{"symbol": "AAPL", "split_ratio": "4", "ex_date": "2024-03-05"}]
    _load(broker, actions=ahead)
    assert _bars(broker, "AAPL", adjustment=Adjustment.ALL)["AAPL"][0].close == 400
    _days(broker, ["400", "100"], actions={1: SPLIT})
    assert [entry.close for entry in _bars(broker, "AAPL", adjustment=Adjustment.ALL)["AAPL"]] == [100, 100, 100]


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("bars", {"timeframe": "1Day"}, "symbols is required"),
        ("bars", {"symbols": "AAPL"}, "invalid timeframe: "),
        ("bars", {"symbols": "AAPL", "timeframe": "60Min"}, "invalid timeframe: 60Min"),
        ("bars", {"symbols": "AAPL", "timeframe": "2Day"}, "invalid timeframe: 2Day"),
        ("bars", {"symbols": "AAPL", "timeframe": "1Day", "limit": "10001"}, "limit must be between 1 and 10000"),
        ("bars", {"symbols": "AAPL", "timeframe": "1Day", "limit": "0"}, "limit must be between 1 and 10000"),
        ("bars", {"symbols": "AAPL", "timeframe": "1Day", "start": "soon"}, "invalid start: soon"),
        ("bars", {"symbols": "AAPL", "timeframe": "1Day", "sort": "up"}, "invalid sort: up"),
        ("bars", {"symbols": "AAPL", "timeframe": "1Day", "adjustment": "split,odd"}, "invalid adjustment: odd"),
        ("trades", {"symbols": "AAPL", "page_token": "x"}, "invalid page_token"),
        ("snapshots", {}, "symbols is required"),
    ],
)
def test_data_when_a_parameter_makes_no_sense_then_400(
    broker: Client, path: str, parameters: dict[str, str], message: str
) -> None:
    answer = broker.ask("GET", f"/v2/stocks/{path}", params=parameters)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_trades_and_quotes_when_prices_were_seen_then_are_those_prices(start: Start) -> None:
    watch = Watch(NOON)
    broker = start(clock="wall", now=watch, rate_limit=0)
    early = {"symbol": "AAPL", "price": "150", "at": (NOON - timedelta(hours=4)).isoformat()}
    broker.told("prices", {"prices": [early]})
    for second, price in enumerate(("100", "101.5", "99")):
        at = (NOON + timedelta(seconds=second)).isoformat()
        broker.told("prices", {"prices": [{"symbol": "AAPL", "price": price, "at": at}]})
    watch.at = NOON + timedelta(minutes=2)
    trades = broker.data.get_stock_trades(StockTradesRequest(symbol_or_symbols="AAPL", start=NOON)).data["AAPL"]
    assert [(trade.price, trade.timestamp.second) for trade in trades] == [(100, 0), (101.5, 1), (99, 2)]
    quotes = broker.data.get_stock_quotes(StockQuotesRequest(symbol_or_symbols="AAPL", start=NOON, limit=2)).data
    assert [(quote.bid_price, quote.ask_price) for quote in quotes["AAPL"]] == [(100, 100), (101.5, 101.5)]
    one = broker.ask("GET", "/v2/stocks/aapl/trades", params={"start": NOON.isoformat(), "limit": 1}).json()
    assert (one["symbol"], len(one["trades"]), bool(one["next_page_token"])) == ("AAPL", 1, True)
    before, minute = _bars(broker, "AAPL", frame=TimeFrame.Minute)["AAPL"]
    assert before.close == 150
    assert (minute.open, minute.high, minute.low, minute.close, minute.trade_count) == (100, 101.5, 99, 99, 3)
    assert minute.vwap == pytest.approx(300.5 / 3)
    (day,) = _bars(broker, "AAPL")["AAPL"]
    assert (day.open, day.high) == (100, 101.5)


def test_latest_when_known_or_not_then_holds_what_is_known(broker: Client) -> None:
    _days(broker, ["100", "104"])
    symbols = ["AAPL", "MSFT"]
    trades = broker.data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols))
    assert {symbol: trade.price for symbol, trade in trades.items()} == {"AAPL": 104}
    quotes = broker.data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols))
    assert quotes["AAPL"].ask_price == 104
    bars = broker.data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=symbols))
    assert bars["AAPL"].close == 104
    snapshots = broker.data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols))
    assert list(snapshots) == ["AAPL"]
    snapshot = snapshots["AAPL"]
    assert (snapshot.daily_bar.close, snapshot.previous_daily_bar.close, snapshot.minute_bar) == (104, 100, None)
    for kind in ("bars", "quotes", "trades"):
        one = broker.ask("GET", f"/v2/stocks/AAPL/{kind}/latest")
        assert one.json()["symbol"] == "AAPL"
        assert broker.ask("GET", f"/v2/stocks/MSFT/{kind}/latest").status_code == 404
    assert broker.ask("GET", "/v2/stocks/AAPL/snapshot").json()["dailyBar"]["c"] == 104
    assert broker.ask("GET", "/v2/stocks/MSFT/snapshot").status_code == 404


def test_corporate_actions_when_in_force_then_are_listed_by_kind_and_paged(broker: Client) -> None:
    reverse = [{"symbol": "MSFT", "split_ratio": "0.1"}]
    _days(broker, ["400", "100", "100"], actions={0: reverse, 1: SPLIT, 2: DIVIDEND})
    with broker.about(CorporateActionsClient) as client:
        request = CorporateActionsRequest(start=date(2024, 3, 1), end=date(2024, 3, 31))
        found = client.get_corporate_actions(request).data
        assert {kind: [action.symbol for action in actions] for kind, actions in found.items()} == {
            "cash_dividends": ["AAPL"],
            "forward_splits": ["AAPL"],
            "reverse_splits": ["MSFT"],
        }
        assert (found["reverse_splits"][0].new_rate, found["reverse_splits"][0].old_rate) == (1, 10)
        assert found["cash_dividends"][0].rate == 5
        only = CorporateActionsRequest(
            start=date(2024, 3, 1), types=[CorporateActionsType.CASH_DIVIDEND], symbols=["MSFT"]
        )
        assert client.get_corporate_actions(only).data == {}
    seen, token = [], ""
    while token is not None:
        parameters = {"start": "2024-03-01", "limit": 1, "page_token": token, "sort": "desc"}
        answer = broker.ask("GET", "/v1/corporate-actions", params=parameters).json()
        seen += [action["ex_date"] for actions in answer["corporate_actions"].values() for action in actions]
        token = answer["next_page_token"]
    assert seen == ["2024-03-06", "2024-03-05", "2024-03-04"]


def test_news_when_asked_for_then_there_is_none(broker: Client) -> None:
    with broker.about(NewsClient) as client:
        assert client.get_news(NewsRequest(symbols="AAPL")).data == {"news": []}
    assert broker.ask("GET", "/v1beta1/news", params={"limit": "51"}).status_code == 400


def test_lists_about_the_market_when_two_sessions_are_known_then_rank_by_volume_and_change(broker: Client) -> None:
    for day, (apple, microsoft) in enumerate((("100", "50"), ("110", "49"))):
        both = bar("AAPL", apple), bar("MSFT", microsoft) | {"volume": 5000}
        broker.opened(*both, day=MONDAY + day * DAY)
        broker.closed(*both, day=MONDAY + day * DAY)
    actives = broker.ask("GET", "/v1beta1/screener/stocks/most-actives", params={"top": 1}).json()
    assert actives["most_actives"] == [{"symbol": "MSFT", "volume": 5000, "trade_count": 0}]
    movers = broker.ask("GET", "/v1beta1/screener/stocks/movers").json()
    assert [(m["symbol"], m["percent_change"]) for m in movers["gainers"]] == [("AAPL", 10)]
    assert [(m["symbol"], m["change"]) for m in movers["losers"]] == [("MSFT", -1)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.dictionaries(st.sampled_from(["AAPL", "MSFT", "TINY"]), st.integers(0, 7), min_size=1),
    limit=st.integers(1, 9),
)
def test_pages_when_put_together_then_are_the_whole(broker: Client, counts: dict[str, int], limit: int) -> None:
    start = datetime(2024, 2, 1, 15, tzinfo=UTC)
    for symbol, count in counts.items():
        stamps = [(start + timedelta(minutes=n)).isoformat() for n in range(count)]
        _load(broker, *(_loaded(symbol, at, "10", "1Min") for at in stamps))
    parameters: dict[str, Any] = {"symbols": ",".join(counts), "timeframe": "1Min", "start": "2024-01-01"}
    whole = broker.ask("GET", "/v2/stocks/bars", params=parameters).json()["bars"]
    together: dict[str, list[Any]] = {}
    token: str | None = ""
    while token is not None:
        page = broker.ask("GET", "/v2/stocks/bars", params=parameters | {"limit": limit, "page_token": token}).json()
        token = page["next_page_token"]
        for symbol, bars in page["bars"].items():
            together.setdefault(symbol, []).extend(bars)
    assert together == whole
