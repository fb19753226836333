"""What the checks of corporate actions find, at and around each limit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.action_checks import (
    ActionCheckSettings,
    ActionFinding,
    FindingCode,
    check_actions,
    plain_ratio,
)
from domain.errors import InvalidInput
from domain.market import Bar, CorporateAction

from .builders import PROPERTY, Market, action, bar, bars, markets, weekdays

DAYS = weekdays(40)
EX_DATE = DAYS[1]
OLD_SHARES = FindingCode.SPLIT_VOLUME_IN_OLD_SHARES


def found(
    listed: Sequence[Bar], actions: Sequence[CorporateAction] = (), sessions: Sequence[date] = DAYS
) -> list[ActionFinding]:
    return list(check_actions(listed, actions, sessions))


def codes(
    listed: Sequence[Bar], actions: Sequence[CorporateAction] = (), sessions: Sequence[date] = DAYS
) -> list[FindingCode]:
    return [finding.code for finding in found(listed, actions, sessions)]


def night(close: str, opened: str) -> list[Bar]:
    return [bar("A", DAYS[0], close), bar("A", DAYS[1], opened)]


def split(ratio: str) -> list[CorporateAction]:
    return [action("A", EX_DATE, split=ratio)]


def dividend(amount: str) -> list[CorporateAction]:
    return [action("A", EX_DATE, dividend=amount)]


@pytest.mark.parametrize(
    ("close", "opened", "ratio"),
    [
        ("645.57", "92.70", "7"),
        ("4.52", "44.89", "0.1"),
        ("1.16", "19.65", "0.05"),
        ("41.69", "27.86", "1.5"),
        ("100", "66.7", "1.5"),
        ("30", "45.1", "0.666666666667"),
        ("700", "100", "7"),
    ],
)
def test_split_when_the_night_fits_then_nothing_is_found(close: str, opened: str, ratio: str) -> None:
    assert found(night(close, opened), split(ratio)) == []


@pytest.mark.parametrize(
    ("close", "opened", "ratio", "observed"),
    [
        ("100", "99", "2", "1.010101"),
        ("100", "50", "0.5", "2"),
        ("100", "99", "0.1", "1.010101"),
        ("100", "38", "2", "2.631579"),
        ("100", "99", "1.25", "1.010101"),
    ],
)
def test_split_when_the_price_did_not_move_with_it_then_both_ratios_are_told(
    close: str, opened: str, ratio: str, observed: str
) -> None:
    (finding,) = found(night(close, opened), split(ratio))
    assert (finding.code, finding.date) == (FindingCode.SPLIT_NOT_IN_PRICES, EX_DATE)
    assert (finding.value, finding.expected) == (Decimal(ratio), Decimal(observed))
    assert "ex-date" in finding.advice


@pytest.mark.parametrize(
    ("ratio", "code", "plain"),
    [
        ("7.00000700001", FindingCode.SPLIT_RATIO_INEXACT, "7"),
        ("1.49999925", FindingCode.SPLIT_RATIO_INEXACT, "1.5"),
        ("0.142857", FindingCode.SPLIT_RATIO_INEXACT, "0.142857142857"),
        ("1.046", FindingCode.SPLIT_RATIO_ODD, "1.052631578947"),
        ("1.0027", FindingCode.SPLIT_RATIO_ODD, "1"),
        ("1.05", FindingCode.SPLIT_RATIO_ODD, "1.052631578947"),
    ],
)
def test_ratio_when_it_is_not_plain_then_the_nearest_plain_one_is_told(
    ratio: str, code: FindingCode, plain: str
) -> None:
    opened = (Decimal(100) / Decimal(ratio)).quantize(Decimal("0.01"))
    (finding,) = found(night("100", str(opened)), split(ratio))
    assert (finding.code, finding.value, finding.expected) == (code, Decimal(ratio), Decimal(plain))


@given(st.integers(1, 20), st.integers(1, 20))
def test_plain_ratio_when_given_with_twelve_decimals_then_it_is_the_fraction(new: int, old: int) -> None:
    assert plain_ratio(round(Decimal(new) / Decimal(old), 12)) == Fraction(new, old)


@pytest.mark.parametrize("ratio", ["50", "1000", "0.02", "0.001", "1.5", "0.333333333333"])
def test_plain_ratio_when_it_is_one_to_many_or_many_to_one_then_any_size_is_plain(ratio: str) -> None:
    assert abs(plain_ratio(Decimal(ratio)) - Fraction(ratio)) < Fraction(1, 10**12)


@pytest.mark.parametrize(("opened", "plain"), [("50.2", "2"), ("66", "1.5"), ("10.1", "10"), ("300", "0.333333333333")])
def test_jump_when_it_looks_like_a_split_then_the_missing_split_is_told(opened: str, plain: str) -> None:
    (finding,) = found(night("100", opened))
    assert (finding.code, finding.date) == (FindingCode.SPLIT_MISSING, EX_DATE)
    assert finding.value == round(100 / Decimal(opened), 6)
    assert finding.expected == Decimal(plain)


@pytest.mark.parametrize("opened", ["62.9", "138", "74.2", "59", "70", "155", "100", "52", "48"])
def test_jump_when_no_common_split_makes_it_then_nothing_is_found(opened: str) -> None:
    assert found(night("100", opened)) == []


def test_dividend_when_it_is_at_the_limit_then_nothing_is_found_and_above_it_is_special() -> None:
    assert found(night("100", "97"), dividend("3")) == []
    (finding,) = found(night("100", "97"), dividend("3.01"))
    assert (finding.code, finding.value, finding.expected) == (FindingCode.SPECIAL_DIVIDEND, Decimal("3.01"), 3)
    assert codes(night("100", "90"), dividend("10")) == [FindingCode.SPECIAL_DIVIDEND]
    assert codes(night("100", "90"), dividend("10.01")) == [FindingCode.SPIN_OFF_AS_DIVIDEND]


def test_dividend_when_it_takes_what_a_split_takes_then_the_split_is_told() -> None:
    (finding,) = found(night("1135.1", "573.39"), dividend("567.9717"))
    assert (finding.code, finding.expected) == (FindingCode.SPLIT_AS_DIVIDEND, 2)


@pytest.mark.parametrize(("opened", "fell"), [("99", "1"), ("100", "0"), ("101", "0")])
def test_dividend_when_it_is_large_and_the_price_did_not_fall_then_that_is_told(opened: str, fell: str) -> None:
    (finding,) = found(night("100", opened), dividend("5"))
    assert (finding.code, finding.expected) == (FindingCode.DIVIDEND_NOT_IN_PRICES, Decimal(fell))


def test_dividend_when_it_exceeds_the_price_then_it_is_found_and_nothing_fails() -> None:
    assert codes(night("100", "99"), dividend("250")) == [FindingCode.DIVIDEND_NOT_IN_PRICES]
    both = [action("A", EX_DATE, dividend="250", split="2")]
    assert codes(night("100", "49"), both) == [
        FindingCode.ACTIONS_ON_ONE_DAY,
        FindingCode.DIVIDEND_NOT_IN_PRICES,
    ]


def test_dividend_when_it_is_negative_then_no_action_can_be_made_of_it() -> None:
    with pytest.raises(ValidationError):
        action("A", EX_DATE, dividend="-0.5")


def test_actions_when_a_dividend_and_a_split_share_their_day_then_it_is_told() -> None:
    both = [action("A", EX_DATE, dividend="0.5", split="2")]
    apart = [*dividend("0.5"), *split("2")]
    for actions in (both, apart):
        (finding,) = found(night("100", "49.7"), actions)
        assert (finding.code, finding.value) == (FindingCode.ACTIONS_ON_ONE_DAY, Decimal("0.5"))


def test_action_when_it_stands_twice_then_that_is_told_once_and_the_rest_is_checked_as_if_it_stood_once() -> None:
    (finding,) = found(night("100", "50"), split("2") * 3)
    assert (finding.code, finding.value, finding.expected) == (FindingCode.ACTION_REPEATED, 3, 1)
    assert found(night("100", "98"), [*dividend("0.5"), *dividend("0.7")]) == []


def test_action_when_the_exchange_was_closed_or_the_symbol_did_not_trade_then_that_is_told() -> None:
    listed = [bar("A", DAYS[0], "100"), bar("A", DAYS[6], "100")]
    saturday = DAYS[4] + timedelta(days=1)
    actions = [action("A", saturday, dividend="0.1"), action("A", DAYS[5], split="2")]
    assert codes(listed, actions) == [FindingCode.ACTION_ON_NO_SESSION, FindingCode.ACTION_WITHOUT_BAR]
    outside = [
        action("A", DAYS[0] - timedelta(days=1), split="9"),
        action("A", DAYS[-1] + timedelta(days=1), split="9"),
    ]
    assert found(listed, [*outside, action("B", DAYS[1], split="9")]) == []


@pytest.mark.parametrize(("days", "expected"), [(44, [FindingCode.DIVIDENDS_CLOSE_TOGETHER]), (45, [])])
def test_dividends_when_they_are_close_together_then_the_first_and_the_second_are_told(
    days: int, expected: list[FindingCode]
) -> None:
    second = EX_DATE + timedelta(days=days)
    listed = [*night("100", "100"), *(bar("A", day, "100") for day in (EX_DATE + timedelta(days=20), second))]
    paid = [*dividend("0.4"), action("A", second, dividend="0.5")]
    findings = found(listed, paid, [each.session for each in listed])
    assert [finding.code for finding in findings] == expected
    assert all((each.date, each.value, each.expected) == (EX_DATE, Decimal("0.4"), Decimal("0.5")) for each in findings)


@pytest.mark.parametrize(("days", "expected"), [(30, [FindingCode.SPLIT_MISSING]), (31, [FindingCode.SYMBOL_REUSED])])
def test_symbol_when_it_has_no_bars_for_long_then_it_may_be_another_company(
    days: int, expected: list[FindingCode]
) -> None:
    later = DAYS[0] + timedelta(days=days)
    listed = [bar("A", DAYS[0], "0.16"), bar("A", later, "28.94")]
    assert codes(listed, [], [DAYS[0], later]) == expected


@pytest.mark.parametrize(("days", "expected"), [(365, []), (366, [FindingCode.SYMBOL_WITHOUT_ACTIONS])])
def test_symbol_when_it_has_no_action_for_more_than_a_year_then_that_is_told(
    days: int, expected: list[FindingCode]
) -> None:
    sessions = [DAYS[0] + timedelta(days=day) for day in (*range(0, days, 15), days)]
    assert codes([bar("A", day, "100") for day in sessions], [], sessions) == expected


@pytest.mark.parametrize(
    ("volume", "expected"), [(400, []), (2000, []), (6300, []), (6400, [OLD_SHARES]), (20_000, [OLD_SHARES])]
)
def test_split_when_its_volume_fits_the_old_shares_better_then_that_is_told(
    volume: int, expected: list[FindingCode]
) -> None:
    listed = [
        bar("A", DAYS[0], "4.5", volume=10_000),
        bar("A", DAYS[1], "45", volume=volume),
        *(bar("A", day, "45", volume=2000) for day in DAYS[2:20]),
    ]
    findings = found(listed, split("0.1"))
    assert [finding.code for finding in findings] == expected
    assert all(finding.expected == volume / 10 for finding in findings)


def test_limits_when_they_are_set_then_they_count() -> None:
    settings = ActionCheckSettings(special_dividend=0.05)
    assert check_actions(night("100", "96"), dividend("4"), DAYS, settings) == ()
    with pytest.raises(ValidationError):
        ActionCheckSettings(spin_off=1.5)


def test_checks_when_there_are_no_sessions_or_two_bars_of_one_then_they_are_refused() -> None:
    with pytest.raises(InvalidInput, match="NO_SESSIONS"):
        check_actions([], [], [])
    with pytest.raises(InvalidInput, match="DUPLICATE_BAR: symbol=A, session=2024-01-01"):
        check_actions([bar("A", DAYS[0], "1")] * 2, [], DAYS)
    assert check_actions([], dividend("1"), DAYS) == ()


def test_jump_when_it_is_beyond_all_measure_then_it_is_answered_nevertheless() -> None:
    listed = [*bars("A", DAYS[:2], "0.000001", "99999999"), *bars("B", DAYS[:2], "99999999", "0.000001")]
    assert codes(listed) == [FindingCode.SPLIT_MISSING] * 2


def test_findings_when_there_are_several_then_they_are_by_symbol_and_day() -> None:
    listed = [*bars("B", DAYS[:3], "100", "50", "25"), *bars("A", DAYS[:2], "100", "50")]
    assert [(each.symbol, each.date) for each in found(listed)] == [("A", DAYS[1]), ("B", DAYS[1]), ("B", DAYS[2])]


@PROPERTY
@given(markets())
def test_checks_when_run_on_any_market_then_they_answer_and_do_not_depend_on_the_order(market: Market) -> None:
    findings = check_actions(market.bars, market.actions, market.sessions)
    assert findings == check_actions(market.bars[::-1], market.actions[::-1], market.sessions[::-1])
    assert all(finding.advice for finding in findings)
