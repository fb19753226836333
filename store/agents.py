"""Agents, their variants, and what a person changes about them.

A variant's settings never change. What changes is who reads which part of the documents; every such change holds the
agent's row, so that shares always fit together, and stands in the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.agents import AgentBudget, AgentKind, AgentSettings, ResolvedAgent, Variant, check_shares, merged
from domain.comparison import PROMOTION_SHARE, champion_of
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import digest
from store import promotions, registry
from store.database import insert_new
from store.keysets import newest_first
from store.registry import PERSON
from store.tables.agents import AgentVariant, AiAgent


async def require(session: AsyncSession, agent_id: str, *, for_change: bool = False) -> AiAgent:
    """Read an agent; `for_change` keeps others from changing it meanwhile, but not from writing what refers to it.

    Raises:
        NotFound: there is no such agent.
    """
    row = await session.get(AiAgent, agent_id, with_for_update={"key_share": True} if for_change else None)
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


# -- reading ----------------------------------------------------------------------------------------------------------


async def list_agents(
    session: AsyncSession, *, limit: int, kind: AgentKind | None = None, archived: bool | None = None, after: str = ""
) -> Sequence[AiAgent]:
    """Agents by id."""
    statement = select(AiAgent).where(col(AiAgent.agent_id) > after)
    if kind is not None:
        statement = statement.where(AiAgent.kind == kind.value)
    if archived is not None:
        statement = statement.where(AiAgent.archived == archived)
    return (await session.exec(statement.order_by(col(AiAgent.agent_id)).limit(limit))).all()


async def list_variants(
    session: AsyncSession, agent_id: str, *, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[AgentVariant]:
    """An agent's variants, the newest first; `before` is the creation and the id of one."""
    statement = select(AgentVariant).where(AgentVariant.agent_id == agent_id)
    page = newest_first(statement, AgentVariant.created_at, AgentVariant.variant_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def active_variants(session: AsyncSession, agent_ids: Sequence[str]) -> dict[str, list[AgentVariant]]:
    """The active variants of each agent, by id."""
    found: dict[str, list[AgentVariant]] = {agent_id: [] for agent_id in agent_ids}
    statement = select(AgentVariant).where(
        col(AgentVariant.agent_id).in_(agent_ids), col(AgentVariant.active).is_(True)
    )
    for row in await session.exec(statement.order_by(col(AgentVariant.variant_id))):
        found[row.agent_id].append(row)
    return found


async def variants_to_compare(session: AsyncSession, agent_id: str, *, limit: int) -> Sequence[AgentVariant]:
    """Active variants first, then those that were active last."""
    statement = (
        select(AgentVariant)
        .where(AgentVariant.agent_id == agent_id)
        .order_by(
            col(AgentVariant.active).desc(),
            func.coalesce(AgentVariant.changed_at, AgentVariant.created_at).desc(),
            col(AgentVariant.variant_id),
        )
        .limit(limit)
    )
    return (await session.exec(statement)).all()


async def require_variant(session: AsyncSession, agent_id: str, variant_id: str) -> AgentVariant:
    """Read a variant of an agent.

    Raises:
        NotFound: the agent has no such variant.
    """
    row = await session.get(AgentVariant, variant_id)
    if row is None or row.agent_id != agent_id:
        raise NotFound(
            "VARIANT_NOT_FOUND", f"`stonks agents variants {agent_id}` lists them", agent=agent_id, variant=variant_id
        )
    return row


# -- what a person changes --------------------------------------------------------------------------------------------


async def create(
    session: AsyncSession,
    *,
    agent_id: str,
    name: str,
    kind: AgentKind,
    purpose: str,
    settings: Mapping[str, Any],
    budget: AgentBudget,
    defaults: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> AiAgent:
    """Make an agent for trying out and comparing; documents pass the three that the platform brings.

    Raises:
        InvalidInput: settings that are not allowed, alone or over the defaults.
        Conflict: the id or the name is taken.
    """
    row = AiAgent(
        agent_id=agent_id,
        name=name,
        kind=kind.value,
        purpose=purpose,
        origin=PERSON,
        settings=written(settings, below=defaults),
        budget=budget.model_dump(exclude_none=True),
        created_at=now,
        updated_at=now,
    )
    if not await insert_new(session, [row]):
        if await session.get(AiAgent, agent_id) is not None:
            raise Conflict("AGENT_EXISTS", "Change it instead, or choose another id", agent_id=agent_id)
        raise _name_taken(name)
    await registry.note(session, actor=actor, action="agent_created", subject=agent_id, row=row, before=None, now=now)
    return row


async def change(
    session: AsyncSession,
    row: AiAgent,
    *,
    changes: Mapping[str, Any],
    defaults: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> AiAgent:
    """Change what is given of an agent that was read `for_change`: name, purpose, settings, budget, archived.

    `settings` and `budget` are given whole. Nothing happens where nothing differs.

    Raises:
        InvalidInput: settings that are not allowed, alone or below those of an active variant.
        Conflict: the name is taken, or an agent of the platform would be archived.
    """
    before = row.model_dump(mode="json")
    wanted = dict(changes)
    if "settings" in wanted:
        wanted["settings"] = written(wanted["settings"], below=defaults)
    if wanted.get("archived") and row.origin != PERSON:
        raise Conflict("AGENT_IS_SYSTEM", "Documents pass it: give it other settings instead", agent_id=row.agent_id)
    if all(before[name] == value for name, value in wanted.items()):
        return row
    for name, value in wanted.items():
        setattr(row, name, value)
    if row.settings != before["settings"]:
        await _require_variants_fit(session, row, defaults=defaults)
    row.version += 1
    row.updated_at = now
    session.add(row)
    try:
        await session.flush()
    except IntegrityError:
        raise _name_taken(row.name) from None
    action = "agent_changed"
    if row.settings != before["settings"]:
        action = promotions.SETTINGS_CHANGED
    elif row.archived != before["archived"]:
        action = "agent_archived" if row.archived else "agent_restored"
    await registry.note(session, actor=actor, action=action, subject=row.agent_id, row=row, before=before, now=now)
    return row


async def archive(session: AsyncSession, row: AiAgent, *, actor: str, now: datetime) -> AiAgent:
    """Take an agent that was read `for_change` out of use; its variants and all that it answered stay.

    Raises:
        Conflict: it is one of the platform's.
    """
    return await change(session, row, changes={"archived": True}, defaults={}, actor=actor, now=now)


async def create_variant(
    session: AsyncSession,
    agent: AiAgent,
    *,
    name: str,
    settings: Mapping[str, Any],
    defaults: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> tuple[AgentVariant, bool]:
    """Make a variant of an agent that was read `for_change`; it reads nothing yet.

    The same settings under the same name are the same variant. Returns it, and whether it is new.

    Raises:
        InvalidInput: settings that are not allowed over the agent's.
        Conflict: the agent is archived.
    """
    _require_in_use(agent)
    kept = written(settings, below={**defaults, **agent.settings})
    parts = sorted((key, repr(value)) for key, value in kept.items())
    row = AgentVariant(
        variant_id=f"av_{digest('variant', agent.agent_id, name, parts, length=16)}",
        agent_id=agent.agent_id,
        name=name,
        settings=kept,
        created_at=now,
        created_by=actor,
    )
    if not await insert_new(session, [row]):
        return await require_variant(session, agent.agent_id, row.variant_id), False
    await _note_variant(session, row, actor=actor, action="variant_created", before=None, now=now)
    return row, True


async def activate(
    session: AsyncSession,
    agent: AiAgent,
    row: AgentVariant,
    *,
    share: float,
    shadow: bool,
    defaults: Mapping[str, Any],
    actor: str,
    now: datetime,
) -> AgentVariant:
    """Give a variant of an agent that was read `for_change` a share of the documents, or all of them as a shadow.

    More than half is a promotion: the gate must have passed it against the champion since either of them and the
    agent's settings changed last, and it takes what it needs from the champion. Less is an experiment.

    Raises:
        InvalidInput: a shadow with a share, neither of them, shares that are more than everything, or settings that
            do not fit over the agent's of today.
        Conflict: the agent is archived, or the gate has not passed the variant.
    """
    _require_in_use(agent)
    if shadow == (share > 0):
        raise InvalidInput(
            "TRAFFIC_SHARE_INVALID",
            "Give a share above 0 of the documents, or shadow and no share: a shadow reads what others read",
            traffic_share=share,
            shadow=shadow,
        )
    resolved_variant(agent, row, defaults=defaults)
    reading = (await active_variants(session, [agent.agent_id]))[agent.agent_id]
    champion = champion_among(reading)
    active = [each for each in reading if each.variant_id != row.variant_id]
    if share > PROMOTION_SHARE and champion != row.variant_id:
        other = next((each for each in active if each.variant_id == champion), None)
        await promotions.require_passed(session, row, champion=other, now=now)
        if other is not None:
            await _make_room(session, other, active, share=share, actor=actor, now=now)
    check_shares([share, *(each.traffic_share for each in active if not each.shadow)])
    action = "variant_promoted" if share > PROMOTION_SHARE else "variant_activated"
    return await _set(session, row, share=share, shadow=shadow, action=action, actor=actor, now=now)


async def deactivate(session: AsyncSession, row: AgentVariant, *, actor: str, now: datetime) -> AgentVariant:
    """Let a variant read nothing more, where its agent was read `for_change`. What it read goes to the champion."""
    return await _set(
        session, row, share=0.0, shadow=False, active=False, action="variant_deactivated", actor=actor, now=now
    )


def champion_among(active: Sequence[AgentVariant]) -> str:
    """Name the variant that reads most documents; empty: the agent's own settings do."""
    return champion_of([(each.variant_id, 0.0 if each.shadow else each.traffic_share) for each in active])


def written(settings: Mapping[str, Any], *, below: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are given, checked over what lies below them, in the form in which they are kept.

    Raises:
        InvalidInput: a field that settings do not have, a value that they do not allow, or a contradiction with what
            lies below.
    """
    checked: AgentSettings = merged(below, settings)
    complete = checked.model_dump(mode="json")
    for name, value in complete.items():
        if isinstance(value, str) and "\x00" in value:
            raise InvalidInput("AGENT_SETTING_INVALID", "Leave the null character out", field=name)
    return {name: complete[name] for name in sorted(settings) if settings[name] is not None}


async def _require_variants_fit(session: AsyncSession, agent: AiAgent, *, defaults: Mapping[str, Any]) -> None:
    """Refuse settings below which a variant that is read by would stop making sense."""
    for row in (await active_variants(session, [agent.agent_id]))[agent.agent_id]:
        try:
            resolved_variant(agent, row, defaults=defaults)
        except InvalidInput as error:
            raise InvalidInput(
                error.code,
                f"The active variant {row.variant_id} would not fit over it: deactivate it first. {error.hint}",
                variant=row.variant_id,
                **error.fields,
            ) from None


async def _make_room(
    session: AsyncSession,
    champion: AgentVariant,
    active: Sequence[AgentVariant],
    *,
    share: float,
    actor: str,
    now: datetime,
) -> None:
    """Take from the champion what the promoted variant needs; experiments keep what they have."""
    others = sum(row.traffic_share for row in active if row is not champion and not row.shadow)
    left = round(max(0.0, 1.0 - share - others), 9)
    if left < champion.traffic_share:
        await _set(
            session,
            champion,
            share=left,
            shadow=False,
            active=left > 0,
            action="variant_succeeded",
            actor=actor,
            now=now,
        )


async def _set(
    session: AsyncSession,
    row: AgentVariant,
    *,
    share: float,
    shadow: bool,
    active: bool = True,
    action: str,
    actor: str,
    now: datetime,
) -> AgentVariant:
    if (row.traffic_share, row.shadow, row.active) == (share, shadow, active):
        return row
    before = row.model_dump(mode="json")
    row.traffic_share, row.shadow, row.active, row.changed_at = share, shadow, active, now
    session.add(row)
    await session.flush()
    await _note_variant(session, row, actor=actor, action=action, before=before, now=now)
    return row


async def _note_variant(
    session: AsyncSession,
    row: AgentVariant,
    *,
    actor: str,
    action: str,
    before: dict[str, Any] | None,
    now: datetime,
) -> None:
    subject = f"{row.agent_id}/{row.variant_id}"
    await registry.note(session, actor=actor, action=action, subject=subject, row=row, before=before, now=now)


def _require_in_use(agent: AiAgent) -> None:
    if agent.archived:
        raise Conflict("AGENT_ARCHIVED", "Change it with `archived: false` first", agent_id=agent.agent_id)


def _name_taken(name: str) -> Conflict:
    return Conflict("AGENT_NAME_TAKEN", "Choose another name", name=name)
