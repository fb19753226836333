"""Every label of a gap, and that the gaps and the rest are the whole difference of the day."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import TradingConfig
from domain.decisions import Action, Side, TradingState
from domain.drift import DriftReport, GapKind, LiveDay, LiveFill, LiveOrder, PlayedDay, Subject
from domain.drift_inputs import DecisionInputs
from tests.backtests.builders import EAGER, at, market, news, request_for
from tests.drift.builders import (
    DAYS,
    approval,
    day,
    found_of,
    laid,
    live_decision,
    marked,
    mirror,
    play,
    with_evidence,
)

NOON = timedelta(hours=3)
BUYING, QUIET, SPLIT, DIVIDEND, SELLING = 0, 2, 3, 4, 4


def _inputs(played: PlayedDay) -> dict[str, DecisionInputs]:
    return {each.record_hash: each.inputs for each in played.decisions}


def _only(report: DriftReport) -> tuple[GapKind, str, str]:
    (gap,) = report.found
    return gap.kind, gap.symbol, gap.detail


def _order(live: LiveDay, symbol: str, **changes: Any) -> LiveDay:
    orders = tuple(order.model_copy(update=changes) if order.symbol == symbol else order for order in live.orders)
    return live.model_copy(update={"orders": orders})


def _filled(order: LiveOrder, price: Decimal, quantity: Decimal | None = None) -> tuple[LiveFill, ...]:
    (fill,) = order.fills
    return (fill.model_copy(update={"price": price, "quantity": quantity or fill.quantity}),)


# -- nothing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(DAYS))
def test_day_when_it_is_the_played_one_then_every_label_is_none_and_nothing_is_left(number: int) -> None:
    played = play(number)
    report = laid(mirror(number, played), played)
    assert report.found == ()
    assert report.assessed == len(played.decisions)
    assert {gap.symbol for gap in report.gaps} == {
        *(order.symbol for order in (*played.state.orders, *played.state.working)),
        *(each.symbol for each in played.decisions if each.changed),
    }
    assert report.equity.difference == report.equity.unexplained == 0
    assert report.equity.live_change == report.equity.played_change


def test_order_when_it_was_filled_in_parts_for_the_same_dollars_then_it_is_equal() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    (fill,) = live.orders[0].fills
    parts = tuple(fill.model_copy(update={"quantity": quantity}) for quantity in (Decimal(3), fill.quantity - 3))
    assert laid(_order(live, live.orders[0].symbol, fills=parts), played).found == ()


# -- data -------------------------------------------------------------------------------------------------------------


def test_decision_when_a_document_came_later_then_data_names_it() -> None:
    before = play(QUIET)
    after = play(QUIET, with_evidence(QUIET, news("CORE", at(QUIET, 9.0), "late", sentiment=0.4)))
    report = laid(mirror(QUIET, before), after, _inputs(before))
    gap = next(gap for gap in report.found if gap.symbol == "CORE" and gap.what is Subject.DECISION)
    assert gap.kind is GapKind.DATA
    assert gap.detail.startswith("evidence: document doc-late came later")


def test_decision_when_nothing_was_known_of_the_company_then_data_says_so() -> None:
    before = play(QUIET)
    after = play(QUIET, with_evidence(QUIET, news("FIRM", at(QUIET, 9.0), "late")))
    assert _only(laid(mirror(QUIET, before), after, _inputs(before))) == (
        GapKind.DATA,
        "FIRM",
        "nothing was known of it then",
    )


def test_order_when_its_decision_had_other_inputs_then_it_is_data_with_its_dollars() -> None:
    known, _ = day(BUYING)
    without = replace(known, evidence={**known.evidence, "ACME": []})
    before, after = play(BUYING, without), play(BUYING)
    live = marked(mirror(BUYING, before), before)
    report = laid(live, after, _inputs(before))
    assert {gap.kind for gap in report.found} == {GapKind.DATA}
    order = next(gap for gap in report.found if gap.what is Subject.ORDER and gap.symbol == "ACME")
    assert (order.live, order.played[:7]) == ("nothing", "buy 143")
    assert order.dollars != 0
    assert report.equity.unexplained == 0


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"exposures": {"ACME": [(at(0, 1), {"rates": 0.3})]}}, "exposures: macro/rates"),
        ({"links": {}}, "other layers: document doc-"),
        ({"taken_back": {market(1).evidence["ACME"][0].doc_id: at(1, 1)}}, "taken back"),
    ],
)
def test_decision_when_what_moves_a_company_changed_then_it_is_named(changed: dict[str, Any], named: str) -> None:
    known, _ = day(QUIET)
    before, after = play(QUIET), play(QUIET, replace(known, **changed))
    details = [gap.detail for gap in laid(mirror(QUIET, before), after, _inputs(before)).found]
    assert any(named in detail for detail in details), details


def test_decision_when_the_configuration_changed_then_it_is_named_for_every_company() -> None:
    other = EAGER.model_copy(
        update={"limits": TradingConfig().limits.model_copy(update={"daily_loss": Decimal("0.5")})}
    )
    before, after = play(QUIET), play(QUIET, config=other)
    report = laid(mirror(QUIET, before), after, _inputs(before))
    assert len(report.found) == len(after.decisions)
    assert all(
        gap.detail == f"configuration: {EAGER.version()}, now {other.version()}"
        for gap in found_of(report, GapKind.DATA)
    )


def test_decision_when_only_the_code_is_newer_and_comes_to_the_same_then_it_is_equal() -> None:
    played = play(QUIET)
    older = {
        f"older-{each.symbol}": each.inputs.model_copy(update={"code_version": "0.1"}) for each in played.decisions
    }
    live = mirror(QUIET, played)
    decisions = tuple(each.model_copy(update={"record_hash": f"older-{each.symbol}"}) for each in live.decisions)
    assert laid(live.model_copy(update={"decisions": decisions}), played, older).found == ()
    worse = tuple(each.model_copy(update={"score": each.score + 0.1}) for each in decisions)
    report = laid(live.model_copy(update={"decisions": worse}), played, older)
    assert {gap.detail for gap in report.found} == {"code: 0.1, now test"}


def test_decision_when_newer_code_calls_the_same_configuration_otherwise_then_it_is_equal() -> None:
    """What is played has the name that the configuration had then, whatever its record is hashed to now."""
    before, after = play(QUIET, called="then"), play(QUIET, called="then")
    assert after.config_version == "then"
    known = {f"then-{each.symbol}": each.inputs for each in before.decisions}
    live = mirror(QUIET, before)
    decisions = tuple(each.model_copy(update={"record_hash": f"then-{each.symbol}"}) for each in live.decisions)
    assert laid(live.model_copy(update={"decisions": decisions}), after, known).found == ()


def test_order_when_it_was_sized_otherwise_then_data_says_in_what() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    less = live.orders[0].quantity - 10
    changed = _order(
        live, "ACME", quantity=less, allowed=less, fills=_filled(live.orders[0], live.orders[0].fills[0].price, less)
    )
    report = laid(marked(changed, played), played)
    assert _only(report)[0] is GapKind.DATA
    assert report.equity.unexplained == 0


@pytest.mark.parametrize("number", [SPLIT, DIVIDEND])
def test_corporate_action_when_it_was_booked_differently_then_data_has_its_dollars(number: int) -> None:
    played = play(number)
    live = mirror(number, played)
    assert live.actions
    report = laid(marked(live.model_copy(update={"actions": ()}), played), played)
    (gap,) = report.found
    assert (gap.kind, gap.what) == (GapKind.DATA, Subject.ACTION)
    assert report.equity.difference == gap.dollars
    assert report.equity.unexplained == 0


# -- fill -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "symbol", "worse"), [(BUYING, "ACME", 1), (SELLING, "ACME", -1)])
def test_fill_when_its_price_was_worse_then_dollars_and_basis_points_say_how_much(
    number: int, symbol: str, worse: int
) -> None:
    played = play(number)
    live = mirror(number, played)
    order = next(each for each in live.orders if each.symbol == symbol)
    price = order.fills[0].price
    changed = _order(live, symbol, fills=_filled(order, price + worse * Decimal("0.25")))
    report = laid(marked(changed, played), played)
    (gap,) = report.found
    assert gap.kind is GapKind.FILL
    assert gap.dollars == -order.fills[0].quantity * Decimal("0.25")
    assert gap.basis_points == pytest.approx(2_500 / float(price))
    assert report.equity.difference == gap.dollars == report.equity.explained[GapKind.FILL]
    assert report.equity.unexplained == 0


@pytest.mark.parametrize(("status", "kept"), [("canceled", 40), ("expired", 0), ("rejected", 0)])
def test_fill_when_the_broker_filled_less_then_it_is_a_fill_gap(status: str, kept: int) -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    order = live.orders[0]
    assert order.quantity > kept
    fills = _filled(order, order.fills[0].price, Decimal(kept)) if kept else ()
    report = laid(marked(_order(live, order.symbol, fills=fills, status=status), played), played)
    assert _only(report)[:2] == (GapKind.FILL, order.symbol)
    assert report.equity.unexplained == 0


# -- timing -----------------------------------------------------------------------------------------------------------


def test_recommendation_when_it_was_made_at_noon_then_it_and_its_order_are_timing() -> None:
    played = play(QUIET)
    live = mirror(QUIET, played)
    noon = live.session.opens_at + NOON
    made = live_decision(played.decisions[0], noon, symbol="CORE", action=Action.SELL, previous=Action.BUY)
    sold = LiveOrder(
        intent_id="noon",
        recommendation_id=made.recommendation_id,
        symbol="CORE",
        side=Side.SELL,
        as_of=noon,
        quantity=Decimal(89),
        status="filled",
        submitted_at=noon,
        fills=(LiveFill(at=noon, quantity=Decimal(89), price=Decimal(50)),),
    )
    changed = live.model_copy(update={"decisions": (*live.decisions, made), "orders": (*live.orders, sold)})
    report = laid(marked(changed, played), played)
    assert {(gap.kind, gap.what) for gap in report.found} == {
        (GapKind.TIMING, Subject.DECISION),
        (GapKind.TIMING, Subject.ORDER),
    }
    assert report.equity.explained[GapKind.TIMING] == report.equity.difference != 0
    assert report.equity.unexplained == 0


def test_recommendation_when_it_was_repeated_at_noon_then_it_is_counted_and_no_gap() -> None:
    played = play(QUIET)
    live = mirror(QUIET, played)
    same = live_decision(played.decisions[0], live.session.opens_at + NOON, previous=played.decisions[0].action)
    report = laid(live.model_copy(update={"decisions": (*live.decisions, same)}), played)
    assert (report.found, report.intraday) == ((), 1)


def test_day_when_nobody_decided_before_the_open_then_all_that_changes_is_timing() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played).model_copy(update={"decisions": (), "orders": ()})
    report = laid(marked(live, played), played)
    assert {gap.kind for gap in report.found} == {GapKind.TIMING}
    assert {gap.detail for gap in report.found} == {"nothing was decided before the open"}
    assert report.equity.unexplained == 0


def test_day_when_the_engine_was_down_then_its_orders_are_timing() -> None:
    played = play(BUYING)
    report = laid(marked(mirror(BUYING, played).model_copy(update={"orders": ()}), played), played)
    ordered = {order.symbol for order in (*played.state.orders, *played.state.working)}
    assert {gap.symbol for gap in report.found} == ordered != set()
    assert {(gap.kind, gap.what) for gap in report.found} == {(GapKind.TIMING, Subject.ORDER)}
    assert {gap.detail for gap in report.found} == {"nothing was ordered before the open"}


def test_day_when_trading_was_paused_then_timing_says_by_whom_it_was() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played).model_copy(
        update={"orders": (), "trading_state": TradingState.REDUCING, "state_reason": "a walk"}
    )
    assert {gap.detail for gap in laid(live, played).found} == {"trading was reducing: a walk"}


@pytest.mark.parametrize("moved", ["as_of", "submitted_at"])
def test_order_when_it_missed_the_open_then_it_is_timing_whatever_it_filled_at(moved: str) -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    order = next(each for each in live.orders if each.symbol == "ACME")
    late = live.session.opens_at + timedelta(minutes=12)
    changed = _order(live, "ACME", **{moved: late}, fills=_filled(order, order.fills[0].price + 1))
    report = laid(marked(changed, played), played)
    kind, symbol, detail = _only(report)
    assert (kind, symbol) == (GapKind.TIMING, "ACME")
    assert "13:42:00 UTC, after the open" in detail
    assert report.equity.unexplained == 0


def test_order_when_it_was_under_way_from_earlier_then_its_fill_is_timing_and_without_one_it_is_nothing() -> None:
    played = play(QUIET)
    live = mirror(QUIET, played)
    old = LiveOrder(
        intent_id="old",
        recommendation_id="r",
        symbol="CORE",
        side=Side.BUY,
        as_of=live.session.opens_at - timedelta(days=1),
        quantity=Decimal(5),
        status="accepted",
    )
    assert laid(live.model_copy(update={"orders": (old,)}), played).found == ()
    filled = old.model_copy(
        update={"fills": (LiveFill(at=live.session.opens_at, quantity=Decimal(5), price=Decimal(49)),)}
    )
    assert _only(laid(live.model_copy(update={"orders": (filled,)}), played))[0] is GapKind.TIMING


# -- approval ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["declined", "expired", "pending"])
def test_order_when_nobody_approved_it_then_it_is_approval_with_its_dollars(status: str) -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    changed = _order(live, "ACME", status=status, fills=(), submitted_at=None, approval=approval(status, live))
    report = laid(marked(changed, played), played)
    assert _only(report) == (GapKind.APPROVAL, "ACME", status)
    assert report.equity.explained[GapKind.APPROVAL] == report.equity.difference != 0
    assert report.equity.unexplained == 0


def test_order_when_it_was_approved_in_time_then_it_is_equal() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    assert laid(_order(live, "ACME", approval=approval("approved", live)), played).found == ()


@pytest.mark.parametrize(("minutes", "kind"), [(-1, GapKind.TIMING), (0, GapKind.TIMING), (9, GapKind.APPROVAL)])
def test_order_when_it_was_sent_after_the_open_then_it_is_approval_only_where_that_came_after_it_too(
    minutes: int, kind: GapKind
) -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    opens_at = live.session.opens_at
    given = approval("approved", live).model_copy(
        update={"decided_at": opens_at + timedelta(minutes=minutes), "decided_by": "ann"}
    )
    changed = _order(live, "ACME", approval=given, submitted_at=opens_at + timedelta(minutes=10))
    assert _only(laid(changed, played)) == (
        kind,
        "ACME",
        "approved by ann at 13:39:00 UTC, after the open"
        if kind is GapKind.APPROVAL
        else "sent at 13:40:00 UTC, after the open",
    )


def test_order_when_an_earlier_one_still_waits_for_a_person_then_it_is_approval() -> None:
    played = play(BUYING)
    live = mirror(BUYING, played)
    earlier = live.session.opens_at - timedelta(days=1)
    changed = _order(live, "ACME", as_of=earlier, status="open", fills=(), approval=approval("pending", live))
    assert _only(laid(changed, played))[0] is GapKind.APPROVAL


# -- the whole --------------------------------------------------------------------------------------------------------


@given(
    number=st.integers(0, DAYS - 1),
    changes=st.lists(
        st.tuples(
            st.sampled_from(["price", "quantity", "late", "declined", "gone"]),
            st.integers(0, 3),
            st.decimals(Decimal("0.01"), Decimal("9.99"), places=2),
        ),
        max_size=4,
    ),
    transfer=st.decimals(Decimal(-500), Decimal(500), places=2),
)
def test_difference_when_a_day_went_any_other_way_then_gaps_and_rest_are_the_whole_of_it(
    number: int, changes: list[tuple[str, int, Decimal]], transfer: Decimal
) -> None:
    played = play(number)
    live = mirror(number, played)
    for what, nth, amount in changes:
        if not live.orders:
            continue
        order = live.orders[nth % len(live.orders)]
        if what == "gone":
            kept = tuple(each for each in live.orders if each is not order)
            live = live.model_copy(update={"orders": kept})
        elif what == "declined":
            live = _order(live, order.symbol, fills=(), approval=approval("declined", live))
        elif what == "late":
            live = _order(live, order.symbol, as_of=live.session.opens_at + NOON)
        elif order.fills and what == "price":
            live = _order(live, order.symbol, fills=_filled(order, order.fills[0].price + amount))
        elif order.fills:
            live = _order(live, order.symbol, fills=_filled(order, order.fills[0].price, amount))
    live = marked(live, played)
    assert live.after is not None
    moved = live.after.model_copy(update={"equity": live.after.equity + transfer})
    report = laid(live.model_copy(update={"after": moved}), played)
    equity = report.equity
    assert equity.unexplained == transfer
    assert equity.difference == sum(equity.explained.values()) + transfer
    assert sum(report.counts.values()) == len(report.gaps)


def test_equity_when_nobody_marked_the_account_then_nothing_is_claimed() -> None:
    played = play(BUYING)
    report = laid(mirror(BUYING, played).model_copy(update={"after": None}), played)
    assert (report.equity.difference, report.equity.unexplained, report.equity.live_change) == (None, None, None)


def test_day_when_played_at_another_instant_then_only_the_instant_differs() -> None:
    """The pass comes some minutes before the plan: the engine is given an open that long after it."""
    early, late = play(BUYING), play(BUYING, lead=timedelta(minutes=5))
    assert [order.symbol for order in early.state.orders] == [order.symbol for order in late.state.orders]
    assert {order.as_of for order in early.state.orders} == {
        day(BUYING)[0].sessions[0].opens_at - timedelta(minutes=15)
    }
    assert request_for(market(DAYS)).config == EAGER
