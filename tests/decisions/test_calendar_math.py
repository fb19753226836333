from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar_math import TradingClock, relevant_sessions
from domain.errors import InvalidInput

from .builders import PROPERTY, SESSIONS

CLOCK = TradingClock(SESSIONS, opens_minute=810, closes_minute=1260)
instants = st.datetimes(datetime(2014, 3, 10), datetime(2014, 9, 20), timezones=st.just(UTC))  # noqa: DTZ001


def at(day: int, hour: int, minute: int = 0, *, month: int = 7) -> datetime:
    return datetime(2014, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (at(16, 20), at(16, 20), 0.0),
        (at(16, 20), at(15, 20), 0.0),
        (at(16, 13, 30), at(16, 21), 1.0),
        (at(16, 13, 30), at(16, 17, 15), 0.5),
        (at(16, 21), at(17, 13, 30), 0.0),
        (at(16, 15), at(17, 15), 1.0),
        (at(18, 23), at(21, 13, 30), 0.0),  # from Friday night to Monday's open
        (at(18, 15), at(21, 15), 1.0),
        (at(3, 15), at(7, 15), 1.0),  # Independence Day and the week-end lie between
        (at(9, 15), at(16, 15), 5.0),
    ],
)
def test_age_when_time_passes_then_only_sessions_count(since: datetime, until: datetime, days: float) -> None:
    assert CLOCK.age(since, until) == pytest.approx(days, abs=1e-12)


@PROPERTY
@given(instants, instants, instants)
def test_age_when_instants_are_ordered_then_it_grows_and_adds_up(a: datetime, b: datetime, c: datetime) -> None:
    first, second, third = sorted((a, b, c))
    assert 0.0 <= CLOCK.age(first, second) <= CLOCK.age(first, third)
    assert CLOCK.age(second, third) <= CLOCK.age(first, third)
    assert CLOCK.age(first, second) + CLOCK.age(second, third) == pytest.approx(CLOCK.age(first, third), abs=1e-9)


@PROPERTY
@given(instants, instants)
def test_age_when_there_is_no_calendar_then_working_days_count(a: datetime, b: datetime) -> None:
    bare = TradingClock((), opens_minute=810, closes_minute=1260)
    first, second = sorted((a, b))
    everyday = TradingClock(
        [day for day in (date(2014, 1, 1) + timedelta(days=n) for n in range(365)) if day.weekday() < 5],
        opens_minute=810,
        closes_minute=1260,
    )
    assert bare.age(first, second) == everyday.age(first, second)


@PROPERTY
@given(instants, instants, st.integers(0, 60))
def test_age_when_the_calendar_is_cut_to_what_is_relevant_then_it_is_unchanged(
    a: datetime, b: datetime, margin: int
) -> None:
    first, second = sorted((a, b))
    cut = relevant_sessions(SESSIONS, first=first.date() - timedelta(days=margin), last=second.date())
    clock = TradingClock(cut, opens_minute=810, closes_minute=1260)
    assert clock.age(first, second) == CLOCK.age(first, second)
    again = relevant_sessions(cut, first=first.date() - timedelta(days=margin), last=second.date())
    assert again == cut


def test_age_when_the_calendar_ends_early_then_working_days_count_after_it() -> None:
    short = TradingClock([day for day in SESSIONS if day < date(2014, 7, 15)], opens_minute=810, closes_minute=1260)
    assert short.age(at(14, 15), at(16, 15)) == pytest.approx(2.0)


@pytest.mark.parametrize("dates", [(date(2014, 7, 2), date(2014, 7, 1)), (date(2014, 7, 2), date(2014, 7, 2))])
def test_sessions_when_not_ascending_then_they_are_refused(dates: tuple[date, ...]) -> None:
    with pytest.raises(InvalidInput, match="SESSIONS_NOT_ASCENDING"):
        relevant_sessions(dates, first=date(2014, 7, 1), last=date(2014, 7, 3))
