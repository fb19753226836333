"""What happened, in order: written in the transaction that made it true, read by event streams and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import insert_new
from store.tables.platform import OutboxEvent


async def publish(
    session: AsyncSession, *, event_id: str, event: str, subject_id: str, body: dict[str, Any], occurred_at: datetime
) -> None:
    """Write an event once, whatever the number of attempts."""
    row = OutboxEvent(event_id=event_id, event=event, subject_id=subject_id, body=body, occurred_at=occurred_at)
    await insert_new(session, [row])
