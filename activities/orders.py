"""Orders: risk, approval, submission that is effectively once, and the fills.

Submission. The order row with its client order id is committed before the broker hears of it. Every attempt first asks
the broker for that id and adopts what it finds; only then it posts, always under the same id. A post whose answer is
lost is repeated the same way, so two orders for one intent cannot arise, whoever dies when.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import structlog
from temporalio import activity

from activities.ports import Broker
from domain.broker import BrokerFill, BrokerOrder, OrderTicket
from domain.decisions import RiskOutcome, Side, TradingState
from domain.errors import Conflict, VendorRejected, VendorUnavailable
from domain.ids import approval_id, client_order_id, digest, order_hash
from domain.portfolio import Fill, OrderStatus
from domain.risk import decide_risk
from domain.trading import (
    ApprovalRecord,
    ApprovalRequest,
    ApprovalTicket,
    CloseRequest,
    OrderProgress,
    RiskRequest,
    RiskVerdict,
    SubmitRequest,
    SyncRequest,
)
from store import audit, config, control, orders, outbox, portfolio, recommendations
from store.database import Database
from store.tables.decisions import Approval, OrderIntentRow
from store.tables.trading import Order

log = structlog.get_logger(__name__)


class OrderActivities:
    """Everything between an intent and its final state. `mode` is part of every client order id."""

    def __init__(self, database: Database, broker: Broker, *, mode: str) -> None:
        self._database = database
        self._broker = broker
        self._mode = mode

    @activity.defn
    async def decide_risk(self, request: RiskRequest) -> RiskVerdict:
        """Judge an intent against every limit, with everything under way counted, and record check by check."""
        cash = (await self._broker.account()).cash
        async with self._database.transaction() as session:
            row = await orders.require_intent(session, request.intent_id)
            recommendation = await recommendations.require(session, row.recommendation_id)
            account = await portfolio.load(
                session, as_of=request.as_of, cash=cash, besides=row.intent_id, same_tick=row.as_of
            )
            decision = decide_risk(
                orders.to_domain(row),
                account,
                state=TradingState((await control.state(session)).state),
                conviction=recommendation.assessment.conviction,
                average_dollar_volume=recommendation.assessment.average_dollar_volume,
                config=await config.current(session),
                as_of=request.as_of,
            )
            await orders.save_risk_decision(session, decision)
        denial = ""
        if decision.denied:
            denial = "; ".join(
                f"{check.code}: value={check.value}, limit={check.limit}"
                for check in decision.checks
                if check.outcome is RiskOutcome.DENY
            )
        return RiskVerdict(
            decision_id=decision.decision_id,
            outcome=decision.outcome,
            allowed_quantity=str(decision.allowed_quantity),
            needs_approval=decision.needs_approval,
            approval_reason=decision.approval_reason,
            denial=denial,
        )

    @activity.defn
    async def request_approval(self, request: ApprovalRequest) -> ApprovalTicket:
        """Put the order into the inbox, bound to its hash."""
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, request.intent_id)
            decision = await orders.require_risk_decision(session, request.decision_id)
            policy = (await config.current(session)).approval
            approval = Approval(
                approval_id=approval_id(request.intent_id, request.decision_id),
                intent_id=request.intent_id,
                decision_id=request.decision_id,
                symbol=intent.symbol,
                side=intent.side,
                quantity=decision.allowed_quantity,
                notional=decision.allowed_quantity * intent.reference_price,
                reason=decision.approval_reason,
                order_hash=_order_hash(intent, decision.allowed_quantity),
                requested_at=request.as_of,
                expires_at=request.as_of + timedelta(seconds=policy.expires_after_seconds),
            )
            await orders.save_approval(session, approval)
            await outbox.publish(
                session,
                event_id=f"approval/{approval.approval_id}",
                event="approval_requested",
                subject_id=approval.approval_id,
                body={"symbol": intent.symbol, "side": intent.side, "reason": approval.reason},
                occurred_at=request.as_of,
            )
        return ApprovalTicket(
            approval_id=approval.approval_id, order_hash=approval.order_hash, expires_at=approval.expires_at
        )

    @activity.defn
    async def record_approval(self, record: ApprovalRecord) -> None:
        """Write the decision, the audit entry and the event in one transaction."""
        async with self._database.transaction() as session:
            changed = await orders.decide_approval(
                session,
                approval_id=record.approval_id,
                verdict=record.verdict,
                actor=record.actor,
                reason=record.reason,
                at=record.as_of,
            )
            if not changed:
                return
            await audit.append(
                session,
                key=f"approval/{record.approval_id}",
                actor=record.actor,
                action=f"approval_{record.verdict.value}",
                subject=record.approval_id,
                body={"reason": record.reason},
                recorded_at=record.as_of,
            )
            await outbox.publish(
                session,
                event_id=f"approval/{record.approval_id}/{record.verdict.value}",
                event=f"approval_{record.verdict.value}",
                subject_id=record.approval_id,
                body={"actor": record.actor, "reason": record.reason},
                occurred_at=record.as_of,
            )

    @activity.defn
    async def submit(self, request: SubmitRequest) -> OrderProgress:
        """Place the order effectively once; refuse while trading is paused (buys) or halted."""
        order = await self._prepare(request)
        if OrderStatus(order.status).final:
            return _progress(order)
        found = await self._broker.find(order.client_order_id)
        if found is None:
            async with control.sending(self._database) as state:
                if refusal := _refusal(state, order):
                    return await self._deny(order, refusal, request)
                try:
                    found = await self._broker.place(_ticket(order))
                except VendorRejected as error:
                    await self._reject(order, str(error), request)
                    raise
        return await self._record(request.intent_id, _verified(found, order), request)

    @activity.defn
    async def sync(self, request: SyncRequest) -> OrderProgress:
        """Read the order and its executions back from the broker and book what is new."""
        async with self._database.transaction() as session:
            order = await orders.order_of(session, request.intent_id)
        if order is None:
            return OrderProgress(status=OrderStatus.DENIED.value, closed=True, reason="never submitted")
        seen = await self._broker.find(order.client_order_id)
        if seen is None:
            return await self._missing(order, request)
        return await self._record(request.intent_id, _verified(seen, order), request)

    @activity.defn
    async def close_intent(self, request: CloseRequest) -> None:
        """End the intent; write the event that says how."""
        async with self._database.transaction() as session:
            if not await orders.close_intent(session, intent_id=request.intent_id, state=request.state):
                return
            intent = await orders.require_intent(session, request.intent_id)
            await outbox.publish(
                session,
                event_id=f"order/{request.intent_id}/{request.state}",
                event=f"order_{request.state}",
                subject_id=request.intent_id,
                body={"symbol": intent.symbol, "side": intent.side, "reason": request.reason},
                occurred_at=request.as_of,
            )

    async def _prepare(self, request: SubmitRequest) -> Order:
        """Commit the order row, with the id the broker will know it by, before anything is sent."""
        async with self._database.transaction() as session:
            known = await orders.order_of(session, request.intent_id)
            if known is not None:
                return known
            intent = await orders.require_intent(session, request.intent_id)
            decision = await orders.require_risk_decision(session, request.decision_id)
            order = Order(
                order_id=digest("order", request.intent_id),
                intent_id=request.intent_id,
                client_order_id=client_order_id(self._mode, request.intent_id),
                symbol=intent.symbol,
                side=intent.side,
                quantity=decision.allowed_quantity,
                status=OrderStatus.PENDING.value,
                filled_quantity=Decimal(0),
                body_hash=_order_hash(intent, decision.allowed_quantity),
                created_at=request.as_of,
            )
            await orders.save_order(session, order)
        return order

    async def _record(self, intent_id: str, seen: BrokerOrder, request: SubmitRequest | SyncRequest) -> OrderProgress:
        """Book executions first, then the status, in one transaction; a final order must be fully booked."""
        fills: list[BrokerFill] = []
        if seen.filled_quantity > 0:
            fills = await self._broker.fills(seen.broker_order_id, since=seen.submitted_at)
            reported = sum((fill.quantity for fill in fills), Decimal(0))
            if reported != seen.filled_quantity:
                raise VendorUnavailable(
                    "FILLS_INCOMPLETE",
                    "The broker's activity list lags behind its order; it is asked again",
                    client_order_id=seen.client_order_id,
                    filled=seen.filled_quantity,
                    listed=reported,
                )
        async with self._database.transaction() as session:
            order = await orders.record_broker_state(session, intent_id=intent_id, seen=seen, at=request.as_of)
            booked = await portfolio.book_fills(
                session,
                order_id=order.order_id,
                fills=[_fill(fill, intent_id) for fill in fills],
                booked_at=request.as_of,
            )
            if booked:
                await outbox.publish(
                    session,
                    event_id=f"fills/{order.order_id}/{order.filled_quantity}",
                    event="order_filled" if order.status == OrderStatus.FILLED.value else "order_partially_filled",
                    subject_id=order.order_id,
                    body={"symbol": order.symbol, "side": order.side, "filled": str(order.filled_quantity)},
                    occurred_at=request.as_of,
                )
        return _progress(order)

    async def _missing(self, order: Order, request: SyncRequest) -> OrderProgress:
        """The broker does not know the id. A post may still be under way, so nothing is sent again from here."""
        if OrderStatus(order.status).final:
            return _progress(order)
        if order.created_at + ABANDON_AFTER <= request.as_of:
            async with self._database.transaction() as session:
                await orders.set_order_status(
                    session,
                    intent_id=request.intent_id,
                    status=OrderStatus.REJECTED,
                    reason="the broker never saw this order",
                    at=request.as_of,
                )
            return OrderProgress(
                status=OrderStatus.REJECTED.value, closed=True, reason="the broker never saw this order"
            )
        return OrderProgress(status=OrderStatus.UNKNOWN.value, reason="the broker does not know the order yet")

    async def _deny(self, order: Order, reason: str, request: SubmitRequest) -> OrderProgress:
        async with self._database.transaction() as session:
            await orders.set_order_status(
                session, intent_id=order.intent_id, status=OrderStatus.DENIED, reason=reason, at=request.as_of
            )
        return OrderProgress(status=OrderStatus.DENIED.value, closed=True, reason=reason)

    async def _reject(self, order: Order, reason: str, request: SubmitRequest) -> None:
        async with self._database.transaction() as session:
            await orders.set_order_status(
                session, intent_id=order.intent_id, status=OrderStatus.REJECTED, reason=reason, at=request.as_of
            )


ABANDON_AFTER = timedelta(minutes=30)
"""An order the broker never saw is given up after this, far longer than any request can be under way."""


def _refusal(state: TradingState, order: Order) -> str:
    if state is TradingState.HALTED:
        return "TRADING_HALTED: nothing may be sent; `stonks resume` ends it"
    if state is TradingState.REDUCING and order.side == Side.BUY.value:
        return "TRADING_PAUSED: nothing may be opened; `stonks resume` ends it"
    return ""


def _ticket(order: Order) -> OrderTicket:
    return OrderTicket(
        client_order_id=order.client_order_id, symbol=order.symbol, side=Side(order.side), quantity=order.quantity
    )


def _verified(seen: BrokerOrder, order: Order) -> BrokerOrder:
    """An order under our id that is not ours is a collision: nothing is adopted, an operator must look."""
    ours = (order.symbol, order.side, order.quantity)
    theirs = (seen.symbol, seen.side.value, seen.quantity)
    if ours != theirs:
        raise Conflict(
            "CLIENT_ORDER_ID_COLLISION",
            "Another program uses the same ids, or the book was restored from an older backup: reconcile by hand",
            client_order_id=order.client_order_id,
            ours=ours,
            broker=theirs,
        )
    return seen


def _fill(fill: BrokerFill, intent_id: str) -> Fill:
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


def _progress(order: Order) -> OrderProgress:
    return OrderProgress(
        status=order.status,
        filled_quantity=str(order.filled_quantity),
        filled_average_price="" if order.filled_average_price is None else str(order.filled_average_price),
        closed=OrderStatus(order.status).final,
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
