"""When an order fills and at what price: pure functions of the order and the market."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cli.paper_broker.amounts import DOLLAR, divide, tick_down, tick_up
from cli.paper_broker.records import Order, OrderType, Side

_PERCENT = 100 * DOLLAR
"""A hundred percent, in the unit of an order's `trail_percent`."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`price` None: no fill. `triggered`: a stop was reached. `slips`: the price may be worsened by slippage."""

    price: int | None = None
    triggered: bool = False
    slips: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A session's bar, as far as filling needs it."""

    open: int
    high: int
    low: int
    close: int


NO_FILL = Verdict()


def at_price(order: Order, price: int) -> Verdict:
    """Fill against one price: the open, the close, or the latest trade."""
    if order.type is OrderType.MARKET:
        return Verdict(price, slips=True)
    triggered = order.triggered or _stop_reached(order, price)
    if order.type is OrderType.LIMIT or (order.type is OrderType.STOP_LIMIT and triggered):
        return Verdict(price if _within_limit(order, price) else None, triggered)
    if order.type in (OrderType.STOP, OrderType.TRAILING_STOP) and triggered:
        return Verdict(price, triggered, slips=True)
    return Verdict(triggered=triggered)


def trailed(order: Order, price: int) -> Order:
    """Let a trailing stop follow a price: below the highest one for a sale, above the lowest one for a buy."""
    if order.type is not OrderType.TRAILING_STOP:
        return order
    selling = order.side is Side.SELL
    if order.hwm is not None and (price <= order.hwm if selling else price >= order.hwm):
        return order
    distance = order.trail_price
    if distance is None:
        distance = divide(price * (order.trail_percent or 0), _PERCENT)
    stop = tick_down(price - distance) if selling else tick_up(price + distance)
    return replace(order, hwm=price, stop_price=max(stop, 0))


def in_range(order: Order, bar: Range) -> Verdict:
    """Fill a resting order by a whole session's range.

    A limit fills at the better of limit and open once the range reaches it. A stop fills at the worse of stop and open.
    A stop-limit whose limit lies beyond its stop fills at the worse of stop and open within the limit; otherwise it is
    triggered only, because a bar does not tell what came after the stop was reached.
    """
    if order.type is OrderType.LIMIT or (order.type is OrderType.STOP_LIMIT and order.triggered):
        return Verdict(_limit_price(order, bar), order.triggered)
    extreme = bar.high if order.side is Side.BUY else bar.low
    if order.type is OrderType.MARKET or order.stop_price is None or not _stop_reached(order, extreme):
        return NO_FILL
    worse = max if order.side is Side.BUY else min
    price = worse(order.stop_price, bar.open)
    if order.type in (OrderType.STOP, OrderType.TRAILING_STOP):
        return Verdict(price, triggered=True, slips=True)
    return Verdict(price if _within_limit(order, price) else None, triggered=True)


def _stop_reached(order: Order, price: int) -> bool:
    if order.stop_price is None:
        return False
    return price >= order.stop_price if order.side is Side.BUY else price <= order.stop_price


def _within_limit(order: Order, price: int) -> bool:
    if order.limit_price is None:
        return True
    return price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price


def _limit_price(order: Order, bar: Range) -> int | None:
    extreme = bar.low if order.side is Side.BUY else bar.high
    if order.limit_price is None or not _within_limit(order, extreme):
        return None
    better = min if order.side is Side.BUY else max
    return better(order.limit_price, bar.open)
