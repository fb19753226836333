"""Theses in a model's words."""

from __future__ import annotations

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import insert_new
from store.tables.agents import Thesis


async def save(session: AsyncSession, thesis: Thesis) -> None:
    """Save a thesis; the same one again changes nothing."""
    await insert_new(session, [thesis])


async def newest(session: AsyncSession, recommendation_id: str) -> Thesis | None:
    """The thesis that was written last for a recommendation; None where only the rules wrote one."""
    rows = await session.exec(
        select(Thesis)
        .where(Thesis.recommendation_id == recommendation_id)
        .order_by(col(Thesis.recorded_at).desc(), col(Thesis.thesis_id))
        .limit(1)
    )
    return rows.first()
