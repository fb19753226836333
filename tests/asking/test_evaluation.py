"""An agent judges labelled sentences through the real workflow, and its record stays for the gate."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from api.operations import evaluations
from domain.agent_evaluation import (
    EvaluationReport,
    dataset_hash,
    extractor_input,
    sentence_key,
    sentiment_of,
    stance_of,
)
from domain.agents import AgentKind
from domain.errors import InvalidInput, NotFound
from domain.evaluation import LabelledSentence
from domain.extraction import Extraction, ExtractorKind
from domain.macro import MacroReading
from tests.asking.platform import add_variant
from tests.model_server.calls import Call
from tests.model_server.server import ModelServerDouble
from workers.parts import Parts

pytestmark = pytest.mark.stack

EXTRACTOR = AgentKind.DOCUMENT_EXTRACTOR.value
CLASSIFIER = AgentKind.EVENT_CLASSIFIER.value


def sentences(count: int = 45, *, first: int = 10) -> list[LabelledSentence]:
    """A third each of good, bad and neither, as the rules and anybody would say."""
    words = {
        "positive": "Operating profit rose to EUR {n}.1 mn from EUR {n}.0 mn in the corresponding period",
        "negative": "Operating profit fell to EUR {n}.0 mn from EUR {n}.9 mn in the corresponding period",
        "neutral": "The company employs {n} people in Finland",
    }
    found = []
    for number in range(count):
        label = tuple(words)[number % 3]
        told = words[label].format(n=number + first)
        found.append(LabelledSentence(text=told, label=label, split_key=told))
    return found


async def _evaluate(
    parts: Parts, told: Sequence[LabelledSentence], *, agent: str = EXTRACTOR, variant: str = ""
) -> EvaluationReport:
    evaluation_id = await evaluations.begin(
        parts.database,
        parts.objects,
        parts.client,
        agent,
        dataset="own",
        sentences=told,
        variant_id=variant,
        defaults=parts.settings.agent_defaults(),
    )
    return await evaluations.result(parts.client, evaluation_id)


async def test_evaluation_when_the_rules_judge_then_figures_and_every_outcome_are_recorded(parts: Parts) -> None:
    variant = await add_variant(parts, EXTRACTOR, {"engine": "rules"}, share=0.1)
    told = sentences()
    report = await _evaluate(parts, told, variant=variant)
    (view, *_) = await evaluations.list_for(parts.database, EXTRACTOR)
    assert (report.evaluation.n, report.unusable) == (45, 0)
    assert report.evaluation.accuracy > 0.9
    assert (view.variant_id, view.dataset_hash) == (variant, dataset_hash(told))
    assert view.figures == report.evaluation
    async with parts.database.engine.connect() as connection:
        row = await connection.execute(
            text('SELECT "right" FROM agent_evaluations WHERE evaluation_id = :id'), {"id": report.evaluation_id}
        )
        right = row.scalar_one()
    assert set(right) == {sentence_key(each) for each in told}
    assert sum(right.values()) == round(report.evaluation.accuracy * 45)


async def test_evaluation_when_a_model_judges_then_each_sentence_is_asked_once_however_often(
    parts: Parts, model: ModelServerDouble
) -> None:
    told = sentences(24)
    model.answer = _judgement
    try:
        first = await _evaluate(parts, told)
        asked = model.counts.completed
        again = await _evaluate(parts, told)
    finally:
        model.answer = ModelServerDouble().answer
    assert first.evaluation.accuracy == again.evaluation.accuracy == 1.0
    assert asked == model.counts.completed == 24
    assert first.evaluation.extractor_version.startswith("stub:1b@")


async def test_evaluation_when_answers_are_unusable_then_they_count_as_wrong_and_are_told(
    parts: Parts, model: ModelServerDouble
) -> None:
    model.answer = lambda call: "nothing of use"
    try:
        report = await _evaluate(parts, sentences(6, first=500))
    finally:
        model.answer = ModelServerDouble().answer
    assert report.unusable == 6
    assert report.evaluation.ece <= 1.0


async def test_evaluation_when_it_cannot_be_then_the_error_says_why(parts: Parts) -> None:
    stance = [LabelledSentence(text="The Committee raised rates.", label="hawkish", split_key="x")]
    with pytest.raises(InvalidInput, match="EVALUATION_NOT_POSSIBLE: field=label, found=hawkish"):
        await _evaluate(parts, stance)
    with pytest.raises(InvalidInput, match="found=0 sentences"):
        await _evaluate(parts, [])
    with pytest.raises(NotFound, match="VARIANT_NOT_FOUND"):
        await _evaluate(parts, sentences(3), variant="nobody")


async def test_classifier_when_it_is_evaluated_then_stances_are_judged(parts: Parts) -> None:
    variant = await add_variant(parts, CLASSIFIER, {"engine": "rules"}, share=0.1)
    told = [
        LabelledSentence(text="The Committee raised the federal funds rate.", label="hawkish", split_key="a"),
        LabelledSentence(text="The Committee lowered the federal funds rate.", label="dovish", split_key="b"),
        LabelledSentence(text="The meeting began in Washington.", label="neutral", split_key="c"),
    ]
    report = await _evaluate(parts, told, agent=CLASSIFIER, variant=variant)
    assert report.evaluation.accuracy == 1.0


def test_label_when_nothing_was_found_then_it_is_neutral_and_unsure() -> None:
    (first, *_) = sentences(3)
    source = extractor_input(first)
    nothing = Extraction(doc_id=source.doc_id, extractor=ExtractorKind.RULES, extractor_version="x")
    silent = MacroReading(doc_id="d", extractor=ExtractorKind.RULES, extractor_version="x")
    assert sentiment_of(nothing) == ("neutral", 0.5)
    assert stance_of(silent) == ("neutral", 0.5)


def _judgement(call: Call) -> str:
    """What a perfect model would say of these sentences."""
    told = call.shown.splitlines()[0]
    sentiment = 0.8 if " rose " in told else -0.8 if " fell " in told else 0.0
    if not sentiment:
        return json.dumps({"events": []})
    event = {
        "type": "earnings",
        "entities": [{"symbol": "SUBJECT", "surface": "SUBJECT", "role": "subject", "sentiment": sentiment}],
        "materiality": "medium",
        "horizon": "days",
        "confidence": 0.9,
        "quotes": [told],
    }
    return json.dumps({"events": [event]})
