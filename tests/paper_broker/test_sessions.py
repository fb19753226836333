"""Control messages: the order of sessions, repeats, corporate actions, the account's opening."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import MONDAY, Client, bar

TUESDAY, WEDNESDAY = date(2024, 3, 5), date(2024, 3, 6)


def _holding(broker: Client, quantity: float, price: str = "100") -> None:
    """Buy on Monday at one price and close the day at it."""
    broker.opened(bar("AAPL", price))
    broker.market("buy", qty=quantity)
    broker.closed(bar("AAPL", price))


def _split(ratio: str) -> list[dict[str, Any]]:
    return [{"symbol": "AAPL", "split_ratio": ratio}]


def _dividend(amount: str) -> list[dict[str, Any]]:
    return [{"symbol": "AAPL", "cash_dividend": amount}]


def test_session_message_when_repeated_then_same_answer_and_nothing_changes(broker: Client) -> None:
    broker.market("buy", qty=3)
    actions = _dividend("1")
    first = broker.opened(bar("AAPL", "100"), actions=actions)
    assert first["executions"] == 1
    broker.market("buy", qty=2)
    cash = broker.cash()
    assert broker.opened(bar("AAPL", "55"), actions=actions) == first
    assert (broker.cash(), broker.sdk.get_open_position("AAPL").current_price) == (cash, "100")
    closing = broker.closed(bar("AAPL", "100"))
    assert broker.closed(bar("AAPL", "55")) == closing
    broker.opened(bar("AAPL", "101"), day=TUESDAY)
    assert broker.opened(bar("AAPL", "100")) == first
    assert broker.sdk.get_open_position("AAPL").current_price == "101"


@pytest.mark.parametrize(
    ("before", "message", "code"),
    [
        ([], ("close", MONDAY), "SESSION_NOT_OPEN"),
        ([("open", TUESDAY)], ("open", MONDAY), "SESSION_IN_THE_PAST"),
        ([("open", TUESDAY)], ("close", MONDAY), "SESSION_IN_THE_PAST"),
        ([("open", MONDAY)], ("open", TUESDAY), "SESSION_STILL_OPEN"),
        ([("open", MONDAY)], ("close", TUESDAY), "SESSION_NOT_OPEN"),
        ([("open", MONDAY), ("close", MONDAY)], ("close", TUESDAY), "SESSION_NOT_OPEN"),
    ],
)
def test_session_message_when_out_of_order_then_409_and_nothing_changes(
    broker: Client, before: list[tuple[str, date]], message: tuple[str, date], code: str
) -> None:
    for phase, day in before:
        assert broker.phase(phase, day=day).status_code == 200
    clock = broker.sdk.get_clock().timestamp
    refused = broker.phase(message[0], [bar("AAPL", "1")], day=message[1])
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert broker.sdk.get_clock().timestamp == clock


@pytest.mark.parametrize(
    "wrong",
    [
        bar("AAPL", "100", "99", "90", "95"),
        bar("AAPL", "0"),
        bar("AAPL", "100.1234567"),
    ],
)
def test_session_message_when_a_bar_is_impossible_then_422(broker: Client, wrong: dict[str, Any]) -> None:
    assert broker.phase("open", [wrong]).status_code == 422
    assert broker.phase("open", [bar("AAPL", "1"), bar("AAPL", "1")]).status_code == 422
    assert broker.phase("open", [bar("AAPL", "1")]).status_code == 200


def test_unknown_symbol_when_in_a_bar_then_becomes_an_asset(broker: Client) -> None:
    broker.opened(bar("FRESH", "20"))
    assert broker.sdk.get_asset("FRESH").tradable is True
    assert broker.get(broker.market("buy", "FRESH")).filled_avg_price == "20"


def test_dividend_when_paid_then_cash_grows_by_what_was_held_at_the_last_close(broker: Client) -> None:
    _holding(broker, 10.5)
    before = broker.cash()
    pending = broker.market("buy", qty=5)
    broker.opened(bar("AAPL", "99"), day=TUESDAY, actions=_dividend("0.24"))
    assert broker.status(pending) == "filled"
    assert broker.cash() == before + Decimal("2.52") - 5 * 99
    (paid,) = broker.sdk.get("/account/activities/DIV")
    assert (paid["net_amount"], paid["per_share_amount"], paid["qty"], paid["date"]) == (
        "2.52",
        "0.24",
        "10.5",
        "2024-03-05",
    )


def test_dividend_when_nothing_is_held_then_nothing_is_paid(broker: Client) -> None:
    broker.opened(bar("AAPL", "99"), actions=_dividend("0.24"))
    assert broker.sdk.get("/account/activities") == []


def test_dividend_when_gtc_orders_rest_then_lowers_buy_limits_and_sell_stops(broker: Client) -> None:
    _holding(broker, 10)
    stop = broker.stop("sell", 80, time_in_force=TimeInForce.GTC)
    above = broker.limit("sell", 120, time_in_force=TimeInForce.GTC)
    buy = broker.limit("buy", 90, "MSFT", time_in_force=TimeInForce.GTC)
    of_the_day = broker.limit("buy", 90, "MSFT")
    tiny = broker.limit("buy", 0.2, "TINY", qty=10, time_in_force=TimeInForce.GTC)
    actions = [{"symbol": symbol, "cash_dividend": "0.245"} for symbol in ("AAPL", "MSFT", "TINY")]
    broker.opened(bar("AAPL", "100"), bar("MSFT", "100"), day=TUESDAY, actions=actions)
    assert broker.get(stop).stop_price == "79.75"
    assert broker.get(above).limit_price == "120"
    assert broker.get(buy).limit_price == "89.75"
    assert broker.get(of_the_day).limit_price == "90"
    assert broker.status(tiny) == "canceled"


def test_forward_split_when_held_then_quantity_and_average_follow_and_equity_stays(broker: Client) -> None:
    _holding(broker, 10, "700")
    equity = broker.sdk.get_account().equity
    broker.opened(bar("AAPL", "100"), day=TUESDAY, actions=_split("7"))
    position = broker.sdk.get_open_position("AAPL")
    assert (position.qty, position.avg_entry_price, position.cost_basis) == ("70", "100", "7000")
    assert (position.lastday_price, position.unrealized_intraday_pl) == ("100", "0")
    assert broker.sdk.get_account().equity == equity
    (done,) = broker.sdk.get("/account/activities/SPLIT")
    assert (done["qty"], done["net_amount"]) == ("60", "0")


def test_forward_split_when_orders_are_open_then_they_are_adjusted(broker: Client) -> None:
    _holding(broker, 10, "300")
    sale = broker.limit("sell", 310, qty=5, time_in_force=TimeInForce.GTC)
    stop = broker.stop("sell", 250.01, qty=5, time_in_force=TimeInForce.GTC)
    broker.opened(bar("AAPL", "200"), day=TUESDAY, actions=_split("1.5"))
    assert [(o.qty, o.limit_price) for o in [broker.get(sale)]] == [("7", "206.66")]
    assert [(o.qty, o.stop_price) for o in [broker.get(stop)]] == [("7", "166.67")]
    assert broker.sdk.get_open_position("AAPL").qty_available == "1"


def test_market_order_when_queued_over_a_split_then_sells_the_split_shares(broker: Client) -> None:
    _holding(broker, 10, "700")
    order = broker.market("sell", qty=10)
    broker.opened(bar("AAPL", "100"), day=TUESDAY, actions=_split("7"))
    sold = broker.get(order)
    assert (sold.filled_qty, sold.filled_avg_price) == ("70", "100")
    assert broker.sdk.get_all_positions() == []


@pytest.mark.parametrize(("lieu", "quantity", "cash"), [(False, "1.5", "98500"), (True, "1", "99000")])
def test_reverse_split_when_a_fraction_remains_then_kept_or_paid_out(
    start: Start, lieu: bool, quantity: str, cash: str
) -> None:
    broker = start(cash_in_lieu=lieu)
    _holding(broker, 15, "100")
    resting = broker.limit("buy", 50, time_in_force=TimeInForce.GTC)
    broker.opened(bar("AAPL", "1000"), day=TUESDAY, actions=_split("0.1"))
    position = broker.sdk.get_open_position("AAPL")
    assert (position.qty, position.avg_entry_price) == (quantity, "1000")
    assert broker.cash() == Decimal(cash)
    assert broker.status(resting) == "canceled"
    assert broker.sdk.get_account().equity == "100000"


def test_split_and_dividend_when_on_one_day_then_the_dividend_counts_old_shares(broker: Client) -> None:
    _holding(broker, 10, "100")
    before = broker.cash()
    broker.opened(bar("AAPL", "50"), day=TUESDAY, actions=[_split("2")[0] | {"cash_dividend": "0.5"}])
    assert broker.cash() == before + 5
    assert broker.sdk.get_open_position("AAPL").qty == "20"


def test_two_dividends_when_on_one_day_then_both_are_paid(broker: Client) -> None:
    _holding(broker, 10)
    before = broker.cash()
    broker.opened(bar("AAPL", "99"), day=TUESDAY, actions=_dividend("0.5") + _dividend("1"))
    assert broker.cash() == before + 15


def test_opening_cash_when_the_book_is_empty_then_set_and_otherwise_refused(broker: Client) -> None:
    for amount in ("5000", "2500.5", "2500.50"):
        broker.told("account", {"cash": amount})
    account = broker.sdk.get_account()
    assert (account.cash, account.equity, account.last_equity) == ("2500.5", "2500.5", "2500.5")
    broker.limit("buy", 5)
    assert broker.told("account", {"cash": "2500.5"})["cash"] == "2500.5"
    refused = broker.control("POST", "account", {"cash": "9"})
    assert (refused.status_code, refused.json()["code"]) == (409, "BOOK_IN_USE")


def test_clock_message_when_earlier_than_now_then_changes_nothing(broker: Client) -> None:
    broker.told("clock", {"at": "2024-03-04T14:00:00Z"})
    assert broker.told("clock", {"at": "2024-03-04T13:00:00Z"})["now"] == "2024-03-04T14:00:00.000000Z"
    broker.opened(bar("AAPL", "1"))
    refused = broker.control("POST", "clock", {"at": "2024-03-04T21:00:01Z"})
    assert (refused.status_code, refused.json()["code"]) == (409, "SESSION_STILL_OPEN")
    assert broker.told("clock", {"at": "2024-03-04T21:00:00Z"})["is_open"] is True


def test_price_message_when_the_clock_is_virtual_then_409(broker: Client) -> None:
    body = {"prices": [{"symbol": "AAPL", "price": "5", "at": "2024-03-04T15:00:00Z"}]}
    assert broker.control("POST", "prices", body).status_code == 409


def test_books_when_driven_alike_then_hold_the_same_ids(start: Start) -> None:
    def life() -> list[Any]:
        broker = start(partial_fill_share=Decimal("0.5"), slippage_bps=Decimal(3))
        for number in range(6):
            broker.market("buy", qty=number + 2, client_order_id=f"so-{number}")
        broker.opened(bar("AAPL", "100.07"), actions=_dividend("1"))
        broker.closed(bar("AAPL", "100"))
        broker.opened(bar("AAPL", "50"), day=TUESDAY, actions=_split("2") + _dividend("0.1"))
        orders = broker.sdk.get("/orders?status=all")
        return [orders, broker.sdk.get("/account/activities"), broker.sdk.get("/account")]

    assert life() == life()
