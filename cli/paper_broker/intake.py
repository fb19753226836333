"""Reading the body of a request for an order or its replacement, with the vendor's complaints about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from cli.paper_broker.amounts import SHARE, dollars, micros, nanos, shares
from cli.paper_broker.records import Order, OrderClass, OrderType, Side, TimeInForce
from cli.paper_broker.refusals import invalid, sub_penny, unprocessable

MAX_CLIENT_ID = 128
_MAX_MAGNITUDE = 9
_MAX_PLACES = 18
_SIMPLE = ("", "simple")
_REPLACEABLE = ("qty", "notional", "limit_price", "stop_price", "trail", "time_in_force", "client_order_id")
_WHOLE = Decimal(100)
_Name = TypeVar("_Name", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class StopLoss:
    """The exit with a loss: a stop, or a stop-limit where a limit is given."""

    stop_price: int
    limit_price: int | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order request that can be read; whether it may be placed is for the rules to say."""

    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int | None
    notional: int | None
    limit_price: int | None
    stop_price: int | None
    extended_hours: bool
    client_order_id: str
    order_class: str
    position_intent: str
    trail_price: int | None = None
    trail_percent: int | None = None
    take_profit: int | None = None
    """The limit price of the exit with a profit."""
    stop_loss: StopLoss | None = None

    @property
    def simple(self) -> bool:
        return self.order_class in _SIMPLE


def read_ticket(body: Any) -> Ticket:
    """Read an order request; raises the vendor's refusal for the first field that is wrong."""
    if not isinstance(body, Mapping):
        raise invalid("request body format is invalid")
    symbol = _text(body, "symbol").upper()
    if not symbol:
        raise invalid("symbol is required")
    order_type = _name(body, "type", OrderType, "order type")
    client_order_id = _text(body, "client_order_id")
    if len(client_order_id) > MAX_CLIENT_ID:
        raise invalid(f"client_order_id must be no more than {MAX_CLIENT_ID} characters")
    quantity, notional = _size(body)
    order_class = _text(body, "order_class")
    take_profit, stop_loss = _exits(body)
    limit_price, stop_price = _prices(body, order_type, take_profit if order_class == OrderClass.OCO else None)
    trail_price, trail_percent = _trail(body, order_type)
    return Ticket(
        symbol=symbol,
        side=_name(body, "side", Side, "side"),
        type=order_type,
        time_in_force=_name(body, "time_in_force", TimeInForce, "time_in_force"),
        quantity=quantity,
        notional=notional,
        limit_price=limit_price,
        stop_price=stop_price,
        extended_hours=_flag(body, "extended_hours"),
        client_order_id=client_order_id,
        order_class=order_class,
        position_intent=_text(body, "position_intent"),
        trail_price=trail_price,
        trail_percent=trail_percent,
        take_profit=take_profit,
        stop_loss=stop_loss,
    )


def read_replacement(body: Any, order: Order) -> Ticket:
    """Read what is to replace an order: what the body leaves out stays as it is.

    The quantity is that of both orders together, so what the replaced one has filled is taken off. Raises the vendor's
    refusal where the order cannot be changed in that way, or where nothing changes.
    """
    if not isinstance(body, Mapping):
        raise invalid("request body format is invalid")
    changes = {name: body[name] for name in _REPLACEABLE if body.get(name) not in (None, "")}
    if order.quantity is None or "notional" in changes:
        raise unprocessable("notional orders cannot be replaced")
    _require_changeable(changes, order)
    fields = _fields_of(order, order.quantity)
    if "trail" in changes:
        kind = "trail_price" if order.trail_price is not None else "trail_percent"
        changes[kind] = changes.pop("trail")
    before, after = read_ticket(fields), read_ticket(fields | changes)
    if replace(after, client_order_id="") == before:
        raise unprocessable("order parameters are not changed")
    assert after.quantity is not None
    left = after.quantity - order.filled_quantity
    if left <= 0:
        raise unprocessable(f"qty must be > filled_qty {shares(order.filled_quantity)}")
    return replace(after, quantity=left)


def _fields_of(order: Order, quantity: int) -> dict[str, Any]:
    """An order as the body of a request for a simple one."""
    prices = {"limit_price": order.limit_price, "trail_price": order.trail_price, "trail_percent": order.trail_percent}
    if order.type is not OrderType.TRAILING_STOP:
        prices["stop_price"] = order.stop_price
    return {
        "symbol": order.symbol,
        "side": order.side.value,
        "type": order.type.value,
        "time_in_force": order.time_in_force.value,
        "qty": shares(quantity),
        "extended_hours": order.extended_hours,
    } | {name: dollars(price) for name, price in prices.items() if price is not None}


