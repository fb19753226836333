"""Watchlists: the operator's own selections of companies. Each change is audited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.registry import NewWatchlist, WatchlistChange
from store import watchlists
from store.database import Database
from store.tables.registry import Watchlist

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""


class WatchlistView(BaseModel):
    watchlist_id: str
    name: str
    description: str
    created_at: datetime
    members: int = Field(description="how many companies are on it")
    version: int


class WatchlistDetails(WatchlistView):
    symbols: list[str]


async def list_watchlists(database: Database, *, limit: int, after: str | None = None) -> list[WatchlistView]:
    """Watchlists by name."""
    async with database.transaction() as session:
        rows = await watchlists.list_watchlists(session, limit=limit, after=after)
        counts = await watchlists.count_members(session, [row.watchlist_id for row in rows])
    return [WatchlistView(**row.model_dump(), members=counts[row.watchlist_id]) for row in rows]


async def get(database: Database, watchlist_id: str) -> WatchlistDetails:
    """Raises NotFound."""
    async with database.transaction() as session:
        return await _details(session, await watchlists.require(session, watchlist_id))


async def create(database: Database, wanted: NewWatchlist, *, actor: str) -> WatchlistDetails:
    """Make an empty watchlist. Raises Conflict where the name is taken."""
    async with database.transaction() as session:
        row = await watchlists.create(session, wanted=wanted, actor=actor, now=datetime.now(UTC))
        return await _details(session, row)


async def change(
    database: Database, watchlist_id: str, wanted: WatchlistChange, *, actor: str, check: Check | None = None
) -> WatchlistDetails:
    """Rename or describe. Raises NotFound, and Conflict where the name is taken."""

    async def act(session: AsyncSession, row: Watchlist, now: datetime) -> None:
        await watchlists.change(session, row, wanted=wanted, actor=actor, now=now)

    return await _changed(database, watchlist_id, act, check=check)


async def delete(database: Database, watchlist_id: str, *, actor: str, check: Check | None = None) -> None:
    """Delete a watchlist. Raises NotFound."""
    async with database.transaction() as session:
        row = await watchlists.require(session, watchlist_id, for_change=True)
        if check is not None:
            check(row.version)
        await watchlists.delete(session, row, actor=actor, now=datetime.now(UTC))


async def add_member(database: Database, watchlist_id: str, symbol: str, *, actor: str) -> WatchlistDetails:
    """Put a company on a watchlist; nothing happens where it is on it. Raises NotFound."""

    async def act(session: AsyncSession, row: Watchlist, now: datetime) -> None:
        await watchlists.add_member(session, row, symbol=symbol, actor=actor, now=now)

    return await _changed(database, watchlist_id, act)


async def remove_member(database: Database, watchlist_id: str, symbol: str, *, actor: str) -> None:
    """Take a company off a watchlist; nothing happens where it is not on it. Raises NotFound."""

    async def act(session: AsyncSession, row: Watchlist, now: datetime) -> None:
        await watchlists.remove_member(session, row, symbol=symbol, actor=actor, now=now)

    await _changed(database, watchlist_id, act)


async def _changed(
    database: Database,
    watchlist_id: str,
    act: Callable[[AsyncSession, Watchlist, datetime], Awaitable[Any]],
    *,
    check: Check | None = None,
) -> WatchlistDetails:
    async with database.transaction() as session:
        row = await watchlists.require(session, watchlist_id, for_change=True)
        if check is not None:
            check(row.version)
        await act(session, row, datetime.now(UTC))
        return await _details(session, row)


async def _details(session: AsyncSession, row: Watchlist) -> WatchlistDetails:
    symbols = await watchlists.members(session, row.watchlist_id)
    return WatchlistDetails(**row.model_dump(), members=len(symbols), symbols=symbols)
