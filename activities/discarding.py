"""Ending an order whose workflow failed and was discarded: what the broker has is booked, the rest canceled."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from temporalio import activity

from activities.orders import OrderActivities
from domain.approvals import plain
from domain.errors import VendorUnavailable
from domain.submission import CancelRequest, DiscardReport, DiscardRequest
from domain.trading import CloseRequest, OrderProgress
from store import approvals, orders, submissions
from store.database import Database

DISCARDED = "discarded"
"""How an intent ends of which no order was ever made."""


class DiscardActivities:
    """`now` is None where time is told (a replay)."""

    def __init__(self, database: Database, desk: OrderActivities, *, now: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._desk = desk
        self._now = now

    @activity.defn
    async def discard_order(self, request: DiscardRequest) -> DiscardReport:
        """Let nothing more be sent, ask the broker by the client order id, and close the intent. Idempotent.

        Raises:
            VendorUnavailable: a cancel is not carried out yet, or a post may still arrive: a repeat asks again.
            Conflict: the broker has another order under the id; a person must look.
        """
        at = request.as_of if self._now is None else self._now()
        async with self._database.transaction() as session:
            order = await submissions.stop_sending(session, intent_id=request.intent_id, at=at)
        if order is None:
            await self._close(request, DISCARDED)  # from here on no order can be made of it
            async with self._database.transaction() as session:
                intent = await orders.require_intent(session, request.intent_id)
                order = await submissions.stop_sending(session, intent_id=request.intent_id, at=at)
        if order is None:
            progress = OrderProgress(status=intent.state, closed=True)
        else:
            progress = await self._desk.cancel_order(CancelRequest(intent_id=request.intent_id, as_of=request.as_of))
        if not progress.closed:
            raise VendorUnavailable(
                "ORDER_MAY_BE_IN_FLIGHT",
                "It may still reach the broker, and is asked for until it cannot any more",
                intent_id=request.intent_id,
            )
        async with self._database.transaction() as session:
            for question in await approvals.waiting_of(session, request.intent_id):
                await approvals.void(session, question, reason=request.reason, at=at, actor=request.actor)
        await self._close(request, progress.status)
        filled = plain(Decimal(progress.filled_quantity))
        return DiscardReport(intent_id=request.intent_id, state=progress.status, filled_quantity=filled)

    async def _close(self, request: DiscardRequest, state: str) -> None:
        """End the intent with the person's reason; one that has ended stays as it is."""
        await self._desk.close_intent(
            CloseRequest(intent_id=request.intent_id, state=state, reason=request.reason, as_of=request.as_of)
        )