def _require_changeable(changes: Mapping[str, Any], order: Order) -> None:
    if "trail" in changes and order.type is not OrderType.TRAILING_STOP:
        raise unprocessable(f"{order.type.replace('_', ' ')} orders must not have trail")
    for name, price in (("limit_price", order.limit_price), ("stop_price", order.stop_price)):
        if name in changes and (price is None or order.type is OrderType.TRAILING_STOP):
            raise unprocessable(f"{order.type.replace('_', ' ')} orders must not have {name}")
    if order.quantity is not None and order.quantity % SHARE and "qty" in changes:
        raise unprocessable("qty of fractional orders cannot be changed")
    if order.order_class not in _SIMPLE and changes.keys() & {"qty", "time_in_force"}:
        raise unprocessable(f"only prices of {order.order_class} orders can be changed")


def _text(body: Mapping[str, Any], field: str) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"{field} must be a string")
    return value


def _flag(body: Mapping[str, Any], field: str) -> bool:
    value = body.get(field)
    if value is not None and not isinstance(value, bool):
        raise invalid(f"{field} must be a boolean")
    return bool(value)


def _name(body: Mapping[str, Any], field: str, names: type[_Name], label: str) -> _Name:
    try:
        return names(_text(body, field))
    except ValueError:
        raise invalid(f"invalid {label}") from None


def _number(body: Mapping[str, Any], field: str) -> Decimal | None:
    value = body.get(field)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise invalid(f"{field} must be a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise invalid(f"{field} must be a number") from None
    if not number.is_finite() or number <= 0:
        raise invalid(f"{field.replace('_', ' ')} must be > 0")
    if number.adjusted() > _MAX_MAGNITUDE or -int(number.as_tuple().exponent) > _MAX_PLACES:
        raise invalid(f"invalid {field}")
    return number


def _size(body: Mapping[str, Any]) -> tuple[int | None, int | None]:
    quantity, notional = _number(body, "qty"), _number(body, "notional")
    if quantity is None and notional is None:
        raise invalid("qty or notional is required")
    if quantity is not None and notional is not None:
        raise invalid("only one of qty or notional is accepted")
    if notional is not None:
        if notional != round(notional, 2):
            raise unprocessable("notional value must be limited to 2 decimal places")
        return None, _money(notional, "notional")
    assert quantity is not None
    try:
        return nanos(quantity), None
    except ValueError:
        raise unprocessable("qty must be limited to 9 decimal places") from None


def _money(amount: Decimal, field: str) -> int:
    try:
        return micros(amount)
    except ValueError:
        raise invalid(f"invalid {field}") from None


def _prices(body: Mapping[str, Any], order_type: OrderType, take_profit: int | None) -> tuple[int | None, int | None]:
    """Limit and stop price as the order's type wants them; the take profit of a pair of exits is its limit."""
    limit, stop = _price(body, "limit_price"), _price(body, "stop_price")
    if take_profit is not None:
        limit = take_profit
    if order_type in (OrderType.MARKET, OrderType.TRAILING_STOP) and (limit is not None or stop is not None):
        raise invalid(f"{order_type.replace('_', ' ')} orders require no stop or limit price")
    if order_type is OrderType.LIMIT and limit is None:
        raise invalid("limit orders require a limit price")
    if order_type is OrderType.LIMIT and stop is not None:
        raise invalid("limit orders require no stop price")
    if order_type is OrderType.STOP and stop is None:
        raise invalid("stop orders require a stop price")
    if order_type is OrderType.STOP and limit is not None:
        raise invalid("stop orders require no limit price")
    if order_type is OrderType.STOP_LIMIT and (limit is None or stop is None):
        raise invalid("stop limit orders require both stop and limit price")
    return limit, stop


def _trail(body: Mapping[str, Any], order_type: OrderType) -> tuple[int | None, int | None]:
    """How far a trailing stop follows: dollars, or millionths of a percent."""
    price, percent = _number(body, "trail_price"), _number(body, "trail_percent")
    if order_type is not OrderType.TRAILING_STOP:
        if price is not None or percent is not None:
            raise invalid(f"{order_type.replace('_', ' ')} orders require no trail price or percent")
        return None, None
    if (price is None) == (percent is None):
        raise invalid("trailing stop orders require either trail price or trail percent")
    if percent is not None:
        if percent >= _WHOLE:
            raise invalid("trail percent must be < 100")
        return None, _money(percent, "trail_percent")
    return _price(body, "trail_price"), None


def _exits(body: Mapping[str, Any]) -> tuple[int | None, StopLoss | None]:
    """The take profit's limit price, and the stop loss."""
    profit, loss = (_object(body, name) for name in ("take_profit", "stop_loss"))
    stop, limit = (_price(loss, name, f"stop_loss.{name}") for name in ("stop_price", "limit_price"))
    if stop is None and limit is not None:
        raise invalid("stop_loss.limit_price requires stop_loss.stop_price")
    return (
        _price(profit, "limit_price", "take_profit.limit_price"),
        None if stop is None else StopLoss(stop, limit),
    )


def _object(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = body.get(field)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise invalid(f"{field} must be an object")
    return value


def _price(body: Mapping[str, Any], field: str, label: str = "") -> int | None:
    price = _number(body, field)
    if price is None:
        return None
    places = 2 if price >= 1 else 4
    if price != round(price, places):
        raise sub_penny(label or field, f"{price.normalize():f}")
    return _money(price, label or field)
