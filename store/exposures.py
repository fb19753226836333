"""Exposure profiles: how companies react to macro factors. A change is a new version; none is ever written over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.registry import Exposures
from store import registry
from store.tables.registry import Company, ExposureProfile


async def current(session: AsyncSession, symbol: str) -> ExposureProfile | None:
    """The newest profile; None where nobody gave one."""
    rows = await session.exec(
        select(ExposureProfile)
        .where(ExposureProfile.symbol == symbol)
        .order_by(col(ExposureProfile.version).desc())
        .limit(1)
    )
    return rows.first()


async def in_force(
    session: AsyncSession, symbols: Sequence[str], *, as_of: datetime
) -> dict[str, tuple[int, Exposures]]:
    """Version and exposures of each followed company as they stood at an instant; those without any are left out."""
    newest = (
        select(ExposureProfile.symbol, func.max(ExposureProfile.version))
        .join(Company, col(Company.symbol) == col(ExposureProfile.symbol))
        .where(
            col(Company.followed),
            col(ExposureProfile.symbol).in_(symbols),
            ExposureProfile.created_at <= as_of,
        )
        .group_by(ExposureProfile.symbol)
    )
    rows = await session.exec(
        select(ExposureProfile).where(tuple_(col(ExposureProfile.symbol), col(ExposureProfile.version)).in_(newest))
    )
    return {row.symbol: (row.version, row.exposures) for row in rows}


async def of_sector(session: AsyncSession, sector: str, *, besides: str, as_of: datetime) -> list[Exposures]:
    """The profiles in force at an instant of a sector's followed companies, one excepted, by symbol."""
    if not sector:
        return []
    peers = await session.exec(
        select(Company.symbol).where(Company.sector == sector, Company.symbol != besides).order_by(col(Company.symbol))
    )
    found = await in_force(session, list(peers), as_of=as_of)
    return [profile for _, (_, profile) in sorted(found.items()) if profile]


async def exposed(session: AsyncSession, *, as_of: datetime) -> list[str]:
    """Followed companies that have exposures at an instant."""
    rows = await session.exec(
        select(ExposureProfile.symbol)
        .join(Company, col(Company.symbol) == col(ExposureProfile.symbol))
        .where(ExposureProfile.created_at <= as_of, col(Company.followed))
        .distinct()
        .order_by(col(ExposureProfile.symbol))
    )
    return list(rows)


async def histories(session: AsyncSession, *, until: datetime) -> dict[str, list[tuple[datetime, Exposures]]]:
    """Every profile of each followed company, oldest first, with the instant from which it was in force."""
    rows = await session.exec(
        select(ExposureProfile)
        .join(Company, col(Company.symbol) == col(ExposureProfile.symbol))
        .where(ExposureProfile.created_at <= until, col(Company.followed))
        .order_by(col(ExposureProfile.symbol), col(ExposureProfile.version))
    )
    found: dict[str, list[tuple[datetime, Exposures]]] = {}
    for row in rows:
        found.setdefault(row.symbol, []).append((row.created_at, row.exposures))
    return found


async def list_versions(
    session: AsyncSession, *, symbol: str, limit: int, before: int | None = None
) -> Sequence[ExposureProfile]:
    """A company's profiles, the newest first."""
    statement = select(ExposureProfile).where(ExposureProfile.symbol == symbol)
    if before is not None:
        statement = statement.where(ExposureProfile.version < before)
    return (await session.exec(statement.order_by(col(ExposureProfile.version).desc()).limit(limit))).all()


async def replace(
    session: AsyncSession,
    company: Company,
    *,
    exposures: Exposures,
    provenance: str,
    actor: str,
    now: datetime,
    estimate: Mapping[str, Any] | None = None,
) -> ExposureProfile:
    """Write a new version for a company that was read `for_change`; the same exposures again are none.

    Args:
        estimate: what the numbers were estimated from; None: a person gave them.
    """
    before = await current(session, company.symbol)
    if before is not None and (before.exposures, before.provenance) == (exposures, provenance):
        return before
    row = ExposureProfile(
        symbol=company.symbol,
        version=before.version + 1 if before is not None else 1,
        exposures=dict(sorted(exposures.items())),
        provenance=provenance,
        created_by=actor,
        created_at=now,
        estimate=dict(estimate or {}),
    )
    session.add(row)
    await session.flush()
    await registry.note(
        session,
        actor=actor,
        action="exposure_profile_replaced",
        subject=company.symbol,
        row=row,
        before=before.model_dump(mode="json") if before is not None else None,
        now=now,
    )
    return row
