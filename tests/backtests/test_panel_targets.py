"""Target positions to fills: against a bookkeeping of one symbol after the other, in Decimals."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.costs import CostModel
from domain.errors import InvalidInput
from domain.panel_targets import MICRO_DOLLARS, TargetRun, fill_targets, moving_average_targets

MICRO = Decimal("0.000001")
FREE = CostModel.none()
COSTLY = CostModel(half_spread_bp=2.5, fee_bp=1.25)


@st.composite
def markets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Targets, opens, closes and where there are bars, (T, N); without a bar prices are NaN, as in a price panel."""
    shape = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    make = np.random.default_rng(draw(st.integers(0, 2**32)))
    opens, closes = np.round(make.uniform(1, 90, shape), 2), np.round(make.uniform(1, 90, shape), 2)
    traded = make.random(shape) < draw(st.sampled_from((1.0, 0.8, 0.4)))
    return make.random(shape) < 0.5, np.where(traded, opens, np.nan), np.where(traded, closes, np.nan), traded


def by_hand(
    targets: np.ndarray, opens: np.ndarray, closes: np.ndarray, traded: np.ndarray, cash: Decimal, costs: CostModel
) -> list[Decimal]:
    """The equity of one symbol's account at each close."""
    shares, price, found, holds = 0, Decimal(0), [], False
    spread, fee = Decimal(repr(costs.half_spread_bp)) / 10_000, Decimal(repr(costs.fee_bp)) / 10_000
    for row in range(len(targets)):
        if traded[row]:
            wanted, opened = row > 0 and bool(targets[row - 1]), Decimal(repr(float(opens[row])))
            if wanted and not holds:  # once, though the cash may not buy one share
                paid = (opened * (1 + spread)).quantize(MICRO, ROUND_CEILING)
                shares = int(cash // (paid + (paid * fee).quantize(MICRO, ROUND_CEILING)))
                cash -= shares * paid + (shares * paid * fee).quantize(MICRO, ROUND_CEILING)
            elif holds and not wanted:
                paid = max(MICRO, (opened * (1 - spread)).quantize(MICRO, ROUND_FLOOR))
                cash += shares * paid - (shares * paid * fee).quantize(MICRO, ROUND_CEILING)
                shares = 0
            holds = wanted
            price = Decimal(repr(float(closes[row])))
        found.append(cash + shares * price)
    return found


@settings(deadline=None, max_examples=150)
@given(markets(), st.sampled_from((FREE, COSTLY)))
def test_fills_when_the_market_is_any_then_equity_is_that_of_a_bookkeeping_by_hand(
    market: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], costs: CostModel
) -> None:
    found = fill_targets(*market, opening=1_000 * MICRO_DOLLARS, costs=costs)
    for column in range(market[0].shape[1]):
        expected = by_hand(*(array[:, column] for array in market), Decimal(1_000), costs)
        assert [Decimal(value) * MICRO for value in found.equity[:, column].tolist()] == expected


def run(targets: list[bool], opens: list[float], closes: list[float], **changes: object) -> TargetRun:
    given = {"opening": 1_000 * MICRO_DOLLARS, "costs": FREE, **changes}
    columns = [np.array(values).reshape(-1, 1) for values in (targets, opens, closes)]
    return fill_targets(*columns, np.ones((len(targets), 1), dtype=bool), **given)  # type: ignore[arg-type]


def test_fills_when_a_target_is_set_then_it_is_traded_at_the_next_open() -> None:
    found = run([True, True, False, False], [10.0, 20.0, 30.0, 40.0], [11.0, 21.0, 31.0, 41.0])
    assert found.fills.row.tolist() == [1, 3]
    assert found.fills.shares.tolist() == [50, -50]
    assert (found.equity[:, 0] // MICRO_DOLLARS).tolist() == [1_000, 1_050, 1_550, 2_000]


def test_fills_when_costs_rise_then_equity_is_never_higher() -> None:
    make = np.random.default_rng(3)
    closes = 50 * np.exp(np.cumsum(make.normal(0, 0.02, (300, 5)), axis=0))
    targets, traded = moving_average_targets(closes, 5, 20), np.ones(closes.shape, dtype=bool)
    ends = [
        fill_targets(targets, closes, closes, traded, opening=10**11, costs=CostModel(half_spread_bp=bp)).equity[-1]
        for bp in (0.0, 2.5, 30.0)
    ]
    assert (ends[0] >= ends[1]).all()
    assert (ends[1] >= ends[2]).all()


def test_averages_when_they_are_compared_then_nothing_is_held_before_the_long_one_is_full() -> None:
    rising = np.arange(1.0, 9.0).reshape(-1, 1)
    assert moving_average_targets(rising, 2, 4)[:, 0].tolist() == [False] * 3 + [True] * 5
    assert not moving_average_targets(rising[::-1].copy(), 2, 4).any()


@pytest.mark.parametrize(("short", "long"), [(0, 5), (5, 5), (9, 5)])
def test_averages_when_they_are_out_of_order_then_they_are_refused(short: int, long: int) -> None:
    with pytest.raises(InvalidInput, match="AVERAGES_OUT_OF_ORDER"):
        moving_average_targets(np.ones((9, 1)), short, long)


def test_fills_when_arrays_differ_in_shape_or_cash_is_none_then_they_are_refused() -> None:
    with pytest.raises(InvalidInput, match="UNEQUAL_SHAPES"):
        fill_targets(
            np.ones((2, 1), bool), np.ones((3, 1)), np.ones((2, 1)), np.ones((2, 1), bool), opening=1, costs=FREE
        )
    with pytest.raises(InvalidInput, match="CASH_OUT_OF_RANGE"):
        run([True], [1.0], [1.0], opening=0)
