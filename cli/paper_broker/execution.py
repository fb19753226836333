"""What happens to an order in the book: every change writes order, cash, position, activity and outbox together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256

from cli.paper_broker.amounts import SHARE, divide, micros, slipped, value_of
from cli.paper_broker.book import derived_id
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.lifecycle import OrderEvent, transition
from cli.paper_broker.matching import Verdict
from cli.paper_broker.records import Activity, MarketState, Order, Position, Side, Split
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

    def admit(self, order: Order, event: OrderEvent) -> Order:
        """Take a new order into the book, as accepted (market closed) or pending (market open)."""
        admitted = self.ledger.add_order(replace(order, status=transition(None, event)))
        self._announce(event, admitted)
        return admitted

    def release(self, order: Order) -> Order:
        """Let a waiting order work."""
        return self._move(order, OrderEvent.NEW)

    def cancel(self, order: Order, reason: str = "") -> Order:
        return self._move(replace(order, canceled_at=self._now, reason=reason), OrderEvent.CANCELED)

    def expire(self, order: Order) -> Order:
        return self._move(replace(order, expired_at=self._now), OrderEvent.EXPIRED)

    def reject(self, order: Order, reason: str) -> Order:
        return self._move(replace(order, failed_at=self._now, reason=reason), OrderEvent.REJECTED)

    def adjust(self, order: Order, reason: str) -> Order:
        """Save what a corporate action changed."""
        return self._move(replace(order, reason=reason), OrderEvent.ADJUSTED)

    def settle(self, order: Order, verdict: Verdict) -> Order:
        """Act on a verdict: remember a reached stop, fill what can be filled."""
        if verdict.triggered and not order.triggered:
            order = replace(order, triggered=True)
            self.ledger.save_order(order)
        if verdict.price is None:
            return order
        price = verdict.price
        if verdict.slips and self._costs.slippage_bps:
            price = slipped(price, buy=order.side is Side.BUY, basis_points=self._costs.slippage_bps)
        return self._fill(order, max(price, 1))

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
        self._announce(event, filled, execution_id)
        self.executions += 1
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

    def _announce(self, event: OrderEvent, order: Order, execution_id: str | None = None) -> None:
        self.ledger.announce(event, order, at=self._now, message=order.reason, execution_id=execution_id)


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
