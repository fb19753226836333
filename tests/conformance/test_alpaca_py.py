"""The paper broker under the vendor's present SDK: twenty steps from a bad key to the final audit."""

from __future__ import annotations

import signal
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.data.requests import StockBarsRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import TimeInForce
from alpaca.trading.requests import GetCalendarRequest

from tests.conformance.conftest import Serve
from tests.paper_broker.harness import MONDAY, SECRET, Client, bar
from tests.paper_broker.listener import Listener, listening
from tests.paper_broker.process import Process

TUESDAY = date(2024, 3, 5)


def test_key_when_bad_then_401_and_nothing_is_done(broker: Client) -> None:
    stranger = TradingClient("PKNOBODY", SECRET, url_override=broker.address)
    with pytest.raises(APIError) as caught:
        stranger.get_account()
    assert caught.value.status_code == 401
    assert broker.sdk.get_account().cash == "100000"


def test_account_clock_and_calendar_when_read_then_agree(broker: Client) -> None:
    assert broker.sdk.get_account().account_number.startswith("PA")
    clock = broker.sdk.get_clock()
    days = broker.sdk.get_calendar(GetCalendarRequest(start=MONDAY, end=MONDAY))
    assert clock.next_open.date() == days[0].date == MONDAY
    assert clock.next_open.time() == days[0].open.time()
    assert clock.is_open is False


def test_asset_when_known_or_not_then_found_or_404(broker: Client) -> None:
    assert broker.sdk.get_asset("AAPL").tradable is True
    status, body = broker.refused(lambda: broker.sdk.get_asset("NOPE"))
    assert (status, body["code"]) == (404, 40410000)


def test_bars_when_paged_then_every_point_comes_once(broker: Client) -> None:
    start = datetime(2024, 2, 1, 15, tzinfo=UTC)
    prices = {"open": "10", "high": "10", "low": "10", "close": "10", "timeframe": "1Min"}
    stamps = [start + timedelta(minutes=n) for n in range(30)]
    loaded = [{"symbol": s, "start": at.isoformat()} | prices for s in ("AAPL", "MSFT") for at in stamps]
    broker.told("bars", {"bars": loaded})
    request = StockBarsRequest(symbol_or_symbols=["AAPL", "MSFT"], timeframe=TimeFrame.Minute, start=start)
    assert {s: len(bars) for s, bars in broker.data.get_stock_bars(request).data.items()} == {"AAPL": 30, "MSFT": 30}
    request = StockBarsRequest(symbol_or_symbols=["AAPL", "MSFT"], timeframe=TimeFrame.Minute, start=start, limit=45)
    assert {s: len(bars) for s, bars in broker.data.get_stock_bars(request).data.items()} == {"AAPL": 30, "MSFT": 15}


def test_stream_when_listened_to_then_hears_an_order(broker: Client) -> None:
    with listening(broker) as heard:
        order = broker.limit("buy", 50)
        heard.wait(lambda: heard.events(order) == ["accepted"])


def test_limit_when_far_away_then_rests(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.limit("buy", 1)
    broker.closed(bar("AAPL", "100", "120", "80", "90"))
    assert broker.status(order) == "expired"
    assert broker.sdk.get_all_positions() == []


def test_order_when_looked_up_by_client_id_then_is_the_same(broker: Client) -> None:
    order = broker.limit("buy", 1, client_order_id="mine")
    assert broker.sdk.get_order_by_client_id("mine").id == order.id


def test_client_id_when_used_twice_then_the_second_is_refused(broker: Client) -> None:
    broker.limit("buy", 1, client_order_id="mine")
    assert broker.refused(lambda: broker.limit("buy", 2, client_order_id="mine")) == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )


