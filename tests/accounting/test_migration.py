"""A book that was kept before there were lots and a ledger: what its fills and actions tell is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel import SQLModel

from cli.stack.supervisor import Stack
from domain.cash import totals
from domain.lots import held
from domain.portfolio import Fill
from store import accounting, cash_ledger, migrate
from store.database import Database, DatabaseSettings
from tests.databases import drop
from workers.settings import load

from .builders import at, bought, sold

pytestmark = pytest.mark.stack

D = Decimal
BEFORE = "0009"
OURS = {"lots", "lot_closings", "cash_entries", "cash_balances", "cash_entries_not_summed", "account_snapshots"}
FILLS = [
    bought(3, "651.49", 0, fill_id="a", fee=D(1)),
    bought(5, "660", 1, fill_id="b"),
    sold(30, "95", 4, fill_id="c", fee=D("0.5")),
    bought(10, "20", 1, fill_id="x", symbol="OTHR"),
    sold(10, "21", 2, fill_id="y", symbol="OTHR"),
    bought(4, "20", 9, fill_id="late", symbol="OTHR"),
    sold(3, "31", 1, fill_id="early", symbol="SKEW"),
    bought(8, "30", 2, fill_id="skew", symbol="SKEW"),
]
POSITIONS = {"ACME": ("26", "94.285714"), "OTHR": ("4", "20"), "SKEW": ("5", "30")}


def _run(settings: DatabaseSettings, *statements: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password.get_secret_value(),
            database=settings.name,
        )
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(work())


@pytest.fixture
def old(servers: Stack) -> Iterator[DatabaseSettings]:
    """A database of its own, as it was before."""
    known = load(servers.environment()).database()
    _run(known, "CREATE DATABASE old_book")
    settings = known.model_copy(update={"name": "old_book"})
    migrate.upgrade(settings, BEFORE)
    yield settings
    asyncio.run(drop(known, "old_book"))


def _rows(fill: Fill) -> list[str]:
    name, at_ = fill.fill_id, fill.filled_at.isoformat()
    return [
        "INSERT INTO order_intents (intent_id, recommendation_id, symbol, side, quantity, reference_price, notional, "
        f"target_weight, clamps, as_of, reason, state) VALUES ('i-{name}', 'r', '{fill.symbol}', '{fill.side}', "
        f"{fill.quantity}, 1, 1, 0, '[]', '{at_}', '', 'filled')",
        "INSERT INTO orders (order_id, intent_id, client_order_id, broker_order_id, symbol, side, type, time_in_force, "
        f"quantity, status, filled_quantity, body_hash, reason, created_at) VALUES ('o-{name}', 'i-{name}', "
        f"'c-{name}', '', '{fill.symbol}', '{fill.side}', 'market', 'day', {fill.quantity}, 'filled', {fill.quantity}, "
        f"'', '', '{at_}')",
        f"INSERT INTO fills VALUES ('{name}', 'o-{name}', '{fill.symbol}', '{fill.side}', {fill.quantity}, "
        f"{fill.price}, {fill.fee}, '{at_}')",
    ]


def _kept(settings: DatabaseSettings) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        database = Database(settings)
        try:
            async with database.transaction() as session:
                return {
                    "lots": await accounting.open_lots(session),
                    "closings": await accounting.closings(session),
                    "entries": await accounting.entries(session),
                    "balances": await cash_ledger.balances(session),
                    "misstated": await cash_ledger.misstated(session),
                }
        finally:
            await database.close()

    return asyncio.run(read())


def test_book_when_it_is_brought_up_to_date_then_lots_and_ledger_follow_from_its_fills(old: DatabaseSettings) -> None:
    marked = (at(3) + timedelta(hours=5)).isoformat()
    _run(
        old,
        *(statement for fill in FILLS for statement in _rows(fill)),
        *(
            f"INSERT INTO positions VALUES ('{symbol}', {quantity}, {average}, 1, 0, NULL, NULL, '{marked}')"
            for symbol, (quantity, average) in POSITIONS.items()
        ),
        "INSERT INTO corporate_action_entries VALUES "
        f"('ACME', '{date(2024, 1, 5)}', 8, 56, 7, 3.76, '{(at(3) - timedelta(hours=1)).isoformat()}')",
        "INSERT INTO account_snapshots VALUES "
        f"('{marked}', 'close', 95000, 100300, 100300, 5300, 1, 0, 0), "
        f"('{(at(9)).isoformat()}', 'close', 97000, 100300, 100300, 3300, 1, 0, 0)",
    )
    migrate.upgrade(old)
    kept = _kept(old)
    shares = {lot.lot_id: (lot.quantity, lot.cost) for lot in kept["lots"]}
    assert shares == {"b": (D(26), D("2451.428571428571429")), "late": (D(4), D(80)), "skew": (D(5), D(150))}
    assert held(lot for lot in kept["lots"] if lot.symbol == "ACME") == 26
    assert [(each.lot_id, each.closed_by, each.quantity) for each in kept["closings"]] == [
        ("x", "y", D(10)),
        ("a", "c", D(21)),
        ("b", "c", D(9)),
    ]
    opening = [entry for entry in kept["entries"] if entry.source_id == "opening"]
    paid = D(95_000) + D("1955.47") + 3300 + 200 - 210 + 240 - 93 - D("3.76")
    assert [(entry.kind.value, entry.amount, entry.occurred_at) for entry in opening] == [
        ("transfer_in", paid, FILLS[0].filled_at)
    ]
    assert sum(entry.amount for entry in kept["entries"] if entry.occurred_at <= at(4) - timedelta(hours=1)) == 95_000
    assert len(kept["entries"]) == 8 + 2 + 1 + 1
    assert (kept["balances"], kept["misstated"]) == (totals(kept["entries"]), [])


def test_tables_when_migrated_then_they_are_those_of_the_models_and_can_be_taken_back(old: DatabaseSettings) -> None:
    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [each for each in compare_metadata(context, SQLModel.metadata) if _table(each) in OURS]

    async def compare() -> list[Any]:
        database = Database(old)
        try:
            async with database.engine.connect() as connection:
                return await connection.run_sync(differences)
        finally:
            await database.close()

    assert asyncio.run(compare()) != []
    migrate.upgrade(old)
    assert asyncio.run(compare()) == []
    command.downgrade(migrate._config(old), BEFORE)
    migrate.upgrade(old)
    assert _kept(old) == {"lots": [], "closings": [], "entries": [], "balances": {}, "misstated": []}


def _table(difference: Any) -> str:
    """The table that a difference is about."""
    parts = difference[0] if isinstance(difference, list) else difference
    for part in parts[1:]:
        if isinstance(part, str) and part in OURS:
            return part
        name = getattr(getattr(part, "table", part), "name", None)
        if isinstance(name, str) and name in OURS:
            return name
    return ""
