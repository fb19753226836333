"""A book written before order groups, the stream and market data opens and goes on."""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from cli.paper_broker.book import derived_id
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.listing import OrderQuery
from cli.paper_broker.market_data import MarketData
from tests.paper_broker.harness import KEY, settings_for

AT = "2024-03-04T14:30:00.000000Z"
ACCOUNT = derived_id("account", KEY)


def _order(number: int, status: str, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": derived_id("order", number),
        "client_order_id": f"so-{number}",
        "symbol": "AAPL",
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "quantity": 2 * 10**9,
        "limit_price": 90 * 10**6,
        "extended_hours": 0,
        "order_class": "",
        "position_intent": "buy_to_open",
        "status": status,
        "filled_quantity": 0,
        "filled_value": 0,
        "executions": 0,
        "reserve_price": 90 * 10**6,
        "triggered": 0,
        "split": "none",
        "reason": "",
    }
    times = dict.fromkeys(("created_at", "submitted_at", "updated_at"), AT)
    return row | times | {"expires_at": "2024-06-02T14:30:00.000000Z"} | fields


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    marks = ", ".join("?" for _ in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


@pytest.fixture
def old_book(tmp_path: Path) -> Path:
    """A book of version 1 with a resting order, a filled one and the position it made."""
    path = tmp_path / "book.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript((files("cli.paper_broker") / "schema.sql").read_text())
        money = (100_000 * 10**6, 99_820 * 10**6, 100_000 * 10**6)
        connection.execute("INSERT INTO account VALUES (1, ?, 'PA1', ?, ?, ?, ?, '', 0)", (ACCOUNT, AT, *money))
        connection.execute(
            "INSERT INTO clock VALUES (1, ?, '2024-03-04', 1, ?, '2024-03-04T21:00:00.000000Z')", (AT, AT)
        )
        connection.execute(
            "INSERT INTO assets VALUES ('AAPL', ?, 'Apple', 'NASDAQ', 1, 1)", (derived_id("asset", "AAPL"),)
        )
        connection.execute("INSERT INTO prices VALUES ('AAPL', 90000000, ?, '2024-03-04', NULL)", (AT,))
        filled = {"filled_quantity": 2 * 10**9, "filled_value": 180 * 10**6, "executions": 1, "filled_at": AT}
        resting = _order(1, "new", limit_price=80 * 10**6, reserve_price=80 * 10**6)
        for row in (resting, _order(2, "filled", **filled)):
            _insert(connection, "orders", row)
        for number, event, status in (
            (1, "accepted", "accepted"),
            (1, "new", "new"),
            (2, "pending_new", "pending_new"),
        ):
            _announce(connection, number, event, status)
        _announce(connection, 2, "new", "new")
        _announce(connection, 2, "fill", "filled")
        connection.execute("INSERT INTO positions VALUES ('AAPL', 2000000000, 180000000, 180000000)")
        fill = {"id": "x", "kind": "FILL", "at": AT, "session": "2024-03-04", "symbol": "AAPL", "quantity": 2 * 10**9}
        fill |= {"cash": -180 * 10**6, "price": 90 * 10**6, "order_id": derived_id("order", 2)}
        _insert(connection, "activities", fill | {"cumulative": 2 * 10**9, "leaves": 0, "order_status": "filled"})
    connection.close()
    return path


def _announce(connection: sqlite3.Connection, number: int, event: str, status: str) -> None:
    row = {"at": AT, "event": event, "order_id": derived_id("order", number), "status": status, "message": ""}
    _insert(connection, "outbox", row)


def test_book_when_of_the_version_before_then_opens_and_everything_works_on_it(old_book: Path) -> None:
    for _ in range(2):
        broker = PaperBroker(settings_for(old_book.parent))
        assert broker.audit() == []
        orders = broker.orders(OrderQuery.read({"status": "all", "direction": "asc"}))
        assert [(order["client_order_id"], order["status"]) for order in orders] == [
            ("so-1", "new"),
            ("so-2", "filled"),
        ]
        assert broker.updates_after(0) == []
        assert broker.market_data(lambda data: _latest(data)) == 90
        broker.close()
    broker = PaperBroker(settings_for(old_book.parent))
    new = broker.replace(orders[0]["id"], {"limit_price": "81"})
    assert (new["replaces"], broker.order(orders[0]["id"])["status"]) == (orders[0]["id"], "replaced")
    assert broker.configurations()["suspend_trade"] is False
    assert broker.audit() == []
    broker.close()


def _latest(data: MarketData) -> Any:
    return data.latest_trade("AAPL")["trade"]["p"]


def test_book_when_new_then_has_the_same_tables_as_a_migrated_one(old_book: Path, tmp_path: Path) -> None:
    shapes = []
    for path in (old_book, tmp_path / "new" / "book.sqlite"):
        PaperBroker(settings_for(path.parent)).close()
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            assert connection.execute("PRAGMA user_version").fetchone() == (4,)
        connection.close()
        shapes.append(rows)
    assert shapes[0] == shapes[1]
