"""Our side on a real database, the paper broker on the other, and the activities between them, without Temporal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text
from sqlmodel import col, select

from activities.adapters.alpaca import AlpacaBroker, AlpacaSettings
from activities.discarding import DiscardActivities
from activities.orders import OrderActivities
from activities.reconciliation import ReconciliationActivities
from domain.approvals import ENGINE
from domain.broker import BrokerOrder, OrderTicket
from domain.decisions import Side
from domain.errors import VendorUnavailable
from domain.ids import client_order_id
from domain.reconciliation import ReconcileReport, ReconcileRequest
from domain.submission import DiscardReport, DiscardRequest
from domain.trading import OrderProgress, SubmitRequest, SyncRequest
from store import orders, reconciliations
from store.database import Database, DatabaseSettings
from store.tables.broker import ReconciliationDifference
from store.tables.decisions import OrderIntentRow, RiskDecisionRow
from store.tables.platform import OutboxEvent
from store.tables.trading import FillRow, Order, Position
from tests.paper_broker.harness import KEY, SECRET, Client, bar

OPEN = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)
MODE = "paper"
TABLES = (
    "order_intents",
    "orders",
    "fills",
    "positions",
    "reconciliations",
    "broker_activities",
    "broker_failures",
    "outbox",
    "cash_entries",
    "cash_balances",
    "corporate_actions",
    "corporate_action_entries",
    "trading_control",
)


class SilentFlows:
    """Knows which orders' workflows run; remembers which were told."""

    def __init__(self) -> None:
        self.running: set[str] = set()
        self.told: list[str] = []

    async def order_changed(self, intent_id: str) -> bool:
        self.told.append(intent_id)
        return intent_id in self.running


class Vanishing:
    """A broker that knows nothing and never answers an order."""

    async def find(self, client_order_id: str) -> None:
        return None

    async def place(self, ticket: OrderTicket) -> BrokerOrder:
        raise VendorUnavailable("BROKER_UNREACHABLE")


