"""People's decisions on the real stack: approve, decline, expire, pause, resume."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from temporalio.client import WorkflowUpdateFailedError

from cli.stack.supervisor import Stack
from domain.decisions import TradingState
from domain.trading import ApprovalDecision, Command, RefreshRequest
from store import approvals, audit, control, orders
from tests.orders.desk import Desk, desk
from workflows.execute_order import ExecuteOrder
from workflows.names import TRADING_ENGINE
from workflows.trading_engine import TradingEngine

pytestmark = pytest.mark.stack


async def _pending_hash(table: Desk, intent: str) -> str:
    async with table.parts.database.transaction() as session:
        return next(row.order_hash for row in await approvals.list_by_status(session) if row.intent_id == intent)


def _decision(approved: bool, order_hash: str) -> ApprovalDecision:
    return ApprovalDecision(approved=approved, actor="tester", reason="looked at it", order_hash=order_hash)


async def test_order_above_the_threshold_when_approved_then_it_is_placed(stack: Stack) -> None:
    async with desk(stack, "BIGBUY", approval_above="400") as table:
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        assert await table.broker_orders(intent) == []
        answer = await handle.execute_update(ExecuteOrder.decide, _decision(True, await _pending_hash(table, intent)))
        assert answer == "approved"
        assert (await table.finish(handle)).status == "filled"
        async with table.parts.database.transaction() as session:
            assert await audit.first_broken(session) is None


async def test_order_at_the_threshold_when_executed_then_nobody_is_asked(stack: Stack) -> None:
    async with desk(stack, "ATLIMIT", approval_above="500") as table:
        intent = await table.intend()
        assert (await table.finish(await table.execute(intent))).status == "filled"


async def test_order_when_declined_by_plain_signal_then_it_never_reaches_the_broker(stack: Stack) -> None:
    async with desk(stack, "NOTHANKS", approval_above="400") as table:
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        await handle.signal("decline", "too close to earnings")
        outcome = await table.finish(handle)
        assert (outcome.status, outcome.reason) == ("declined", "too close to earnings")
        assert await table.broker_orders(intent) == []


async def test_decision_when_the_order_hash_differs_then_it_is_refused_and_the_order_waits(stack: Stack) -> None:
    async with desk(stack, "HASHDIFF", approval_above="400") as table:
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(ExecuteOrder.decide, _decision(True, "another order's hash"))
        assert "ORDER_HASH_MISMATCH" in str(refused.value.cause)
        await table.state_of(intent, "awaiting_approval")
        await handle.signal("decline", "done with the test")
        await table.finish(handle)


async def test_driven_order_when_nobody_decides_in_time_then_it_expires(stack: Stack) -> None:
    async with desk(stack, "TOOLATE", approval_above="400") as table:
        intent = await table.intend()
        handle = await table.execute(intent, driven=True)
        await table.state_of(intent, "awaiting_approval")
        async with table.parts.database.transaction() as session:
            expires = next(r.expires_at for r in await approvals.list_by_status(session) if r.intent_id == intent)
        await handle.execute_update(ExecuteOrder.refresh, RefreshRequest(as_of=expires))
        assert (await table.finish(handle)).status == "expired"
        assert await table.broker_orders(intent) == []


async def test_pause_when_acknowledged_then_no_buy_reaches_the_broker_until_resumed(stack: Stack) -> None:
    async with desk(stack, "PAUSED", approval_above="400") as table:
        await table.parts.flows.ensure_engine()
        engine = table.parts.client.get_workflow_handle(TRADING_ENGINE)
        waiting = await table.intend()
        handle = await table.execute(waiting)
        await table.state_of(waiting, "awaiting_approval")
        report = await engine.execute_update(TradingEngine.pause, Command(reason="test", actor="tester"))
        assert report.state is TradingState.REDUCING
        try:
            await handle.execute_update(ExecuteOrder.decide, _decision(True, await _pending_hash(table, waiting)))
            outcome = await table.finish(handle)
            assert (outcome.status, outcome.reason.split(":")[0]) == ("denied", "TRADING_PAUSED")
            assert await table.broker_orders(waiting) == []
        finally:
            await engine.execute_update(TradingEngine.resume, Command(reason="test over", actor="tester"))
        assert (await engine.query(TradingEngine.status)).state is TradingState.ACTIVE


async def test_pause_when_an_order_is_being_let_out_then_it_waits_for_it(stack: Stack) -> None:
    """The gate itself: a state is not written while somebody who has read the one before notes an order as sent."""
    async with desk(stack, "INFLIGHT") as table:
        database = table.parts.database

        async def pause() -> None:
            async with database.transaction() as session:
                await control.change(session, wanted=TradingState.REDUCING, reason="test", actor="tester", at=table.now)

        async with database.transaction() as session:
            assert await control.leaving(session) is TradingState.ACTIVE
            pausing = asyncio.create_task(pause())
            done, _ = await asyncio.wait({pausing}, timeout=0.5)
            assert not done
        await asyncio.wait_for(pausing, timeout=5)
        async with database.transaction() as session:
            assert await control.leaving(session) is TradingState.REDUCING
        async with database.transaction() as session:
            await control.change(session, wanted=TradingState.ACTIVE, reason="over", actor="tester", at=table.now)


async def test_partial_fills_when_reported_twice_then_each_is_booked_once(stack: Stack) -> None:
    async with desk(stack, "PARTIAL") as table:
        intent = await table.intend("7")
        await table.fault("partial_fill")
        handle = await table.execute(intent)
        first = await table.booked(intent)
        assert Decimal(0) < first < Decimal(7)
        await table.close_market()
        outcome = await table.finish(handle)
        assert (outcome.status, Decimal(outcome.filled_quantity)) == ("filled", Decimal(7))
        order = await table.our_order(intent)
        assert order is not None
        async with table.parts.database.transaction() as session:
            assert await orders.filled_quantity(session, order.order_id) == Decimal(7)
