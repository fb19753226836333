"""Watchlists: the operator's own selections of companies."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete as delete_rows
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import Conflict, NotFound
from domain.registry import NewWatchlist, WatchlistChange
from store import registry
from store.database import insert_new
from store.tables.registry import Watchlist, WatchlistMember


async def require(session: AsyncSession, watchlist_id: str, *, for_change: bool = False) -> Watchlist:
    """Read a watchlist; `for_change` keeps others from changing it meanwhile.

    Raises:
        NotFound: there is none.
    """
    row = await session.get(Watchlist, watchlist_id, with_for_update=for_change or None)
    if row is None:
        raise NotFound("WATCHLIST_NOT_FOUND", "/v1/watchlists lists them", watchlist_id=watchlist_id)
    return row


async def list_watchlists(session: AsyncSession, *, limit: int, after: str | None = None) -> Sequence[Watchlist]:
    """Watchlists by name."""
    statement = select(Watchlist)
    if after is not None:
        statement = statement.where(col(Watchlist.name) > after)
    return (await session.exec(statement.order_by(col(Watchlist.name)).limit(limit))).all()


async def members(session: AsyncSession, watchlist_id: str) -> list[str]:
    """The symbols of a watchlist, sorted."""
    rows = await session.exec(
        select(WatchlistMember.symbol)
        .where(WatchlistMember.watchlist_id == watchlist_id)
        .order_by(col(WatchlistMember.symbol))
    )
    return list(rows.all())


async def count_members(session: AsyncSession, watchlist_ids: Sequence[str]) -> dict[str, int]:
    rows = await session.exec(
        select(WatchlistMember.watchlist_id, func.count())
        .where(col(WatchlistMember.watchlist_id).in_(watchlist_ids))
        .group_by(WatchlistMember.watchlist_id)
    )
    return {**dict.fromkeys(watchlist_ids, 0), **dict(rows.all())}


async def create(session: AsyncSession, *, wanted: NewWatchlist, actor: str, now: datetime) -> Watchlist:
    """Make an empty watchlist.

    Raises:
        Conflict: another one has the name.
    """
    row = Watchlist(watchlist_id=f"wl_{secrets.token_hex(8)}", **wanted.model_dump(), created_at=now)
    if not await insert_new(session, [row]):
        raise _name_taken(wanted.name)
    await _note(session, row, actor=actor, action="watchlist_created", before=None, now=now)
    return row


async def change(
    session: AsyncSession, row: Watchlist, *, wanted: WatchlistChange, actor: str, now: datetime
) -> Watchlist:
    """Rename or describe a watchlist that was read `for_change`.

    Raises:
        Conflict: another one has the name.
    """
    before = row.model_dump(mode="json")
    changes = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    if all(before[name] == value for name, value in changes.items()):
        return row
    for name, value in changes.items():
        setattr(row, name, value)
    try:
        await _write(session, row)
    except IntegrityError:
        raise _name_taken(wanted.name) from None
    await _note(session, row, actor=actor, action="watchlist_changed", before=before, now=now)
    return row


async def delete(session: AsyncSession, row: Watchlist, *, actor: str, now: datetime) -> None:
    """Delete a watchlist that was read `for_change`. The companies on it stay."""
    before: dict[str, Any] = {**row.model_dump(mode="json"), "symbols": await members(session, row.watchlist_id)}
    await session.exec(delete_rows(WatchlistMember).where(col(WatchlistMember.watchlist_id) == row.watchlist_id))
    await session.delete(row)
    await session.flush()
    await registry.note(
        session, actor=actor, action="watchlist_deleted", subject=row.watchlist_id, row=None, before=before, now=now
    )


async def add_member(session: AsyncSession, row: Watchlist, *, symbol: str, actor: str, now: datetime) -> None:
    """Put a company on a watchlist that was read `for_change`; nothing happens where it stands there.

    Raises:
        NotFound: the registry has no such company.
    """
    await registry.require(session, symbol)
    member = WatchlistMember(watchlist_id=row.watchlist_id, symbol=symbol, added_at=now)
    if await insert_new(session, [member]):
        await _write(session, row)
        await registry.note(
            session,
            actor=actor,
            action="watchlist_member_added",
            subject=row.watchlist_id,
            row=member,
            before=None,
            now=now,
        )


async def remove_member(session: AsyncSession, row: Watchlist, *, symbol: str, actor: str, now: datetime) -> None:
    """Take a company off a watchlist that was read `for_change`; nothing happens where it is not on it."""
    member = await session.get(WatchlistMember, (row.watchlist_id, symbol))
    if member is None:
        return
    before = member.model_dump(mode="json")
    await session.delete(member)
    await _write(session, row)
    await registry.note(
        session,
        actor=actor,
        action="watchlist_member_removed",
        subject=row.watchlist_id,
        row=None,
        before=before,
        now=now,
    )


async def _write(session: AsyncSession, row: Watchlist) -> None:
    row.version += 1
    session.add(row)
    await session.flush()


async def _note(
    session: AsyncSession, row: Watchlist, *, actor: str, action: str, before: dict[str, Any] | None, now: datetime
) -> None:
    await registry.note(session, actor=actor, action=action, subject=row.watchlist_id, row=row, before=before, now=now)


def _name_taken(name: str) -> Conflict:
    return Conflict("WATCHLIST_NAME_TAKEN", "Choose another name", name=name)
