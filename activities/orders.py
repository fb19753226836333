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
from decimal import ROUND_FLOOR, Decimal
from functools import reduce
from zoneinfo import ZoneInfo

import structlog
from temporalio import activity

from activities.booking import book, chain_of
from activities.ports import Broker, Calendar
from domain.approvals import ENGINE, plain
from domain.broker import BrokerFill, BrokerOrder, OrderChange, OrderTicket
from domain.decisions import Side, TradingState
from domain.errors import ConfigurationError, Conflict, VendorRejected, VendorThrottled, VendorUnavailable
from domain.ids import client_order_id, digest, order_hash
from domain.portfolio import SHARE_UNIT, OrderStatus, product
from domain.reconciliation import totals
from domain.submission import (
    TIME_TO_LIVE,
    CancelRequest,
    ReplaceReport,
    ReplaceRequest,
    combined,
    judge_missing,
    may_be_sent,
    may_be_under_way,
)
from domain.trading import CloseRequest, OrderProgress, SubmitRequest, SyncRequest
from store import control, market, orders, outbox, reconciliations, submissions
from store.database import Database
from store.tables.decisions import OrderIntentRow
from store.tables.trading import Order

log = structlog.get_logger(__name__)

NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)
CANCEL_LOOKS = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each look at an order whose cancel was asked for."""
GIVEN_UP = "the broker never saw this order"
UNSENT = "it could not be sent within its time to live, or before its session ended"
VERDICT_HOLDS = timedelta(seconds=90)
"""An order leaves on a verdict that is no older. Longer than the attempts of one submission, which take a minute."""
TOO_OLD = "VERDICT_TOO_OLD: it is judged again before it is sent"
ABANDONED = "abandoned"
"""How an intent ends whose order was given up; the order itself stays unknown."""


class OrderActivities:
    """Everything between an intent and its final state. `mode` is part of every client order id.

    `now` is the clock that tells how long an order is under way; None where time is told (a replay): the request's
    instant counts, and nothing is too late or waited for. `calendar` bounds what the engine opens to its session.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        mode: str,
        now: Callable[[], datetime] | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self._database = database
        self._broker = broker
        self._mode = mode
        self._now = now
        self._calendar = calendar

    @activity.defn
    async def submit(self, request: SubmitRequest) -> OrderProgress:
        """Place the order effectively once; refuse while trading is paused (buys) or halted.

        Nothing is sent on a verdict that is too old: the progress says `to_send`, and a new one must be asked for.
        """
        order, too_old = await self._prepare(request)
        if order is None:
            return _to_send(TOO_OLD)
        if OrderStatus(order.status).final or order.abandoned_at is not None:
            return _progress(order)
        try:
            found = await self._broker.find(order.client_order_id)
            if found is None:
                sellable = await self._sellable(order)
                async with control.sending(self._database) as state:
                    found = await self._send(order, state, request, sellable=sellable, too_old=too_old)
        except ConfigurationError as error:  # the keys may have been right before: an order may be under way
            raise VendorUnavailable(error.code, error.hint, **error.fields) from error
        order = await self._reread(request.intent_id)  # it may have been cut
        if found is None:
            waits = order.status == OrderStatus.PENDING.value and order.abandoned_at is None
            if too_old and waits and may_be_sent(submissions.times_of(order), at=self._at(request.as_of)):
                return _to_send(TOO_OLD)
            return _progress(order)
        return await self._adopt(order, found, request.as_of)

    @activity.defn
    async def sync(self, request: SyncRequest) -> OrderProgress:
        """Read the order and its executions back from the broker and book what is new."""
        async with self._database.transaction() as session:
            order = await orders.order_of(session, request.intent_id)
        if order is None:
            if self._now is not None:
                return _to_send("it was not submitted yet")
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
                replaced=asked.status == submissions.REPLACED, reason=asked.reason, progress=_progress(order)
            )
        change = OrderChange.model_validate(asked.change)
        new = await self._broker.find(change.client_order_id)
        if new is None:
            if progress.closed or not order.broker_order_id:
                return await self._not_replaced(change, f"the order is {progress.status}", request)
            async with control.sending(self._database) as state:
                if refusal := _refusal(state, order):
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
        self, order: Order, state: TradingState, request: SubmitRequest, *, sellable: Decimal | None, too_old: bool
    ) -> BrokerOrder | None:
        """Post the order while the gate is held. None where it ends here: denied, too late, or on too old a verdict.

        Raises:
            VendorUnavailable: nobody knows, as an earlier post may still be under way.
            VendorRejected: the broker's final word.
        """
        at, order = self._at(request.as_of), await self._reread(order.intent_id)
        times = submissions.times_of(order)
        if refusal := _refusal(state, order):
            if may_be_under_way(times, at=at):
                raise _in_flight(order)
            await self._end(order, OrderStatus.DENIED, refusal, at)
            return None
        if not may_be_sent(times, at=at):
            if order.sent_at is None:
                await self._end(order, OrderStatus.EXPIRED, UNSENT, at)
            return None
        if self._now is not None and may_be_under_way(times, at=at):
            raise _in_flight(order)
        cut = None if too_old else await self._cut(order, sellable, at)
        if cut is None:
            return None
        order = cut
        async with self._database.transaction() as session:
            before = await submissions.let_out(session, intent_id=order.intent_id, at=at)
            if before is not None and self._now is not None and may_be_under_way(before, at=at):
                raise _in_flight(order)  # another attempt was faster
        if before is None:
            return None
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
                    raise _in_flight(order) from error
                return found
            await self._end(order, OrderStatus.REJECTED, str(error), at)
            raise

    async def _adopt(self, order: Order, seen: BrokerOrder, as_of: datetime) -> OrderProgress:
        """Take over what the broker says, and cancel at once what may not be there while trading is halted or paused.

        While paused that is a purchase of which nobody had heard: one that was open before stays.
        """
        unheard = not order.broker_order_id
        progress = await self._record(order.intent_id, await self._verified(seen, order, as_of), as_of)
        if progress.closed:
            return progress
        async with self._database.transaction() as session:
            state = TradingState((await control.state(session)).state)
        refusal = _refusal(state, order)
        if not refusal or not (unheard or state is TradingState.HALTED):
            return progress
        working = await self._reread(order.intent_id)
        log.warning("forbidden_order_canceled", intent_id=order.intent_id, reason=refusal)
        try:
            await self._broker.cancel(working.broker_order_id)
        except VendorRejected as error:
            log.warning("cancel_refused", intent_id=order.intent_id, error=str(error))
            return progress
        now = await self._broker.find(order.client_order_id)
        return progress if now is None else await self._record(order.intent_id, now, as_of)

    async def _record(self, intent_id: str, seen: BrokerOrder, as_of: datetime) -> OrderProgress:
        """Book executions first, then the status, in one transaction; a final order must be fully booked."""
        chain = await chain_of(self._broker, seen)
        fills: list[BrokerFill] = []
        if any(each.filled_quantity > 0 for each in chain):
            for each in chain:
                fills += await self._broker.fills(each.broker_order_id, since=seen.submitted_at)
        whole = combined(chain, totals(fills))
        reported = sum((fill.quantity for fill in fills), Decimal(0))
        if reported != whole.filled_quantity:
            raise VendorUnavailable(
                "FILLS_INCOMPLETE",
                "The broker's activity list lags behind its order; it is asked again",
                client_order_id=seen.client_order_id,
                filled=whole.filled_quantity,
                listed=reported,
            )
        async with self._database.transaction() as session:
            await submissions.take_up_again(session, intent_id=intent_id)
            order = await book(session, intent_id=intent_id, seen=whole, fills=fills, at=as_of)
        return _progress(order)

    async def _verified(self, seen: BrokerOrder, order: Order, as_of: datetime) -> BrokerOrder:
        """An order under our id that is not ours is a collision: nothing is adopted, an operator must look.

        The quantity of an order that was replaced is its replacement's business, and a split changes that of an open
        one.
        """
        ours = (order.symbol, order.side, submissions.ticket_of(order).type)
        same = ours == (seen.symbol, seen.side.value, seen.type)
        replaced = bool(seen.replaced_by) or order.broker_order_id not in ("", seen.broker_order_id)
        if same and (replaced or seen.quantity == order.quantity or await self._split(seen, order, as_of)):
            return seen
        raise Conflict(
            "CLIENT_ORDER_ID_COLLISION",
            "Another program uses the same ids, or the book was restored from an older backup: reconcile by hand",
            client_order_id=order.client_order_id,
            ours=(*ours, order.quantity),
            broker=(seen.symbol, seen.side.value, seen.type, seen.quantity),
        )

    async def _split(self, seen: BrokerOrder, order: Order, as_of: datetime) -> bool:
        """Whether splits that came into force since the order was made explain its quantity."""
        made, now = (at.astimezone(NEW_YORK).date() for at in (order.created_at, self._at(as_of)))
        async with self._database.transaction() as session:
            actions = await market.actions_of(session, symbols=[order.symbol], first=made)
        ratios = [action.split_ratio for action in actions if made < action.ex_date <= now]
        expected = reduce(product, ratios, order.quantity)
        return expected.quantize(SHARE_UNIT, rounding=ROUND_FLOOR) == seen.quantity and bool(ratios)

    async def _missing(self, order: Order, as_of: datetime) -> OrderProgress:
        """The broker does not know the id. A post may still be under way, so nothing is sent again from here."""
        if OrderStatus(order.status).final or order.abandoned_at is not None:
            return _progress(order)
        at, times = self._at(as_of), submissions.times_of(order)
        if order.sent_at is None:
            if not may_be_sent(times, at=at):
                await self._end(order, OrderStatus.EXPIRED, UNSENT, at)
                return _progress(await self._reread(order.intent_id))
            return self._may_follow("it was not sent yet")
        async with self._database.transaction() as session:
            order = await submissions.note_missing(
                session, intent_id=order.intent_id, verdict=judge_missing(times, at=at), reason=GIVEN_UP, at=at
            )
        if OrderStatus(order.status).final or order.abandoned_at is not None:
            return _progress(order)
        unknown = "the broker does not know the order yet"
        if may_be_sent(times, at=at) and not may_be_under_way(times, at=at):
            return self._may_follow(unknown)
        return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=unknown)

    def _may_follow(self, reason: str) -> OrderProgress:
        """Nothing of the order is at the broker or on its way; where time is told, the next step sends it."""
        if self._now is None:
            return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=reason)
        return _to_send(reason)

    async def _not_replaced(self, change: OrderChange, reason: str, request: ReplaceRequest) -> ReplaceReport:
        async with self._database.transaction() as session:
            await submissions.end_replacement(
                session, client_order_id=change.client_order_id, status=submissions.REFUSED, reason=reason
            )
        progress = await self.sync(SyncRequest(intent_id=request.intent_id, as_of=request.as_of))
        return ReplaceReport(replaced=False, reason=reason, progress=progress)

    async def _end(self, order: Order, status: OrderStatus, reason: str, at: datetime) -> None:
        async with self._database.transaction() as session:
            await orders.set_order_status(session, intent_id=order.intent_id, status=status, reason=reason, at=at)

    async def _reread(self, intent_id: str) -> Order:
        async with self._database.transaction() as session:
            return await orders.require_order(session, intent_id)

    def _at(self, as_of: datetime) -> datetime:
        return as_of if self._now is None else self._now()


