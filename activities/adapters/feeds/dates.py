"""Times of entries, never earlier than they can be trusted to be.

A time without a clock, without a known zone, or at midnight sharp tells the day only (publishing systems write a day as
its midnight), and such a document counts as published at the end of that day in New York.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from time import struct_time

from domain.documents import NEW_YORK, DatePrecision, end_of_day

ALLOWED_TIMES = "an RFC 2822 or ISO 8601 time, best with its zone"

_MAX_CHARACTERS = 100
_MONTH_OR_YEAR = re.compile(r"\d{4}(?:-?\d{2})?")
_CLOCK = re.compile(r"\d:[0-5]\d|[Tt]\d{4}")
_ZONE = re.compile(r"(?:(?<=[\d\s])(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2})|(?P<name>[A-Za-z]{1,4}))$")
_HOURS_BY_NAME = {"Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5}
_HOURS_BY_NAME |= {"MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_HALT_CLOCK = re.compile(r"(\d{1,2}):(\d{2}):(\d{2})(?:\.\d{1,9})?", re.ASCII)


def published(written: str, parsed: struct_time | None) -> tuple[datetime, DatePrecision]:
    """Judge a time that feedparser has read (as UTC) by how it was written.

    Raises:
        ValueError: it was not read, or names no day.
    """
    text = " ".join(written.split())
    if parsed is None or len(text) > _MAX_CHARACTERS or _MONTH_OR_YEAR.fullmatch(text):
        raise ValueError("not a known form of a time")
    try:
        instant = datetime(*parsed[:5], min(parsed[5], 59), tzinfo=UTC)
        offset = _offset(text)
        if offset is None or _CLOCK.search(text) is None:
            return end_of_day(instant.date()), DatePrecision.DAY
        for zone in (timezone(offset), NEW_YORK):
            local = instant.astimezone(zone)
            if (local.hour, local.minute, local.second) == (0, 0, 0):
                return end_of_day(local.date()), DatePrecision.DAY
    except OverflowError as error:
        raise ValueError("outside the calendar") from error
    return instant, DatePrecision.INSTANT


def halted(day: str, clock: str) -> tuple[datetime, DatePrecision]:
    """Read when a trading halt began, as nasdaqtrader.com writes it in New York: `06/16/2023` and `19:50:01`.

    Raises:
        ValueError: it is not so written.
    """
    american, time = _US_DAY.fullmatch(day), _HALT_CLOCK.fullmatch(clock)
    if american is None:
        raise ValueError("not a day as MM/DD/YYYY")
    month, day_of_month, year = (int(part) for part in american.groups())
    try:
        if time is None:
            return end_of_day(date(year, month, day_of_month)), DatePrecision.DAY
        hour, minute, second = (int(part) for part in time.groups())
        local = datetime(year, month, day_of_month, hour, minute, second, tzinfo=NEW_YORK)
        return local.astimezone(UTC), DatePrecision.INSTANT
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def _offset(text: str) -> timedelta | None:
    zone = _ZONE.search(text.rstrip(")")) if "(" not in text else _ZONE.search(text.partition("(")[0].rstrip())
    if zone is None:
        return None
    if zone["name"]:
        hours = _HOURS_BY_NAME.get(zone["name"].upper())
        return None if hours is None else timedelta(hours=hours)
    offset = timedelta(hours=int(zone["hours"]), minutes=int(zone["minutes"]))
    if offset >= timedelta(hours=24):
        return None
    return -offset if zone["sign"] == "-" else offset
