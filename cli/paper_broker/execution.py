"""What happens to an order in the book: every change writes order, cash, position, activity and outbox together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from cli.paper_broker import answers
from cli.paper_broker.amounts import SHARE, divide, micros, slipped, value_of
from cli.paper_broker.book import derived_id
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.lifecycle import OrderEvent, OrderStatus, transition
from cli.paper_broker.matching import Range, Verdict, at_price, in_range, trailed
from cli.paper_broker.records import Activity, MarketState, Order, OrderClass, OrderType, Position, Side, Split
from cli.paper_broker.settings import BrokerSettings
from cli.paper_broker.valuation import standing


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs: slippage in hundredths of a percent, fees in millionths of a dollar a share."""

    slippage_bps: Decimal
    fee_per_share: int

    @classmethod
    def of(cls, settings: BrokerSettings) -> Costs:
        return cls(settings.slippage_bps, micros(settings.fee_per_share))


class Desk:
    """Carries out what was decided on orders, at one instant of the market."""

    def __init__(self, ledger: Ledger, market: MarketState, costs: Costs) -> None:
        self.ledger = ledger
        self.market = market
        self._costs = costs
        self.executions = 0

    @property
    def _now(self) -> datetime:
        return self.market.now

    def open_orders(self, symbol: str | None = None) -> Iterator[Order]:
        """Open orders as they are when their turn comes, stop losses first.

        Left out are those that ended since the walk began, and legs that came to life in it: what let them live lies
        in the same price or bar, which does not tell what came after.
        """
        listed = self.ledger.open_orders(symbol)
        for order in sorted(listed, key=lambda order: order.status is not OrderStatus.HELD):
            found = self.ledger.order(order.id)
            assert found is not None
            if not found.closed and (order.status is not OrderStatus.HELD or found.status is OrderStatus.HELD):
                yield found

    def admit(self, order: Order, event: OrderEvent) -> Order:
        """Take a new order into the book: accepted (market closed), pending (market open), or held as a leg."""
        admitted = self.ledger.add_order(replace(order, status=transition(None, event)))
        self._announce(event, admitted)
        return admitted

    def release(self, order: Order) -> Order:
        """Let a waiting order work."""
        return self._move(order, OrderEvent.NEW)

    def cancel(self, order: Order, reason: str = "") -> Order:
        """Cancel an order and whatever is open of its group."""
        return self._finish_group(self._finish(order, OrderEvent.CANCELED, reason))

    def expire(self, order: Order) -> Order:
        return self._finish_group(self._finish(order, OrderEvent.EXPIRED, ""))

    def reject(self, order: Order, reason: str) -> Order:
        return self._finish_group(self._finish(order, OrderEvent.REJECTED, reason))

    def supersede(self, order: Order, replacement: Order) -> Order:
        """End an order in favour of another one, to which its legs pass."""
        self.ledger.adopt_legs(old_parent=order.id, new_parent=replacement.id)
        ended = replace(order, replaced_by=replacement.id, replaced_at=self._now)
        return self._move(ended, OrderEvent.REPLACED)

    def adjust(self, order: Order, reason: str) -> Order:
        """Save a change of quantity or price."""
        return self._move(replace(order, reason=reason), OrderEvent.ADJUSTED)

    def meet_price(self, order: Order, price: int) -> Order:
        """Let an order meet one price: the open, the close, or the latest trade."""
        order = self._trailed(order, price)
        return self.settle(order, at_price(order, price))

    def meet_bar(self, order: Order, bar: Range) -> Order:
        """Let a resting order meet a whole session's range.

        A trailing stop is first asked with the stop it had; then the bar's best price moves the stop, and a close
        beyond that was reached after the best price, so the stop was passed on the way.
        """
        met = self.settle(order, in_range(order, bar))
        if met.closed or met.type is not OrderType.TRAILING_STOP:
            return met
        met = self._trailed(met, bar.high if met.side is Side.SELL else bar.low)
        passed = at_price(met, bar.close)
        return self.settle(met, replace(passed, price=met.stop_price) if passed.triggered else passed)

    def _trailed(self, order: Order, price: int) -> Order:
        moved_stop = trailed(order, price)
        if moved_stop is not order:
            self.ledger.save_order(moved_stop)
        return moved_stop

    def settle(self, order: Order, verdict: Verdict) -> Order:
        """Act on a verdict: remember a reached stop, fill what can be filled."""
        if order.status is OrderStatus.HELD:
            if not verdict.triggered or not self._exits_work(order):
                return order
            self._end_others(order, "the other exit was reached")
            order = self.release(order)
        if verdict.triggered and not order.triggered:
            order = replace(order, triggered=True)
            self.ledger.save_order(order)
        if verdict.price is None:
            return order
        price = verdict.price
        if verdict.slips and self._costs.slippage_bps:
            price = slipped(price, buy=order.side is Side.BUY, basis_points=self._costs.slippage_bps)
        return self._fill(order, max(price, 1))

    # groups: an order and its legs

    def _group(self, order: Order) -> list[Order]:
        """The open orders of the same group, without the order itself."""
        if order.order_class in ("", OrderClass.SIMPLE):
            return []
        head = order.parent_id or order.id
        members = [self.ledger.order(head), *self.ledger.legs(head)]
        return [member for member in members if member and member.id != order.id and not member.closed]

    def _exits_work(self, leg: Order) -> bool:
        """Whether a held leg may act: its entry is filled, or the exit it hangs on works."""
        head = self.ledger.order(leg.parent_id or "")
        if head is None:
            return False
        if head.leads_exits:
            return head.status is OrderStatus.FILLED
        return head.status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)

    def _finish(self, order: Order, event: OrderEvent, reason: str) -> Order:
        """End an order that is not filled."""
        ended = replace(
            order,
            reason=reason,
            canceled_at=self._now if event is OrderEvent.CANCELED else None,
            expired_at=self._now if event is OrderEvent.EXPIRED else None,
            failed_at=self._now if event is OrderEvent.REJECTED else None,
        )
        return self._move(ended, event)

    def _finish_group(self, order: Order) -> Order:
        """End what is open of a group of which one order ended: it expires with it, or is canceled."""
        event = OrderEvent.EXPIRED if order.status is OrderStatus.EXPIRED else OrderEvent.CANCELED
        for member in self._group(order):
            self._finish(member, event, order.reason)
        return order

    def _end_others(self, order: Order, reason: str) -> None:
        for member in self._group(order):
            self._finish(member, OrderEvent.CANCELED, reason)

    def _after_execution(self, order: Order) -> None:
        """An entry's fill lets its exits work; an exit's fill ends the other exit or leaves it the rest."""
        if order.leads_exits:
            if order.status is OrderStatus.FILLED:
                self._start_exits(order)
        elif order.status is OrderStatus.FILLED:
            self._end_others(order, "the other exit was filled")
        else:
            for member in self._group(order):
                self.adjust(replace(member, quantity=order.remaining(None)), "the other exit was filled in part")

    def _start_exits(self, entry: Order) -> None:
        """Let the take profit work, or the stop loss where it is alone; beside a take profit it stays held."""
        legs = [
            replace(leg, expires_at=entry.expires_at)
            for leg in self.ledger.legs(entry.id)
            if leg.status is OrderStatus.HELD
        ]
        if not legs:
            return
        first = min(legs, key=lambda leg: leg.type is not OrderType.LIMIT)
        for leg in legs:
            self.ledger.save_order(leg)
        if self._fillable(first, entry.average_price() or 0) < first.remaining(None):
            self.cancel(first, "insufficient qty available for order")
        else:
            self.release(first)

    # executions

    def _fill(self, order: Order, price: int) -> Order:
        quantity = self._fillable(order, price)
        if quantity <= 0:
            return order
        if order.reserve_price is None and order.opening and not self._affordable(order, price, quantity):
            return self.reject(order, "insufficient buying power")
        first = _first_part(order, quantity)
        if first == quantity:
            return self._execute(order, quantity, price, last=True)
        halfway = self._execute(order, first, price, last=False)
        if order.split is Split.LATER:
            halfway = replace(halfway, split=Split.NONE)
            self.ledger.save_order(halfway)
            return halfway
        return self._execute(halfway, quantity - first, price, last=True)

    def _fillable(self, order: Order, price: int) -> int:
        quantity = order.remaining(price)
        if order.opening:
            return quantity
        position = self.ledger.position(order.symbol)
        others = sum(other.held() for other in self.ledger.open_orders(order.symbol) if other.id != order.id)
        return min(quantity, abs(position.quantity) - others if position else 0)

    def _affordable(self, order: Order, price: int, quantity: int) -> bool:
        value = value_of(price, quantity)
        cost = (value if order.side is Side.BUY else divide(value, 2)) + value_of(self._costs.fee_per_share, quantity)
        available = standing(self.ledger, fee_per_share=self._costs.fee_per_share, without=order.id).buying_power
        return cost <= available

    def _execute(self, order: Order, quantity: int, price: int, *, last: bool) -> Order:
        event = OrderEvent.FILL if last else OrderEvent.PARTIAL_FILL
        value = value_of(price, quantity)
        filled = replace(
            order,
            filled_quantity=order.filled_quantity + quantity,
            filled_value=order.filled_value + value,
            executions=order.executions + 1,
            filled_at=self._now if last else order.filled_at,
            status=transition(order.status, event),
            updated_at=self._now,
        )
        self.ledger.save_order(filled)
        execution_id = derived_id("execution", order.id, filled.executions)
        self.ledger.add_activity(
            Activity(
                id=execution_id,
                kind="FILL",
                at=self._now,
                session=self.market.session,
                symbol=order.symbol,
                quantity=order.side.sign * quantity,
                cash=-order.side.sign * value,
                price=price,
                order_id=order.id,
                cumulative=filled.filled_quantity,
                leaves=0 if last else filled.remaining(price),
                order_status=filled.status,
            )
        )
        self.ledger.add_cash(-order.side.sign * value)
        self._charge(order, quantity, execution_id)
        held = self.ledger.position(order.symbol) or Position(order.symbol, 0, 0, 0)
        self.ledger.put_position(moved(held, order.side.sign * quantity, order.side.sign * value))
        self._announce(event, filled, execution_id, quantity=quantity, price=price)
        self.executions += 1
        self._after_execution(filled)
        return filled

    def _charge(self, order: Order, quantity: int, execution_id: str) -> None:
        fee = value_of(self._costs.fee_per_share, quantity)
        if not fee:
            return
        self.ledger.add_cash(-fee)
        self.ledger.add_activity(
            Activity(
                id=derived_id("fee", execution_id),
                kind="FEE",
                at=self._now,
                session=self.market.session,
                symbol=order.symbol,
                quantity=0,
                cash=-fee,
                order_id=order.id,
            )
        )

    def _move(self, order: Order, event: OrderEvent) -> Order:
        moved_order = replace(order, status=transition(order.status, event), updated_at=self._now)
        self.ledger.save_order(moved_order)
        self._announce(event, moved_order)
        return moved_order

    def _announce(
        self,
        event: OrderEvent,
        order: Order,
        execution_id: str | None = None,
        *,
        quantity: int = 0,
        price: int | None = None,
    ) -> None:
        payload = answers.trade_update(
            self.ledger, event, order, at=self._now, execution_id=execution_id, quantity=quantity, price=price
        )
        self.ledger.announce(
            event,
            order,
            at=self._now,
            message=order.reason,
            execution_id=execution_id,
            payload=json.dumps(payload, separators=(",", ":")),
        )


def moved(position: Position, quantity: int, value: int) -> Position:
    """Add a signed execution to a position.

    Adding to it adds the value to the cost; reducing it takes the cost off in proportion; crossing zero closes it and
    opens the other side with the rest.
    """
    after = position.quantity + quantity
    if position.quantity * quantity >= 0:
        return replace(position, quantity=after, cost=position.cost + value, day_cost=position.day_cost + value)
    if position.quantity * after >= 0:
        return replace(
            position,
            quantity=after,
            cost=divide(position.cost * after, position.quantity),
            day_cost=divide(position.day_cost * after, position.quantity),
        )
    rest = divide(value * after, quantity)
    return replace(position, quantity=after, cost=rest, day_cost=rest)


def splits_in_phase(client_order_id: str, share: Decimal) -> bool:
    """Choose a share of orders by the client's id alone, so that a repeated run on another account chooses the same."""
    return int(sha256(client_order_id.encode()).hexdigest()[:8], 16) < share * 2**32


def _first_part(order: Order, quantity: int) -> int:
    if order.split is Split.NONE or order.executions:
        return quantity
    whole = quantity % SHARE == 0
    half = quantity // SHARE // 2 * SHARE if whole else quantity // 2
    return half or quantity
