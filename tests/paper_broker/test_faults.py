"""Faults on demand, down to the socket."""

from __future__ import annotations

import time

import pytest
import requests
from alpaca.common.exceptions import APIError

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import Client, bar


def _order(faulty: Client, kind: str, *, count: int = 1) -> None:
    faulty.told("faults", {"kind": kind, "count": count})


def test_gateway_error_when_after_the_commit_then_the_order_is_in_the_book(broker: Client) -> None:
    _order(broker, "error_504_after_commit")
    with pytest.raises(APIError) as caught:
        broker.market("buy", client_order_id="so-1")
    assert caught.value.status_code == 504
    assert caught.value.response.headers["content-type"] == "text/html"
    assert broker.sdk.get_order_by_client_id("so-1").client_order_id == "so-1"
    assert broker.refused(lambda: broker.market("buy", client_order_id="so-1"))[1]["code"] == 40010001


def test_gateway_error_when_the_sdk_retries_by_itself_then_it_meets_its_own_order(broker: Client) -> None:
    broker.sdk._retry, broker.sdk._retry_wait = 1, 0
    _order(broker, "error_504_after_commit")
    status, body = broker.refused(lambda: broker.market("buy", client_order_id="so-1"))
    assert (status, body["message"]) == (422, "client_order_id must be unique")


def test_hang_when_ordered_then_the_client_times_out_and_the_order_is_in_the_book(start: Start) -> None:
    broker = start(timeout=0.5)
    _order(broker, "hang")
    with pytest.raises(requests.exceptions.ReadTimeout):
        broker.market("buy", client_order_id="so-1")
    assert broker.sdk.get_order_by_client_id("so-1").status.value == "accepted"


def test_request_that_lies_about_when_its_client_has_gone_then_the_order_comes_into_the_book_later(
    start: Start,
) -> None:
    broker = start(timeout=0.3)
    broker.told("faults", {"kind": "hang_before_commit", "seconds": 1.0})
    with pytest.raises(requests.exceptions.ReadTimeout):
        broker.market("buy", client_order_id="so-1")
    assert broker.sdk.get_orders() == []
    deadline = time.monotonic() + 20
    while not broker.sdk.get_orders():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [order.client_order_id for order in broker.sdk.get_orders()] == ["so-1"]


def test_storm_when_ordered_for_three_then_three_are_turned_away(broker: Client) -> None:
    _order(broker, "storm_429", count=3)
    for _ in range(3):
        status, body = broker.refused(lambda: broker.market("buy", client_order_id="so-1"))
        assert (status, body["code"]) == (429, 42910000)
    assert broker.sdk.get_orders() == []
    broker.market("buy", client_order_id="so-1")


@pytest.mark.parametrize(("kind", "landed"), [("reset_before_commit", 0), ("reset_after_commit", 1)])
def test_reset_when_before_or_after_the_commit_then_the_book_tells_which(
    broker: Client, kind: str, landed: int
) -> None:
    _order(broker, kind)
    with pytest.raises(requests.exceptions.ConnectionError) as caught:
        broker.market("buy", client_order_id="so-1")
    assert "reset" in str(caught.value).lower()
    assert len(broker.sdk.get_orders()) == landed


def test_rejection_when_after_the_answer_then_the_next_look_shows_it(broker: Client) -> None:
    _order(broker, "reject_after_200")
    assert broker.market("buy", client_order_id="so-1").status.value == "accepted"
    rejected = broker.sdk.get_order_by_client_id("so-1")
    assert rejected.status.value == "rejected"
    assert rejected.failed_at is not None
    assert broker.refused(lambda: broker.sdk.cancel_order_by_id(rejected.id))[1]["message"] == (
        'order is already in "rejected" state'
    )


def test_partial_fill_when_ordered_then_half_fills_now_and_the_rest_at_the_next_price(broker: Client) -> None:
    _order(broker, "partial_fill")
    order = broker.market("buy", qty=5)
    broker.opened(bar("AAPL", "100", "120", "90", "110"))
    partly = broker.get(order)
    assert (partly.status.value, partly.filled_qty, partly.filled_avg_price) == ("partially_filled", "2", "100")
    broker.closed(bar("AAPL", "100", "120", "90", "110"))
    whole = broker.get(order)
    assert (whole.status.value, whole.filled_qty, whole.filled_avg_price) == ("filled", "5", "106")


def test_partial_fill_when_the_rest_is_canceled_then_the_filled_part_stays(broker: Client) -> None:
    _order(broker, "partial_fill")
    order = broker.market("buy", qty=5)
    broker.opened(bar("AAPL", "100"))
    broker.sdk.cancel_order_by_id(order.id)
    canceled = broker.get(order)
    assert (canceled.status.value, canceled.filled_qty) == ("canceled", "2")
    assert broker.sdk.get_open_position("AAPL").qty == "2"
    assert broker.sdk.get_account().buying_power == "99800"


def test_fault_when_for_another_path_then_only_that_path_suffers(broker: Client) -> None:
    broker.told("faults", {"kind": "storm_429", "count": 1, "path": "/v2/account"})
    assert broker.sdk.get_all_positions() == []
    assert broker.refused(broker.sdk.get_account)[0] == 429
    broker.sdk.get_account()


def test_fault_when_the_keys_are_wrong_then_is_not_used_up(broker: Client) -> None:
    _order(broker, "storm_429")
    assert requests.post(f"{broker.address}/v2/orders", json={}, timeout=10).status_code == 401
    assert broker.refused(lambda: broker.market("buy"))[0] == 429


def test_faults_when_cleared_then_nothing_suffers(broker: Client) -> None:
    _order(broker, "hang", count=5)
    waiting = {"kind": "hang", "count": 5, "path": "/v2/orders", "method": "", "seconds": 5.0}
    assert broker.control("GET", "faults").json() == [waiting]
    assert broker.control("DELETE", "faults").json() == []
    broker.market("buy")
