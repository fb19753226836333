"""Theses in a model's words."""

from __future__ import annotations

from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import insert_new
from store.tables.agents import Thesis


async def save(session: AsyncSession, thesis: Thesis) -> None:
    """Save a thesis; the same one again changes nothing."""
    await insert_new(session, [thesis])
