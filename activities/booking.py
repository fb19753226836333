"""Taking over what the broker says of an order: its executions first, then its state, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.ports import Broker, BrokerBook
from domain.broker import BrokerFill, BrokerOrder
from domain.portfolio import Fill, OrderStatus
from store import orders, outbox, portfolio
from store.tables.trading import Order

MOST_REPLACEMENTS = 50
"""Replacements of one order that are followed."""


async def chain_of(broker: Broker | BrokerBook, first: BrokerOrder) -> list[BrokerOrder]:
    """An order and whatever replaced it, one after the other."""
    chain = [first]
    while chain[-1].replaced_by and len(chain) <= MOST_REPLACEMENTS:
        chain.append(await broker.get(chain[-1].replaced_by))
    return chain


async def book(
    session: AsyncSession, *, intent_id: str, seen: BrokerOrder, fills: Sequence[BrokerFill], at: datetime
) -> Order:
    """Bring an order up to what the broker says. Every execution is booked once, whoever books it first."""
    order = await orders.record_broker_state(session, intent_id=intent_id, seen=seen, at=at)
    booked = await portfolio.book_fills(
        session,
        order_id=order.order_id,
        fills=[as_fill(fill, intent_id) for fill in fills],
        booked_at=at,
    )
    if booked:
        await tell_filled(session, order, at)
    return order


async def tell_filled(session: AsyncSession, order: Order, at: datetime) -> None:
    await outbox.publish(
        session,
        event_id=f"fills/{order.order_id}/{order.filled_quantity}",
        event="order_filled" if order.status == OrderStatus.FILLED.value else "order_partially_filled",
        subject_id=order.order_id,
        body={"symbol": order.symbol, "side": order.side, "filled": str(order.filled_quantity)},
        occurred_at=at,
    )


def as_fill(fill: BrokerFill, intent_id: str) -> Fill:
    return Fill(
        fill_id=fill.execution_id,
        order_id=fill.broker_order_id,
        intent_id=intent_id,
        symbol=fill.symbol,
        side=fill.side,
        quantity=fill.quantity,
        price=fill.price,
        fee=Decimal(0),
        filled_at=fill.filled_at,
    )
