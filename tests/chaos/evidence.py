"""Both books as they stand: rows read past the product's own code, from PostgreSQL and the broker's SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from store.database import Database

DOLLAR, SHARE = Decimal(1_000_000), Decimal(1_000_000_000)
"""The broker keeps millionths of a dollar and billionths of a share."""

WATCHED_TRANSITIONS = (
    "CREATE TABLE IF NOT EXISTS chaos_transitions (at timestamptz DEFAULT clock_timestamp(), order_id text, "
    "before text, after text)",
    "CREATE OR REPLACE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "INSERT INTO chaos_transitions (order_id, before, after) VALUES (OLD.order_id, OLD.status, NEW.status); "
    "RETURN NEW; END $$",
    "DROP TRIGGER IF EXISTS chaos_note ON orders",
    "CREATE TRIGGER chaos_note AFTER UPDATE OF status ON orders FOR EACH ROW "
    "WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION chaos_note()",
)
"""Has the trials' own database note every change of an order's status, whoever makes it."""


@dataclass(frozen=True)
class Intent:
    intent_id: str
    symbol: str
    side: str
    state: str
    denied: bool = False
    """Whether a verdict of risk denies it."""
    answers: tuple[str, ...] = ()
    """How the questions to people ended."""


@dataclass(frozen=True)
class OurOrder:
    order_id: str
    intent_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    status: str
    filled: Decimal
    abandoned: bool
    reason: str


@dataclass(frozen=True)
class Execution:
    """One execution; `order_id` is of the book that it stands in."""

    execution_id: str
    order_id: str
    symbol: str
    quantity: Decimal
    """Signed: negative where shares were sold."""
    price: Decimal
    fee: Decimal = Decimal(0)

    @property
    def cash(self) -> Decimal:
        return -self.quantity * self.price - self.fee


@dataclass(frozen=True)
class OurPosition:
    quantity: Decimal
    average: Decimal
    realized: Decimal


@dataclass(frozen=True)
class Lots:
    """Sums over a symbol's open lots and over what was closed."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    closed_quantity: Decimal = Decimal(0)
    closed_cost: Decimal = Decimal(0)
    proceeds: Decimal = Decimal(0)


@dataclass(frozen=True)
class BrokerOrder:
    """`sequence` counts orders as they were placed."""

    sequence: int
    id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal
    filled: Decimal
    status: str
    replaces: str = ""
    replaced_by: str = ""


@dataclass(frozen=True)
class OurBook:
    intents: Mapping[str, Intent] = field(default_factory=dict)
    orders: Mapping[str, OurOrder] = field(default_factory=dict)
    """By intent."""
    executions: tuple[Execution, ...] = ()
    """In the order of time."""
    positions: Mapping[str, OurPosition] = field(default_factory=dict)
    lots: Mapping[str, Lots] = field(default_factory=dict)
    cash_by_kind: Mapping[str, Decimal] = field(default_factory=dict)
    opening: Decimal = Decimal(0)
    transitions: tuple[tuple[str, str, str], ...] = ()
    """Order, status before, status after."""

    @property
    def cash(self) -> Decimal:
        return sum(self.cash_by_kind.values(), Decimal(0))


@dataclass(frozen=True)
class BrokerBook:
    orders: tuple[BrokerOrder, ...] = ()
    executions: tuple[Execution, ...] = ()
    positions: Mapping[str, Decimal] = field(default_factory=dict)
    opening: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    """Signed as they moved cash: negative."""
    events: tuple[tuple[str, str], ...] = ()
    """Order and status of every announced event, in order."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the invariants speak of. What is reserved stands as each side's own words say it."""

    prefix: str
    ours: OurBook
    broker: BrokerBook
    intents: tuple[str, ...] = ()
    """Those the trials sent; the engine may have added its own."""
    reserved: Mapping[str, str] = field(default_factory=dict)
    """What is still held back, by what says so; empty: nothing."""
    opened_while_stopped: tuple[str, ...] = ()
    broker_audit: tuple[str, ...] = ()
    reconciliation: tuple[str, ...] = ()
    """What the comparison of the books found."""
    broken_audit_entry: int | None = None


async def read_ours(database: Database) -> OurBook:
    """Our side, in one snapshot."""
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return await book_seen_by(connection)


