"""FRED's recorded answers held against each other: vintages against snapshots, first releases and release days."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.adapters.fred.catalog import read_release_days, read_releases, read_series, read_vintage_days
from activities.adapters.fred.observations import as_known, first_published, read_observations
from activities.adapters.fred.releases import first_request, read
from domain.documents import DatePrecision, RejectReason
from domain.errors import InvalidInput, SourceFormatError, StonksError, VendorRejected
from domain.fetching import CredentialPlace, HttpAnswer
from domain.sources import FredConfig, FredSeries
from tests.conftest import shared_data

NOW = datetime(2026, 11, 1, tzinfo=UTC)
GDP = FredSeries(id="GDP", title="Gross Domestic Product", units="Billions of Dollars")
CONFIG = FredConfig(series=(GDP,), since=date(2024, 9, 25))
VINTAGES = "api/fred/pyfredapi_series_observations_all_vintages_GDP.json"
READERS: dict[str, Callable[[HttpAnswer], Any]] = {
    "observations": read_observations,
    "seriess": read_series,
    "releases": read_releases,
    "release_dates": read_release_days,
    "vintage_dates": read_vintage_days,
}


def answer(body: object, status: int = 200) -> HttpAnswer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer(status=status, url="https://api.stlouisfed.org/fred/x", body=data, fetched_at=NOW)


def recorded(name: str) -> HttpAnswer:
    return answer(shared_data(name).read_bytes())


def observations(*rows: dict[str, object], **changes: object) -> dict[str, object]:
    return {"realtime_start": "2024-01-01", "realtime_end": "9999-12-31", "observations": list(rows), **changes}


def row(period: str, value: object, start: str = "2024-01-01", end: str = "9999-12-31") -> dict[str, object]:
    return {"realtime_start": start, "realtime_end": end, "date": period, "value": value}


def told(name: str) -> list[tuple[str, Decimal | None]]:
    found = json.loads(shared_data(name).read_text())["observations"]
    return [(each["date"], None if each["value"] == "." else Decimal(each["value"])) for each in found]


@pytest.mark.parametrize(
    ("vintages", "snapshot", "day"),
    [
        (VINTAGES, "pyfredapi_series_observations_GDP.json", date(2024, 10, 30)),
        (VINTAGES, "jsprojectreal_gdp.json", date(2023, 5, 9)),
        (VINTAGES.replace("GDP.json", "GDP_1.json"), "pyfredapi_series_observations_GDP_2.json", date(2024, 12, 19)),
    ],
)
def test_as_known_when_a_snapshot_of_the_day_was_recorded_then_it_is_the_same(
    vintages: str, snapshot: str, day: date
) -> None:
    expected = told(f"api/fred/{snapshot}")
    known = as_known(read_observations(recorded(vintages)).observations, day)
    assert [(str(each.period), each.value) for each in known if str(each.period) >= expected[0][0]] == expected


def test_as_known_when_the_day_is_the_eve_of_a_release_then_the_release_is_not_known() -> None:
    found = read_observations(recorded(VINTAGES)).observations
    assert as_known(found, date(2024, 10, 29))[-1].period == date(2024, 4, 1)
    assert as_known(found, date(2024, 10, 30))[-1].value == Decimal("29349.924")
    assert as_known(found, date(1990, 1, 1)) == ()


def test_first_published_when_initial_releases_were_recorded_then_they_are_the_same() -> None:
    expected = told("api/fred/pyfredapi_series_observations_initial_release_GDP.json")
    first = first_published(read_observations(recorded(VINTAGES)).observations)
    assert [(str(each.period), each.value) for each in first if str(each.period) >= "1991-10-01"] == expected


def test_vintages_when_they_begin_then_it_is_on_a_recorded_vintage_day() -> None:
    days = read_vintage_days(recorded("api/fred/pyfredapi_series_vintagedates_GDP.json"))
    assert len(days.days) == 393
    assert not days.rejects
    assert {each.known_from for each in read_observations(recorded(VINTAGES)).observations} == set(days.days)


def test_release_when_a_quarter_is_first_published_then_the_document_tells_figure_and_previous() -> None:
    page = read(CONFIG, "", recorded(VINTAGES), NOW)
    assert [each.location for each in page.documents] == [
        "fred GDP 2024-09-26 (2024-04-01)",
        "fred GDP 2024-10-30 (2024-07-01)",
    ]
    last = page.documents[-1]
    assert last.title == (
        "Gross Domestic Product (GDP): 29349.924 Billions of Dollars for the period from 2024-07-01, first published; "
        "previous 29016.714 for the period from 2024-04-01"
    )
    assert last.precision is DatePrecision.DAY
    assert last.published_at == datetime(2024, 10, 31, 4, tzinfo=UTC)
    assert "revised from 28652.337 (revision +364.377)" in page.documents[0].title


def test_release_when_read_from_the_cursor_then_only_later_ones_follow() -> None:
    first = read(CONFIG, "", recorded(VINTAGES), NOW)
    assert first.next is None
    assert first_request(CONFIG, first.cursor, NOW).params["realtime_start"] == "2024-10-30"
    assert read(CONFIG, first.cursor, recorded(VINTAGES), NOW).documents == ()
    known = [row("2024-04-01", "29016.714", "2024-10-30"), row("2024-07-01", "29349.924", "2024-10-30", "2024-11-26")]
    later = observations(*known, row("2024-07-01", "29354.321", "2024-11-27"), realtime_start="2024-10-30")
    [document] = read(CONFIG, first.cursor, answer(later), NOW).documents
    assert document.title.endswith("revised from 29349.924 (revision +4.397)")


def test_release_when_the_vendor_cut_vintages_to_what_was_asked_then_old_figures_are_no_news() -> None:
    page = read(CONFIG, "", recorded("api/fred/pyfredapi_series_observations_GDP.json"), NOW)
    assert page.documents == ()
    assert not page.rejects


def test_release_when_everything_is_wanted_then_each_vintage_day_has_at_most_one_document() -> None:
    config = CONFIG.model_copy(update={"since": date(1776, 7, 4)})
    documents = read(config, "", recorded(VINTAGES), NOW).documents
    days = json.loads(shared_data("api/fred/pyfredapi_series_vintagedates_GDP.json").read_text())["vintage_dates"]
    assert len({each.location.split()[2] for each in documents}) == len(documents)
    assert {each.location.split()[2] for each in documents} <= set(days)
    assert len(documents) > 380
    assert max(len(each.text.splitlines()) for each in documents) <= 26


def test_fetch_when_there_are_several_series_then_one_follows_the_other_and_the_round_ends() -> None:
    config = CONFIG.model_copy(update={"series": (GDP, FredSeries(id="UNRATE"))})
    assert first_request(config, "", NOW).params["series_id"] == "GDP"
    first = read(config, "", recorded(VINTAGES), NOW)
    assert first.next is not None
    assert first.next.params["series_id"] == "UNRATE"
    assert first.next.params["realtime_start"] == "2024-09-25"
    assert first.next.credentials[0].place is CredentialPlace.QUERY
    second = read(config, first.cursor, answer(observations()), NOW)
    assert second.next is None
    assert first_request(config, second.cursor, NOW).params["series_id"] == "GDP"


def test_key_when_it_is_unknown_then_the_error_carries_the_vendors_words() -> None:
    body = {"error_code": 400, "error_message": "Bad Request. The value for variable api_key is not registered."}
    for reader in READERS.values():
        with pytest.raises(VendorRejected, match="api_key is not registered"):
            reader(answer(body, 400))


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"value": 5}, "value", RejectReason.MALFORMED_ROW),
        ({"value": "n/a"}, "value", RejectReason.INVALID_NUMBER),
        ({"value": "NaN"}, "value", RejectReason.INVALID_NUMBER),
        ({"value": "9" * 70}, "value", RejectReason.INVALID_NUMBER),
        ({"date": "2024-13-01"}, "date", RejectReason.INVALID_DATE),
        ({"realtime_start": None}, "realtime_start", RejectReason.INVALID_DATE),
        ({"realtime_end": "2023-01-01"}, "realtime_end", RejectReason.INVALID_DATE),
        ({"realtime_start": "2090-01-01"}, "realtime_start", RejectReason.DATE_IN_FUTURE),
    ],
)
def test_observation_when_a_field_is_wrong_then_it_alone_is_refused_and_the_field_named(
    change: dict[str, object], column: str, reason: RejectReason
) -> None:
    bad = row("2024-01-01", "1.0") | change
    page = read(CONFIG, "", answer(observations(bad, row("2024-04-01", "2.0", "2024-10-01"))), NOW)
    assert [(each.column, each.reason, each.line) for each in page.rejects] == [(column, reason, 1)]
    assert len(page.documents) == 1


def test_figures_when_more_than_an_answer_holds_then_it_says_so_instead_of_losing_any() -> None:
    with pytest.raises(SourceFormatError, match="observations_from"):
        read(CONFIG, "", answer(observations(count=100_001)), NOW)


def test_series_when_recorded_then_they_are_typed() -> None:
    [found] = read_series(recorded("api/fred/pyfredapi_series_info_GDP.json")).series
    assert (found.id, found.units, found.frequency) == ("GDP", "Billions of Dollars", "Quarterly")
    assert found.updated_at == datetime(2024, 10, 30, 12, 54, 1, tzinfo=UTC)
    [release] = read_releases(recorded("api/fred/pyfredapi_release_10_cpi.json")).releases
    assert (release.id, release.name, release.is_press_release) == (10, "Consumer Price Index", True)
    days = read_release_days(recorded("api/fred/pyfredapi_release_dates_10_cpi.json"))
    assert (len(days.days), days.days[0].day) == (927, date(1949, 3, 24))


def test_every_recorded_answer_when_read_by_its_reader_then_nothing_is_refused() -> None:
    files = sorted(shared_data("api/fred").glob("*.json"))
    assert len(files) == 20
    for path in files:
        body = path.read_bytes()
        whole = json.loads(body)
        [name] = READERS.keys() & whole.keys()
        found = READERS[name](answer(body))
        assert found.rejects == ()
        records = next(value for key, value in found if isinstance(value, tuple) and key != "rejects")
        assert len(records) == len(whole[name])
        for reader in READERS.values():
            with suppress(StonksError):
                reader(answer(body))


NAMES = ("observations", "realtime_start", "realtime_end", "date", "value", "count", "vintage_dates", "seriess", "id")


@given(
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["2024-01-01", ".", "1.5", "9999-12-31", "\ud800"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
        max_leaves=20,
    ).map(lambda value: json.dumps(value).encode())
)
def test_reading_when_bytes_are_anything_then_only_errors_of_ours_are_raised(body: bytes) -> None:
    for reader in READERS.values():
        with suppress(StonksError):
            reader(answer(body))
    with suppress(StonksError):
        read(CONFIG, "", answer(body), NOW)


@pytest.mark.parametrize(
    "cursor", ["x", "[]", '{"next": -1}', '{"next": "a"}', '{"read_to": {"GDP": 5.5}}', "[" * 3_000]
)
def test_cursor_when_it_is_none_of_ours_then_it_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        first_request(CONFIG, cursor, NOW)
