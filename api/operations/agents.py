"""Agents: settings, variants, shares, budgets. Each change is audited, and one at a time for each agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import AgentBudget, AgentKind, AgentSettings, merged
from domain.comparison import VariantFigures
from domain.errors import InvalidInput
from domain.registry import Line, Name, Note
from store import agent_figures, agents, model_calls
from store.agent_figures import Window
from store.database import Database
from store.tables.agents import AgentVariant, AiAgent

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""
Defaults = Mapping[AgentKind, Mapping[str, Any]]
"""Settings below those of each kind of agent."""
FIGURES_OF = timedelta(days=30)

AgentId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$")]
Settings = Annotated[
    dict[str, Any],
    Field(description="fields that differ from what lies below", examples=[{"engine": "ollama", "model": "qwen3:8b"}]),
]
T = TypeVar("T")


class NewAgent(BaseModel):
    """An agent to try out and compare; documents pass the three that the platform brings."""

    model_config = ConfigDict(extra="forbid")

    agent_id: AgentId
    kind: AgentKind
    name: Line = Field(default="", description="what people call it; the id where it is left out")
    purpose: Note = ""
    settings: Settings = Field(default_factory=dict)
    budget: AgentBudget = AgentBudget()


class AgentChange(BaseModel):
    """What is to be different; what is left out stays. `settings` and `budget` are given whole."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    purpose: Note = ""
    settings: Settings = Field(default_factory=dict)
    budget: AgentBudget = AgentBudget()
    archived: bool = False


class NewVariant(BaseModel):
    """A configuration of an agent, which never changes. The same again is the same variant."""

    model_config = ConfigDict(extra="forbid")

    name: Line = ""
    settings: Settings


class Activation(BaseModel):
    """How much a variant reads: a share of the documents, or as a shadow all of them, for comparison alone."""

    model_config = ConfigDict(extra="forbid")

    traffic_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    shadow: bool = False


class ActiveVariant(BaseModel):
    variant_id: str
    name: str
    traffic_share: float
    shadow: bool


class AgentView(BaseModel):
    agent_id: str
    name: str
    kind: AgentKind
    purpose: str
    origin: str = Field(description="system: documents pass it; person: made for trying out and comparing")
    settings: dict[str, Any] = Field(description="fields that differ from the defaults")
    effective: AgentSettings | None = Field(description="complete, over the defaults; null where they contradict them")
    problem: str = Field(description="why there are no effective settings")
    budget: AgentBudget
    champion: str = Field(description="the variant that reads most documents; empty: the agent's own settings do")
    active: list[ActiveVariant]
    archived: bool
    created_at: datetime
    updated_at: datetime | None
    version: int


class VariantView(BaseModel):
    variant_id: str
    agent_id: str
    name: str
    settings: dict[str, Any] = Field(description="fields that differ from the agent's")
    effective: AgentSettings | None = Field(description="complete; null where they contradict the agent's of today")
    problem: str
    traffic_share: float
    active: bool
    shadow: bool
    created_at: datetime
    created_by: str
    changed_at: datetime | None = Field(description="when it was last activated or deactivated")
    figures: VariantFigures | None = Field(default=None, description="of the last 30 days")


class Use(BaseModel):
    used: int = Field(description="used and set aside")
    limit: int | None
    left: int | None


class BudgetView(BaseModel):
    """What an agent has used of its budget on a day, which ends at midnight UTC."""

    agent_id: str
    day: date
    calls: Use
    tokens: Use


async def list_agents(
    database: Database,
    defaults: Defaults,
    *,
    limit: int,
    kind: AgentKind | None = None,
    archived: bool | None = None,
    after: str = "",
) -> list[AgentView]:
    """Agents by id."""
    async with database.transaction() as session:
        rows = await agents.list_agents(session, limit=limit, kind=kind, archived=archived, after=after)
        active = await agents.active_variants(session, [row.agent_id for row in rows])
    return [_view(row, active[row.agent_id], defaults) for row in rows]


async def get(database: Database, defaults: Defaults, agent_id: str) -> AgentView:
    """Raises NotFound."""
    async with database.transaction() as session:
        return await _read(session, await agents.require(session, agent_id), defaults)


async def create(database: Database, defaults: Defaults, wanted: NewAgent, *, actor: str) -> AgentView:
    """Make an agent. Raises InvalidInput, and Conflict where the id or the name is taken."""
    async with database.transaction() as session:
        row = await agents.create(
            session,
            agent_id=wanted.agent_id,
            name=wanted.name or wanted.agent_id,
            kind=wanted.kind,
            purpose=wanted.purpose,
            settings=wanted.settings,
            budget=wanted.budget,
            defaults=defaults.get(wanted.kind, {}),
            actor=actor,
            now=datetime.now(UTC),
        )
        return _view(row, [], defaults)


async def change(
    database: Database,
    defaults: Defaults,
    agent_id: str,
    wanted: AgentChange,
    *,
    actor: str,
    check: Check | None = None,
) -> AgentView:
    """Change an agent. Raises NotFound, InvalidInput, Conflict."""
    changes = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    if "budget" in changes:
        changes["budget"] = wanted.budget.model_dump(exclude_none=True)

    async def act(session: AsyncSession, row: AiAgent, now: datetime) -> AgentView:
        below = below_of(defaults, row)
        changed = await agents.change(session, row, changes=changes, defaults=below, actor=actor, now=now)
        return await _read(session, changed, defaults)

    return await changing(database, agent_id, act, check=check)


async def archive(
    database: Database, defaults: Defaults, agent_id: str, *, actor: str, check: Check | None = None
) -> AgentView:
    """Take an agent out of use. Raises NotFound, and Conflict where documents pass it."""

    async def act(session: AsyncSession, row: AiAgent, now: datetime) -> AgentView:
        return await _read(session, await agents.archive(session, row, actor=actor, now=now), defaults)

    return await changing(database, agent_id, act, check=check)


