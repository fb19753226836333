"""Reading the body of an order request, with the vendor's complaints about what cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from cli.paper_broker.amounts import micros, nanos
from cli.paper_broker.records import OrderType, Side, TimeInForce
from cli.paper_broker.refusals import invalid, sub_penny, unprocessable

MAX_CLIENT_ID = 128
_MAX_MAGNITUDE = 9
_MAX_PLACES = 18
_SIMPLE = ("", "simple")
_Name = TypeVar("_Name", bound=StrEnum)


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
    limit_price, stop_price = _prices(body, order_type)
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
        order_class=_text(body, "order_class"),
        position_intent=_text(body, "position_intent"),
    )


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


def _prices(body: Mapping[str, Any], order_type: OrderType) -> tuple[int | None, int | None]:
    limit, stop = _number(body, "limit_price"), _number(body, "stop_price")
    if order_type is OrderType.MARKET and (limit is not None or stop is not None):
        raise invalid("market orders require no stop or limit price")
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
    return _price(limit, "limit_price"), _price(stop, "stop_price")


def _price(price: Decimal | None, field: str) -> int | None:
    if price is None:
        return None
    places = 2 if price >= 1 else 4
    if price != round(price, places):
        raise sub_penny(field, f"{price.normalize():f}")
    return _money(price, field)
