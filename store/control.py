"""The kill switch: one row that says whether orders may leave, and what makes a pause wait for those that have left.

Letting an order out reads the row and notes the order as sent in one transaction, under a shared lock that changing the
row takes exclusively. So every order was either noted before the change, or sees it. Whoever acknowledges the change
first waits for the noted ones whose fate nobody knows: rows outlive whatever dies, a connection's lock does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import Side, TradingState
from domain.errors import Conflict
from domain.portfolio import OrderStatus
from domain.submission import earliest_under_way
from store.database import Database, insert_new, lock
from store.tables.broker import OrderReplacement
from store.tables.trading import Order, TradingControl

_GATE = 7_203_114_903
_FINAL = [status.value for status in OrderStatus if status.final]
LOOK_SECONDS = 0.1
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def state(session: AsyncSession) -> TradingControl:
    """The row in force; active where nothing was ever said."""
    row = (await session.exec(select(TradingControl))).first()
    if row is None:
        return TradingControl(state=TradingState.ACTIVE.value, changed_at=_NEVER)
    return row


async def leaving(session: AsyncSession) -> TradingState:
    """What an order that leaves in this transaction must obey; the state cannot change before the transaction ends."""
    connection = await session.connection()
    await connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _GATE})
    return TradingState((await state(session)).state)


async def under_way(session: AsyncSession, *, wanted: TradingState, at: datetime) -> list[str]:
    """Client order ids of what a state forbids and what left before it, and may still reach the broker at an instant.

    An order is not under way any more once the broker has acknowledged or refused it, or when no request can last that
    long. While only purchases are forbidden, only they count.
    """
    since = earliest_under_way(at)
    fresh = select(Order.client_order_id).where(
        col(Order.status).not_in(_FINAL), Order.broker_order_id == "", col(Order.sent_at) > since
    )
    changes = (
        select(OrderReplacement.client_order_id)
        .join(Order, col(Order.order_id) == col(OrderReplacement.order_id))
        .where(OrderReplacement.status == "asked", OrderReplacement.asked_at > since)
    )
    if wanted is TradingState.REDUCING:
        fresh, changes = (each.where(Order.side == Side.BUY.value) for each in (fresh, changes))
    found = [*(await session.exec(fresh)).all(), *(await session.exec(changes)).all()]
    return [] if wanted is TradingState.ACTIVE else sorted(found)


async def await_arrivals(
    database: Database, *, wanted: TradingState, now: Callable[[], datetime], patience: float
) -> list[str]:
    """Wait until nothing that a state forbids is under way, some seconds at the most; returns what still is."""
    deadline = time.monotonic() + patience
    while True:
        async with database.transaction() as session:
            left = await under_way(session, wanted=wanted, at=now())
        if not left or time.monotonic() >= deadline:
            return left
        await asyncio.sleep(LOOK_SECONDS)


async def change(
    session: AsyncSession,
    *,
    wanted: TradingState,
    reason: str,
    actor: str,
    at: datetime,
    epoch: int | None = None,
) -> TradingControl:
    """Write a new state. What was let out before may still be on its way: see `await_arrivals`.

    Args:
        at: when it was said: a resume never undoes what was said after it.
        epoch: of the row that a resume was given for; None: it was not looked at.

    Raises:
        Conflict: trading would be resumed over a state that was set since.
    """
    await lock(session, _GATE)
    await insert_new(session, [TradingControl(changed_at=at)])
    row = (await session.exec(select(TradingControl).with_for_update())).one()
    moved = epoch is not None and row.epoch != epoch
    if wanted is TradingState.ACTIVE and (moved or row.changed_at > at):
        raise Conflict(
            "STATE_CHANGED",
            "Something was said since the resume was given: look at it, and resume again",
            state=row.state,
            changed_by=row.changed_by,
            changed_at=row.changed_at.isoformat(),
        )
    row.state, row.reason, row.changed_by, row.changed_at = wanted.value, reason, actor, at
    row.epoch += 1
    session.add(row)
    await session.flush()
    return row
