"""Whatever happened on the account, and however far the book lags: the comparison settles, and only once."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.broker import execution_key
from domain.decisions import Side
from domain.portfolio import OrderStatus
from domain.reconciliation import Adoption, BrokerSide, DifferenceKind, Treatment
from domain.reconciliation_rules import reconcile
from tests.broker.world import OPENING, PREFIX, World, adopted

SYMBOLS = ("AAPL", "MSFT")
FOREIGN = (DifferenceKind.FOREIGN_ORDER, DifferenceKind.FOREIGN_POSITION)

_events = st.lists(
    st.tuples(
        st.sampled_from(("buy", "sell", "part", "cancel", "their_buy", "their_sell", "fee", "deposit", "withdrawal")),
        st.sampled_from(SYMBOLS),
        st.integers(1, 20),
        st.integers(1, 300),
    ),
    max_size=25,
)


def _happen(world: World, event: tuple[str, str, int, int], *, foreign: bool = True) -> None:
    """Let one event happen. Nobody sells what is not theirs, and `foreign` False leaves other people out."""
    kind, symbol, quantity, price = event
    name = f"{world.steps}"
    working = [o for o in world.orders.values() if o.client_order_id.startswith(PREFIX) and not o.status.final]
    theirs = world.held.get(symbol, Decimal(0)) - world.ours.get(symbol, Decimal(0))
    if kind == "buy":
        world.place(name, symbol, Side.BUY, quantity)
    elif kind == "sell" and world.ours.get(symbol, 0) >= quantity:
        world.fill(world.place(name, symbol, Side.SELL, quantity), quantity, price)
    elif kind == "part" and working:
        order = world.orders[working[0].broker_order_id]
        if order.side is Side.BUY:
            world.fill(order, min(quantity, int(order.quantity - order.filled_quantity)), price)
    elif kind == "cancel" and working:
        world.end(working[-1], OrderStatus.CANCELED)
    elif kind == "their_buy" and foreign:
        order = world.place(name, symbol, Side.BUY, quantity, foreign=True)
        if price % 2:
            world.fill(order, quantity, price)
    elif kind == "their_sell" and foreign and theirs >= quantity:
        world.fill(world.place(name, symbol, Side.SELL, quantity, foreign=True), quantity, price)
    elif kind == "fee":
        world.move_money("FEE", -1)
    elif kind in ("deposit", "withdrawal"):
        world.move_money("CSD" if kind == "deposit" else "CSW", price if kind == "deposit" else -price)


def _world(events: list[tuple[str, str, int, int]]) -> World:
    world = World()
    for event in events:
        _happen(world, event)
    return world


@given(_events, st.floats(0, 1))
def test_comparison_when_the_book_lags_then_it_catches_up_and_a_repeat_changes_nothing(
    events: list[tuple[str, str, int, int]], share: float
) -> None:
    world = _world(events)
    book = world.book(known_fills=world.fills[: int(len(world.fills) * share)])
    first = reconcile(book, world.side())
    assert first.clean
    assert first.adoption.opening_cash == OPENING
    after = adopted(book, first)
    assert after.positions == {symbol: quantity for symbol, quantity in world.ours.items() if quantity}
    assert after.foreign == {
        symbol: rest for symbol, held in world.held.items() if (rest := held - world.ours.get(symbol, Decimal(0)))
    }
    again = reconcile(after, world.side())
    assert again.adoption == Adoption(opening_cash=OPENING)
    assert {each.treatment for each in again.differences} <= {Treatment.LEFT_ALONE}


@given(_events, st.floats(0, 1))
def test_comparison_when_it_adopts_then_no_execution_is_booked_twice(
    events: list[tuple[str, str, int, int]], share: float
) -> None:
    world = _world(events)
    known = world.fills[: int(len(world.fills) * share)]
    book = world.book(known_fills=known)
    plan = reconcile(book, world.side(fills=(*world.fills, *world.fills))).adoption
    keys = [execution_key(each.fill.execution_id) for each in plan.fills]
    assert len(keys) == len(set(keys))
    assert not set(keys) & {execution_key(fill.fill_id) for fill in book.fills}


@given(_events, st.integers(0, 2**32))
def test_comparison_when_pages_come_in_another_order_and_overlap_then_nothing_differs(
    events: list[tuple[str, str, int, int]], seed: int
) -> None:
    world = _world(events)
    side, book = world.side(), world.book()
    chance = random.Random(seed)

    def shuffled(rows: tuple[object, ...]) -> tuple[object, ...]:
        doubled = [*rows, *chance.sample(rows, len(rows) // 2)]
        chance.shuffle(doubled)
        return tuple(doubled)

    mixed = BrokerSide.model_construct(
        **{
            **dict(side),
            "orders": shuffled(side.orders),
            "fills": shuffled(side.fills),
            "activities": shuffled(side.activities),
            "positions": tuple(reversed(side.positions)),
        }
    )
    assert reconcile(book, mixed) == reconcile(book, side)


@given(_events, st.floats(0, 1))
def test_comparison_when_others_trade_on_the_account_then_ours_is_what_it_would_be_without_them(
    events: list[tuple[str, str, int, int]], share: float
) -> None:
    world = _world(events)
    known = world.fills[: int(len(world.fills) * share)]
    with_them = reconcile(world.book(known_fills=known), world.side())
    alone = World(orders={}, steps=world.steps)
    alone.orders = {key: each for key, each in world.orders.items() if each.client_order_id.startswith(PREFIX)}
    alone.fills = [fill for fill in world.fills if fill.broker_order_id in alone.orders]
    alone.activities = world.activities
    alone.held = dict(world.ours)
    alone.cash = OPENING + sum((each.net_amount for each in world.activities), Decimal(0))
    for fill in alone.fills:
        alone.cash -= (fill.quantity if fill.side is Side.BUY else -fill.quantity) * fill.price
    without = reconcile(alone.book(known_fills=[f for f in known if f.broker_order_id in alone.orders]), alone.side())
    assert with_them.adoption.fills == without.adoption.fills
    assert with_them.adoption.orders == without.adoption.orders
    assert [each for each in with_them.differences if each.kind not in FOREIGN] == list(without.differences)


@given(_events)
def test_comparisons_when_one_follows_every_event_then_each_is_clean_and_the_cash_stays_explained(
    events: list[tuple[str, str, int, int]],
) -> None:
    world = World()
    book = world.book()
    for event in events:
        _happen(world, event)
        fresh = world.book()
        known = {order.order_id: order for order in book.orders}
        book = book.model_copy(update={"orders": tuple(known.get(o.order_id, o) for o in fresh.orders)})
        result = reconcile(book, world.side())
        assert result.clean, result.differences
        assert result.adoption.opening_cash == OPENING
        book = adopted(book, result)
    assert book.positions == {symbol: quantity for symbol, quantity in world.ours.items() if quantity}
