"""Stops, by hand and for any path of prices."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.market import Bar
from domain.rules_config import StopRules
from domain.stops import (
    StopKind,
    StopState,
    advance,
    average_true_range,
    open_stop,
    split,
    stop_distance,
    stop_fill,
    true_ranges,
)

from .builders import PROPERTY, bar

RULES = StopRules()


def opened(horizon: float = 10.0, **changes: Any) -> StopState:
    """Bought at $100 with an average range of $2: the stop is at $94, R is $6, the target $112."""
    return open_stop(Decimal(100), 2.0, horizon, RULES).model_copy(update=changes)


def test_true_range_when_there_is_a_gap_then_it_counts() -> None:
    found = true_ranges([10, 15, 9], [8, 13, 7], [9, 14, 8])
    assert math.isnan(found[0])
    assert found[1:].tolist() == [6.0, 7.0]  # 15 - 9 up, 14 - 7 down


def test_average_true_range_when_computed_by_hand_then_it_agrees() -> None:
    # Fourteen ranges of 2 after the first bar, then one of 16: (13 x 2 + 16) / 14 = 3, then 2: (13 x 3 + 2) / 14.
    high, low, close = [101.0] * 15 + [115.0, 101.0], [99.0] * 17, [100.0] * 17
    found = average_true_range(high, low, close, RULES)
    assert np.isnan(found[:14]).all()
    assert found[14:].tolist() == [2.0, 3.0, 41.0 / 14.0]
    assert np.isnan(average_true_range(high[:14], low[:14], close[:14], RULES)).all()
    assert average_true_range([], [], [], RULES).tolist() == []


def test_average_true_range_when_later_bars_change_then_earlier_values_do_not() -> None:
    high, low, close = np.full(30, 101.0), np.full(30, 99.0), np.full(30, 100.0)
    before = average_true_range(high, low, close, RULES)
    high[20:] = 500.0
    assert average_true_range(high, low, close, RULES)[:20].tobytes() == before[:20].tobytes()


@pytest.mark.parametrize(
    ("high", "low", "close"),
    [([1.0, 2.0], [1.0], [1.0, 2.0]), ([math.nan], [1.0], [1.0]), ([1.0], [0.0], [1.0]), ([[1.0]], [[1.0]], [[1.0]])],
)
def test_true_range_when_a_series_is_wrong_then_it_is_refused(high: Any, low: Any, close: Any) -> None:
    with pytest.raises(InvalidInput):
        true_ranges(high, low, close)


@pytest.mark.parametrize(("multiple", "stop"), [("2.5", "95"), ("3", "94"), ("3.5", "93")])
def test_initial_stop_when_placed_then_it_is_some_ranges_below_the_entry(multiple: str, stop: str) -> None:
    rules = StopRules(initial_atr=Decimal(multiple))
    state = open_stop(Decimal(100), 2.0, 10.0, rules)
    assert (state.stop, state.initial_stop) == (Decimal(stop), Decimal(stop))
    assert state.risk == 100 - Decimal(stop)
    assert stop_distance(Decimal(100), 2.0, rules) == (100 - Fraction(stop)) / 100


@pytest.mark.parametrize(
    ("price", "atr", "horizon"),
    [("6", 2.0, 10.0), ("100", 0.0, 10.0), ("100", math.inf, 10.0), ("0", 2.0, 10.0), ("100", 2.0, 0.0)],
)
def test_initial_stop_when_none_fits_then_it_is_refused(price: str, atr: float, horizon: float) -> None:
    with pytest.raises(InvalidInput):
        open_stop(Decimal(price), atr, horizon, RULES)


@pytest.mark.parametrize(
    ("opening", "low", "fill"), [("96", "93", "94"), ("90", "89", "90"), ("94", "94", "94"), ("96", "94", "94")]
)
def test_stop_when_hit_then_the_fill_is_the_stop_or_the_gap_below_it(opening: str, low: str, fill: str) -> None:
    state, event = advance(opened(), bar(opening, "97", low, low), RULES, atr=2.0)
    assert event is not None
    assert (event.kind, event.price, event.level, event.share) == (
        StopKind.STOP, Decimal(fill), Decimal(94), Decimal(1),
    )  # fmt: skip
    assert state.closed
    with pytest.raises(InvalidInput, match="STOP_ALREADY_HIT"):
        advance(state, bar("96", "97", "95", "96"), RULES)


def test_stop_fill_when_the_bar_stays_above_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="STOP_NOT_REACHED"):
        stop_fill(Decimal(96), Decimal("94.01"), Decimal(94))


def test_trail_when_the_close_rises_then_the_stop_follows_from_the_next_bar() -> None:
    # The low of 95 lies below the new stop of 104 - 3 x 2 = 98, and is not stopped: it belongs to the same bar.
    state, event = advance(opened(), bar("100", "105", "95", "104"), RULES, atr=2.0)
    assert event is None
    assert state.stop == Decimal(98)
    state, event = advance(state, bar("99", "100", "98.01", "99"), RULES, atr=1.0)
    assert event is None
    assert state.stop == Decimal(101)  # the highest close still is 104; three of the narrower ranges below it
    state, event = advance(state, bar("102", "103", "101.5", "103"), RULES, atr=5.0)
    assert state.stop == Decimal(101)  # 104 - 15 would be lower
    state, event = advance(state, bar("102", "103", "101", "102"), RULES, atr=5.0)
    assert event is not None
    assert event.price == Decimal(101)


def test_trail_when_the_range_is_unknown_then_the_stop_stays() -> None:
    state, _ = advance(opened(), bar("100", "105", "99", "104"), RULES)
    assert (state.stop, state.highest_close) == (Decimal(94), Decimal(104))


@pytest.mark.parametrize(
    ("opening", "high", "price"), [("105", "112", "112"), ("105", "113", "112"), ("114", "115", "114")]
)
def test_scale_out_when_two_r_are_reached_then_half_is_sold_once(opening: str, high: str, price: str) -> None:
    state, event = advance(opened(), bar(opening, high, "104", "110"), RULES, atr=2.0)
    assert event is not None
    assert (event.kind, event.price, event.level, event.share) == (
        StopKind.SCALE_OUT, Decimal(price), Decimal(112), Decimal("0.5"),
    )  # fmt: skip
    assert (state.scaled_out, state.closed, state.stop) == (True, False, Decimal(104))
    _, again = advance(state, bar("110", "120", "109", "118"), RULES, atr=2.0)
    assert again is None


def test_scale_out_when_just_missed_then_nothing_is_sold() -> None:
    state, event = advance(opened(), bar("105", "111.99", "104", "110"), RULES, atr=2.0)
    assert (event, state.scaled_out) == (None, False)


def test_bar_when_it_holds_stop_and_target_then_the_stop_is_assumed() -> None:
    state, event = advance(opened(), bar("100", "120", "94", "119"), RULES, atr=2.0)
    assert event is not None
    assert (event.kind, event.price) == (StopKind.STOP, Decimal(94))
    assert not state.scaled_out


@pytest.mark.parametrize(
    ("held", "highest", "scaled", "up"),
    [
        (14, "102", False, False),
        (15, "102", False, True),
        (15, "102.99", False, True),
        (15, "103", False, False),
        (15, "102", True, False),
    ],
)
def test_time_stop_when_one_and_a_half_horizons_pass_without_half_an_r_then_time_is_up(
    held: int, highest: str, scaled: bool, up: bool
) -> None:
    before = opened(sessions_held=held - 1, highest_close=Decimal(highest), scaled_out=scaled)
    state, event = advance(before, bar("101", "102", "100", "101"), RULES, atr=2.0)
    assert state.sessions_held == held
    assert (event is not None and event.kind is StopKind.TIME_STOP) is up
    if event is not None:
        assert (event.price, event.level, event.share) == (Decimal(101), Decimal(103), Decimal(1))
        _, again = advance(state, bar("101", "102", "100", "101"), RULES, atr=2.0)
        assert again == event  # until the position is gone
        _, hit = advance(state, bar("101", "102", "90", "91"), RULES, atr=2.0)
        assert hit is not None
        assert hit.kind is StopKind.STOP


@pytest.mark.parametrize(("ratio", "stop"), [("7", "13.428571"), ("0.1", "940"), ("2", "47")])
def test_split_when_it_happens_then_all_prices_are_restated(ratio: str, stop: str) -> None:
    state = split(opened(sessions_held=3), Decimal(ratio))
    assert (state.stop, state.initial_stop) == (Decimal(stop), Decimal(stop))
    assert abs(state.entry_price * Decimal(ratio) - 100) < Decimal("0.00001")
    assert state.highest_close == state.entry_price
    assert state.sessions_held == 3


@pytest.mark.parametrize("ratio", ["0", "-1", "NaN", "1000000000"])
def test_split_when_the_ratio_is_impossible_then_it_is_refused(ratio: str) -> None:
    with pytest.raises(InvalidInput, match="INVALID_SPLIT"):
        split(opened(), Decimal(ratio))


@st.composite
def bars(draw: st.DrawFn) -> list[tuple[Bar, float | None]]:
    """Any path of bars in cents, with any average ranges, some of them unknown."""
    found = []
    for _ in range(draw(st.integers(1, 20))):
        low, *inside, high = sorted(draw(st.lists(st.integers(5_000, 15_000), min_size=4, max_size=4)))
        first, last = draw(st.permutations(inside))
        prices = [str(Decimal(cents) / 100) for cents in (first, high, low, last)]
        found.append((bar(*prices), draw(st.one_of(st.none(), st.floats(0.01, 30)))))
    return found


@PROPERTY
@given(bars())
def test_stop_when_prices_are_any_then_it_never_falls_and_every_fill_is_real(
    path: list[tuple[Bar, float | None]],
) -> None:
    state = opened()
    for one, atr in path:
        before, (state, event) = state, advance(state, one, RULES, atr=atr)
        assert state.stop >= before.stop
        assert state.stop >= state.initial_stop
        if event is not None:
            assert one.low <= event.price <= one.high
            assert event.kind is not StopKind.STOP or event.price <= before.stop
        assert (one.low <= before.stop) == (event is not None and event.kind is StopKind.STOP)
        if state.closed:
            return


@PROPERTY
@given(bars())
def test_stop_when_a_position_is_split_then_the_same_bars_do_the_same(
    path: list[tuple[Bar, float | None]],
) -> None:
    """One new share for a thousand old ones: every price is multiplied, and nothing has to be rounded."""
    state, other = opened(), split(opened(), Decimal("0.001"))
    for one, atr in path:
        larger = bar(*(str(price * 1000) for price in (one.open, one.high, one.low, one.close)))
        rounded = None if atr is None else round(atr, 3)
        state, event = advance(state, one, RULES, atr=rounded)
        other, twin = advance(other, larger, RULES, atr=None if rounded is None else rounded * 1000)
        assert (event and event.kind) == (twin and twin.kind)
        assert other.stop == state.stop * 1000
        if state.closed:
            return
