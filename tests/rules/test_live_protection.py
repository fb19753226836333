"""Stops of the live account: judged by bars and prices, and sold until they are sold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Tier, TradingConfig
from domain.decisions import Holding, Side
from domain.live_protection import (
    LiveProtection,
    StopInputs,
    begun,
    entered,
    exits,
    judge_stops,
    placed,
    restated,
    settled,
    trimmed,
    trimmings,
)
from domain.market import Bar
from domain.protection import Trim
from domain.rules_config import StopRules
from domain.stops import StopKind, advance, open_stop

MONDAY = date(2014, 7, 14)
RULES = StopRules()
CONFIG = TradingConfig()


def instant(day: int, hour: int = 14) -> datetime:
    return datetime(2014, 7, 14 + day, hour, tzinfo=UTC)


def bar(day: int, low: str, high: str, *, open: str | None = None, close: str | None = None) -> Bar:
    return Bar(
        symbol="ACME",
        session=MONDAY + timedelta(days=day),
        open=Decimal(open or high),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close or low),
        volume=1_000_000,
    )


def held(quantity: str = "10", price: str = "100", last: str = "100") -> Holding:
    return Holding(
        symbol="ACME",
        quantity=Decimal(quantity),
        average_price=Decimal(price),
        last_price=Decimal(last),
        opened_session=MONDAY.isoformat(),
    )


def inputs(*bars: Bar, **changes: Any) -> StopInputs:
    """A position bought at 100 with an average range of 2: the stop lies at 94, the target at 112."""
    values: dict[str, Any] = {"holding": held(), "opened": MONDAY, "horizon_td": 20.0, "entry_range": 2.0}
    return StopInputs.model_validate({**values, "bars": bars, **changes})


def start() -> LiveProtection:
    return begun(MONDAY, Tier.MODERATE)


def judged(live: LiveProtection, *given: StopInputs, day: int = 0) -> LiveProtection:
    return judge_stops(live, given, RULES, as_of=instant(day))


def test_position_when_it_is_new_then_its_stop_lies_three_ranges_below() -> None:
    live = judged(start(), inputs())
    assert live.state.stops["ACME"].stop == Decimal(94)
    assert live.due == {}


@pytest.mark.parametrize("missing", [{"entry_range": None}, {"entry_range": 40.0}])
def test_position_when_no_range_is_known_or_no_stop_fits_then_it_has_none(missing: dict[str, Any]) -> None:
    live = judged(start(), inputs(**missing))
    assert live.state.stops == {}
    assert live.due == {}


def test_price_when_it_reaches_the_stop_then_everything_is_due_at_once() -> None:
    live = judged(judged(start(), inputs()), inputs(price=Decimal("93.9")))
    assert live.due["ACME"].kind is StopKind.STOP
    assert live.due["ACME"].share == 1
    (sale,) = exits(live, [held(last="93.9")], busy=(), config=CONFIG, as_of=instant(0, 15))
    assert (sale.side, sale.quantity, sale.reason) == (Side.SELL, Decimal(10), "STOP: price=93.9, level=94.000000")


def test_price_when_it_reaches_the_target_then_half_is_due_once() -> None:
    live = judged(judged(start(), inputs()), inputs(price=Decimal(112)))
    (sale,) = exits(live, [held()], busy=(), config=CONFIG, as_of=instant(0, 15))
    assert sale.quantity == Decimal(5)
    again = judged(placed(live, [sale]), inputs(price=Decimal(115)))
    assert exits(again, [held("5")], busy=(), config=CONFIG, as_of=instant(0, 16)) == ()


def _half_planned() -> tuple[LiveProtection, str]:
    live = judged(judged(start(), inputs()), inputs(price=Decimal(112)))
    (sale,) = exits(live, [held()], busy=(), config=CONFIG, as_of=instant(0, 15))
    return placed(live, [sale]), sale.intent_id


def test_half_when_nothing_of_its_sale_was_filled_then_it_is_due_again_and_sold_under_another_intent() -> None:
    live, intent_id = _half_planned()
    assert exits(settled(live, {}), [held()], busy=(), config=CONFIG, as_of=instant(0, 16)) == ()
    again = settled(live, {intent_id: False})
    (sale,) = exits(again, [held()], busy=(), config=CONFIG, as_of=instant(0, 16))
    assert (sale.quantity, sale.intent_id != intent_id, again.parts) == (Decimal(5), True, {})
    assert settled(again, {intent_id: False}) == again


def test_half_when_something_of_its_sale_was_filled_then_it_is_done() -> None:
    live, intent_id = _half_planned()
    done = settled(live, {intent_id: True})
    assert (done.parts, done.due) == ({}, {})


def test_half_when_its_position_is_another_one_or_all_is_due_meanwhile_then_it_is_not_due_again() -> None:
    live, intent_id = _half_planned()
    other = judged(live, inputs(opened=MONDAY + timedelta(days=3), holding=held(price="50"), entry_range=1.0), day=3)
    assert settled(other, {intent_id: False}).due == {}
    stopped = judged(live, inputs(price=Decimal(90)))
    assert settled(stopped, {intent_id: False}).due["ACME"].share == 1


def test_trim_when_it_is_planned_then_it_counts_only_once_it_is_filled() -> None:
    report = MONDAY + timedelta(days=2)
    trim = Trim(symbol="ACME", quantity=Decimal(5), report=report, weight="0.05")
    live = judged(start(), inputs())
    (sale,) = trimmings([trim], [held()], as_of=instant(0))
    planned = placed(live, [sale], trims=[trim])
    assert (planned.state.trims, planned.parts["ACME"].report) == ({}, report)
    assert LiveProtection.model_validate(planned.model_dump(mode="json")) == planned
    denied, filled = (settled(planned, {sale.intent_id: each}) for each in (False, True))
    assert (denied.state.trims, denied.parts, denied.due) == ({}, {}, {})
    assert (filled.state.trims, filled.parts) == ({"ACME": report}, {})


def test_stop_when_its_sale_did_not_happen_then_it_stays_due_until_the_position_is_gone() -> None:
    live = judged(judged(start(), inputs()), inputs(price=Decimal(90)))
    first = exits(live, [held()], busy=(), config=CONFIG, as_of=instant(0, 15))
    live = placed(live, first)
    assert exits(live, [held()], busy=["ACME"], config=CONFIG, as_of=instant(0, 16)) == ()
    second = exits(live, [held()], busy=(), config=CONFIG, as_of=instant(0, 17))
    assert [one.intent_id for one in second] != [one.intent_id for one in first]
    gone = judged(live)
    assert gone.due == {}
    assert gone.state.stops == {}
    assert gone.opened == {}


def test_stop_when_the_position_is_another_one_then_nothing_is_left_of_the_old() -> None:
    live = judged(judged(start(), inputs()), inputs(price=Decimal(90)))
    fresh = judged(live, inputs(opened=MONDAY + timedelta(days=3), holding=held(price="50"), entry_range=1.0), day=3)
    assert fresh.due == {}
    assert fresh.state.stops["ACME"].stop == Decimal(47)


def test_bar_when_it_was_judged_then_it_is_not_judged_again() -> None:
    first = bar(0, "99", "101", close="100")
    live = judged(judged(start(), inputs(first)), inputs(first))
    assert live.state.stops["ACME"].sessions_held == 1


def test_bar_when_its_low_went_through_unseen_then_it_is_sold_at_the_next_tick() -> None:
    live = judged(start(), inputs(bar(0, "99", "101", close="100"), bar(1, "93", "99", close="98")), day=2)
    assert live.due["ACME"].kind is StopKind.STOP
    assert live.state.stop_events[0].event.price == Decimal(94)


def test_time_when_it_is_up_then_the_whole_position_is_due() -> None:
    bars = [bar(day, "99.5", "100.5", close="100") for day in range(3)]
    live = judged(start(), inputs(*bars, horizon_td=1.0))
    assert live.due["ACME"].kind is StopKind.TIME_STOP


@given(
    st.lists(st.tuples(st.integers(90, 118), st.integers(0, 6)), min_size=1, max_size=12),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_stops_when_bars_come_one_by_one_or_together_then_they_are_those_of_the_backtest(
    shape: list[tuple[int, int]], pauses: list[bool]
) -> None:
    bars = [bar(day, str(low), str(low + width), close=str(low)) for day, (low, width) in enumerate(shape)]
    ranges = {each.session: 2.0 for each in bars}
    expected = open_stop(Decimal(100), 2.0, 20.0, RULES)
    reached = []
    for each in bars:
        if expected.closed:
            break
        expected, event = advance(expected, each, RULES, atr=2.0)
        reached += [event] if event is not None else []
    live = start()
    for number in range(1, len(bars) + 1):
        if pauses[number - 1] or number == len(bars):
            live = judged(live, inputs(*bars[:number], ranges=ranges), day=number)
    assert live.state.stops["ACME"] == expected
    assert [record.event for record in live.state.stop_events] == reached


@given(st.lists(st.decimals(80, 130, places=2), min_size=1, max_size=20))
def test_stop_when_prices_move_then_it_never_falls_and_what_is_due_never_shrinks(prices: list[Decimal]) -> None:
    live, stop, share = judged(start(), inputs()), Decimal(0), Decimal(0)
    for price in prices:
        live = judged(live, inputs(price=price))
        assert live.state.stops["ACME"].stop >= stop
        stop = live.state.stops["ACME"].stop
        due = live.due.get("ACME")
        assert due is None or due.share >= share
        share = due.share if due is not None else share


def test_split_when_it_takes_effect_then_the_stop_is_in_new_shares() -> None:
    live = restated(judged(start(), inputs()), {"ACME": Decimal(4), "OTHR": Decimal(2)})
    assert live.state.stops["ACME"].stop == Decimal("23.5")


def test_rules_when_they_are_switched_off_then_nothing_is_due() -> None:
    live = judged(judged(start(), inputs()), inputs(price=Decimal(90)))
    off = judge_stops(live, [inputs()], None, as_of=instant(1))
    assert off.due == {}
    assert off.state.stops == {}


def test_session_when_days_lie_between_then_all_of_them_count() -> None:
    live = entered(start(), MONDAY + timedelta(days=7), passed=5, tier=Tier.MODERATE)
    assert (live.index, live.session) == (5, MONDAY + timedelta(days=7))


def test_tier_when_a_person_chooses_another_then_the_account_is_in_it_at_once() -> None:
    live = entered(start(), MONDAY, passed=3, tier=Tier.AGGRESSIVE)
    assert (live.state.tier.tier, live.state.tier.since, live.base_tier) == (Tier.AGGRESSIVE, 3, Tier.AGGRESSIVE)


def test_state_when_trimmed_then_what_has_effect_is_left_and_it_travels_as_json() -> None:
    live = trimmed(judged(judged(start(), inputs()), inputs(price=Decimal(90))))
    assert live.state.stop_events == ()
    assert live.due["ACME"].share == 1
    assert LiveProtection.model_validate_json(live.model_dump_json()) == live
