"""Agents' variants side by side, and the gate that one passes before it reads most documents."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from api.operations.agents import Defaults, VariantView, below_of, variant_view
from domain.agents import AgentKind
from domain.comparison import (
    PROMOTION_SHARE,
    Challenger,
    Comparison,
    Criterion,
    GateDecision,
    GateRules,
    Rate,
    judge_promotion,
    rules_for,
    same_signs,
)
from domain.cross_check import net_signs
from domain.errors import Conflict, InvalidInput, NotFound, StonksError, VendorUnavailable
from store import agent_figures, agents, promotions
from store.agent_figures import Window
from store.database import Database
from store.documents import Reading
from store.objects import ObjectStore
from store.tables.agents import AgentPromotion, AgentVariant, AiAgent

VARIANTS_COMPARED = 20
SIGNS_COMPARED = 100
"""Newest documents of each variant whose answers are read again to compare their signs."""
LONGEST = timedelta(days=366)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


class PromotionRequest(BaseModel):
    """How much the variant shall read if the gate lets it pass."""

    model_config = ConfigDict(extra="forbid")

    traffic_share: Annotated[float, Field(gt=PROMOTION_SHARE, le=1, allow_inf_nan=False)] = 1.0


class PromotionView(BaseModel):
    promotion_id: str
    agent_id: str
    variant_id: str
    against: str = Field(description="the champion that it was put against; empty: the agent's own settings")
    passed: bool
    criteria: list[Criterion]
    decided_by: str
    decided_at: datetime


class Promoted(BaseModel):
    promotion: PromotionView
    variant: VariantView


async def compare(
    database: Database, objects: ObjectStore, agent_id: str, *, since: datetime | None = None
) -> Comparison:
    """Put the champion beside the others, by default over the last 30 days.

    The active variants are compared, then those that were active last, twenty at most.

    Raises:
        NotFound: no such agent.
        InvalidInput: `since` lies ahead, or more than a year back.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id)
        started = _since(since, now, GateRules().evidence_days)
        changed = await promotions.settings_changed_at(session, agent_id)
        window = Window(since=started, until=now, evaluated_since=changed or _EVER)
        rows = await agents.variants_to_compare(session, agent.agent_id, limit=VARIANTS_COMPARED)
        champion = agents.champion_among([each for each in rows if each.active])
        found = await agent_figures.compare(session, agent_id, champion=champion, variants=rows, window=window)
        answers = await agent_figures.paired_answers(
            session,
            agent_id,
            champion=champion,
            variant_ids=[each.figures.variant_id for each in found.challengers],
            window=window,
            limit=SIGNS_COMPARED,
        )
    if agent.kind != AgentKind.DOCUMENT_EXTRACTOR or not answers:
        return found
    return await _with_signs(objects, found, answers)


async def promote(
    database: Database, defaults: Defaults, agent_id: str, variant_id: str, wanted: PromotionRequest, *, actor: str
) -> Promoted:
    """Put a variant to the gate, write down what it says, and give it the share if it passed.

    Raises:
        NotFound: no such agent or variant.
        Conflict: the gate does not let it pass, it is the champion already, or the agent is archived.
        InvalidInput: with the experiments' shares it would be more than everything.
    """
    now = datetime.now(UTC)
    refused: StonksError | None = None
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id, for_change=True)
        row = await agents.require_variant(session, agent_id, variant_id)
        active = (await agents.active_variants(session, [agent_id]))[agent_id]
        champion = next((each for each in active if each.variant_id == agents.champion_among(active)), None)
        if champion is row:
            raise Conflict("VARIANT_IS_CHAMPION", "Activate it to change its share", agent=agent_id, variant=variant_id)
        decision = await _judged(session, agent, row, champion, defaults, now)
        promotion = await promotions.record(
            session,
            agent_id,
            variant_id=variant_id,
            against=champion.variant_id if champion is not None else "",
            decision=decision,
            actor=actor,
            now=now,
        )
        view = _view(promotion)
        try:  # what the gate said stays in the book, whatever becomes of the shares
            async with session.begin_nested():
                row = await agents.activate(
                    session,
                    agent,
                    row,
                    share=wanted.traffic_share,
                    shadow=False,
                    defaults=below_of(defaults, agent),
                    actor=actor,
                    now=now,
                )
        except StonksError as error:
            refused = error
    if refused is not None:
        raise refused
    return Promoted(promotion=view, variant=variant_view(agent, row, defaults))


