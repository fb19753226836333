"""Orders: submission that is effectively once, changes, cancels, and the fills.

Submission. The order row with its whole ticket, its client order id and its time to live is committed before the broker
hears of it. Every attempt first asks the broker for that id and adopts what it finds; only then it posts, always under
the same id. A post whose answer is lost is repeated the same way, and not before the lost one can no longer arrive: a
broker may let an id be used again once its order ended. So two orders for one intent cannot arise, whoever dies when. A
refusal counts only when no earlier post can still be under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import structlog
from temporalio import activity

from activities.following import UNSENT, OrderFollowing, in_flight, progress_of, refusal_of, to_send
from activities.metering import WorkMeter
from activities.ports import Broker, Calendar
from domain.approvals import ENGINE, plain
from domain.broker import BrokerOrder, OrderChange, OrderTicket
from domain.decisions import Side, TradingState
from domain.errors import ConfigurationError, Conflict, VendorRejected, VendorThrottled, VendorUnavailable
from domain.ids import client_order_id, digest, order_hash
from domain.portfolio import OrderStatus
from domain.submission import (
    TIME_TO_LIVE,
    CancelRequest,
    ReplaceReport,
    ReplaceRequest,
    may_be_sent,
    may_be_under_way,
)
from domain.trading import CloseRequest, OrderProgress, SubmitRequest, SyncRequest
from store import control, orders, outbox, reconciliations, submissions
from store.database import Database
from store.tables.decisions import OrderIntentRow
from store.tables.trading import Order

log = structlog.get_logger(__name__)

ZERO = Decimal(0)
CANCEL_LOOKS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each look at an order whose cancel was asked for."""
VERDICT_HOLDS = timedelta(seconds=90)
"""An order leaves on a verdict that is no older. Longer than the attempts of one submission, which take a minute."""
LEAVES_WITHIN = timedelta(seconds=10)
"""A post that has not begun so long after it was noted is not made: whoever waits for it counts from the note."""
TOO_OLD = "VERDICT_TOO_OLD: it is judged again before it is sent"


