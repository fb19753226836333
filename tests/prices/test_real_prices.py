"""Ten years of real prices: adjusted as the vendor adjusts them, and as a position lives through them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray

from domain.action_checks import plain_ratio
from domain.decisions import Holding
from domain.portfolio import apply_split, value
from domain.price_panel import (
    adjusted_closes,
    adjusted_volumes,
    holding_returns,
    split_epochs,
    split_factors,
    total_return_closes,
)
from store.market import _window

from .conftest import RealMarket
from .lean import lean_actions, lean_factors
from .reference import buy_and_hold, exact, marked

VENDOR_DIGITS = 1e-10
"""Relative; the vendor's adjusted closes have twelve digits."""

VENDOR_ROUNDED_A_DIVIDEND = {
    ("GOOGL", "2014-04-03"): "567.97167 listed as 567.9717",
    ("GS", "2009-02-20"): "0.46666666 listed as 0.4667",
    ("MS", "2009-04-28"): "0.06666667 listed as 0.0667",
}
"""Days on which its adjusted close knows more digits of the dividend than its list of actions."""

RATIO_METHOD_DIFFERS = {
    ("HPQ", "2015-11-02"): "spin-off of 55 % of the price",
    ("COP", "2012-05-01"): "spin-off of 24 %",
    ("MS", "2007-07-02"): "spin-off of 17 %",
    ("AIG", "2011-01-20"): "warrants worth 16 %",
    ("GOOGL", "2014-04-03"): "new share class, 50 %",
    ("VZ", "2010-07-02"): "spin-off of 6.6 %",
    ("BAC", "2008-12-03"): "2.2 % paid on a day of +7 %",
    ("GE", "2009-02-19"): "2.9 % paid on a day of -5 %",
    ("PFE", "2008-11-05"): "1.7 % paid on a day of -6 %",
    ("MS", "2008-10-15"): "1.2 % paid on a day of -16 %",
    ("MS", "2009-01-28"): "1.4 % paid on a day of +18 %",
    ("FCX", "2015-01-13"): "1.4 % paid on a day of -7 %",
}
"""Days on which reinvesting at the close (vendor) and at the price before (ratio method) differ by more than 0.1 %."""


