"""The kill switch: one row that says whether orders may leave, and a lock that makes pausing wait for those in flight.

An order that is being sent holds a shared advisory lock; changing the state takes the exclusive one. So when a pause
has been acknowledged, no order is between having read the old state and having reached the broker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import TradingState
from domain.errors import Conflict
from store.database import Database, insert_new, lock
from store.tables.trading import TradingControl

_GATE = 7_203_114_903
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def state(session: AsyncSession) -> TradingControl:
    """The row in force; active where nothing was ever said."""
    row = (await session.exec(select(TradingControl))).first()
    if row is None:
        return TradingControl(state=TradingState.ACTIVE.value, changed_at=_NEVER)
    return row


@asynccontextmanager
async def sending(database: Database) -> AsyncIterator[TradingState]:
    """Hold the gate while an order is sent, and say what the state is. No transaction stays open meanwhile."""
    async with database.engine.connect() as connection:
        gate = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await gate.execute(text("SELECT pg_advisory_lock_shared(:key)"), {"key": _GATE})
        try:
            found = (await gate.execute(text("SELECT state FROM trading_control"))).scalar_one_or_none()
            yield TradingState(found) if found else TradingState.ACTIVE
        finally:
            await gate.execute(text("SELECT pg_advisory_unlock_shared(:key)"), {"key": _GATE})


async def change(
    session: AsyncSession,
    *,
    wanted: TradingState,
    reason: str,
    actor: str,
    at: datetime,
    epoch: int | None = None,
) -> TradingControl:
    """Write a new state after every order in flight has arrived.

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
