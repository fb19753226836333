"""An order's way to the broker: when it was let out, since when it is missing, what replaced it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.broker import OrderChange, OrderTicket, replacement_id
from domain.decisions import Side
from domain.errors import NotFound
from domain.portfolio import OrderStatus, advance
from domain.submission import TIME_TO_LIVE, MissingVerdict, SendingTimes
from store import orders
from store.database import insert_new
from store.tables.broker import OrderReplacement
from store.tables.decisions import OrderIntentRow
from store.tables.trading import Order

ASKED, REPLACED, REFUSED = "asked", "replaced", "refused"
ABANDONED = "abandoned"
"""How an intent ends that nobody carries any more."""


def times_of(order: Order) -> SendingTimes:
    return SendingTimes(
        expires_at=order.expires_at or order.created_at + TIME_TO_LIVE,
        sent_at=order.sent_at,
        missing_since=order.missing_since,
    )


def ticket_of(order: Order) -> OrderTicket:
    """The ticket an order is sent with; a row from before tickets were kept has its terms in columns."""
    if order.body:
        return OrderTicket.model_validate(order.body)
    return OrderTicket(
        client_order_id=order.client_order_id, symbol=order.symbol, side=Side(order.side), quantity=order.quantity
    )


async def resize(session: AsyncSession, *, intent_id: str, quantity: Decimal, reason: str = "") -> Order:
    """Make an order smaller of which nothing is at the broker or on its way."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is None:
        raise NotFound("ORDER_NOT_FOUND", "It was never prepared", intent_id=intent_id)
    order.body = ticket_of(order).model_copy(update={"quantity": quantity}).model_dump(mode="json", exclude_none=True)
    order.quantity, order.reason = quantity, reason or order.reason
    session.add(order)
    return order


async def perhaps_at_broker(session: AsyncSession) -> list[Order]:
    """Every order that is or may be open at the broker: what it knows, what was let out, what was given up."""
    final = [status.value for status in OrderStatus if status.final]
    rows = await session.exec(
        select(Order)
        .where(
            col(Order.status).not_in(final),
            (col(Order.broker_order_id) != "") | col(Order.sent_at).is_not(None),
        )
        .order_by(col(Order.created_at), col(Order.order_id))
    )
    return list(rows.all())


async def end_unsent(session: AsyncSession, *, intent_id: str, state: str, reason: str, at: datetime) -> None:
    """End the order of an intent that ended before anything of it reached the broker; others stay as they are."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is None or order.status != OrderStatus.PENDING.value or order.broker_order_id:
        return
    ends = (OrderStatus.DENIED, OrderStatus.DECLINED, OrderStatus.EXPIRED, OrderStatus.CANCELED)
    if state in {each.value for each in ends}:
        before = orders.step_of(order)
        order.status, order.reason, order.closed_at = state, reason, at
        session.add(order)
        await orders.note_step(session, order, before=before, at=at)


async def stop_sending(session: AsyncSession, *, intent_id: str, at: datetime) -> Order | None:
    """End an order's time to live, so that nothing of it is sent any more. None where it was never made."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is not None and at < times_of(order).expires_at:
        order.expires_at = at
        session.add(order)
    return order


async def let_out(session: AsyncSession, *, intent_id: str, at: datetime) -> SendingTimes | None:
    """Note that a post leaves now, and say what was known before.

    None where the order ended or was given up meanwhile: then nothing may be sent.
    """
    order = await orders.order_of(session, intent_id, lock=True)
    if order is None or OrderStatus(order.status).final or order.abandoned_at is not None:
        return None
    before = times_of(order)
    order.sent_at, order.missing_since = at, None
    session.add(order)
    return before


async def take_back(session: AsyncSession, *, intent_id: str, at: datetime, before: SendingTimes) -> None:
    """The post that left at `at` was refused, so that only earlier ones may still be under way."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is not None and order.sent_at == at:
        order.sent_at, order.missing_since = before.sent_at, before.missing_since
        session.add(order)


async def note_missing(
    session: AsyncSession, *, intent_id: str, verdict: MissingVerdict, reason: str, at: datetime
) -> Order:
    """Remember since when the broker does not know an order, and give it up where that is long enough."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is None:
        raise NotFound("ORDER_NOT_FOUND", "It was never prepared", intent_id=intent_id)
    if OrderStatus(order.status).final or order.abandoned_at is not None or order.broker_order_id:
        return order
    before = orders.step_of(order)
    order.missing_since = verdict.missing_since
    if verdict.abandoned:
        order.abandoned_at, order.reason = at, reason
        order.status = advance(OrderStatus(order.status), OrderStatus.UNKNOWN).value
    session.add(order)
    await orders.note_step(session, order, before=before, at=at)
    return order


