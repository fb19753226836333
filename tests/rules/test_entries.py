"""Earnings, spread and volume: each limit from both sides."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from domain.entries import EarningsView, earnings_gates, earnings_trim, spread_gate, volume_gate
from domain.rules_config import EntryRules

RULES = EntryRules()
REPORT = 50


def view(**changes: Any) -> EarningsView:
    return EarningsView.model_validate({"reports": (REPORT,), "next_is_known": True, **changes})


@pytest.mark.parametrize(
    ("session", "at_open", "passed"),
    [
        (47, True, True),
        (47, False, True),
        (48, True, False),
        (50, False, False),
        (51, True, False),
        (51, False, True),
        (52, True, True),
    ],
)
def test_entry_when_a_report_is_near_then_it_waits(session: int, at_open: bool, passed: bool) -> None:
    blackout, unknown = earnings_gates(view(), RULES, session=session, at_open=at_open)
    assert blackout.passed is passed
    assert unknown.passed


@pytest.mark.parametrize(
    ("known", "days", "passed"), [(False, 79, True), (False, 80, False), (False, None, False), (True, 200, True)]
)
def test_entry_when_the_next_report_is_unknown_then_it_is_none_from_80_days_after_the_last(
    known: bool, days: int | None, passed: bool
) -> None:
    found = view(reports=(), next_is_known=known, days_since_report=days)
    blackout, unknown = earnings_gates(found, RULES, session=REPORT, at_open=True)
    assert blackout.passed
    assert unknown.passed is passed


def test_entry_when_a_fund_never_reports_then_nothing_is_asked() -> None:
    fund = view(reports=(), next_is_known=False, reports_earnings=False)
    assert all(gate.passed for gate in earnings_gates(fund, RULES, session=REPORT, at_open=True))


@pytest.mark.parametrize(
    ("session", "weight", "share"),
    [(47, "0.05", "0"), (48, "0.0251", "0.5"), (48, "0.025", "0"), (50, "0.05", "0.5"), (51, "0.05", "0")],
)
def test_holding_when_a_report_comes_then_what_is_above_half_the_cap_is_halved(
    session: int, weight: str, share: str
) -> None:
    found = earnings_trim(view(), RULES, session=session, weight=Fraction(weight), name_cap=Decimal("0.05"))
    assert found == Decimal(share)


@pytest.mark.parametrize(
    ("bid", "ask", "passed"),
    [
        ("99.85", "100.15", True),  # 30 bp of 100
        ("99.85", "100.16", False),
        ("100", "100", True),
        ("100.01", "100", False),
        ("0", "100", False),
        (None, "100", False),
    ],
)
def test_spread_when_it_is_wide_or_unknown_then_it_does_not_pass(bid: str | None, ask: str, passed: bool) -> None:
    assert spread_gate(None if bid is None else Decimal(bid), Decimal(ask), RULES).passed is passed


@pytest.mark.parametrize(("position", "passed"), [("500000", True), ("500000.01", False), ("0", True)])
def test_position_when_it_is_large_for_its_market_then_it_does_not_pass(position: str, passed: bool) -> None:
    gate = volume_gate(Fraction(position), Decimal(5_000_000), RULES)
    assert gate.passed is passed
    assert gate.limit == "500000.000000"
