"""Earnings, spread and volume: each limit from both sides."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.entries import (
    EarningsCalendar,
    EarningsView,
    KnownReport,
    earnings_gates,
    earnings_trim,
    earnings_view,
    spread_gate,
    volume_gate,
)
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


def test_entry_when_no_report_is_known_at_all_then_it_passes_and_the_gates_say_so() -> None:
    nothing = view(reports=(), next_is_known=False, reports_earnings=False)
    gates = earnings_gates(nothing, RULES, session=REPORT, at_open=True)
    assert [(gate.name, gate.passed) for gate in gates] == [("earnings_blackout", True), ("earnings_date", True)]
    assert {gate.value for gate in gates} == {"no report known, neither scheduled nor made"}


@pytest.mark.parametrize(
    ("session", "weight", "share"),
    [(47, "0.05", "0"), (48, "0.0251", "0.5"), (48, "0.025", "0"), (50, "0.05", "0.5"), (51, "0.05", "0")],
)
def test_holding_when_a_report_comes_then_what_is_above_half_the_cap_is_halved(
    session: int, weight: str, share: str
) -> None:
    found = earnings_trim(view(), RULES, session=session, weight=Fraction(weight), name_cap=Decimal("0.05"))
    assert found == Decimal(share)


def test_holding_when_the_report_was_made_this_morning_then_it_is_left_alone() -> None:
    known = view(made=(REPORT,))
    assert earnings_trim(known, RULES, session=REPORT, weight=Fraction(1), name_cap=Decimal("0.05")) == 0


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


# -- what is known of reports -----------------------------------------------------------------------------------------

DAYS = tuple(
    day
    for number in range(60)
    if (day := date(2014, 6, 2) + timedelta(days=number)).weekday() < 5 and day != date(2014, 7, 4)
)
NOON = datetime(2014, 7, 16, 12, tzinfo=UTC)
TODAY = NOON.date()


def report(
    day: date, *, made: bool = False, since: datetime | None = None, until: datetime | None = None
) -> KnownReport:
    return KnownReport(day=day, made=made, since=since or NOON - timedelta(days=40), until=until)


def seen(*known: KnownReport, as_of: datetime = NOON, session: date = TODAY) -> EarningsView:
    return earnings_view(known, session=session, session_dates=DAYS, as_of=as_of)


def test_view_when_nothing_is_known_then_it_is_of_a_company_that_never_reports() -> None:
    later = report(TODAY, since=NOON + timedelta(microseconds=1))
    assert not seen().reports_earnings
    assert seen(later) == seen()
    assert seen(later, as_of=later.since).reports_earnings


@pytest.mark.parametrize(
    ("day", "belongs_to"),
    [
        (date(2014, 7, 16), date(2014, 7, 16)),
        (date(2014, 7, 4), date(2014, 7, 7)),
        (date(2014, 7, 19), date(2014, 7, 21)),
    ],
)
def test_view_when_a_report_is_on_a_day_without_a_session_then_it_belongs_to_the_next(
    day: date, belongs_to: date
) -> None:
    assert seen(report(day)).reports == (DAYS.index(belongs_to),)


def test_view_when_a_report_is_behind_the_calendar_then_weekdays_count_and_what_is_too_old_is_left_out() -> None:
    last = DAYS[-1]
    assert last == date(2014, 7, 31)
    found = seen(report(date(2014, 8, 1)), report(date(2014, 8, 4)), report(date(2014, 5, 30), made=True))
    assert found.reports == (len(DAYS), len(DAYS) + 1)
    assert found.days_since_report == 47


def test_view_when_a_date_is_taken_back_then_it_is_known_until_then() -> None:
    gone = report(TODAY + timedelta(days=1), until=NOON)
    assert seen(gone) == seen()
    before = seen(gone, as_of=NOON - timedelta(microseconds=1))
    assert before.next_is_known
    assert before.reports == (DAYS.index(TODAY) + 1,)


def test_view_when_a_scheduled_day_has_passed_then_it_counts_as_the_last_report() -> None:
    past = seen(report(TODAY - timedelta(days=3)), report(TODAY - timedelta(days=90), made=True))
    assert (past.next_is_known, past.days_since_report) == (False, 3)
    today = seen(report(TODAY))
    assert (today.next_is_known, today.days_since_report) == (True, None)


def test_calendar_when_asked_then_it_speaks_of_its_session() -> None:
    known = {"ACME": [report(TODAY + timedelta(days=2)), report(TODAY + timedelta(days=93))]}
    calendar = EarningsCalendar(known, session=TODAY, session_dates=DAYS, at_open=True, as_of=NOON)
    blackout, unknown = calendar.gates("ACME", RULES)
    assert (blackout.passed, blackout.value) == (False, "report in 2 sessions")
    assert unknown.passed
    assert calendar.next_report("ACME") == TODAY + timedelta(days=2)
    assert calendar.next_report("BOLT") is None
    assert calendar.entry("ACME").session == DAYS.index(TODAY)
    assert calendar.trim("ACME", RULES, weight=Fraction(1), name_cap=Decimal("0.05")) == Decimal("0.5")
    assert calendar.trim("BOLT", RULES, weight=Fraction(1), name_cap=Decimal("0.05")) == 0


instants = st.integers(-80, 30).map(lambda days: NOON + timedelta(days=days))
reports = st.builds(
    lambda day, made, since, lasts: KnownReport(
        day=TODAY + timedelta(days=day),
        made=made,
        since=since,
        until=None if made or lasts is None else since + timedelta(days=lasts),
    ),
    st.integers(-120, 120),
    st.booleans(),
    instants,
    st.none() | st.integers(1, 60),
)


@given(st.lists(reports, max_size=6), reports, instants)
def test_view_when_something_becomes_known_later_then_it_is_the_same(
    known: list[KnownReport], later: KnownReport, as_of: datetime
) -> None:
    later = later.model_copy(update={"since": as_of + timedelta(seconds=1), "until": None})
    assert seen(*known, later, as_of=as_of) == seen(*known, as_of=as_of)


@given(st.lists(reports, max_size=6), instants, st.integers(1, 40), st.booleans())
def test_view_when_the_calendar_begins_earlier_then_the_gates_say_the_same(
    known: list[KnownReport], as_of: datetime, earlier: int, at_open: bool
) -> None:
    """A backtest counts sessions from another first day than the live engine does."""
    before = tuple(DAYS[0] - timedelta(days=number) for number in range(earlier, 0, -1))
    one, other = (
        EarningsCalendar({"ACME": known}, session=TODAY, session_dates=dates, at_open=at_open, as_of=as_of)
        for dates in (DAYS, before + DAYS)
    )
    assert one.gates("ACME", RULES) == other.gates("ACME", RULES)
