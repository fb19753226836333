"""Rounds of daily bars: of symbols one by one and of whole sessions, interrupted anywhere."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.json_answers import last_session_over
from activities.adapters.polygon.daily_bars import DAYS_A_ROUND
from activities.adapters.polygon.sources import BARS
from domain.documents import NEW_YORK, RejectReason
from domain.errors import InvalidInput, NotFound, SourceFormatError, StonksError
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS
from domain.market import Bar
from domain.sources import PolygonBarsConfig
from tests.conftest import shared_data
from tests.polygon.vendor import answer, bar, ranges, sessions
from tests.polygon.walking import rounds, walk

MONDAY = date(2024, 1, 8)
SINCE = date(2024, 1, 1)


def evening(day: date, hour: int = 17) -> datetime:
    return datetime.combine(day, time(hour), NEW_YORK).astimezone(UTC)


def config(*symbols: str, since: date = SINCE) -> PolygonBarsConfig:
    return PolygonBarsConfig(symbols=symbols, since=since)


def weekdays(first: date, last: date) -> list[date]:
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in days if day.weekday() < 5]


def keys(bars: tuple[Bar, ...] | list[Bar]) -> Counter[tuple[str, date]]:
    return Counter((each.symbol, each.session) for each in bars)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2024, 1, 8, 21, 29, 59, tzinfo=UTC), date(2024, 1, 5)),
        (datetime(2024, 1, 8, 21, 30, tzinfo=UTC), date(2024, 1, 8)),
        (datetime(2024, 7, 8, 20, 30, tzinfo=UTC), date(2024, 7, 8)),
        (datetime(2024, 1, 9, 3, 0, tzinfo=UTC), date(2024, 1, 8)),
        (datetime(2024, 1, 6, 21, 30, tzinfo=UTC), date(2024, 1, 5)),
        (datetime(2024, 1, 7, 23, 0, tzinfo=UTC), date(2024, 1, 5)),
        (datetime(2024, 1, 8, 12, 0, tzinfo=UTC), date(2024, 1, 5)),
    ],
)
def test_session_when_half_an_hour_has_passed_since_its_close_then_it_is_over(now: datetime, expected: date) -> None:
    assert last_session_over(now) == expected


def test_recorded_range_when_raw_then_its_bars_are_read_and_the_cursor_stands_at_the_last() -> None:
    name = "api/polygon/client-python-mocks/v2/aggs/ticker/AAPL/range/1/day/2005-04-01/2005-04-04.json"
    body = shared_data(name).read_bytes().replace(b"true", b"false")
    apple = config("AAPL", since=date(2005, 4, 1))
    page = BARS.read(apple, "", answer(body), evening(MONDAY))
    assert [each.session for each in page.bars] == [date(2005, 4, 1), date(2005, 4, 4)]
    assert page.next is None
    assert BARS.first(apple, page.cursor, evening(MONDAY)).url.endswith("/2005-04-05/2024-01-08")
    with pytest.raises(SourceFormatError, match="adjusted"):
        BARS.read(apple, "", answer(shared_data(name).read_bytes()), evening(MONDAY))


def test_symbols_when_asked_in_turn_then_each_from_its_own_last_bar_and_those_that_are_unknown_are_passed() -> None:
    days = weekdays(SINCE, date(2024, 1, 12))
    both = config("AAPL", "GONE", "KO")
    vendor = ranges({"AAPL": days, "KO": days})
    first, second = rounds(BARS, both, vendor, [evening(MONDAY), evening(date(2024, 1, 10))])
    assert [len(page.bars) for page in first] == [6, 0, 6]
    assert first[1].rejects[0].reason is RejectReason.UNKNOWN_TICKER
    assert "GONE" in first[1].rejects[0].detail
    assert [[each.session.day for each in page.bars] for page in second] == [[9, 10], [], [9, 10]]
    assert rounds(BARS, both, vendor, [evening(MONDAY)])[0][-1].cursor == json.dumps(
        {"marks": f"{MONDAY.toordinal()}:AAPL KO"}, separators=(",", ":")
    )


def test_bar_when_it_comes_late_then_the_next_round_asks_for_it_again() -> None:
    late: dict[str, list[date]] = {"AAPL": weekdays(SINCE, date(2024, 1, 5))}
    vendor = ranges(late)
    first = walk(BARS, config("AAPL"), vendor, evening(MONDAY))
    late["AAPL"].append(MONDAY)
    second = walk(BARS, config("AAPL"), vendor, evening(MONDAY, 18), cursor=first[-1].cursor)
    assert [each.session for page in second for each in page.bars] == [MONDAY]
    third = walk(BARS, config("AAPL"), vendor, evening(MONDAY, 19), cursor=second[-1].cursor)
    assert [page.bars for page in third] == [()]


def test_bar_when_its_session_is_not_over_or_it_is_anothers_or_doubled_then_it_is_refused_and_no_mark_moves() -> None:
    records = [bar(date(2024, 1, 5)), bar(date(2024, 1, 5)), bar(MONDAY), bar(date(2024, 1, 4), "KO")]
    body = {"ticker": "AAPL", "adjusted": False, "results": records}
    page = BARS.read(config("AAPL"), "", answer(body), evening(MONDAY, 16))
    assert keys(page.bars) == {("AAPL", date(2024, 1, 5)): 1}
    assert sorted(each.reason for each in page.rejects) == [
        RejectReason.DATE_IN_FUTURE,
        RejectReason.DUPLICATE_BAR,
        RejectReason.MALFORMED_ROW,
    ]
    assert BARS.first(config("AAPL"), page.cursor, evening(MONDAY)).url.endswith("/2024-01-06/2024-01-08")


def test_bars_when_out_of_order_with_more_to_come_then_the_answer_is_refused() -> None:
    records = [bar(MONDAY), bar(date(2024, 1, 5))]
    body = {"ticker": "AAPL", "adjusted": False, "results": records, "next_url": "https://api.massive.com/v2/n"}
    with pytest.raises(SourceFormatError, match="out of order"):
        BARS.read(config("AAPL"), "", answer(body), evening(MONDAY))


_DAYS = st.sets(st.integers(min_value=0, max_value=25), max_size=12).map(
    lambda numbers: [day for day in (SINCE + timedelta(days=each) for each in sorted(numbers)) if day.weekday() < 5]
)


@settings(max_examples=60)
@given(
    traded=st.dictionaries(st.sampled_from(["A", "BRK.B", "KO", "ZZ"]), _DAYS, max_size=4),
    size=st.integers(min_value=1, max_value=5),
    interruptions=st.lists(st.booleans(), max_size=30),
    pause=st.integers(min_value=0, max_value=20),
)
def test_symbols_when_interrupted_anywhere_then_no_bar_is_lost_or_doubled(
    traded: dict[str, list[date]], size: int, interruptions: list[bool], pause: int
) -> None:
    both = config("A", "BRK.B", "KO", "ZZ")
    vendor, cursor, found = ranges(traded, size), "", Counter[tuple[str, date]]()
    for last in (SINCE + timedelta(days=pause), SINCE + timedelta(days=25)):
        pages = walk(BARS, both, vendor, evening(last), cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        for page in pages:
            found += keys(page.bars)
    assert found == {(symbol, day): 1 for symbol, days in traded.items() for day in days}


@settings(max_examples=40)
@given(
    holidays=st.sets(st.integers(min_value=0, max_value=60), max_size=10),
    interruptions=st.lists(st.booleans(), max_size=40),
    pauses=st.lists(st.integers(min_value=0, max_value=30), max_size=4),
    hour=st.sampled_from([time(0), time(13), time(16)]),
)
def test_sessions_when_interrupted_anywhere_then_no_bar_is_lost_or_doubled(
    holidays: set[int], interruptions: list[bool], pauses: list[int], hour: time
) -> None:
    closed = {SINCE + timedelta(days=each) for each in holidays}
    last = SINCE + timedelta(days=63)
    traded = {day: ["AAPL", "KO"] for day in weekdays(SINCE, last) if day not in closed}
    vendor, cursor, found = sessions(traded, hour), "", Counter[tuple[str, date]]()
    for day in (*(SINCE + timedelta(days=each) for each in sorted(pauses)), last, last, last):
        pages = walk(BARS, config(), vendor, evening(day), cursor=cursor, interruptions=interruptions)
        assert len(pages) <= DAYS_A_ROUND
        cursor = pages[-1].cursor
        for page in pages:
            assert page.rejects == ()
            found += keys(page.bars)
    assert found == {(symbol, day): 1 for day, symbols in traded.items() for symbol in symbols}


def test_sessions_when_recorded_then_the_close_names_its_day() -> None:
    name = "api/polygon/client-python-mocks/v2/aggs/grouped/locale/us/market/stocks/2005-04-04_and_adjusted-true.json"
    body = shared_data(name).read_bytes().replace(b"true", b"false")
    page = BARS.read(config(since=date(2020, 10, 14)), "", answer(body), evening(MONDAY))
    assert keys(page.bars) == {("GIK", date(2020, 10, 14)): 1}
    assert page.next is not None
    assert page.next.url.endswith("/2020-10-15")


def test_sessions_when_none_is_due_then_a_sunday_is_asked_for_and_nothing_moves() -> None:
    vendor = sessions({day: ["AAPL"] for day in weekdays(SINCE, MONDAY)})
    pages = walk(BARS, config(), vendor, evening(MONDAY))
    assert len(pages) == 6
    request = BARS.first(config(), pages[-1].cursor, evening(MONDAY, 18))
    assert request.url.endswith("/2024-01-07")
    # By the time that the answer is read the next session is over: it is not taken for an empty one.
    page = BARS.read(config(), pages[-1].cursor, vendor(request), evening(date(2024, 1, 9)))
    assert (page.bars, page.cursor, page.next) == ((), pages[-1].cursor, None)


def test_session_when_it_is_late_then_it_is_asked_for_until_a_later_one_is_over() -> None:
    traded = {day: ["AAPL"] for day in weekdays(SINCE, date(2024, 1, 5))}
    vendor = sessions(traded)
    pages = walk(BARS, config(), vendor, evening(MONDAY))
    again = BARS.first(config(), pages[-1].cursor, evening(MONDAY, 18))
    assert again.url.endswith("/2024-01-08")
    traded[date(2024, 1, 9)] = ["AAPL"]
    later = walk(BARS, config(), vendor, evening(date(2024, 1, 9)), cursor=pages[-1].cursor)
    assert [each.session for page in later for each in page.bars] == [date(2024, 1, 9)]


def test_session_when_bars_of_another_day_stand_in_it_then_they_are_refused() -> None:
    records = [bar(date(2024, 1, 2), "KO", time(16)), bar(SINCE, "KO", time(16))]
    url = "https://api.massive.com/v2/aggs/grouped/locale/us/market/stocks/2024-01-01"
    page = BARS.read(config(), "", answer({"adjusted": False, "results": records}, url=url), evening(MONDAY))
    assert keys(page.bars) == {("KO", SINCE): 1}
    assert [each.reason for each in page.rejects] == [RejectReason.MALFORMED_ROW]


def test_sessions_when_the_vendor_has_no_such_address_then_it_is_an_error() -> None:
    with pytest.raises(NotFound):
        BARS.read(config(), "", answer({}, 404), evening(MONDAY))


def test_cursor_when_there_are_two_thousand_long_symbols_then_it_fits() -> None:
    symbols = tuple(f"{number:020d}" for number in range(2_000))
    many = PolygonBarsConfig(symbols=symbols, since=SINCE)
    marks = ",".join(f"{day}:{symbol}" for day, symbol in zip(range(738_000, 740_000), symbols, strict=True))
    cursor = json.dumps({"at": symbols[-1], "marks": marks, "days": 30})
    assert len(cursor) < MAXIMUM_CURSOR_CHARACTERS
    body = {"ticker": symbols[-1], "adjusted": False, "results": []}
    assert len(BARS.read(many, cursor, answer(body), evening(MONDAY)).cursor) < MAXIMUM_CURSOR_CHARACTERS


def test_symbols_when_they_change_then_marks_of_others_go_and_a_lost_place_is_the_beginning() -> None:
    cursor = json.dumps({"at": "KO", "marks": f"{MONDAY.toordinal()}:KO MSFT"})
    request = BARS.first(config("MSFT", "AAPL"), cursor, evening(date(2024, 1, 10)))
    assert request.url.endswith("/ticker/MSFT/range/1/day/2024-01-09/2024-01-10")
    body = {"ticker": "MSFT", "adjusted": False, "results": []}
    page = BARS.read(config("MSFT", "AAPL"), cursor, answer(body), evening(date(2024, 1, 10)))
    assert "KO" not in page.cursor
    assert page.next is not None
    assert "/ticker/AAPL/range/1/day/2024-01-01/" in page.next.url


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "[]",
        '{"marks": "1:A"}',
        '{"marks": "999999:A"}',
        '{"marks": {"A": "2024-01-01"}}',
        '{"day": "9999-12-31"}',
        '{"days": -1}',
        "[" * 3_000,
        "\ud800",
    ],
)
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        BARS.first(config("A"), cursor, evening(MONDAY))


@given(st.text(max_size=60), st.binary(max_size=60))
def test_cursor_and_answer_when_they_are_anything_then_only_errors_of_ours_are_raised(cursor: str, body: bytes) -> None:
    for each in (config("A"), config()):
        try:
            BARS.first(each, cursor, evening(MONDAY))
            BARS.read(each, cursor, answer(body), evening(MONDAY))
        except StonksError:
            continue
