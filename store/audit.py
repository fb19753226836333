"""The audit log: a hash chain of who did what and why. One writer at a time, entries are never changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from sqlalchemy import desc
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.audit_chain import GENESIS, AuditRecord, ChainReport, ChainWalk
from store.database import lock
from store.tables.platform import AuditEntry

_CHAIN_LOCK = 7_203_114_902
BATCH = 500
"""Entries read at a time by whoever reads all."""


async def append(
    session: AsyncSession,
    *,
    key: str,
    actor: str,
    action: str,
    subject: str,
    body: dict[str, Any],
    recorded_at: datetime,
) -> bool:
    """Add an entry to the chain. The same `key` is written once; returns False when it stood there already."""
    await lock(session, _CHAIN_LOCK)
    known = await session.exec(select(AuditEntry.sequence).where(AuditEntry.entry_key == key))
    if known.first() is not None:
        return False
    newest = await session.exec(select(AuditEntry).order_by(desc(col(AuditEntry.sequence))).limit(1))
    previous = newest.first()
    entry = AuditEntry(
        sequence=previous.sequence + 1 if previous else 1,
        entry_key=key,
        recorded_at=recorded_at,
        actor=actor,
        action=action,
        subject=subject,
        body=body,
        previous_hash=previous.entry_hash if previous else GENESIS,
        entry_hash="",
    )
    entry.entry_hash = _record(entry).computed_hash
    session.add(entry)
    await session.flush()
    return True


async def list_entries(
    session: AsyncSession,
    *,
    limit: int,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[AuditRecord]:
    """Entries, the newest first.

    Args:
        before: only those with a smaller sequence number.
        actor: how the actor begins: `session:anna/` is every session of hers.
        since, until: when it was recorded, both ends included.
    """
    statement = select(AuditEntry).order_by(desc(col(AuditEntry.sequence))).limit(limit)
    if before is not None:
        statement = statement.where(col(AuditEntry.sequence) < before)
    if actor is not None:
        statement = statement.where(col(AuditEntry.actor).startswith(actor, autoescape=True))
    if action is not None:
        statement = statement.where(AuditEntry.action == action)
    if subject is not None:
        statement = statement.where(AuditEntry.subject == subject)
    if since is not None:
        statement = statement.where(col(AuditEntry.recorded_at) >= since)
    if until is not None:
        statement = statement.where(col(AuditEntry.recorded_at) <= until)
    return [_record(entry) for entry in await session.exec(statement)]


async def read(session: AsyncSession, *, first: int = 1) -> AsyncIterator[AuditRecord]:
    """Every entry from a sequence number on, in order, a batch at a time: memory does not grow with the log."""
    after = first - 1
    while True:
        entries = (
            await session.exec(
                select(AuditEntry)
                .where(col(AuditEntry.sequence) > after)
                .order_by(col(AuditEntry.sequence))
                .limit(BATCH)
            )
        ).all()
        for entry in entries:
            yield _record(entry)
        if len(entries) < BATCH:
            return
        after = entries[-1].sequence
        for entry in entries:
            session.expunge(entry)


async def verify(session: AsyncSession) -> ChainReport:
    """Walk along the whole chain, as far as it holds."""
    walk = ChainWalk()
    async for record in read(session):
        if not walk.step(record):
            break
    return walk.report()


async def first_broken(session: AsyncSession) -> int | None:
    """Return the sequence number of the first entry that does not follow from the one before; None if all do."""
    return (await verify(session)).first_broken


def _record(entry: AuditEntry) -> AuditRecord:
    # Built without validation: what stands in the book is judged by its hash.
    return AuditRecord.model_construct(**entry.model_dump())