class Office:
    def __init__(self, database: Database, client: Client) -> None:
        self.database = database
        self.client = client
        self.now = OPEN + timedelta(seconds=1)
        self.flows: Any = SilentFlows()
        self.broker: Any = AlpacaBroker(
            AlpacaSettings(key_id=SecretStr(KEY), secret_key=SecretStr(SECRET), url=client.address)
        )
        self.calendar: Any = None
        self._runs = 0
        self._verdicts: dict[str, str] = {}

    @property
    def desk(self) -> OrderActivities:
        return OrderActivities(self.database, self.broker, mode=MODE, now=lambda: self.now, calendar=self.calendar)

    @property
    def discarding(self) -> DiscardActivities:
        return DiscardActivities(self.database, self.desk, now=lambda: self.now)

    @property
    def auditor(self) -> ReconciliationActivities:
        return ReconciliationActivities(self.database, self.broker, self.flows, mode=MODE, now=lambda: self.now)

    def open_market(self, price: str = "100") -> None:
        self.client.opened(bar("AAPL", price), bar("MSFT", price))

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    async def intend(
        self,
        name: str,
        *,
        symbol: str = "AAPL",
        side: Side = Side.BUY,
        quantity: str = "10",
        proposed_by: str = ENGINE,
    ) -> str:
        async with self.database.transaction() as session:
            session.add(
                OrderIntentRow(
                    intent_id=name,
                    recommendation_id="",
                    symbol=symbol,
                    side=side.value,
                    quantity=Decimal(quantity),
                    reference_price=Decimal(100),
                    notional=Decimal(quantity) * 100,
                    target_weight=0.1,
                    as_of=self.now,
                    proposed_by=proposed_by,
                )
            )
        await self.judge(name, quantity)
        return name

    async def judge(self, name: str, quantity: str) -> None:
        """Allow the intent as risk would at this moment."""
        self._verdicts[name] = f"d-{name}-{self.now.isoformat()}"
        async with self.database.transaction() as session:
            row = RiskDecisionRow(
                decision_id=self._verdicts[name],
                intent_id=name,
                outcome="allow",
                allowed_quantity=Decimal(quantity),
                as_of=self.now,
            )
            session.add(row)

    async def submit(self, name: str) -> OrderProgress:
        return await self.desk.submit(self.submission(name))

    def submission(self, name: str) -> SubmitRequest:
        return SubmitRequest(intent_id=name, decision_id=self._verdicts[name], as_of=self.now)

    async def trade(self, name: str) -> OrderProgress:
        """Submit, and read back what became of it."""
        await self.submit(name)
        return await self.sync(name)

    async def prepare(self, name: str) -> None:
        """Commit the order and note that it was let out, as a worker does that dies while it waits for the answer."""
        broker, self.broker = self.broker, Vanishing()
        try:
            with suppress(VendorUnavailable):
                await self.submit(name)
        finally:
            self.broker = broker

    async def sync(self, name: str) -> OrderProgress:
        return await self.desk.sync(SyncRequest(intent_id=name, as_of=self.now))

    async def reconcile(self, name: str = "") -> ReconcileReport:
        self._runs += 1
        request = ReconcileRequest(reconciliation_id=name or f"run-{self._runs}", trigger="test", as_of=self.now)
        return await self.auditor.reconcile(request)

    async def place_past_us(self, name: str, **changes: Any) -> None:
        """Let an order of ours arrive without anybody of ours hearing of it."""
        values: dict[str, Any] = {"symbol": "AAPL", "side": Side.BUY, "quantity": Decimal(10)}
        await self.broker.place(OrderTicket(client_order_id=client_order_id(MODE, name), **{**values, **changes}))

    async def discard(self, name: str) -> DiscardReport:
        """End an order that nobody follows any more."""
        request = DiscardRequest(intent_id=name, actor="api:anna/1", reason="not wanted", as_of=self.now)
        return await self.discarding.discard_order(request)

    async def order(self, name: str) -> Order:
        async with self.database.transaction() as session:
            return await orders.require_order(session, name)

    async def order_or_none(self, name: str) -> Order | None:
        async with self.database.transaction() as session:
            return await orders.order_of(session, name)

    async def intent_state(self, name: str) -> str:
        async with self.database.transaction() as session:
            return (await orders.require_intent(session, name)).state

    async def change_order(self, name: str, **changes: Any) -> None:
        async with self.database.transaction() as session:
            row = await orders.require_order(session, name)
            for field, value in changes.items():
                setattr(row, field, value)
            session.add(row)

    async def positions(self) -> dict[str, Decimal]:
        async with self.database.transaction() as session:
            rows = await session.exec(select(Position).where(Position.quantity != 0))
            return {row.symbol: row.quantity for row in rows}

    async def fills(self) -> list[FillRow]:
        async with self.database.transaction() as session:
            return list((await session.exec(select(FillRow))).all())

    async def events(self, event: str) -> list[dict[str, Any]]:
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(OutboxEvent).where(OutboxEvent.event == event).order_by(col(OutboxEvent.sequence))
            )
            return [row.body for row in rows]

    async def differences(self, kind: str = "") -> list[ReconciliationDifference]:
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(ReconciliationDifference).order_by(col(ReconciliationDifference.first_seen_at))
            )
            return [row for row in rows if not kind or row.kind == kind]

    async def foreign(self) -> dict[str, Decimal]:
        async with self.database.transaction() as session:
            return {row.symbol: row.quantity for row in await reconciliations.foreign_positions(session)}

    async def run(self, statement: str) -> None:
        async with self.database.transaction() as session:
            await (await session.connection()).execute(text(statement))


@asynccontextmanager
async def office(settings: DatabaseSettings, client: Client) -> AsyncIterator[Office]:
    database = Database(settings)
    made = Office(database, client)
    await made.run("ALTER TABLE cash_entries DISABLE TRIGGER cash_entries_are_append_only")
    await made.run(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    try:
        yield made
    finally:
        await database.close()
