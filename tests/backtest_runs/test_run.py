"""A backtest as a workflow: begun once, followed, canceled, failed, forgotten; its trials are counted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus
from temporalio.testing import ActivityEnvironment

from activities.adapters.files.bars import read_bars
from activities.backtests import read_period
from api.operations import backtests
from api.operations.links import TemporalLinks
from cli.demo_data import bars_path
from cli.stack.supervisor import Stack
from domain.backtest import BacktestRequest, ReadBy
from domain.backtest_run import start_of
from domain.config import TradingConfig
from domain.documents import Reject
from domain.errors import Conflict, InvalidInput, NotFound, VendorRejected
from domain.market import Bar
from store import registry
from store.database import insert_new
from store.tables.market import BarRow
from tests.asking.platform import working
from workers.parts import CODE_VERSION, Parts
from workflows import names
from workflows.names import Queue

pytestmark = pytest.mark.stack

FIRST, LAST = date(2014, 7, 14), date(2014, 7, 18)
LINKS = TemporalLinks("", "stonks")


@pytest.fixture
async def parts(servers: Stack) -> AsyncIterator[Parts]:
    async with working(servers.environment(), Queue.OPS) as parts:
        await put_bars(parts)
        yield parts


async def put_bars(parts: Parts) -> None:
    """The packaged bars, where other tests have not put them."""
    closes = {each.date: each.closes_at for each in parts.calendar.sessions(date(2014, 1, 1), LAST)}
    rows = [
        BarRow(**bar.model_dump(), available_at=closes[bar.session])
        for bar in read_bars(bars_path())
        if not isinstance(bar, Reject) and bar.session in closes
    ]
    async with parts.database.transaction() as session:
        await registry.seed(session)
        await registry.add_unnamed(session, sorted({row.symbol for row in rows}), origin="test")
        for start in range(0, len(rows), 1_000):
            await insert_new(session, rows[start : start + 1_000])


def _wanted(**changes: Any) -> backtests.NewBacktest:
    """A request like no other's, so that tests do not meet each other's backtests."""
    cash = Decimal(uuid.uuid4().int % 10**9 + 10**5)
    return backtests.NewBacktest(**{"first": FIRST, "last": LAST, "opening_cash": cash, **changes})


async def _begin(parts: Parts, wanted: backtests.NewBacktest) -> backtests.BacktestView:
    return await backtests.begin(parts.database, parts.client, LINKS, wanted, code_version=CODE_VERSION, actor="test")


async def test_backtest_when_asked_for_twice_then_it_is_run_once(parts: Parts) -> None:
    wanted = _wanted()
    one, other = await asyncio.gather(_begin(parts, wanted), _begin(parts, wanted))
    result = await backtests.wait(parts.client, one.backtest_id)
    again = await _begin(parts, wanted)
    assert other.backtest_id == one.backtest_id == again.backtest_id
    assert again.status == "finished"
    assert again.result == result
    assert result.sessions == 5
    handle = parts.client.get_workflow_handle(names.backtest_id(one.backtest_id))
    runs = [run async for run in parts.client.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert [run.status for run in runs] == [WorkflowExecutionStatus.COMPLETED]


async def test_backtest_when_finished_then_its_report_and_page_are_kept_and_agree(parts: Parts) -> None:
    begun = await _begin(parts, _wanted(opening_cash=Decimal(50_000)))
    result = await backtests.wait(parts.client, begun.backtest_id)
    report = await backtests.report(parts.database, parts.objects, begun.backtest_id)
    page = (await backtests.page(parts.database, parts.objects, begun.backtest_id)).decode()
    assert report.strategy.equity[0] == 50_000
    assert str(report.strategy.equity[-1]) == result.equity
    assert [str(day) for day in report.sessions] == [f"2014-07-{day}" for day in (14, 15, 16, 17, 18)]
    assert {track.name for track in report.benchmarks} >= {"SPY"}
    assert "<html" in page
    assert begun.backtest_id in page


async def test_backtest_when_others_tried_the_same_period_then_they_are_counted(parts: Parts) -> None:
    first = await backtests.wait(parts.client, (await _begin(parts, _wanted())).backtest_id)
    wanted = _wanted(changes={"signals": {"kappa": 2.0}})
    second = await backtests.wait(parts.client, (await _begin(parts, wanted)).backtest_id)
    assert second.trials == first.trials + 1
    assert await backtests.cancel_or_remove(
        parts.database, parts.client, (await _begin(parts, wanted)).backtest_id
    ) == ("removed")
    third = await backtests.wait(parts.client, (await _begin(parts, _wanted())).backtest_id)
    assert third.trials == second.trials + 1  # what was removed was tried


async def test_backtest_when_canceled_before_anybody_plays_then_it_ends_as_canceled(servers: Stack) -> None:
    async with working(servers.environment(), Queue.INGEST) as parts:
        begun = await _begin(parts, _wanted())
        assert (begun.status, begun.progress) == ("running", None)
        assert await backtests.cancel_or_remove(parts.database, parts.client, begun.backtest_id) == "canceling"
        with pytest.raises(Conflict, match="BACKTEST_NOT_FINISHED"):
            await backtests.report(parts.database, parts.objects, begun.backtest_id)
    async with working(servers.environment(), Queue.OPS) as parts:
        with pytest.raises(VendorRejected, match="BACKTEST_ENDED"):
            await backtests.wait(parts.client, begun.backtest_id)
        ended = await backtests.get(parts.database, parts.client, LINKS, begun.backtest_id)
    assert ended.status == "canceled"


async def test_backtest_when_the_data_change_after_it_was_begun_then_it_fails_and_says_so(servers: Stack) -> None:
    async with working(servers.environment(), Queue.INGEST) as parts:
        await put_bars(parts)
        begun = await _begin(parts, _wanted())
        bar = Bar(symbol=f"Z{uuid.uuid4().hex[:4].upper()}", session=FIRST, open=1, high=1, low=1, close=1, volume=1)
        async with parts.database.transaction() as session:
            await registry.add_unnamed(session, [bar.symbol], origin="test")
            await insert_new(session, [BarRow(**bar.model_dump(), available_at=datetime(2014, 7, 14, 20, tzinfo=UTC))])
    async with working(servers.environment(), Queue.OPS) as parts:
        with pytest.raises(VendorRejected, match="BACKTEST_DATA_CHANGED"):
            await backtests.wait(parts.client, begun.backtest_id)
        ended = await backtests.get(parts.database, parts.client, LINKS, begun.backtest_id)
    assert ended.status == "failed"
    assert "BACKTEST_DATA_CHANGED" in ended.error


async def test_backtest_when_a_universe_is_given_then_nothing_else_may_be_bought(parts: Parts) -> None:
    begun = await _begin(parts, _wanted(universe=[{"symbol": "CAT", "first": "2014-07-16", "last": "2014-07-17"}]))
    await backtests.wait(parts.client, begun.backtest_id)
    request = (await backtests.report(parts.database, parts.objects, begun.backtest_id)).request
    version, data = await read_period(parts.database, parts.calendar, request, ReadBy.ALL)
    assert version == begun.data_version
    members = {day: data.is_member("CAT", date(2014, 7, day)) for day in (15, 16, 17, 18)}
    assert members == {15: False, 16: True, 17: True, 18: False}
    assert not data.is_member("SPY", date(2014, 7, 16))


async def test_data_when_a_step_follows_then_they_are_kept_and_after_a_while_forgotten(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = BacktestRequest(first=FIRST, last=LAST, config=TradingConfig())
    version, _ = await read_period(parts.database, parts.calendar, request, ReadBy.ALL)
    reads = 0

    async def counted(*given: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read_period(*given)

    monkeypatch.setattr("activities.backtests.read_period", counted)
    playing, start = parts.backtest_activities(), start_of(request, version, CODE_VERSION)
    for _ in range(2):
        await ActivityEnvironment().run(playing.plan_backtest, start)
    assert reads == 1
    monkeypatch.setattr("activities.backtests.REST_SECONDS", 0.01)
    await ActivityEnvironment().run(playing.plan_backtest, start)
    await asyncio.sleep(0.1)
    await ActivityEnvironment().run(playing.plan_backtest, start)
    assert reads == 2
    await playing.close()


async def test_backtest_when_no_session_lies_in_the_period_then_it_fails_and_says_so(parts: Parts) -> None:
    begun = await _begin(parts, _wanted(first=date(2014, 7, 19), last=date(2014, 7, 20)))
    with pytest.raises(VendorRejected, match="NO_SESSIONS"):
        await backtests.wait(parts.client, begun.backtest_id)


async def test_backtest_when_a_change_is_not_allowed_then_it_is_refused_and_named(parts: Parts) -> None:
    with pytest.raises(InvalidInput) as refused:
        await _begin(parts, _wanted(changes={"signals": {"kappa": -1}}))
    assert refused.value.fields == {"field": "signals.kappa", "found": "-1"}
    with pytest.raises(NotFound):
        await backtests.get(parts.database, parts.client, LINKS, "nothing")
