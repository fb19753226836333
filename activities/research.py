"""Research: evidence and bars in, a recommendation with its decision record out."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

from temporalio import activity

from activities.agent_resolver import AgentResolver
from activities.ports import Calendar, Flows
from domain.agents import AgentKind, Engine, assign
from domain.config import TradingConfig
from domain.decisions import Action, EvidenceItem, MarketWindow, PositionView
from domain.ids import digest
from domain.recommendation import recommend
from domain.research import AssessRequest, RecommendationNotice, ThesisRequest
from domain.signals import assess
from store import config, documents, market, portfolio, recommendations
from store.database import Database
from store.objects import ObjectStore, key_for

MARKET_SESSIONS = 61
"""Sixty daily returns."""
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
        settings, evidence, window, previous, position = await self._inputs(request)
        assessment = assess(
            evidence,
            as_of=request.as_of,
            session_dates=self._session_dates(request.as_of),
            market=window,
            config=settings,
            symbol=request.symbol,
        )
        recommendation, record = recommend(
            assessment,
            previous=previous,
            position=position,
            config=settings,
            evidence=evidence,
            market=window,
            session_dates=self._session_dates(request.as_of),
            code_version=self._code_version,
        )
        body = record.model_dump_json().encode()
        key = await self._objects.put(key_for("records", digest(body.decode(), length=64)), body, "application/json")
        async with self._database.transaction() as session:
            await recommendations.save(
                session, recommendation=recommendation, record_key=key, recorded_at=datetime.now(UTC)
            )
        return RecommendationNotice(
            recommendation_id=recommendation.recommendation_id,
            symbol=recommendation.symbol,
            as_of=recommendation.as_of,
            action=recommendation.action,
            previous_action=recommendation.previous_action,
            score=assessment.score,
            conviction=assessment.conviction,
        )

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

    async def _inputs(
        self, request: AssessRequest
    ) -> tuple[TradingConfig, list[EvidenceItem], MarketWindow | None, Action, PositionView]:
        symbol, as_of = request.symbol, request.as_of
        async with self._database.transaction() as session:
            settings = await config.current(session)
            days = settings.signals.lookback_days
            evidence = await documents.evidence_for(session, symbols=[symbol], as_of=as_of, days=days)
            found = await market.windows(session, symbols=[symbol], as_of=as_of, sessions=MARKET_SESSIONS)
            previous = await recommendations.previous_actions(session, symbols=[symbol], before=as_of)
            held = await portfolio.position_view(
                session, symbol=symbol, session_dates=self._session_dates(as_of), on=as_of
            )
        return settings, evidence[symbol], found.get(symbol), previous.get(symbol, Action.NONE), held

    def _session_dates(self, as_of: datetime) -> list[date]:
        first = (as_of - timedelta(days=CALENDAR_DAYS_BEFORE)).date()
        last = (as_of + timedelta(days=CALENDAR_DAYS_AFTER)).date()
        return [session.date for session in self._calendar.sessions(first, last)]


async def assess_all(
    flows: Flows, symbols: list[str], as_of: datetime, *, parallel: int = 8
) -> list[RecommendationNotice]:
    """Ask every symbol's own workflow, a few at a time; the answers come in the order of the symbols."""
    limit = asyncio.Semaphore(parallel)

    async def one(symbol: str) -> RecommendationNotice:
        async with limit:
            return await flows.assess_symbol(AssessRequest(symbol=symbol, as_of=as_of))

    return list(await asyncio.gather(*(one(symbol) for symbol in symbols)))
