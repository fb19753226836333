"""Documents on the economy and on competitors move a company's score, and the explanation says which."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
from sqlalchemy import text

from api.operations.explanation import Explanation, explain
from api.operations.links import TemporalLinks
from domain.decisions import DecisionRecord, Layer
from domain.recommendation import replay
from domain.registry import LinkStatus, NewCompetitor
from domain.research import AssessAllRequest, AssessRequest
from store import competitors, config, exposures, recommendations, registry
from tests.asking.platform import NOW, later, process, register
from workers.parts import Parts
from workflows import names
from workflows.research_universe import ResearchUniverse

pytestmark = pytest.mark.stack

EXPOSED, RIVAL, NEWSMAKER = "CAT", "MCD", "SBUX"
CUT = "Fed cuts interest rates by half a point as the economy slows"


@pytest.fixture
async def linked(parts: Parts) -> AsyncIterator[Parts]:
    """CAT dislikes rates, MCD competes with SBUX, and both are told of by one document each."""
    async with parts.database.transaction() as session:
        company = await registry.require(session, EXPOSED, for_change=True)
        await exposures.replace(session, company, exposures={"rates": -0.8}, provenance="test", actor="test", now=NOW)
        wanted = NewCompetitor(competitor=NEWSMAKER, strength=0.9, status=LinkStatus.CONFIRMED)
        link = await competitors.add_link(session, symbol=RIVAL, wanted=wanted, actor="test", now=NOW)
    yield parts
    async with parts.database.transaction() as session:
        row = await competitors.require_link(session, link.link_id, for_change=True)
        await competitors.remove_link(session, row, actor="test", now=NOW)
        await session.exec(text("DELETE FROM exposure_profiles WHERE symbol = :symbol").bindparams(symbol=EXPOSED))


async def _explained(parts: Parts, symbol: str, as_of: datetime) -> Explanation:
    notice = await parts.flows.assess_symbol(AssessRequest(symbol=symbol, as_of=as_of))
    return await explain(
        parts.database, parts.objects, TemporalLinks("http://ui.test", "stonks"), notice.recommendation_id
    )


async def test_macro_layer_when_the_fed_cuts_then_a_company_that_dislikes_rates_gains(linked: Parts) -> None:
    told = await register(linked, f"{CUT} {uuid.uuid4().hex[:6]}", "The Federal Reserve cut interest rates.", ())
    await process(linked, told)
    found = await _explained(linked, EXPOSED, later())
    macro = next(layer for layer in found.layers if layer.layer is Layer.MACRO)
    shares = [share for share in macro.evidence if share.doc_id == told.doc_id]
    assert macro.score > 0
    assert shares
    assert {share.via for share in shares} == {"rates"}
    assert all(share.transfer == -0.8 and share.sentiment < 0 < share.nano for share in shares)
    assert all("ates" in share.quote and share.title.startswith(CUT) for share in shares)
    assert sum(layer.nano for layer in found.layers) + found.market.nano == found.score.nano
    assert found.reproduced
    assert found.temporal_url.endswith(f"symbol%2F{EXPOSED}")


async def test_competitive_layer_when_a_rival_is_told_of_then_its_news_arrives_with_a_lag(linked: Parts) -> None:
    title = f"Starbucks faces a criminal probe and a product recall {uuid.uuid4().hex[:6]}"
    told = await register(linked, title, "Starbucks recalled its drinks and profit fell.", (NEWSMAKER,))
    await process(linked, told)
    at_once = await _explained(linked, RIVAL, later())
    record = await _record(linked, at_once.recommendation_id)
    terms = [term for term in record.terms if term.layer is Layer.COMPETITIVE and term.doc_id == told.doc_id]
    assert {term.via for term in terms} == {NEWSMAKER}
    assert all(term.weight < 0.01 for term in terms)  # little has arrived after minutes
    after = await _explained(linked, RIVAL, datetime.fromisoformat("2014-07-17T21:00:00+00:00"))
    competitive = next(layer for layer in after.layers if layer.layer is Layer.COMPETITIVE)
    assert any(share.doc_id == told.doc_id and share.weight > 0.05 for share in competitive.evidence)
    assert competitive.score != 0.0
    assert after.reproduced


async def test_universe_when_assessed_in_one_pass_then_every_record_equals_the_symbol_s_own(linked: Parts) -> None:
    for title, symbols in (
        (CUT, ()),
        ("Starbucks profit rose 12 percent", (NEWSMAKER,)),
        ("Intel raises outlook", ("INTC",)),
    ):
        await process(linked, await register(linked, f"{title} {uuid.uuid4().hex[:6]}", title, symbols))
    as_of = later()
    report = await linked.flows.assess_universe(AssessAllRequest(as_of=as_of))
    assert report.assessed >= 4
    for symbol in (EXPOSED, RIVAL, NEWSMAKER, "INTC"):
        (row,) = await _at(linked, symbol, as_of)
        alone = await linked.flows.assess_symbol(AssessRequest(symbol=symbol, as_of=as_of))
        assert alone.recommendation_id == row  # the id is a hash of the whole record, so they are equal byte for byte
        record = await _record(linked, row)
        assert replay(record).recommendation_id == row
    async with linked.database.transaction() as session:
        kept = await recommendations.require_record(session, row)
    assert kept.decided_by == names.RESEARCH_UNIVERSE


async def test_universe_when_a_layer_is_off_then_nothing_of_it_is_read(linked: Parts) -> None:
    await process(linked, await register(linked, f"{CUT} {uuid.uuid4().hex[:6]}", CUT, ()))
    async with linked.database.transaction() as session:
        before = await config.current(session)
        off = before.model_copy(update={"signals": before.signals.model_copy(update={"macro_enabled": False})})
        await config.put(session, off, created_at=later(), created_by="test", reason="off")
    try:
        found = await _explained(linked, EXPOSED, later())
    finally:
        async with linked.database.transaction() as session:
            await config.put(session, before, created_at=later(), created_by="test", reason="on")
    macro = next(layer for layer in found.layers if layer.layer is Layer.MACRO)
    assert (macro.score, macro.nano, macro.evidence) == (0.0, 0, [])


async def test_news_when_it_arrives_then_companies_that_name_its_subject_and_the_universe_are_told(
    linked: Parts,
) -> None:
    title = f"{CUT}, Starbucks profit rises {uuid.uuid4().hex[:6]}"
    told = await register(linked, title, "Starbucks profit rose. The Federal Reserve cut interest rates.", (NEWSMAKER,))
    await process(linked, told)
    for workflow_id in (names.symbol_id(RIVAL), names.symbol_id(NEWSMAKER), names.RESEARCH_UNIVERSE):
        assert await _was_told(linked, workflow_id, told.doc_id), workflow_id
    handle = linked.client.get_workflow_handle_for(ResearchUniverse.run, names.RESEARCH_UNIVERSE)
    await handle.execute_update(ResearchUniverse.assess, AssessAllRequest(as_of=later()))
    assert told.doc_id not in await handle.query(ResearchUniverse.pending)


async def _was_told(parts: Parts, workflow_id: str, doc_id: str) -> bool:
    """Whether a signal named the document; it may have been looked at since."""
    async for event in parts.client.get_workflow_handle(workflow_id).fetch_history_events():
        given = event.workflow_execution_signaled_event_attributes.input.payloads
        if any(doc_id.encode() in payload.data for payload in given):
            return True
    return False


async def _at(parts: Parts, symbol: str, as_of: datetime) -> list[str]:
    async with parts.database.transaction() as session:
        found = await recommendations.list_recent(session, limit=50, symbol=symbol)
    return [row.recommendation_id for row in found if row.as_of == as_of]


async def _record(parts: Parts, recommendation_id: str) -> DecisionRecord:
    async with parts.database.transaction() as session:
        kept = await recommendations.require_record(session, recommendation_id)
    return DecisionRecord.model_validate_json(await parts.objects.get(kept.record_key))
