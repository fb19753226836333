"""What FRED says about its series and releases, and the days on which they were published."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated

from pydantic import Field

from activities.adapters.fred.answers import ANSWERS
from activities.adapters.fred.asking import request
from activities.adapters.json_answers import Day, VendorRecord, shown
from domain.documents import Reject, RejectReason
from domain.fetching import HttpAnswer, HttpRequest
from domain.model import Model, Utc
from domain.sources import FredConfig

_UPDATED = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}[+-]\d{2}", re.ASCII)


class SeriesInfo(Model):
    id: str
    title: str
    frequency: str = ""
    units: str = ""
    seasonal_adjustment: str = ""
    first_period: date
    last_period: date
    updated_at: Utc | None = None
    notes: str = ""


class Release(Model):
    id: int
    name: str
    is_press_release: bool = False
    url: str = ""


class SeriesList(Model):
    series: tuple[SeriesInfo, ...] = ()
    rejects: tuple[Reject, ...] = ()


class ReleaseList(Model):
    releases: tuple[Release, ...] = ()
    rejects: tuple[Reject, ...] = ()


class ReleaseDay(Model):
    release_id: int
    day: date


class ReleaseDays(Model):
    days: tuple[ReleaseDay, ...] = ()
    rejects: tuple[Reject, ...] = ()


class VintageDays(Model):
    """The days on which a series was published or revised."""

    days: tuple[date, ...] = ()
    rejects: tuple[Reject, ...] = ()


class _Series(VendorRecord):
    id: Annotated[str, Field(min_length=1, max_length=60)]
    title: Annotated[str, Field(min_length=1, max_length=2_000)]
    frequency: str | None = None
    units: str | None = None
    seasonal_adjustment: str | None = None
    observation_start: Day
    observation_end: Day
    last_updated: str | None = None
    notes: str | None = None


class _Release(VendorRecord):
    id: int
    name: Annotated[str, Field(min_length=1, max_length=2_000)]
    press_release: bool | None = None
    link: str | None = None


class _ReleaseDate(VendorRecord):
    release_id: int
    date: Day


class _Vintage(VendorRecord):
    vintage_dates: Day


def series_request(config: FredConfig, series: str) -> HttpRequest:
    return request(config, "series", {"series_id": series})


def series_release_request(config: FredConfig, series: str) -> HttpRequest:
    """Ask which release a series belongs to."""
    return request(config, "series/release", {"series_id": series})


def vintage_days_request(config: FredConfig, series: str) -> HttpRequest:
    return request(config, "series/vintagedates", {"series_id": series, "sort_order": "asc", "limit": "10000"})


def release_days_request(config: FredConfig, release_id: int) -> HttpRequest:
    params = {"release_id": str(release_id), "sort_order": "asc", "limit": "10000"}
    return request(config, "release/dates", params)


def read_series(answer: HttpAnswer) -> SeriesList:
    """Read what the vendor says about series. Raises as `read_observations` does; so do the readers below."""
    good: list[SeriesInfo] = []
    rejects: list[Reject] = []
    for place, record in enumerate(_records(answer, "seriess"), start=1):
        found = ANSWERS.checked(_Series, record, "series", place)
        if isinstance(found, Reject):
            rejects.append(found)
            continue
        updated_at = None
        if found.last_updated is not None:
            updated_at = _updated(found.last_updated)
            if updated_at is None:
                detail = f"{shown(found.last_updated)} found, allowed is YYYY-MM-DD HH:MM:SS with its offset's hours"
                rejects.append(
                    ANSWERS.refused("series", place, "last_updated", RejectReason.INVALID_DATE, detail, record)
                )
                continue
        good.append(
            SeriesInfo(
                id=found.id,
                title=found.title,
                frequency=found.frequency or "",
                units=found.units or "",
                seasonal_adjustment=found.seasonal_adjustment or "",
                first_period=found.observation_start,
                last_period=found.observation_end,
                updated_at=updated_at,
                notes=found.notes or "",
            )
        )
    return SeriesList(series=tuple(good), rejects=tuple(rejects))


def read_releases(answer: HttpAnswer) -> ReleaseList:
    """Read what the vendor says about releases."""
    read = [
        ANSWERS.checked(_Release, each, "releases", place) for place, each in enumerate(_records(answer, "releases"), 1)
    ]
    return ReleaseList(
        releases=tuple(
            Release(id=each.id, name=each.name, is_press_release=bool(each.press_release), url=each.link or "")
            for each in read
            if not isinstance(each, Reject)
        ),
        rejects=tuple(each for each in read if isinstance(each, Reject)),
    )


def read_release_days(answer: HttpAnswer) -> ReleaseDays:
    """Read the days of a release, those to come included."""
    records = _records(answer, "release_dates")
    read = [ANSWERS.checked(_ReleaseDate, each, "release dates", place) for place, each in enumerate(records, 1)]
    return ReleaseDays(
        days=tuple(
            ReleaseDay(release_id=each.release_id, day=each.date) for each in read if not isinstance(each, Reject)
        ),
        rejects=tuple(each for each in read if isinstance(each, Reject)),
    )


def read_vintage_days(answer: HttpAnswer) -> VintageDays:
    """Read the days on which a series was published or revised."""
    records = _records(answer, "vintage_dates")
    read = [
        ANSWERS.checked(_Vintage, {"vintage_dates": each}, "vintage dates", place)
        for place, each in enumerate(records, 1)
    ]
    return VintageDays(
        days=tuple(each.vintage_dates for each in read if not isinstance(each, Reject)),
        rejects=tuple(each for each in read if isinstance(each, Reject)),
    )


def _records(answer: HttpAnswer, name: str) -> list[object]:
    ANSWERS.require_ok(answer)
    found = ANSWERS.read_object(answer.body)
    if name not in found:
        raise ANSWERS.unusable(f"no {name}", f"a list named {name}")
    return ANSWERS.read_list(found, name)


def _updated(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if _UPDATED.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
