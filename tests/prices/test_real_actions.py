"""The traps that the real price files hold: every finding is listed here, and what it really was."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from activities.adapters.files.bars import read_bars
from domain.action_checks import FindingCode, check_actions
from domain.market import Bar, CorporateAction
from tests.conftest import shared_data

from .builders import action, bar
from .conftest import RealMarket
from .lean import lean_actions, lean_factors

TRAPS = {
    ("AAPL", "2014-06-09", "split_ratio_inexact"): "7:1, kept as one over 0.142857",
    ("NFLX", "2015-07-15", "split_ratio_inexact"): "7:1, likewise",
    ("CMCSA", "2007-02-22", "split_ratio_inexact"): "3:2, kept as one over 0.666667",
    ("GOOGL", "2014-04-03", "split_as_dividend"): "one share of class C for each of class A, booked as 567.97 dollars",
    ("HPQ", "2015-11-02", "spin_off_as_dividend"): "Hewlett Packard Enterprise",
    ("COP", "2012-05-01", "spin_off_as_dividend"): "Phillips 66",
    ("MS", "2007-07-02", "spin_off_as_dividend"): "Discover Financial",
    ("AIG", "2011-01-20", "spin_off_as_dividend"): "warrants",
    ("VZ", "2010-07-02", "special_dividend"): "the spin-off into Frontier; 6.6 % of the price",
    ("BAC", "2008-10-06", "special_dividend"): "probably never paid: Lean has none; 0.32 follow on 2008-12-03",
    ("COST", "2012-12-06", "special_dividend"): "a special dividend indeed",
    ("COST", "2015-02-05", "special_dividend"): "a special dividend indeed",
    ("FCX", "2013-06-12", "special_dividend"): "a special dividend indeed",
    ("F", "2016-01-27", "special_dividend"): "0.15 regular and 0.25 special",
    ("VZ", "2008-04-01", "dividends_close_together"): "the spin-off into FairPoint, a week before the regular dividend",
    ("COP", "2013-01-16", "dividends_close_together"): "probably never paid: the quarter's 0.66 follow on 2013-02-14",
    ("F", "2012-03-29", "dividends_close_together"): "probably never paid: the quarter's 0.05 follow on 2012-04-30",
    ("WFC", "2011-03-24", "dividends_close_together"): "a second dividend of the quarter, after the stress test",
    ("WFC", "2012-03-22", "dividends_close_together"): "likewise",
    ("FCX", "2010-12-16", "dividends_close_together"): "special, before the regular one",
    ("FCX", "2011-04-13", "dividends_close_together"): "regular, before a special one",
    ("FCX", "2013-06-12", "dividends_close_together"): "special, before the regular one",
    ("COST", "2012-11-14", "dividends_close_together"): "regular, before the special one",
    ("COST", "2015-02-05", "dividends_close_together"): "special, before the regular one",
    ("BAC", "2008-09-03", "dividends_close_together"): "regular, before the one that probably was never paid",
    ("VZ", "2010-07-02", "dividends_close_together"): "spin-off, before the regular dividend",
    ("MS", "2007-07-02", "dividends_close_together"): "spin-off, before the regular dividend",
    ("COP", "2012-05-01", "dividends_close_together"): "spin-off, before the regular dividend",
    ("HPQ", "2015-11-02", "dividends_close_together"): "spin-off, before the regular dividend",
    ("C", "2011-05-09", "split_volume_in_old_shares"): "492 million shares are 49 million new ones",
    ("AIG", "2009-07-01", "split_volume_in_old_shares"): "816 million shares are 41 million new ones",
    ("SPY", "2007-01-03", "symbol_without_actions"): "40 distributions are missing, 31.55 dollars in ten years",
    ("IWM", "2007-01-03", "symbol_without_actions"): "40 distributions are missing",
    ("QQQ", "2011-03-23", "symbol_without_actions"): "24 distributions are missing; the symbol was QQQQ before",
    ("AMZN", "2007-01-03", "symbol_without_actions"): "in order: paid nothing and did not split",
}

LEAN_DIFFERS = {
    ("BAC", date(2008, 10, 6)): "Lean has none",
    ("AIG", date(2011, 1, 20)): "the warrants' worth: 8.42 in Lean",
    ("BAC", date(2016, 8, 31)): "0.08 in Lean, which has whole cents of late",
    ("BAC", date(2016, 11, 30)): "0.08 in Lean",
    ("AIG", date(2014, 12, 2)): "0.13 in Lean",
}


def test_checks_when_run_on_the_real_files_then_exactly_the_known_traps_are_found(real: RealMarket) -> None:
    findings = check_actions(real.bars, real.actions, real.sessions)
    assert {(each.symbol, str(each.date), each.code.value) for each in findings} == set(TRAPS)
    assert len(findings) == len(TRAPS) == 35


def test_checks_when_run_on_the_real_files_then_what_to_put_instead_is_told(real: RealMarket) -> None:
    expected = {
        (each.symbol, each.code): each.expected for each in check_actions(real.bars, real.actions, real.sessions)
    }
    assert expected["AAPL", FindingCode.SPLIT_RATIO_INEXACT] == expected["NFLX", FindingCode.SPLIT_RATIO_INEXACT] == 7
    assert expected["CMCSA", FindingCode.SPLIT_RATIO_INEXACT] == Decimal("1.5")
    assert expected["GOOGL", FindingCode.SPLIT_AS_DIVIDEND] == 2
    assert expected["C", FindingCode.SPLIT_VOLUME_IN_OLD_SHARES] == 49_168_100
    assert expected["AIG", FindingCode.SPLIT_VOLUME_IN_OLD_SHARES] == 40_822_300


def test_clean_splits_when_checked_then_no_split_is_doubted(real: RealMarket) -> None:
    clean = {"AAPL": "7", "C": "0.1", "AIG": "0.05", "KO": "2", "SBUX": "2", "D": "2", "FCX": "2", "NFLX": "7"}
    actions = [
        each.model_copy(update={"split_ratio": Decimal(clean[each.symbol])})
        for each in real.actions
        if each.symbol in clean and each.split_ratio != 1
    ]
    assert len(actions) == 8
    listed = [each for each in real.bars if each.symbol in clean]
    codes = {each.code for each in check_actions(listed, actions, real.sessions)}
    assert codes == {FindingCode.SPLIT_VOLUME_IN_OLD_SHARES}


@pytest.mark.parametrize("symbol", ["AAPL", "NFLX", "CMCSA", "C", "AIG", "KO", "SBUX", "D", "FCX"])
def test_real_split_when_it_is_left_out_or_a_week_off_then_that_is_found(real: RealMarket, symbol: str) -> None:
    listed = [each for each in real.bars if each.symbol == symbol]
    (split,) = (each for each in real.actions if each.symbol == symbol and each.split_ratio != 1)
    week_later = real.sessions[real.sessions.index(split.ex_date) + 5]
    moved = split.model_copy(update={"ex_date": week_later})

    def codes(*actions: CorporateAction) -> set[tuple[FindingCode, date]]:
        return {(each.code, each.date) for each in check_actions(listed, actions, real.sessions)}

    assert (FindingCode.SPLIT_NOT_IN_PRICES, week_later) in codes(moved)
    if symbol != "AIG":  # rose by 18 % that night, as no plain ratio does
        assert (FindingCode.SPLIT_MISSING, split.ex_date) in codes(moved)
        assert (FindingCode.SPLIT_MISSING, split.ex_date) in codes()


def test_reused_symbol_when_both_companies_stand_in_one_file_then_the_change_is_found() -> None:
    listed = [each for each in read_bars(shared_data("prices/ticker_reuse/wm_daily.csv")) if isinstance(each, Bar)]
    found = check_actions(listed, [], [each.session for each in listed])
    assert {(str(each.date), each.code): (each.value, each.expected) for each in found} == {
        ("1998-12-09", FindingCode.SYMBOL_WITHOUT_ACTIONS): (8148, None),
        ("2001-05-16", FindingCode.SPLIT_MISSING): (Decimal("1.498734"), Decimal("1.5")),
        ("2008-09-26", FindingCode.SPLIT_MISSING): (Decimal("9.833333"), 10),  # the bank's failure: asked, and no split
        ("2009-08-05", FindingCode.SYMBOL_REUSED): (313, 30),
    }


def test_other_symbol_of_the_same_company_when_it_fell_by_a_third_overnight_then_no_split_is_suspected() -> None:
    listed = [each for each in read_bars(shared_data("prices/ticker_reuse/wmi_daily.csv")) if isinstance(each, Bar)]
    found = check_actions(listed, [], [each.session for each in listed])
    assert [each.code for each in found] == [FindingCode.SYMBOL_WITHOUT_ACTIONS]


def test_payment_in_kind_when_booked_as_a_split_then_its_odd_ratio_is_found() -> None:
    before, after = lean_factors("GOOG")[1:3]
    ratio = round(after.split / before.split, 6)
    monday = date(2015, 4, 27)
    listed = [bar("GOOG", before.day, before.close), bar("GOOG", monday, "563.39")]
    (found,) = check_actions(listed, [action("GOOG", monday, split=str(ratio))], [before.day, monday])
    assert (found.code, found.value, found.expected) == (FindingCode.SPLIT_RATIO_ODD, Decimal("1.0027"), 1)


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "BAC", "AIG"])
def test_actions_when_compared_with_lean_then_only_known_ones_differ(real: RealMarket, symbol: str) -> None:
    first = min(each.session for each in real.bars if each.symbol == symbol)
    ours = {each.ex_date: each for each in real.actions if each.symbol == symbol and each.ex_date > first}
    theirs = {each.ex_date: each for each in lean_actions(symbol, real.sessions)}
    none = action(symbol, first)
    differing = {
        (symbol, day)
        for day in ours.keys() | theirs.keys()
        if abs(ours.get(day, none).cash_dividend - theirs.get(day, none).cash_dividend) > Decimal("0.0001")
        or abs(ours.get(day, none).split_ratio / theirs.get(day, none).split_ratio - 1) > Decimal("0.000002")
    }
    assert differing == {key for key in LEAN_DIFFERS if key[0] == symbol}
    assert len(ours) >= 19
