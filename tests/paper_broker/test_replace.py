"""Replacing orders: a new id, a chain that can be followed, and the race against a fill."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, bar

TUESDAY = date(2024, 3, 5)


@pytest.fixture
def broker(start: Start) -> Client:
    broker = start()
    broker.opened(bar("AAPL", "100"))
    return broker


def test_replace_when_the_order_works_then_a_new_order_takes_its_place(broker: Client) -> None:
    old = broker.limit("buy", 90, qty=10)
    new = broker.replaced(old, limit_price=91, client_order_id="so-1-r1")
    ended = broker.get(old)
    assert new.id != old.id
    assert (new.client_order_id, new.limit_price, new.qty, new.replaces) == ("so-1-r1", "91", "10", old.id)
    assert (ended.status.value, ended.replaced_by, ended.replaced_at) == ("replaced", new.id, new.submitted_at)
    assert broker.status(new) == "new"
    assert broker.sdk.get_account().buying_power == str(100_000 - 910)
    assert [order.id for order in broker.sdk.get_orders()] == [new.id]


def test_replace_when_repeated_then_the_chain_leads_to_the_last(broker: Client) -> None:
    order = first = broker.limit("buy", 90)
    for price in (91, 92, 93):
        order = broker.replaced(order, limit_price=price)
    followed = broker.get(first)
    while followed.replaced_by is not None:
        followed = broker.sdk.get_order_by_id(followed.replaced_by)
    assert (followed.id, followed.limit_price, followed.status.value) == (order.id, "93", "new")
    status, body = broker.refused(lambda: broker.replaced(first, limit_price=94))
    assert (status, body["message"]) == (422, 'order is already in "replaced" state')
    assert broker.refused(lambda: broker.sdk.cancel_order_by_id(first.id))[0] == 422


def test_replacement_when_marketable_then_fills_at_once(broker: Client) -> None:
    order = broker.replaced(broker.limit("buy", 90), limit_price=101)
    assert broker.get(order).filled_avg_price == "100"


@pytest.mark.parametrize(("qty", "left"), [(None, "6"), (8, "4")])
def test_replace_when_part_is_filled_then_the_new_order_asks_for_the_rest(
    broker: Client, qty: int | None, left: str
) -> None:
    broker.told("faults", {"kind": "partial_fill"})
    order = broker.limit("buy", 100, qty=12)
    assert broker.get(order).filled_qty == "6"
    if qty is None:
        new = broker.replaced(order, limit_price=90)
        assert new.qty == left
    else:
        status, body = broker.refused(lambda: broker.replaced(order, qty=6))
        assert (status, body["message"]) == (422, "qty must be > filled_qty 6")
        new = broker.replaced(order, qty=10, limit_price=90)
        assert new.qty == left
    assert broker.sdk.get_open_position("AAPL").qty == "6"


def test_replace_when_the_order_fills_first_then_the_replacement_is_answered_and_rejected(broker: Client) -> None:
    order = broker.limit("buy", 90, qty=10)
    broker.told("faults", {"kind": "fill_before_replace", "path": "/v2/orders/*", "method": "PATCH"})
    new = broker.replaced(order, limit_price=91)
    assert new.status.value == "pending_new"
    filled, rejected = broker.get(order), broker.get(new)
    assert (filled.status.value, filled.filled_avg_price, filled.replaced_by) == ("filled", "90", None)
    assert (rejected.status.value, rejected.replaces) == ("rejected", order.id)
    assert broker.sdk.get_open_position("AAPL").qty == "10"


def test_replace_when_its_answer_is_lost_then_the_client_id_finds_the_new_order(broker: Client) -> None:
    order = broker.limit("buy", 90)
    fault = {"kind": "error_504_after_commit", "path": f"/v2/orders/{order.id}", "method": "PATCH"}
    broker.told("faults", fault)
    assert (
        broker.ask("PATCH", f"/v2/orders/{order.id}", json={"limit_price": "91", "client_order_id": "so-r"}).status_code
        == 504
    )
    assert broker.sdk.get_order_by_client_id("so-r").replaces == order.id


def test_replace_when_the_client_id_is_taken_then_is_refused_and_nothing_changes(broker: Client) -> None:
    order = broker.limit("buy", 90, client_order_id="so-1")
    status, body = broker.refused(lambda: broker.replaced(order, limit_price=91, client_order_id="so-1"))
    assert (status, body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert broker.status(order) == "new"


def test_replace_when_the_market_is_closed_then_only_what_was_sent_to_the_exchange_can_be(broker: Client) -> None:
    resting = broker.limit("buy", 90, time_in_force=TimeInForce.GTC)
    broker.closed(bar("AAPL", "100"))
    waiting = broker.limit("buy", 90)
    assert broker.refused(lambda: broker.replaced(waiting, limit_price=91))[1]["message"] == (
        "unable to replace order, order isn't sent to exchange yet"
    )
    new = broker.replaced(resting, limit_price=101)
    assert new.status.value == "accepted"
    broker.opened(bar("AAPL", "100.5"), day=TUESDAY)
    assert broker.get(new).filled_avg_price == "100.5"


def test_replace_when_it_would_need_more_money_than_there_is_then_is_refused(broker: Client) -> None:
    order = broker.limit("buy", 90, qty=1000)
    assert broker.replaced(order, qty=1111).qty == "1111"
    order = broker.sdk.get_orders()[0]
    status, body = broker.refused(lambda: broker.replaced(order, qty=1112))
    assert (status, body["message"], body["buying_power"]) == (403, "insufficient buying power", "100000")


def test_replace_when_a_closing_order_grows_then_at_most_to_what_is_held(broker: Client) -> None:
    broker.market("buy", qty=10)
    order = broker.limit("sell", 120, qty=4)
    order = broker.replaced(order, qty=10)
    assert broker.refused(lambda: broker.replaced(order, qty=11))[0] == 403
    assert broker.sdk.get_open_position("AAPL").qty_available == "0"


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("limit", {"stop_price": "80"}, "limit orders must not have stop_price"),
        ("limit", {"trail": "1"}, "limit orders must not have trail"),
        ("stop", {"limit_price": "80"}, "stop orders must not have limit_price"),
        ("limit", {"limit_price": "90"}, "order parameters are not changed"),
        ("limit", {}, "order parameters are not changed"),
        ("limit", {"client_order_id": "so-new"}, "order parameters are not changed"),
        ("limit", {"notional": "100"}, "notional orders cannot be replaced"),
        ("notional", {"limit_price": "91"}, "notional orders cannot be replaced"),
        ("fraction", {"qty": "2"}, "qty of fractional orders cannot be changed"),
        (
            "limit",
            {"limit_price": "90.001"},
            "invalid limit_price 90.001. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ("limit", {"qty": "0"}, "qty must be > 0"),
        ("limit", {"time_in_force": "never"}, "invalid time_in_force"),
        ("bracket", {"qty": "2"}, "only prices of bracket orders can be changed"),
    ],
)
def test_replace_when_it_cannot_be_then_is_refused(
    broker: Client, kind: str, changes: dict[str, Any], message: str
) -> None:
    order = {
        "limit": lambda: broker.limit("buy", 90),
        "stop": lambda: broker.stop("buy", 120),
        "notional": lambda: broker.limit("buy", 90, notional=100),
        "fraction": lambda: broker.limit("buy", 90, qty=1.5),
        "bracket": lambda: broker.bracket(110, 80, limit=90.0),
    }[kind]()
    answer = broker.ask("PATCH", f"/v2/orders/{order.id}", json=changes)
    assert (answer.status_code, answer.json()["message"]) == (422, message)
    assert broker.status(order) == "new"


def test_replace_when_the_order_is_unknown_or_ended_then_404_or_422(broker: Client) -> None:
    unknown = "00000000-0000-0000-0000-000000000000"
    assert broker.ask("PATCH", f"/v2/orders/{unknown}", json={"qty": "1"}).status_code == 404
    filled = broker.market("buy")
    answer = broker.ask("PATCH", f"/v2/orders/{filled.id}", json={"qty": "2"})
    assert (answer.status_code, answer.json()["message"]) == (422, 'order is already in "filled" state')


def test_replace_when_a_time_in_force_changes_then_the_new_order_lives_by_it(broker: Client) -> None:
    order = broker.replaced(broker.limit("buy", 90), time_in_force=TimeInForce.GTC)
    broker.closed(bar("AAPL", "100"))
    assert broker.status(order) == "new"


def test_entry_when_replaced_then_its_exits_pass_to_the_new_order(broker: Client) -> None:
    order = broker.bracket(110, 80, limit=90.0)
    new = broker.replaced(order, limit_price=101)
    assert [leg.status.value for leg in broker.legs(new)] == ["new", "held"]
    assert broker.legs(order) == []
    broker.closed(bar("AAPL", "100", "111", "99", "100"))
    assert [leg.status.value for leg in broker.legs(new)] == ["filled", "canceled"]


def test_exits_when_replaced_before_and_after_the_entry_fills_then_keep_their_parts(broker: Client) -> None:
    order = broker.bracket(110, 80, limit=90.0)
    _, loss = broker.legs(order)
    assert broker.replaced(loss, stop_price=85).status.value == "held"
    broker.closed(bar("AAPL", "100", "100", "90", "95"))
    profit, loss = broker.legs(order)
    assert (profit.status.value, loss.status.value, loss.stop_price) == ("new", "held", "85")
    broker.opened(bar("AAPL", "95"), day=TUESDAY)
    broker.replaced(profit, limit_price=105)
    broker.replaced(broker.legs(order)[1], stop_price=88)
    broker.closed(bar("AAPL", "95", "105", "94", "100"), day=TUESDAY)
    assert [(leg.status.value, leg.filled_avg_price) for leg in broker.legs(order)] == [
        ("filled", "105"),
        ("canceled", None),
    ]
    assert broker.cash() == Decimal(100_000) - 90 + 105
