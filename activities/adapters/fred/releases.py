"""What FRED published on a day: the figures, and documents composed from them alone.

A fetch reads series after series: all vintages from the last day that was read on. What was known on that day is the
base that previous figures and revisions are told against; every later day on which a figure changed is a document. The
base is kept as figures when a series is first read, later ones as they come. An answer does not tell when the base
began: for it, the day that was asked from stands there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from pydantic import Field

from activities.adapters.fred.answers import ANSWERS
from activities.adapters.fred.observations import (
    EARLIEST,
    PAGE,
    Observation,
    observations_request,
    read_observations,
)
from domain.documents import NEW_YORK, DatePrecision, Reject, RejectReason, SourceDocument, end_of_day
from domain.errors import InvalidInput
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.market import MacroFigure
from domain.model import Model
from domain.sources import FredConfig, FredSeries

_LINES = 24
"""Figures told of one day, the latest periods; a benchmark revision changes hundreds."""


class _Cursor(Model):
    """Which series is next, and per series the last day that was read."""

    next: int = 0
    read_to: dict[str, date] = Field(default_factory=dict)


def first_request(config: FredConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the series that the cursor stands at, from the last day that was read on."""
    place = _read_cursor(cursor)
    series = config.series[place.next % len(config.series)]
    return observations_request(config, series.id, _known_to(config, place, series))


def judge(answer: HttpAnswer) -> None:
    """Raise what the vendor refused with. That there is no such series passes, so that the next one follows.

    Raises:
        VendorError, NotFound: the vendor refused.
    """
    if not _is_unknown(answer):
        ANSWERS.require_ok(answer)