def day_ratios(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    return closes[1:] / closes[:-1]


def places(real: RealMarket, where: NDArray[np.bool_]) -> set[tuple[str, str]]:
    """Symbol and day of the second of two rows."""
    return {(real.panel.symbols[column], str(real.sessions[row + 1])) for row, column in np.argwhere(where).tolist()}


def test_panel_when_built_from_the_real_files_then_it_has_every_bar(real: RealMarket) -> None:
    panel = real.panel
    assert panel.close.shape == (2518, 46)
    assert int(panel.traded.sum()) == len(real.bars) == 113_704
    assert (panel.delisted_after == -1).all()
    assert {symbol: int(np.argmax(panel.traded[:, index])) for index, symbol in enumerate(panel.symbols)} == {
        **dict.fromkeys(panel.symbols, 0),
        "DAL": panel.row(date(2007, 5, 3)),
        "GM": panel.row(date(2010, 11, 18)),
        "QQQ": panel.row(date(2011, 3, 23)),
    }
    assert len(split_epochs(panel)) == 10


def test_adjusted_closes_when_taken_from_the_real_files_then_they_are_what_a_decision_is_shown(
    real: RealMarket,
) -> None:
    panel = real.panel
    own: dict[str, list[tuple[date, Decimal, int]]] = {symbol: [] for symbol in panel.symbols}
    for bar in real.bars:
        own[bar.symbol].append((bar.session, bar.close, bar.volume))
    splits: dict[str, list[tuple[date, Decimal]]] = {symbol: [] for symbol in panel.symbols}
    for action in real.actions:
        splits[action.symbol].append((action.ex_date, action.split_ratio))
    rows = sorted({row for epoch in split_epochs(panel) for row in epoch})
    compared = 0
    for row in rows:
        closes, volumes = adjusted_closes(panel, row), adjusted_volumes(panel, row)
        today = real.sessions[row]
        for column, symbol in enumerate(panel.symbols):
            if not panel.splits[column] and row != rows[-1]:
                continue
            seen = [each for each in own[symbol] if each[0] <= today]
            window = _window(symbol, seen, [each for each in splits[symbol] if each[1] != 1], today)
            traded = panel.traded[: row + 1, column]
            assert tuple(closes[traded, column].tolist()) == window.closes
            assert tuple(volumes[traded, column].tolist()) == window.volumes
            compared += len(window.closes)
    assert compared == 303_154


def test_holding_returns_when_compared_with_the_vendors_adjusted_closes_then_all_but_three_of_107170_are_equal(
    real: RealMarket, vendor_adjusted: NDArray[np.float64]
) -> None:
    theirs = day_ratios(vendor_adjusted)
    error = np.abs((1 + holding_returns(real.panel)[1:]) / theirs - 1)
    assert int((~np.isnan(theirs)).sum()) == int((~np.isnan(error)).sum()) == 107_170
    assert places(real, error > VENDOR_DIGITS) == set(VENDOR_ROUNDED_A_DIVIDEND)
    assert float(np.nanmax(error)) < 2e-6


def test_total_return_closes_when_compared_with_the_vendors_then_only_ex_dates_differ_and_by_little(
    real: RealMarket, vendor_adjusted: NDArray[np.float64]
) -> None:
    theirs = day_ratios(vendor_adjusted)
    error = np.abs(day_ratios(total_return_closes(real.panel, len(real.sessions) - 1)) / theirs - 1)
    paid = real.panel.dividend[1:] > 0
    assert int((error <= VENDOR_DIGITS).sum()) == 105_762
    assert not (error > VENDOR_DIGITS)[~paid].any()
    assert places(real, error > 1e-3) == set(RATIO_METHOD_DIFFERS)
    part = real.panel.dividend[1:] / real.panel.close[:-1]
    known = part / (1 - part) * np.abs(1 - 1 / (1 + holding_returns(real.panel)[1:]))
    listed = paid & ~np.isnan(theirs)
    np.testing.assert_allclose(error[listed], known[listed], rtol=0, atol=2e-6)


def test_split_adjusted_closes_when_compared_with_the_vendors_then_days_without_a_dividend_are_equal(
    real: RealMarket, vendor_adjusted: NDArray[np.float64]
) -> None:
    error = np.abs(day_ratios(adjusted_closes(real.panel, len(real.sessions) - 1)) / day_ratios(vendor_adjusted) - 1)
    assert places(real, error > VENDOR_DIGITS) == places(
        real, (real.panel.dividend[1:] > 0) & ~np.isnan(error) & (error > VENDOR_DIGITS)
    )
    assert int((error <= VENDOR_DIGITS).sum()) == 107_170 - int(
        ((real.panel.dividend[1:] > 0) & ~np.isnan(error)).sum()
    )


@pytest.mark.parametrize("exactly", [False, True])
@pytest.mark.parametrize(
    ("symbol", "day", "shares", "after"),
    [("AAPL", date(2014, 6, 9), 100, 700), ("C", date(2011, 5, 9), 1000, 100), ("AIG", date(2009, 7, 1), 2000, 100)],
)
def test_position_when_held_through_a_real_split_then_its_value_moves_by_the_days_return_alone(
    real: RealMarket, symbol: str, day: date, shares: int, after: int, exactly: bool
) -> None:
    panel = real.panel
    row, column = panel.row(day), panel.column(symbol)
    close_before, close = exact(panel.close[row - 1, column]), exact(panel.close[row, column])
    listed = exact(panel.split_ratio[row, column])
    plain = plain_ratio(listed)
    ratio = Decimal(plain.numerator) / plain.denominator if exactly else listed
    before = Holding(symbol=symbol, quantity=Decimal(shares), average_price=close_before, last_price=close_before)

    overnight = apply_split(before, ratio).holding

    assert overnight.quantity == after if exactly else abs(overnight.quantity - after) < Decimal("0.001")
    worth = value(Decimal(0), [before])
    rounding = overnight.quantity * Decimal("0.0000005") + close * Decimal("0.000000001")
    assert abs(value(Decimal(0), [overnight]) - worth) <= rounding
    moved = float(value(Decimal(0), [marked(overnight, close)]) / worth) - 1
    assert moved == pytest.approx(float(holding_returns(panel)[row, column]), abs=2e-6 if exactly else 1e-10)
    assert abs(moved) < 0.25


def test_spy_when_bought_and_held_then_the_book_equals_prices_and_distributions_to_the_last_digit(
    real: RealMarket, raw_spy: dict[str, dict[str, Decimal]]
) -> None:
    panel, shares = real.panel, Decimal(100)
    last = len(real.sessions) - 1
    book = buy_and_hold(panel, "SPY", 0, last, reinvest=False, shares=shares)
    distributions = {str(each.ex_date): each.cash_dividend for each in lean_actions("SPY", real.sessions)}
    paid = Decimal(0)
    for equity, (day, row) in zip(book, raw_spy.items(), strict=True):
        paid += distributions.get(day, Decimal(0))
        assert equity == shares * (row["close"] + paid)
    assert len(distributions) == 40
    assert paid == Decimal("31.5545")
    assert (book[0], book[-1]) == (Decimal("14145.00"), Decimal("25508.45"))


def test_spy_when_distributions_are_reinvested_then_the_book_equals_the_compounded_returns(real: RealMarket) -> None:
    panel, last = real.panel, len(real.sessions) - 1
    book = buy_and_hold(panel, "SPY", 0, last, reinvest=True)
    returns = holding_returns(panel)[1:, panel.column("SPY")]
    compounded = np.cumprod(1 + returns)
    np.testing.assert_allclose([float(each / book[0]) for each in book[1:]], compounded, rtol=1e-8)
    ratio_method = total_return_closes(panel, last)[:, panel.column("SPY")]
    assert compounded[-1] == pytest.approx(ratio_method[-1] / ratio_method[0], rel=1e-3)


@pytest.mark.parametrize("fund", ["SPY", "IWM"])
def test_total_return_closes_when_compared_with_lean_then_their_price_factors_are_equal(
    real: RealMarket, fund: str
) -> None:
    panel = real.panel
    ours = total_return_closes(panel, len(real.sessions) - 1)[:, panel.column(fund)]
    raw = panel.close[:, panel.column(fund)]
    rows = [each for each in lean_factors(fund) if real.sessions[0] <= each.day < real.sessions[-1]]
    ahead = next(each for each in lean_factors(fund) if each.day >= real.sessions[-1])
    assert len(rows) == 40
    for each in rows:
        row = panel.row(each.day)
        assert exact(raw[row]) == each.close
        assert ours[row] / raw[row] == pytest.approx(float(each.price / ahead.price), rel=1e-5)


@pytest.mark.parametrize("symbol", ["AAPL", "AIG"])
def test_split_factors_when_compared_with_lean_then_they_are_equal(real: RealMarket, symbol: str) -> None:
    panel = real.panel
    ours = split_factors(panel, len(real.sessions) - 1)[:, panel.column(symbol)]
    rows = [each for each in lean_factors(symbol) if real.sessions[0] <= each.day <= real.sessions[-1]]
    ahead = next(each for each in lean_factors(symbol) if each.day > real.sessions[-1])
    assert len(rows) >= 19
    for each in rows:
        assert 1 / ours[panel.row(each.day)] == pytest.approx(float(each.split / ahead.split), rel=2e-6)
