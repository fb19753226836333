"""Invariants of the book under random flows, and an audit that finds what is wrong."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.paper_broker.amounts import dollars, micros, nanos, quantity_for, shares, value_of
from cli.paper_broker.audit import audit
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.execution import moved
from cli.paper_broker.lifecycle import FINAL, ImpossibleTransition, OrderEvent, OrderStatus, transition
from cli.paper_broker.listing import ActivityQuery, OrderQuery
from cli.paper_broker.records import Position
from cli.paper_broker.refusals import Refusal
from cli.paper_broker.sessions import SessionMessage
from tests.paper_broker.harness import SYMBOLS, bar, settings_for

FIRST_DAY = {"prices": [100] * 3, "reach": 0, "listed": SYMBOLS, "split": 1, "dividend": 0}
EVERYTHING = ActivityQuery.read({}, "")

_prices = st.decimals("0.5", "300", places=2)
_margins = st.decimals("0.01", "20", places=2)
_order = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(SYMBOLS),
        "side": st.sampled_from(["buy", "buy", "sell"]),
        "type": st.sampled_from(["market", "market", "limit", "limit", "stop", "stop_limit", "trailing_stop"]),
        "time_in_force": st.sampled_from(["day", "gtc", "gtc", "opg", "cls", "ioc", "fok"]),
        "order_class": st.sampled_from(["", "", "bracket", "bracket", "oto", "oco"]),
        "limit_price": _prices,
        "stop_price": _prices,
        "exits": st.tuples(_margins, _margins),
        "trail": st.one_of(st.just("trail_price"), st.just("trail_percent")),
        "qty": st.one_of(
            st.integers(1, 60).map(Decimal), st.integers(1, 60).map(Decimal), st.decimals("0.001", "50", places=9)
        ),
        "notional": st.one_of(st.none(), st.none(), st.none(), st.decimals("0.5", "9000", places=2)),
        "fault": st.sampled_from(["", "", "", "reject_later", "fill_partly"]),
    }
)
_market = st.fixed_dictionaries(
    {
        "prices": st.lists(_prices, min_size=3, max_size=3),
        "reach": st.decimals("0", "0.3", places=2),
        "listed": st.sampled_from([SYMBOLS, SYMBOLS, SYMBOLS[:2], SYMBOLS[1:], ()]),
        "split": st.sampled_from(["1", "1", "1", "2", "1.5", "7", "0.1", "0.333333"]),
        "dividend": st.sampled_from(["0", "0", "0.25", "1.333333"]),
    }
)
_step = st.one_of(
    st.tuples(st.just("order"), _order),
    st.tuples(st.just("order"), _order),
    st.tuples(st.just("phase"), _market),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("close"), st.tuples(st.sampled_from(SYMBOLS), st.sampled_from([None, Decimal("33.3")]))),
    st.tuples(
        st.just("replace"),
        st.fixed_dictionaries(
            {
                "number": st.integers(0, 20),
                "change": st.one_of(
                    st.fixed_dictionaries({"limit_price": _prices}),
                    st.fixed_dictionaries({"stop_price": _prices}),
                    st.fixed_dictionaries({"qty": st.integers(1, 60).map(str)}),
                    st.fixed_dictionaries({"trail": _margins}),
                ),
                "fill_first": st.booleans(),
            }
        ),
    ),
)
_setup = st.fixed_dictionaries(
    {
        "shorting": st.booleans(),
        "cash_in_lieu": st.booleans(),
        "slippage_bps": st.sampled_from([Decimal(0), Decimal("7.5")]),
        "fee_per_share": st.sampled_from([Decimal(0), Decimal("0.0035")]),
        "partial_fill_share": st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(1)]),
    }
)


@contextmanager
def _broker(**changes: Any) -> Iterator[PaperBroker]:
    with tempfile.TemporaryDirectory() as folder:
        broker = PaperBroker(settings_for(Path(folder), **changes))
        broker.book._connection.execute("PRAGMA synchronous=OFF")
        try:
            yield broker
        finally:
            broker.close()


def _body(order: dict[str, Any]) -> dict[str, Any]:
    kind = order["type"]
    body = {name: order[name] for name in ("symbol", "side", "type", "time_in_force")}
    body |= {"limit_price": order["limit_price"]} if "limit" in kind else {}
    body |= {"stop_price": order["stop_price"]} if kind in ("stop", "stop_limit") else {}
    body |= {order["trail"]: order["exits"][0]} if kind == "trailing_stop" else {}
    if order["order_class"]:
        return _group_body(body, order)
    whole = not order["notional"] and order["qty"] == int(order["qty"])
    body |= {"notional": order["notional"]} if order["notional"] else {"qty": order["qty"]}
    return body if whole else body | {"time_in_force": "day"}


def _group_body(body: dict[str, Any], order: dict[str, Any]) -> dict[str, Any]:
    """A bracket, an entry with one exit, or a pair of exits, around the order's own price."""
    profit, loss = order["exits"]
    base, quantity = order["limit_price"] if "limit_price" in body else order["stop_price"], int(order["qty"]) + 1
    if order["order_class"] == "oco":
        body = {"symbol": body["symbol"], "side": "sell" if quantity < 50 else "buy", "type": "limit"}
        quantity = 1
    sign = 1 if (body["side"] == "buy") != (order["order_class"] == "oco") else -1
    exits = {
        "take_profit": {"limit_price": max(base + sign * profit, Decimal("0.01"))},
        "stop_loss": {"stop_price": max(base - sign * loss, Decimal("0.01"))},
    }
    if order["order_class"] == "oto":
        del exits["take_profit" if order["qty"] > 30 else "stop_loss"]
    tif = "day" if order["time_in_force"] == "day" else "gtc"
    return body | exits | {"order_class": order["order_class"], "time_in_force": tif, "qty": quantity}


