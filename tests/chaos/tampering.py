"""Books that were tampered with: what each forgery is, and which invariants must name it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from store.database import Database
from tests.chaos.evidence import Evidence, book_seen_by, read_broker
from tests.chaos.invariants import Invariant, Violation, violations

A_FILL = "(SELECT min(fill_id) FROM fills)"
AN_ORDER = "(SELECT min(order_id) FROM orders WHERE status = 'filled')"
AN_ID = "(SELECT min(id) FROM orders WHERE status = 'filled' AND replaces IS NULL)"


@dataclass(frozen=True)
class Forgery:
    """Statements on a book, and the invariants that must not hold any more. Others may break with them."""

    statements: tuple[str, ...]
    breaks: frozenset[Invariant]


def _forged(*statements: str, breaks: tuple[Invariant, ...]) -> Forgery:
    return Forgery(statements, frozenset(breaks))


OF_OUR_BOOK: Mapping[str, Forgery] = {
    "a fill of another size": _forged(
        f"UPDATE fills SET quantity = quantity + 1 WHERE fill_id = {A_FILL}",
        breaks=(Invariant.EXECUTIONS, Invariant.FILLS_DIFFER, Invariant.POSITIONS, Invariant.LEDGER_CASH),
    ),
    "a fill at another price": _forged(
        f"UPDATE fills SET price = price + 1 WHERE fill_id = {A_FILL}",
        breaks=(Invariant.FILLS_DIFFER, Invariant.LEDGER_CASH, Invariant.LOTS, Invariant.AVERAGE_COST),
    ),
    "a fill booked twice": _forged(
        "INSERT INTO fills (fill_id, order_id, symbol, side, quantity, price, fee, filled_at) "
        "SELECT fill_id || '-again', order_id, symbol, side, quantity, price, fee, filled_at FROM fills "
        f"WHERE fill_id = {A_FILL}",
        breaks=(Invariant.EXECUTIONS, Invariant.FILLS_DIFFER, Invariant.POSITIONS, Invariant.LEDGER_CASH),
    ),
    "an order filled beyond its size": _forged(
        f"UPDATE orders SET quantity = filled_quantity - 1 WHERE order_id = {AN_ORDER}",
        breaks=(Invariant.EXECUTIONS,),
    ),
    "an order that lives again": _forged(
        f"UPDATE orders SET status = 'accepted' WHERE order_id = {AN_ORDER}",
        breaks=(Invariant.LEFT_FINAL, Invariant.STATES_DIFFER),
    ),
    "an intent that never ended": _forged(
        f"UPDATE order_intents SET state = 'open' WHERE intent_id = (SELECT intent_id FROM orders WHERE "
        f"order_id = {AN_ORDER})",
        breaks=(Invariant.LOST_INTENT, Invariant.RESERVED),
    ),
    "an intent that nobody declined": _forged(
        "UPDATE approvals SET status = 'approved' WHERE status = 'declined'",
        breaks=(Invariant.LOST_INTENT,),
    ),
    "money that nobody moved": _forged(
        "ALTER TABLE cash_entries DISABLE TRIGGER USER",
        "UPDATE cash_entries SET amount = amount + 1 WHERE source_id = 'opening'",
        "UPDATE cash_entries SET amount = amount + 1 WHERE entry_id = (SELECT min(entry_id) FROM cash_entries "
        "WHERE kind = 'fill')",
        breaks=(Invariant.LEDGER_CASH,),
    ),
    "a share too many": _forged(
        "UPDATE positions SET quantity = quantity + 1 WHERE symbol = (SELECT min(symbol) FROM positions)",
        breaks=(Invariant.POSITIONS, Invariant.LOTS, Invariant.AVERAGE_COST),
    ),
    "another average price": _forged(
        "UPDATE positions SET average_price = average_price + 0.01 WHERE symbol = (SELECT min(symbol) FROM positions "
        "WHERE quantity > 0)",
        breaks=(Invariant.AVERAGE_COST,),
    ),
    "a lot that cost less": _forged(
        "UPDATE lots SET cost = cost - 1 WHERE lot_id = (SELECT min(lot_id) FROM lots)",
        breaks=(Invariant.LOTS, Invariant.AVERAGE_COST),
    ),
    "a lot that is gone": _forged(
        "DELETE FROM lots WHERE lot_id = (SELECT min(lot_id) FROM lots)",
        breaks=(Invariant.LOTS,),
    ),
}

_COLUMNS = (
    "client_order_id, symbol, side, type, time_in_force, quantity, notional, limit_price, stop_price, extended_hours, "
    "order_class, position_intent, status, filled_quantity, filled_value, executions, reserve_price, triggered, split, "
    "reason, created_at, submitted_at, updated_at, expires_at, filled_at, canceled_at, expired_at, failed_at"
)

OF_THE_BROKERS_BOOK: Mapping[str, Forgery] = {
    "a second order for an intent": _forged(
        f"INSERT INTO orders (id, {_COLUMNS}) SELECT 'again', {_COLUMNS} FROM orders WHERE id = {AN_ID}",
        breaks=(Invariant.DUPLICATE_ORDER, Invariant.EXECUTIONS),
    ),
    "an order without an intent": _forged(
        f"INSERT INTO orders (id, {_COLUMNS}) SELECT 'stranger', {_COLUMNS} FROM orders WHERE id = {AN_ID}",
        "UPDATE orders SET client_order_id = 'so-paper-nobody' WHERE id = 'stranger'",
        breaks=(Invariant.STRANGER,),
    ),
    "an order that is lost": _forged(
        f"UPDATE orders SET client_order_id = 'somebody else' WHERE id = {AN_ID}",
        breaks=(Invariant.LOST_INTENT, Invariant.FILLS_DIFFER),
    ),
    "an execution that is lost": _forged(
        "DELETE FROM activities WHERE sequence = (SELECT min(sequence) FROM activities WHERE kind = 'FILL')",
        breaks=(Invariant.EXECUTIONS, Invariant.FILLS_DIFFER, Invariant.BROKER_CASH, Invariant.POSITIONS),
    ),
    "money that appeared": _forged(
        "UPDATE account SET cash = cash + 10000",
        breaks=(Invariant.BROKER_CASH, Invariant.LEDGER_CASH),
    ),
    "an order that works on": _forged(
        f"UPDATE orders SET status = 'new' WHERE id = {AN_ID}",
        breaks=(Invariant.RESERVED, Invariant.STATES_DIFFER),
    ),
    "a fill after the end": _forged(
        "INSERT INTO outbox (at, event, order_id, status, message) SELECT at, event, order_id, 'partially_filled', '' "
        "FROM outbox WHERE status = 'filled' LIMIT 1",
        breaks=(Invariant.LEFT_FINAL,),
    ),
    "shares that are gone": _forged(
        "UPDATE positions SET quantity = quantity - 1000000000 WHERE symbol = (SELECT min(symbol) FROM positions)",
        breaks=(Invariant.POSITIONS,),
    ),
}


async def tamper_with_ours(database: Database, forgery: Forgery, evidence: Evidence) -> list[Violation]:
    """What the checks say of our book with a forgery in it; the forgery is rolled back."""
    async with database.engine.connect() as connection:
        for statement in forgery.statements:
            await connection.exec_driver_sql(statement)
        forged = replace(evidence, ours=await book_seen_by(connection))
        await connection.rollback()
    return violations(forged)


def tamper_with_the_brokers(book: Path, copy: Path, forgery: Forgery, evidence: Evidence) -> list[Violation]:
    """What the checks say of a copy of the broker's book with a forgery in it."""
    with closing(sqlite3.connect(book)) as original, closing(sqlite3.connect(copy)) as forged:
        original.backup(forged)
        for statement in forgery.statements:
            forged.execute(statement)
        forged.commit()
    try:
        return violations(replace(evidence, broker=read_broker(copy)))
    finally:
        copy.unlink()
