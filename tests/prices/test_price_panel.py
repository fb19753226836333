"""Laying out bars and actions, and adjusting them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal, localcontext
from math import prod
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.adjustment import adjusted_close, adjusted_volume, split_factor
from domain.errors import InvalidInput
from domain.price_panel import (
    PricePanel,
    adjusted_closes,
    adjusted_volumes,
    from_bars,
    holding_returns,
    split_epochs,
    split_factors,
    total_return_closes,
)
from store.market import _window

from .builders import PROPERTY, Market, action, bar, bars, markets, weekdays
from .reference import buy_and_hold

DAYS = weekdays(5)
VIEWS: tuple[Callable[[PricePanel, int], np.ndarray], ...] = (
    adjusted_closes,
    adjusted_volumes,
    split_factors,
    total_return_closes,
)


def test_split_factor_when_day_is_before_between_or_on_the_ex_date_then_only_later_splits_count() -> None:
    splits = [(DAYS[1], Decimal(2)), (DAYS[3], Decimal("0.1"))]
    assert [split_factor(day, splits, DAYS[4]) for day in DAYS] == [
        Decimal(expected) for expected in ("0.2", "0.1", "0.1", "1", "1")
    ]
    assert split_factor(DAYS[0], splits, DAYS[2]) == 2
    assert split_factor(DAYS[0], splits, DAYS[1]) == 2
    assert split_factor(DAYS[0], splits, DAYS[0]) == 1


def test_adjustment_when_the_surrounding_precision_is_changed_then_its_own_counts() -> None:
    splits = [(DAYS[1], Decimal("7.00000700001")), (DAYS[2], Decimal("1.49999925"))]
    with localcontext(prec=3):
        coarse = split_factor(DAYS[0], splits, DAYS[2])
        found = coarse, adjusted_close(Decimal("645.57"), coarse), adjusted_volume(123_456_789, coarse)
    factor = split_factor(DAYS[0], splits, DAYS[2])
    assert found == (factor, adjusted_close(Decimal("645.57"), factor), adjusted_volume(123_456_789, factor))


def test_panel_when_bars_are_missing_then_prices_are_nan_and_volume_is_0() -> None:
    listed = [
        *bars("B", DAYS, "1", "2", "3", "4", "5"),
        bar("A", DAYS[1], "10.5", "9", volume=7),
        bar("A", DAYS[2], "11"),
    ]
    panel = from_bars(reversed(listed), [action("A", DAYS[2], dividend="0.5", split="2")], DAYS)
    assert panel.symbols == ("A", "B")
    assert panel.sessions == tuple(DAYS)
    assert panel.traded[:, 0].tolist() == [False, True, True, False, False]
    np.testing.assert_array_equal(panel.close[:, 0], [np.nan, 10.5, 11, np.nan, np.nan])
    np.testing.assert_array_equal([panel.open[1, 0], panel.high[1, 0], panel.low[1, 0]], [9, 10.5, 9])
    assert panel.volume[:, 0].tolist() == [0, 7, 1000, 0, 0]
    assert panel.split_ratio[:, 0].tolist() == [1, 1, 2, 1, 1]
    assert panel.dividend[:, 0].tolist() == [0, 0, 0.5, 0, 0]
    assert panel.splits == (((DAYS[2], Decimal(2)),), ())
    assert panel.delisted_after.tolist() == [2, -1]
    assert (panel.column("B"), panel.row(DAYS[3])) == (1, 3)


def test_panel_when_built_then_every_array_is_c_contiguous_and_read_only() -> None:
    panel = from_bars(bars("A", DAYS, *"12345"), [], DAYS)
    arrays = [value for value in vars(panel).values() if isinstance(value, np.ndarray)]
    assert len(arrays) == 9
    assert all(array.flags.c_contiguous and not array.flags.writeable for array in arrays)
    with pytest.raises(ValueError, match="read-only"):
        panel.close[0, 0] = 1


def test_panel_when_a_dividend_and_a_split_are_listed_apart_then_they_are_joined() -> None:
    paid = [
        action("A", DAYS[1], dividend="0.5"),
        action("A", DAYS[1], dividend="0.25"),
        action("A", DAYS[1], split="2"),
    ]
    panel = from_bars(bars("A", DAYS, *"12345"), paid, DAYS)
    assert (panel.dividend[1, 0], panel.split_ratio[1, 0]) == (0.75, 2)


def test_panel_when_actions_are_of_other_symbols_or_days_outside_then_they_change_nothing() -> None:
    listed = bars("A", DAYS, *"12345")
    outside = [
        action("A", DAYS[0] - timedelta(days=1), split="2"),
        action("A", DAYS[-1] + timedelta(days=9), split="2"),
    ]
    panel = from_bars(listed, [*outside, action("B", DAYS[2], dividend="9")], DAYS)
    assert (panel.split_ratio == 1).all()
    assert not panel.dividend.any()
    assert panel.splits == ((),)


@pytest.mark.parametrize(
    ("market", "code", "field"),
    [
        (Market([], [], []), "NO_SESSIONS", None),
        (Market(DAYS, [], []), "NO_BARS", None),
        (Market([DAYS[1], DAYS[0]], [], []), "SESSIONS_NOT_ASCENDING", ("found", DAYS[0])),
        (Market([DAYS[0], DAYS[0]], [], []), "SESSIONS_NOT_ASCENDING", ("found", DAYS[0])),
        (Market(DAYS[1:], bars("A", DAYS, *"12345"), []), "BAR_ON_NO_SESSION", ("session", DAYS[0])),
        (Market(DAYS, [bar("A", DAYS[0], "1"), bar("A", DAYS[0], "2")], []), "DUPLICATE_BAR", ("session", DAYS[0])),
        (
            Market([DAYS[0], DAYS[2]], [bar("A", DAYS[0], "1")], [action("A", DAYS[1], dividend="0.1")]),
            "ACTION_ON_NO_SESSION",
            ("session", DAYS[1]),
        ),
        (Market(DAYS, [bar("A", DAYS[0], "1000000000")], []), "PRICE_TOO_LARGE", ("found", Decimal(10**9))),
        (Market(DAYS, [bar("A", DAYS[0], "1", volume=2**53)], []), "VOLUME_TOO_LARGE", ("found", 2**53)),
    ],
)
def test_panel_when_something_does_not_fit_then_it_is_refused_and_named(
    market: Market, code: str, field: tuple[str, object] | None
) -> None:
    with pytest.raises(InvalidInput) as raised:
        from_bars(market.bars, market.actions, market.sessions)
    assert raised.value.code == code
    if field is not None:
        assert raised.value.fields[field[0]] == field[1]


def test_panel_when_asked_for_what_it_does_not_have_then_it_says_so() -> None:
    panel = from_bars(bars("A", DAYS, *"12345"), [], DAYS)
    with pytest.raises(InvalidInput, match="SYMBOL_NOT_IN_PANEL: symbol=B"):
        panel.column("B")
    with pytest.raises(InvalidInput, match="SESSION_NOT_IN_PANEL: session=2023-12-31"):
        panel.row(DAYS[0] - timedelta(days=1))
    for view in VIEWS:
        for row in (-1, 5):
            with pytest.raises(InvalidInput, match="ROW_NOT_IN_PANEL"):
                view(panel, row)


def test_adjusted_closes_when_seen_before_on_and_after_a_split_then_it_counts_from_its_day_on() -> None:
    panel = from_bars(bars("A", DAYS, "70", "77", "11", "12", "13"), [action("A", DAYS[2], split="7")], DAYS)
    assert adjusted_closes(panel, 1)[:, 0].tolist() == [70, 77]
    assert adjusted_closes(panel, 2)[:, 0].tolist() == [10, 11, 11]
    assert adjusted_volumes(panel, 2)[:, 0].tolist() == [7000, 7000, 1000]
    assert split_factors(panel, 4)[:, 0].tolist() == [7, 7, 1, 1, 1]
    assert split_epochs(panel) == ((0, 1), (2, 4))


def test_total_return_closes_when_a_dividend_is_paid_then_earlier_closes_lose_its_part_of_the_close_before() -> None:
    panel = from_bars(bars("A", DAYS, "50", "100", "96", "97", "98"), [action("A", DAYS[2], dividend="4")], DAYS)
    np.testing.assert_allclose(total_return_closes(panel, 4)[:, 0], [48, 96, 96, 97, 98], rtol=1e-15)
    assert total_return_closes(panel, 1)[:, 0].tolist() == [50, 100]
    np.testing.assert_allclose(holding_returns(panel)[1:3, 0], [1, 0], atol=1e-15)


def test_returns_when_a_dividend_and_a_split_share_their_day_then_the_dividend_counts_old_shares() -> None:
    panel = from_bars(bars("A", DAYS[:2], "100", "48"), [action("A", DAYS[1], dividend="4", split="2")], DAYS[:2])
    assert holding_returns(panel)[1, 0] == 0
    assert total_return_closes(panel, 1)[:, 0].tolist() == [48, 48]


def test_total_return_closes_when_a_dividend_is_not_below_the_close_before_then_it_is_refused() -> None:
    panel = from_bars(bars("A", DAYS, *"45678"), [action("A", DAYS[1], dividend="4")], DAYS)
    with pytest.raises(InvalidInput, match=r"DIVIDEND_EXCEEDS_PRICE: symbol=A, session=2024-01-02, found=4\.0"):
        total_return_closes(panel, 4)
    assert total_return_closes(panel, 0).tolist() == [[4]]


@PROPERTY
@given(markets(), st.data())
def test_adjusted_closes_when_taken_from_any_market_then_they_are_what_a_decision_is_shown(
    market: Market, data: st.DataObject
) -> None:
    panel = market.panel
    last = data.draw(st.integers(0, len(market.sessions) - 1))
    today = market.sessions[last]
    closes, volumes = adjusted_closes(panel, last), adjusted_volumes(panel, last)
    for column, symbol in enumerate(panel.symbols):
        own = sorted((each for each in market.bars if each.symbol == symbol), key=lambda each: each.session)
        seen = [(each.session, each.close, each.volume) for each in own if each.session <= today]
        splits = sorted((each.ex_date, each.split_ratio) for each in market.actions if each.symbol == symbol)
        window = _window(symbol, seen, splits, today)
        traded = panel.traded[: last + 1, column]
        assert tuple(closes[traded, column].tolist()) == window.closes
        assert tuple(volumes[traded, column].tolist()) == window.volumes
        factors = [prod(ratio for ex_date, ratio in splits if day < ex_date <= today) for day, _, _ in seen]
        assert window.closes == tuple(
            float(close / factor) for (_, close, _), factor in zip(seen, factors, strict=True)
        )


@PROPERTY
@given(markets(), st.data())
def test_views_when_everything_later_is_cut_off_then_they_are_bit_identical(
    market: Market, data: st.DataObject
) -> None:
    last = data.draw(st.integers(0, len(market.sessions) - 1))
    sessions = market.sessions[: last + 1]
    panel = market.panel
    kept = [each for each in market.bars if each.session <= sessions[-1]]
    if not kept:
        return
    cut = from_bars(kept, market.actions, sessions)
    columns = [panel.column(symbol) for symbol in cut.symbols]
    for view in VIEWS:
        np.testing.assert_array_equal(view(panel, last)[:, columns], view(cut, last))
    np.testing.assert_array_equal(holding_returns(panel)[: last + 1, columns], holding_returns(cut))


@PROPERTY
@given(markets())
def test_split_epochs_when_taken_then_closes_within_one_need_no_new_adjustment(market: Market) -> None:
    panel = market.panel
    epochs = split_epochs(panel)
    assert [row for first, last in epochs for row in range(first, last + 1)] == list(range(len(panel.sessions)))
    for first, last in epochs:
        for row in range(first, last + 1):
            np.testing.assert_array_equal(adjusted_closes(panel, row), adjusted_closes(panel, last)[: row + 1])


@PROPERTY
@given(markets(), st.randoms())
def test_panel_when_bars_and_actions_come_in_another_order_then_it_is_the_same(market: Market, random: Random) -> None:
    listed, actions = list(market.bars), list(market.actions)
    random.shuffle(listed)
    random.shuffle(actions)
    one, other = market.panel, from_bars(listed, actions, market.sessions)
    for field in dataclasses.fields(PricePanel):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right)
        else:
            assert left == right


@PROPERTY
@given(markets())
def test_panel_when_symbols_are_renamed_then_columns_move_and_nothing_else_changes(market: Market) -> None:
    new = {"AAA": "ZZZ", "BBB": "YYY", "CCC": "XXX"}
    renamed = from_bars(
        [each.model_copy(update={"symbol": new[each.symbol]}) for each in market.bars],
        [each.model_copy(update={"symbol": new[each.symbol]}) for each in market.actions],
        market.sessions,
    )
    panel, last = market.panel, len(market.sessions) - 1
    columns = [renamed.column(new[symbol]) for symbol in panel.symbols]
    for view in VIEWS:
        np.testing.assert_array_equal(view(panel, last), view(renamed, last)[:, columns])
    np.testing.assert_array_equal(holding_returns(panel), holding_returns(renamed)[:, columns])


@PROPERTY
@given(markets(gaps=False))
def test_holding_returns_when_compounded_then_they_are_the_equity_of_a_reinvested_position(market: Market) -> None:
    panel, last = market.panel, len(market.sessions) - 1
    returns = holding_returns(panel)
    for column, symbol in enumerate(panel.symbols):
        shares = Decimal(10) ** 9  # so that no part of a share that is floored away counts
        equity = buy_and_hold(panel, symbol, 0, last, reinvest=True, shares=shares)
        expected = [float(later / equity[0]) for later in equity]
        np.testing.assert_allclose(np.cumprod([1, *(1 + returns[1:, column])]), expected, rtol=1e-6)


@PROPERTY
@given(markets())
def test_total_return_closes_when_nothing_pays_then_they_are_the_split_adjusted_closes(market: Market) -> None:
    splits = [each.model_copy(update={"cash_dividend": Decimal(0)}) for each in market.actions]
    panel, last = from_bars(market.bars, splits, market.sessions), len(market.sessions) - 1
    np.testing.assert_allclose(total_return_closes(panel, last), adjusted_closes(panel, last), rtol=1e-14)


@PROPERTY
@given(markets())
def test_holding_returns_when_there_is_a_gap_then_they_run_from_the_bar_before_it(market: Market) -> None:
    panel = market.panel
    has_return = ~np.isnan(holding_returns(panel))
    earlier = np.cumsum(panel.traded, axis=0) - panel.traded
    np.testing.assert_array_equal(has_return, panel.traded & (earlier > 0))
