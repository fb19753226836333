"""Orders as the vendor's protocol has them: decimal text, never a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from domain.broker import OrderChange, OrderClass, OrderTicket
from domain.portfolio import plain

Body = dict[str, Any]


def order_body(ticket: OrderTicket) -> Body:
    body: Body = {
        "symbol": ticket.symbol,
        "side": ticket.side.value,
        "type": ticket.type.value,
        "time_in_force": ticket.time_in_force.value,
        "client_order_id": ticket.client_order_id,
        "qty": _text(ticket.quantity),
        "notional": _text(ticket.notional),
        "limit_price": _text(ticket.limit_price),
        "stop_price": _text(ticket.stop_price),
        "trail_price": _text(ticket.trail_price),
        "trail_percent": _text(ticket.trail_percent),
    }
    if ticket.extended_hours:
        body["extended_hours"] = True
    if ticket.order_class is not OrderClass.SIMPLE:
        body["order_class"] = ticket.order_class.value
    if ticket.take_profit is not None:
        body["take_profit"] = {"limit_price": _text(ticket.take_profit)}
    if ticket.stop_loss is not None:
        stop = ticket.stop_loss
        body["stop_loss"] = _given({"stop_price": _text(stop.stop_price), "limit_price": _text(stop.limit_price)})
    return _given(body)


def change_body(change: OrderChange) -> Body:
    return _given(
        {
            "client_order_id": change.client_order_id,
            "qty": _text(change.quantity),
            "limit_price": _text(change.limit_price),
            "stop_price": _text(change.stop_price),
            "trail": _text(change.trail),
            "time_in_force": None if change.time_in_force is None else change.time_in_force.value,
        }
    )


def _given(body: Body) -> Body:
    return {name: value for name, value in body.items() if value is not None}


def _text(amount: Decimal | None) -> str | None:
    """Plain digits: no exponent, no trailing zeros."""
    return None if amount is None else format(plain(amount), "f")
