"""Which orders at the broker belong to which order of the book, and what may follow what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from domain.broker import BrokerFill, BrokerOrder, execution_key
from domain.errors import Conflict
from domain.portfolio import OrderStatus, advance
from domain.reconciliation import Book, BookOrder, BrokerSide


def chains_of(book: Book, placed: Mapping[str, BrokerOrder]) -> dict[str, tuple[BrokerOrder, ...]]:
    """The broker's orders for each order of the book, each replaced by the next."""
    by_client_id = {order.client_order_id: order for order in placed.values()}
    successors = {order.replaces: order for order in placed.values() if order.status is not OrderStatus.REJECTED}
    found: dict[str, tuple[BrokerOrder, ...]] = {}
    for order in book.orders:
        first = by_client_id.get(order.client_order_id)
        chain: list[BrokerOrder] = []
        while first is not None and first not in chain:
            chain.append(first)
            first = placed.get(first.replaced_by) or _unnamed_successor(first, successors)
        if chain and not chain[-1].replaced_by:  # one whose end was not read is compared by the next run
            found[order.order_id] = tuple(chain)
    return found


def _unnamed_successor(order: BrokerOrder, successors: Mapping[str, BrokerOrder]) -> BrokerOrder | None:
    """The order that says it replaced one that ended and names none: so it is after some corporate actions."""
    return successors.get(order.broker_order_id) if order.status is OrderStatus.CANCELED else None


def owners_of(
    book: Book, placed: Mapping[str, BrokerOrder], chains: Mapping[str, Sequence[BrokerOrder]]
) -> frozenset[str]:
    """Broker order ids that belong to orders of the book: their own, their replacements' and their legs'."""
    ids = {each.broker_order_id for chain in chains.values() for each in chain}
    ids |= {order.broker_order_id for order in book.orders if order.broker_order_id}
    ours = {each for order in book.orders for each in (order.client_order_id, *order.replacements)}
    ids |= {order.broker_order_id for order in placed.values() if order.client_order_id in ours}
    while more := {order.broker_order_id for order in placed.values() if order.replaces in ids} - ids:
        ids |= more
    legs = {leg.broker_order_id for order in placed.values() if order.broker_order_id in ids for leg in order.legs}
    return frozenset(ids | legs)


def flat(orders: Sequence[BrokerOrder]) -> list[BrokerOrder]:
    return [each for order in orders for each in (order, *flat(order.legs))]


def by_order(fills: Sequence[BrokerFill]) -> dict[str, list[BrokerFill]]:
    found: dict[str, list[BrokerFill]] = {}
    for fill in fills:
        found.setdefault(fill.broker_order_id, []).append(fill)
    return found


def in_order(broker: BrokerSide) -> BrokerSide:
    """The same lists, each entry once and sorted: pages may overlap and come in any order."""
    orders = {order.broker_order_id: order for order in broker.orders}
    fills = {execution_key(fill.execution_id): fill for fill in broker.fills}
    others = {each.activity_id: each for each in broker.activities}
    return broker.model_copy(
        update={
            "orders": tuple(orders[key] for key in sorted(orders)),
            "fills": tuple(sorted(fills.values(), key=lambda fill: (fill.filled_at, fill.execution_id))),
            "activities": tuple(others[key] for key in sorted(others)),
        }
    )


def same_terms(order: BookOrder, seen: BrokerOrder | BrokerFill) -> bool:
    return (order.symbol, order.side) == (seen.symbol, seen.side)


def may_follow(order: BookOrder, seen: BrokerOrder) -> bool:
    """Whether the broker's state can follow the book's."""
    if seen.filled_quantity < order.filled_quantity:
        return False
    if order.status.final:
        return False
    if order.status is seen.status:
        return True
    if order.status is OrderStatus.PARTIALLY_FILLED and seen.status is OrderStatus.ACCEPTED:
        return False
    try:
        advance(order.status, seen.status)
    except Conflict:
        return False
    return True
