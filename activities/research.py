"""Research: evidence and bars in, a recommendation with its decision record out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.layers import other_layers, universe
from activities.ports import Calendar, Flows
from domain.agents import AgentKind, Engine, assign
from domain.decision_pass import PassInputs, decide_all
from domain.decisions import Action, DecisionRecord, Recommendation
from domain.ids import digest
from domain.market import Session
from domain.research import AssessAllReport, AssessAllRequest, AssessRequest, RecommendationNotice, ThesisRequest
from domain.trading import SessionQuery
from store import config, documents, market, portfolio, recommendations
from store.database import Database
from store.objects import ObjectStore, key_for

MARKET_SESSIONS = 61
"""Sixty daily returns."""
SYMBOLS_AT_ONCE = 100
"""Bounds the evidence that is in memory; how many are taken together changes no number."""
CALENDAR_DAYS_BEFORE = 130
"""Enough calendar days before `as_of` to count trading days of any age or holding that matters."""
CALENDAR_DAYS_AFTER = 7
"""Beyond `as_of`, so that a holiday is known to be one."""


class ResearchActivities:
    """Assess a symbol at an instant. The instant is an argument: live, replay and re-asking are one path."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        flows: Flows,
        calendar: Calendar,
        resolver: AgentResolver,
        *,
        code_version: str,
    ) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._calendar = calendar
        self._resolver = resolver
        self._code_version = code_version

    @activity.defn
    async def assess(self, request: AssessRequest) -> RecommendationNotice:
        """Score the symbol and write the recommendation; the same instant and inputs write the same rows."""
        (notice,) = await self._assess([request.symbol], request.as_of)
        return notice

    @activity.defn
    async def assess_universe(self, request: AssessAllRequest) -> AssessAllReport:
        """Do for every company of which anything is known what `assess` does for one: the same numbers, bit for bit."""
        async with self._database.transaction() as session:
            settings = await config.current(session)
            symbols = await universe(session, as_of=request.as_of, config=settings.signals)
        notices: list[RecommendationNotice] = []
        for start in range(0, len(symbols), SYMBOLS_AT_ONCE):
            notices += await self._assess(symbols[start : start + SYMBOLS_AT_ONCE], request.as_of)
            activity.heartbeat(len(notices))
        changed = tuple(notice for notice in notices if notice.changed)
        return AssessAllReport(as_of=request.as_of, assessed=len(notices), changed=len(changed), notices=changed)

    @activity.defn
    async def next_session(self, query: SessionQuery) -> Session:
        """The first session that opens after the instant."""
        session = self._calendar.next_session(query.as_of)
        return session if session.opens_at > query.as_of else self._calendar.next_session(session.closes_at)

    @activity.defn
    async def tell_engine(self, notice: RecommendationNotice) -> None:
        """Let the engine look at the book now, and then have the reasons written in plain words, where a model is set.

        The recommendation itself stands in the database, with the rules' thesis.
        """
        await self._flows.tell_engine(notice)
        if notice.action in (Action.BUY, Action.SELL):
            rewriter = await self._resolver.resolve(AgentKind.THESIS_REWRITER)
            who = assign(notice.recommendation_id, rewriter)
            if who.engine is not Engine.RULES or who.shadows:
                await self._flows.start_thesis(ThesisRequest(recommendation_id=notice.recommendation_id, variant=who))

    async def _assess(self, symbols: Sequence[str], as_of: datetime) -> list[RecommendationNotice]:
        inputs = await self._inputs(symbols, as_of)
        decided = await asyncio.to_thread(decide_all, symbols, as_of, inputs, code_version=self._code_version)
        keys = await asyncio.gather(*(self._keep(record) for _, record in decided))
        async with self._database.transaction() as session:
            await recommendations.save(
                session,
                [(recommendation, key) for (recommendation, _), key in zip(decided, keys, strict=True)],
                decided_by=activity.info().workflow_id or "",
                recorded_at=datetime.now(UTC),
            )
        return [_notice(recommendation) for recommendation, _ in decided]

    async def _keep(self, record: DecisionRecord) -> str:
        body = record.model_dump_json().encode()
        return await self._objects.put(key_for("records", digest(body.decode(), length=64)), body, "application/json")

    async def _inputs(self, symbols: Sequence[str], as_of: datetime) -> PassInputs:
        dates = self._session_dates(as_of)
        async with self._database.transaction() as session:
            settings = await config.current(session)
            days = settings.signals.lookback_days
            evidence = await documents.evidence_for(session, symbols=symbols, as_of=as_of, days=days)
            return PassInputs(
                config=settings,
                session_dates=dates,
                evidence=evidence,
                others=await other_layers(session, evidence, as_of=as_of, session_dates=dates, config=settings.signals),
                windows=await market.windows(session, symbols=symbols, as_of=as_of, sessions=MARKET_SESSIONS),
                previous=await recommendations.previous_actions(session, symbols=symbols, before=as_of),
                positions=await portfolio.position_views(session, symbols=symbols, session_dates=dates, on=as_of),
            )

    def _session_dates(self, as_of: datetime) -> list[date]:
        first = (as_of - timedelta(days=CALENDAR_DAYS_BEFORE)).date()
        last = (as_of + timedelta(days=CALENDAR_DAYS_AFTER)).date()
        return [session.date for session in self._calendar.sessions(first, last)]


def _notice(recommendation: Recommendation) -> RecommendationNotice:
    return RecommendationNotice(
        recommendation_id=recommendation.recommendation_id,
        symbol=recommendation.symbol,
        as_of=recommendation.as_of,
        action=recommendation.action,
        previous_action=recommendation.previous_action,
        score=recommendation.assessment.score,
        conviction=recommendation.assessment.conviction,
    )
