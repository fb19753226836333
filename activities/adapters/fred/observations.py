"""FRED's figures, each with the days on which it was the figure known: its vintage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from activities.adapters.fred.answers import ANSWERS
from activities.adapters.fred.asking import request
from activities.adapters.json_answers import Day, VendorRecord, shown
from domain.documents import Reject, RejectReason
from domain.fetching import HttpAnswer, HttpRequest
from domain.model import Model
from domain.sources import FredConfig

EARLIEST = date(1776, 7, 4)
LATEST = date.max
"""The vendor's words for "from the first vintage" and "still the figure"."""
MISSING = "."
PAGE = 100_000
_FIGURE = re.compile(r"-?\d{1,30}(?:\.\d{0,30})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_MAX_CHARACTERS = 64
_MAX_DIGITS = 20


class Observation(Model):
    """A period's figure, and from which to which day it was the one known, both included."""

    period: date
    """The period's first day."""
    value: Decimal | None
    """None: the vendor has none for the period."""
    known_from: date
    known_to: date


class Observations(Model):
    """One answer. `known_from` of a figure is never before the answer's: the vendor cuts vintages to what was asked."""

    known_from: date
    known_to: date
    count: int
    """How many the vendor has, of which one answer holds at most `PAGE`."""
    offset: int = 0
    observations: tuple[Observation, ...] = ()
    rejects: tuple[Reject, ...] = ()


class _Header(VendorRecord):
    realtime_start: Day
    realtime_end: Day
    count: int
    offset: int = 0


class _Observation(VendorRecord):
    realtime_start: Day
    realtime_end: Day
    date: Day
    value: str


def observations_request(
    config: FredConfig, series: str, known_from: date = EARLIEST, known_to: date = LATEST, offset: int = 0
) -> HttpRequest:
    """Ask for a series' figures in all their vintages between two days."""
    params = {
        "series_id": series,
        "realtime_start": str(known_from),
        "realtime_end": str(known_to),
        "sort_order": "asc",
        "limit": str(PAGE),
        "offset": str(offset),
    }
    if config.observations_from is not None:
        params["observation_start"] = str(config.observations_from)
    return request(config, "series/observations", params)


def read_observations(answer: HttpAnswer) -> Observations:
    """Read figures with their vintages.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    ANSWERS.require_ok(answer)
    found = ANSWERS.read_object(answer.body)
    if "observations" not in found:
        raise ANSWERS.unusable("no observations", "a list of observations")
    header = ANSWERS.checked(_Header, {"count": 0, **found}, "observations", 0)
    if isinstance(header, Reject):
        raise ANSWERS.unusable(f"{header.column}: {header.detail}", "the answer's own vintage")
    good: list[Observation] = []
    rejects: list[Reject] = []
    for place, record in enumerate(ANSWERS.read_list(found, "observations"), start=1):
        observation = _observation(record, place)
        if isinstance(observation, Reject):
            rejects.append(observation)
        else:
            good.append(observation)
    return Observations(
        known_from=header.realtime_start,
        known_to=header.realtime_end,
        count=header.count,
        offset=header.offset,
        observations=tuple(good),
        rejects=tuple(rejects),
    )


def as_known(observations: Iterable[Observation], day: date) -> tuple[Observation, ...]:
    """The figures as they were known on a day, missing ones included, in order of their periods.

    What was published on the day itself counts as known: an answer names days and no hours, so a caller that acts
    within a day asks for the day before.
    """
    known = (each for each in observations if each.known_from <= day <= each.known_to)
    latest = {each.period: each for each in sorted(known, key=lambda each: each.known_from)}
    return tuple(latest[period] for period in sorted(latest))


def first_published(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """Each period's first figure, in order of the periods; missing values are no figures."""
    first: dict[date, Observation] = {}
    for each in sorted(observations, key=lambda each: each.known_from):
        if each.value is not None:
            first.setdefault(each.period, each)
    return tuple(first[period] for period in sorted(first))


def _observation(record: object, place: int) -> Observation | Reject:
    found = ANSWERS.checked(_Observation, record, "observations", place)
    if isinstance(found, Reject):
        return found
    text = found.value.strip()
    if text != MISSING and not (len(text) <= _MAX_CHARACTERS and _FIGURE.fullmatch(text)):
        detail = f"{shown(text)} found, allowed is a decimal number, or '.' where there is none"
        return ANSWERS.refused("observations", place, "value", RejectReason.INVALID_NUMBER, detail, record)
    value = None if text == MISSING else Decimal(text)
    if value and value.adjusted() >= _MAX_DIGITS:
        detail = f"{shown(text)} found, allowed are at most {_MAX_DIGITS} digits before the point"
        return ANSWERS.refused("observations", place, "value", RejectReason.INVALID_NUMBER, detail, record)
    if found.realtime_end < found.realtime_start:
        detail = f"{found.realtime_end} found, allowed is a day from realtime_start {found.realtime_start} on"
        return ANSWERS.refused("observations", place, "realtime_end", RejectReason.INVALID_DATE, detail, record)
    return Observation(
        period=found.date,
        value=value,
        known_from=found.realtime_start,
        known_to=found.realtime_end,
    )
