"""Theses: a recommendation's reasons in plain words, written by a model from numbers and quotes, and checked."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.asking import Agent, Asker, ModelDesk
from activities.extraction import rules_take_over
from domain.agents import AgentKind, Engine
from domain.decisions import DecisionRecord
from domain.errors import ModelOutputInvalid, StonksError
from domain.ids import digest
from domain.research import ThesisOutcome, ThesisRequest
from domain.written_thesis import ThesisBrief, WrittenThesis, brief_of
from store import recommendations, theses
from store.database import Database
from store.objects import ObjectStore
from store.tables.agents import Thesis

AGENT = AgentKind.THESIS_REWRITER.value


class ThesisActivities:
    """The rules' thesis stands whatever happens: a model's is shown beside it, where it passed its checks."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        resolver: AgentResolver,
        desk: ModelDesk,
        agent: Agent[ThesisBrief, WrittenThesis],
    ) -> None:
        self._database = database
        self._objects = objects
        self._resolver = resolver
        self._desk = desk
        self._agent = agent

    @activity.defn
    async def rewrite_thesis(self, request: ThesisRequest) -> ThesisOutcome:
        """Write the thesis from what the recommendation was computed from; a repeat writes the same row."""
        settings = await self._resolver.settings(AgentKind.THESIS_REWRITER, request.variant.variant_id)
        if settings.engine is Engine.RULES:  # their thesis stands already
            return ThesisOutcome(recommendation_id=request.recommendation_id)
        brief = await self.brief(request.recommendation_id)
        resolved = await self._resolver.resolve(AgentKind.THESIS_REWRITER)
        asker = Asker(
            agent_id=AGENT,
            settings=settings,
            variant_id=request.variant.variant_id,
            budget=resolved.budget,
            subject=request.recommendation_id,
            shadow=request.shadow,
        )
        try:
            asked = await self._desk.ask(self._agent, brief, asker)
        except ModelOutputInvalid as error:
            return ThesisOutcome(recommendation_id=request.recommendation_id, problem=str(error)[:1_000])
        except StonksError as error:
            if not rules_take_over(error, activity.info().attempt):
                raise
            return ThesisOutcome(recommendation_id=request.recommendation_id, problem=str(error)[:1_000])
        if request.shadow:
            return ThesisOutcome(recommendation_id=request.recommendation_id)
        written = asked.value.model_dump(mode="json")
        thesis = Thesis(
            thesis_id=digest("thesis", request.recommendation_id, asked.version, json.dumps(written, sort_keys=True)),
            recommendation_id=request.recommendation_id,
            engine_version=asked.version,
            variant_id=request.variant.variant_id,
            sentences=written["sentences"],
            invalidation=written["invalidation"],
            recorded_at=datetime.now(UTC),
        )
        async with self._database.transaction() as session:
            await theses.save(session, thesis)
        return ThesisOutcome(recommendation_id=request.recommendation_id, thesis_id=thesis.thesis_id)

    async def brief(self, recommendation_id: str) -> ThesisBrief:
        """What a thesis may be written from: attributions, quotes and gates, never an article."""
        async with self._database.transaction() as session:
            recommendation = await recommendations.require(session, recommendation_id)
            key = (await recommendations.require_record(session, recommendation_id)).record_key
        record = DecisionRecord.model_validate_json(await self._objects.get(key))
        return brief_of(recommendation, record)
