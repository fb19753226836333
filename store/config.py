"""The trading configuration in force, and its history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.config import Tier, TradingConfig
from domain.errors import NotFound
from domain.protection import config_in
from store.database import lock
from store.tables.trading import ConfigProposal, ProtectionRow, TradingConfigRow

_CHANGING = 7_203_114_904


async def current(session: AsyncSession) -> TradingConfig:
    """What is in force: as configured, in the tier that the account is in."""
    return await in_force(session, await configured(session))


async def in_force(session: AsyncSession, base: TradingConfig) -> TradingConfig:
    """What is in force where this is configured: the account may have been moved into another tier."""
    if base.protection.tiers is None:
        return base
    body: Any = ProtectionRow.body
    tiers = await session.exec(
        select(body["base_tier"].astext, body["state"]["tier"]["tier"].astext)  # the whole state is not needed here
    )
    row = tiers.first()
    if row is None or row[0] != base.tier.value:  # nobody has looked yet, or a person has chosen another tier since
        return base
    return config_in(Tier(row[1]), base)


async def configured(session: AsyncSession) -> TradingConfig:
    """The highest version; the built-in default where none was ever written."""
    rows = await session.exec(select(TradingConfigRow).order_by(col(TradingConfigRow.version).desc()).limit(1))
    row = rows.first()
    return TradingConfig.model_validate(row.body) if row else TradingConfig()


async def version(session: AsyncSession) -> int:
    """The version in force; 0 for the built-in default."""
    return (await session.exec(select(func.max(TradingConfigRow.version)))).one() or 0


async def versions(session: AsyncSession, *, limit: int, before: int | None = None) -> list[TradingConfigRow]:
    """The newest first."""
    statement = select(TradingConfigRow)
    if before is not None:
        statement = statement.where(TradingConfigRow.version < before)
    return list((await session.exec(statement.order_by(col(TradingConfigRow.version).desc()).limit(limit))).all())


async def require_proposal(session: AsyncSession, proposal_id: str, *, for_update: bool = False) -> ConfigProposal:
    """Read a change that waited or waits.

    Raises:
        NotFound: there is none with this id.
    """
    row = await session.get(ConfigProposal, proposal_id, with_for_update=for_update or None)
    if row is None:
        raise NotFound("PROPOSAL_NOT_FOUND", "`stonks config proposals` lists them", proposal_id=proposal_id)
    return row


async def proposals(session: AsyncSession, *, status: str | None, limit: int) -> list[ConfigProposal]:
    """Changes that loosen something, the newest first."""
    statement = select(ConfigProposal)
    if status is not None:
        statement = statement.where(ConfigProposal.status == status)
    ordered = statement.order_by(col(ConfigProposal.proposed_at).desc(), col(ConfigProposal.proposal_id)).limit(limit)
    return list((await session.exec(ordered)).all())


async def proposed_before(
    session: AsyncSession, *, base_version: int, body: dict[str, Any], proposed_by: str
) -> ConfigProposal | None:
    """The same change by the same person, where it waits already."""
    rows = await session.exec(
        select(ConfigProposal)
        .where(ConfigProposal.status == "pending")
        .where(ConfigProposal.base_version == base_version, ConfigProposal.proposed_by == proposed_by)
    )
    return next((row for row in rows if row.body == body), None)


async def hold(session: AsyncSession) -> None:
    """Let nobody else change the configuration until the transaction ends: what is read now is what is changed."""
    await lock(session, _CHANGING)


async def put(
    session: AsyncSession, config: TradingConfig, *, created_at: datetime, created_by: str, reason: str
) -> int:
    """Write a new version, unless the newest says the same. Returns the version in force.

    Whoever derives it from the one in force calls `hold` before reading that.
    """
    await hold(session)
    rows = await session.exec(select(TradingConfigRow).order_by(col(TradingConfigRow.version).desc()).limit(1))
    newest = rows.first()
    if newest is not None and newest.config_hash == config.version():
        return newest.version
    version = newest.version + 1 if newest else 1
    session.add(
        TradingConfigRow(
            version=version,
            config_hash=config.version(),
            body=config.model_dump(mode="json"),
            created_at=created_at,
            created_by=created_by,
            reason=reason,
        )
    )
    await session.flush()
    return version
