"""The life of orders through a session's phases, as the official SDK sees it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import uuid4

import pytest
from alpaca.trading.enums import OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.requests import GetOrdersRequest

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, bar

TUESDAY = date(2024, 3, 5)


def test_market_order_when_placed_before_the_open_then_fills_at_the_open_price(broker: Client) -> None:
    order = broker.market("buy", qty=10)
    assert order.status is OrderStatus.ACCEPTED

    broker.opened(bar("AAPL", "170.25", "180", "160", "175"))

    filled = broker.get(order)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "10", "170.25")
    assert filled.filled_at is not None
    assert filled.filled_at.isoformat() == "2024-03-04T14:30:00+00:00"
    assert broker.cash() == Decimal("98297.5")


def test_market_order_when_placed_in_the_session_then_is_answered_pending_and_filled_at_the_open_price(
    broker: Client,
) -> None:
    broker.opened(bar("AAPL", "100", "120", "90", "110"))
    order = broker.market("buy", qty=2)
    assert order.status is OrderStatus.PENDING_NEW
    filled = broker.get(order)
    assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "100")


def test_market_order_when_placed_after_the_close_then_waits_for_the_next_open(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.closed(bar("AAPL", "100"))
    order = broker.market("buy")
    assert broker.status(order) == "accepted"
    broker.opened(bar("AAPL", "105"), day=TUESDAY)
    assert broker.get(order).filled_avg_price == "105"


def test_market_order_when_the_symbol_has_no_bar_then_does_not_trade_and_expires(broker: Client) -> None:
    order = broker.market("buy", "MSFT")
    broker.opened(bar("AAPL", "100"))
    assert broker.status(order) == "new"
    broker.closed(bar("AAPL", "100"))
    assert broker.status(order) == "expired"


def test_market_order_when_only_an_earlier_session_priced_it_then_does_not_fill_in_the_session(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.closed(bar("AAPL", "100"))
    broker.opened(bar("MSFT", "50"), day=TUESDAY)
    order = broker.market("buy", "AAPL")
    assert broker.status(order) == "new"


@pytest.mark.parametrize(
    ("side", "price", "opening", "low", "high", "expected"),
    [
        ("buy", 100.0, "99.5", "95", "101", "99.5"),
        ("buy", 100.0, "100", "95", "101", "100"),
        ("buy", 100.0, "103", "100", "104", "100"),
        ("buy", 100.0, "103", "100.01", "104", None),
        ("sell", 100.0, "101", "95", "102", "101"),
        ("sell", 100.0, "97", "95", "100", "100"),
        ("sell", 100.0, "97", "95", "99.99", None),
    ],
)
def test_limit_order_when_the_bar_reaches_it_or_not_then_fills_at_open_or_limit(
    broker: Client, side: str, price: float, opening: str, low: str, high: str, expected: str | None
) -> None:
    broker.opened(bar("AAPL", "98"))
    broker.market("buy")
    broker.closed(bar("AAPL", "98"))
    order = broker.limit(side, price)
    day = bar("AAPL", opening, high, low, opening)
    broker.opened(day, day=TUESDAY)
    broker.closed(day, day=TUESDAY)
    found = broker.get(order)
    assert found.filled_avg_price == expected
    assert found.status.value == ("filled" if expected else "expired")


@pytest.mark.parametrize(
    ("opening", "low", "expected"),
    [("90", "85", "90"), ("100", "95", "95"), ("100", "95.01", None)],
)
def test_stop_sale_when_the_bar_gaps_or_touches_then_fills_at_the_worse_price(
    broker: Client, opening: str, low: str, expected: str | None
) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy")
    broker.closed(bar("AAPL", "100"))
    order = broker.stop("sell", 95, time_in_force=TimeInForce.GTC)
    day = bar("AAPL", opening, "101", low, opening)
    broker.opened(day, day=TUESDAY)
    broker.closed(day, day=TUESDAY)
    assert broker.get(order).filled_avg_price == expected


def test_stop_limit_when_its_limit_is_beyond_the_stop_then_fills_and_otherwise_only_triggers(broker: Client) -> None:
    through = broker.stop_limit("buy", 105, 106, time_in_force=TimeInForce.GTC)
    below = broker.stop_limit("buy", 105, 101, time_in_force=TimeInForce.GTC)
    day = bar("AAPL", "100", "107", "99", "103")
    broker.opened(day)
    broker.closed(day)
    assert broker.get(through).filled_avg_price == "105"
    assert broker.status(below) == "new"
    broker.opened(bar("AAPL", "100.5"), day=TUESDAY)
    assert broker.get(below).filled_avg_price == "100.5"


def test_auction_orders_when_their_auction_comes_then_fill_there_or_are_canceled(broker: Client) -> None:
    at_open = broker.market("buy", time_in_force=TimeInForce.OPG)
    missed = broker.limit("buy", 99, time_in_force=TimeInForce.OPG)
    at_close = broker.market("buy", time_in_force=TimeInForce.CLS)
    missed_close = broker.limit("buy", 99, time_in_force=TimeInForce.CLS)
    broker.opened(bar("AAPL", "100", "112", "95", "110"))
    assert broker.get(at_open).filled_avg_price == "100"
    assert broker.status(missed) == "canceled"
    assert broker.status(at_close) == "new"
    broker.closed(bar("AAPL", "100", "112", "95", "110"))
    assert broker.get(at_close).filled_avg_price == "110"
    assert broker.status(missed_close) == "canceled"


def test_day_order_when_the_session_closes_then_expires_and_gtc_stays(broker: Client) -> None:
    of_the_day = broker.limit("buy", 50)
    lasting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    broker.opened(bar("AAPL", "100"))
    answer = broker.closed(bar("AAPL", "100"))
    assert answer["expired"] == 1
    expired = broker.get(of_the_day)
    assert expired.status is OrderStatus.EXPIRED
    assert expired.expired_at is not None
    assert expired.expired_at.isoformat() == "2024-03-04T21:00:00+00:00"
    assert broker.status(lasting) == "new"


@pytest.mark.parametrize(("day", "status"), [(date(2024, 5, 29), "new"), (date(2024, 5, 30), "expired")])
def test_gtc_order_when_ninety_days_have_passed_then_expires(broker: Client, day: date, status: str) -> None:
    lasting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    broker.opened(bar("AAPL", "100"), day=day)
    broker.closed(bar("AAPL", "100"), day=day)
    assert broker.status(lasting) == status


def test_notional_order_when_filled_then_spends_at_most_its_amount(broker: Client) -> None:
    order = broker.market("buy", notional=100)
    assert order.qty is None
    assert order.notional == "100"
    broker.opened(bar("AAPL", "30"))
    filled = broker.get(order)
    assert filled.filled_qty == "3.333333333"
    assert Decimal("99.99999") < Decimal(100_000) - broker.cash() <= 100


def test_fractional_order_when_filled_then_position_and_cash_are_exact(broker: Client) -> None:
    broker.opened(bar("AAPL", "123.45"))
    broker.market("buy", qty=0.123456789)
    position = broker.sdk.get_open_position("AAPL")
    assert position.qty == "0.123456789"
    assert broker.cash() == Decimal(100_000) - Decimal("15.240741")
    broker.market("sell", qty=0.123456789)
    assert broker.sdk.get_all_positions() == []


def test_order_when_chosen_for_partial_execution_then_fills_in_two_parts_at_one_price(start: Start) -> None:
    broker = start(partial_fill_share=Decimal(1))
    order = broker.market("buy", qty=5)
    single = broker.market("buy", qty=1, symbol="MSFT")
    broker.opened(bar("AAPL", "10"), bar("MSFT", "10"))
    assert broker.status(order) == "filled"
    fills = broker.sdk.get("/account/activities/FILL", {"direction": "asc"})
    parts = [fill for fill in fills if fill["order_id"] == str(order.id)]
    assert [(f["qty"], f["cum_qty"], f["leaves_qty"], f["type"], f["order_status"]) for f in parts] == [
        ("2", "2", "3", "partial_fill", "partially_filled"),
        ("3", "5", "0", "fill", "filled"),
    ]
    assert [fill["qty"] for fill in fills if fill["order_id"] == str(single.id)] == ["1"]


def test_partial_share_when_a_tenth_then_about_a_tenth_is_chosen() -> None:
    from cli.paper_broker.execution import splits_in_phase

    chosen = sum(splits_in_phase(f"order-{number}", Decimal("0.1")) for number in range(5000))
    assert 400 < chosen < 600
    assert not any(splits_in_phase(f"order-{number}", Decimal(0)) for number in range(100))


def test_costs_when_configured_then_worsen_price_and_take_fees(start: Start) -> None:
    broker = start(slippage_bps=Decimal(10), fee_per_share=Decimal("0.01"))
    broker.opened(bar("AAPL", "100"))
    bought = broker.get(broker.market("buy", qty=10))
    sold = broker.get(broker.market("sell", qty=10))
    assert (bought.filled_avg_price, sold.filled_avg_price) == ("100.1", "99.9")
    assert broker.cash() == Decimal(100_000) - Decimal(2) - Decimal("0.2")
    fees = broker.sdk.get("/account/activities/FEE")
    assert [fee["net_amount"] for fee in fees] == ["-0.1", "-0.1"]


def test_order_when_asked_for_by_client_id_then_is_the_same(broker: Client) -> None:
    order = broker.market("buy", client_order_id="so-paper-1")
    found = broker.sdk.get_order_by_client_id("so-paper-1")
    assert found.id == order.id
    status, body = broker.refused(lambda: broker.sdk.get_order_by_client_id("so-paper-2"))
    assert (status, body["code"]) == (404, 40410000)


def test_order_ids_when_two_books_take_the_same_client_id_then_are_equal(start: Start) -> None:
    ids = {start().market("buy", client_order_id="so-paper-1").id for _ in range(2)}
    assert len(ids) == 1


def test_cancel_when_open_then_canceled_and_a_repeat_succeeds(broker: Client) -> None:
    order = broker.limit("buy", 50)
    broker.sdk.cancel_order_by_id(order.id)
    canceled = broker.get(order)
    assert canceled.status is OrderStatus.CANCELED
    assert canceled.canceled_at is not None
    broker.sdk.cancel_order_by_id(order.id)
    assert broker.get(order).canceled_at == canceled.canceled_at


def test_cancel_when_filled_or_unknown_then_is_refused(broker: Client) -> None:
    order = broker.market("buy")
    broker.opened(bar("AAPL", "100"))
    assert broker.refused(lambda: broker.sdk.cancel_order_by_id(order.id)) == (
        422,
        {"code": 42210000, "message": 'order is already in "filled" state'},
    )
    status, body = broker.refused(lambda: broker.sdk.cancel_order_by_id(uuid4()))
    assert (status, body["code"]) == (404, 40410000)


def test_cancel_all_when_some_are_open_then_ends_exactly_those(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    filled = broker.market("buy")
    resting = [broker.limit("buy", price) for price in (90, 91)]
    answer = broker.sdk.cancel_orders()
    assert {str(entry.id) for entry in answer} == {str(order.id) for order in resting}
    assert {entry.status for entry in answer} == {200}
    assert broker.status(filled) == "filled"
    assert broker.sdk.cancel_orders() == []


def test_order_list_when_filtered_then_holds_what_fits(broker: Client) -> None:
    first = broker.limit("buy", 50)
    broker.told("clock", {"at": "2024-03-04T12:00:00Z"})
    second = broker.limit("buy", 50, "MSFT")
    broker.told("clock", {"at": "2024-03-04T13:00:00Z"})
    third = broker.limit("buy", 51)
    broker.sdk.cancel_order_by_id(third.id)

    def listed(**fields: object) -> list[object]:
        return [order.id for order in broker.sdk.get_orders(GetOrdersRequest(**fields))]

    assert listed() == [second.id, first.id]
    assert listed(status=QueryOrderStatus.CLOSED) == [third.id]
    assert listed(status=QueryOrderStatus.ALL) == [third.id, second.id, first.id]
    assert listed(status=QueryOrderStatus.ALL, direction="asc", limit=2) == [first.id, second.id]
    assert listed(symbols=["MSFT", "TINY"]) == [second.id]
    assert listed(after=first.submitted_at) == [second.id]
    assert listed(until=second.submitted_at) == [first.id]
    assert listed(side="sell") == []
    assert second.submitted_at.isoformat() == "2024-03-04T12:00:00+00:00"


def test_open_orders_when_listed_after_reserving_then_buying_power_is_less_and_comes_back(broker: Client) -> None:
    order = broker.limit("buy", 100, qty=100)
    assert broker.sdk.get_account().buying_power == "90000"
    broker.sdk.cancel_order_by_id(order.id)
    assert broker.sdk.get_account().buying_power == "100000"


def test_unpriced_market_buy_when_the_open_is_dearer_than_the_cash_then_is_rejected(broker: Client) -> None:
    order = broker.market("buy", qty=1001)
    broker.opened(bar("AAPL", "100"))
    rejected = broker.get(order)
    assert rejected.status is OrderStatus.REJECTED
    assert rejected.failed_at is not None
    assert broker.cash() == 100_000


def test_position_when_marked_then_values_follow_the_close(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=10)
    broker.closed(bar("AAPL", "100", "120", "95", "110"))
    position = broker.sdk.get_open_position("AAPL")
    account = broker.sdk.get_account()
    assert (position.market_value, position.unrealized_pl, position.unrealized_plpc) == ("1100", "100", "0.1")
    assert (account.equity, account.last_equity, account.long_market_value) == ("100100", "100000", "1100")

    broker.opened(bar("AAPL", "121"), day=TUESDAY)
    position = broker.sdk.get_open_position("AAPL")
    account = broker.sdk.get_account()
    assert (position.lastday_price, position.change_today, position.unrealized_intraday_pl) == ("110", "0.1", "110")
    assert (account.equity, account.last_equity) == ("100210", "100100")


def test_position_when_absent_then_404(broker: Client) -> None:
    assert broker.refused(lambda: broker.sdk.get_open_position("AAPL")) == (
        404,
        {"code": 40410000, "message": "position does not exist"},
    )
    status, body = broker.refused(lambda: broker.sdk.get_open_position("NOPE"))
    assert (status, body["code"]) == (404, 40410000)


def test_short_sale_when_allowed_then_position_is_negative_and_cover_closes_it(start: Start) -> None:
    broker = start(shorting=True)
    broker.opened(bar("AAPL", "100"))
    short = broker.market("sell", qty=10)
    assert short.position_intent is not None
    assert short.position_intent.value == "sell_to_open"
    position = broker.sdk.get_open_position("AAPL")
    assert (position.qty, position.side.value, position.avg_entry_price) == ("-10", "short", "100")
    assert broker.sdk.get_account().buying_power == "99500"
    status, body = broker.refused(lambda: broker.market("buy", qty=11))
    assert (status, body["available"]) == (403, "10")
    broker.market("buy", qty=10)
    assert broker.sdk.get_all_positions() == []
    assert broker.cash() == 100_000
