"""Agents and their variants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import AgentBudget, AgentKind, ResolvedAgent, Variant, merged
from domain.errors import NotFound
from store.tables.agents import AgentVariant, AiAgent


async def require(session: AsyncSession, agent_id: str, *, for_change: bool = False) -> AiAgent:
    """Read an agent; `for_change` keeps others from changing it meanwhile.

    Raises:
        NotFound: there is no such agent.
    """
    row = await session.get(AiAgent, agent_id, with_for_update=for_change or None)
    if row is None:
        raise NotFound("AGENT_NOT_FOUND", "`stonks agents list` and /v1/agents show them", agent_id=agent_id)
    return row


async def resolve(session: AsyncSession, agent_id: str, *, defaults: Mapping[str, Any]) -> ResolvedAgent:
    """Merge an agent's settings over the built-in ones, and those of its active variants over both.

    Raises:
        NotFound: there is no such agent.
        InvalidInput: settings that do not fit together.
    """
    agent = await require(session, agent_id)
    rows = await session.exec(
        select(AgentVariant)
        .where(AgentVariant.agent_id == agent_id, col(AgentVariant.active).is_(True))
        .order_by(col(AgentVariant.variant_id))
    )
    return ResolvedAgent(
        agent_id=agent.agent_id,
        kind=AgentKind(agent.kind),
        settings=merged(defaults, agent.settings),
        variants=tuple(resolved_variant(agent, row, defaults=defaults) for row in rows),
        budget=AgentBudget.model_validate(agent.budget),
    )


def resolved_variant(agent: AiAgent, row: AgentVariant, *, defaults: Mapping[str, Any]) -> Variant:
    """A variant with its settings complete.

    Raises:
        InvalidInput: settings that do not fit together.
    """
    return Variant(
        variant_id=row.variant_id,
        name=row.name,
        settings=merged(defaults, agent.settings, row.settings),
        share=row.traffic_share,
        shadow=row.shadow,
    )
