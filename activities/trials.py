"""Trials: an agent reads a text that somebody gives it. The budget is charged; nothing else is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, TypeVar

from temporalio import activity

from activities.asking import Agent, Asked, Asker, ModelDesk
from activities.classification import RulesClassifier
from activities.documents import Parser, extraction_input
from activities.extraction import RulesReader
from activities.theses import ThesisActivities
from domain.agents import AgentBudget, AgentKind, Engine
from domain.errors import BudgetExhausted, ModelOutputInvalid
from domain.extraction import Extraction, ExtractionInput
from domain.ids import digest
from domain.macro import MacroInput, MacroReading, validate_macro
from domain.prompting import ModelCall
from domain.trials import AgentTrialReport, AgentTrialRequest
from domain.validation import validate_extraction
from domain.written_thesis import ThesisBrief, WrittenSentence, WrittenThesis
from store import agents
from store.database import Database
from store.documents import DocumentHead
from store.objects import ObjectStore

In = TypeVar("In")
Out = TypeVar("Out")


class TrialActivities:
    """The same prompts, models and checks that documents meet."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        desk: ModelDesk,
        theses: ThesisActivities,
        rules: tuple[RulesReader, RulesClassifier],
        agents: tuple[
            Agent[ExtractionInput, Extraction], Agent[MacroInput, MacroReading], Agent[ThesisBrief, WrittenThesis]
        ],
    ) -> None:
        self._database = database
        self._desk = desk
        self._theses = theses
        self._extractor_rules, self._classifier_rules = rules
        self._extractor, self._classifier, self._rewriter = agents
        self._parser = Parser(database, objects)

    @activity.defn
    async def try_agent(self, request: AgentTrialRequest) -> AgentTrialReport:
        """Let the agent answer once, and say what the checks left of it."""
        began = time.monotonic()
        report = await self._answer(request)
        return report.model_copy(update={"latency_ms": int((time.monotonic() - began) * 1_000)})

    async def _answer(self, request: AgentTrialRequest) -> AgentTrialReport:
        if request.kind is AgentKind.THESIS_REWRITER:
            return await self._thesis(request)
        source = await self._source(request)
        if request.kind is AgentKind.DOCUMENT_EXTRACTOR:
            return await self._extraction(request, source)
        macro = MacroInput(
            doc_id=source.doc_id, text=source.text, language=source.language, published_at=source.published_at
        )
        return await self._classification(request, macro)

    async def _extraction(self, request: AgentTrialRequest, source: ExtractionInput) -> AgentTrialReport:
        calls: Sequence[ModelCall] = ()
        if request.settings.engine is Engine.RULES:
            answer = await self._extractor_rules.extract(source)
        else:
            asked = await self._ask(self._extractor, source, request)
            if isinstance(asked, str):
                return _report(request, problem=asked)
            answer, calls = asked.value, asked.calls
        valid = validate_extraction(answer, source)
        return _report(
            request,
            version=answer.extractor_version,
            answer=valid.extraction.model_dump(mode="json"),
            dropped=valid.dropped,
            quotes=(valid.quotes_total, valid.quotes_valid),
            calls=calls,
        )

    async def _classification(self, request: AgentTrialRequest, source: MacroInput) -> AgentTrialReport:
        calls: Sequence[ModelCall] = ()
        if request.settings.engine is Engine.RULES:
            reading = self._classifier_rules.classify(source)
        else:
            asked = await self._ask(self._classifier, source, request)
            if isinstance(asked, str):
                return _report(request, problem=asked)
            reading, calls = asked.value, asked.calls
        valid = validate_macro(reading, source)
        return _report(
            request,
            version=reading.extractor_version,
            answer=valid.reading.model_dump(mode="json"),
            dropped=valid.dropped,
            quotes=(valid.quotes_total, valid.quotes_valid),
            calls=calls,
        )

    async def _thesis(self, request: AgentTrialRequest) -> AgentTrialReport:
        brief = await self._theses.brief(request.recommendation_id)
        if request.settings.engine is Engine.RULES:
            written = WrittenThesis(
                sentences=(WrittenSentence(text=brief.thesis),),
                invalidation=tuple(WrittenSentence(text=each) for each in brief.invalidation),
            )
            return _report(request, version="rules", answer=written.model_dump(mode="json"))
        asked = await self._ask(self._rewriter, brief, request)
        if isinstance(asked, str):
            return _report(request, problem=asked)
        return _report(request, version=asked.version, answer=asked.value.model_dump(mode="json"), calls=asked.calls)

    async def _ask(self, agent: Agent[In, Out], source: In, request: AgentTrialRequest) -> Asked[Out] | str:
        """The answer, or what was wrong with it."""
        asker = Asker(
            agent_id=request.agent_id,
            settings=request.settings,
            variant_id=request.variant_id,
            budget=await self._budget(request.agent_id),
            subject=request.trial_id,
            trial=request.trial_id,
        )
        try:
            return await self._desk.ask(agent, source, asker)
        except (ModelOutputInvalid, BudgetExhausted) as error:
            return str(error)[:2_000]

    async def _budget(self, agent_id: str) -> AgentBudget:
        async with self._database.transaction() as session:
            return AgentBudget.model_validate((await agents.require(session, agent_id)).budget)

    async def _source(self, request: AgentTrialRequest) -> ExtractionInput:
        head = DocumentHead(
            doc_id=digest("trial", request.title, request.text),
            raw_key="",
            language=request.language,
            published_at=request.published_at,
            available_at=request.published_at,
            symbols=tuple(sorted(set(request.symbols))),
        )
        return extraction_input(head, request.title, request.text, await self._parser.master())


def _report(
    request: AgentTrialRequest,
    *,
    version: str = "",
    answer: dict[str, Any] | None = None,
    dropped: Sequence[str] = (),
    problem: str = "",
    quotes: tuple[int, int] = (0, 0),
    calls: Sequence[ModelCall] = (),
) -> AgentTrialReport:
    return AgentTrialReport(
        agent_id=request.agent_id,
        variant_id=request.variant_id,
        engine_version=version,
        answer=answer or {},
        dropped=tuple(dropped),
        problem=problem,
        quotes_total=quotes[0],
        quotes_valid=quotes[1],
        calls=tuple(calls),
        tokens_in=sum(call.tokens_in for call in calls),
        tokens_out=sum(call.tokens_out for call in calls),
        cost_dollars=sum((call.cost_dollars for call in calls), start=Decimal(0)),
    )
