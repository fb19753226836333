"""Measuring an agent on sentences that people have labelled: what is asked, by batches, and how answers are judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from domain.agents import AgentKind, AgentSettings, Engine
from domain.cross_check import net_signs
from domain.evaluation import (
    DOVISH,
    HAWKISH,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    SENTIMENT_LABELS,
    STANCE_LABELS,
    Evaluation,
    LabelledSentence,
    Verdict,
)
from domain.extraction import Candidate, Extraction, ExtractionInput
from domain.ids import digest
from domain.macro import MacroInput, MacroReading, MacroTopic
from domain.model import Model, Utc
from domain.registry import MacroFactor

SUBJECT = "SUBJECT"
"""Stands for the company that a sentence is about, where only its label connects the two."""
CALLED = 0.1
"""From this absolute net sign on, a sentence is called good or bad, hawkish or dovish."""
MAXIMUM_SENTENCES = 10_000
RULES_BATCH, MODEL_BATCH = 200, 5
"""Sentences of one activity. A model's are few, so that documents get their turns between them."""
UNDATED = datetime(2000, 1, 1, tzinfo=UTC)
"""When a sentence without a date counts as published: always the same, so that a question keeps its answer."""


class EvaluationRequest(Model):
    """Which agent, with which settings, on which sentences. Kept as an object, for it may be large."""

    evaluation_id: str
    agent_id: str
    kind: AgentKind
    variant_id: str = ""
    settings: AgentSettings
    dataset: str
    dataset_hash: str
    sentences: tuple[LabelledSentence, ...]
    begun_at: Utc


class EvaluationStart(Model):
    """What the workflow is told: where the request lies, and how to cut it into batches."""

    evaluation_id: str
    request_key: str
    engine: Engine
    count: Annotated[int, Field(ge=1, le=MAXIMUM_SENTENCES)]
    dataset: str


class EvaluationBatch(Model):
    """The sentences `start <= n < end`."""

    request_key: str
    start: int
    end: int


class Outcome(Model):
    """What was said of one sentence. `problem` is set where there was no usable answer: that counts as wrong."""

    key: str
    truth: str
    call: str
    confidence: float
    problem: str = ""


class BatchOutcome(Model):
    """Where the outcomes of a batch lie."""

    outcomes_key: str
    version: str
    elapsed_ms: int


class EvaluationEnd(Model):
    request_key: str
    batches: tuple[BatchOutcome, ...]


class EvaluationReport(Model):
    evaluation_id: str
    evaluation: Evaluation
    unusable: int
    """Sentences without a usable answer; they count as called wrongly, with confidence 0."""


def batch_of(engine: Engine) -> int:
    return RULES_BATCH if engine is Engine.RULES else MODEL_BATCH


def verdict_of(outcome: Outcome, labels: tuple[str, ...]) -> Verdict:
    """What an outcome counts as; one without a usable answer is a call of something that is not true."""
    wrong = next(label for label in labels if label != outcome.truth)
    call, confidence = (wrong, 0.0) if outcome.problem else (outcome.call, outcome.confidence)
    return Verdict(truth=outcome.truth, call=call, confidence=confidence)


def labels_of(kind: AgentKind) -> tuple[str, ...]:
    """The closed set of labels that an agent of a kind is measured on."""
    return STANCE_LABELS if kind is AgentKind.EVENT_CLASSIFIER else SENTIMENT_LABELS


def sentence_key(sentence: LabelledSentence) -> str:
    """Names a sentence in results: the same sentence about the same company, the same key."""
    return digest("sentence", sentence.text, sentence.company or "", length=12)


def dataset_hash(sentences: Sequence[LabelledSentence]) -> str:
    """Names the sentences and labels, whatever their order."""
    lines = sorted(f"{sentence_key(sentence)} {sentence.label}" for sentence in sentences)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:24]


def extractor_input(sentence: LabelledSentence) -> ExtractionInput:
    """The sentence as a document about its company; where none is named, about whom the sentence is about."""
    names: tuple[str, ...] = ()
    named = (sentence.company or "").strip()
    if named:
        names = tuple(dict.fromkeys((named, named.split()[0])))
    company = Candidate(symbol=SUBJECT, names=names or (SUBJECT,), labelled=True)
    return ExtractionInput(
        doc_id=sentence_key(sentence), text=sentence.text, published_at=UNDATED, candidates=(company,)
    )


def classifier_input(sentence: LabelledSentence) -> MacroInput:
    return MacroInput(doc_id=sentence_key(sentence), text=sentence.text, published_at=UNDATED)


def sentiment_of(answer: Extraction) -> tuple[str, float]:
    """The label of an answer by its net sign for the subject, and how sure it is."""
    sign = net_signs(answer).get(SUBJECT, 0.0)
    sure = [event.confidence for event in answer.events]
    confidence = sum(sure) / len(sure) if sure else 0.5
    return (POSITIVE if sign >= CALLED else NEGATIVE if sign <= -CALLED else NEUTRAL), confidence


def stance_of(reading: MacroReading) -> tuple[str, float]:
    """The label of a reading by what it says of rates: higher rates and prices are hawkish, as is a hot economy."""
    told = [
        (event.direction, event.confidence)
        for event in reading.events
        if event.factor is MacroFactor.RATES or event.topic in (MacroTopic.EMPLOYMENT, MacroTopic.GROWTH)
    ]
    total = sum(confidence for _, confidence in told)
    sign = sum(direction * confidence for direction, confidence in told) / total if total else 0.0
    confidence = total / len(told) if told else 0.5
    return (HAWKISH if sign >= CALLED else DOVISH if sign <= -CALLED else NEUTRAL), confidence
