"""One order in full, and taking it back."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import (
    Client,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.service import RPCError, RPCStatusCode

from api import failures
from api.numbers import Money, Shares
from api.operations.explanation import FillStep
from api.operations.links import TemporalLinks
from api.operations.trading import ACCEPT_SECONDS, valid_reason
from domain.errors import Conflict, NotFound, VendorUnavailable
from domain.ids import digest
from domain.portfolio import OrderStatus
from domain.trading import CancelReport, Command
from store import audit, orders, outbox
from store.database import Database
from store.tables.broker import OrderReplacement
from store.tables.trading import FillRow, Order
from workflows import names
from workflows.execute_order import ExecuteOrder

FINISH_SECONDS = 70.0
"""The workflow gives a cancel a minute, and asks again later."""


class OrderView(BaseModel):
    order_id: str
    intent_id: str
    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Shares
    limit_price: Money | None
    status: str
    filled_quantity: Shares
    filled_average_price: Money | None
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    closed_at: datetime | None
    temporal_url: str


class OrderEventView(BaseModel):
    """A step of the order's way: its status, how much was filled, or its id at the broker had changed."""

    event_id: str
    at: datetime
    status: str
    filled_quantity: Shares
    filled_average_price: Money | None
    broker_order_id: str
    reason: str


class ReplacementView(BaseModel):
    """A change of the order's terms."""

    client_order_id: str
    broker_order_id: str
    status: str
    change: dict[str, Any]
    reason: str
    asked_at: datetime


class OrderDetail(OrderView):
    recommendation_id: str
    decision_url: str
    """The whole decision: inputs, risk, approvals, versions."""
    ticket: dict[str, Any] = Field(description="as it was sent")
    sent_at: datetime | None = Field(description="when it was last let out, whatever came of it")
    expires_at: datetime | None = Field(description="it is not sent any more from then on")
    missing_since: datetime | None = Field(description="when the broker first said that it does not know it")
    abandoned_at: datetime | None = Field(description="given up: nobody follows it")
    events: list[OrderEventView]
    replacements: list[ReplacementView]
    fills: list[FillStep]
    cancelable: bool


class OrderCancel(BaseModel):
    """What came of a cancel. Filled is a valid outcome: the broker was faster."""

    order_id: str
    status: str
    closed: bool = Field(description="false: the broker has not carried it out yet; it is asked again by itself")
    filled_quantity: Shares
    reason: str
    new: bool = Field(description="false: the order had ended before")
    temporal_url: str


def view(row: Order, links: TemporalLinks) -> OrderView:
    return OrderView(
        **row.model_dump(include=set(OrderView.model_fields)),
        temporal_url=links.workflow(names.order_id(row.intent_id)),
    )


async def get(database: Database, links: TemporalLinks, order_id: str) -> OrderDetail:
    """One order with what the broker said of it.

    Raises:
        NotFound: there is none.
    """
    async with database.transaction() as session:
        row = await _require(session, order_id)
        intent = await orders.require_intent(session, row.intent_id)
        steps = await orders.steps(session, order_id)
        replaced = await session.exec(
            select(OrderReplacement).where(OrderReplacement.order_id == order_id).order_by(col(OrderReplacement.number))
        )
        filled = await session.exec(
            select(FillRow).where(FillRow.order_id == order_id).order_by(col(FillRow.filled_at), col(FillRow.fill_id))
        )
        return OrderDetail(
            **view(row, links).model_dump(),
            recommendation_id=intent.recommendation_id,
            decision_url=f"/v1/trading/decisions/{row.intent_id}",
            ticket=row.body,
            sent_at=row.sent_at,
            expires_at=row.expires_at,
            missing_since=row.missing_since,
            abandoned_at=row.abandoned_at,
            events=[OrderEventView(**each.model_dump(include=set(OrderEventView.model_fields))) for each in steps],
            replacements=[
                ReplacementView(**each.model_dump(include=set(ReplacementView.model_fields))) for each in replaced
            ],
            fills=[FillStep(**each.model_dump(include=set(FillStep.model_fields))) for each in filled],
            cancelable=not OrderStatus(row.status).final and row.abandoned_at is None,
        )


async def cancel(
    database: Database, client: Client, links: TemporalLinks, order_id: str, *, reason: str, actor: str
) -> OrderCancel:
    """Take an order back, at the broker or before it is sent. Asking again asks the broker again.

    Raises:
        NotFound: there is none.
        Conflict: it waits for people, or nobody follows it.
        VendorUnavailable: no worker answered; it may still be canceled when one is back.
    """
    reason, now = valid_reason(reason), datetime.now(UTC)
    async with database.transaction() as session:
        row = await _require(session, order_id)
        if OrderStatus(row.status).final:
            return _ended(row, links, new=False)
        key = f"order/{order_id}/cancel/{digest(actor, reason, length=12)}"
        fresh = await audit.append(
            session,
            key=key,
            actor=actor,
            action="order_cancel_requested",
            subject=order_id,
            body={"symbol": row.symbol, "side": row.side, "reason": reason},
            recorded_at=now,
        )
        if fresh:
            await outbox.publish(
                session,
                event_id=key,
                event="order_cancel_requested",
                subject_id=order_id,
                body={"intent_id": row.intent_id, "symbol": row.symbol, "side": row.side, "status": row.status},
                occurred_at=now,
            )
    report = await _ask(client, row, Command(reason=reason, actor=actor))
    if report is None:
        async with database.transaction() as session:
            row = await _require(session, order_id)
        if OrderStatus(row.status).final:
            return _ended(row, links, new=False)
        raise Conflict(
            "ORDER_NOT_FOLLOWED",
            "Its workflow has ended: retry its dead letter, or compare with the broker by `stonks reconcile`",
            order_id=order_id,
            status=row.status,
            workflow_id=names.order_id(row.intent_id),
        )
    async with database.transaction() as session:
        row = await _require(session, order_id)
    return OrderCancel(
        order_id=order_id,
        status=report.status,
        closed=report.closed,
        filled_quantity=row.filled_quantity,
        reason=report.reason,
        new=True,
        temporal_url=links.workflow(names.order_id(row.intent_id)),
    )


async def _ask(client: Client, row: Order, command: Command) -> CancelReport | None:
    """Ask the order's workflow; None where it has ended."""
    handle = client.get_workflow_handle(names.order_id(row.intent_id))
    try:
        async with asyncio.timeout(ACCEPT_SECONDS):
            update = await handle.start_update(
                ExecuteOrder.cancel, command, wait_for_stage=WorkflowUpdateStage.ACCEPTED
            )
        async with asyncio.timeout(FINISH_SECONDS):
            return await update.result()
    except WorkflowUpdateFailedError as error:
        raise failures.refused(error) from error
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise VendorUnavailable(
            "ORDER_NOT_ANSWERING",
            "Does a worker of the queue `trading` run? The order is canceled when one is back, unless it was filled",
            order_id=row.order_id,
        ) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _require(session: AsyncSession, order_id: str) -> Order:
    row = await session.get(Order, order_id)
    if row is None:
        raise NotFound("ORDER_NOT_FOUND", "/v1/orders lists them", order_id=order_id[:100])
    return row


def _ended(row: Order, links: TemporalLinks, *, new: bool) -> OrderCancel:
    return OrderCancel(
        order_id=row.order_id,
        status=row.status,
        closed=True,
        filled_quantity=row.filled_quantity,
        reason=row.reason,
        new=new,
        temporal_url=links.workflow(names.order_id(row.intent_id)),
    )
