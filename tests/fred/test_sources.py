"""Rounds of FRED's releases: figures of all vintages, once each, interrupted anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.adapters.fred.observations import LATEST, read_observations
from activities.adapters.fred.sources import RELEASES
from domain.documents import RejectReason
from domain.errors import NotFound, StonksError, VendorRejected, VendorThrottled, VendorUnavailable
from domain.fetching import HttpAnswer, HttpRequest
from domain.market import MacroFigure
from domain.sources import FredConfig, FredSeries
from tests.conftest import shared_data
from tests.polygon.walking import rounds, walk

NOW = datetime(2026, 11, 1, tzinfo=UTC)
GDP = FredSeries(id="GDP", title="Gross Domestic Product", units="Billions of Dollars")
VINTAGES = "api/fred/pyfredapi_series_observations_all_vintages_GDP.json"
UNKNOWN = {"error_code": 400, "error_message": "Bad Request.  The series does not exist."}
DAY = date(2024, 1, 1)

Vintages = dict[date, list[tuple[date, str]]]
"""Per period the days on which a figure was published, and the figure."""


def config(*series: str, since: date = DAY) -> FredConfig:
    return FredConfig(series=tuple(FredSeries(id=each) for each in series), since=since)


def answer(body: object, status: int = 200) -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url="https://api.stlouisfed.org/fred/x", body=data, fetched_at=NOW)


def vendor(known: dict[str, Vintages], today: date) -> Callable[[HttpRequest], HttpAnswer]:
    """The endpoint of observations on a day: vintages cut to what was asked, as the vendor does it."""

    def _ask(request: HttpRequest) -> HttpAnswer:
        if request.params["series_id"] not in known:
            return answer(UNKNOWN, 400)
        start = date.fromisoformat(request.params["realtime_start"])
        rows: list[dict[str, str]] = []
        for period, published in sorted(known[request.params["series_id"]].items()):
            days = [(day, value) for day, value in sorted(published) if day <= today]
            ends = [day - timedelta(days=1) for day, _ in days[1:]] + [LATEST]
            rows += [
                {"date": str(period), "value": value, "realtime_start": str(max(day, start)), "realtime_end": str(end)}
                for (day, value), end in zip(days, ends, strict=False)
                if end >= start
            ]
        return answer({"realtime_start": str(start), "realtime_end": str(LATEST), "observations": rows})

    return _ask


def test_recorded_vintages_when_first_read_then_every_one_is_a_figure() -> None:
    gdp = FredConfig(series=(GDP,), since=date(2024, 9, 25))
    body = shared_data(VINTAGES).read_bytes()
    page = RELEASES.read(gdp, "", answer(body), NOW)
    expected = read_observations(answer(body)).observations
    assert [(each.period, each.value, each.known_from, each.known_to) for each in page.macro] == [
        (each.period, each.value, each.known_from, each.known_to) for each in expected
    ]
    assert {each.series for each in page.macro} == {"GDP"}
    assert len(page.documents) == 2
    again = RELEASES.read(gdp, page.cursor, answer(body), NOW)
    assert (again.macro, again.documents) == ((), ())


def test_recorded_snapshot_when_vintages_are_cut_then_its_figures_are_known_from_the_day_asked() -> None:
    page = RELEASES.read(config("GDP"), "", answer(shared_data("api/fred/jsprojectreal_gdp.json").read_bytes()), NOW)
    assert page.documents == ()
    assert {str(each.known_from) for each in page.macro} == {"2023-05-09"}
    assert len(page.macro) > 50


def test_figure_when_it_is_revised_or_taken_back_then_only_the_new_vintage_follows() -> None:
    known: dict[str, Vintages] = {"X": {DAY: [(date(2024, 2, 1), "1.5")]}}
    first = walk(RELEASES, config("X"), vendor(known, date(2024, 2, 2)), NOW)
    assert first[0].macro == (
        MacroFigure(series="X", period=DAY, value=Decimal("1.5"), known_from=date(2024, 2, 1), known_to=LATEST),
    )
    known["X"][DAY] += [(date(2024, 3, 1), "1.75"), (date(2024, 4, 1), ".")]
    second = walk(RELEASES, config("X"), vendor(known, date(2024, 4, 2)), NOW, cursor=first[-1].cursor)
    assert [(each.value, str(each.known_from), str(each.known_to)) for each in second[0].macro] == [
        (Decimal("1.75"), "2024-03-01", "2024-03-31"),
        (None, "2024-04-01", "9999-12-31"),
    ]
    assert [each.location for each in second[0].documents] == ["fred X 2024-03-01 (2024-01-01)"]


def test_series_when_the_vendor_has_it_no_more_then_it_is_refused_and_the_next_follows() -> None:
    known: dict[str, Vintages] = {"X": {DAY: [(date(2024, 2, 1), "1.5")]}}
    pages = walk(RELEASES, config("GONE", "X"), vendor(known, date(2024, 2, 2)), NOW)
    assert [each.reason for each in pages[0].rejects] == [RejectReason.UNKNOWN_TICKER]
    assert "GONE" in pages[0].rejects[0].detail
    assert len(pages[1].macro) == 1
    with pytest.raises(VendorRejected):
        RELEASES.judge(answer({"error_message": "Bad Request. api_key is not registered."}, 400))


def test_figure_when_it_has_more_digits_than_can_be_kept_then_it_is_refused() -> None:
    row = {"date": "2024-01-01", "realtime_start": "2024-02-01", "realtime_end": "9999-12-31"}
    body = {
        "realtime_start": "2024-01-01",
        "realtime_end": "9999-12-31",
        "observations": [row | {"value": "9" * 20}, row | {"value": "1e20", "date": "2024-01-02"}],
    }
    page = RELEASES.read(config("X"), "", answer(body), NOW)
    assert [each.value for each in page.macro] == [Decimal("9" * 20)]
    assert [(each.column, each.line) for each in page.rejects] == [("value", 2)]


@settings(max_examples=60)
@given(
    drawn=st.lists(
        st.tuples(
            st.sampled_from(["A", "B", "C"]),
            st.integers(min_value=0, max_value=3),
            st.integers(min_value=1, max_value=60),
            st.sampled_from(["1.5", "2", ".", "3.25"]),
        ),
        max_size=15,
    ),
    interruptions=st.lists(st.booleans(), max_size=10),
    pauses=st.lists(st.integers(min_value=1, max_value=60), max_size=3),
)
def test_vintages_when_read_in_any_rounds_then_each_comes_once_and_none_is_lost(
    drawn: list[tuple[str, int, int, str]], interruptions: list[bool], pauses: list[int]
) -> None:
    known: dict[str, Vintages] = {"A": {}, "B": {}, "C": {}}
    for series, period, day, value in {each[:3]: each for each in drawn}.values():
        known[series].setdefault(DAY + timedelta(days=31 * period), []).append((DAY + timedelta(days=day), value))
    found: list[tuple[str, date, date, Decimal | None]] = []
    documents: list[str] = []
    cursor = ""
    for pause in (*sorted(pauses), 61):
        # The day's figures are published before it is read.
        today = DAY + timedelta(days=pause)
        now = datetime.combine(today, time(22), UTC)
        asked = vendor(known, today)
        pages = walk(RELEASES, config("A", "B", "C"), asked, now, cursor=cursor, interruptions=interruptions)
        cursor = pages[-1].cursor
        found += [(each.series, each.period, each.known_from, each.value) for page in pages for each in page.macro]
        documents += [each.location for page in pages for each in page.documents]
    assert sorted(found, key=str) == sorted(
        (
            (series, period, day, None if value == "." else Decimal(value))
            for series, periods in known.items()
            for period, published in periods.items()
            for day, value in published
        ),
        key=str,
    )
    assert len(set(documents)) == len(documents)


def test_rounds_when_nothing_is_new_then_there_is_nothing() -> None:
    known: dict[str, Vintages] = {"X": {DAY: [(date(2024, 2, 1), "1.5")]}}
    first, second, third = rounds(RELEASES, config("X"), vendor(known, date(2024, 2, 2)), [NOW, NOW, NOW])
    assert len(first[0].macro) == 1
    assert not second[0].macro
    assert not third[0].macro
    assert second[-1].cursor == third[-1].cursor


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, VendorRejected), (403, VendorRejected), (404, NotFound), (429, VendorThrottled), (503, VendorUnavailable)],
)
def test_refusal_when_judged_then_it_is_what_it_stands_for(status: int, error: type[StonksError]) -> None:
    with pytest.raises(error):
        RELEASES.judge(answer({"error_code": status, "error_message": "No."}, status))
    RELEASES.judge(answer(b"<html>"))


def test_every_recorded_answer_when_judged_and_read_then_only_errors_of_ours_are_raised() -> None:
    for path in sorted(shared_data("api/fred").glob("*.json")):
        for status in (200, 400):
            with suppress(StonksError):
                RELEASES.judge(answer(path.read_bytes(), status))
                RELEASES.read(config("GDP"), "", answer(path.read_bytes(), status), NOW)
