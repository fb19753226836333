"""The rules an order must pass before it is taken into the book, in the order in which they are asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cli.paper_broker.amounts import CENT, DOLLAR, SHARE, divide, quantity_for, value_of
from cli.paper_broker.intake import Ticket
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.lifecycle import OrderStatus
from cli.paper_broker.records import Asset, MarketState, Order, OrderClass, OrderType, Side, TimeInForce
from cli.paper_broker.refusals import (
    Refusal,
    below_minimum,
    duplicate_client_id,
    exit_price,
    forbidden,
    insufficient_buying_power,
    insufficient_quantity,
    unprocessable,
    wash_trade,
)
from cli.paper_broker.settings import ClientIdScope
from cli.paper_broker.valuation import standing

_GROUPS = (OrderClass.BRACKET, OrderClass.OCO, OrderClass.OTO)


@dataclass(frozen=True, slots=True)
class Terms:
    """The part of the settings that decides whether an order is taken."""

    client_id_scope: ClientIdScope
    shorting: bool
    fractional_trading: bool
    fee_per_share: int


@dataclass(frozen=True, slots=True)
class Placement:
    """A ticket in front of the book. `price` values the order; None where nothing is known of the symbol's price."""

    ticket: Ticket
    asset: Asset
    held_quantity: int
    price: int | None
    open_orders: tuple[Order, ...]
    market: MarketState
    ledger: Ledger
    terms: Terms
    replaces: str = ""
    """The order that goes when this one comes: what it reserves is free again."""

    @property
    def quantity(self) -> int | None:
        """Shares asked for; None where an amount cannot be turned into shares yet."""
        if self.ticket.quantity is not None:
            return self.ticket.quantity
        if self.price is None or self.ticket.notional is None:
            return None
        return quantity_for(self.ticket.notional, self.price)

    @property
    def value(self) -> int | None:
        if self.ticket.notional is not None:
            return self.ticket.notional
        if self.price is None or self.ticket.quantity is None:
            return None
        return value_of(self.price, self.ticket.quantity)

    @property
    def intent(self) -> str:
        """What the order does to the position, as the vendor infers it."""
        if self.ticket.side is Side.BUY:
            return "buy_to_close" if self.held_quantity < 0 else "buy_to_open"
        return "sell_to_close" if self.held_quantity > 0 else "sell_to_open"

    @property
    def fractional(self) -> bool:
        return self.ticket.quantity is None or self.ticket.quantity % SHARE != 0


Rule = Callable[[Placement], Refusal | None]


def reject_duplicates(ledger: Ledger, client_order_id: str, scope: ClientIdScope) -> None:
    """Refuse an id that is taken. Asked first of all, so that a repeated submission always learns of its order."""
    earlier = ledger.orders_with_client_id(client_order_id) if client_order_id else []
    if any(scope is ClientIdScope.FOREVER or not order.closed for order in earlier):
        raise duplicate_client_id()


def trading_is_suspended(placement: Placement) -> Refusal | None:
    if placement.ledger.account().suspended:
        return forbidden("new orders are rejected by user request")
    return None


def order_class_fits(placement: Placement) -> Refusal | None:
    """A bracket or an entry with one exit opens a position, a pair of exits closes one; all are DAY or GTC."""
    ticket = placement.ticket
    if ticket.simple:
        given = ticket.take_profit is not None or ticket.stop_loss is not None
        return unprocessable("simple orders take no take_profit or stop_loss") if given else None
    if placement.fractional:
        return unprocessable("fractional orders must be simple orders")
    if ticket.order_class not in _GROUPS:
        return unprocessable(f"invalid order class: {ticket.order_class}")
    name = ticket.order_class
    if ticket.type is OrderType.TRAILING_STOP or (name == OrderClass.OCO and ticket.type is not OrderType.LIMIT):
        return unprocessable(f"invalid order type for {name} orders")
    if ticket.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return unprocessable(f"{name} orders must be DAY or GTC orders")
    if ticket.extended_hours:
        return unprocessable(f"{name} orders must not be extended hours orders")
    if name != OrderClass.OCO and not placement.intent.endswith("_to_open"):
        return unprocessable(f"{name} orders must be entry orders")
    if name == OrderClass.OCO and not placement.intent.endswith("_to_close"):
        return unprocessable("oco orders must be exit orders")
    return _exits_are_complete(ticket) or _exits_surround(placement)


def _exits_are_complete(ticket: Ticket) -> Refusal | None:
    profit, loss = ticket.take_profit is not None, ticket.stop_loss is not None
    if ticket.order_class == OrderClass.OTO:
        return None if profit != loss else unprocessable("oto orders require either take_profit or stop_loss")
    if not profit:
        return unprocessable(f"{ticket.order_class} orders require take_profit.limit_price")
    if not loss:
        return unprocessable(f"{ticket.order_class} orders require stop_loss.stop_price")
    return None


def _exits_surround(placement: Placement) -> Refusal | None:
    """The take profit lies a cent or more on the winning side of the price, the stop loss on the losing side."""
    ticket, loss = placement.ticket, placement.ticket.stop_loss
    exit_side = ticket.side if ticket.order_class == OrderClass.OCO else ticket.side.other
    selling = exit_side is Side.SELL
    up, down = (">=", "<=") if selling else ("<=", ">=")
    sign = 1 if selling else -1
    base = ticket.limit_price or ticket.stop_price or placement.price
    if ticket.order_class == OrderClass.OCO:
        base = ticket.limit_price
    elif base is not None and ticket.take_profit is not None and sign * (ticket.take_profit - base) < CENT:
        return exit_price("take_profit.limit_price", up, base)
    if loss is not None and base is not None and sign * (base - loss.stop_price) < CENT:
        return exit_price("stop_loss.stop_price", down, base)
    if loss is not None and loss.limit_price is not None and sign * (loss.stop_price - loss.limit_price) < 0:
        return unprocessable(f"stop_loss.limit_price must be {down} stop_loss.stop_price")
    return None