@pytest.mark.parametrize(("scope", "taken"), [("forever", False), ("active", True)])
def test_client_id_when_reused_after_a_cancel_then_depends_on_its_scope(serve: Serve, scope: str, taken: bool) -> None:
    broker = serve(client_id_scope=scope)
    broker.sdk.cancel_order_by_id(broker.limit("buy", 1, client_order_id="mine").id)
    if taken:
        assert broker.limit("buy", 2, client_order_id="mine").limit_price == "2"
    else:
        assert broker.refused(lambda: broker.limit("buy", 2, client_order_id="mine"))[0] == 422


def test_replacements_when_chained_then_each_names_the_next(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    first = broker.limit("buy", 1)
    second = broker.replaced(first, limit_price=2)
    third = broker.replaced(second, qty=3)
    assert [broker.status(order) for order in (first, second, third)] == ["replaced", "replaced", "new"]
    assert (broker.get(first).replaced_by, third.replaces) == (second.id, second.id)


def test_cancel_when_repeated_then_succeeds_and_a_filled_order_is_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.limit("buy", 1)
    for _ in range(2):
        broker.sdk.cancel_order_by_id(order.id)
    assert broker.status(order) == "canceled"
    filled = broker.market("buy")
    assert broker.refused(lambda: broker.sdk.cancel_order_by_id(filled.id))[1]["code"] == 42210000


def test_market_order_when_filled_in_parts_then_the_stream_sums_to_the_activities(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    with listening(broker) as heard:
        broker.told("faults", {"kind": "partial_fill"})
        order = broker.market("buy", qty=7)
        broker.closed(bar("AAPL", "100", "111", "100", "110"))
        heard.wait(lambda: "fill" in heard.events(order))
    assert heard.events(order) == ["pending_new", "new", "partial_fill", "fill"]
    activities = broker.sdk.get("/account/activities/FILL")
    assert sum(Decimal(fill["qty"]) for fill in activities) == heard.filled()["AAPL"] == 7
    ids = {fill["id"].partition("::")[2] for fill in activities}
    assert {str(update.execution_id) for update in heard.heard if update.execution_id} == ids


def test_sale_when_of_more_than_is_held_then_is_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=5)
    status, body = broker.refused(lambda: broker.market("sell", qty=6))
    assert (status, body["existing_qty"], body["available"]) == (403, "5", "5")


def test_opposite_order_when_it_would_trade_with_oneself_then_is_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=5)
    resting = broker.limit("sell", 120)
    status, body = broker.refused(lambda: broker.limit("buy", 121))
    assert (status, body["message"]) == (403, "potential wash trade detected. use complex orders")
    assert body["existing_order_id"] == str(resting.id)


def test_order_when_by_amount_or_fractional_then_fills_exactly(broker: Client) -> None:
    broker.opened(bar("AAPL", "30"))
    spent = broker.get(broker.market("buy", notional=100))
    assert (spent.qty, spent.filled_qty) == (None, "3.333333333")
    broker.market("buy", qty=0.666666667)
    assert broker.sdk.get_open_position("AAPL").qty == "4"


