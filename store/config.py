"""The trading configuration in force, and its history."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.config import TradingConfig
from store.tables.trading import TradingConfigRow


async def current(session: AsyncSession) -> TradingConfig:
    """The highest version; the built-in default where none was ever written."""
    rows = await session.exec(select(TradingConfigRow).order_by(col(TradingConfigRow.version).desc()).limit(1))
    row = rows.first()
    return TradingConfig.model_validate(row.body) if row else TradingConfig()


async def put(
    session: AsyncSession, config: TradingConfig, *, created_at: datetime, created_by: str, reason: str
) -> int:
    """Write a new version, unless the newest says the same. Returns the version in force."""
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
