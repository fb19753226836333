"""Every kind of difference: what it is called, and whether it is adopted, left alone or alarmed."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.broker import BrokerAccount, BrokerActivity, BrokerPosition
from domain.cash import CashKind
from domain.decisions import Side
from domain.market import CorporateAction
from domain.portfolio import OrderStatus
from domain.reconciliation import (
    Book,
    Difference,
    DifferenceKind,
    Reconciled,
    SeenActivity,
    Treatment,
    ledger_entry,
)
from domain.reconciliation_rules import reconcile
from domain.submission import LONGEST_IN_FLIGHT, SendingTimes
from tests.broker.world import OPENING, START, World, adopted, book_order


def _only(result: Reconciled) -> Difference:
    assert len(result.differences) == 1, result.differences
    return result.differences[0]


def _settled(world: World) -> Book:
    """A book that was compared once and knows everything so far."""
    book = world.book(known_fills=world.fills)
    return adopted(book, reconcile(book, world.side()))


def _holding(quantity: int = 10) -> tuple[World, Book]:
    world = World()
    world.fill(world.place("1", "AAPL", Side.BUY, quantity), quantity, 100)
    return world, _settled(world)


def test_order_when_the_broker_ended_it_then_its_state_is_adopted() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = _settled(world)
    world.end(order, OrderStatus.CANCELED)
    result = reconcile(book, world.side())
    found = _only(result)
    assert (found.kind, found.treatment) == (DifferenceKind.STATUS_MISMATCH, Treatment.ADOPTED)
    assert result.adoption.orders[0].seen.status is OrderStatus.CANCELED
    assert result.clean


@pytest.mark.parametrize("ours", [OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED])
def test_order_when_the_book_ended_it_and_the_broker_did_not_then_alarmed(ours: OrderStatus) -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = world.book(orders=(book_order(order, Decimal(0), status=ours),))
    result = reconcile(book, world.side())
    assert (_only(result).kind, _only(result).treatment) == (DifferenceKind.STATUS_MISMATCH, Treatment.ALARMED)
    assert not result.clean
    assert result.adoption.orders == ()


def test_order_when_both_sides_ended_it_and_the_broker_filled_more_then_alarmed() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    world.fill(order, 2, 100)
    world.end(order, OrderStatus.CANCELED)
    book = world.book(orders=(book_order(order, Decimal(0), status=OrderStatus.CANCELED),))
    result = reconcile(book, world.side())
    kinds = {each.kind: each.treatment for each in result.differences}
    assert kinds[DifferenceKind.STATUS_MISMATCH] is Treatment.ALARMED
    assert kinds[DifferenceKind.MISSING_FILL] is Treatment.ADOPTED
    assert result.adoption.orders == ()


def test_order_when_the_book_has_more_filled_than_the_broker_then_alarmed() -> None:
    world, book = _holding()
    order = next(iter(world.orders.values()))
    world.orders[order.broker_order_id] = order.model_copy(
        update={"filled_quantity": Decimal(9), "status": OrderStatus.PARTIALLY_FILLED}
    )
    kinds = {each.kind: each.treatment for each in reconcile(book, world.side()).differences}
    assert kinds[DifferenceKind.STATUS_MISMATCH] is Treatment.ALARMED


def test_order_when_another_symbol_stands_under_our_id_then_alarmed_and_nothing_adopted() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = world.book()
    world.orders[order.broker_order_id] = order.model_copy(update={"symbol": "MSFT"})
    result = reconcile(book, world.side())
    assert _only(result).kind is DifferenceKind.TERMS_MISMATCH
    assert result.adoption.orders == ()


def test_order_when_under_our_prefix_and_not_in_the_book_then_alarmed_and_its_shares_are_nobody_elses() -> None:
    world = World()
    world.fill(world.place("1", "AAPL", Side.BUY, 5), 5, 100)
    result = reconcile(world.book(orders=(), fills=(), opening_cash=OPENING), world.side())
    kinds = {each.kind: each.treatment for each in result.differences}
    assert kinds == {
        DifferenceKind.UNKNOWN_ORDER: Treatment.ALARMED,
        DifferenceKind.POSITION_MISMATCH: Treatment.ALARMED,
    }
    assert result.adoption.foreign == {}


def test_order_when_made_after_the_book_was_read_then_left_to_the_next_run() -> None:
    world = World()
    world.place("1", "AAPL", Side.BUY, 5)
    result = reconcile(world.book(orders=(), too_new=frozenset({"so-paper-1"})), world.side())
    assert result.differences == ()


def _missing(world: World, **times: Any) -> Book:
    order = world.place("1", "AAPL", Side.BUY, 5)
    given = SendingTimes(expires_at=START + timedelta(minutes=30), sent_at=START, **times)
    book = world.book(orders=(book_order(order, Decimal(0), times=given),))
    world.orders.clear()
    return book


LOST = frozenset({"so-paper-1"})


def test_missing_order_when_its_time_to_live_is_not_over_then_nothing_is_said() -> None:
    world = World()
    book = _missing(world, missing_since=START + timedelta(seconds=1))
    result = reconcile(book, world.side(not_found=LOST, at=START + timedelta(minutes=29)))
    assert (result.differences, result.adoption.missing) == ((), ())


def test_missing_order_when_first_missed_after_its_time_to_live_then_looked_for_again() -> None:
    world = World()
    book = _missing(world)
    at = START + timedelta(hours=2)
    result = reconcile(book, world.side(not_found=LOST, at=at))
    assert result.differences == ()
    assert (result.adoption.missing[0].missing_since, result.adoption.missing[0].abandoned) == (at, False)


@pytest.mark.parametrize(
    ("apart", "given_up"), [(LONGEST_IN_FLIGHT - timedelta(seconds=1), False), (LONGEST_IN_FLIGHT, True)]
)
def test_missing_order_when_missed_twice_then_given_up_once_the_looks_lie_far_enough_apart(
    apart: timedelta, given_up: bool
) -> None:
    world = World()
    first = START + timedelta(hours=2)
    book = _missing(world, missing_since=first)
    result = reconcile(book, world.side(not_found=LOST, at=first + apart))
    assert result.adoption.missing[0].abandoned is given_up
    assert result.clean


def test_missing_order_when_it_was_let_out_again_since_then_the_first_look_does_not_count() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    late = START + timedelta(hours=1)
    times = SendingTimes(expires_at=START + timedelta(minutes=30), sent_at=late, missing_since=START)
    book = world.book(orders=(book_order(order, Decimal(0), times=times),))
    world.orders.clear()
    at = late + timedelta(seconds=30)
    result = reconcile(book, world.side(not_found=LOST, at=at))
    assert (result.adoption.missing[0].missing_since, result.adoption.missing[0].abandoned) == (at, False)


def test_missing_order_when_the_broker_knew_it_before_then_alarmed() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = world.book(orders=(book_order(order, Decimal(0), broker_order_id="b-1", status=OrderStatus.ACCEPTED),))
    world.orders.clear()
    result = reconcile(book, world.side(not_found=LOST, at=START + timedelta(hours=1)))
    assert (_only(result).kind, _only(result).treatment) == (DifferenceKind.MISSING_ORDER, Treatment.ALARMED)


def test_late_order_when_it_arrives_after_it_was_given_up_then_adopted_and_urgent() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = world.book(
        orders=(book_order(order, Decimal(0), status=OrderStatus.UNKNOWN, abandoned=True),), opening_cash=OPENING
    )
    world.fill(order, 5, 100)
    result = reconcile(book, world.side())
    late = next(each for each in result.differences if each.kind is DifferenceKind.LATE_ORDER)
    assert (late.treatment, late.urgent) == (Treatment.ADOPTED, True)
    assert result.adoption.orders[0].late
    assert [each.fill.quantity for each in result.adoption.fills] == [Decimal(5)]
    assert result.clean


def test_fill_when_more_is_sold_than_the_book_holds_then_alarmed_and_not_booked() -> None:
    world = World()
    world.fill(world.place("1", "AAPL", Side.SELL, 5), 5, 100)
    result = reconcile(world.book(opening_cash=OPENING), world.side())
    fill = next(each for each in result.differences if each.kind is DifferenceKind.MISSING_FILL)
    assert fill.treatment is Treatment.ALARMED
    assert result.adoption.fills == ()


def test_fill_when_booked_and_not_listed_then_alarmed() -> None:
    world, book = _holding()
    result = reconcile(book, world.side(fills=()))
    kinds = {each.kind for each in result.differences}
    assert DifferenceKind.UNPROVEN_FILL in kinds
    assert not result.clean


def test_fills_when_the_activity_list_lags_then_state_waits_and_the_run_is_not_clean() -> None:
    world = World()
    order = world.place("1", "AAPL", Side.BUY, 5)
    book = _settled(world)
    world.fill(order, 5, 100)
    result = reconcile(
        book, world.side(fills=(), positions=(), account=BrokerAccount(cash=OPENING, equity=1, buying_power=1))
    )
    assert _only(result).kind is DifferenceKind.UNLISTED_FILLS
    assert result.adoption.orders == ()
    assert not result.clean


def test_cash_when_an_activity_is_missing_then_alarmed_with_the_gap() -> None:
    world, book = _holding()
    account = BrokerAccount(cash=world.cash - 7, equity=1, buying_power=1)
    found = _only(reconcile(book, world.side(account=account)))
    assert (found.kind, found.treatment, found.blocking) == (DifferenceKind.CASH_MISMATCH, Treatment.ALARMED, True)
    assert found.detail.startswith("-7 dollars")


@pytest.mark.parametrize(("gap", "clean"), [("0.01", True), ("0.02", False)])
def test_cash_when_at_or_above_the_tolerance_then_clean_or_not(gap: str, clean: bool) -> None:
    world, book = _holding()
    account = BrokerAccount(cash=world.cash + Decimal(gap), equity=1, buying_power=1)
    assert reconcile(book, world.side(account=account)).clean is clean


def test_cash_when_fees_are_counted_and_not_yet_taken_then_they_explain_the_gap() -> None:
    world, book = _holding()
    account = BrokerAccount(cash=world.cash - 2, equity=1, buying_power=1, accrued_fees=Decimal(2))
    assert reconcile(book, world.side(account=account)).clean


def test_position_when_shares_vanished_then_alarmed_and_never_taken_as_somebody_elses() -> None:
    world, book = _holding()
    positions = (BrokerPosition(symbol="AAPL", quantity=Decimal(4), average_price=Decimal(1)),)
    result = reconcile(book, world.side(positions=positions))
    found = _only(result)
    assert (found.kind, found.ours, found.broker) == (DifferenceKind.POSITION_MISMATCH, "10", "4")
    assert result.adoption.foreign == {}


def test_position_when_somebody_else_sold_shares_of_ours_then_alarmed_with_that_reason() -> None:
    world, book = _holding()
    world.fill(world.place("2", "AAPL", Side.SELL, 3, foreign=True), 3, 100)
    result = reconcile(book, world.side())
    found = next(each for each in result.differences if each.kind is DifferenceKind.POSITION_MISMATCH)
    assert "somebody else's order" in found.detail
    assert not result.clean


def test_position_when_it_grew_by_more_than_we_bought_then_our_own_purchase_does_not_explain_it() -> None:
    world, book = _holding()
    order = world.place("2", "AAPL", Side.BUY, 3)
    book = book.model_copy(update={"orders": (*book.orders, book_order(order, Decimal(0)))})
    world.fill(order, 3, 100)
    positions = (BrokerPosition(symbol="AAPL", quantity=Decimal(16), average_price=Decimal(1)),)
    result = reconcile(book, world.side(positions=positions))
    found = next(each for each in result.differences if each.kind is DifferenceKind.POSITION_MISMATCH)
    assert (found.ours, found.broker) == ("13", "16")


def test_position_when_foreign_then_recorded_once_and_left_alone() -> None:
    world, book = _holding()
    world.fill(world.place("2", "TSLA", Side.BUY, 3, foreign=True), 3, 100)
    result = reconcile(book, world.side())
    found = _only(result)
    assert (found.kind, found.treatment, found.broker) == (DifferenceKind.FOREIGN_POSITION, Treatment.LEFT_ALONE, "3")
    assert result.adoption.foreign == {"TSLA": Decimal(3)}
    assert reconcile(adopted(book, result), world.side()).differences == ()


def test_position_when_short_and_not_ours_then_left_alone() -> None:
    world = World()
    positions = (BrokerPosition(symbol="TSLA", quantity=Decimal(-3), average_price=Decimal(1)),)
    result = reconcile(world.book(), world.side(positions=positions))
    assert _only(result).treatment is Treatment.LEFT_ALONE


def _split(ratio: str = "2") -> CorporateAction:
    return CorporateAction(symbol="AAPL", ex_date=START.date(), split_ratio=Decimal(ratio))


def test_split_when_announced_and_booked_by_the_broker_then_adopted() -> None:
    world, book = _holding()
    positions = (BrokerPosition(symbol="AAPL", quantity=Decimal(20), average_price=Decimal(1)),)
    result = reconcile(book.model_copy(update={"unbooked_actions": (_split(),)}), world.side(positions=positions))
    found = _only(result)
    assert (found.kind, found.treatment) == (DifferenceKind.CORPORATE_ACTION, Treatment.ADOPTED)
    assert result.adoption.actions == (_split(),)


def test_split_when_others_hold_the_symbol_too_then_theirs_is_split_as_well() -> None:
    world, book = _holding()
    world.fill(world.place("2", "AAPL", Side.BUY, 6, foreign=True), 6, 100)
    book = adopted(book, reconcile(book, world.side()))
    positions = (BrokerPosition(symbol="AAPL", quantity=Decimal(32), average_price=Decimal(1)),)
    result = reconcile(book.model_copy(update={"unbooked_actions": (_split(),)}), world.side(positions=positions))
    assert result.clean
    assert result.adoption.foreign == {"AAPL": Decimal(12)}


def test_split_when_nobody_announced_it_then_alarmed_as_a_corporate_action() -> None:
    world, book = _holding()
    split = BrokerActivity(activity_id="s", kind="SPLIT", day=START.date(), symbol="AAPL", quantity=Decimal(10))
    positions = (BrokerPosition(symbol="AAPL", quantity=Decimal(20), average_price=Decimal(1)),)
    result = reconcile(book, world.side(positions=positions, activities=(split,)))
    assert (_only(result).kind, _only(result).treatment) == (DifferenceKind.CORPORATE_ACTION, Treatment.ALARMED)
    assert not result.clean


def _dividend(world: World) -> BrokerActivity:
    world.move_money("DIV", 5)
    paid = world.activities[-1].model_copy(update={"symbol": "AAPL"})
    world.activities[-1] = paid
    return paid


def test_dividend_when_announced_and_not_booked_then_adopted() -> None:
    world, book = _holding()
    paid = _dividend(world)
    due = CorporateAction(symbol="AAPL", ex_date=paid.day - timedelta(days=20), cash_dividend=Decimal("0.5"))
    result = reconcile(book.model_copy(update={"unbooked_actions": (due,)}), world.side())
    assert result.adoption.actions == (due,)
    assert result.clean


@pytest.mark.parametrize(("days", "known"), [(120, True), (121, False)])
def test_dividend_when_the_ex_date_was_booked_then_nothing_is_said_within_reach(days: int, known: bool) -> None:
    world, book = _holding()
    paid = _dividend(world)
    booked = (("AAPL", paid.day - timedelta(days=days)),)
    result = reconcile(book.model_copy(update={"booked_actions": booked}), world.side())
    assert (result.differences == ()) is known
    assert result.clean  # money that came in blocks nothing


def test_transfer_when_money_comes_in_then_named_and_the_cash_stays_explained() -> None:
    world, book = _holding()
    world.move_money("CSD", 500)
    result = reconcile(book, world.side())
    assert (_only(result).kind, _only(result).treatment) == (DifferenceKind.TRANSFER, Treatment.LEFT_ALONE)
    assert reconcile(adopted(book, result), world.side()).differences == ()


@pytest.mark.parametrize(
    ("kind", "cash", "entry"),
    [
        ("CSD", "5", CashKind.TRANSFER_IN),
        ("CSW", "-5", CashKind.TRANSFER_OUT),
        ("FEE", "-0.02", CashKind.FEE),
        ("FEE", "0.02", CashKind.ADJUSTMENT),
        ("INT", "-1", CashKind.INTEREST),
        ("REORG", "3", CashKind.ADJUSTMENT),
        ("DIV", "3", None),
        ("FILL", "3", None),
        ("SPLIT", "0", None),
    ],
)
def test_ledger_entry_when_an_activity_moved_cash_then_it_is_of_its_kind(
    kind: str, cash: str, entry: CashKind | None
) -> None:
    made = ledger_entry(SeenActivity(activity_id="a", kind=kind, day=date(2026, 3, 2), cash=Decimal(cash)))
    assert (made.kind if made else None) is entry


def test_chain_when_an_order_was_replaced_then_the_last_counts_with_what_was_filled_before() -> None:
    world = World()
    first = world.place("1", "AAPL", Side.BUY, 10)
    book = _settled(world)
    world.fill(first, 4, 100)
    second = world.place("1-r1", "AAPL", Side.BUY, 6)
    world.orders["b-1"] = world.orders["b-1"].model_copy(
        update={"status": OrderStatus.CANCELED, "replaced_by": "b-1-r1"}
    )
    world.fill(second, 6, 101)
    result = reconcile(book, world.side())
    seen = result.adoption.orders[0].seen
    assert (seen.status, seen.filled_quantity, seen.quantity) == (OrderStatus.FILLED, Decimal(10), Decimal(10))
    assert seen.client_order_id == "so-paper-1"
    assert seen.broker_order_id == "b-1-r1"
    assert result.clean
