"""The audit log: a hash chain of who did what and why. One writer at a time, entries are never changed."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import desc
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import lock
from store.tables.platform import AuditEntry

_GENESIS = "0" * 64
_CHAIN_LOCK = 7_203_114_902


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
        previous_hash=previous.entry_hash if previous else _GENESIS,
        entry_hash="",
    )
    entry.entry_hash = _hash(entry)
    session.add(entry)
    await session.flush()
    return True


async def first_broken(session: AsyncSession) -> int | None:
    """Return the sequence number of the first entry that does not follow from the one before; None if all do."""
    previous = _GENESIS
    expected = 1
    for entry in await session.exec(select(AuditEntry).order_by(col(AuditEntry.sequence))):
        if entry.sequence != expected or entry.previous_hash != previous or entry.entry_hash != _hash(entry):
            return expected
        previous, expected = entry.entry_hash, expected + 1
    return None


def _hash(entry: AuditEntry) -> str:
    body = [
        entry.sequence,
        entry.entry_key,
        entry.recorded_at.isoformat(),
        entry.actor,
        entry.action,
        entry.subject,
        entry.body,
        entry.previous_hash,
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