def read(config: FredConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one series' figures that are new, and a document for each day on which any changed.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or holds more figures than an answer can.
        InvalidInput: the cursor is none of ours.
    """
    place = _read_cursor(cursor)
    series = config.series[place.next % len(config.series)]
    read_to_before = _known_to(config, place, series)
    if _is_unknown(answer):
        detail = f"{series.id} found, allowed is a series that the vendor has"
        refused = ANSWERS.refused("observations", 0, "series_id", RejectReason.UNKNOWN_TICKER, detail)
        return _page(config, place, place.read_to, rejects=(refused,))
    found = read_observations(answer)
    if found.count > PAGE or found.offset:
        raise ANSWERS.unusable(
            f"series={series.id}, figures={found.count}, from={found.offset}",
            f"at most {PAGE} figures in one answer; set a later `observations_from` or `since`",
        )
    today = now.astimezone(NEW_YORK).date()
    known = [each for each in found.observations if each.known_from <= today]
    rejects = list(found.rejects)
    for number, each in enumerate(found.observations, start=1):
        if each.known_from > today:
            detail = f"{each.known_from} found, allowed is a day that has begun"
            rejects.append(
                ANSWERS.refused("observations", number, "realtime_start", RejectReason.DATE_IN_FUTURE, detail)
            )
    after = max(found.known_from, read_to_before)
    is_new = series.id not in place.read_to
    last = max((each.known_from for each in known), default=read_to_before)
    return _page(
        config,
        place,
        place.read_to | {series.id: max(last, read_to_before)},
        documents=release_documents(series, known, after=after),
        macro=_figures(series, [each for each in known if is_new or each.known_from > after]),
        rejects=tuple(rejects),
    )


def _page(
    config: FredConfig,
    place: _Cursor,
    read_to: dict[str, date],
    *,
    documents: tuple[SourceDocument, ...] = (),
    macro: tuple[MacroFigure, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    following = (place.next + 1) % len(config.series)
    kept = {each.id: read_to[each.id] for each in config.series if each.id in read_to}
    request = None
    if following:
        series = config.series[following]
        request = observations_request(config, series.id, _known_to(config, _Cursor(read_to=kept), series))
    cursor = _Cursor(next=following, read_to=kept).model_dump_json()
    return SourcePage(documents=documents, macro=macro, rejects=rejects, cursor=cursor, next=request)


def _figures(series: FredSeries, observations: Iterable[Observation]) -> tuple[MacroFigure, ...]:
    """Each vintage once; of two that begin together the later one in the answer counts."""
    figures = {
        (each.period, each.known_from): MacroFigure(
            series=series.id,
            period=each.period,
            value=each.value,
            known_from=each.known_from,
            known_to=each.known_to,
        )
        for each in observations
    }
    return tuple(figures.values())


def release_documents(
    series: FredSeries, observations: Iterable[Observation], *, after: date
) -> tuple[SourceDocument, ...]:
    """Tell what each day after `after` published, oldest first.

    Args:
        observations: all vintages from `after` on; those that begin on it or earlier are what was known before.
    """
    by_day: dict[date, list[Observation]] = defaultdict(list)
    known: dict[date, Decimal] = {}
    for each in sorted(observations, key=lambda each: (each.known_from, each.period)):
        if each.known_from > after:
            by_day[each.known_from].append(each)
        elif each.value is None:
            known.pop(each.period, None)
        else:
            known[each.period] = each.value
    documents: list[SourceDocument] = []
    for day, published in sorted(by_day.items()):
        before = dict(known)
        for each in published:
            if each.value is None:
                known.pop(each.period, None)
            else:
                known[each.period] = each.value
        changed = [each for each in published if each.value is not None and before.get(each.period) != each.value]
        if changed:
            documents.append(_document(series, day, changed, before, known))
    return tuple(documents)


def _document(
    series: FredSeries,
    day: date,
    changed: list[Observation],
    before: dict[date, Decimal],
    after: dict[date, Decimal],
) -> SourceDocument:
    name = f"{series.title} ({series.id})" if series.title else series.id
    units = f" {series.units}" if series.units else ""
    newest_first = sorted(changed, key=lambda each: each.period, reverse=True)
    periods = sorted(after)
    previous = dict(zip(periods[1:], periods, strict=False))
    lines = [_line(each, units, before, after, previous) for each in newest_first[:_LINES]]
    if len(newest_first) > _LINES:
        lines.append(f"{len(newest_first) - _LINES} earlier periods changed as well.")
    head = newest_first[0]
    return SourceDocument(
        title=f"{name}: {lines[0]}"[:2_000],
        text="\n".join([f"{name}, published {day}.", *lines]),
        published_at=end_of_day(day),
        precision=DatePrecision.DAY,
        url=f"https://fred.stlouisfed.org/series/{series.id}",
        publisher="FRED",
        location=f"fred {series.id} {day} ({head.period})",
    )


def _line(
    observation: Observation,
    units: str,
    before: dict[date, Decimal],
    after: dict[date, Decimal],
    previous: dict[date, date],
) -> str:
    period, value = observation.period, after[observation.period]
    line = f"{value:f}{units} for the period from {period}"
    if period in before:
        return f"{line}, revised from {before[period]:f} (revision {value - before[period]:+f})"
    if period in previous:
        earlier = previous[period]
        line += f", first published; previous {after[earlier]:f} for the period from {earlier}"
        if earlier in before and before[earlier] != after[earlier]:
            line += f", revised from {before[earlier]:f} (revision {after[earlier] - before[earlier]:+f})"
        return line
    return f"{line}, first published"


def _is_unknown(answer: HttpAnswer) -> bool:
    if answer.status not in (400, 404):
        return False
    return "series does not exist" in ANSWERS.vendor_words(answer.body).lower()


def _known_to(config: FredConfig, place: _Cursor, series: FredSeries) -> date:
    return max(place.read_to.get(series.id, config.since), EARLIEST)


def _read_cursor(cursor: str) -> _Cursor:
    if not cursor:
        return _Cursor()
    try:
        found = _Cursor.model_validate(json.loads(cursor))
        if found.next < 0:
            raise ValueError("a negative place")
    except (ValueError, RecursionError) as error:
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from error
    return found