async def list_promotions(
    database: Database,
    agent_id: str,
    *,
    limit: int,
    variant_id: str | None = None,
    before: tuple[datetime, str] | None = None,
) -> list[PromotionView]:
    """Decisions of the gate, the newest first. Raises NotFound."""
    async with database.transaction() as session:
        await agents.require(session, agent_id)
        rows = await promotions.list_promotions(session, agent_id, limit=limit, variant_id=variant_id, before=before)
    return [_view(row) for row in rows]


async def _judged(
    session: AsyncSession,
    agent: AiAgent,
    row: AgentVariant,
    champion: AgentVariant | None,
    defaults: Defaults,
    now: datetime,
) -> GateDecision:
    """Judge by what was seen since the agent's own settings, which lie below both, changed last."""
    rules = rules_for(AgentKind(agent.kind))
    changed = await promotions.settings_changed_at(session, agent.agent_id) or _EVER
    window = Window(
        since=max(now - timedelta(days=rules.evidence_days), changed),
        until=now,
        evaluated_since=changed,
        confidence=rules.confidence,
    )
    both = [row, champion] if champion is not None else [row]
    found = await agent_figures.compare(
        session,
        agent.agent_id,
        champion=champion.variant_id if champion is not None else "",
        variants=both,
        window=window,
    )
    challenger = next((each for each in found.challengers if each.figures.variant_id == row.variant_id), None)
    settings = agents.resolved_variant(agent, row, defaults=below_of(defaults, agent)).settings
    return judge_promotion(
        found.champion,
        challenger or Challenger(figures=agent_figures.nothing(row)),
        timeout_seconds=settings.timeout_seconds,
        rules=rules,
    )


async def _with_signs(
    objects: ObjectStore, found: Comparison, answers: Mapping[str, Sequence[tuple[str, str]]]
) -> Comparison:
    """Add how often two answers agree on a company's sign, from the answers themselves: shadows leave no evidence."""
    try:
        bodies = await objects.get_many({key for pairs in answers.values() for pair in pairs for key in pair})
    except (NotFound, VendorUnavailable):  # the figures stand without it
        return found
    signs = await asyncio.to_thread(lambda: {key: _signs(body) for key, body in bodies.items()})

    def agreement(variant_id: str) -> Rate:
        pairs = [(signs[one], signs[two]) for one, two in answers.get(variant_id, ())]
        return same_signs([(one, two) for one, two in pairs if one is not None and two is not None], found.confidence)

    told = [
        each.model_copy(
            update={"paired": each.paired.model_copy(update={"sign_agreement": agreement(each.figures.variant_id)})}
        )
        for each in found.challengers
    ]
    return found.model_copy(update={"challengers": tuple(told)})


def _signs(body: bytes) -> dict[str, float] | None:
    """What an answer says of each company; None where it is not the variant's own, or not one that could be used."""
    try:
        reading = Reading.model_validate_json(body)
    except ValidationError:  # of an earlier version
        return None
    return None if reading.call.problem else net_signs(reading.answer)


def _since(given: datetime | None, now: datetime, days: int) -> datetime:
    if given is None:
        return now - timedelta(days=days)
    if not now - LONGEST <= given <= now:
        raise InvalidInput("SINCE_INVALID", "Give an instant of the last 366 days", found=given.isoformat())
    return given.astimezone(UTC)


def _view(row: AgentPromotion) -> PromotionView:
    return PromotionView(
        **row.model_dump(exclude={"criteria"}), criteria=[Criterion.model_validate(each) for each in row.criteria]
    )
