"""Times as files write them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.files.dates import parse_published, parse_session
from domain.documents import DatePrecision, end_of_day

EVENING = datetime(2014, 7, 15, 20, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2014-07-15T20:15:00Z",
        "2014-07-15 20:15:00",
        " 2014-07-15T20:15 ",
        "2014-07-15t20:15z",
        "2014-07-15 20:15:00 UTC",
        "2014-07-15 20:15:00 +0000",
        "2014-07-15T16:15:00-04:00",
        "2014-07-15T16:15:00.000-0400",
        "2014-07-15 22:15:00 +02:00",
        "2014-07-15T20:15:00.000000000Z",
        "1405455300",
        "1405455300000",
        "1405455300.0",
        1405455300,
        1405455300000,
        1405455300.0,
        "Tue, 15 Jul 2014 20:15:00 GMT",
        "Tue, 15 Jul 2014 16:15:00 -0400",
        "15 Jul 2014 16:15:00 EDT",
        "15 Jul 2014 20:15",
        "Tue, 15 Jul 2014 16:15:00 -0400 (EDT)",
    ],
)
def test_time_when_in_a_known_form_then_it_is_the_same_instant(value: str | float) -> None:
    assert parse_published(value) == (EVENING, DatePrecision.INSTANT)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2014-07-15", datetime(2014, 7, 16, 4, tzinfo=UTC)),
        ("07/15/2014", datetime(2014, 7, 16, 4, tzinfo=UTC)),
        ("7/5/2014", datetime(2014, 7, 6, 4, tzinfo=UTC)),
        ("2014-01-15", datetime(2014, 1, 16, 5, tzinfo=UTC)),
        ("2014-12-31", datetime(2015, 1, 1, 5, tzinfo=UTC)),
        ("2014-03-08", datetime(2014, 3, 9, 5, tzinfo=UTC)),
        ("2014-03-09", datetime(2014, 3, 10, 4, tzinfo=UTC)),
        ("2014-11-01", datetime(2014, 11, 2, 4, tzinfo=UTC)),
        ("2014-11-02", datetime(2014, 11, 3, 5, tzinfo=UTC)),
        ("2012-02-29", datetime(2012, 3, 1, 5, tzinfo=UTC)),
    ],
)
def test_time_when_only_a_day_then_it_is_that_day_s_end_in_new_york(value: str, expected: datetime) -> None:
    assert parse_published(value) == (expected, DatePrecision.DAY)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2014",
        "20140715",
        "2014-7-5",
        "2014-02-30",
        "2014-13-01",
        "15/07/2014",
        "07/15/14",
        "2014-07-15T24:15:00Z",
        "2014-07-15T20:15:00 CET",
        "2014-07-15T20:15:00Zzz",
        "2014-W29-2",
        "15 Jul 2014 20:15:00 CET",
        "32 Jul 2014 20:15:00 GMT",
        "-1405455300",
        "99999999",
        "140545530000000000",
        "9999-12-31",
        "0001-01-01T00:00:00+14:00",
        "٢٠١٤-٠٧-١٥",
        "2014-07-15\n2014-07-16",
        "nan",
        float("nan"),
        float("inf"),
        12,
        "2014-07-15" + " x" * 40,
    ],
)
def test_time_when_in_no_known_form_then_it_is_refused(value: str | float) -> None:
    with pytest.raises(ValueError):
        parse_published(value)


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
def test_time_when_written_with_any_offset_then_the_instant_is_kept(moment: datetime, minutes: int) -> None:
    instant = moment.replace(tzinfo=UTC)
    shifted = (instant + timedelta(minutes=minutes)).replace(tzinfo=None)
    sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
    parsed, precision = parse_published(f"{shifted.isoformat(timespec='microseconds')}{sign}{hours:02}:{rest:02}")
    assert (parsed, precision) == (instant, DatePrecision.INSTANT)
    assert parsed.tzinfo is UTC


@given(st.dates(date(1970, 1, 1), date(2100, 1, 1)))
def test_end_of_day_when_asked_then_it_is_midnight_in_new_york_and_after_the_whole_day(day: date) -> None:
    local = end_of_day(day).astimezone(ZoneInfo("America/New_York"))
    assert local.date() == day + timedelta(days=1)
    assert local.time() == datetime.min.time()


@pytest.mark.parametrize(
    "text",
    [
        "2014-07-15",
        " 2014-07-15 ",
        "07/15/2014",
        "2014-07-15T00:00:00",
        "2014-07-15 00:00:00+00:00",
        "2014-07-15 00:00:00-04:00",
        "2014-07-15T04:00:00Z",
    ],
)
def test_session_when_a_day_or_its_midnight_then_it_is_that_day(text: str) -> None:
    assert parse_session(text) == date(2014, 7, 15)


@pytest.mark.parametrize(
    "text", ["", "2014-07-15T09:30:00", "2014-07-15T05:00:00Z", "2014-02-30", "1899-12-31", "2100-01-01", "1405455300"]
)
def test_session_when_not_a_day_then_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_session(text)
    assert parse_session("1900-01-01") == date(1900, 1, 1)
    assert parse_session("2099-12-31") == date(2099, 12, 31)
