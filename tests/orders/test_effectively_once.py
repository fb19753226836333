"""One intent is at most one order at the broker, whatever the answer to the request was."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from tests.orders.desk import desk

pytestmark = pytest.mark.stack


async def test_order_when_nothing_goes_wrong_then_it_is_filled_and_booked(stack: Stack) -> None:
    async with desk(stack, "PLAIN") as table:
        intent = await table.intend()
        outcome = await table.finish(await table.execute(intent))
        assert (outcome.status, Decimal(outcome.filled_quantity)) == ("filled", Decimal(10))
        order = await table.our_order(intent)
        assert order is not None
        assert order.filled_quantity == Decimal(10)
        assert order.filled_average_price == Decimal(50)


@pytest.mark.parametrize(
    "kind", ["error_504_after_commit", "reset_before_commit", "reset_after_commit", "hang", "storm_429"]
)
async def test_order_when_the_answer_is_lost_then_the_broker_holds_exactly_one(stack: Stack, kind: str) -> None:
    async with desk(stack, kind.upper().replace("_", "")[:10]) as table:
        intent = await table.intend()
        await table.fault(kind)
        outcome = await table.finish(await table.execute(intent))
        assert outcome.status == "filled"
        found = await table.broker_orders(intent)
        assert [(order["status"], order["filled_qty"]) for order in found] == [("filled", "10")]


async def test_order_when_the_broker_rejects_after_accepting_then_nothing_is_booked(stack: Stack) -> None:
    async with desk(stack, "LATENO") as table:
        intent = await table.intend()
        await table.fault("reject_after_200")
        outcome = await table.finish(await table.execute(intent))
        assert outcome.status == "rejected"
        order = await table.our_order(intent)
        assert order is not None
        assert order.filled_quantity == 0


async def test_order_when_the_worker_dies_while_it_is_sent_then_there_is_one_order(stack: Stack) -> None:
    """The request hangs at the broker after it was committed; the worker that waits for the answer is killed."""
    async with desk(stack, "WORKERDIES") as table:
        intent = await table.intend()
        await table.fault("hang")
        handle = await table.execute(intent)
        await table.state_of(intent, "submitting")
        stack.kill(PartName.WORKER)
        stack.restart(PartName.WORKER)
        outcome = await table.finish(handle)
        assert outcome.status == "filled"
        assert len(await table.broker_orders(intent)) == 1


async def test_order_when_selling_more_than_is_held_then_risk_denies_it(stack: Stack) -> None:
    from domain.decisions import Side

    async with desk(stack, "OVERSELL") as table:
        intent = await table.intend(side=Side.SELL)
        outcome = await table.finish(await table.execute(intent))
        assert outcome.status == "denied"
        assert "limit=" in outcome.reason
        assert await table.broker_orders(intent) == []
