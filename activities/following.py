"""Following an order: what the broker says of it is verified, booked, and canceled where it may not be there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from functools import reduce
from zoneinfo import ZoneInfo

import structlog

from activities.booking import book, chain_of
from activities.ports import Broker
from domain.broker import BrokerFill, BrokerOrder
from domain.decisions import Side, TradingState
from domain.errors import Conflict, VendorRejected, VendorUnavailable
from domain.portfolio import SHARE_UNIT, OrderStatus, product
from domain.reconciliation import totals
from domain.submission import combined, judge_missing, may_be_sent, may_be_under_way
from domain.trading import OrderProgress
from store import control, market, orders, submissions
from store.database import Database
from store.tables.trading import Order

log = structlog.get_logger(__name__)

NEW_YORK = ZoneInfo("America/New_York")
GIVEN_UP = "the broker never saw this order"
UNSENT = "it could not be sent within its time to live, or before its session ended"
ABANDONED = "abandoned"
"""How an intent ends whose order was given up; the order itself stays unknown."""


class OrderFollowing:
    """What sending, changing and reading back an order have in common.

    `now` is the clock that tells how long an order is under way; None where time is told (a replay): the request's
    instant counts, and nothing is too late or waited for.
    """

    def __init__(self, database: Database, broker: Broker, *, now: Callable[[], datetime] | None) -> None:
        self._database = database
        self._broker = broker
        self._now = now

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
        refusal = refusal_of(state, order)
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
        return progress_of(order)

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
            return progress_of(order)
        at, times = self._at(as_of), submissions.times_of(order)
        if order.sent_at is None:
            if not may_be_sent(times, at=at):
                await self._end(order, OrderStatus.EXPIRED, UNSENT, at)
                return progress_of(await self._reread(order.intent_id))
            return self._may_follow("it was not sent yet")
        async with self._database.transaction() as session:
            order = await submissions.note_missing(
                session, intent_id=order.intent_id, verdict=judge_missing(times, at=at), reason=GIVEN_UP, at=at
            )
        if OrderStatus(order.status).final or order.abandoned_at is not None:
            return progress_of(order)
        unknown = "the broker does not know the order yet"
        if may_be_sent(times, at=at) and not may_be_under_way(times, at=at):
            return self._may_follow(unknown)
        return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=unknown)

    def _may_follow(self, reason: str) -> OrderProgress:
        """Nothing of the order is at the broker or on its way; where time is told, the next step sends it."""
        if self._now is None:
            return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=reason)
        return to_send(reason)

    async def _end(self, order: Order, status: OrderStatus, reason: str, at: datetime) -> None:
        async with self._database.transaction() as session:
            await orders.set_order_status(session, intent_id=order.intent_id, status=status, reason=reason, at=at)

    async def _reread(self, intent_id: str) -> Order:
        async with self._database.transaction() as session:
            return await orders.require_order(session, intent_id)

    def _at(self, as_of: datetime) -> datetime:
        return as_of if self._now is None else self._now()


def to_send(reason: str) -> OrderProgress:
    return OrderProgress(status=OrderStatus.UNKNOWN.value, reason=reason, to_send=True)


def in_flight(order: Order) -> VendorUnavailable:
    return VendorUnavailable(
        "ORDER_MAY_BE_IN_FLIGHT",
        "An earlier attempt may still arrive: the order is looked up again",
        client_order_id=order.client_order_id,
    )


def refusal_of(state: TradingState, order: Order) -> str:
    if state is TradingState.HALTED:
        return "TRADING_HALTED: nothing may be sent; `stonks resume` ends it"
    if state is TradingState.REDUCING and order.side == Side.BUY.value:
        return "TRADING_PAUSED: nothing may be opened; `stonks resume` ends it"
    return ""


def progress_of(order: Order) -> OrderProgress:
    abandoned = order.abandoned_at is not None and not OrderStatus(order.status).final
    return OrderProgress(
        status=ABANDONED if abandoned else order.status,
        filled_quantity=str(order.filled_quantity),
        filled_average_price="" if order.filled_average_price is None else str(order.filled_average_price),
        closed=OrderStatus(order.status).final or abandoned,
        reason=order.reason,
    )
