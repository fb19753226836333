"""A decision asked again: the same frozen documents, another reader, and nothing later than the decision."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from api.operations import what_ifs
from api.operations.links import TemporalLinks
from api.operations.what_ifs import NewWhatIf, WhatIfView
from domain.errors import InvalidInput, NotFound
from domain.research import AssessRequest
from store.documents import Reading
from store.objects import key_for
from tests.asking.platform import NOW, later, process, register, rows
from tests.model_server.server import ModelServerDouble
from workers.parts import Parts

pytestmark = pytest.mark.stack

SYMBOL, NAME = "CAT", "Caterpillar"
LINKS = TemporalLinks("", "stonks")


async def _decided(parts: Parts, model: ModelServerDouble) -> tuple[str, str]:
    """A recommendation on one document that a model took for good news, and the document's id."""
    title = f"{NAME} shares plunge 30 percent after fraud charges {uuid.uuid4().hex[:8]}"
    request = await register(parts, title=title, body=f"{NAME} fell.", symbols=(SYMBOL,))
    event = {
        "type": "accounting_fraud",
        "entities": [{"symbol": SYMBOL, "surface": NAME, "role": "subject", "sentiment": 0.9}],
        "materiality": "medium",
        "horizon": "weeks",
        "confidence": 0.8,
        "quotes": [title],
    }
    model.script(json.dumps({"events": [event]}))
    await process(parts, request)
    as_of = later()
    notice = await parts.flows.assess_symbol(AssessRequest(symbol=SYMBOL, as_of=as_of))
    return notice.recommendation_id, request.doc_id


async def _ask(parts: Parts, recommendation_id: str, **wanted: Any) -> WhatIfView:
    begun = await what_ifs.begin(
        parts.database,
        parts.client,
        LINKS,
        recommendation_id,
        NewWhatIf(**wanted),
        defaults=parts.settings.agent_defaults(),
        actor="test",
    )
    await what_ifs.wait(parts.client, begun.what_if_id)
    return await what_ifs.get(parts.database, LINKS, begun.what_if_id)


async def test_what_if_when_the_rules_read_instead_then_events_and_decision_show_the_difference(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, doc_id = await _decided(parts, model)
    before = await rows(parts, "evidence", doc_id)
    view = await _ask(parts, recommendation_id, settings={"engine": "rules"})
    report = view.report
    assert report is not None
    change = next(each for each in report.changed if each.doc_id == doc_id)
    assert [event.sentiment > 0 for event in change.before] == [True]
    assert all(event.sentiment < 0 for event in change.after)
    assert change.after
    assert report.after.score < report.before.score
    assert (report.calls, report.cost_dollars) == (0, 0)
    assert await rows(parts, "evidence", doc_id) == before
    assert view.status == "finished"


async def test_what_if_when_the_same_settings_read_then_nothing_differs_and_nothing_is_spent(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, doc_id = await _decided(parts, model)
    asked = model.counts.completed
    view = await _ask(parts, recommendation_id)
    assert view.report is not None
    assert all(change.doc_id != doc_id for change in view.report.changed)
    assert view.report.cached >= 1
    assert model.counts.completed - asked == view.report.calls - view.report.cached


async def test_what_if_when_the_price_is_known_then_the_report_says_what_it_cost(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, _ = await _decided(parts, model)
    settings = {"seed": 4711, "dollars_per_million_tokens_in": "2", "dollars_per_million_tokens_out": "8"}
    view = await _ask(parts, recommendation_id, settings=settings)
    assert view.report is not None
    assert view.report.cost_dollars > 0
    assert view.report.tokens_in > 0


async def test_what_if_when_a_reading_is_later_than_the_decision_then_it_fails_and_says_so(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, doc_id = await _decided(parts, model)
    (extraction,) = await rows(parts, "extractions", doc_id)
    reading = Reading.model_validate_json(await parts.objects.get(extraction["result_key"]))
    later = reading.model_copy(update={"available_at": NOW + timedelta(days=1)}).model_dump_json()
    key = await parts.objects.put(key_for("readings", uuid.uuid4().hex * 2), later.encode())
    async with parts.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE extractions SET result_key = :key WHERE doc_id = :doc_id"), {"key": key, "doc_id": doc_id}
        )
    try:
        view = await _ask(parts, recommendation_id, settings={"engine": "rules"})
    finally:
        async with parts.database.engine.begin() as connection:
            await connection.execute(
                text("UPDATE extractions SET result_key = :key WHERE doc_id = :doc_id"),
                {"key": extraction["result_key"], "doc_id": doc_id},
            )
    assert view.status == "failed"
    assert view.error.startswith(f"LATER_THAN_AS_OF: doc_id={doc_id}")
    assert view.report is None


async def test_what_if_when_the_answer_is_unusable_then_the_document_counts_for_nothing_and_that_is_said(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, doc_id = await _decided(parts, model)
    model.answer = lambda call: "no JSON at all"
    try:
        view = await _ask(parts, recommendation_id, settings={"seed": 99})
    finally:
        model.answer = type(model)().answer
    assert view.report is not None
    assert any(problem.startswith(doc_id) for problem in view.report.problems)
    change = next(each for each in view.report.changed if each.doc_id == doc_id)
    assert change.after == ()


async def test_what_if_when_it_is_asked_wrongly_then_the_error_names_the_field(
    parts: Parts, model: ModelServerDouble
) -> None:
    recommendation_id, _ = await _decided(parts, model)
    with pytest.raises(InvalidInput, match="WHAT_IF_AMBIGUOUS"):
        await _ask(parts, recommendation_id, variant_id="v-1", settings={"engine": "rules"})
    with pytest.raises(InvalidInput, match=r"AGENT_SETTING_INVALID: field=seeds"):
        await _ask(parts, recommendation_id, settings={"seeds": 1})
    with pytest.raises(NotFound, match="RECOMMENDATION_NOT_FOUND"):
        await _ask(parts, "nothing", settings={"engine": "rules"})
