"""What stands in the book at a glance, for a page that is asked for again and again: one statement.

The counts of documents walk through a whole table. Whoever shows them keeps them for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from domain.decisions import TradingState
from store.database import Database

_STANDING = """
    SELECT control.state, control.reason, control.changed_by, control.changed_at, control.epoch,
           marked.as_of, marked.cash, marked.equity, marked.peak_equity, marked.gross_exposure, marked.realized_pnl,
           marked.unrealized_pnl, marked.paid_in,
           (SELECT count(*) FROM order_intents WHERE state = 'open') AS open_orders,
           (SELECT count(*) FROM approvals WHERE status = 'pending') AS approvals_pending,
           ARRAY(SELECT (symbol, quantity, average_price, last_price) FROM positions
                 WHERE quantity <> 0 ORDER BY symbol) AS held,
           newest.as_of AS recommended_at,
           ARRAY(SELECT (action, count(*)) FROM recommendations
                 WHERE recommendations.as_of = newest.as_of GROUP BY action ORDER BY action) AS recommended
    FROM (SELECT) AS one
    LEFT JOIN (SELECT * FROM trading_control LIMIT 1) AS control ON true
    LEFT JOIN (SELECT * FROM account_snapshots ORDER BY as_of DESC LIMIT 1) AS marked ON true
    CROSS JOIN (SELECT max(as_of) AS as_of FROM recommendations) AS newest
"""
_DOCUMENTS = "SELECT status, count(*) AS documents FROM documents GROUP BY status ORDER BY status"


class Held(NamedTuple):
    symbol: str
    quantity: Decimal
    average_price: Decimal
    last_price: Decimal


@dataclass(frozen=True)
class Standing:
    """The trading state and the account as it was marked last, with what is under way."""

    state: TradingState
    reason: str
    changed_by: str
    changed_at: datetime | None
    """None: nobody ever changed it."""
    marked: Mapping[str, Any] | None
    """The newest snapshot of the account; None: there is none."""
    held: list[Held]
    """By symbol."""
    open_orders: int
    approvals_pending: int
    recommended_at: datetime | None
    recommended: dict[str, int]
    """Symbols by action, at that instant."""


async def standing(database: Database) -> Standing:
    (row,) = await database.run(_STANDING)
    return Standing(
        state=TradingState(row["state"] or TradingState.ACTIVE),
        reason=row["reason"] or "",
        changed_by=row["changed_by"] or "",
        changed_at=row["changed_at"] if row["epoch"] else None,
        marked=row if row["as_of"] is not None else None,
        held=[Held(*each) for each in row["held"]],
        open_orders=row["open_orders"],
        approvals_pending=row["approvals_pending"],
        recommended_at=row["recommended_at"],
        recommended=dict(row["recommended"]),
    )


async def documents_by_status(database: Database) -> dict[str, int]:
    return {row["status"]: row["documents"] for row in await database.run(_DOCUMENTS)}
