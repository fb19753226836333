"""Workers killed with -9 while people are asked: one outcome, one audit entry, one order or none."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import col, select

from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.approvals import ApprovalStatus
from domain.config import TradingConfig, changed
from domain.trading import ApprovalDecision
from store import approvals, config
from store.tables.decisions import Approval
from store.tables.platform import AuditEntry
from tests.orders.desk import Desk, desk
from workflows.execute_order import ExecuteOrder

pytestmark = [pytest.mark.stack, pytest.mark.crash, pytest.mark.long]


async def _policy(table: Desk, **changes: Any) -> None:
    async with table.parts.database.transaction() as session:
        await config.put(
            session,
            changed(TradingConfig(), {"approval": {"notional_above": 400, **changes}}),
            created_at=datetime.now(UTC),
            created_by="test",
            reason=table.symbol,
        )


async def _asked(table: Desk, intent: str) -> Approval:
    async with table.parts.database.transaction() as session:
        rows = await approvals.list_by_status(session)
    return next(row for row in rows if row.intent_id == intent)


async def _audited(table: Desk, approval: Approval) -> list[str]:
    async with table.parts.database.transaction() as session:
        rows = await session.exec(
            select(AuditEntry.action)
            .where(AuditEntry.subject == approval.approval_id)
            .order_by(col(AuditEntry.sequence))
        )
        return list(rows.all())


def _word(actor: str, approval: Approval) -> ApprovalDecision:
    return ApprovalDecision(approved=True, actor=actor, reason="looked at it", order_hash=approval.order_hash)


async def test_worker_when_killed_until_after_the_expiry_then_it_expires_once_and_a_late_signal_counts_for_nothing(
    stack: Stack,
) -> None:
    async with desk(stack, "KILLLATE") as table:
        await _policy(table, expires_after_seconds=3)
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        asked = await _asked(table, intent)
        stack.kill(PartName.WORKER)
        await handle.signal("approve", "nobody was there to hear it")
        await asyncio.sleep(3.5)
        stack.restart(PartName.WORKER)
        outcome = await table.finish(handle)
        assert outcome.status == "expired"
        assert [action for action in await _audited(table, asked) if action != "approval_escalated"] == [
            "approval_expired"
        ]
        assert await table.broker_orders(intent) == []


async def test_worker_when_killed_between_two_votes_then_the_first_still_counts_and_one_order_goes_out(
    stack: Stack,
) -> None:
    async with desk(stack, "KILLVOTE") as table:
        await _policy(table, two_people_above=400)
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        asked = await _asked(table, intent)
        assert await handle.execute_update(ExecuteOrder.decide, _word("cli:anna", asked)) == "pending"
        stack.kill(PartName.WORKER)
        stack.restart(PartName.WORKER)
        assert await handle.execute_update(ExecuteOrder.decide, _word("cli:ben", asked)) == "approved"
        assert (await table.finish(handle)).status == "filled"
        assert await _audited(table, asked) == ["approval_voted", "approval_voted", "approval_approved"]
        assert len(await table.broker_orders(intent)) == 1


@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
async def test_worker_when_killed_while_the_last_vote_is_written_then_there_is_one_outcome_and_one_order(
    stack: Stack, after: float
) -> None:
    async with desk(stack, f"KILLNOW{int(after * 100)}") as table:
        await _policy(table)
        intent = await table.intend()
        handle = await table.execute(intent)
        await table.state_of(intent, "awaiting_approval")
        asked = await _asked(table, intent)
        voting = asyncio.create_task(handle.execute_update(ExecuteOrder.decide, _word("cli:anna", asked)))
        await asyncio.sleep(after)
        stack.kill(PartName.WORKER)
        stack.restart(PartName.WORKER)
        assert await asyncio.wait_for(voting, timeout=45) == "approved"
        assert (await table.finish(handle)).status == "filled"
        assert await _audited(table, asked) == ["approval_voted", "approval_approved"]
        assert len(await table.broker_orders(intent)) == 1
        async with table.parts.database.transaction() as session:
            assert (await approvals.require(session, asked.approval_id)).status == ApprovalStatus.APPROVED.value
