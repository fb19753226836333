"""A desk for order tests: puts intents into the real stack's book and follows them through real workflows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
from sqlmodel import col, select
from temporalio.client import WorkflowHandle

from cli.stack.supervisor import Stack
from domain.config import TradingConfig
from domain.decisions import Action, MarketWindow, PositionView, Side, SizedIntent
from domain.ids import client_order_id, digest
from domain.market import Bar, Session
from domain.recommendation import recommend
from domain.signals import assess
from domain.trading import OrderOutcome, OrderRequest
from store import config as configs
from store import orders, recommendations, registry
from store.tables.decisions import RiskDecisionRow
from store.tables.trading import Order
from tests.decisions.builders import item, window
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.execute_order import ExecuteOrder

FIRST_OPEN = datetime(2014, 3, 3, 14, 30, tzinfo=UTC)
DAYS = iter(range(1, 1_000))
"""The paper broker's clock only moves forward, so every desk of the session takes later days."""


class Desk:
    """One desk a test: a symbol of its own, and the market open on a day of its own."""

    def __init__(self, parts: Parts, control: httpx.AsyncClient, symbol: str) -> None:
        self.parts = parts
        self.control = control
        self.symbol = symbol
        self.now = FIRST_OPEN

    async def open_market(self, price: str = "50") -> None:
        self.session = self.next_session()
        self.now = self.session.opens_at
        await self._advance("open", price)

    async def close_market(self, price: str = "50") -> None:
        self.now = self.session.closes_at
        await self._advance("close", price)

    async def fault(self, kind: str, count: int = 1) -> None:
        answer = await self.control.post("/control/faults", json={"kind": kind, "count": count})
        answer.raise_for_status()

    async def intend(self, quantity: str = "10", *, side: Side = Side.BUY, price: str = "50") -> str:
        """Write a recommendation and an intent on it; returns the intent's id."""
        evidence = [item(f"{self.symbol}{n}", symbol=self.symbol, available_at=self.now) for n in range(3)]
        bars = self._bars_before()
        settings = TradingConfig()
        dates = [self.now.date() - timedelta(days=n) for n in range(90, 0, -1)]
        assessment = assess(evidence, as_of=self.now, session_dates=dates, market=bars, config=settings)
        recommendation, _ = recommend(
            assessment,
            previous=Action.NONE,
            position=PositionView(),
            config=settings,
            evidence=evidence,
            market=bars,
            code_version="test",
            session_dates=dates,
        )
        intent = SizedIntent(
            intent_id=digest("test", self.symbol, side, quantity, self.now),
            recommendation_id=recommendation.recommendation_id,
            symbol=self.symbol,
            side=side,
            quantity=Decimal(quantity),
            reference_price=Decimal(price),
            notional=Decimal(quantity) * Decimal(price),
            target_weight=0.05,
            as_of=self.now,
        )
        async with self.parts.database.transaction() as session:
            await registry.add_unnamed(session, [self.symbol], origin="test")
            await recommendations.save(session, [(recommendation, "test")], decided_by="", recorded_at=self.now)
            await orders.save_intents(session, [intent])
        return intent.intent_id

    async def execute(self, intent_id: str, **changes: Any) -> WorkflowHandle[Any, OrderOutcome]:
        request = OrderRequest(
            intent_id=intent_id, symbol=self.symbol, side="buy", as_of=self.now, poll_seconds=0.2, **changes
        )
        return await self.parts.client.start_workflow(
            ExecuteOrder.run, request, id=names.order_id(intent_id), task_queue=names.Queue.TRADING
        )

    async def finish(self, handle: WorkflowHandle[Any, OrderOutcome]) -> OrderOutcome:
        """Wait for an order's end, but never for ever."""
        return await asyncio.wait_for(handle.result(), timeout=45)

    async def verdict(self, intent_id: str) -> RiskDecisionRow:
        """The newest risk decision on an intent."""
        async with self.parts.database.transaction() as session:
            rows = await session.exec(
                select(RiskDecisionRow)
                .where(RiskDecisionRow.intent_id == intent_id)
                .order_by(col(RiskDecisionRow.as_of).desc(), col(RiskDecisionRow.stage).desc())
            )
            found = rows.first()
        assert found is not None
        return found

    async def broker_orders(self, intent_id: str) -> list[dict[str, Any]]:
        """What the broker itself holds under the intent's id, asked past our own code."""
        settings = self.parts.settings
        headers = {
            "APCA-API-KEY-ID": settings.broker_key_id.get_secret_value(),
            "APCA-API-SECRET-KEY": settings.broker_secret_key.get_secret_value(),
        }
        async with httpx.AsyncClient(
            base_url=settings.broker_url, headers=headers, trust_env=False, timeout=30
        ) as client:
            answer = await client.get("/v2/orders", params={"status": "all", "limit": 500})
        wanted = client_order_id(settings.mode.value, intent_id)
        return [order for order in answer.json() if order["client_order_id"] == wanted]

    async def our_order(self, intent_id: str) -> Order | None:
        async with self.parts.database.transaction() as session:
            return await orders.order_of(session, intent_id)

    async def booked(self, intent_id: str, *, seconds: float = 20.0) -> Decimal:
        """Wait for the first executions to be booked; returns the shares."""
        deadline = time.monotonic() + seconds
        while (order := await self.our_order(intent_id)) is None or not order.filled_quantity:
            assert time.monotonic() < deadline, "nothing was booked"
            await asyncio.sleep(0.05)
        return order.filled_quantity

    async def state_of(self, intent_id: str, wanted: str, *, seconds: float = 20.0) -> None:
        """Wait until the workflow stands where it should."""
        handle = self.parts.client.get_workflow_handle(names.order_id(intent_id))
        deadline = time.monotonic() + seconds
        while (found := (await handle.query(ExecuteOrder.status)).state.value) != wanted:
            assert time.monotonic() < deadline, f"the order is {found}, not {wanted}"
            await asyncio.sleep(0.05)

    def _bars_before(self) -> MarketWindow:
        """Eighty calm sessions that end with yesterday."""
        calm = window(symbol=self.symbol)
        days = [self.now.date() - timedelta(days=n) for n in range(len(calm.closes), 0, -1)]
        return calm.model_copy(update={"sessions": tuple(day.isoformat() for day in days)})

    def next_session(self) -> Session:
        opens_at = FIRST_OPEN + timedelta(days=next(DAYS))
        return Session(date=opens_at.date(), opens_at=opens_at, closes_at=opens_at + timedelta(hours=6, minutes=30))

    async def _advance(self, phase: str, price: str) -> None:
        bar = Bar.model_validate(
            {
                "symbol": self.symbol,
                "session": self.session.date,
                **dict.fromkeys(("open", "high", "low", "close"), price),
                "volume": 1_000_000,
            }
        )
        assert self.parts.paper is not None
        await self.parts.paper.advance(self.session, phase, [bar], [])


@asynccontextmanager
async def desk(stack: Stack, symbol: str, *, approval_above: str = "25000") -> AsyncIterator[Desk]:
    """Open a desk on the session's stack, with the market open."""
    parts = await Parts.connect(load(stack.environment()))
    key = parts.settings.broker_control_key.get_secret_value()
    async with httpx.AsyncClient(
        base_url=parts.settings.broker_url, headers={"X-Control-Key": key}, trust_env=False
    ) as control:
        made = Desk(parts, control, symbol)
        settings = TradingConfig()
        approval = settings.approval.model_copy(update={"notional_above": Decimal(approval_above)})
        async with parts.database.transaction() as session:
            await configs.put(
                session,
                settings.model_copy(update={"approval": approval}),
                created_at=FIRST_OPEN,
                created_by="test",
                reason=symbol,
            )
        await made.open_market()
        try:
            yield made
        finally:
            await control.delete("/control/faults")
            await made.close_market()
            await parts.close()
