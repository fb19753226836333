"""A period through the backtest and through the production workflows: the same decisions and orders, bit for bit."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from cli.demo_data import actions_path, bars_path, documents_path
from cli.migrate import migrate
from cli.replaying import make_request
from cli.stack.supervisor import Stack
from domain.backtest import OrderEnd
from domain.config import TradingConfig
from domain.decisions import Action, Side
from domain.documents import Credibility
from domain.entries import ReportTiming
from domain.protection import EARNINGS_TRIM
from domain.replay import ReplayApprovals
from store import earnings, registry
from store.database import Database
from tests.backtest_runs.comparing import Both, assert_same, backtested, replayed
from tests.conftest import SERVERS, clean_environment
from workers.settings import load

pytestmark = [pytest.mark.stack, pytest.mark.long]


async def _schedule(state: Path, first: date, last: date, reports: dict[str, tuple[date, datetime]]) -> None:
    """Begin the replay's own book before it does, with dates on which companies report and when that was said."""
    request = make_request(
        documents=documents_path(),
        bars=bars_path(),
        actions=actions_path(),
        first=first,
        last=last,
        opening_cash=Decimal(100_000),
        config=TradingConfig.for_tier("aggressive"),
        approvals=ReplayApprovals.GRANT,
        credibility=Credibility.WIRE,
        publisher="",
    )
    own = state / "replays" / request.replay_id[:12]
    with Stack(own, inherited=clean_environment(), parts=SERVERS) as servers:
        servers.start()
        await asyncio.to_thread(migrate, servers.environment())
        database = Database(load(servers.environment()).database())
        async with database.transaction() as session:
            for symbol, (day, said_at) in reports.items():
                company = await registry.require(session, symbol, for_change=True)
                await earnings.set_date(
                    session, company, day=day, timing=ReportTiming.UNKNOWN, actor="test", now=said_at
                )
        await database.close()


async def test_backtest_when_a_fortnight_was_replayed_then_it_decides_and_trades_the_same(tmp_path: Path) -> None:
    first, last = date(2014, 7, 14), date(2014, 7, 18)
    state = tmp_path / "state"
    replay = replayed(state, documents_path(), bars_path(), actions_path(), first, last)
    both = Both(replay, await backtested(state, first, last))
    assert_same(both)
    assert sum(order.end is OrderEnd.FILLED for order in both.backtest.orders) >= 2
    assert {each.action.value for each in both.backtest.decisions} >= {"buy", "hold", "watch"}
    assert both.replay["signals"] == both.backtest.assessed


async def test_backtest_when_companies_report_then_it_waits_and_sells_before_as_the_replay_did(tmp_path: Path) -> None:
    first, last = date(2014, 7, 14), date(2014, 7, 18)
    state = tmp_path / "state"
    reports = {
        "GS": (date(2014, 7, 17), datetime(2014, 7, 1, tzinfo=UTC)),
        "INTC": (date(2014, 7, 21), datetime(2014, 7, 16, 14, tzinfo=UTC)),  # said when it was bought already
    }
    await _schedule(state, first, last, reports)
    replay = replayed(state, documents_path(), bars_path(), actions_path(), first, last)
    both = Both(replay, await backtested(state, first, last, protect=True))
    assert_same(both)
    bought, sold = both.backtest.orders
    assert (bought.symbol, bought.side, bought.end) == ("INTC", Side.BUY, OrderEnd.FILLED)
    assert (sold.symbol, sold.side, sold.reason) == ("INTC", Side.SELL, EARNINGS_TRIM)
    assert (sold.as_of.date(), sold.filled) == (date(2014, 7, 17), bought.filled / 2)
    assert "GS" in {each.symbol for each in both.backtest.decisions if each.action is Action.BUY}
