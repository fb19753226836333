"""The broker as the platform sees it: an order ticket out; orders, fills and the account back."""

from __future__ import annotations

from decimal import Decimal

from domain.decisions import Side
from domain.model import Model, Utc
from domain.portfolio import OrderStatus


class OrderTicket(Model):
    """An order as it is sent. The client order id is the key of every attempt."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    time_in_force: str = "day"


class BrokerOrder(Model):
    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    status: OrderStatus
    filled_quantity: Decimal
    filled_average_price: Decimal | None = None
    submitted_at: Utc
    reason: str = ""


class BrokerFill(Model):
    """One execution as the broker's activity list has it."""

    execution_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    filled_at: Utc


class BrokerPosition(Model):
    symbol: str
    quantity: Decimal
    average_price: Decimal


class BrokerAccount(Model):
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
