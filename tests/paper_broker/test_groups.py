"""Entries with exits: what waits, what works, and what ends what."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.trading.enums import QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import GetOrdersRequest, StopLossRequest, TakeProfitRequest

from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.sessions import SessionMessage
from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import MONDAY, Client, bar, settings_for

TUESDAY = date(2024, 3, 5)
BASE = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "limit_price": "100", "time_in_force": "gtc"}
PROFIT, LOSS = {"take_profit": {"limit_price": "110"}}, {"stop_loss": {"stop_price": "90"}}


def _states(broker: Client, order: Order) -> list[str]:
    """The state of an order, of its take profit and of its stop loss."""
    return [broker.status(order), *(leg.status.value for leg in broker.legs(order))]


def _entered(broker: Client, **fields: Any) -> Order:
    broker.opened(bar("AAPL", "100"))
    return broker.bracket(110, 90, qty=10, **fields)


def test_bracket_when_its_entry_waits_then_both_exits_are_held_and_reserve_nothing(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.bracket(110, 90, limit=95.0, qty=10)
    assert [(leg.type.value, leg.side.value, leg.status.value) for leg in order.legs or []] == [
        ("limit", "sell", "held"),
        ("stop", "sell", "held"),
    ]
    assert broker.sdk.get_account().buying_power == "99050"
    broker.closed(bar("AAPL", "100", "120", "96", "100"))
    assert _states(broker, order) == ["new", "held", "held"]


def test_bracket_when_its_entry_fills_then_the_take_profit_works_and_the_stop_stays_held(broker: Client) -> None:
    order = _entered(broker)
    assert _states(broker, order) == ["filled", "new", "held"]
    assert broker.sdk.get_open_position("AAPL").qty_available == "0"


@pytest.mark.parametrize(
    ("day", "states", "cash"),
    [
        (bar("AAPL", "100", "112", "99", "111"), ["filled", "filled", "canceled"], "100100"),
        (bar("AAPL", "100", "105", "88", "89"), ["filled", "canceled", "filled"], "99900"),
        (bar("AAPL", "100", "115", "85", "100"), ["filled", "canceled", "filled"], "99900"),
        (bar("AAPL", "100", "109", "91", "100"), ["filled", "new", "held"], "99000"),
    ],
    ids=["profit", "loss", "both in one bar: the loss is taken", "neither"],
)
def test_bracket_when_an_exit_is_reached_then_the_other_ends(
    broker: Client, day: dict[str, Any], states: list[str], cash: str
) -> None:
    order = _entered(broker)
    broker.closed(day)
    assert _states(broker, order) == states
    assert broker.cash() == Decimal(cash)


def test_bracket_when_its_entry_fills_within_a_bar_then_the_exits_wait_for_the_next_prices(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.bracket(110, 90, limit=95.0)
    broker.closed(bar("AAPL", "100", "120", "80", "100"))
    assert _states(broker, order) == ["filled", "new", "held"]
    broker.opened(bar("AAPL", "111"), day=TUESDAY)
    assert _states(broker, order) == ["filled", "filled", "canceled"]
    assert broker.legs(order)[0].filled_avg_price == "111"


def test_bracket_when_its_entry_fills_in_part_then_the_exits_stay_held_until_it_is_complete(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.told("faults", {"kind": "partial_fill"})
    order = broker.bracket(110, 90, qty=4)
    assert _states(broker, order) == ["partially_filled", "held", "held"]
    broker.closed(bar("AAPL", "100"))
    assert _states(broker, order) == ["filled", "new", "held"]


def test_bracket_when_its_entry_is_canceled_then_its_exits_are_too_and_what_filled_stays(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.told("faults", {"kind": "partial_fill"})
    order = broker.bracket(110, 90, qty=4)
    broker.sdk.cancel_order_by_id(order.id)
    assert _states(broker, order) == ["canceled", "canceled", "canceled"]
    assert broker.sdk.get_open_position("AAPL").qty == "2"


@pytest.mark.parametrize("leg", [0, 1])
def test_bracket_when_one_exit_is_canceled_then_the_other_is_too(broker: Client, leg: int) -> None:
    order = _entered(broker)
    broker.sdk.cancel_order_by_id(broker.legs(order)[leg].id)
    assert _states(broker, order) == ["filled", "canceled", "canceled"]
    assert broker.sdk.get_open_position("AAPL").qty_available == "10"


def test_bracket_when_for_the_day_then_everything_open_expires_at_the_close(broker: Client) -> None:
    order = _entered(broker, time_in_force=TimeInForce.DAY)
    waiting = broker.bracket(60, 40, limit=50.0, time_in_force=TimeInForce.DAY)
    broker.closed(bar("AAPL", "100"))
    assert _states(broker, order) == ["filled", "expired", "expired"]
    assert _states(broker, waiting) == ["expired", "expired", "expired"]


def test_bracket_when_rejected_after_its_acceptance_then_its_exits_are_canceled(broker: Client) -> None:
    broker.told("faults", {"kind": "reject_after_200"})
    order = broker.bracket(110, 90)
    assert _states(broker, order) == ["rejected", "canceled", "canceled"]


def test_take_profit_when_filled_in_part_then_the_stop_keeps_the_rest(tmp_path: Path) -> None:
    broker = PaperBroker(settings_for(tmp_path))
    broker.apply_session(_session("open", MONDAY, bar("AAPL", "100")))
    entry = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "gtc"}
    order = broker.submit(entry | {"order_class": "bracket"} | PROFIT | LOSS)
    with broker.book.transaction() as ledger:
        ledger.execute("UPDATE orders SET split = 'later' WHERE id = ?", (order["legs"][0]["id"],))

    def legs() -> list[tuple[str, str]]:
        return [(leg["status"], leg["qty"]) for leg in broker.order(order["id"], nested=True)["legs"]]

    broker.apply_session(_session("close", MONDAY, bar("AAPL", "100", "110", "99", "105")))
    assert legs() == [("partially_filled", "10"), ("held", "5")]
    broker.apply_session(_session("open", TUESDAY, bar("AAPL", "80")))
    assert legs() == [("canceled", "10"), ("filled", "5")]
    assert broker.positions() == []
    assert broker.account()["cash"] == str(100_000 - 1000 + 550 + 400)
    assert broker.audit() == []
    broker.close()


def _session(phase: str, day: date, *bars: dict[str, Any]) -> SessionMessage:
    opens = datetime(day.year, day.month, day.day, 14, 30, tzinfo=UTC)
    closes = opens + timedelta(hours=6.5)
    return SessionMessage.model_validate(
        {"session": day, "phase": phase, "opens_at": opens, "closes_at": closes, "bars": bars}
    )


def test_stop_limit_exit_when_triggered_below_its_limit_then_rests_alone(broker: Client) -> None:
    order = _entered(broker, stop_loss=StopLossRequest(stop_price=90, limit_price=89.5))
    broker.closed(bar("AAPL", "100"))
    broker.opened(bar("AAPL", "80"), day=TUESDAY)
    assert _states(broker, order) == ["filled", "canceled", "new"]
    broker.closed(bar("AAPL", "80", "89.5", "80", "85"), day=TUESDAY)
    assert broker.legs(order)[1].filled_avg_price == "89.5"


def test_short_bracket_when_the_price_falls_then_buys_back_at_the_profit(start: Start) -> None:
    broker = start(shorting=True)
    broker.opened(bar("AAPL", "100"))
    exits = {"take_profit": TakeProfitRequest(limit_price=90), "stop_loss": StopLossRequest(stop_price=110)}
    order = broker.market("sell", qty=10, order_class="bracket", time_in_force=TimeInForce.GTC, **exits)
    broker.closed(bar("AAPL", "100", "101", "89", "91"))
    assert _states(broker, order) == ["filled", "filled", "canceled"]
    assert broker.cash() == 100_100


def test_entry_with_one_exit_when_filled_then_the_exit_works(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    order = broker.market("buy", order_class="oto", stop_loss=StopLossRequest(stop_price=90))
    assert _states(broker, order) == ["filled", "new"]
    broker.closed(bar("AAPL", "100", "101", "89", "95"))
    assert _states(broker, order) == ["filled", "filled"]


def _pair(broker: Client, **fields: Any) -> Order:
    exits = {"take_profit": TakeProfitRequest(limit_price=110), "stop_loss": StopLossRequest(stop_price=90)}
    defaults = {"order_class": "oco", "time_in_force": TimeInForce.GTC, "qty": 10}
    return broker.limit("sell", 110.0, **(defaults | exits | fields))


@pytest.mark.parametrize(
    ("day", "states"),
    [
        (bar("AAPL", "100", "112", "99", "111"), ["filled", "canceled"]),
        (bar("AAPL", "100", "105", "88", "89"), ["canceled", "filled"]),
        (bar("AAPL", "100"), ["new", "held"]),
    ],
)
def test_pair_of_exits_when_one_is_reached_then_the_other_ends(
    broker: Client, day: dict[str, Any], states: list[str]
) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=10)
    order = _pair(broker)
    assert order.limit_price == "110"
    assert broker.sdk.get_open_position("AAPL").qty_available == "0"
    broker.closed(day)
    assert _states(broker, order) == states


def test_pair_of_exits_when_led_by_its_take_profit_alone_then_has_its_price(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=1)
    body = {"symbol": "AAPL", "qty": "1", "side": "sell", "type": "limit", "time_in_force": "gtc"}
    exits = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
    answer = broker.sdk.post("/orders", body | {"order_class": "oco"} | exits)
    assert answer["limit_price"] == "110"
    assert [leg["status"] for leg in answer["legs"]] == ["held"]


def test_exits_when_a_split_comes_then_are_adjusted_and_a_reverse_split_cancels_them(broker: Client) -> None:
    order = _entered(broker)
    broker.closed(bar("AAPL", "100"))
    broker.opened(bar("AAPL", "50"), day=TUESDAY, actions=[{"symbol": "AAPL", "split_ratio": "2"}])
    assert [(leg.qty, leg.limit_price, leg.stop_price) for leg in broker.legs(order)] == [
        ("20", "55", None),
        ("20", None, "45"),
    ]
    broker.closed(bar("AAPL", "50"), day=TUESDAY)
    reverse = [{"symbol": "AAPL", "split_ratio": "0.1"}]
    broker.opened(bar("AAPL", "500"), day=date(2024, 3, 6), actions=reverse)
    assert _states(broker, order) == ["filled", "canceled", "canceled"]


def test_list_when_nested_then_legs_come_with_their_parents_alone(broker: Client) -> None:
    order = _entered(broker)
    flat = broker.sdk.get_orders(GetOrdersRequest(status=QueryOrderStatus.ALL))
    assert len(flat) == 3
    assert all(found.legs is None for found in flat)
    (nested,) = broker.sdk.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True))
    assert (nested.id, nested.status.value, len(nested.legs)) == (order.id, "filled", 2)
    assert broker.get(order).legs is None


def test_cancel_all_when_groups_are_open_then_names_every_order_once(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.bracket(110, 90, limit=95.0)
    _entered_too = broker.bracket(110, 90)
    answer = broker.sdk.cancel_orders()
    assert len({entry.id for entry in answer}) == len(answer) == 5
    assert broker.sdk.get_orders() == []
    assert _states(broker, _entered_too)[1:] == ["canceled", "canceled"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order_class": "bracket"} | LOSS, "bracket orders require take_profit.limit_price"),
        ({"order_class": "bracket"} | PROFIT, "bracket orders require stop_loss.stop_price"),
        ({"order_class": "oto"}, "oto orders require either take_profit or stop_loss"),
        ({"order_class": "oto"} | PROFIT | LOSS, "oto orders require either take_profit or stop_loss"),
        ({"order_class": "oco"} | PROFIT | LOSS, "oco orders must be exit orders"),
        ({"order_class": "mleg"} | PROFIT | LOSS, "invalid order class: mleg"),
        (PROFIT, "simple orders take no take_profit or stop_loss"),
        (
            {"order_class": "bracket", "time_in_force": "ioc"} | PROFIT | LOSS,
            "bracket orders must be DAY or GTC orders",
        ),
        (
            {"order_class": "bracket", "extended_hours": True} | PROFIT | LOSS,
            "bracket orders must not be extended hours orders",
        ),
        (
            {"order_class": "bracket", "take_profit": {"limit_price": "100"}} | LOSS,
            "take_profit.limit_price must be >= base_price + 0.01",
        ),
        (
            {"order_class": "bracket", "stop_loss": {"stop_price": "100"}} | PROFIT,
            "stop_loss.stop_price must be <= base_price - 0.01",
        ),
        (
            {"order_class": "bracket", "stop_loss": {"stop_price": "90", "limit_price": "91"}} | PROFIT,
            "stop_loss.limit_price must be <= stop_loss.stop_price",
        ),
        ({"order_class": "bracket", "qty": "0.5"} | PROFIT | LOSS, "fractional orders must be simple orders"),
        (
            {"order_class": "bracket", "take_profit": {"limit_price": "110.001"}} | LOSS,
            "invalid take_profit.limit_price 110.001. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ({"order_class": "bracket", "take_profit": "110"} | LOSS, "take_profit must be an object"),
        (
            {"order_class": "oto", "stop_loss": {"limit_price": "1"}},
            "stop_loss.limit_price requires stop_loss.stop_price",
        ),
    ],
)
def test_group_when_it_cannot_be_then_is_refused(broker: Client, fields: dict[str, Any], message: str) -> None:
    if fields.get("qty"):
        fields = fields | {"time_in_force": "day"}
    status, body = broker.refused(lambda: broker.sdk.post("/orders", BASE | fields))
    assert (status, body["message"]) == (422, message)


def test_exits_when_exactly_a_cent_away_then_are_taken(broker: Client) -> None:
    exits = {"take_profit": {"limit_price": "100.01"}, "stop_loss": {"stop_price": "99.99"}}
    assert broker.sdk.post("/orders", BASE | {"order_class": "bracket"} | exits)["status"] == "accepted"


def test_bracket_when_it_would_close_a_position_then_is_refused(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    broker.market("buy", qty=5)
    body = BASE | {"side": "sell", "order_class": "bracket"}
    exits = {"take_profit": {"limit_price": "90"}, "stop_loss": {"stop_price": "110"}}
    assert broker.refused(lambda: broker.sdk.post("/orders", body | exits))[1]["message"] == (
        "bracket orders must be entry orders"
    )
