"""Co-movement measured by workflows and read as of an instant, by live research and by backtests alike."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pytest
from sqlmodel import col, select

from activities.layers import other_layers, universe
from domain.comovement import CoMovement
from domain.comovement_measurement import ComovementReport, ComovementRequest, MeasuredPair
from domain.config import SignalConfig
from domain.decisions import Layer
from domain.documents import DocumentStatus
from domain.errors import InvalidInput
from domain.layer_terms import OtherLayers
from domain.market import Session
from domain.registry import LinkChange, LinkStatus, NewCompetitor
from store import backtests, competitor_history, competitors, documents, exposures, facts, registry
from store.tables.ingestion import EventRow, EvidenceRow, ExtractionRow
from store.tables.registry import CompetitorComovement
from tests.api.harness import Caller, Platform, assert_problem
from tests.api.test_competitors import company, linked, searched
from tests.api.test_lists import walk
from tests.layers.prices import bars_of, weekdays
from workers.schedules import ensure_measurement
from workflows import names
from workflows.measure_comovement import MeasureComovement
from workflows.names import Queue

pytestmark = pytest.mark.stack

DAYS = weekdays(260, date(2004, 1, 5))
EVENTS = tuple(range(150, 250, 5))
END = datetime.combine(DAYS[-1], time(23), UTC)
CONFIG = SignalConfig()
_numbers = itertools.count(1)


def morning(at: int) -> datetime:
    return datetime.combine(DAYS[at], time(12), UTC)


def noise(seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(0.0, 0.01, len(DAYS))


async def told(platform: Platform, symbols: Sequence[str], at: datetime, **changes: Any) -> str:
    """A document on companies with what was read in it."""
    name = f"{'-'.join(symbols)}-{next(_numbers)}"
    document = await platform.document(f"{name} raises its outlook", at=at, symbols=tuple(symbols))
    extraction = ExtractionRow(
        extraction_id=f"ex-{name}",
        doc_id=document.doc_id,
        extractor="rules",
        extractor_version="rules-7",
        status="processed",
        recorded_at=at,
    )
    event = EventRow(
        event_id=f"e-{name}",
        extraction_id=extraction.extraction_id,
        doc_id=document.doc_id,
        available_at=at,
        type="guidance",
        materiality="high",
        horizon="days",
        confidence=0.9,
    )
    evidence = [
        EvidenceRow(
            **{
                "evidence_id": f"ev-{name}-{symbol}",
                "event_id": event.event_id,
                "extraction_id": extraction.extraction_id,
                "doc_id": document.doc_id,
                "symbol": symbol,
                "available_at": at,
                "event_type": "guidance",
                "role": "subject",
                "materiality": "high",
                "sentiment": 0.8,
                "confidence": 0.9,
                **changes,
            }
        )
        for symbol in symbols
    ]
    await documents.save_extraction(
        platform.parts.database,
        extraction=extraction,
        events=[event],
        evidence=evidence,
        status=DocumentStatus.PROCESSED,
    )
    return document.doc_id


class Mills:
    """Two mills that move alike when something is told of one of them, and an index."""

    def __init__(self, number: int) -> None:
        self.own, self.rival = f"ZMO{number}", f"ZMR{number}"


@pytest.fixture
async def mills(platform: Platform, api: Caller) -> Mills:
    found = Mills(next(_numbers))
    for symbol in (found.own, found.rival):
        await company(api, symbol, f"{symbol} Mills", industry=f"Mills {found.own}")
    index, shocks = noise(1), np.zeros(len(DAYS))
    shocks[list(EVENTS)] = np.random.default_rng(7).choice((-0.03, 0.03), len(EVENTS))
    series = {
        "SPY": index,
        found.own: index + 0.5 * shocks + 0.3 * noise(2),
        found.rival: index + shocks + 0.3 * noise(3),
    }
    async with platform.parts.database.transaction() as session:
        for symbol, returns in series.items():
            await facts.save_bars(session, [known.bar for known in bars_of(symbol, returns, DAYS)])
    for at in EVENTS:
        await told(platform, [found.rival], morning(at))
    return found


async def measured(platform: Platform, **request: Any) -> ComovementReport:
    number = next(_numbers)
    return await platform.parts.client.execute_workflow(
        MeasureComovement.run,
        ComovementRequest(**request),
        id=f"{names.MEASURE_COMOVEMENT}-test-{number}",
        task_queue=Queue.OPS,
    )


async def rows_of(platform: Platform, symbol: str) -> list[CompetitorComovement]:
    async with platform.parts.database.transaction() as session:
        rows = await session.exec(
            select(CompetitorComovement)
            .where(CompetitorComovement.symbol == symbol)
            .order_by(col(CompetitorComovement.as_of))
        )
        return list(rows)


# -- measuring --------------------------------------------------------------------------------------------------------


async def test_measurement_when_links_have_events_then_each_is_written_once_and_shown(
    platform: Platform, api: Caller, mills: Mills
) -> None:
    link = await linked(api, mills.own, mills.rival)
    assert link["comovement"] is None
    async with platform.working(Queue.OPS):
        report = await measured(platform, symbol=mills.own, as_of=END)
        assert (report.links, report.measured, report.unknown) == (1, 1, ())
        (row,) = await rows_of(platform, mills.own)
        assert row.rho > 0.9
        assert (row.events, row.told, row.benchmark, row.as_of) == (len(EVENTS), len(EVENTS), "SPY", END)
        assert (row.first_event, row.last_event) == (DAYS[EVENTS[0]], DAYS[EVENTS[-1]])
        assert row.known_at > datetime.now(UTC) - timedelta(minutes=1)
        await measured(platform, symbol=mills.own, as_of=END)
        assert await rows_of(platform, mills.own) == [row]
        await measured(platform, symbol=mills.own, as_of=morning(220))
        earlier, _ = await rows_of(platform, mills.own)
        assert earlier.events == sum(at < 220 for at in EVENTS)
    (shown,) = (await api.get(f"/v1/companies/{mills.own}/competitors"))["data"]
    assert (shown["comovement"]["rho"], shown["comovement"]["events"]) == (row.rho, row.events)
    changed = await api("PATCH", f"/v1/competitor-relationships/{link['link_id']}", json={"strength": 0.7})
    assert changed.json()["comovement"] == shown["comovement"]


async def test_measurement_when_documents_say_little_or_are_on_both_then_they_are_no_events(
    platform: Platform, api: Caller, mills: Mills
) -> None:
    await linked(api, mills.own, mills.rival)
    for at, symbols, change in (
        (151, [mills.rival], {"materiality": "low"}),
        (152, [mills.rival], {"role": "mention"}),
        (153, [mills.own, mills.rival], {}),
    ):
        await told(platform, symbols, morning(at), **change)
    async with platform.working(Queue.OPS):
        await measured(platform, symbol=mills.own, as_of=END)
        (row,) = await rows_of(platform, mills.own)
        assert row.told == len(EVENTS)
        await told(platform, [mills.rival], morning(154), materiality="medium")
        later = END + timedelta(hours=1)
        await measured(platform, symbol=mills.own, as_of=later)
    assert (await rows_of(platform, mills.own))[-1].told == len(EVENTS) + 1


async def test_measurement_when_a_link_has_none_then_it_says_why_and_writes_nothing(
    platform: Platform, api: Caller, mills: Mills
) -> None:
    quiet = await company(api, f"ZMQ{next(_numbers)}", "Quiet Mills")
    await linked(api, mills.own, quiet, status="proposed")
    await linked(api, mills.own, mills.rival, status="rejected")
    async with platform.working(Queue.OPS):
        report = await measured(platform, symbol=mills.own, as_of=END)
        assert (report.links, report.measured) == (1, 0)
        assert report.unknown == (f"{mills.own} at {quiet}: no document on it alone, or no bars of the benchmark",)
        assert await rows_of(platform, mills.own) == []
        everybody = await measured(platform)
    assert everybody.links >= 1
    assert everybody.as_of > datetime.now(UTC) - timedelta(minutes=1)


async def test_search_when_it_has_proposed_then_what_it_proposed_is_measured(
    platform: Platform, api: Caller, mills: Mills
) -> None:
    found = await searched(platform, api, mills.own, END)
    assert [each["competitor"] for each in found["proposals"]] == [mills.rival]
    async with platform.working(Queue.OPS):
        workflow = platform.parts.client.get_workflow_handle(names.infer_competitors_id(found["inference_id"]))
        await workflow.result()
    (row,) = await rows_of(platform, mills.own)
    assert (row.competitor, row.as_of, row.events) == (mills.rival, END, len(EVENTS))


async def test_schedule_when_ensured_twice_then_there_is_one_for_saturdays(platform: Platform) -> None:
    client = platform.parts.client
    for _ in range(2):
        await ensure_measurement(client)
    handle = client.get_schedule_handle(names.MEASURE_COMOVEMENT)
    try:
        next_times = (await handle.describe()).info.next_action_times
        assert {each.weekday() for each in next_times} == {5}
    finally:
        await handle.delete()


async def test_measurement_when_the_activity_is_given_no_instant_then_it_is_refused(platform: Platform) -> None:
    with pytest.raises(InvalidInput, match="AS_OF_MISSING"):
        await platform.parts.comovement_activities().measure_comovement(ComovementRequest())


# -- the history over HTTP --------------------------------------------------------------------------------------------


async def test_history_when_links_change_then_it_tells_from_when_each_held(api: Caller) -> None:
    own = await company(api, "ZHY", "Zhy Co")
    others = [await company(api, f"ZHY{number}", f"Zhy {number}") for number in range(3)]
    made = [await linked(api, own, other, strength=0.5) for other in others]
    where = "/v1/competitor-relationships/"
    await api("PATCH", f"{where}{made[1]['link_id']}", json={"status": "rejected"})
    await api("PATCH", f"{where}{made[2]['link_id']}", json={"strength": 0.75})
    await api("DELETE", f"{where}{made[0]['link_id']}")
    path = f"/v1/companies/{own}/competitors/history"
    expected = [
        (others[0], 2, None),
        (others[2], 2, 0.75),
        (others[1], 2, None),
        (others[2], 1, 0.5),
        (others[1], 1, 0.5),
        (others[0], 1, 0.5),
    ]
    for limit in (1, 4, 50):
        rows = await walk(api, path, limit)
        assert [(row["competitor"], row["number"], row["strength"]) for row in rows] == expected
        assert {row["actor"] for row in rows} == {"api:bootstrap/bootstrap"}
    assert_problem(await api("GET", "/v1/companies/NOBODY/competitors/history"), 404, "COMPANY_NOT_FOUND")
    assert_problem(await api("GET", path, params={"cursor": "x"}), 422, "CURSOR_INVALID")
    elsewhere = (await api.get("/v1/companies", limit=1))["next_cursor"]
    assert_problem(await api("GET", path, params={"cursor": elsewhere}), 422, "CURSOR_INVALID")


# -- live and backtest ------------------------------------------------------------------------------------------------


async def test_layers_when_links_exposures_and_measurements_change_then_live_and_backtest_are_the_same_bits(
    platform: Platform, api: Caller, mills: Mills
) -> None:
    own, rival, database = mills.own, mills.rival, platform.parts.database
    async with database.transaction() as session:
        wanted = NewCompetitor(competitor=rival, strength=0.9, status=LinkStatus.CONFIRMED)
        link = await competitors.add_link(session, symbol=own, wanted=wanted, actor="test", now=morning(160))
    await _changed(platform, link.link_id, morning(220), strength=0.4)
    await _changed(platform, link.link_id, morning(235), status=LinkStatus.REJECTED)
    for at, rho in ((190, 0.8), (210, -0.9)):
        pair = MeasuredPair(
            symbol=own,
            competitor=rival,
            as_of=morning(at),
            comovement=CoMovement(rho=rho, n=20),
            told=20,
            benchmark="SPY",
        )
        async with database.transaction() as session:
            await competitor_history.save_comovements(session, [pair], now=morning(at))
    async with database.transaction() as session:
        company_row = await registry.require(session, own, for_change=True)
        await exposures.replace(
            session, company_row, exposures={"oil": 0.5}, provenance="", actor="test", now=morning(170)
        )
    sessions = [
        Session(
            date=day,
            opens_at=datetime.combine(day, time(14, 30), UTC),
            closes_at=datetime.combine(day, time(21), UTC),
        )
        for day in DAYS[155:245]
    ]
    async with database.transaction() as session:
        data = await backtests.load(session, sessions=sessions, session_dates=DAYS, lookback_days=CONFIG.lookback_days)
    seen: dict[int, OtherLayers] = {}
    for at in range(156, 245, 3):
        as_of = datetime.combine(DAYS[at], time(14, 25), UTC)
        async with database.transaction() as session:
            evidence = await documents.evidence_for(
                session, symbols=[own, rival], as_of=as_of, days=CONFIG.lookback_days
            )
            live = await other_layers(session, evidence, as_of=as_of, session_dates=DAYS, config=CONFIG)
            everybody = await universe(session, as_of=as_of, config=CONFIG)
        assert evidence == {symbol: data.evidence_at(symbol, as_of, CONFIG) for symbol in (own, rival)}
        assert data.others_at(evidence, as_of, CONFIG) == live
        assert [each for each in everybody if each in (own, rival)] == [
            each for each in data.universe(as_of, CONFIG, ()) if each in (own, rival)
        ]
        seen[at] = live[own]
    transfers = {
        at: {term.transfer for term in layers.terms if term.layer is Layer.COMPETITIVE} for at, layers in seen.items()
    }
    assert transfers[156] == transfers[159] == transfers[237] == set()
    unmeasured, together, apart = transfers[186], transfers[207], transfers[213]
    assert [len(each) for each in (unmeasured, together, apart)] == [1, 1, 1]
    assert max(apart) < max(unmeasured) < max(together)
    assert abs(seen[222].competitive) < abs(seen[219].competitive)  # the weight fell from .9 to .4
    assert transfers[222] == apart


async def _changed(platform: Platform, link_id: str, at: datetime, **change: Any) -> None:
    async with platform.parts.database.transaction() as session:
        row = await competitors.require_link(session, link_id, for_change=True)
        await competitors.change_link(session, row, wanted=LinkChange(**change), actor="test", now=at)