class OrderActivities(OrderFollowing):
    """Everything between an intent and its final state. `mode` is part of every client order id.

    `calendar` bounds what the engine opens to its session.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        mode: str,
        now: Callable[[], datetime] | None = None,
        calendar: Calendar | None = None,
        meter: WorkMeter | None = None,
    ) -> None:
        super().__init__(database, broker, now=now)
        self._meter = meter or WorkMeter()
        self._mode = mode
        self._calendar = calendar

    @activity.defn
    async def submit(self, request: SubmitRequest) -> OrderProgress:
        """Place the order effectively once; refuse while trading is paused (buys) or halted.

        Nothing is sent on a verdict that is too old: the progress says `to_send`, and a new one must be asked for.
        """
        order, too_old = await self._prepare(request)
        if order is None:
            return to_send(TOO_OLD)
        if OrderStatus(order.status).final or order.abandoned_at is not None:
            return progress_of(order)
        try:
            found = await self._broker.find(order.client_order_id)
            if found is None:
                sellable = await self._sellable(order)
                found = await self._send(order, request, sellable=sellable, too_old=too_old)
        except ConfigurationError as error:  # the keys may have been right before: an order may be under way
            raise VendorUnavailable(error.code, error.hint, **error.fields) from error
        order = await self._reread(request.intent_id)  # it may have been cut
        if found is None:
            waits = order.status == OrderStatus.PENDING.value and order.abandoned_at is None
            if too_old and waits and may_be_sent(submissions.times_of(order), at=self._at(request.as_of)):
                return to_send(TOO_OLD)
            return progress_of(order)
        return await self._adopt(order, found, request.as_of)

    @activity.defn
    async def sync(self, request: SyncRequest) -> OrderProgress:
        """Read the order and its executions back from the broker and book what is new."""
        async with self._database.transaction() as session:
            order = await orders.order_of(session, request.intent_id)
        if order is None:
            if self._now is not None:
                return to_send("it was not submitted yet")
            return OrderProgress(status=OrderStatus.DENIED.value, closed=True, reason="never submitted")
        seen = await self._broker.find(order.client_order_id)
        if seen is None:
            return await self._missing(order, request.as_of)
        return await self._adopt(order, seen, request.as_of)

    @activity.defn
    async def cancel_order(self, request: CancelRequest) -> OrderProgress:
        """Ask for a cancel and read the order back until it is final. `filled` is a valid outcome.

        Raises:
            VendorUnavailable: the broker has not carried it out yet; a repeat asks again.
        """
        progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        for pause in CANCEL_LOOKS:
            order = await self._reread(request.intent_id)
            if progress.closed or not order.broker_order_id:
                return progress
            await self._broker.cancel(order.broker_order_id)
            await asyncio.sleep(pause)
            progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        if progress.closed:
            return progress
        raise VendorUnavailable(
            "CANCEL_PENDING",
            "The broker has not carried the cancel out yet; it is asked again",
            intent_id=request.intent_id,
            status=progress.status,
        )

    @activity.defn
    async def replace_order(self, request: ReplaceRequest) -> ReplaceReport:
        """Change an open order's terms effectively once, under `<id>-r<n>`."""
        progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        order = await self._reread(request.intent_id)
        async with self._database.transaction() as session:
            asked = await submissions.prepare_replacement(
                session, order=order, request_key=request.request_key, change=_change(request), at=request.as_of
            )
        if asked.status != submissions.ASKED:
            return ReplaceReport(
                replaced=asked.status == submissions.REPLACED, reason=asked.reason, progress=progress_of(order)
            )
        change = OrderChange.model_validate(asked.change)
        new = await self._broker.find(change.client_order_id)
        if new is None:
            if progress.closed or not order.broker_order_id:
                return await self._not_replaced(change, f"the order is {progress.status}", request)
            async with self._database.transaction() as session:
                refusal = refusal_of(await control.leaving(session), order)
                if not refusal:
                    await submissions.let_change_out(session, change.client_order_id, at=self._at(request.as_of))
            if refusal:
                return await self._not_replaced(change, refusal, request)
            try:
                new = await self._broker.replace(order.broker_order_id, change)
            except VendorRejected as error:  # a fill or a cancel was faster, or the terms are wrong
                return await self._not_replaced(change, str(error), request)
        if new.status is OrderStatus.REJECTED:  # the venue filled the first one before it heard of the change
            return await self._not_replaced(change, new.reason, request)
        async with self._database.transaction() as session:
            await submissions.end_replacement(
                session,
                client_order_id=change.client_order_id,
                status=submissions.REPLACED,
                broker_order_id=new.broker_order_id,
            )
        progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        return ReplaceReport(replaced=True, progress=progress)

    @activity.defn
    async def close_intent(self, request: CloseRequest) -> None:
        """End the intent; write the event that says how."""
        async with self._database.transaction() as session:
            if not await orders.close_intent(session, intent_id=request.intent_id, state=request.state):
                return
            await submissions.end_unsent(
                session, intent_id=request.intent_id, state=request.state, reason=request.reason, at=request.as_of
            )
            intent = await orders.require_intent(session, request.intent_id)
            await outbox.publish(
                session,
                event_id=f"order/{request.intent_id}/{request.state}",
                event=f"order_{request.state}",
                subject_id=request.intent_id,
                body={"symbol": intent.symbol, "side": intent.side, "reason": request.reason},
                occurred_at=request.as_of,
            )
        self._meter.order_ended(intent.side, request.state)

    async def _prepare(self, request: SubmitRequest) -> tuple[Order | None, bool]:
        """Commit the order row, with its ticket and the id the broker will know it by, before anything is sent.

        Returns the order and whether its verdict is too old to be sent on; then a new order is not made at all.
        """
        async with self._database.transaction() as session:
            decision = await orders.require_risk_decision(session, request.decision_id)
            too_old = self._now is not None and self._now() - decision.as_of > VERDICT_HOLDS
            known = await orders.order_of(session, request.intent_id, lock=True)
            if known is not None:
                waits = known.status == OrderStatus.PENDING.value and not known.broker_order_id
                under_way = may_be_under_way(submissions.times_of(known), at=self._at(request.as_of))
                if waits and not under_way and 0 < decision.allowed_quantity < known.quantity:
                    known = await submissions.resize(
                        session, intent_id=request.intent_id, quantity=decision.allowed_quantity
                    )
                return known, too_old
            if too_old:
                return None, True
            intent = await orders.require_intent(session, request.intent_id, lock=True)
            if intent.state != orders.OPEN:
                raise Conflict(
                    "INTENT_ENDED",
                    "Nothing is sent for it any more: it was discarded, or closed by a comparison with the broker",
                    intent_id=request.intent_id,
                    state=intent.state,
                )
            ticket = OrderTicket(
                client_order_id=client_order_id(self._mode, request.intent_id),
                symbol=intent.symbol,
                side=Side(intent.side),
                quantity=decision.allowed_quantity,
            )
            order = Order(
                order_id=digest("order", request.intent_id),
                intent_id=request.intent_id,
                client_order_id=ticket.client_order_id,
                symbol=intent.symbol,
                side=intent.side,
                quantity=decision.allowed_quantity,
                status=OrderStatus.PENDING.value,
                filled_quantity=Decimal(0),
                body_hash=_order_hash(intent, decision.allowed_quantity),
                created_at=request.as_of,
                body=ticket.model_dump(mode="json", exclude_none=True),
                expires_at=self._sent_until(intent, request.as_of),
            )
            await orders.save_order(session, order)
        return order, False

    def _sent_until(self, intent: OrderIntentRow, as_of: datetime) -> datetime:
        """The end of an order's time to live. What the engine opens is for the session it was planned for."""
        latest = as_of + TIME_TO_LIVE
        engine_opens = intent.proposed_by == ENGINE and intent.side == Side.BUY.value
        if self._calendar is None or self._now is None or not engine_opens:
            return latest
        return min(latest, self._calendar.next_session(intent.as_of).closes_at)

    async def _sellable(self, order: Order) -> Decimal | None:
        """How many shares a sale may sell: the broker's position less what is not ours. None for a purchase."""
        if order.side != Side.SELL.value:
            return None
        position = next((each for each in await self._broker.positions() if each.symbol == order.symbol), None)
        if position is None:
            return ZERO
        async with self._database.transaction() as session:
            foreign = {row.symbol: row.quantity for row in await reconciliations.foreign_positions(session)}
        ours = position.quantity - max(foreign.get(order.symbol, ZERO), ZERO)
        free = ours if position.available is None else min(ours, position.available)
        return max(free, ZERO)

    async def _cut(self, order: Order, sellable: Decimal | None, at: datetime) -> Order | None:
        """The order, a sale no larger than what is there to be sold; None where that is nothing, and it ends."""
        if sellable is None or order.quantity <= sellable:
            return order
        found = f"symbol={order.symbol}, requested={plain(order.quantity)}, sellable={plain(sellable)}"
        log.warning("sale_cut", intent_id=order.intent_id, found=found)
        if sellable == 0:
            await self._end(
                order, OrderStatus.DENIED, f"NOTHING_TO_SELL: {found}: the broker holds no shares of ours", at
            )
            return None
        async with self._database.transaction() as session:
            return await submissions.resize(
                session, intent_id=order.intent_id, quantity=sellable, reason=f"SALE_CUT: {found}"
            )

    async def _send(
        self, order: Order, request: SubmitRequest, *, sellable: Decimal | None, too_old: bool
    ) -> BrokerOrder | None:
        """Let the order out and post it. None where it ends here: denied, too late, or on too old a verdict.

        Raises:
            VendorUnavailable: nobody knows, as an earlier post may still be under way.
            VendorRejected: the broker's final word.
        """
        at, order = self._at(request.as_of), await self._reread(order.intent_id)
        times = submissions.times_of(order)
        async with self._database.transaction() as session:
            state = TradingState((await control.state(session)).state)
        if refusal := refusal_of(state, order):
            if may_be_under_way(times, at=at):
                raise in_flight(order)
            await self._end(order, OrderStatus.DENIED, refusal, at)
            return None
        if not may_be_sent(times, at=at):
            if order.sent_at is None:
                await self._end(order, OrderStatus.EXPIRED, UNSENT, at)
            return None
        if self._now is not None and may_be_under_way(times, at=at):
            raise in_flight(order)
        cut = None if too_old else await self._cut(order, sellable, at)
        if cut is None:
            return None
        order, at = cut, self._at(request.as_of)
        async with self._database.transaction() as session:
            refused = bool(refusal_of(await control.leaving(session), order))
            before = None if refused else await submissions.let_out(session, intent_id=order.intent_id, at=at)
            if before is not None and self._now is not None and may_be_under_way(before, at=at):
                raise in_flight(order)  # another attempt was faster
        if refused:  # the state has changed meanwhile
            return await self._send(order, request, sellable=sellable, too_old=too_old)
        if before is None:
            return None
        if self._now is not None and self._now() - at > LEAVES_WITHIN:
            raise in_flight(order)
        try:
            return await self._broker.place(submissions.ticket_of(order))
        except (VendorRejected, VendorThrottled) as error:
            async with self._database.transaction() as session:
                await submissions.take_back(session, intent_id=order.intent_id, at=at, before=before)
            if isinstance(error, VendorThrottled):
                raise
            if may_be_under_way(before, at=at):  # refused perhaps because the earlier post has arrived meanwhile
                found = await self._broker.find(order.client_order_id)
                if found is None:
                    raise in_flight(order) from error
                return found
            await self._end(order, OrderStatus.REJECTED, str(error), at)
            raise

    async def _not_replaced(self, change: OrderChange, reason: str, request: ReplaceRequest) -> ReplaceReport:
        async with self._database.transaction() as session:
            await submissions.end_replacement(
                session, client_order_id=change.client_order_id, status=submissions.REFUSED, reason=reason
            )
        progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        return ReplaceReport(replaced=False, reason=reason, progress=progress)


def _change(request: ReplaceRequest) -> OrderChange:
    """The change without its id, which only the book can give."""
    return OrderChange(
        client_order_id="",
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail=request.trail,
    )


def _order_hash(intent: OrderIntentRow, quantity: Decimal) -> str:
    return order_hash(
        symbol=intent.symbol,
        side=intent.side,
        quantity=str(quantity.normalize()),
        reference_price=str(intent.reference_price.normalize()),
        recommendation_id=intent.recommendation_id,
    )
