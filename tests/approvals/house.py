"""A house of several people on real servers: they put orders before each other through the HTTP API."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlmodel import col, select
from temporalio.client import WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy

from api.keys import Scope
from domain.approvals import ENGINE, ApprovalStatus
from domain.broker import BrokerAccount, OrderTicket
from domain.config import TradingConfig, changed
from domain.decisions import Side, SizedIntent
from domain.ids import client_order_id
from domain.sizing import intent_id
from domain.trading import OrderOutcome, OrderRequest
from store import approvals, config, orders, registry
from store.database import insert_new
from store.tables.decisions import Approval, ApprovalVote, RiskDecisionRow
from store.tables.market import BarRow
from store.tables.platform import AuditEntry, OutboxEvent
from tests.api.harness import Caller, Platform, caller, eventually
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

_NUMBERS = itertools.count(1)


class House:
    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.database = platform.parts.database
        self.people: dict[str, Caller] = {}
        self.symbol = f"HOUSE{next(_NUMBERS)}"

    async def open(self) -> None:
        for name in ("anna", "ben"):
            self.people[name] = caller(self.platform, await self.platform.key(Scope.APPROVE, Scope.READ, name=name))
        await self.policy()
        await self.deposit(10**9)
        async with self.database.transaction() as session:
            await registry.add_unnamed(session, [self.symbol], origin="test")

    async def policy(self, **changes: Any) -> None:
        """Put a policy in force: the defaults with these changes."""
        async with self.database.transaction() as session:
            await config.put(
                session,
                changed(TradingConfig(), {"approval": changes}),
                created_at=datetime.now(UTC),
                created_by="test",
                reason="test",
            )

    async def deposit(self, cash: int) -> None:
        """Say what the broker reports as cash."""

        async def account() -> BrokerAccount:
            return BrokerAccount(cash=Decimal(cash), equity=Decimal(cash), buying_power=Decimal(cash))

        broker: Any = self.platform.broker
        broker.account = account

    async def price(self, price: str, *, volume: int = 1) -> None:
        """Let the market close at a price, now."""
        now = datetime.now(UTC)
        row = BarRow(
            symbol=self.symbol,
            session=now.date() + timedelta(days=next(_NUMBERS)),
            **dict.fromkeys(("open", "high", "low", "close"), Decimal(price)),
            volume=volume,
            available_at=now,
        )
        async with self.database.transaction() as session:
            await insert_new(session, [row])

    async def plan(self, *, quantity: int = 700, proposed_by: str = ENGINE, side: Side = Side.BUY) -> str:
        """Plan an order at $50 and start its workflow; returns the intent's id."""
        recommendation = await self.platform.recommendation(self.symbol, later=timedelta(seconds=next(_NUMBERS)))
        intent = SizedIntent(
            intent_id=intent_id(recommendation.recommendation_id, self.symbol, side),
            recommendation_id=recommendation.recommendation_id,
            symbol=self.symbol,
            side=side,
            quantity=Decimal(quantity),
            reference_price=Decimal(50),
            notional=Decimal(quantity) * 50,
            target_weight=0.03,
            as_of=datetime.now(UTC),  # an order is sent within the session that it was planned for
        )
        async with self.database.transaction() as session:
            await orders.save_intents(session, [intent], proposed_by=proposed_by)
        request = OrderRequest(
            intent_id=intent.intent_id, symbol=self.symbol, side=side.value, as_of=intent.as_of, poll_seconds=0.2
        )
        await self.platform.parts.client.start_workflow(
            ExecuteOrder.run,
            request,
            id=names.order_id(intent.intent_id),
            task_queue=Queue.TRADING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
        return intent.intent_id

    async def asked(self, intent: str, *, ask: int = 1) -> Approval:
        """Wait until the order waits for people."""

        async def found() -> Approval | None:
            async with self.database.transaction() as session:
                rows = await approvals.list_by_status(session, status=ApprovalStatus.PENDING, limit=1_000)
            return next((row for row in rows if row.intent_id == intent and row.ask == ask), None)

        row: Approval = await eventually(found)
        return row

    async def say(self, name: str, approval: Approval, *, approve: bool = True, **options: Any) -> Any:
        """Have somebody vote through the API; returns the answer."""
        body = {"approve": approve, "reason": f"{name} looked at it", "order_hash": approval.order_hash}
        return await self.people[name]("POST", f"/v1/approvals/{approval.approval_id}/review", json=body, **options)

    def handle(self, intent: str) -> WorkflowHandle[Any, OrderOutcome]:
        return self.platform.parts.client.get_workflow_handle_for(ExecuteOrder.run, names.order_id(intent))

    def placed(self, intent: str) -> list[OrderTicket]:
        """What the broker was sent for an intent."""
        wanted = client_order_id(self.platform.parts.settings.mode.value, intent)
        return [ticket for ticket in self.platform.broker.placed if ticket.client_order_id == wanted]

    async def audited(self, approval_id: str) -> list[tuple[str, str]]:
        """Action and actor of every audit entry about a question, in order."""
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(AuditEntry).where(AuditEntry.subject == approval_id).order_by(col(AuditEntry.sequence))
            )
            return [(row.action, row.actor) for row in rows]

    async def events(self, approval_id: str) -> list[OutboxEvent]:
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(OutboxEvent).where(OutboxEvent.subject_id == approval_id).order_by(col(OutboxEvent.sequence))
            )
            return list(rows.all())

    async def votes(self, approval_id: str) -> list[ApprovalVote]:
        async with self.database.transaction() as session:
            return (await approvals.votes(session, [approval_id])).get(approval_id, [])

    async def verdicts(self, intent: str) -> list[RiskDecisionRow]:
        """The risk decisions on an intent, the first first."""
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(RiskDecisionRow)
                .where(RiskDecisionRow.intent_id == intent)
                .order_by(col(RiskDecisionRow.as_of), col(RiskDecisionRow.stage))
            )
            return list(rows.all())
