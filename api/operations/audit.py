"""The audit log: read it, walk along its chain, take it away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from domain.audit_chain import ChainReport
from store import audit
from store.database import Database


class AuditView(BaseModel):
    """Who did what to what, and when."""

    sequence: int
    recorded_at: datetime
    actor: str
    action: str
    subject: str
    body: dict[str, Any]
    previous_hash: str
    entry_hash: str


async def entries(
    database: Database,
    *,
    limit: int,
    before: int | None = None,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[AuditView]:
    """Entries, the newest first; `actor` is how the actor begins."""
    async with database.transaction() as session:
        found = await audit.list_entries(
            session,
            limit=limit,
            before=before,
            actor=actor,
            action=action,
            subject=subject,
            since=since,
            until=until,
        )
    return [AuditView(**each.model_dump(include=set(AuditView.model_fields))) for each in found]


async def verify(database: Database) -> ChainReport:
    async with database.transaction() as session:
        return await audit.verify(session)


async def export(database: Database, *, first: int = 1) -> AsyncIterator[str]:
    """Every entry as a line of JSON, from a sequence number on."""
    async with database.transaction() as session:
        async for record in audit.read(session, first=first):
            yield record.line() + "\n"
