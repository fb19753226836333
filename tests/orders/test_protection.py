"""Stops and breakers of the live account: from bars in the book to an order at the broker."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlmodel import delete, select
from temporalio.client import WorkflowUpdateFailedError

from activities import protecting
from api.operations import protection as operations
from cli.stack.supervisor import Stack
from domain.decisions import Side
from domain.market import Bar, CorporateAction, Session
from domain.trading import ApprovalDecision, RefreshRequest, TickPhase, TickReport, TickRequest
from store import approvals, facts, orders, portfolio
from store.tables.trading import ProtectionRow, StopEventRow
from tests.orders.desk import Desk, desk
from workflows.execute_order import ExecuteOrder

pytestmark = pytest.mark.stack

CALM = 40


def bar(symbol: str, day: datetime, low: str, high: str, close: str) -> Bar:
    return Bar(
        symbol=symbol,
        session=day.date(),
        open=Decimal(close),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
        volume=5_000_000,
    )


async def write(table: Desk, *bars: Bar) -> None:
    async with table.parts.database.transaction() as session:
        await facts.save_bars(session, bars)


async def tick(table: Desk, trading: Session, *, phase: TickPhase = TickPhase.PRE_OPEN) -> TickReport:
    await table.parts.flows.ensure_engine()
    at = trading.closes_at if phase is TickPhase.CLOSE else trading.opens_at - timedelta(minutes=5)
    return await table.parts.flows.tick_engine(TickRequest(as_of=at, phase=phase, session=trading))


async def bought(table: Desk) -> Session:
    """Forty calm sessions with a range of one dollar, then ten shares bought at $50: the stop lies at $47."""
    async with table.parts.database.transaction() as session:
        await session.exec(delete(ProtectionRow))  # what other tests did to the account must not stop entries
    calm = [bar(table.symbol, table.now - timedelta(days=age), "49.5", "50.5", "50") for age in range(CALM, 0, -1)]
    await write(table, *calm)
    outcome = await table.finish(await table.execute(await table.intend()))
    assert outcome.status == "filled", outcome.reason
    await table.close_market()
    session = table.session
    await write(table, bar(table.symbol, session.opens_at, "49.5", "50.5", "50"))
    await tick(table, session, phase=TickPhase.CLOSE)
    return session


async def held(table: Desk) -> Decimal:
    async with table.parts.database.transaction() as session:
        found = {each.symbol: each.quantity for each in await portfolio.holdings(session)}
    return found.get(table.symbol, Decimal(0))


async def sold(table: Desk, intent_id: str) -> str:
    """Bring a driven order to its end: it looks at the broker only when asked."""
    for _ in range(40):
        report = await table.parts.flows.refresh_order(intent_id, RefreshRequest(as_of=table.now))
        if report is None:
            break
        await asyncio.sleep(0.25)
    return (
        await table.finish(table.parts.client.get_workflow_handle_for(ExecuteOrder.run, f"order/{intent_id}"))
    ).status


async def test_stop_when_a_bar_goes_through_it_then_the_position_is_sold_at_the_next_open(stack: Stack) -> None:
    async with desk(stack, "STOPPED") as table:
        first = await bought(table)
        view = await operations.standing(table.parts.database)
        (stop,) = [each for each in view.stops if each.symbol == "STOPPED"]
        assert (stop.stop, stop.entry_price, stop.due) == (Decimal(47), Decimal(50), "")

        fallen = bar("STOPPED", first.opens_at + timedelta(days=1), "46", "49", "48")
        await write(table, fallen)
        await table.open_market("48")
        while table.session.date <= fallen.session:
            await table.close_market("48")
            await table.open_market("48")
        report = await tick(table, table.session)
        (planned,) = [each for each in report.planned if each.symbol == "STOPPED"]
        assert planned.side == Side.SELL.value
        assert await sold(table, planned.intent_id) == "filled"
        assert await held(table) == 0
        async with table.parts.database.transaction() as session:
            intent = await orders.require_intent(session, planned.intent_id)
            reached = await session.exec(select(StopEventRow).where(StopEventRow.symbol == "STOPPED"))
        assert intent.reason.startswith("STOP: ")
        assert [(row.kind, row.level, row.share) for row in reached] == [("stop", Decimal(47), Decimal(1))]


async def test_tick_when_it_is_repeated_then_nothing_is_sold_twice(stack: Stack) -> None:
    async with desk(stack, "REPEAT") as table:
        first = await bought(table)
        fallen = bar("REPEAT", first.opens_at + timedelta(days=1), "40", "49", "41")
        await write(table, fallen)
        await table.open_market("41")
        while table.session.date <= fallen.session:
            await table.close_market("41")
            await table.open_market("41")
        one, other = await tick(table, table.session), await tick(table, table.session)
        mine = [each for each in one.planned if each.symbol == "REPEAT"]
        assert mine == [each for each in other.planned if each.symbol == "REPEAT"]
        assert len(mine) == 1
        assert await sold(table, mine[0].intent_id) == "filled"
        assert len(await table.broker_orders(mine[0].intent_id)) == 1


async def stop_of(table: Desk) -> Decimal:
    view = await operations.standing(table.parts.database)
    return next(each.stop for each in view.stops if each.symbol == table.symbol)


async def test_split_when_a_reconciliation_books_it_then_the_stop_is_in_new_shares_too(stack: Stack) -> None:
    async with desk(stack, "TWOFOR1") as table:
        await bought(table)
        assert await stop_of(table) == Decimal(47)
        await table.open_market("25")
        split = CorporateAction(symbol="TWOFOR1", ex_date=table.session.date, split_ratio=Decimal(2))
        async with table.parts.database.transaction() as session:
            await facts.save_actions(session, [split])
            await protecting.book_actions(session, [split], at=table.now)
        assert (await held(table), await stop_of(table)) == (Decimal(20), Decimal("23.5"))
        report = await tick(table, table.session)
        assert [each for each in report.planned if each.symbol == "TWOFOR1"] == []
        assert (await held(table), await stop_of(table)) == (Decimal(20), Decimal("23.5"))


async def test_stop_when_a_purchase_waits_for_people_then_it_is_sold_and_the_purchase_comes_too_late(
    stack: Stack,
) -> None:
    async with desk(stack, "WAITING", approval_above="2000") as table:
        first = await bought(table)
        await table.open_market("50")
        waiting = await table.intend("60")
        handle = await table.execute(waiting)
        await table.state_of(waiting, "awaiting_approval")
        fallen = bar("WAITING", first.opens_at + timedelta(days=1), "40", "49", "41")
        await write(table, fallen)
        while table.session.date <= fallen.session:
            await table.close_market("41")
            await table.open_market("41")
        (planned,) = [each for each in (await tick(table, table.session)).planned if each.symbol == "WAITING"]
        assert planned.side == Side.SELL.value
        assert await sold(table, planned.intent_id) == "filled"
        async with table.parts.database.transaction() as session:
            found = [row for row in await approvals.list_by_status(session) if row.intent_id == waiting]
        decision = ApprovalDecision(
            approved=True, actor="cli:berta", reason="late", order_hash=found[0].order_hash if found else ""
        )
        with contextlib.suppress(WorkflowUpdateFailedError):  # the price has left the band: it may be void by now
            await handle.execute_update(ExecuteOrder.decide, decision)
        outcome = await table.finish(handle)
        assert outcome.status in ("denied", "expired")
        assert await held(table) == 0


async def test_purchase_when_the_price_has_risen_since_it_was_planned_then_the_cap_is_of_today(stack: Stack) -> None:
    async with desk(stack, "GAPPED") as table:
        await write(table, bar("GAPPED", table.now - timedelta(days=1), "69", "71", "70"))
        intent = await table.intend("100", price="50")
        await table.finish(await table.execute(intent))
        verdict = await table.verdict(intent)
        assert verdict.price == Decimal(70)
        assert verdict.allowed_quantity <= Decimal(72)