def _to_send(reason: str) -> OrderProgress:
    return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=reason, to_send=True)


def _in_flight(order: Order) -> VendorUnavailable:
    return VendorUnavailable(
        "ORDER_MAY_BE_IN_FLIGHT",
        "An earlier attempt may still arrive: the order is looked up again",
        client_order_id=order.client_order_id,
    )


def _refusal(state: TradingState, order: Order) -> str:
    if state is TradingState.HALTED:
        return "TRADING_HALTED: nothing may be sent; `stonks resume` ends it"
    if state is TradingState.REDUCING and order.side == Side.BUY.value:
        return "TRADING_PAUSED: nothing may be opened; `stonks resume` ends it"
    return ""


def _change(request: ReplaceRequest) -> OrderChange:
    """The change without its id, which only the book can give."""
    return OrderChange(
        client_order_id="",
        quantity=request.quantity,
        limit_price=request.limit_price,
        stop_price=request.stop_price,
        trail=request.trail,
    )


def _progress(order: Order) -> OrderProgress:
    abandoned = order.abandoned_at is not None and not OrderStatus(order.status).final
    return OrderProgress(
        status=ABANDONED if abandoned else order.status,
        filled_quantity=str(order.filled_quantity),
        filled_average_price="" if order.filled_average_price is None else str(order.filled_average_price),
        closed=OrderStatus(order.status).final or abandoned,
        reason=order.reason,
    )


def _order_hash(intent: OrderIntentRow, quantity: Decimal) -> str:
    return order_hash(
        symbol=intent.symbol,
        side=intent.side,
        quantity=str(quantity.normalize()),
        reference_price=str(intent.reference_price.normalize()),
        recommendation_id=intent.recommendation_id,
    )
