"""What protects the account and how it stands: limits, breakers, tier, reserve, stops; and changes of the settings."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select

from api.numbers import Money
from domain.breaker_state import Breaker, BreakerPhase
from domain.config import Tier, TradingConfig
from domain.loosening import Loosened
from domain.protection import entry_size
from store import config, portfolio, protection
from store.database import Database
from store.tables.trading import BreakerEventRow, ConfigProposal, TradingConfigRow


class BreakerView(BaseModel):
    breaker: Breaker
    phase: BreakerPhase
    since: datetime | None = Field(description="when it came into its phase; null: it never tripped")
    value: str = Field(description="what its last change was made for")
    limit: str


class StopView(BaseModel):
    symbol: str
    stop: Money
    entry_price: Money
    highest_close: Money
    target: Money = Field(description="where part of the position is sold")
    sessions_held: int
    due: str = Field(description="what is to be sold at the next tick, and why; empty: nothing")


class ProtectionView(BaseModel):
    """How the rules stand after the engine's last look; empty where it has not looked yet."""

    looked_at: datetime | None
    session: date | None
    tier: Tier
    configured_tier: Tier
    entries: Decimal = Field(description="factor on the size of entries, 0 to 1")
    reserve: Money
    losses_in_a_row: int
    breakers: list[BreakerView]
    stops: list[StopView]


class LimitsView(BaseModel):
    """What is in force now, in the tier that the account is in."""

    version: int
    tier: Tier
    limits: dict[str, Any]
    caps: dict[str, Any]
    sizing: dict[str, Any]
    entries: dict[str, Any]
    approval: dict[str, Any]


class ConfigView(BaseModel):
    version: int
    config_hash: str
    config: TradingConfig


class VersionView(BaseModel):
    version: int
    config_hash: str
    created_at: datetime
    created_by: str
    reason: str
    changed: dict[str, tuple[Any, Any]] = Field(description="by path, what it was in the version before and is now")


class ProposalView(BaseModel):
    """A change that loosens something and waits, or waited, for a second person."""

    proposal_id: str
    base_version: int
    status: str
    changes: dict[str, Any]
    loosened: list[Loosened]
    reason: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str
    decided_at: datetime | None
    decision_reason: str


async def standing(database: Database) -> ProtectionView:
    """How breakers, tier, reserve and stops stand."""
    async with database.transaction() as session:
        settings = await config.current(session)
        base = await config.configured(session)
        live = await protection.load(session)
        events = {
            row.breaker: row for row in await session.exec(select(BreakerEventRow).order_by(col(BreakerEventRow.as_of)))
        }
        held = {holding.symbol for holding in await portfolio.holdings(session)}
    if live is None:
        return ProtectionView(
            looked_at=None,
            session=None,
            tier=base.tier,
            configured_tier=base.tier,
            entries=Decimal(1),
            reserve=Decimal(0),
            losses_in_a_row=0,
            breakers=[],
            stops=[],
        )
    rules = settings.protection
    return ProtectionView(
        looked_at=live.looked_at,
        session=live.session,
        tier=settings.tier,
        configured_tier=base.tier,
        entries=entry_size(live.state, rules),
        reserve=live.state.reserve.balance,
        losses_in_a_row=live.state.losses,
        breakers=[
            BreakerView(
                breaker=state.breaker,
                phase=state.phase,
                since=state.changed_at,
                value=events[state.breaker].value if state.breaker in events else "",
                limit=events[state.breaker].limit if state.breaker in events else "",
            )
            for state in live.state.breakers.states
        ],
        stops=[
            StopView(
                symbol=symbol,
                stop=stop.stop,
                entry_price=stop.entry_price,
                highest_close=stop.highest_close,
                target=stop.at_gain(rules.stops.scale_out_r) if rules.stops is not None else Decimal(0),
                sessions_held=stop.sessions_held,
                due=f"{live.due[symbol].kind.value} at {live.due[symbol].level}" if symbol in live.due else "",
            )
            for symbol, stop in live.state.stops.items()
            if symbol in held
        ],
    )


async def limits(database: Database) -> LimitsView:
    async with database.transaction() as session:
        settings, version = await config.current(session), await config.version(session)
    body = settings.model_dump(mode="json")
    names = ("limits", "caps", "sizing", "entries", "approval")
    return LimitsView(version=version, tier=settings.tier, **{name: body[name] for name in names})


async def configuration(database: Database) -> ConfigView:
    """What was configured; the tier that the account has come into may change some of it."""
    async with database.transaction() as session:
        settings, version = await config.configured(session), await config.version(session)
    return ConfigView(version=version, config_hash=settings.version(), config=settings)


async def versions(database: Database, *, limit: int, before: int | None = None) -> list[VersionView]:
    """Versions of the configuration with what each changed, the newest first."""
    async with database.transaction() as session:
        rows = await config.versions(session, limit=limit + 1, before=before)
    earlier = [*rows[1:], None][: len(rows)]
    return [_version(row, older) for row, older in zip(rows, earlier, strict=True)][:limit]


async def proposals(database: Database, *, status: str | None = None, limit: int = 100) -> list[ProposalView]:
    async with database.transaction() as session:
        return [proposal_view(row) for row in await config.proposals(session, status=status, limit=limit)]


def proposal_view(row: ConfigProposal) -> ProposalView:
    return ProposalView.model_validate(row.model_dump(exclude={"body"}))


def _version(row: TradingConfigRow, older: TradingConfigRow | None) -> VersionView:
    before = older.body if older is not None else TradingConfig().model_dump(mode="json")
    return VersionView(
        version=row.version,
        config_hash=row.config_hash,
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
        changed=dict(_differences(before, row.body)),
    )


def _differences(before: Any, after: Any, path: str = "") -> list[tuple[str, tuple[Any, Any]]]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for name in sorted(before.keys() | after.keys())
            for found in _differences(before.get(name), after.get(name), f"{path}.{name}" if path else name)
        ]
    return [] if before == after else [(path, (before, after))]
