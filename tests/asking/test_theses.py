"""A thesis in a model's words: from the brief alone, checked number by number, never in the way of trading."""

from __future__ import annotations

import json
import uuid

import pytest
from sqlalchemy import text

from api.operations.explanation import explain
from api.operations.links import TemporalLinks
from domain.agents import AgentKind, Assignment, Engine
from domain.research import AssessRequest, ThesisOutcome, ThesisRequest
from tests.asking.platform import add_variant, later, process, register
from tests.model_server.server import ModelServerDouble
from workers.parts import Parts
from workflows import names
from workflows.rewrite_thesis import RewriteThesis

pytestmark = pytest.mark.stack

SYMBOL, NAME = "BA", "Boeing"
REWRITER = AgentKind.THESIS_REWRITER.value
LINKS = TemporalLinks("", "stonks")


async def _recommended(parts: Parts) -> str:
    title = f"{NAME} wins a large order {uuid.uuid4().hex[:8]}"
    request = await register(parts, title=title, body=f"{NAME} profit rose.", symbols=(SYMBOL,))
    await process(parts, request)
    notice = await parts.flows.assess_symbol(AssessRequest(symbol=SYMBOL, as_of=later()))
    return notice.recommendation_id


async def _written(parts: Parts, recommendation_id: str, *, shadows: tuple[str, ...] = ()) -> ThesisOutcome:
    who = Assignment(agent_id=REWRITER, engine=Engine.OLLAMA, shadows=shadows)
    request = ThesisRequest(recommendation_id=recommendation_id, variant=who)
    await parts.flows.start_thesis(request)
    await parts.flows.start_thesis(request)  # told twice, written once
    handle = parts.client.get_workflow_handle_for(RewriteThesis.run, names.thesis_id(recommendation_id))
    return await handle.result()


async def test_thesis_when_a_model_writes_it_then_it_cites_its_evidence_and_stands_beside_the_rules_own(
    parts: Parts,
) -> None:
    recommendation_id = await _recommended(parts)
    outcome = await _written(parts, recommendation_id)
    found = await explain(parts.database, parts.objects, LINKS, recommendation_id)
    assert outcome.thesis_id
    assert found.plain_thesis is not None
    assert found.thesis.startswith(f"{SYMBOL}: ")
    cited = {each for sentence in found.plain_thesis.sentences for each in sentence.evidence}
    assert cited <= {share.evidence_id for layer in found.layers for share in layer.evidence}
    assert cited
    assert found.plain_thesis.written_by.startswith("stub:1b@")


async def test_thesis_when_it_states_a_number_of_its_own_then_it_is_not_shown(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id = await _recommended(parts)
    lie = json.dumps({"sentences": [{"text": f"{SYMBOL} will rise 87 percent.", "evidence": []}], "invalidation": []})
    model.script(lie, lie)
    outcome = await _written(parts, recommendation_id)
    found = await explain(parts.database, parts.objects, LINKS, recommendation_id)
    assert outcome.problem.startswith("MODEL_OUTPUT_INVALID")
    assert "NUMBER_NOT_IN_BRIEF" in outcome.problem
    assert found.plain_thesis is None


async def test_thesis_when_a_challenger_writes_too_then_only_its_attempt_is_kept(parts: Parts) -> None:
    recommendation_id = await _recommended(parts)
    variant = await add_variant(parts, REWRITER, {"seed": 5}, shadow=True)
    await _written(parts, recommendation_id, shadows=(variant,))
    async with parts.database.engine.connect() as connection:
        theses = await connection.execute(
            text("SELECT variant_id FROM theses WHERE recommendation_id = :id"), {"id": recommendation_id}
        )
        log = await connection.execute(
            text("SELECT variant_id, shadow FROM agent_performance_log WHERE doc_id = :id"), {"id": recommendation_id}
        )
        assert [row[0] for row in theses] == [""]
        assert {tuple(row) for row in log} == {("", False), (variant, True)}
