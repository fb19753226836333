"""The trade-update stream: its protocol, what it sends, and what it keeps to itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import TimeInForce
from websockets.sync.client import ClientConnection, connect

from tests.paper_broker.conftest import Start
from tests.paper_broker.harness import KEY, SECRET, Client, bar
from tests.paper_broker.listener import listening
from tests.paper_broker.test_wall_clock import NOON, Watch

LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
AUTHENTICATE = {"action": "authenticate", "data": {"key_id": KEY, "secret_key": SECRET}}
PATIENCE_SECONDS = 60
"""For what will come: a loaded machine may be slow, and only a broker that never speaks ends it."""


@contextmanager
def _socket(broker: Client, path: str = "/stream") -> Iterator[ClientConnection]:
    with connect(broker.address.replace("http://", "ws://") + path) as socket:
        yield socket


def _say(socket: ClientConnection, message: Any) -> None:
    socket.send(json.dumps(message))


def _hear(socket: ClientConnection) -> Any:
    frame = socket.recv(timeout=PATIENCE_SECONDS)
    assert isinstance(frame, bytes), "the paper host sends binary frames"
    return json.loads(frame)


@contextmanager
def _listening(broker: Client, path: str = "/stream") -> Iterator[ClientConnection]:
    with _socket(broker, path) as socket:
        _say(socket, AUTHENTICATE)
        assert _hear(socket)["data"]["status"] == "authorized"
        _say(socket, LISTEN)
        assert _hear(socket) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        yield socket


@pytest.mark.parametrize(
    "message",
    [AUTHENTICATE, {"action": "auth", "key": KEY, "secret": SECRET}],
    ids=["authenticate", "auth"],
)
@pytest.mark.parametrize("path", ["/stream", "/stream/"])
def test_stream_when_the_keys_are_right_then_the_first_frame_says_so(broker: Client, message: Any, path: str) -> None:
    with _socket(broker, path) as socket:
        _say(socket, message)
        assert _hear(socket) == {
            "stream": "authorization",
            "data": {"status": "authorized", "action": "authenticate"},
        }


@pytest.mark.parametrize(
    "message",
    [
        {"action": "authenticate", "data": {"key_id": KEY, "secret_key": "wrong"}},
        {"action": "authenticate", "data": {"key_id": "wrong", "secret_key": SECRET}},
        {"action": "authenticate", "data": {"key_id": KEY}},
        {"action": "authenticate"},
        LISTEN,
        "nonsense",
    ],
)
def test_stream_when_not_authorized_then_says_so_and_sends_nothing(broker: Client, message: Any) -> None:
    with _socket(broker) as socket:
        _say(socket, message)
        assert _hear(socket)["data"]["status"] == "unauthorized"
        _say(socket, LISTEN)
        assert _hear(socket) == {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}}
        broker.market("buy")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)


def test_updates_when_an_order_lives_then_each_shows_it_as_it_was(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    with _listening(broker) as socket:
        broker.told("faults", {"kind": "partial_fill"})
        order = broker.market("buy", qty=4)
        broker.closed(bar("AAPL", "100", "120", "100", "110"))
        heard = [_hear(socket) for _ in range(4)]
    assert {message["stream"] for message in heard} == {"trade_updates"}
    updates = [message["data"] for message in heard]
    assert [update["event"] for update in updates] == ["pending_new", "new", "partial_fill", "fill"]
    assert [update["order"]["status"] for update in updates] == ["pending_new", "new", "partially_filled", "filled"]
    assert {update["order"]["id"] for update in updates} == {str(order.id)}
    assert [(u.get("qty"), u.get("price"), u.get("position_qty")) for u in updates[2:]] == [
        ("2", "100", "2"),
        ("2", "110", "4"),
    ]
    fills = {fill["id"].partition("::")[2] for fill in broker.sdk.get("/account/activities/FILL")}
    assert {update["execution_id"] for update in updates[2:]} == fills


def test_updates_when_several_listen_then_all_hear_the_same(broker: Client) -> None:
    with _listening(broker) as first, _listening(broker, "/stream/") as second:
        broker.market("buy")
        assert _hear(first) == _hear(second)


def test_updates_when_connected_later_then_begin_there(broker: Client) -> None:
    broker.market("buy", client_order_id="so-early")
    with _listening(broker) as socket:
        broker.market("buy", client_order_id="so-late")
        assert _hear(socket)["data"]["order"]["client_order_id"] == "so-late"


def test_updates_when_no_longer_wanted_then_stop(broker: Client) -> None:
    with _listening(broker) as socket:
        _say(socket, {"action": "listen", "data": {"streams": ["account_updates"]}})
        assert _hear(socket) == {"stream": "listening", "data": {"streams": []}}
        broker.market("buy")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)
        _say(socket, {"action": "dance"})
        assert _hear(socket)["stream"] == "error"


def test_silent_stream_when_ordered_then_withholds_so_many_updates_and_stays_connected(broker: Client) -> None:
    with _listening(broker) as socket:
        broker.told("faults", {"kind": "silent_stream", "path": "/stream", "count": 2})
        for name in ("so-1", "so-2", "so-3"):
            broker.market("buy", client_order_id=name)
        assert _hear(socket)["data"]["order"]["client_order_id"] == "so-3"
        _say(socket, LISTEN)
        assert _hear(socket)["stream"] == "listening"
    assert len(broker.sdk.get_orders()) == 3


@pytest.mark.parametrize(
    "fault",
    [{"kind": "silent_stream"}, {"kind": "hang", "path": "/stream"}, {"kind": "hang", "path": "/control/audit"}],
)
def test_fault_when_its_path_does_not_fit_then_is_refused(broker: Client, fault: dict[str, str]) -> None:
    assert broker.control("POST", "faults", fault).status_code == 422


def test_updates_when_time_alone_ends_an_order_then_are_sent_without_being_asked_for(start: Start) -> None:
    watch = Watch(NOON)
    broker = start(clock="wall", now=watch, rate_limit=0)
    broker.limit("buy", 50, client_order_id="so-1")
    with _listening(broker) as socket:
        watch.at = datetime(2024, 3, 5, 9, 0, 1, tzinfo=UTC)  # twelve hours after the close: no bar will come
        update = _hear(socket)["data"]
    assert (update["event"], update["order"]["client_order_id"]) == ("expired", "so-1")


def test_sdk_stream_when_orders_are_replaced_and_bracketed_then_hears_every_step(broker: Client) -> None:
    broker.opened(bar("AAPL", "100"))
    with listening(broker) as heard:
        old = broker.limit("buy", 90, time_in_force=TimeInForce.GTC)
        new = broker.replaced(old, limit_price=91)
        broker.sdk.cancel_order_by_id(new.id)
        entry = broker.bracket(110, 90, qty=2)
        profit, loss = broker.legs(entry)
        broker.closed(bar("AAPL", "100", "111", "99", "110"))
        heard.wait(lambda: "canceled" in heard.events(loss))
    assert heard.events(old) == ["pending_new", "new", "replaced"]
    assert heard.events(new) == ["pending_new", "new", "canceled"]
    assert heard.events(entry) == ["pending_new", "new", "fill"]
    assert heard.events(profit) == ["held", "new", "fill"]
    assert heard.events(loss) == ["held", "canceled"]
    assert heard.filled() == {"AAPL": Decimal(0)}
    replaced = next(update for update in heard.heard if update.order.id == old.id and update.order.replaced_by)
    assert replaced.order.replaced_by == new.id