async def take_up_again(session: AsyncSession, *, intent_id: str) -> None:
    """Follow an order again that had been given up: its intent is open until the broker says how it ends."""
    order = await orders.order_of(session, intent_id, lock=True)
    if order is None or order.abandoned_at is None:
        return
    order.abandoned_at, order.reason = None, ""
    session.add(order)
    intent = await session.get(OrderIntentRow, intent_id, with_for_update=True)
    if intent is not None:
        intent.state = orders.OPEN
        session.add(intent)


async def prepare_replacement(
    session: AsyncSession, *, order: Order, request_key: str, change: OrderChange, at: datetime
) -> OrderReplacement:
    """Commit a change under the next id, or find the one that this request made before."""
    locked = await orders.order_of(session, order.intent_id, lock=True)
    known = (
        await session.exec(select(OrderReplacement).where(OrderReplacement.request_key == request_key))
    ).one_or_none()
    if known is not None or locked is None:
        if known is None:
            raise NotFound("ORDER_NOT_FOUND", "It was never prepared", intent_id=order.intent_id)
        return known
    made = (
        await session.exec(
            select(func.count()).select_from(OrderReplacement).where(OrderReplacement.order_id == order.order_id)
        )
    ).one()
    number = int(made) + 1
    client_order_id = replacement_id(order.client_order_id, number)
    row = OrderReplacement(
        client_order_id=client_order_id,
        order_id=order.order_id,
        number=number,
        request_key=request_key,
        change=change.model_copy(update={"client_order_id": client_order_id}).model_dump(mode="json"),
        asked_at=at,
    )
    await insert_new(session, [row])
    return row


async def let_change_out(session: AsyncSession, client_order_id: str, *, at: datetime) -> None:
    """Note that a change leaves now."""
    row = await session.get_one(OrderReplacement, client_order_id, with_for_update=True)
    row.asked_at = at
    session.add(row)


async def end_replacement(
    session: AsyncSession, *, client_order_id: str, status: str, broker_order_id: str = "", reason: str = ""
) -> None:
    row = await session.get(OrderReplacement, client_order_id, with_for_update=True)
    if row is None or row.status != ASKED:
        return
    row.status, row.broker_order_id, row.reason = status, broker_order_id, reason
    session.add(row)


async def replacements_of(session: AsyncSession, order_ids: Sequence[str]) -> dict[str, list[str]]:
    """The client order ids of every change, by order."""
    rows = await session.exec(
        select(OrderReplacement)
        .where(col(OrderReplacement.order_id).in_(order_ids))
        .order_by(col(OrderReplacement.number))
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(row.client_order_id)
    return found


async def never_sent(session: AsyncSession, *, before: datetime) -> dict[str, str]:
    """Open intents of before an instant that never became an order, with how they end if nobody carries them."""
    rows = await session.exec(
        select(OrderIntentRow.intent_id)
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id), isouter=True)
        .where(OrderIntentRow.state == orders.OPEN, OrderIntentRow.as_of < before, col(Order.order_id).is_(None))
    )
    return dict.fromkeys(rows.all(), ABANDONED)


async def unclosed(session: AsyncSession) -> dict[str, str]:
    """Intents that are open although their orders ended or were given up, with how those ended."""
    final = [status.value for status in OrderStatus if status.final]
    rows = await session.exec(
        select(col(Order.intent_id), col(Order.status))
        .join(OrderIntentRow, col(OrderIntentRow.intent_id) == col(Order.intent_id))
        .where(
            OrderIntentRow.state == orders.OPEN,
            col(Order.status).in_(final) | col(Order.abandoned_at).is_not(None),
        )
    )
    return {intent: status if status in final else ABANDONED for intent, status in rows.all()}
