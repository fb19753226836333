"""Trailing stops, and orders that fill at once or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce
from hypothesis import given
from hypothesis import strategies as st

from cli.paper_broker.lifecycle import OrderStatus
from cli.paper_broker.matching import trailed
from cli.paper_broker.records import Order, OrderType, Side, Split
from cli.paper_broker.records import TimeInForce as Force
from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, bar

TUESDAY, WEDNESDAY = date(2024, 3, 5), date(2024, 3, 6)
AT = datetime(2024, 3, 4, 15, tzinfo=UTC)


def _holding(broker: Client, qty: int = 10) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=qty)


def test_trailing_sale_when_the_price_rises_then_its_stop_follows_and_never_falls(broker: Client) -> None:
    _holding(broker)
    order = broker.trailing("sell", trail_price=5, qty=10, time_in_force=TimeInForce.GTC)
    assert (order.hwm, order.stop_price, order.trail_price) == ("100", "95", "5")
    broker.closed(bar("AAPL", "100", "110", "99", "108"))
    found = broker.get(order)
    assert (found.status.value, found.hwm, found.stop_price) == ("new", "110", "105")
    broker.opened(bar("AAPL", "106"), day=TUESDAY)
    assert broker.get(order).stop_price == "105"
    broker.closed(bar("AAPL", "106", "107", "104", "106"), day=TUESDAY)
    assert (broker.get(order).filled_avg_price, broker.status(order)) == ("105", "filled")


@pytest.mark.parametrize(
    ("day", "price", "stop"),
    [
        (bar("AAPL", "100", "103", "95", "100"), "95", "95"),
        (bar("AAPL", "100", "103", "95.01", "99"), None, "98"),
        (bar("AAPL", "100", "120", "96", "115"), "115", "115"),
        (bar("AAPL", "100", "120", "96", "115.01"), None, "115"),
    ],
    ids=["the stop it had", "not reached", "passed on the way from the high to the close", "a cent above it"],
)
def test_trailing_sale_when_a_bar_passes_then_fills_only_where_the_bar_proves_it(
    broker: Client, day: dict[str, Any], price: str | None, stop: str
) -> None:
    _holding(broker)
    order = broker.trailing("sell", trail_price=5, qty=10)
    broker.closed(day)
    found = broker.get(order)
    assert (found.filled_avg_price, found.stop_price) == (price, stop)


def test_trailing_sale_when_the_session_opens_far_below_then_fills_at_the_open(broker: Client) -> None:
    _holding(broker)
    order = broker.trailing("sell", trail_percent=10, qty=10, time_in_force=TimeInForce.GTC)
    assert (order.stop_price, order.trail_percent) == ("90", "10")
    broker.closed(bar("AAPL", "100"))
    broker.opened(bar("AAPL", "70"), day=TUESDAY)
    assert broker.get(order).filled_avg_price == "70"


def test_trailing_buy_when_the_price_falls_then_its_stop_follows_down(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.trailing("buy", trail_percent=2.5, time_in_force=TimeInForce.GTC)
    assert order.stop_price == "102.5"
    broker.closed(bar("AAPL", "100", "101", "80", "81"))
    assert broker.get(order).stop_price == "82"
    broker.opened(bar("AAPL", "83"), day=TUESDAY)
    assert broker.get(order).filled_avg_price == "83"


def test_trailing_stop_when_no_price_is_known_then_starts_at_the_first_one(broker: Client) -> None:
    order = broker.trailing("buy", trail_price=5)
    assert (order.hwm, order.stop_price) == (None, None)
    broker.opened(bar("AAPL", "100"))
    assert broker.get(order).stop_price == "105"


def test_trailing_stop_when_replaced_then_keeps_what_it_has_seen(broker: Client) -> None:
    _holding(broker)
    order = broker.trailing("sell", trail_price=5, qty=10, time_in_force=TimeInForce.GTC)
    broker.closed(bar("AAPL", "100", "110", "99", "108"))
    broker.opened(bar("AAPL", "108"), day=TUESDAY)
    new = broker.replaced(order, trail=8)
    assert (new.trail_price, new.hwm, new.stop_price) == ("8", "110", "102")


def test_trailing_stop_when_a_split_comes_then_everything_is_scaled(broker: Client) -> None:
    _holding(broker)
    order = broker.trailing("sell", trail_price=5, qty=10, time_in_force=TimeInForce.GTC)
    broker.closed(bar("AAPL", "100"))
    broker.opened(bar("AAPL", "50"), day=TUESDAY, actions=[{"symbol": "AAPL", "split_ratio": "2"}])
    found = broker.get(order)
    assert (found.qty, found.trail_price, found.hwm, found.stop_price) == ("20", "2.5", "50", "47.5")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "trailing stop orders require either trail price or trail percent"),
        (
            {"trail_price": "1", "trail_percent": "1"},
            "trailing stop orders require either trail price or trail percent",
        ),
        ({"trail_percent": "100"}, "trail percent must be < 100"),
        ({"trail_price": "0"}, "trail price must be > 0"),
        ({"trail_price": "1", "stop_price": "90"}, "trailing stop orders require no stop or limit price"),
        ({"trail_price": "1", "time_in_force": "ioc"}, "trailing stop orders must be DAY or GTC orders"),
        ({"trail_price": "1", "qty": "0.5"}, "fractional orders must not be trailing stop orders"),
        ({"type": "market", "trail_price": "1"}, "market orders require no trail price or percent"),
    ],
)
def test_trailing_stop_when_it_cannot_be_then_is_refused(broker: Client, fields: dict[str, Any], message: str) -> None:
    body = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "trailing_stop", "time_in_force": "day"}
    assert broker.refused(lambda: broker.sdk.post("/orders", body | fields))[1]["message"] == message


def _trailing(side: Side, *, price: int | None, percent: int | None) -> Order:
    return Order(
        id="o",
        client_order_id="c",
        symbol="X",
        side=side,
        type=OrderType.TRAILING_STOP,
        time_in_force=Force.DAY,
        quantity=10**9,
        notional=None,
        limit_price=None,
        stop_price=None,
        extended_hours=False,
        order_class="",
        position_intent="sell_to_close",
        status=OrderStatus.NEW,
        filled_quantity=0,
        filled_value=0,
        executions=0,
        reserve_price=None,
        triggered=False,
        split=Split.NONE,
        reason="",
        created_at=AT,
        submitted_at=AT,
        updated_at=AT,
        expires_at=AT + timedelta(days=1),
        filled_at=None,
        canceled_at=None,
        expired_at=None,
        failed_at=None,
        trail_price=price,
        trail_percent=percent,
    )


@given(
    side=st.sampled_from(Side),
    prices=st.lists(st.integers(10_000, 10**9), min_size=1, max_size=20),
    trail=st.one_of(st.tuples(st.integers(1, 10**7), st.none()), st.tuples(st.none(), st.integers(1, 99 * 10**6))),
)
def test_trailing_stop_when_prices_come_then_knows_the_best_and_its_stop_only_tightens(
    side: Side, prices: list[int], trail: tuple[int | None, int | None]
) -> None:
    order, stops = _trailing(side, price=trail[0], percent=trail[1]), []
    for price in prices:
        order = trailed(order, price)
        assert order.stop_price is not None
        stops.append(order.stop_price)
    assert order.hwm == (max(prices) if side is Side.SELL else min(prices))
    assert stops == sorted(stops, reverse=side is Side.BUY)
    assert order.stop_price <= order.hwm if side is Side.SELL else order.stop_price >= order.hwm


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
def test_immediate_order_when_it_can_fill_or_not_then_fills_or_is_canceled(broker: Client, force: TimeInForce) -> None:
    broker.opened(bar("AAPL", "100"))
    assert broker.get(broker.market("buy", time_in_force=force)).filled_avg_price == "100"
    assert broker.get(broker.limit("buy", 100, time_in_force=force)).filled_avg_price == "100"
    assert broker.status(broker.limit("buy", 99.99, time_in_force=force)) == "canceled"
    assert broker.status(broker.market("buy", "MSFT", time_in_force=force)) == "canceled"
    assert broker.sdk.get_orders() == []


@pytest.mark.parametrize(
    ("force", "status", "filled"), [(TimeInForce.IOC, "canceled", "5"), (TimeInForce.FOK, "filled", "10")]
)
def test_immediate_order_when_only_part_fills_then_the_rest_is_canceled_unless_all_or_nothing(
    broker: Client, force: TimeInForce, status: str, filled: str
) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.told("faults", {"kind": "partial_fill"})
    order = broker.get(broker.market("buy", qty=10, time_in_force=force))
    assert (order.status.value, order.filled_qty) == (status, filled)


@pytest.mark.parametrize("force", [TimeInForce.IOC, TimeInForce.FOK])
def test_immediate_order_when_the_market_is_closed_then_is_answered_and_canceled(
    broker: Client, force: TimeInForce
) -> None:
    order = broker.market("buy", time_in_force=force)
    assert order.status.value == "accepted"
    assert broker.status(order) == "canceled"


def test_immediate_order_when_split_for_realism_then_fills_whole(start: Start) -> None:
    broker = start(partial_fill_share=Decimal(1))
    broker.opened(bar("AAPL", "100"))
    order = broker.market("buy", qty=10, time_in_force=TimeInForce.FOK)
    assert broker.status(order) == "filled"
    assert len(broker.sdk.get("/account/activities/FILL")) == 1
