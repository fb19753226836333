"""What documents say of the economy."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database, insert_from_json
from store.tables.agents import AgentPerformance
from store.tables.ingestion import ExtractionRow, MacroEventRow

_SAVE = f"""
    WITH new_extraction AS ({insert_from_json(ExtractionRow, "$1")}),
         new_call AS ({insert_from_json(AgentPerformance, "$3")})
    {insert_from_json(MacroEventRow, "$2")}
"""


async def save(database: Database, *, extraction: str, events: str, calls: str) -> None:
    """Save readings of the economy, rows as JSON arrays; repeating it changes nothing."""
    await database.run(_SAVE, extraction, events, calls)


async def known(session: AsyncSession, *, after: datetime, until: datetime) -> Sequence[MacroEventRow]:
    """Statements that became available in `after < t <= until`, in the order in which they did."""
    rows = await session.exec(
        select(MacroEventRow)
        .where(MacroEventRow.available_at > after, MacroEventRow.available_at <= until)
        .order_by(col(MacroEventRow.available_at), col(MacroEventRow.macro_event_id))
    )
    return rows.all()
