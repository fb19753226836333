"""What happened, in order: written in the transaction that made it true, read by event streams and notifications.

    a change and its event, one transaction -> NOTIFY at its commit -> readers look for their horizon and read up to it

Sequence numbers are given out before their transactions commit, so a later number may be seen before an earlier one.
Whoever publishes therefore holds a shared lock until its transaction ends. A reader with a cursor looks for the highest
number, and then who holds the lock: once those transactions have ended, every number up to it is there, or will never
be. What others publish meanwhile has later numbers, so a reader waits for no more than what was under way, however many
publish without a pause; and nobody waits for a reader, because none takes the lock.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import func, text
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database, insert_new, upsert
from store.tables.platform import OutboxCursor, OutboxEvent

KEPT = 200_000
"""Sequence numbers behind the newest whose events are kept for streams that begin again."""

_WRITERS = 7_203_114_907
_CHANNEL = "stonks_outbox"
_REMOVED = "removed"
"""Whose cursor says up to which number events were removed."""

_COUNTED = ("dead_letter",)
"""What daily reports count stays."""

_LOCK = text("SELECT pg_advisory_xact_lock_shared(:key)")
_LOCK_AND_WAKE = text("SELECT pg_advisory_xact_lock_shared(:key), pg_notify(:channel, '')")
_UNDER_WAY = text(
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND (classid::bigint << 32) + objid::bigint = :key "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
LOOK_SECONDS = 0.02


def telling(columns: str, condition: str = "") -> str:
    """Two parts of a WITH that publish an event in a single statement, for what every document does. Wakes nobody.

    `columns` are those of event_id, event, subject_id, body and occurred_at, in this order; `condition` begins with the
    tables that they come from.
    """
    return f"""
        holding AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({_WRITERS})::text AS held),
        telling AS (
            INSERT INTO outbox (event_id, event, subject_id, body, occurred_at)
            SELECT {columns} FROM holding {condition}
            ON CONFLICT DO NOTHING
        )
    """  # noqa: S608 - built from constants


async def publish(
    session: AsyncSession,
    *,
    event_id: str,
    event: str,
    subject_id: str,
    body: dict[str, Any],
    occurred_at: datetime,
    wake: bool = True,
) -> bool:
    """Write an event once, whatever the number of attempts. Returns whether it was new.

    Readers are woken when the transaction commits. `wake` is False for what comes in crowds, since such commits wait
    for each other; readers find it when they look by themselves.
    """
    await session.flush()
    connection = await session.connection()
    if wake:
        await connection.execute(_LOCK_AND_WAKE, {"key": _WRITERS, "channel": _CHANNEL})
    else:
        await connection.execute(_LOCK, {"key": _WRITERS})
    row = OutboxEvent(event_id=event_id, event=event, subject_id=subject_id, body=body, occurred_at=occurred_at)
    return bool(await insert_new(session, [row]))


async def horizon(database: Database, *, patience: float = math.inf) -> int | None:
    """The sequence number up to which every event is there that will ever be, for transactions that begin afterwards.

    Args:
        patience: seconds for transactions that were publishing to end; None is returned where one has not.
    """
    clock = asyncio.get_running_loop().time
    async with database.transaction() as session:
        until = await newest(session)
        ahead = await _under_way(session)
    deadline = clock() + patience
    while ahead:
        if clock() >= deadline:
            return None
        await asyncio.sleep(LOOK_SECONDS)
        async with database.transaction() as session:
            ahead &= await _under_way(session)
    return until


async def _under_way(session: AsyncSession) -> set[str]:
    """The transactions that have published and not ended, or are about to publish."""
    connection = await session.connection()
    return set((await connection.execute(_UNDER_WAY, {"key": _WRITERS})).scalars())


async def newest(session: AsyncSession) -> int:
    """The highest sequence number that can be seen; 0 where there is no event."""
    return (await session.exec(select(func.max(OutboxEvent.sequence)))).one() or 0


async def after(
    session: AsyncSession, sequence: int, *, until: int, limit: int, without: Collection[str] = ()
) -> Sequence[OutboxEvent]:
    """Events behind a cursor up to a horizon, in order; those of some names left out."""
    found = col(OutboxEvent.sequence)
    statement = select(OutboxEvent).where(found > sequence, found <= until)
    if without:
        statement = statement.where(col(OutboxEvent.event).not_in(sorted(without)))
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


@asynccontextmanager
async def listening(database: Database) -> AsyncIterator[asyncio.Event]:
    """An event that is set whenever something was published, and when the connection that hears of it is lost."""
    news = asyncio.Event()

    def wake(*_: Any) -> None:
        news.set()

    async with database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        driver.add_termination_listener(wake)
        try:
            await driver.add_listener(_CHANNEL, wake)
            yield news
        finally:
            driver.remove_termination_listener(wake)
            if driver.is_closed():
                await connection.invalidate()
            else:
                await driver.remove_listener(_CHANNEL, wake)


async def prune(session: AsyncSession, *, read: int, at: datetime, keep: int = KEPT) -> int:
    """Remove what lies further back than is kept and was read up to `read`. Returns how far nothing is there any more.

    The caller's reader is the only one that must not miss any; streams learn what they have missed.
    """
    last = min(read, await newest(session) - keep)
    row = await session.get(OutboxCursor, _REMOVED)
    if last <= (row.sequence if row is not None else 0):
        return row.sequence if row is not None else 0
    old = (col(OutboxEvent.sequence) <= last) & col(OutboxEvent.event).not_in(_COUNTED)
    await session.exec(delete(OutboxEvent).where(old))
    await upsert(session, [OutboxCursor(reader=_REMOVED, sequence=last, moved_at=at)])
    return last


async def removed_up_to(session: AsyncSession) -> int:
    """The sequence number up to which events were removed; 0 where none was."""
    row = await session.get(OutboxCursor, _REMOVED)
    return row.sequence if row is not None else 0
