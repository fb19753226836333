"""Which settings an agent has now: read from the registry, kept for a minute, and known even when it is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from domain.agents import AgentKind, AgentSettings, ResolvedAgent, Variant, merged
from domain.errors import InvalidInput, NotFound
from store import agents
from store.database import Database
from store.tables.agents import AgentVariant

RESOLVED_SECONDS = 60.0
"""How long a change of an agent may take to be seen."""
AWAY = (SQLAlchemyError, OSError, TimeoutError)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Kept:
    agent: ResolvedAgent
    since: float


class AgentResolver:
    """Resolves the three agents that documents pass: variant over agent over built-in default, field by field.

    Where the database cannot be asked, what was known last stands, and the built-in default where nothing was.
    """

    def __init__(
        self,
        database: Database,
        defaults: Mapping[AgentKind, Mapping[str, Any]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._defaults = defaults
        self._clock = clock
        self._kept: dict[AgentKind, _Kept] = {}
        self._variants: dict[str, tuple[AgentSettings, float]] = {}

    async def resolve(self, kind: AgentKind) -> ResolvedAgent:
        """The agent of a kind with its active variants; never raises for a registry that is away or inconsistent."""
        kept = self._kept.get(kind)
        if kept is not None and self._clock() - kept.since < RESOLVED_SECONDS:
            return kept.agent
        try:
            async with self._database.transaction() as session:
                agent = await agents.resolve(session, kind.value, defaults=self._defaults.get(kind, {}))
        except (*AWAY, NotFound, InvalidInput) as error:
            agent = kept.agent if kept is not None else self._built_in(kind)
            log.warning("agent_not_resolved", agent=kind.value, used=agent.origin, error=str(error)[:500])
        self._kept[kind] = _Kept(agent, self._clock())
        return agent

    async def settings(self, kind: AgentKind, variant_id: str) -> AgentSettings:
        """Settings of a variant, whether it is still active or not: its own part of them never changes."""
        agent = await self.resolve(kind)
        if not variant_id:
            return agent.settings
        known = {each.variant_id: each.settings for each in agent.variants}
        if variant_id in known:
            return known[variant_id]
        kept, since = self._variants.get(variant_id, (None, 0.0))
        if kept is None or self._clock() - since >= RESOLVED_SECONDS:
            kept = (await self._variant(kind, variant_id)).settings
            self._variants[variant_id] = (kept, self._clock())
        return kept

    async def _variant(self, kind: AgentKind, variant_id: str) -> Variant:
        async with self._database.transaction() as session:
            agent = await agents.require(session, kind.value)
            row = await session.get(AgentVariant, variant_id)
            if row is None or row.agent_id != agent.agent_id:
                raise NotFound("VARIANT_NOT_FOUND", "`stonks agents variants` lists them", variant=variant_id)
            return agents.resolved_variant(agent, row, defaults=self._defaults.get(kind, {}))

    def _built_in(self, kind: AgentKind) -> ResolvedAgent:
        settings = merged(self._defaults.get(kind, {}))
        return ResolvedAgent(agent_id=kind.value, kind=kind, settings=settings, origin="defaults")
