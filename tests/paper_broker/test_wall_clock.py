"""The broker on real time: the exchange's hours, prices as they come, and what time alone makes due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, Watch

NIGHT = datetime(2024, 3, 4, 3, tzinfo=UTC)
MORNING = datetime(2024, 3, 4, 14, 29, 59, tzinfo=UTC)
OPEN = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
NOON = datetime(2024, 3, 4, 17, tzinfo=UTC)
CLOSE = datetime(2024, 3, 4, 21, tzinfo=UTC)
NEXT_NOON = datetime(2024, 3, 5, 17, tzinfo=UTC)


@pytest.fixture
def watch() -> Watch:
    return Watch(NIGHT)


@pytest.fixture
def broker(start: Start, watch: Watch) -> Client:
    return start(clock="wall", now=watch, rate_limit=0)


def _see(broker: Client, price: str, at: datetime, symbol: str = "AAPL") -> Any:
    return broker.told("prices", {"prices": [{"symbol": symbol, "price": price, "at": at.isoformat()}]})


def test_market_order_when_placed_at_night_then_fills_at_the_first_price_of_the_session(
    broker: Client, watch: Watch
) -> None:
    order = broker.market("buy", qty=2)
    assert order.status.value == "accepted"
    assert order.expires_at == CLOSE
    watch.at = MORNING
    assert _see(broker, "99", MORNING) == {"executions": 0}
    watch.at = OPEN
    assert broker.status(order) == "new"
    assert _see(broker, "98", MORNING) == {"executions": 0}
    assert _see(broker, "101", OPEN) == {"executions": 1}
    assert broker.get(order).filled_avg_price == "101"


def test_market_order_when_only_a_price_from_before_the_open_is_known_then_waits(broker: Client, watch: Watch) -> None:
    watch.at = MORNING
    _see(broker, "99", MORNING)
    watch.at = NOON
    order = broker.market("buy")
    assert order.status.value == "pending_new"
    assert broker.status(order) == "new"
    _see(broker, "100", NOON)
    assert broker.get(broker.market("buy")).filled_avg_price == "100"


def test_resting_orders_when_prices_pass_them_then_fill_at_the_price_seen(broker: Client, watch: Watch) -> None:
    watch.at = NOON
    _see(broker, "100", NOON)
    broker.market("buy", qty=2)
    buy = broker.limit("buy", 95, "MSFT")
    stop = broker.stop("sell", 90)
    _see(broker, "94.5", NOON, "MSFT")
    _see(broker, "89", NOON)
    assert broker.get(buy).filled_avg_price == "94.5"
    assert broker.get(stop).filled_avg_price == "89"


def test_price_when_older_than_the_known_one_then_is_ignored(broker: Client, watch: Watch) -> None:
    watch.at = NOON
    _see(broker, "100", NOON)
    broker.market("buy")
    _see(broker, "50", OPEN)
    assert broker.sdk.get_open_position("AAPL").current_price == "100"


def test_orders_when_the_close_passes_then_day_orders_expire_and_gtc_stay(broker: Client, watch: Watch) -> None:
    watch.at = NOON
    _see(broker, "100", NOON)
    of_the_day = broker.limit("buy", 50)
    lasting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    at_close = broker.market("buy", time_in_force=TimeInForce.CLS)
    watch.at = CLOSE
    assert broker.status(of_the_day) == "expired"
    assert broker.status(lasting) == "new"
    assert broker.get(at_close).filled_avg_price == "100"
    assert broker.sdk.get_clock().is_open is False
    for_tomorrow = broker.market("buy")
    assert (for_tomorrow.status.value, for_tomorrow.expires_at) == (
        "accepted",
        datetime(2024, 3, 5, 21, tzinfo=UTC),
    )


def test_gtc_order_when_ninety_days_have_passed_then_expires(broker: Client, watch: Watch) -> None:
    lasting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    watch.at = datetime(2024, 6, 2, 2, 59, 59, tzinfo=UTC)
    assert broker.status(lasting) == "accepted"
    watch.at = datetime(2024, 6, 2, 3, tzinfo=UTC)
    assert broker.status(lasting) == "expired"


def test_account_when_the_next_session_begins_then_last_equity_is_yesterdays(broker: Client, watch: Watch) -> None:
    watch.at = NOON
    _see(broker, "100", NOON)
    broker.market("buy", qty=10)
    _see(broker, "110", NOON)
    assert broker.sdk.get_account().last_equity == "100000"
    watch.at = NEXT_NOON
    account = broker.sdk.get_account()
    assert (account.equity, account.last_equity) == ("100100", "100100")
    _see(broker, "99", NEXT_NOON)
    position = broker.sdk.get_open_position("AAPL")
    assert (position.lastday_price, position.unrealized_intraday_pl, position.change_today) == ("110", "-110", "-0.1")


def test_clock_when_open_then_tells_the_sessions_own_close(broker: Client, watch: Watch) -> None:
    watch.at = datetime(2023, 11, 24, 15, tzinfo=UTC)
    clock = broker.sdk.get_clock()
    assert (clock.is_open, clock.timestamp) == (True, watch.at)
    assert clock.next_close == datetime(2023, 11, 24, 18, tzinfo=UTC)
    assert clock.next_open == datetime(2023, 11, 27, 14, 30, tzinfo=UTC)


def test_messages_of_the_virtual_clock_when_time_is_real_then_409(broker: Client) -> None:
    assert broker.phase("open").status_code == 409
    assert broker.control("POST", "clock", {"at": NOON.isoformat()}).status_code == 409
