"""Reading and writing the rows of the book inside one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from cli.paper_broker.lifecycle import FINAL, OrderStatus
from cli.paper_broker.records import (
    Account,
    Activity,
    Asset,
    Configurations,
    MarketState,
    Order,
    OrderType,
    Position,
    Price,
    Side,
    Split,
    TimeInForce,
)

_OPEN = "status NOT IN ('filled', 'canceled', 'expired', 'rejected', 'replaced')"
_ORDER_COLUMNS = tuple(field.name for field in fields(Order) if field.name != "sequence")
_ACTIVITY_COLUMNS = tuple(field.name for field in fields(Activity) if field.name != "sequence")
assert all(f"'{status}'" in _OPEN for status in FINAL)


def stamp(at: datetime) -> str:
    """Write an instant so that text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _maybe(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


def _plain(value: object) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return int(value) if isinstance(value, bool) else value


class Ledger:
    """The book's rows as values. Lives as long as its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(statement, parameters).fetchall()

    def write_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(statement, rows)

    def _one(self, statement: str, *parameters: Any) -> Any:
        return self._connection.execute(statement, parameters).fetchone()

    # account and clock

    def account(self) -> Account:
        row = self._one("SELECT * FROM account")
        return Account(
            id=row["id"],
            number=row["number"],
            created_at=instant(row["created_at"]),
            opening_cash=row["opening_cash"],
            cash=row["cash"],
            last_equity=row["last_equity"],
            balance_as_of=row["balance_as_of"],
            suspended=bool(row["suspended"]),
        )

    def update_account(self, **columns: int | str | bool) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE account SET {names}", [_plain(value) for value in columns.values()])  # noqa: S608

    def add_cash(self, amount: int) -> None:
        self.execute("UPDATE account SET cash = cash + ?", (amount,))

    def configurations(self) -> Configurations:
        row = self._one("SELECT * FROM configurations")
        return Configurations(
            no_shorting=bool(row["no_shorting"]),
            fractional_trading=bool(row["fractional_trading"]),
            max_margin_multiplier=row["max_margin_multiplier"],
            trade_confirm_email=row["trade_confirm_email"],
            ptp_no_exception_entry=bool(row["ptp_no_exception_entry"]),
            max_options_trading_level=row["max_options_trading_level"],
            disable_overnight_trading=bool(row["disable_overnight_trading"]),
        )

    def update_configurations(self, **columns: int | str | bool) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.execute(f"UPDATE configurations SET {names}", [_plain(value) for value in columns.values()])  # noqa: S608

    def market(self) -> MarketState:
        row = self._one("SELECT * FROM clock")
        return MarketState(
            now=instant(row["now"]),
            is_open=bool(row["is_open"]),
            session=row["session"],
            opens_at=_maybe(row["opens_at"]),
            closes_at=_maybe(row["closes_at"]),
        )

    def set_market(self, state: MarketState) -> None:
        self.execute(
            "UPDATE clock SET now = ?, session = ?, is_open = ?, opens_at = ?, closes_at = ?",
            [_plain(value) for value in (state.now, state.session, state.is_open, state.opens_at, state.closes_at)],
        )

    def session_answer(self, session: str, phase: str) -> str | None:
        row = self._one("SELECT answer FROM sessions WHERE session = ? AND phase = ?", session, phase)
        return None if row is None else str(row["answer"])

    def keep_session_answer(self, session: str, phase: str, answer: str) -> None:
        self.execute("INSERT INTO sessions VALUES (?, ?, ?)", (session, phase, answer))

    def is_empty(self) -> bool:
        """Whether nothing has happened on the account yet."""
        row = self._one("SELECT EXISTS (SELECT 1 FROM orders) + EXISTS (SELECT 1 FROM activities) AS used")
        return not row["used"]

    # assets and prices

    def asset(self, symbol_or_id: str) -> Asset | None:
        row = self._one("SELECT * FROM assets WHERE symbol = ? OR id = ?", symbol_or_id, symbol_or_id.lower())
        return None if row is None else _asset(row)

    def list_assets(self) -> list[Asset]:
        return [_asset(row) for row in self.execute("SELECT * FROM assets ORDER BY symbol")]

    def put_assets(self, assets: Iterable[Asset]) -> None:
        self.write_many(
            "INSERT INTO assets (id, symbol, name, exchange, fractionable, shortable) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (symbol) DO UPDATE SET name = excluded.name, exchange = excluded.exchange,"
            " fractionable = excluded.fractionable, shortable = excluded.shortable",
            [(a.id, a.symbol, a.name, a.exchange, int(a.fractionable), int(a.shortable)) for a in assets],
        )

    def add_unknown_assets(self, assets: Iterable[Asset]) -> None:
        self.write_many(
            "INSERT OR IGNORE INTO assets (id, symbol, name, exchange, fractionable, shortable) VALUES (?,?,?,?,?,?)",
            [(a.id, a.symbol, a.name, a.exchange, int(a.fractionable), int(a.shortable)) for a in assets],
        )

    def price(self, symbol: str) -> Price | None:
        row = self._one("SELECT * FROM prices WHERE symbol = ?", symbol)
        if row is None:
            return None
        return Price(row["symbol"], row["last"], instant(row["at"]), row["session"], row["previous_close"])

    def put_prices(self, prices: Iterable[tuple[str, int]], *, at: datetime, session: str) -> None:
        """Set latest prices; the previous close stays."""
        when = stamp(at)
        self.write_many(
            "INSERT INTO prices (symbol, last, at, session) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (symbol) DO UPDATE SET last = excluded.last, at = excluded.at, session = excluded.session",
            [(symbol, last, when, session) for symbol, last in prices],
        )

    def roll_prices(self) -> None:
        """Make every latest price the close of the session before."""
        self.execute("UPDATE prices SET previous_close = last")

    def rebase_price(self, symbol: str, *, last: int, previous_close: int | None) -> None:
        self.execute("UPDATE prices SET last = ?, previous_close = ? WHERE symbol = ?", (last, previous_close, symbol))

    def finished_sessions(self) -> dict[str, str]:
        """The last session whose bar the orders of a symbol have met, by symbol."""
        rows = self.execute("SELECT symbol, session FROM finished_sessions ORDER BY symbol")
        return {row["symbol"]: row["session"] for row in rows}

    def finish_sessions(self, symbols: Iterable[str], session: str) -> None:
        self.write_many(
            "INSERT INTO finished_sessions VALUES (?, ?) ON CONFLICT (symbol) DO UPDATE"
            " SET session = max(session, excluded.session)",
            [(symbol, session) for symbol in symbols],
        )

    def applied_actions(self, since: str) -> list[tuple[str, str]]:
        """Symbol and ex-date of the splits and dividends that took effect, from a day on."""
        rows = self.execute("SELECT * FROM applied_actions WHERE ex_date >= ? ORDER BY ex_date, symbol", (since,))
        return [(row["symbol"], row["ex_date"]) for row in rows]

    def keep_applied_action(self, symbol: str, ex_date: str) -> None:
        self.execute("INSERT INTO applied_actions VALUES (?, ?)", (symbol, ex_date))

    def filled_since(self, symbol: str, at: datetime) -> int | None:
        """Signed quantity of a symbol's executions from an instant on; None where there are none."""
        row = self._one(
            "SELECT sum(quantity) AS filled FROM activities WHERE kind = 'FILL' AND symbol = ? AND at >= ?",
            symbol,
            stamp(at),
        )
        return None if row["filled"] is None else int(row["filled"])

    def dividends_of(self, session: str) -> int:
        """What dividends of an ex-date came to."""
        row = self._one(
            "SELECT coalesce(sum(cash), 0) AS paid FROM activities WHERE kind = 'DIV' AND session = ?", session
        )
        return int(row["paid"])

    # orders

    def order(self, order_id: str) -> Order | None:
        row = self._one("SELECT * FROM orders WHERE id = ?", order_id.lower())
        return None if row is None else _order(row)

    def orders_with_client_id(self, client_order_id: str) -> list[Order]:
        """Every order that carries the id, newest first."""
        rows = self.execute("SELECT * FROM orders WHERE client_order_id = ? ORDER BY sequence DESC", (client_order_id,))
        return [_order(row) for row in rows]

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Orders not yet in a final state, in order of arrival."""
        condition, parameters = (f"{_OPEN} AND symbol = ?", (symbol,)) if symbol else (_OPEN, ())
        rows = self.execute(f"SELECT * FROM orders WHERE {condition} ORDER BY sequence", parameters)  # noqa: S608
        return [_order(row) for row in rows]

    def legs(self, order_id: str) -> list[Order]:
        """The orders that hang on another one, in order of arrival; those replaced since are left out."""
        rows = self.execute(
            "SELECT * FROM orders WHERE parent_id = ? AND status <> 'replaced' ORDER BY sequence", (order_id,)
        )
        return [_order(row) for row in rows]

    def adopt_legs(self, *, old_parent: str, new_parent: str) -> None:
        self.execute("UPDATE orders SET parent_id = ? WHERE parent_id = ?", (new_parent, old_parent))

    def next_sequence(self) -> int:
        row = self._one("SELECT coalesce(max(sequence), 0) + 1 AS following FROM orders")
        return int(row["following"])

    def add_order(self, order: Order) -> Order:
        names = ", ".join(_ORDER_COLUMNS)
        marks = ", ".join("?" for _ in _ORDER_COLUMNS)
        cursor = self._connection.execute(
            f"INSERT INTO orders ({names}) VALUES ({marks})",  # noqa: S608
            [_plain(getattr(order, name)) for name in _ORDER_COLUMNS],
        )
        assert cursor.lastrowid is not None
        return replace(order, sequence=cursor.lastrowid)

    def save_order(self, order: Order) -> None:
        names = ", ".join(f"{name} = ?" for name in _ORDER_COLUMNS)
        self.execute(
            f"UPDATE orders SET {names} WHERE sequence = ?",  # noqa: S608
            [*(_plain(getattr(order, name)) for name in _ORDER_COLUMNS), order.sequence],
        )

    # positions, activities, outbox

    def position(self, symbol: str) -> Position | None:
        row = self._one("SELECT * FROM positions WHERE symbol = ?", symbol)
        return None if row is None else _position(row)

    def list_positions(self) -> list[Position]:
        return [_position(row) for row in self.execute("SELECT * FROM positions ORDER BY symbol")]

    def put_position(self, position: Position) -> None:
        if position.quantity == 0:
            self.execute("DELETE FROM positions WHERE symbol = ?", (position.symbol,))
            return
        self.execute(
            "INSERT INTO positions (symbol, quantity, cost, day_cost) VALUES (?, ?, ?, ?) ON CONFLICT (symbol) DO"
            " UPDATE SET quantity = excluded.quantity, cost = excluded.cost, day_cost = excluded.day_cost",
            (position.symbol, position.quantity, position.cost, position.day_cost),
        )

    def add_activity(self, activity: Activity) -> None:
        names = ", ".join(_ACTIVITY_COLUMNS)
        marks = ", ".join("?" for _ in _ACTIVITY_COLUMNS)
        self.execute(
            f"INSERT INTO activities ({names}) VALUES ({marks})",  # noqa: S608
            [_plain(getattr(activity, name)) for name in _ACTIVITY_COLUMNS],
        )

    def activities(self) -> list[Activity]:
        return [_activity(row) for row in self.execute("SELECT * FROM activities ORDER BY sequence")]

    def activity_sequence(self, activity_id: str) -> int | None:
        row = self._one("SELECT sequence FROM activities WHERE id = ?", activity_id)
        return None if row is None else int(row["sequence"])

    def list_activities(self, condition: str, parameters: Sequence[Any], *, newest: bool, limit: int) -> list[Activity]:
        direction = "DESC" if newest else "ASC"
        rows = self.execute(
            f"SELECT * FROM activities WHERE {condition} ORDER BY sequence {direction} LIMIT ?",  # noqa: S608
            [*parameters, limit],
        )
        return [_activity(row) for row in rows]

    def list_orders(self, condition: str, parameters: Sequence[Any], *, newest: bool, limit: int) -> list[Order]:
        direction = "DESC" if newest else "ASC"
        rows = self.execute(
            f"SELECT * FROM orders WHERE {condition}"  # noqa: S608
            f" ORDER BY submitted_at {direction}, sequence {direction} LIMIT ?",
            [*parameters, limit],
        )
        return [_order(row) for row in rows]

    def announce(
        self, event: str, order: Order, *, at: datetime, message: str, execution_id: str | None, payload: str
    ) -> None:
        """Write a trade update to the outbox; `payload` is what the stream sends."""
        self.execute(
            "INSERT INTO outbox (at, event, order_id, status, execution_id, message, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (stamp(at), event, order.id, order.status, execution_id, message, payload),
        )

    def last_update(self) -> int:
        row = self._one("SELECT coalesce(max(sequence), 0) AS last FROM outbox")
        return int(row["last"])

    def updates_after(self, sequence: int) -> list[tuple[int, str]]:
        """Numbers and payloads of the trade updates written since, oldest first."""
        rows = self.execute(
            "SELECT sequence, payload FROM outbox WHERE sequence > ? AND payload <> '' ORDER BY sequence LIMIT 500",
            (sequence,),
        )
        return [(row["sequence"], row["payload"]) for row in rows]


def _asset(row: Any) -> Asset:
    return Asset(
        id=row["id"],
        symbol=row["symbol"],
        name=row["name"],
        exchange=row["exchange"],
        fractionable=bool(row["fractionable"]),
        shortable=bool(row["shortable"]),
    )


def _position(row: Any) -> Position:
    return Position(row["symbol"], row["quantity"], row["cost"], row["day_cost"])


def _order(row: Any) -> Order:
    values = dict(row)
    for name in ("created_at", "submitted_at", "updated_at"):
        values[name] = instant(values[name])
    for name in ("expires_at", "filled_at", "canceled_at", "expired_at", "failed_at", "replaced_at"):
        values[name] = _maybe(values[name])
    values["side"] = Side(values["side"])
    values["type"] = OrderType(values["type"])
    values["time_in_force"] = TimeInForce(values["time_in_force"])
    values["status"] = OrderStatus(values["status"])
    values["split"] = Split(values["split"])
    values["extended_hours"] = bool(values["extended_hours"])
    values["triggered"] = bool(values["triggered"])
    return Order(**values)


def _activity(row: Any) -> Activity:
    values = dict(row)
    values["at"] = instant(values["at"])
    return Activity(**values)