def test_bracket_when_the_profit_is_reached_then_the_stop_is_canceled(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    entry = broker.bracket(110, 90, qty=2)
    broker.closed(bar("AAPL", "100", "112", "95", "111"))
    profit, loss = broker.legs(entry)
    assert (profit.filled_avg_price, loss.status.value) == ("110", "canceled")
    assert broker.cash() == 100_020


def test_order_when_the_market_is_closed_then_waits_fills_or_expires(broker: Client) -> None:
    waiting, low = broker.market("buy"), broker.limit("buy", 50)
    assert (waiting.status.value, low.status.value) == ("accepted", "accepted")
    broker.opened(bar("AAPL", "100"))
    broker.closed(bar("AAPL", "100"))
    assert (broker.status(waiting), broker.status(low)) == ("filled", "expired")
    lasting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    broker.opened(bar("AAPL", "100"), day=date(2024, 6, 3))
    broker.closed(bar("AAPL", "100"), day=date(2024, 6, 3))
    assert broker.status(lasting) == "expired"


@pytest.mark.parametrize("kind", ["storm_429", "error_504_after_commit", "hang"])
def test_submission_when_the_answer_is_a_refusal_a_gateway_page_or_nothing_then_the_id_tells(
    serve: Serve, kind: str
) -> None:
    broker = serve(timeout=0.5)
    broker.told("faults", {"kind": kind})
    with pytest.raises((APIError, requests.exceptions.ReadTimeout)):
        broker.limit("buy", 1, client_order_id="mine")
    if kind == "storm_429":
        assert broker.refused(lambda: broker.sdk.get_order_by_client_id("mine"))[0] == 404
        broker.limit("buy", 1, client_order_id="mine")
    assert broker.sdk.get_order_by_client_id("mine").limit_price == "1"
    assert len(broker.sdk.get_orders()) == 1


def test_requests_when_more_than_the_limit_then_429_with_the_headers(serve: Serve) -> None:
    broker = serve(rate_limit=5)
    while time.time() % 60 > 55:
        time.sleep(0.2)
    for _ in range(5):
        broker.sdk.get_clock()
    status, body = broker.refused(broker.sdk.get_clock)
    assert (status, body["code"]) == (429, 42910000)
    limits: Any = broker.served.checked.limits
    assert (limits["x-ratelimit-limit"], limits["x-ratelimit-remaining"]) == ("5", "0")
    assert 0 < int(limits["x-ratelimit-reset"]) - time.time() <= 60


@pytest.mark.crash
def test_fills_when_the_broker_is_killed_among_them_then_book_activities_and_orders_agree(tmp_path: Path) -> None:
    server = Process(tmp_path, partial_fill_share="1")
    told: set[str] = set()
    try:
        client = server.start()
        client.know("AAPL", "TINY")
        client.opened(bar("AAPL", "10"))
        killer = threading.Timer(0.3, server.end, (signal.SIGKILL,))
        killer.start()
        try:
            for number in range(10_000):
                told.add(client.market("buy", qty=3, client_order_id=f"so-{number}").client_order_id)
        except requests.exceptions.RequestException:
            pass
        killer.join()
        client.close()
        client = server.start()
        assert client.audit() == []
        assert told
        orders = {name: client.sdk.get_order_by_client_id(name) for name in told}
        assert {order.status.value for order in orders.values()} == {"filled"}
        listener = Listener(client.address)
        listener.start(client)
        client.market("buy", qty=3)
        listener.wait(lambda: listener.filled() == {"AAPL": Decimal(3)})
        listener.stop(client)
        assert client.recorder.problems == []
        client.close()
    finally:
        server.end(signal.SIGKILL)


def test_positions_when_all_are_closed_then_the_cash_is_what_the_activities_say(serve: Serve) -> None:
    broker = serve(partial_fill_share=Decimal(1), fee_per_share=Decimal("0.01"))
    broker.opened(bar("AAPL", "100"), bar("MSFT", "50"))
    broker.market("buy", qty=7)
    broker.market("buy", "MSFT", qty=2.5)
    broker.limit("sell", 150, qty=3)
    broker.closed(bar("AAPL", "100", "120", "100", "120"), bar("MSFT", "50"))
    broker.opened(
        bar("AAPL", "119"), bar("MSFT", "50"), day=TUESDAY, actions=[{"symbol": "AAPL", "cash_dividend": "1"}]
    )
    answers = broker.sdk.close_all_positions(cancel_orders=True)
    assert {answer.status for answer in answers} == {200}
    assert broker.sdk.get_all_positions() == broker.sdk.get_orders() == []
    cash = Decimal(100_000)
    for entry in broker.sdk.get("/account/activities", {"direction": "asc"}):
        if entry["activity_type"] == "FILL":
            sign = -1 if entry["side"] == "buy" else 1
            cash += sign * round(Decimal(entry["qty"]) * Decimal(entry["price"]), 6)
        else:
            cash += Decimal(entry["net_amount"])
    account = broker.sdk.get_account()
    assert cash == Decimal(account.cash) == Decimal(account.equity) == Decimal(account.buying_power)
    assert broker.audit() == []
