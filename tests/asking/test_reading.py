"""Documents read by a model through the real workflows: good answers, bad answers, no answers, challengers."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlmodel import select
from temporalio.client import WorkflowFailureError

from api.operations import documents
from api.operations.documents import Reprocessing
from api.operations.links import TemporalLinks
from domain.agents import AgentKind
from domain.errors import Conflict, NotFound
from domain.extraction import ExtractorKind
from store.documents import evidence_for
from store.tables.platform import AuditEntry
from tests.asking.platform import NOW, add_variant, process, register, rows, shadows_done
from tests.model_server.calls import Fault, Turn
from tests.model_server.server import ModelServerDouble
from workers.parts import Parts
from workflows import names

pytestmark = pytest.mark.stack

EXTRACTOR = AgentKind.DOCUMENT_EXTRACTOR.value
LINKS = TemporalLinks("", "stonks")
BROKEN = '{"events": 7}'


async def test_document_when_a_model_reads_it_then_its_answer_is_the_evidence(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    (outcome,) = await process(parts, request)
    (extraction,), (evidence,), (call,) = (
        await rows(parts, "extractions", request.doc_id),
        await rows(parts, "evidence", request.doc_id),
        await rows(parts, "agent_performance_log", request.doc_id),
    )
    assert (outcome.status, outcome.symbols) == ("processed", ("AAPL",))
    assert (extraction["extractor"], extraction["agent"], extraction["shadow"]) == ("model", EXTRACTOR, False)
    assert extraction["extractor_version"] == call["extractor_version"]
    assert evidence["quote"] == "Apple profit rose 12 percent, beating expectations"
    assert (call["valid"], call["quotes_total"], call["quotes_valid"]) == (True, 1, 1)
    assert call["tokens_in"] > 0
    assert model.counts.completed == 1


async def test_document_when_the_answer_stays_unusable_then_it_is_for_a_person_and_no_evidence(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    model.script(BROKEN, BROKEN)
    (outcome,) = await process(parts, request)
    (document,) = await rows(parts, "documents", request.doc_id)
    assert outcome.status == document["status"] == "needs_review"
    assert document["error"].startswith("MODEL_OUTPUT_INVALID")
    assert await rows(parts, "evidence", request.doc_id) == []
    kinds = {row["kind"]: row["valid"] for row in await rows(parts, "agent_performance_log", request.doc_id)}
    assert kinds == {"first": False, "repair": False}


async def test_document_when_every_quote_is_invented_then_it_is_for_a_person(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    event = {
        "type": "earnings",
        "entities": [{"symbol": "AAPL", "surface": "Apple", "role": "subject", "sentiment": 1.0}],
        "materiality": "high",
        "horizon": "days",
        "confidence": 1.0,
        "quotes": ["Apple will triple by Friday"],
    }
    model.script(json.dumps({"events": [event]}))
    (outcome,) = await process(parts, request)
    assert (outcome.status, outcome.dropped > 0) == ("needs_review", True)
    assert await rows(parts, "evidence", request.doc_id) == []


async def test_document_when_the_answer_is_cut_twice_then_the_rules_read_it_and_say_so(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    model.script(Turn(fault=Fault.CUT), Turn(fault=Fault.CUT))
    (outcome,) = await process(parts, request)
    (extraction,) = await rows(parts, "extractions", request.doc_id)
    log = {row["kind"]: row for row in await rows(parts, "agent_performance_log", request.doc_id)}
    assert (outcome.status, extraction["extractor"]) == ("processed", "rules")
    assert len(await rows(parts, "agent_performance_log", request.doc_id)) == 3
    assert log["more-room"]["problem"] == "MODEL_OUTPUT_CUT"


async def test_document_when_the_server_stays_away_then_the_rules_read_it_meanwhile(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    model.script(*(Turn(fault=Fault.ERROR),) * 3)
    (outcome,) = await process(parts, request)
    (extraction,) = await rows(parts, "extractions", request.doc_id)
    log = await rows(parts, "agent_performance_log", request.doc_id)
    assert (outcome.status, extraction["extractor"]) == ("processed", "rules")
    assert sorted(row["attempt"] for row in log) == [1, 2, 3, 3]


async def test_document_when_the_rules_see_the_opposite_then_the_model_is_believed_half(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts, title="Apple shares plunge 30 percent after fraud charges", body="Apple fell.")
    event = {
        "type": "accounting_fraud",
        "entities": [{"symbol": "AAPL", "surface": "Apple", "role": "subject", "sentiment": 0.9}],
        "materiality": "high",
        "horizon": "weeks",
        "confidence": 0.8,
        "quotes": ["Apple shares plunge 30 percent after fraud charges"],
    }
    model.script(json.dumps({"events": [event]}))
    await process(parts, request)
    (evidence,) = await rows(parts, "evidence", request.doc_id)
    (extraction,) = await rows(parts, "extractions", request.doc_id)
    assert evidence["confidence"] == pytest.approx(0.4)
    assert any(note.startswith("SIGN_CONFLICT") for note in extraction["dropped"])


async def test_document_when_a_challenger_reads_in_shadow_then_nothing_is_decided_from_it(
    parts: Parts, model: ModelServerDouble
) -> None:
    variant = await add_variant(parts, EXTRACTOR, {"seed": 99}, shadow=True)
    request = await register(parts)
    await process(parts, request)
    await shadows_done(parts, request)
    found = {row["variant_id"]: row for row in await rows(parts, "extractions", request.doc_id)}
    evidence = await rows(parts, "evidence", request.doc_id)
    assert {key: row["shadow"] for key, row in found.items()} == {"": False, variant: True}
    assert {row["extraction_id"] for row in evidence} == {found[""]["extraction_id"]}
    assert next(call.user for call in model.calls) == [call.user for call in model.calls][1]
    log = {row["variant_id"]: row["shadow"] for row in await rows(parts, "agent_performance_log", request.doc_id)}
    assert log == {"": False, variant: True}


async def test_document_when_the_challenger_gives_up_then_the_document_does_not(
    parts: Parts, model: ModelServerDouble
) -> None:
    challenger = await add_variant(parts, EXTRACTOR, {"model": "nobody:1b"}, shadow=True)
    request = await register(parts)
    (outcome,) = await process(parts, request)
    await shadows_done(parts, request)
    log = {row["variant_id"]: row for row in await rows(parts, "agent_performance_log", request.doc_id)}
    assert outcome.status == "processed"
    assert len(await rows(parts, "extractions", request.doc_id)) == 1
    assert log[challenger]["problem"].startswith("MODEL_MISSING")
    assert log[challenger]["shadow"]


async def test_documents_when_a_variant_has_a_share_then_each_is_read_by_the_one_it_is_assigned_to(
    parts: Parts,
) -> None:
    variant = await add_variant(parts, EXTRACTOR, {"engine": "rules"}, share=0.5)
    requests = [await register(parts) for _ in range(12)]
    await process(parts, *requests)
    for request in requests:
        (extraction,) = await rows(parts, "extractions", request.doc_id)
        assert extraction["extractor"] == ("rules" if extraction["variant_id"] == variant else "model")
        assert extraction["experiment"]
    read = {(await rows(parts, "extractions", request.doc_id))[0]["variant_id"] for request in requests}
    assert read == {"", variant}


async def test_document_when_it_speaks_of_the_economy_then_it_is_classified_too(parts: Parts) -> None:
    request = await register(
        parts,
        title="Fed raises interest rates by a quarter point",
        body="The Federal Reserve raised interest rates and said inflation remains elevated.",
        symbols=(),
    )
    await process(parts, request)
    (event, *_) = await rows(parts, "macro_events", request.doc_id)
    found = {row["agent"]: row for row in await rows(parts, "extractions", request.doc_id)}
    assert set(found) == {EXTRACTOR, AgentKind.EVENT_CLASSIFIER.value}
    assert (event["factor"], event["direction"] > 0) == ("rates", True)
    assert event["quotes"]


async def test_document_when_a_person_names_another_reader_then_it_is_read_again_and_that_stands_in_the_audit_log(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts)
    model.script(BROKEN, BROKEN)
    await process(parts, request)
    wanted = Reprocessing(read_by="rules", reason="the model is confused")
    await documents.reprocess(parts.database, parts.client, LINKS, request.doc_id, wanted, actor="test")
    await process(parts, request)
    (document,) = await rows(parts, "documents", request.doc_id)
    (evidence,) = await rows(parts, "evidence", request.doc_id)
    found = {row["extraction_id"]: row["extractor"] for row in await rows(parts, "extractions", request.doc_id)}
    assert (document["status"], document["error"]) == ("processed", "")
    assert found[evidence["extraction_id"]] == "rules"
    async with parts.database.transaction() as session:
        (entry,) = (await session.exec(select(AuditEntry).where(AuditEntry.subject == request.doc_id))).all()
    assert (entry.action, entry.body["read_by"]) == ("document_reprocessed", "rules")


async def test_document_when_it_was_read_then_it_is_not_read_again(parts: Parts) -> None:
    request = await register(parts)
    await process(parts, request)
    wanted = Reprocessing(reason="why not")
    with pytest.raises(Conflict, match="DOCUMENT_NOT_OPEN"):
        await documents.reprocess(parts.database, parts.client, LINKS, request.doc_id, wanted, actor="test")
    with pytest.raises(NotFound, match="DOCUMENT_NOT_FOUND"):
        await documents.reprocess(parts.database, parts.client, LINKS, "0" * 24, wanted, actor="test")


async def test_document_when_its_workflow_is_cancelled_then_the_server_is_told_to_stop(
    parts: Parts, model: ModelServerDouble
) -> None:
    model.switches.latency = 120.0
    request = await register(parts)
    await parts.flows.start_document(request)
    async with asyncio.timeout(60):
        while not model.counts.running:
            await asyncio.sleep(0.05)
        handle = parts.client.get_workflow_handle(names.document_id(request.doc_id))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    await model.quiet(10)
    assert model.counts.cancelled == 1
    assert await rows(parts, "evidence", request.doc_id) == []


async def test_document_when_it_is_read_again_then_only_the_newest_reading_counts(
    parts: Parts, model: ModelServerDouble
) -> None:
    """The classifier's answer is unusable, so somebody looks, although what it says of the company is saved."""
    request = await register(
        parts, title="Apple profit rises as Fed cuts interest rates", body="Apple said profit rose 12 percent."
    )
    answer = model.answer
    model.answer = lambda call: BROKEN if "topic" in str(call.schema) else answer(call)
    try:
        (outcome,) = await process(parts, request)
    finally:
        model.answer = answer
    assert (outcome.status, outcome.symbols) == ("needs_review", ("AAPL",))
    wanted = Reprocessing(read_by="rules", reason="the classifier is confused")
    await documents.reprocess(parts.database, parts.client, LINKS, request.doc_id, wanted, actor="test")
    (again,) = await process(parts, request)
    async with parts.database.transaction() as session:
        counted = await evidence_for(session, symbols=["AAPL"], as_of=NOW, days=1)
    mine = [item for item in counted["AAPL"] if item.doc_id == request.doc_id]
    assert again.status == "processed"
    assert len(await rows(parts, "evidence", request.doc_id)) > len(mine) == 1
    assert mine[0].extractor is ExtractorKind.RULES


async def test_document_when_the_classifier_cannot_be_reached_then_what_it_says_of_companies_is_saved(
    parts: Parts, model: ModelServerDouble
) -> None:
    request = await register(parts, title="Apple profit rises as Fed cuts interest rates", body="Apple profit rose.")
    answer = model.answer
    model.answer = lambda call: Turn(fault=Fault.ERROR) if "topic" in str(call.schema) else answer(call)
    try:
        (outcome,) = await process(parts, request)
    finally:
        model.answer = answer
    found = {row["agent"]: row["extractor"] for row in await rows(parts, "extractions", request.doc_id)}
    assert outcome.symbols == ("AAPL",)
    assert found == {EXTRACTOR: "model", AgentKind.EVENT_CLASSIFIER.value: "rules"}
