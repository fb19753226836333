"""The broker as the platform sees it: an order ticket out; orders, executions, positions and the account back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import model_validator

from domain.decisions import Side
from domain.errors import InvalidInput
from domain.model import Model, Utc
from domain.portfolio import OrderStatus

MAX_CLIENT_ORDER_ID = 128
SHARE_PLACES = 9
"""Decimal places of a quantity."""
FOREIGN_MARK = "::"
"""Between the time and the execution's own id in the vendor's activity ids."""


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    """At the opening auction."""
    CLS = "cls"
    """At the closing auction."""
    IOC = "ioc"


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    """An entry with both exits, which wait until it is filled."""
    OCO = "oco"
    """Two exits, of which the first that fills cancels the other."""
    OTO = "oto"
    """An entry with one exit."""


class StopLoss(Model):
    stop_price: Decimal
    limit_price: Decimal | None = None


class OrderTicket(Model):
    """An order as it is sent. The client order id is the key of every attempt.

    Checked as far as the terms themselves allow; what depends on the account is for the broker to say.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal | None = None
    notional: Decimal | None = None
    """Dollars, in place of a quantity."""
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    """Dollars below the highest price seen (above the lowest for a buy)."""
    trail_percent: Decimal | None = None
    """As `trail_price`, in percent: 1 is one percent."""
    extended_hours: bool = False
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit: Decimal | None = None
    """The limit price of the exit with a profit."""
    stop_loss: StopLoss | None = None

    @model_validator(mode="after")
    def _consistent(self) -> OrderTicket:
        for check in _TICKET_CHECKS:
            check(self)
        return self

    @property
    def fractional(self) -> bool:
        return self.quantity is None or self.quantity != self.quantity.to_integral_value()


class OrderChange(Model):
    """New terms of an order at the broker. What is None stays; the id is the new order's, `<id>-r<n>`."""

    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None


class BrokerOrder(Model):
    broker_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    """Shares; 0 for an order by amount."""
    status: OrderStatus
    filled_quantity: Decimal
    filled_average_price: Decimal | None = None
    submitted_at: Utc
    reason: str = ""
    notional: Decimal | None = None
    type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    replaces: str = ""
    replaced_by: str = ""
    """The broker's id of the order that took this one's place: whoever follows this one follows that."""
    legs: tuple[BrokerOrder, ...] = ()


class BrokerFill(Model):
    """One execution as the broker's activity list has it."""

    execution_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    filled_at: Utc


class BrokerActivity(Model):
    """A change of cash or position that is no execution: a dividend, a fee, a transfer, a split.

    `net_amount` is in dollars and signed, `quantity` in shares and signed. The day is the vendor's; when it was
    entered may be later.
    """

    activity_id: str
    kind: str
    """The vendor's code: DIV, FEE, CSD, JNLC, SPLIT..."""
    day: date
    symbol: str = ""
    quantity: Decimal = Decimal(0)
    net_amount: Decimal = Decimal(0)
    per_share: Decimal | None = None
    canceled: bool = False


class BrokerPosition(Model):
    symbol: str
    quantity: Decimal
    """Signed: negative when short."""
    average_price: Decimal
    current_price: Decimal | None = None
    available: Decimal | None = None
    """Shares that no open order holds."""


class BrokerAccount(Model):
    cash: Decimal
    equity: Decimal
    buying_power: Decimal
    status: str = "ACTIVE"
    trading_blocked: bool = False
    account_blocked: bool = False
    suspended_by_user: bool = False
    shorting_enabled: bool = False
    last_equity: Decimal | None = None
    accrued_fees: Decimal = Decimal(0)
    """Dollars that were incurred and not yet taken from the cash."""

    @property
    def may_trade(self) -> bool:
        return self.status == "ACTIVE" and not (self.trading_blocked or self.account_blocked or self.suspended_by_user)


class BrokerAsset(Model):
    symbol: str
    active: bool
    tradable: bool
    fractionable: bool
    shortable: bool


class MarketClock(Model):
    at: Utc
    is_open: bool
    next_open: Utc
    next_close: Utc


class MarketDay(Model):
    """A session as the broker's calendar has it."""

    day: date
    opens_at: Utc
    closes_at: Utc


class EquityPoint(Model):
    at: Utc
    equity: Decimal
    profit_loss: Decimal


class Snapshot(Model):
    """The newest prices of a symbol. None where nothing is known."""

    symbol: str
    last: Decimal | None = None
    last_at: Utc | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    close: Decimal | None = None
    """Of the session under way, so far."""
    previous_close: Decimal | None = None


class OrderUpdate(Model):
    """What the broker's stream said about an order. A hint to ask, never booked: REST is the truth."""

    event: str
    client_order_id: str
    broker_order_id: str
    execution_id: str = ""
    at: Utc


