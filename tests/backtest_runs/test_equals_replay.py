"""A period through the backtest and through the production workflows: the same decisions and orders, bit for bit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.operations import backtests
from api.operations.links import TemporalLinks
from cli.demo_data import actions_path, bars_path, documents_path
from cli.migrate import migrate
from cli.replaying import make_request
from cli.stack.supervisor import Stack
from domain.backtest import OrderEnd
from domain.backtest_report import BacktestReport
from domain.config import TradingConfig
from domain.costs import CostModel
from domain.decisions import Action, Side
from domain.documents import Credibility
from domain.entries import ReportTiming
from domain.protection import EARNINGS_TRIM
from domain.replay import ReplayApprovals
from store import earnings, registry
from store.database import Database
from tests.asking.platform import working
from tests.conftest import SERVERS, clean_environment, stonks_json
from workers.parts import CODE_VERSION
from workers.settings import load
from workflows.names import Queue

pytestmark = [pytest.mark.stack, pytest.mark.long]

LINKS = TemporalLinks("", "stonks")


@dataclass(frozen=True)
class Both:
    replay: Any
    backtest: BacktestReport


def _replay(state: Path, documents: Path, bars: Path, actions: Path, first: date, last: date, *options: str) -> Any:
    return stonks_json(
        *("replay", "--documents", str(documents), "--bars", str(bars), "--actions", str(actions)),
        *("--from", first.isoformat(), "--to", last.isoformat(), "--tier", "aggressive", "--state", str(state)),
        *options,
        timeout=380,
    )


async def _backtest(state: Path, first: date, last: date, *, protect: bool = False) -> BacktestReport:
    """Run the backtest on the book that the replay has left, with its configuration, for nothing."""
    wanted = backtests.NewBacktest(first=first, last=last, costs=CostModel.none(), protect=protect)
    (own,) = (state / "replays").iterdir()
    with Stack(own, inherited=clean_environment(), parts=SERVERS) as servers:
        servers.start()
        async with working(servers.environment(), Queue.OPS) as parts:
            begun = await backtests.begin(
                parts.database, parts.client, LINKS, wanted, code_version=CODE_VERSION, actor="test"
            )
            await backtests.wait(parts.client, begun.backtest_id)
            return await backtests.report(parts.database, parts.objects, begun.backtest_id)


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


def _assert_same(both: Both) -> None:
    decided = [
        (each["recommendation_id"], each["as_of"], each["symbol"], each["action"], each["score"], each["thesis"])
        for each in both.replay["decisions"]
    ]
    again = [
        (
            each.recommendation_id,
            each.as_of.isoformat(),
            each.symbol,
            each.action.value,
            f"{each.score:+.9f}",
            each.thesis,
        )
        for each in both.backtest.decisions
    ]
    assert again == decided  # the ids are hashes of whole decision records
    ordered = [
        (each["intent_id"], each["symbol"], each["side"], each["quantity"], _fills(each.get("fills", [])))
        for each in both.replay["orders"]
    ]
    filled = [
        (
            each.intent_id,
            each.symbol,
            each.side.value,
            f"{each.quantity.normalize():f}",
            _fills([fill.model_dump(mode="json") for fill in each.fills]),
        )
        for each in both.backtest.orders
    ]
    assert filled == ordered
    curve = [point["equity"] for point in both.replay["account"]["curve"]]
    assert [f"{equity:.2f}" for equity in both.backtest.strategy.equity[1:]] == curve


def _fills(found: list[dict[str, Any]]) -> tuple[Decimal, Decimal]:
    """Shares and dollars: the paper broker fills some orders in parts, at one price."""
    quantities = [(Decimal(fill["quantity"]), Decimal(fill["price"])) for fill in found]
    return sum((q for q, _ in quantities), Decimal(0)), sum((q * price for q, price in quantities), Decimal(0))


async def test_backtest_when_a_fortnight_was_replayed_then_it_decides_and_trades_the_same(tmp_path: Path) -> None:
    first, last = date(2014, 7, 14), date(2014, 7, 18)
    state = tmp_path / "state"
    replay = _replay(state, documents_path(), bars_path(), actions_path(), first, last)
    both = Both(replay, await _backtest(state, first, last))
    _assert_same(both)
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
    replay = _replay(state, documents_path(), bars_path(), actions_path(), first, last)
    both = Both(replay, await _backtest(state, first, last, protect=True))
    _assert_same(both)
    bought, sold = both.backtest.orders
    assert (bought.symbol, bought.side, bought.end) == ("INTC", Side.BUY, OrderEnd.FILLED)
    assert (sold.symbol, sold.side, sold.reason) == ("INTC", Side.SELL, EARNINGS_TRIM)
    assert (sold.as_of.date(), sold.filled) == (date(2014, 7, 17), bought.filled / 2)
    assert "GS" in {each.symbol for each in both.backtest.decisions if each.action is Action.BUY}