async def list_variants(
    database: Database,
    defaults: Defaults,
    agent_id: str,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> list[VariantView]:
    """An agent's variants with their figures, the newest first. Raises NotFound."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id)
        rows = await agents.list_variants(session, agent_id, limit=limit, before=before)
        found = await _figures(session, agent_id, [row.variant_id for row in rows], now)
    return [variant_view(agent, row, defaults, found[row.variant_id]) for row in rows]


async def get_variant(database: Database, defaults: Defaults, agent_id: str, variant_id: str) -> VariantView:
    """Raises NotFound."""
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id)
        row = await agents.require_variant(session, agent_id, variant_id)
        found = await _figures(session, agent_id, [variant_id], datetime.now(UTC))
    return variant_view(agent, row, defaults, found[variant_id])


async def create_variant(
    database: Database, defaults: Defaults, agent_id: str, wanted: NewVariant, *, actor: str
) -> tuple[VariantView, bool]:
    """Make a variant, and say whether it is new. Raises NotFound, InvalidInput, Conflict."""

    async def act(session: AsyncSession, agent: AiAgent, now: datetime) -> tuple[VariantView, bool]:
        row, new = await agents.create_variant(
            session,
            agent,
            name=wanted.name,
            settings=wanted.settings,
            defaults=below_of(defaults, agent),
            actor=actor,
            now=now,
        )
        return variant_view(agent, row, defaults), new

    return await changing(database, agent_id, act)


async def activate(
    database: Database, defaults: Defaults, agent_id: str, variant_id: str, wanted: Activation, *, actor: str
) -> VariantView:
    """Give a variant a share, or make it a shadow. Raises NotFound, InvalidInput, Conflict (the gate)."""

    async def act(session: AsyncSession, agent: AiAgent, now: datetime) -> VariantView:
        row = await agents.activate(
            session,
            agent,
            await agents.require_variant(session, agent_id, variant_id),
            share=wanted.traffic_share,
            shadow=wanted.shadow,
            defaults=below_of(defaults, agent),
            actor=actor,
            now=now,
        )
        return variant_view(agent, row, defaults)

    return await changing(database, agent_id, act)


async def deactivate(
    database: Database, defaults: Defaults, agent_id: str, variant_id: str, *, actor: str
) -> VariantView:
    """Let a variant read nothing more. Raises NotFound."""

    async def act(session: AsyncSession, agent: AiAgent, now: datetime) -> VariantView:
        row = await agents.require_variant(session, agent_id, variant_id)
        return variant_view(agent, await agents.deactivate(session, row, actor=actor, now=now), defaults)

    return await changing(database, agent_id, act)


async def budget(database: Database, agent_id: str) -> BudgetView:
    """What the agent has used today. Raises NotFound."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        limits = AgentBudget.model_validate((await agents.require(session, agent_id)).budget)
    used = await model_calls.used(database, agent_id, now=now)
    return BudgetView(
        agent_id=agent_id,
        day=now.date(),
        calls=_use(used.calls, limits.calls_per_day),
        tokens=_use(used.tokens, limits.tokens_per_day),
    )


async def changing(
    database: Database,
    agent_id: str,
    act: Callable[[AsyncSession, AiAgent, datetime], Awaitable[T]],
    *,
    check: Check | None = None,
) -> T:
    """One change of an agent or its variants is one transaction, and nobody else makes one meanwhile."""
    async with database.transaction() as session:
        row = await agents.require(session, agent_id, for_change=True)
        if check is not None:
            check(row.version)
        return await act(session, row, datetime.now(UTC))


def below_of(defaults: Defaults, agent: AiAgent) -> Mapping[str, Any]:
    return defaults.get(AgentKind(agent.kind), {})


def variant_view(
    agent: AiAgent, row: AgentVariant, defaults: Defaults, figures: VariantFigures | None = None
) -> VariantView:
    effective, problem = _effective(below_of(defaults, agent), agent.settings, row.settings)
    named = figures.model_copy(update={"name": row.name}) if figures is not None else None
    return VariantView(**row.model_dump(), effective=effective, problem=problem, figures=named)


async def _read(session: AsyncSession, row: AiAgent, defaults: Defaults) -> AgentView:
    active = await agents.active_variants(session, [row.agent_id])
    return _view(row, active[row.agent_id], defaults)


def _view(row: AiAgent, active: list[AgentVariant], defaults: Defaults) -> AgentView:
    effective, problem = _effective(below_of(defaults, row), row.settings)
    return AgentView(
        **row.model_dump(exclude={"kind", "budget"}),
        kind=AgentKind(row.kind),
        budget=AgentBudget.model_validate(row.budget),
        effective=effective,
        problem=problem,
        champion=agents.champion_among(active),
        active=[ActiveVariant(**each.model_dump(include=set(ActiveVariant.model_fields))) for each in active],
    )


def _effective(*layers: Mapping[str, Any]) -> tuple[AgentSettings | None, str]:
    try:
        return merged(*layers), ""
    except InvalidInput as error:  # the environment's defaults may have changed since they were written
        return None, str(error)


async def _figures(
    session: AsyncSession, agent_id: str, variant_ids: list[str], now: datetime
) -> dict[str, VariantFigures]:
    window = Window(since=now - FIGURES_OF, until=now, evaluated_since=now - FIGURES_OF)
    return await agent_figures.figures(session, agent_id, variant_ids, window)


def _use(used: int, limit: int | None) -> Use:
    return Use(used=used, limit=limit, left=None if limit is None else max(0, limit - used))