async def book_seen_by(connection: AsyncConnection) -> OurBook:
    """Our side as the connection's transaction sees it."""

    async def rows(statement: str) -> list[Any]:
        return list((await connection.exec_driver_sql(statement)).all())

    intents = await rows(
        "SELECT i.intent_id, symbol, side, state, "
        "EXISTS (SELECT FROM risk_decisions d WHERE d.intent_id = i.intent_id AND d.outcome = 'deny'), "
        "ARRAY(SELECT status FROM approvals a WHERE a.intent_id = i.intent_id ORDER BY ask) FROM order_intents i"
    )
    orders = await rows(
        "SELECT order_id, intent_id, client_order_id, symbol, side, quantity, status, filled_quantity, "
        "abandoned_at IS NOT NULL, reason FROM orders"
    )
    fills = await rows(
        "SELECT fill_id, order_id, symbol, CASE side WHEN 'buy' THEN quantity ELSE -quantity END, price, fee "
        "FROM fills ORDER BY filled_at, fill_id"
    )
    positions = await rows("SELECT symbol, quantity, average_price, realized_pnl FROM positions")
    opened = await rows("SELECT symbol, sum(quantity), sum(cost) FROM lots GROUP BY symbol")
    closed = await rows("SELECT symbol, sum(quantity), sum(cost), sum(proceeds) FROM lot_closings GROUP BY symbol")
    entries = await rows("SELECT kind, sum(amount) FROM cash_entries GROUP BY kind")
    opening = await rows("SELECT coalesce(sum(amount), 0) FROM cash_entries WHERE source_id = 'opening'")
    transitions = await rows("SELECT order_id, before, after FROM chaos_transitions ORDER BY at")
    held = {symbol: (quantity, cost) for symbol, quantity, cost in opened}
    gone = {symbol: (quantity, cost, proceeds) for symbol, quantity, cost, proceeds in closed}
    nothing = Decimal(0)
    return OurBook(
        intents={row[0]: Intent(row[0], row[1], row[2], row[3], row[4], tuple(row[5])) for row in intents},
        orders={row[1]: OurOrder(*row) for row in orders},
        executions=tuple(Execution(*row) for row in fills),
        positions={row[0]: OurPosition(*row[1:]) for row in positions},
        lots={
            symbol: Lots(*held.get(symbol, (nothing, nothing)), *gone.get(symbol, (nothing, nothing, nothing)))
            for symbol in held.keys() | gone.keys()
        },
        cash_by_kind=dict(map(tuple, entries)),
        opening=opening[0][0],
        transitions=tuple(map(tuple, transitions)),
    )


def read_broker(book: Path) -> BrokerBook:
    """The broker's side, in one snapshot."""
    with closing(_opened(book)) as connection:
        connection.execute("BEGIN")
        opening, cash = connection.execute("SELECT opening_cash, cash FROM account").fetchone()
        orders = connection.execute(
            "SELECT sequence, id, client_order_id, symbol, side, quantity, filled_quantity, status, replaces, "
            "replaced_by FROM orders ORDER BY sequence"
        ).fetchall()
        fills = connection.execute(
            "SELECT id, order_id, symbol, quantity, price FROM activities WHERE kind = 'FILL' ORDER BY sequence"
        ).fetchall()
        (fees,) = connection.execute("SELECT coalesce(sum(cash), 0) FROM activities WHERE kind = 'FEE'").fetchone()
        positions = connection.execute("SELECT symbol, quantity FROM positions").fetchall()
        events = connection.execute("SELECT order_id, status FROM outbox ORDER BY sequence").fetchall()
    return BrokerBook(
        orders=tuple(
            BrokerOrder(
                sequence, key, name, symbol, side, size / SHARE, filled / SHARE, status, before or "", after or ""
            )
            for sequence, key, name, symbol, side, size, filled, status, before, after in orders
        ),
        executions=tuple(
            Execution(key, order_id, symbol, quantity / SHARE, price / DOLLAR)
            for key, order_id, symbol, quantity, price in fills
        ),
        positions={symbol: quantity / SHARE for symbol, quantity in positions},
        opening=opening / DOLLAR,
        cash=cash / DOLLAR,
        fees=fees / DOLLAR,
        events=tuple(events),
    )


def placed_since(book: Path, sequence: int) -> list[BrokerOrder]:
    """Orders that the broker took after the one with this number; 0 gives all."""
    return [order for order in read_broker(book).orders if order.sequence > sequence]


def last_placed(book: Path) -> int:
    with closing(_opened(book)) as connection:
        return int(connection.execute("SELECT coalesce(max(sequence), 0) FROM orders").fetchone()[0])


def _opened(book: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{book.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)
