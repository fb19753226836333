"""Intents, risk decisions, approvals and orders: from a sized wish to a final state."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.broker import BrokerOrder
from domain.decisions import RiskDecision, Side, SizedIntent
from domain.errors import Conflict, NotFound
from domain.portfolio import OrderStatus, advance
from domain.trading import ApprovalVerdict
from store.database import insert_new
from store.tables.decisions import Approval, OrderIntentRow, RiskDecisionRow
from store.tables.trading import FillRow, Order

OPEN = "open"


async def save_intents(session: AsyncSession, intents: Sequence[SizedIntent]) -> None:
    """Write the intents of a tick together; an intent that exists stays as it is."""
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
            )
            for intent in intents
        ],
    )


async def intents_at(session: AsyncSession, as_of: datetime) -> list[OrderIntentRow]:
    """Intents planned at an instant, reductions first, then by symbol."""
    rows = await session.exec(select(OrderIntentRow).where(OrderIntentRow.as_of == as_of))
    return sorted(rows.all(), key=lambda row: (row.side != Side.SELL.value, row.symbol))


async def require_intent(session: AsyncSession, intent_id: str) -> OrderIntentRow:
    row = await session.get(OrderIntentRow, intent_id)
    if row is None:
        raise NotFound("INTENT_NOT_FOUND", "/v1/orders lists what was planned", intent_id=intent_id)
    return row


async def open_intents(session: AsyncSession) -> list[OrderIntentRow]:
    rows = await session.exec(
        select(OrderIntentRow).where(OrderIntentRow.state == OPEN).order_by(col(OrderIntentRow.intent_id))
    )
    return list(rows.all())


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


async def save_risk_decision(session: AsyncSession, decision: RiskDecision) -> None:
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
            )
        ],
    )


async def risk_decision_of(session: AsyncSession, intent_id: str) -> RiskDecisionRow | None:
    """The newest risk decision on an intent."""
    rows = await session.exec(
        select(RiskDecisionRow)
        .where(RiskDecisionRow.intent_id == intent_id)
        .order_by(col(RiskDecisionRow.as_of).desc(), col(RiskDecisionRow.decision_id))
    )
    return rows.first()


async def require_risk_decision(session: AsyncSession, decision_id: str) -> RiskDecisionRow:
    row = await session.get(RiskDecisionRow, decision_id)
    if row is None:
        raise NotFound("RISK_DECISION_NOT_FOUND", decision_id=decision_id)
    return row


async def require_approval(session: AsyncSession, approval_id: str) -> Approval:
    row = await session.get(Approval, approval_id)
    if row is None:
        raise NotFound("APPROVAL_NOT_FOUND", "`stonks inbox` lists what waits", approval_id=approval_id)
    return row


async def save_approval(session: AsyncSession, approval: Approval) -> None:
    await insert_new(session, [approval])


async def decide_approval(
    session: AsyncSession, *, approval_id: str, verdict: ApprovalVerdict, actor: str, reason: str, at: datetime
) -> bool:
    """Record the one decision on a request. False when the same verdict stands already; another one is a conflict."""
    row = await session.get(Approval, approval_id, with_for_update=True)
    if row is None:
        raise NotFound("APPROVAL_NOT_FOUND", approval_id=approval_id)
    if row.status == verdict.value:
        return False
    if row.status != "pending":
        raise Conflict("APPROVAL_DECIDED", approval_id=approval_id, status=row.status, asked=verdict.value)
    row.status, row.decided_by, row.decision_reason, row.decided_at = verdict.value, actor, reason, at
    session.add(row)
    return True


async def list_approvals(session: AsyncSession, *, status: str | None = "pending", limit: int = 100) -> list[Approval]:
    statement = select(Approval).order_by(col(Approval.requested_at), col(Approval.approval_id)).limit(limit)
    if status is not None:
        statement = statement.where(Approval.status == status)
    return list((await session.exec(statement)).all())


async def save_order(session: AsyncSession, order: Order) -> None:
    await insert_new(session, [order])


async def order_of(session: AsyncSession, intent_id: str, *, lock: bool = False) -> Order | None:
    statement = select(Order).where(Order.intent_id == intent_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.exec(statement)).first()


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
    order.broker_order_id = seen.broker_order_id
    order.status = advance(current, seen.status).value
    order.filled_quantity = seen.filled_quantity
    order.filled_average_price = seen.filled_average_price
    order.submitted_at = order.submitted_at or seen.submitted_at
    order.reason = seen.reason or order.reason
    if OrderStatus(order.status).final:
        order.closed_at = at
    session.add(order)
    return order


async def set_order_status(
    session: AsyncSession, *, intent_id: str, status: OrderStatus, reason: str, at: datetime
) -> None:
    order = await order_of(session, intent_id, lock=True)
    if order is None or OrderStatus(order.status).final:
        return
    order.status, order.reason = advance(OrderStatus(order.status), status).value, reason
    if status.final:
        order.closed_at = at
    session.add(order)


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
    before: tuple[datetime, str] | None = None,
) -> list[Order]:
    """Orders, newest first."""
    statement = select(Order)
    if symbol is not None:
        statement = statement.where(Order.symbol == symbol)
    if status is not None:
        statement = statement.where(Order.status == status)
    if before is not None:
        at, key = before
        statement = statement.where(
            (col(Order.created_at) < at) | ((col(Order.created_at) == at) & (col(Order.order_id) < key))
        )
    statement = statement.order_by(col(Order.created_at).desc(), col(Order.order_id).desc()).limit(limit)
    return list((await session.exec(statement)).all())
