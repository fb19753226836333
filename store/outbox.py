"""What happened, in order: written in the transaction that made it true, read by event streams and notifications.

Sequence numbers are given out before their transactions commit, so a later number may be seen before an earlier one.
Whoever publishes therefore holds a shared lock until its transaction ends, and a reader with a cursor looks for its
horizon in a moment when nobody holds it: then every number up to the highest that it sees is there, or will never be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import insert_new
from store.tables.platform import OutboxCursor, OutboxEvent

_WRITERS = 7_203_114_907


async def publish(
    session: AsyncSession, *, event_id: str, event: str, subject_id: str, body: dict[str, Any], occurred_at: datetime
) -> bool:
    """Write an event once, whatever the number of attempts. Returns whether it was new."""
    await session.flush()
    connection = await session.connection()
    await connection.execute(text("SELECT pg_advisory_xact_lock_shared(:key)"), {"key": _WRITERS})
    row = OutboxEvent(event_id=event_id, event=event, subject_id=subject_id, body=body, occurred_at=occurred_at)
    return bool(await insert_new(session, [row]))


async def horizon(session: AsyncSession) -> int | None:
    """The sequence number up to which every event is there that will ever be; None where a writer is at work.

    It never queues for the lock, so that no writer has to wait behind a reader that waits; ask again a moment later, in
    a transaction that is used for nothing else.
    """
    connection = await session.connection()
    found = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _WRITERS})
    return await newest(session) if found.scalar_one() else None


async def newest(session: AsyncSession) -> int:
    """The highest sequence number that can be seen; 0 where there is no event."""
    return (await session.exec(select(func.max(OutboxEvent.sequence)))).one() or 0


async def after(session: AsyncSession, sequence: int, *, until: int, limit: int) -> Sequence[OutboxEvent]:
    """Events behind a cursor up to a horizon, in order."""
    found = col(OutboxEvent.sequence)
    statement = select(OutboxEvent).where(found > sequence, found <= until)
    return (await session.exec(statement.order_by(found).limit(limit))).all()


async def has_news(session: AsyncSession, reader: str) -> bool:
    """Whether a reader is behind, or has never read."""
    row = await session.get(OutboxCursor, reader)
    return row is None or row.sequence < await newest(session)


async def cursor(session: AsyncSession, reader: str, *, at: datetime) -> OutboxCursor:
    """A reader's cursor, locked until the transaction ends. A new reader begins behind everything that is there."""
    row = await session.get(OutboxCursor, reader, with_for_update=True)
    if row is None:
        await insert_new(session, [OutboxCursor(reader=reader, sequence=await newest(session), moved_at=at)])
        row = (await session.exec(select(OutboxCursor).where(OutboxCursor.reader == reader).with_for_update())).one()
    return row
