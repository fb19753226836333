"""What charts and tables are computed from: falls, months, bins, and the points that are drawn."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.backtest_page.series import (
    by_period,
    drawdowns,
    falls,
    first_out_of_sample,
    histogram,
    kept_places,
    month_of,
    result_by_symbol,
    returns_while_solvent,
    rolling,
    trade_days,
    trade_return,
    year_of,
)
from domain.backtest import TradeEntry
from domain.backtest_report import returns_of
from domain.metrics import maximum_drawdown, volatility
from tests.backtest_page.builders import drawn
from tests.metrics.builders import PROPERTY

curves = st.lists(st.integers(1, 40), min_size=1, max_size=40).map(lambda worth: tuple(map(Decimal, worth)))


def decimals(*amounts: int) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, amounts))


@PROPERTY
@given(curves)
def test_falls_when_a_curve_is_any_then_the_deepest_is_the_maximum_drawdown(equity: tuple[Decimal, ...]) -> None:
    worst, found = maximum_drawdown(returns_of(equity)), falls(equity)
    if worst is None or worst.start is None:
        assert found == []
        return
    assert found[0].depth == pytest.approx(worst.depth)
    assert min(drawdowns(equity)) == pytest.approx(-worst.depth)
    alike = [fall for fall in found if fall.depth == pytest.approx(worst.depth)]
    assert (worst.start, worst.recovery) in [(one.start, one.recovery) for one in alike]


@PROPERTY
@given(curves)
def test_falls_when_a_curve_is_any_then_they_do_not_overlap_and_cover_all_that_lies_below(
    equity: tuple[Decimal, ...],
) -> None:
    inside = [
        place
        for fall in falls(equity)
        for place in range(fall.start + 1, fall.recovery if fall.recovery is not None else len(equity))
    ]
    assert sorted(inside) == [place for place, below in enumerate(drawdowns(equity)) if below < 0]


def test_falls_when_a_curve_falls_from_its_start_and_never_recovers_then_the_fall_is_open() -> None:
    (fall,) = falls(decimals(100, 90, 80, 85))
    assert (fall.start, fall.trough, fall.recovery) == (0, 2, None)
    assert fall.depth == pytest.approx(0.2)


def test_months_when_a_period_spans_years_then_each_counts_from_the_last_equity_before_it() -> None:
    sessions = (date(2014, 12, 30), date(2014, 12, 31), date(2015, 1, 2), date(2015, 2, 2))
    equity = decimals(100, 110, 120, 60, 90)
    assert by_period(sessions, equity, month_of) == pytest.approx({(2014, 12): 0.2, (2015, 1): -0.5, (2015, 2): 0.5})
    assert by_period(sessions, equity, year_of) == pytest.approx({(2014,): 0.2, (2015,): -0.25})


@PROPERTY
@given(st.lists(st.floats(-0.5, 0.5), max_size=60))
def test_histogram_when_returns_are_any_then_each_lies_in_one_bin_and_none_holds_gains_and_losses(
    returns: list[float],
) -> None:
    bins = histogram(returns)
    assert sum(each.sessions for each in bins) == len(returns)
    if len(bins) > 1:
        assert all(each.high <= 0 or each.low >= 0 for each in bins)


@PROPERTY
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(10, 60))
def test_points_when_a_curve_is_long_then_ends_and_extremes_are_kept(values: list[float], most: int) -> None:
    kept = kept_places(values, most)
    assert kept == sorted(set(kept))
    assert {0, len(values) - 1} <= set(kept)
    assert {min(values), max(values)} <= {values[place] for place in kept}
    assert len(kept) <= most + 4


def test_returns_when_nothing_is_left_then_they_end_there() -> None:
    assert returns_while_solvent(decimals(100, 110, 0, 50)) == pytest.approx([0.1])
    assert returns_while_solvent(decimals(0, 50)) == []


def test_rolling_when_a_window_is_full_then_it_is_measured_up_to_each_session() -> None:
    returns = [0.01, -0.02, 0.03, 0.0]
    assert rolling(returns, 3, volatility) == [volatility(returns[:3]), volatility(returns[1:])]
    assert rolling(returns, 5, volatility) == []


def test_out_of_sample_when_training_ends_with_a_session_then_the_next_one_is_the_first() -> None:
    assert first_out_of_sample(drawn(10, 0, cutoff=3)) == 4
    assert first_out_of_sample(drawn(10, 0)) == 0


def test_trade_when_it_is_open_or_was_free_then_its_days_and_return_say_so() -> None:
    trade = TradeEntry(
        symbol="A", opened=date(2014, 7, 1), quantity=Decimal(1), cost=Decimal(50), open_value=Decimal(55)
    )
    assert trade_days(trade, date(2014, 7, 11)) == 10
    assert trade_return(trade) == pytest.approx(0.1)
    assert trade_return(trade.model_copy(update={"cost": Decimal(0)})) is None
    closed = trade.model_copy(update={"closed": date(2014, 7, 4), "symbol": "B", "open_value": Decimal(49)})
    assert trade_days(closed, date(2014, 7, 11)) == 3
    assert result_by_symbol([closed, trade, trade]) == [("A", Decimal(10)), ("B", Decimal(-1))]
