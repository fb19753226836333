"""An account in a real database, changed through the functions that the activities call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from sqlmodel import col, select

from domain.decisions import Side
from domain.lots import LotClosing, TaxLot
from domain.market import CorporateAction
from domain.portfolio import Fill, OrderStatus
from store import accounting, cash_ledger, portfolio
from store.database import Database, insert_new
from store.tables.accounting import CashEntryRow
from store.tables.decisions import OrderIntentRow
from store.tables.trading import AccountSnapshot, Order, Position

from .builders import START


class Book:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def order(self, name: str, *, symbol: str, side: Side, quantity: Decimal, status: str = "filled") -> str:
        """Write an intent and its order; again, it stays as it is."""
        async with self.database.transaction() as session:
            await insert_new(
                session,
                [
                    OrderIntentRow(
                        intent_id=f"intent-{name}",
                        recommendation_id=f"recommendation-{name}",
                        symbol=symbol,
                        side=side.value,
                        quantity=quantity,
                        reference_price=Decimal(50),
                        notional=quantity * 50,
                        target_weight=0.03,
                        as_of=START,
                        state="open" if status == "open" else "closed",
                    )
                ],
            )
            if status != "open":
                await insert_new(
                    session,
                    [
                        Order(
                            order_id=f"order-{name}",
                            intent_id=f"intent-{name}",
                            client_order_id=f"client-{name}",
                            symbol=symbol,
                            side=side.value,
                            quantity=quantity,
                            status=OrderStatus(status).value,
                            filled_quantity=quantity,
                            body_hash="hash",
                            created_at=START,
                        )
                    ],
                )
        return f"order-{name}"

    async def fill(self, *fills: Fill) -> int:
        """Book executions as they arrive, each of an order of its own."""
        new = 0
        for each in fills:
            order_id = await self.order(each.fill_id, symbol=each.symbol, side=each.side, quantity=each.quantity)
            async with self.database.transaction() as session:
                new += await portfolio.book_fills(session, order_id=order_id, fills=[each], booked_at=each.filled_at)
        return new

    async def act(self, day: date, at: datetime, *, symbol: str = "ACME", ratio: str = "1", dividend: str = "0") -> int:
        action = CorporateAction(
            symbol=symbol, ex_date=day, cash_dividend=Decimal(dividend), split_ratio=Decimal(ratio)
        )
        async with self.database.transaction() as session:
            return await portfolio.apply_actions(session, actions=[action], applied_at=at)

    async def mark(self, at: datetime, cash: str | Decimal, **prices: str | Decimal) -> AccountSnapshot:
        async with self.database.transaction() as session:
            await portfolio.mark(session, prices={symbol: Decimal(price) for symbol, price in prices.items()}, at=at)
        async with self.database.transaction() as session:
            row = await portfolio.snapshot(session, as_of=at, phase="close", cash=Decimal(cash))
        async with self.database.transaction() as session:
            kept = await session.get(AccountSnapshot, row.as_of)
            assert kept is not None
            return kept

    async def lots(self, symbol: str = "ACME") -> list[TaxLot]:
        async with self.database.transaction() as session:
            return await accounting.open_lots(session, symbol=symbol)

    async def closings(self, symbol: str = "ACME") -> list[LotClosing]:
        async with self.database.transaction() as session:
            return await accounting.closings(session, symbol=symbol)

    async def position(self, symbol: str = "ACME") -> Position:
        async with self.database.transaction() as session:
            row = await session.get(Position, symbol)
            assert row is not None
            return row

    async def entries(self) -> Sequence[CashEntryRow]:
        async with self.database.transaction() as session:
            rows = await session.exec(
                select(CashEntryRow).order_by(col(CashEntryRow.occurred_at), col(CashEntryRow.entry_id))
            )
            return rows.all()

    async def balance(self) -> Decimal:
        async with self.database.transaction() as session:
            return sum((await cash_ledger.balances(session)).values(), Decimal(0))
