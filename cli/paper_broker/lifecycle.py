"""The life of an order: its states, what can happen to it, and the one function that says what follows."""

from __future__ import annotations

from enum import StrEnum


class OrderStatus(StrEnum):
    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    HELD = "held"
    """A leg that waits: for its parent's fill, or for its sibling's end."""


class OrderEvent(StrEnum):
    """What happens to an order; the values are the event names of the vendor's trade updates."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIAL_FILL = "partial_fill"
    FILL = "fill"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"
    HELD = "held"
    ADJUSTED = "adjusted"
    """Quantity or price changed, by a corporate action or a sibling's partial fill; the state stays."""


FINAL = frozenset(
    {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.REPLACED,
    }
)
OPEN = frozenset(OrderStatus) - FINAL

_BIRTH = {
    OrderEvent.ACCEPTED: OrderStatus.ACCEPTED,
    OrderEvent.PENDING_NEW: OrderStatus.PENDING_NEW,
    OrderEvent.HELD: OrderStatus.HELD,
}
_ENDINGS = {
    OrderEvent.CANCELED: OrderStatus.CANCELED,
    OrderEvent.EXPIRED: OrderStatus.EXPIRED,
    OrderEvent.REJECTED: OrderStatus.REJECTED,
    OrderEvent.REPLACED: OrderStatus.REPLACED,
}
_EXECUTIONS = {OrderEvent.PARTIAL_FILL: OrderStatus.PARTIALLY_FILLED, OrderEvent.FILL: OrderStatus.FILLED}
_WAITING = frozenset({OrderStatus.PENDING_NEW, OrderStatus.ACCEPTED, OrderStatus.HELD})
_WORKING = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})


class ImpossibleTransition(Exception):
    """An event that cannot happen to an order in its state: a defect, never an answer to a client."""


def transition(status: OrderStatus | None, event: OrderEvent) -> OrderStatus:
    """Say which state follows; `status` None is an order not yet born. Nothing leaves a final state."""
    if status is None and event in _BIRTH:
        return _BIRTH[event]
    if status in OPEN:
        if event is OrderEvent.ADJUSTED:
            return status
        if event is OrderEvent.REJECTED and status is OrderStatus.PARTIALLY_FILLED:
            raise ImpossibleTransition(f"{event} after {status}")
        if event in _ENDINGS:
            return _ENDINGS[event]
        if event is OrderEvent.NEW and status in _WAITING:
            return OrderStatus.NEW
        if event in _EXECUTIONS and status in _WORKING:
            return _EXECUTIONS[event]
    raise ImpossibleTransition(f"{event} after {status}")
