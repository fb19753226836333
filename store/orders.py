"""Intents, risk decisions and orders: from a sized wish to a final state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.approvals import ENGINE, ApprovalNeed
from domain.broker import BrokerOrder
from domain.decisions import RiskDecision, Side, SizedIntent
from domain.errors import NotFound
from domain.ids import digest
from domain.portfolio import OrderStatus, advance
from store import outbox
from store.database import insert_new
from store.keysets import newest_first
from store.tables.broker import OrderEventRow
from store.tables.decisions import OrderIntentRow, RiskDecisionRow
from store.tables.trading import FillRow, Order

OPEN = "open"

OrderStep = tuple[str, Decimal, str]
"""Status, shares filled, and the broker's id: what makes a step of an order's way."""


class RiskStage(StrEnum):
    FIRST = "first"
    RECHECK = "recheck"


async def save_intents(session: AsyncSession, intents: Sequence[SizedIntent], *, proposed_by: str = ENGINE) -> None:
    """Write the intents of a tick together; an intent that exists stays as it is.

    `proposed_by` is the principal who made them by hand: another person must approve them.
    """
    await insert_new(
        session,
        [
            OrderIntentRow(
                intent_id=intent.intent_id,
                recommendation_id=intent.recommendation_id,
                symbol=intent.symbol,
                side=intent.side.value,
                quantity=intent.quantity,
                reference_price=intent.reference_price,
                notional=intent.notional,
                target_weight=intent.target_weight,
                clamps=[clamp.model_dump(mode="json") for clamp in intent.clamps],
                as_of=intent.as_of,
                reason=intent.reason,
                proposed_by=proposed_by,
            )
            for intent in intents
        ],
    )


async def intents_at(session: AsyncSession, as_of: datetime) -> list[OrderIntentRow]:
    """Intents planned at an instant, reductions first, then by symbol."""
    rows = await session.exec(select(OrderIntentRow).where(OrderIntentRow.as_of == as_of))
    return sorted(rows.all(), key=lambda row: (row.side != Side.SELL.value, row.symbol))


async def planned_at(session: AsyncSession, as_of: datetime) -> list[OrderIntentRow]:
    """What the engine itself planned at an instant; an order by hand of the same instant is none of it."""
    return [row for row in await intents_at(session, as_of) if row.proposed_by == ENGINE]


async def find_intent(session: AsyncSession, intent_id: str) -> OrderIntentRow | None:
    return await session.get(OrderIntentRow, intent_id)


async def require_intent(session: AsyncSession, intent_id: str, *, lock: bool = False) -> OrderIntentRow:
    row = await session.get(OrderIntentRow, intent_id, with_for_update=lock or None)
    if row is None:
        raise NotFound("INTENT_NOT_FOUND", "/v1/orders lists what was planned", intent_id=intent_id)
    return row


async def open_intents(session: AsyncSession) -> list[OrderIntentRow]:
    rows = await session.exec(
        select(OrderIntentRow).where(OrderIntentRow.state == OPEN).order_by(col(OrderIntentRow.intent_id))
    )
    return list(rows.all())


async def ended(session: AsyncSession, intent_ids: Sequence[str]) -> dict[str, bool]:
    """Of these intents those that have ended, with whether anything of them was filled."""
    rows = await session.exec(
        select(OrderIntentRow.intent_id, col(Order.filled_quantity))
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id), isouter=True)
        .where(col(OrderIntentRow.intent_id).in_(intent_ids), OrderIntentRow.state != OPEN)
    )
    return {intent_id: bool(filled) for intent_id, filled in rows}


async def at_the_broker(session: AsyncSession) -> set[str]:
    """Symbols with an order of ours that has been let out, or may have been, and has not ended."""
    ended = [status.value for status in OrderStatus if status.final]
    rows = await session.exec(
        select(OrderIntentRow.symbol)
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id))
        .where(OrderIntentRow.state == OPEN, col(Order.status).not_in(ended))
    )
    return set(rows.all())


def to_domain(row: OrderIntentRow) -> SizedIntent:
    return SizedIntent(
        intent_id=row.intent_id,
        recommendation_id=row.recommendation_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        reference_price=row.reference_price,
        notional=row.notional,
        target_weight=row.target_weight,
        as_of=row.as_of,
        reason=row.reason,
    )


async def save_risk_decision(
    session: AsyncSession,
    decision: RiskDecision,
    need: ApprovalNeed,
    *,
    price: Decimal,
    stage: RiskStage = RiskStage.FIRST,
) -> None:
    """Write a verdict with the approval that it needs; `price` is what a share was judged at."""
    await insert_new(
        session,
        [
            RiskDecisionRow(
                decision_id=decision.decision_id,
                intent_id=decision.intent_id,
                outcome=decision.outcome.value,
                allowed_quantity=decision.allowed_quantity,
                needs_approval=decision.needs_approval,
                approval_reason=decision.approval_reason,
                checks=[check.model_dump(mode="json") for check in decision.checks],
                as_of=decision.as_of,
                stage=stage.value,
                price=price,
                people=need.people,
                approval_rules=[rule.model_dump(mode="json") for rule in need.rules],
            )
        ],
    )


async def require_risk_decision(session: AsyncSession, decision_id: str) -> RiskDecisionRow:
    row = await session.get(RiskDecisionRow, decision_id)
    if row is None:
        raise NotFound("RISK_DECISION_NOT_FOUND", decision_id=decision_id)
    return row


async def save_order(session: AsyncSession, order: Order) -> None:
    """Write a new order; one that exists stays as it is."""
    if await insert_new(session, [order]):
        await note_step(session, order, before=None, at=order.created_at)


async def note_step(session: AsyncSession, order: Order, *, before: OrderStep | None, at: datetime) -> None:
    """Write down that an order came to stand otherwise than before, and say so; nothing where it did not."""
    if before == (step := step_of(order)):
        return
    event_id = digest("order-event", order.order_id, *step, at)
    await session.flush()
    await insert_new(
        session,
        [
            OrderEventRow(
                event_id=event_id,
                order_id=order.order_id,
                status=order.status,
                filled_quantity=order.filled_quantity,
                filled_average_price=order.filled_average_price,
                broker_order_id=order.broker_order_id,
                reason=order.reason,
                at=at,
            )
        ],
    )
    price = order.filled_average_price
    await outbox.publish(
        session,
        event_id=f"order-event/{event_id}",
        event="order_updated",
        subject_id=order.order_id,
        body={
            "intent_id": order.intent_id,
            "symbol": order.symbol,
            "side": order.side,
            "status": order.status,
            "quantity": str(order.quantity),
            "filled": str(order.filled_quantity),
            "average_price": None if price is None else str(price),
        },
        occurred_at=at,
    )


def step_of(order: Order) -> OrderStep:
    """What of an order is a step of its own when it changes."""
    return order.status, order.filled_quantity, order.broker_order_id


async def steps(session: AsyncSession, order_id: str) -> list[OrderEventRow]:
    """What became of an order, the first step first."""
    rows = await session.exec(select(OrderEventRow).where(OrderEventRow.order_id == order_id))
    return sorted(rows.all(), key=lambda row: (row.at, row.filled_quantity, OrderStatus(row.status).final))


async def order_of(session: AsyncSession, intent_id: str, *, lock: bool = False) -> Order | None:
    statement = select(Order).where(Order.intent_id == intent_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.exec(statement)).first()


async def require_order(session: AsyncSession, intent_id: str) -> Order:
    order = await order_of(session, intent_id)
    if order is None:
        raise NotFound("ORDER_NOT_FOUND", "It was never prepared", intent_id=intent_id)
    return order


async def record_broker_state(session: AsyncSession, *, intent_id: str, seen: BrokerOrder, at: datetime) -> Order:
    """Bring our order up to what the broker says. A report older than what we know changes nothing."""
    order = await order_of(session, intent_id, lock=True)
    if order is None:
        raise NotFound("ORDER_NOT_FOUND", "It was never prepared", intent_id=intent_id)
    current = OrderStatus(order.status)
    if current.final:
        return order
    if seen.filled_quantity < order.filled_quantity:
        return order
    before = step_of(order)
    order.broker_order_id = seen.broker_order_id
    order.missing_since = None
    if seen.quantity:  # an order that was replaced has its replacement's
        order.quantity = seen.quantity
    order.status = advance(current, seen.status).value
    order.filled_quantity = seen.filled_quantity
    order.filled_average_price = seen.filled_average_price
    order.submitted_at = order.submitted_at or seen.submitted_at
    order.reason = seen.reason or order.reason
    if OrderStatus(order.status).final:
        order.closed_at = at
    session.add(order)
    await note_step(session, order, before=before, at=at)
    return order


async def set_order_status(
    session: AsyncSession, *, intent_id: str, status: OrderStatus, reason: str, at: datetime
) -> None:
    order = await order_of(session, intent_id, lock=True)
    if order is None or OrderStatus(order.status).final:
        return
    before = step_of(order)
    order.status, order.reason = advance(OrderStatus(order.status), status).value, reason
    if status.final:
        order.closed_at = at
    session.add(order)
    await note_step(session, order, before=before, at=at)


async def close_intent(session: AsyncSession, *, intent_id: str, state: str) -> bool:
    """End an intent. False when it had ended before."""
    row = await session.get(OrderIntentRow, intent_id, with_for_update=True)
    if row is None:
        raise NotFound("INTENT_NOT_FOUND", intent_id=intent_id)
    if row.state != OPEN:
        return False
    row.state = state
    session.add(row)
    return True


async def traded_before(session: AsyncSession, symbol: str) -> bool:
    """Whether an order for the symbol was ever filled."""
    rows = await session.exec(select(FillRow.fill_id).where(FillRow.symbol == symbol).limit(1))
    return rows.first() is not None


async def filled_quantity(session: AsyncSession, order_id: str) -> Decimal:
    """Shares booked for an order."""
    rows = await session.exec(select(col(FillRow.quantity)).where(FillRow.order_id == order_id))
    return sum(rows.all(), Decimal(0))


async def list_orders(
    session: AsyncSession,
    *,
    limit: int,
    symbol: str | None = None,
    status: str | None = None,
    unfinished: bool = False,
    before: tuple[datetime, str] | None = None,
) -> list[Order]:
    """Orders, newest first; `unfinished` leaves out those of which nothing more can come."""
    statement = select(Order)
    if symbol is not None:
        statement = statement.where(Order.symbol == symbol)
    if status is not None:
        statement = statement.where(Order.status == status)
    if unfinished:
        going_on = [each.value for each in OrderStatus if not each.final]
        statement = statement.where(col(Order.status).in_(going_on), col(Order.abandoned_at).is_(None))
    page = newest_first(statement, Order.created_at, Order.order_id, limit=limit, before=before)
    return list((await session.exec(page)).all())
