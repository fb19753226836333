"""Evaluation: an agent judges labelled sentences, a batch at a time, and its record is kept for the gate."""

from __future__ import annotations

import hashlib
import json
import time

from pydantic import TypeAdapter
from temporalio import activity

from activities.asking import Agent, Asker, ModelDesk
from activities.classification import RulesClassifier
from activities.extraction import RulesReader
from domain.agent_evaluation import (
    BatchOutcome,
    EvaluationBatch,
    EvaluationEnd,
    EvaluationReport,
    EvaluationRequest,
    Outcome,
    classifier_input,
    extractor_input,
    labels_of,
    sentence_key,
    sentiment_of,
    stance_of,
    verdict_of,
)
from domain.agents import AgentBudget, AgentKind, Engine
from domain.errors import InvalidInput, ModelOutputInvalid
from domain.evaluation import NEUTRAL, Half, LabelledSentence, evaluate
from domain.extraction import Extraction, ExtractionInput
from domain.macro import MacroInput, MacroReading, validate_macro
from domain.validation import validate_extraction
from store import agents
from store.database import Database, insert_new
from store.objects import ObjectStore, key_for
from store.tables.agents import AgentEvaluation

_OUTCOMES = TypeAdapter(tuple[Outcome, ...])


class EvaluationActivities:
    """Answers of models are cached like any other."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        desk: ModelDesk,
        rules: tuple[RulesReader, RulesClassifier],
        agents: tuple[Agent[ExtractionInput, Extraction], Agent[MacroInput, MacroReading]],
    ) -> None:
        self._database = database
        self._objects = objects
        self._desk = desk
        self._extractor_rules, self._classifier_rules = rules
        self._extractor, self._classifier = agents

    @activity.defn
    async def judge_batch(self, batch: EvaluationBatch) -> BatchOutcome:
        """Judge some sentences one after the other; a repeat asks only what was not answered."""
        request = await self._request(batch.request_key)
        budget = await self._budget(request.agent_id)
        began = time.monotonic()
        outcomes: list[Outcome] = []
        version = ""
        for sentence in request.sentences[batch.start : batch.end]:
            outcome, answered_by = await self._judge(sentence, request, budget)
            outcomes.append(outcome)
            version = answered_by or version
            activity.heartbeat(len(outcomes))
        body = _OUTCOMES.dump_json(tuple(outcomes))
        key = key_for("outcomes", hashlib.sha256(body).hexdigest())
        return BatchOutcome(
            outcomes_key=await self._objects.put(key, body, "application/json"),
            version=version,
            elapsed_ms=int((time.monotonic() - began) * 1_000),
        )

    @activity.defn
    async def record_evaluation(self, end: EvaluationEnd) -> EvaluationReport:
        """Work out the figures and keep them with the outcome of every sentence; a repeat writes the same row."""
        request = await self._request(end.request_key)
        bodies = [await self._objects.get(batch.outcomes_key) for batch in end.batches]
        outcomes = [outcome for body in bodies for outcome in _OUTCOMES.validate_json(body)]
        seconds = sum(batch.elapsed_ms for batch in end.batches) / 1_000
        version = next((batch.version for batch in end.batches if batch.version), "unusable")
        labels = labels_of(request.kind)
        evaluation = evaluate(
            [verdict_of(outcome, labels) for outcome in outcomes],
            dataset=request.dataset,
            extractor_version=version,
            labels=labels,
            half=Half.ALL,
            sentences_per_second=len(outcomes) / seconds if seconds else None,
        )
        row = AgentEvaluation(
            evaluation_id=request.evaluation_id,
            agent_id=request.agent_id,
            variant_id=request.variant_id,
            engine_version=version,
            dataset=request.dataset,
            dataset_hash=request.dataset_hash,
            figures=json.loads(evaluation.model_dump_json()),
            right={outcome.key: outcome.call == outcome.truth and not outcome.problem for outcome in outcomes},
            recorded_at=request.begun_at,  # it tells of the settings of then, however long it took
        )
        async with self._database.transaction() as session:
            await insert_new(session, [row])
        return EvaluationReport(
            evaluation_id=request.evaluation_id,
            evaluation=evaluation,
            unusable=sum(bool(outcome.problem) for outcome in outcomes),
        )

    async def _request(self, key: str) -> EvaluationRequest:
        return EvaluationRequest.model_validate_json(await self._objects.get(key))

    async def _judge(
        self, sentence: LabelledSentence, request: EvaluationRequest, budget: AgentBudget
    ) -> tuple[Outcome, str]:
        asker = Asker(
            agent_id=request.agent_id,
            settings=request.settings,
            variant_id=request.variant_id,
            budget=budget,
            subject=f"sentence/{sentence_key(sentence)}",
            shadow=True,
        )
        try:
            call, confidence, version = await self._call(sentence, request, asker)
            problem = ""
        except ModelOutputInvalid as error:
            call, confidence, version, problem = NEUTRAL, 0.0, "", error.code
        outcome = Outcome(
            key=sentence_key(sentence), truth=sentence.label, call=call, confidence=confidence, problem=problem
        )
        return outcome, version

    async def _call(
        self, sentence: LabelledSentence, request: EvaluationRequest, asker: Asker
    ) -> tuple[str, float, str]:
        rules = request.settings.engine is Engine.RULES
        if request.kind is AgentKind.DOCUMENT_EXTRACTOR:
            source = extractor_input(sentence)
            answer = (
                await self._extractor_rules.extract(source)
                if rules
                else (await self._desk.ask(self._extractor, source, asker)).value
            )
            return *sentiment_of(validate_extraction(answer, source).extraction), answer.extractor_version
        if request.kind is AgentKind.EVENT_CLASSIFIER:
            told = classifier_input(sentence)
            reading = (
                self._classifier_rules.classify(told)
                if rules
                else (await self._desk.ask(self._classifier, told, asker)).value
            )
            return *stance_of(validate_macro(reading, told).reading), reading.extractor_version
        raise InvalidInput(
            "AGENT_NOT_MEASURABLE",
            "Extractors and classifiers are measured on sentences; theses are checked one by one",
            field="kind",
            found=request.kind.value,
        )

    async def _budget(self, agent_id: str) -> AgentBudget:
        async with self._database.transaction() as session:
            return AgentBudget.model_validate((await agents.require(session, agent_id)).budget)
