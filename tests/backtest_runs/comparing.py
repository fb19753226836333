"""A period that production workflows replayed, run again as a backtest on the book they left, and both compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.operations import backtests
from api.operations.links import TemporalLinks
from cli.stack.supervisor import Stack
from domain.backtest_report import BacktestReport
from domain.costs import CostModel
from tests.asking.platform import working
from tests.conftest import SERVERS, clean_environment, stonks_json
from workers.parts import CODE_VERSION
from workflows.names import Queue

LINKS = TemporalLinks("", "stonks")


@dataclass(frozen=True)
class Both:
    replay: Any
    backtest: BacktestReport


def replayed(
    state: Path,
    documents: Path,
    bars: Path,
    actions: Path,
    first: date,
    last: date,
    *options: str,
    timeout: float = 380,
) -> Any:
    return stonks_json(
        *("replay", "--documents", str(documents), "--bars", str(bars), "--actions", str(actions)),
        *("--from", first.isoformat(), "--to", last.isoformat(), "--tier", "aggressive", "--state", str(state)),
        *options,
        timeout=timeout,
    )


async def backtested(state: Path, first: date, last: date, *, protect: bool = False) -> BacktestReport:
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


def assert_same(both: Both) -> None:
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