def _message(number: int, market: dict[str, Any]) -> SessionMessage:
    opens = datetime(2024, 3, 4, 14, 30, tzinfo=UTC) + timedelta(days=number // 2)
    bars = []
    for symbol, price in zip(SYMBOLS, market["prices"], strict=True):
        if symbol in market["listed"]:
            low, high = (round(price * factor, 4) for factor in (1 - market["reach"], 1 + market["reach"]))
            bars.append(bar(symbol, str(price), str(high), str(low), str(price)))
    split = {"symbol": SYMBOLS[0], "split_ratio": market["split"], "cash_dividend": market["dividend"]}
    return SessionMessage.model_validate(
        {
            "session": opens.date(),
            "phase": "close" if number % 2 else "open",
            "opens_at": opens,
            "closes_at": opens + timedelta(hours=6.5),
            "bars": bars,
            "actions": [split] if number % 2 == 0 else [],
        }
    )


@settings(max_examples=35, deadline=None)
@given(setup=_setup, steps=st.lists(_step, min_size=15, max_size=50))
def test_book_when_anything_happens_then_always_adds_up(setup: dict[str, Any], steps: list[tuple[str, Any]]) -> None:
    with _broker(**setup) as broker:
        phases = 0
        broker.apply_session(_message(0, FIRST_DAY))
        ended: dict[str, str] = {}
        refused: set[int] = set()
        for kind, detail in steps:
            if kind == "phase":
                phases += 1
                message = _message(phases, detail)
                assert broker.apply_session(message) == broker.apply_session(message)
            try:
                if kind == "order":
                    fault = {detail["fault"]: True} if detail["fault"] else {}
                    broker.submit(_body(detail), **fault)
                elif kind == "cancel":
                    orders = broker.orders(OrderQuery.read({"status": "all"}))
                    if orders:
                        broker.cancel(orders[detail % len(orders)]["id"])
                elif kind == "close":
                    broker.close_position(detail[0], percentage=detail[1])
                elif kind == "replace":
                    orders = broker.orders(OrderQuery.read({}))
                    if orders:
                        chosen = orders[detail["number"] % len(orders)]["id"]
                        broker.replace(chosen, detail["change"], fill_first=detail["fill_first"])
            except Refusal as refusal:
                refused.add(refusal.status)
            assert audit(broker.book) == []
            now = {order["id"]: order["status"] for order in broker.orders(OrderQuery.read({"status": "closed"}))}
            assert ended.items() <= now.items()
            ended = now
        assert refused <= {403, 404, 422}
        _accounts_for_every_cent(broker)
        broker.cancel_all()
        account = broker.account()
        if Decimal(account["short_market_value"]) == 0:
            assert Decimal(account["buying_power"]) == max(Decimal(account["cash"]), 0)


def _accounts_for_every_cent(broker: PaperBroker) -> None:
    """Cash and positions once more, from the vendor's answers alone."""
    cash = Decimal(100_000)
    held: dict[str, Decimal] = {}
    for entry in broker.activities(ActivityQuery.read({"direction": "asc"}, "")):
        quantity = Decimal(entry["qty"])
        if entry["activity_type"] == "FILL":
            sign = 1 if entry["side"] == "buy" else -1
            cash -= sign * round(quantity * Decimal(entry["price"]), 6)
            held[entry["symbol"]] = held.get(entry["symbol"], Decimal(0)) + sign * quantity
        else:
            cash += Decimal(entry["net_amount"])
            if entry["activity_type"] == "SPLIT":
                held[entry["symbol"]] = held.get(entry["symbol"], Decimal(0)) + quantity
    if len(broker.activities(EVERYTHING)) < 100:
        assert Decimal(broker.account()["cash"]) == cash
        assert {p["symbol"]: Decimal(p["qty"]) for p in broker.positions()} == {s: q for s, q in held.items() if q}


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("UPDATE account SET cash = cash + 1", "CASH"),
        ("UPDATE positions SET quantity = quantity + 1", "POSITION"),
        ("UPDATE activities SET cash = cash - 1", "FILL_VALUE"),
        ("UPDATE orders SET filled_quantity = filled_quantity - 1 WHERE status = 'filled'", "FILLED_SHORT"),
        ("UPDATE orders SET filled_value = filled_value + 1", "EXECUTIONS"),
        ("UPDATE orders SET status = 'new' WHERE status = 'canceled'", "STATUS"),
        ("UPDATE orders SET canceled_at = NULL WHERE status = 'canceled'", "END"),
        ("INSERT INTO outbox SELECT NULL, at, 'new', order_id, 'new', NULL, '', '' FROM outbox", "TRANSITION"),
        ("UPDATE orders SET quantity = quantity * 100 WHERE side = 'sell'", "HELD"),
        ("UPDATE orders SET replaced_by = NULL WHERE status = 'replaced'", "REPLACED"),
        ("UPDATE orders SET replaces = NULL", "SUCCESSOR"),
        ("UPDATE orders SET replaced_by = id WHERE status = 'replaced'", "PREDECESSOR"),
        ("UPDATE orders SET parent_id = NULL WHERE status = 'held'", "HELD_ALONE"),
        ("UPDATE orders SET status = 'new' WHERE status = 'held'", "EARLY_LEG"),
        ("UPDATE orders SET hwm = NULL WHERE type = 'trailing_stop'", "WATERMARK"),
    ],
)
def test_audit_when_the_book_is_damaged_then_names_the_damage(damage: str, found: str) -> None:
    with _broker() as broker:
        broker.apply_session(_message(0, FIRST_DAY))
        order = {"symbol": "AAPL", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day"}
        broker.submit(order)
        resting = broker.submit(order | {"type": "limit", "limit_price": "50"})
        broker.cancel(resting["id"])
        broker.submit(order | {"type": "limit", "limit_price": "150", "side": "sell"})
        replaced = broker.submit(order | {"symbol": "MSFT", "type": "limit", "limit_price": "50"})
        broker.replace(replaced["id"], {"limit_price": "51"})
        broker.submit(
            order
            | {"symbol": "TINY", "type": "limit", "limit_price": "50", "order_class": "bracket"}
            | {"take_profit": {"limit_price": "60"}, "stop_loss": {"stop_price": "40"}}
        )
        broker.submit(order | {"symbol": "MSFT", "type": "trailing_stop", "trail_price": "5"})
        assert audit(broker.book) == []
        with sqlite3.connect(broker._settings.book) as connection:
            connection.execute(damage)
        connection.close()
        assert found in {line.split(":")[0] for line in audit(broker.book)}


def test_book_when_opened_again_then_keeps_account_orders_and_clock(tmp_path: Path) -> None:
    first = PaperBroker(settings_for(tmp_path))
    first.apply_session(_message(0, FIRST_DAY))
    first.submit({"symbol": "AAPL", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day"})
    before = (first.account(), first.positions(), first.orders(OrderQuery.read({"status": "all"})))
    first.close()
    again = PaperBroker(settings_for(tmp_path, opening_cash=Decimal(5)))
    assert (again.account(), again.positions(), again.orders(OrderQuery.read({"status": "all"}))) == before
    assert again.clock()["is_open"] is True
    again.close()


def test_transaction_when_it_fails_then_leaves_nothing_behind(tmp_path: Path) -> None:
    broker = PaperBroker(settings_for(tmp_path))

    def fail_halfway() -> None:
        with broker.book.transaction() as ledger:
            ledger.add_cash(5)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert broker.account()["cash"] == "100000"
    broker.close()


@given(status=st.sampled_from(OrderStatus), event=st.sampled_from(OrderEvent))
def test_transition_when_the_state_is_final_then_never_leaves_it(status: OrderStatus, event: OrderEvent) -> None:
    if status in FINAL:
        with pytest.raises(ImpossibleTransition):
            transition(status, event)


@pytest.mark.parametrize(
    "event", sorted(set(OrderEvent) - {OrderEvent.ACCEPTED, OrderEvent.PENDING_NEW, OrderEvent.HELD})
)
def test_transition_when_the_order_is_not_born_then_only_a_birth_is_possible(event: OrderEvent) -> None:
    with pytest.raises(ImpossibleTransition):
        transition(None, event)


@given(price=st.integers(1, 10**12), quantity=st.integers(1, 10**13))
def test_amounts_when_written_and_read_then_are_the_same(price: int, quantity: int) -> None:
    assert micros(Decimal(dollars(price))) == price
    assert nanos(Decimal(shares(-quantity))) == -quantity
    assert value_of(price, quantity_for(price * 7, price)) <= price * 7


@pytest.mark.parametrize(
    ("quantity", "value", "expected"),
    [
        (5, 500, Position("X", 15, 1500, 1600)),
        (-4, -800, Position("X", 6, 600, 660)),
        (-10, -2000, Position("X", 0, 0, 0)),
        (-12, -2400, Position("X", -2, -400, -400)),
    ],
)
def test_position_when_added_to_reduced_closed_or_turned_then_cost_follows(
    quantity: int, value: int, expected: Position
) -> None:
    assert moved(Position("X", 10, 1000, 1100), quantity, value) == expected


def test_calendar_day_when_outside_then_is_refused() -> None:
    from cli.paper_broker.exchange import calendar

    days = calendar(date(2024, 1, 1))
    with pytest.raises(ValueError, match="calendar ends"):
        days.next_open(datetime(2050, 1, 1, tzinfo=UTC))
    assert days.open_session(datetime(1980, 1, 1, tzinfo=UTC)) is None
