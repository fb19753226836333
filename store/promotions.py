"""Promotions: what the gate said of variants, and whether it still holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import BASELINE
from domain.comparison import PROMOTION_SHARE, GateDecision
from domain.errors import Conflict
from domain.ids import digest
from store import registry
from store.keysets import newest_first
from store.tables.agents import AgentPromotion, AgentVariant
from store.tables.platform import AuditEntry

SETTINGS_CHANGED = "agent_settings_changed"
"""The action of the audit log after which figures of before say nothing any more."""
HOLDS = timedelta(days=30)
"""How long a passed gate may be acted on."""


async def list_promotions(
    session: AsyncSession,
    agent_id: str,
    *,
    limit: int,
    variant_id: str | None = None,
    before: tuple[datetime, str] | None = None,
) -> Sequence[AgentPromotion]:
    """Decisions of the gate, the newest first; `before` is the instant and the id of one."""
    statement = select(AgentPromotion).where(AgentPromotion.agent_id == agent_id)
    if variant_id is not None:
        statement = statement.where(AgentPromotion.variant_id == variant_id)
    page = newest_first(statement, AgentPromotion.decided_at, AgentPromotion.promotion_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def settings_changed_at(session: AsyncSession, agent_id: str) -> datetime | None:
    """When the agent's own settings, which are below those of all its variants, changed last; None: never."""
    rows = await session.exec(
        select(func.max(AuditEntry.recorded_at)).where(
            AuditEntry.action == SETTINGS_CHANGED, AuditEntry.subject == agent_id
        )
    )
    return rows.one()


async def record(
    session: AsyncSession,
    agent_id: str,
    *,
    variant_id: str,
    against: str,
    decision: GateDecision,
    actor: str,
    now: datetime,
) -> AgentPromotion:
    """Write down what the gate said, whether it passed or not."""
    row = AgentPromotion(
        promotion_id=f"ap_{digest('promotion', agent_id, variant_id, against, now, length=16)}",
        agent_id=agent_id,
        variant_id=variant_id,
        against=against,
        passed=decision.passed,
        criteria=[each.model_dump(mode="json") for each in decision.criteria],
        decided_by=actor,
        decided_at=now,
    )
    session.add(row)
    await session.flush()
    action = "promotion_passed" if row.passed else "promotion_refused"
    await registry.note(
        session, actor=actor, action=action, subject=f"{agent_id}/{variant_id}", row=row, before=None, now=now
    )
    return row


async def require_passed(
    session: AsyncSession, row: AgentVariant, *, champion: AgentVariant | None, now: datetime
) -> None:
    """Refuse a promotion that the gate did not pass against the champion, not since something changed, or not lately.

    Args:
        champion: None: the agent's own settings.

    Raises:
        Conflict: with what is missing.
    """
    against = champion.variant_id if champion is not None else BASELINE
    newest = await session.exec(
        select(AgentPromotion)
        .where(
            AgentPromotion.agent_id == row.agent_id,
            AgentPromotion.variant_id == row.variant_id,
            AgentPromotion.against == against,
        )
        .order_by(col(AgentPromotion.decided_at).desc(), col(AgentPromotion.promotion_id).desc())
        .limit(1)
    )
    found = newest.first()
    if found is None:
        raise gate_refused(row.agent_id, row.variant_id, against, {"gate": "never asked against this champion"})
    if not found.passed:
        raise gate_refused(row.agent_id, row.variant_id, against, failing(found.criteria))
    changes = (
        row.changed_at,
        champion.changed_at if champion is not None else None,
        await settings_changed_at(session, row.agent_id),
    )
    since = max([now - HOLDS, *(each for each in changes if each is not None)])
    if found.decided_at < since:
        told = f"passed at {found.decided_at:%Y-%m-%dT%H:%M:%SZ}: too old, or before the last change; ask it again"
        raise gate_refused(row.agent_id, row.variant_id, against, {"gate": told})


def gate_refused(agent_id: str, variant_id: str, against: str, criteria: Mapping[str, str]) -> Conflict:
    """The error of a variant that the gate does not let pass: what fails, by criterion."""
    return Conflict(
        "PROMOTION_GATE",
        f"A share above {PROMOTION_SHARE:g} needs every criterion. `stonks agents promote` tries; "
        "a smaller share is an experiment and needs none",
        agent=agent_id,
        variant=variant_id,
        against=against or "the agent's own settings",
        **criteria,
    )


def failing(criteria: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a promotion lacks, by criterion."""
    return {str(each["name"]): str(each["detail"]) for each in criteria if not each["passed"]}
