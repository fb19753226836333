"""A broker's account in miniature: our orders and somebody else's on one account, and a book that may lag behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from domain.broker import BrokerAccount, BrokerActivity, BrokerFill, BrokerOrder, BrokerPosition
from domain.decisions import Side
from domain.portfolio import OrderStatus
from domain.reconciliation import Book, BookFill, BookOrder, BrokerSide, Reconciled, signed
from domain.submission import SendingTimes

START = datetime(2026, 3, 2, 15, tzinfo=UTC)
OPENING = Decimal(100_000)
PREFIX = "so-paper-"


@dataclass
class World:
    """Everything that happened on the account, in order."""

    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    fills: list[BrokerFill] = field(default_factory=list)
    activities: list[BrokerActivity] = field(default_factory=list)
    cash: Decimal = OPENING
    held: dict[str, Decimal] = field(default_factory=dict)
    ours: dict[str, Decimal] = field(default_factory=dict)
    steps: int = 0

    def place(self, name: str, symbol: str, side: Side, quantity: int, *, foreign: bool = False) -> BrokerOrder:
        order = BrokerOrder(
            broker_order_id=f"b-{name}",
            client_order_id=f"mine-{name}" if foreign else f"{PREFIX}{name}",
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            status=OrderStatus.ACCEPTED,
            filled_quantity=Decimal(0),
            submitted_at=self._now(),
        )
        self.orders[order.broker_order_id] = order
        return order

    def fill(self, order: BrokerOrder, quantity: int, price: int) -> BrokerFill:
        fill = BrokerFill(
            execution_id=f"{self.steps:06d}::x{self.steps}",
            broker_order_id=order.broker_order_id,
            symbol=order.symbol,
            side=order.side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            filled_at=self._now(),
        )
        self.fills.append(fill)
        now = self.orders[order.broker_order_id]
        filled = now.filled_quantity + quantity
        status = OrderStatus.FILLED if filled == now.quantity else OrderStatus.PARTIALLY_FILLED
        self.orders[order.broker_order_id] = now.model_copy(
            update={"filled_quantity": filled, "filled_average_price": Decimal(price), "status": status}
        )
        moved = signed(order.side, Decimal(quantity))
        self.cash -= moved * price
        self.held[order.symbol] = self.held.get(order.symbol, Decimal(0)) + moved
        if order.client_order_id.startswith(PREFIX):
            self.ours[order.symbol] = self.ours.get(order.symbol, Decimal(0)) + moved
        return fill

    def end(self, order: BrokerOrder, status: OrderStatus) -> None:
        now = self.orders[order.broker_order_id]
        if not now.status.final:
            self.orders[order.broker_order_id] = now.model_copy(update={"status": status})

    def move_money(self, kind: str, amount: int) -> None:
        self.activities.append(
            BrokerActivity(
                activity_id=f"{self.steps:06d}::a{self.steps}",
                kind=kind,
                day=self._now().date(),
                net_amount=Decimal(amount),
            )
        )
        self.cash += amount

    def side(self, **changes: object) -> BrokerSide:
        values: dict[str, object] = {
            "orders": tuple(self.orders.values()),
            "fills": tuple(self.fills),
            "activities": tuple(self.activities),
            "positions": tuple(
                BrokerPosition(symbol=symbol, quantity=quantity, average_price=Decimal(1))
                for symbol, quantity in self.held.items()
                if quantity
            ),
            "account": BrokerAccount(cash=self.cash, equity=self.cash, buying_power=self.cash),
            "since": START - timedelta(days=1),
            "at": self._now(),
        }
        return BrokerSide.model_validate(values | changes)

    def book(self, *, known_fills: Iterable[BrokerFill] = (), **changes: object) -> Book:
        """Our side with every order of ours, of which these executions alone are booked."""
        fills = [fill for fill in known_fills if self._is_ours(fill)]
        orders, positions = [], dict[str, Decimal]()
        for order in self.orders.values():
            if not order.client_order_id.startswith(PREFIX):
                continue
            filled = sum((f.quantity for f in fills if f.broker_order_id == order.broker_order_id), Decimal(0))
            orders.append(book_order(order, filled))
        for fill in fills:
            positions[fill.symbol] = positions.get(fill.symbol, Decimal(0)) + signed(fill.side, fill.quantity)
        values: dict[str, object] = {
            "prefix": PREFIX,
            "orders": tuple(orders),
            "fills": tuple(
                BookFill(fill_id=f.execution_id, order_id=_order_id(f.broker_order_id), filled_at=f.filled_at)
                for f in fills
            ),
            "positions": {symbol: quantity for symbol, quantity in positions.items() if quantity},
        }
        return Book.model_validate(values | changes)

    def _is_ours(self, fill: BrokerFill) -> bool:
        return self.orders[fill.broker_order_id].client_order_id.startswith(PREFIX)

    def _now(self) -> datetime:
        self.steps += 1
        return START + timedelta(seconds=self.steps)


def book_order(order: BrokerOrder, filled: Decimal, **changes: object) -> BookOrder:
    status = OrderStatus.PENDING if not filled else OrderStatus.PARTIALLY_FILLED
    if filled and filled == order.quantity:
        status = OrderStatus.FILLED
    values: dict[str, object] = {
        "order_id": _order_id(order.broker_order_id),
        "intent_id": order.client_order_id.removeprefix(PREFIX),
        "client_order_id": order.client_order_id,
        "broker_order_id": order.broker_order_id if filled else "",
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "status": status,
        "filled_quantity": filled,
        "times": SendingTimes(expires_at=order.submitted_at + timedelta(minutes=30), sent_at=order.submitted_at),
    }
    return BookOrder.model_validate(values | changes)


def adopted(book: Book, result: Reconciled) -> Book:
    """The book after it took over what is proven: what the store does, on values."""
    plan = result.adoption
    positions = dict(book.positions)
    for each in plan.fills:
        positions[each.fill.symbol] = positions.get(each.fill.symbol, Decimal(0)) + signed(
            each.fill.side, each.fill.quantity
        )
    states = {each.intent_id: each.seen for each in plan.orders}
    given_up = {each.intent_id for each in plan.missing if each.abandoned}
    orders = [
        order.model_copy(
            update={
                "abandoned": order.intent_id in given_up or (order.abandoned and order.intent_id not in states),
                **(
                    {
                        "status": states[order.intent_id].status,
                        "filled_quantity": states[order.intent_id].filled_quantity,
                        "broker_order_id": states[order.intent_id].broker_order_id,
                    }
                    if order.intent_id in states
                    else {}
                ),
            }
        )
        for order in book.orders
    ]
    fills = [
        BookFill(fill_id=each.fill.execution_id, order_id=each.order_id, filled_at=each.fill.filled_at)
        for each in plan.fills
    ]
    return book.model_copy(
        update={
            "orders": tuple(orders),
            "fills": (*book.fills, *fills),
            "positions": {symbol: quantity for symbol, quantity in positions.items() if quantity},
            "foreign": {symbol: q for symbol, q in {**book.foreign, **plan.foreign}.items() if q},
            "seen": book.seen | {each.activity_id for each in plan.activities},
            "explained_cash": book.explained_cash + sum((each.cash for each in plan.activities), Decimal(0)),
            "opening_cash": plan.opening_cash,
        }
    )


def _order_id(broker_order_id: str) -> str:
    return f"o-{broker_order_id}"