def fractions_are_allowed(placement: Placement) -> Refusal | None:
    if not placement.fractional:
        return None
    if not placement.terms.fractional_trading:
        return forbidden("account is not allowed to trade fractional shares")
    if not placement.asset.fractionable:
        return forbidden(f'asset "{placement.asset.symbol}" is not fractionable')
    if placement.ticket.time_in_force is not TimeInForce.DAY:
        return unprocessable("fractional orders must be DAY orders")
    if placement.ticket.type is OrderType.TRAILING_STOP:
        return unprocessable("fractional orders must not be trailing stop orders")
    if placement.intent == "sell_to_open" and placement.terms.shorting:
        return unprocessable("fractional orders cannot be sold short")
    return None


def extended_hours_fit(placement: Placement) -> Refusal | None:
    ticket = placement.ticket
    if not ticket.extended_hours:
        return None
    if ticket.type is OrderType.LIMIT and ticket.time_in_force in (TimeInForce.DAY, TimeInForce.GTC):
        return None
    return unprocessable("extended hours order must be DAY or GTC limit orders")


def auction_orders_fit(placement: Placement) -> Refusal | None:
    ticket = placement.ticket
    if ticket.time_in_force not in (TimeInForce.OPG, TimeInForce.CLS):
        return None
    if ticket.type not in (OrderType.MARKET, OrderType.LIMIT):
        return unprocessable(f"{ticket.time_in_force} orders must be market or limit orders")
    if ticket.time_in_force is TimeInForce.OPG and placement.market.is_open:
        return forbidden("opg orders must be submitted after 7:00pm and before 9:28am")
    return None


def trailing_stops_fit(placement: Placement) -> Refusal | None:
    ticket = placement.ticket
    if ticket.type is OrderType.TRAILING_STOP and ticket.time_in_force not in (TimeInForce.DAY, TimeInForce.GTC):
        return unprocessable("trailing stop orders must be DAY or GTC orders")
    return None


def intent_matches(placement: Placement) -> Refusal | None:
    specified = placement.ticket.position_intent
    if specified and specified != placement.intent:
        return unprocessable(f"position intent mismatch, inferred: {placement.intent}, specified: {specified}")
    return None


def order_is_large_enough(placement: Placement) -> Refusal | None:
    """At least one dollar; a sale by shares may be smaller, so that any remainder can be sold."""
    by_shares = placement.ticket.notional is None
    if placement.ticket.side is Side.SELL and by_shares:
        return None
    value = placement.value
    return below_minimum() if value is not None and value < DOLLAR else None


def orders_do_not_cross(placement: Placement) -> Refusal | None:
    """Opposite orders may rest together only as limits that cannot trade with each other."""
    ticket = placement.ticket
    for order in placement.open_orders:
        if order.side is ticket.side or order.status is OrderStatus.HELD:
            continue
        if ticket.limit_price is None or order.limit_price is None or ticket.type != order.type:
            return wash_trade(order.id, "market" if order.type is OrderType.MARKET else str(order.type))
        buy, sell = (
            (ticket.limit_price, order.limit_price)
            if ticket.side is Side.BUY
            else (order.limit_price, ticket.limit_price)
        )
        if ticket.type is not OrderType.LIMIT or buy >= sell:
            return wash_trade(order.id, str(order.type))
    return None


def shares_are_available(placement: Placement) -> Refusal | None:
    """A closing order needs shares that no other order holds; an opening sale needs leave to sell short."""
    if placement.intent == "sell_to_open":
        if not placement.terms.shorting:
            return forbidden("account is not allowed to short")
        if not placement.asset.shortable:
            return unprocessable(f'asset "{placement.asset.symbol}" cannot be sold short')
        return None
    if placement.intent == "buy_to_open":
        return None
    existing = abs(placement.held_quantity)
    held = sum(order.held() for order in placement.open_orders)
    requested = placement.quantity
    if requested is not None and requested > existing - held:
        return insufficient_quantity(symbol=placement.asset.symbol, requested=requested, existing=existing, held=held)
    return None


def money_is_available(placement: Placement) -> Refusal | None:
    """An opening order needs its value and fee; a short sale half its value more than its proceeds."""
    value, quantity = placement.value, placement.quantity
    if not placement.intent.endswith("_to_open") or value is None:
        return None
    fee = value_of(placement.terms.fee_per_share, quantity or 0)
    cost = (value if placement.ticket.side is Side.BUY else divide(value, 2)) + fee
    available = standing(
        placement.ledger, fee_per_share=placement.terms.fee_per_share, without=placement.replaces
    ).buying_power
    return insufficient_buying_power(available, cost) if cost > available else None


RULES: tuple[Rule, ...] = (
    trading_is_suspended,
    fractions_are_allowed,
    order_class_fits,
    extended_hours_fit,
    auction_orders_fit,
    trailing_stops_fit,
    intent_matches,
    order_is_large_enough,
    orders_do_not_cross,
    shares_are_available,
    money_is_available,
)


def assess(placement: Placement) -> None:
    """Raise the first refusal, if any."""
    for rule in RULES:
        refusal = rule(placement)
        if refusal is not None:
            raise refusal