def execution_key(execution_id: str) -> str:
    """The part of an execution's id that activity list and stream share."""
    return execution_id.rpartition(FOREIGN_MARK)[2]


def replacement_id(client_order_id: str, number: int) -> str:
    """The id of an order's n-th replacement, the first being 1."""
    return f"{client_order_id}-r{number}"


def root_id(client_order_id: str) -> str:
    """The id an order was first sent under, whichever of its replacements is asked about."""
    root, mark, number = client_order_id.rpartition("-r")
    return root if mark and number.isdecimal() else client_order_id


def price_places(price: Decimal) -> int:
    """Decimal places that an order's price may have: cents from a dollar on, hundredths of a cent below."""
    return 2 if price >= 1 else 4


def _refuse(ticket: OrderTicket, field: str, allowed: str) -> InvalidInput:
    found: Any = getattr(ticket, field)
    return InvalidInput(
        "ORDER_TERMS_INVALID", "The order was not sent", symbol=ticket.symbol, field=field, found=found, allowed=allowed
    )


def _identified(ticket: OrderTicket) -> None:
    if not 0 < len(ticket.client_order_id) <= MAX_CLIENT_ORDER_ID:
        raise _refuse(ticket, "client_order_id", f"1 to {MAX_CLIENT_ORDER_ID} characters")


def _sized(ticket: OrderTicket) -> None:
    if (ticket.quantity is None) == (ticket.notional is None):
        raise _refuse(ticket, "quantity", "either shares or, as notional, dollars")
    if ticket.quantity is not None and not _fits(ticket.quantity, SHARE_PLACES):
        raise _refuse(ticket, "quantity", f"positive, {SHARE_PLACES} decimal places")
    if ticket.notional is not None and not _fits(ticket.notional, 2):
        raise _refuse(ticket, "notional", "positive, whole cents")


def _priced(ticket: OrderTicket) -> None:
    kind, oco = ticket.type, ticket.order_class is OrderClass.OCO
    needs = {
        "limit_price": kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) and not oco,
        "stop_price": kind in (OrderType.STOP, OrderType.STOP_LIMIT),
    }
    for field, needed in needs.items():
        if (getattr(ticket, field) is not None) != needed:
            raise _refuse(ticket, field, f"{'a price' if needed else 'none'} for a {kind} order")
    trails = [each for each in (ticket.trail_price, ticket.trail_percent) if each is not None]
    if len(trails) != (kind is OrderType.TRAILING_STOP) or any(each <= 0 for each in trails):
        raise _refuse(ticket, "trail_price", "a trailing stop has a trail in dollars or in percent, others none")
    for field in ("limit_price", "stop_price", "take_profit"):
        price = getattr(ticket, field)
        if price is not None and not _fits(price, price_places(price)):
            raise _refuse(ticket, field, "positive, 2 decimal places, 4 below one dollar")


def _in_force(ticket: OrderTicket) -> None:
    if ticket.fractional and (
        ticket.time_in_force is not TimeInForce.DAY or ticket.order_class is not OrderClass.SIMPLE
    ):
        raise _refuse(ticket, "quantity", "parts of a share and amounts only in simple DAY orders")
    if ticket.time_in_force in (TimeInForce.OPG, TimeInForce.CLS) and ticket.type not in (
        OrderType.MARKET,
        OrderType.LIMIT,
    ):
        raise _refuse(ticket, "time_in_force", f"day, gtc or ioc for a {ticket.type} order")
    if ticket.extended_hours and not (
        ticket.type is OrderType.LIMIT and ticket.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    ):
        raise _refuse(ticket, "extended_hours", "only DAY or GTC limit orders")


def _classed(ticket: OrderTicket) -> None:
    exits = (ticket.take_profit is not None) + (ticket.stop_loss is not None)
    wanted = {OrderClass.SIMPLE: 0, OrderClass.OTO: 1, OrderClass.BRACKET: 2, OrderClass.OCO: 2}[ticket.order_class]
    if exits != wanted:
        raise _refuse(ticket, "order_class", f"{wanted} of take_profit and stop_loss with {ticket.order_class}")
    if ticket.order_class is OrderClass.OCO and ticket.type is not OrderType.LIMIT:
        raise _refuse(ticket, "type", "limit: the exit with a profit")
    if wanted and ticket.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        raise _refuse(ticket, "time_in_force", f"day or gtc with {ticket.order_class}")


def _fits(amount: Decimal, places: int) -> bool:
    return amount > 0 and amount == round(amount, places)


_TICKET_CHECKS = (_identified, _sized, _priced, _in_force, _classed)
