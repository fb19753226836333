"""Times as files write them, read without guessing.

A date alone says that the story was out by the end of that day in New York, and nothing more: its instant is that
day's end, so that a document can never act before it could be known.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache

from domain.documents import NEW_YORK, DatePrecision, end_of_day

ALLOWED_TIMES = (
    "an ISO time such as 2014-07-15T20:15:00Z (UTC without an offset), epoch seconds or milliseconds, "
    "an RFC 2822 time, or a day as YYYY-MM-DD or MM/DD/YYYY"
)
ALLOWED_SESSIONS = "a day as YYYY-MM-DD or MM/DD/YYYY between 1900 and 2099"

_MAX_CHARACTERS = 64
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}[^\s]*(?: [+-]\d{2}:?\d{2}| Z| UTC| GMT)?", re.ASCII)
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_EPOCH = re.compile(r"\d{9,14}(?:\.\d{1,9})?", re.ASCII)
_RFC_2822 = re.compile(
    r"(?:[A-Za-z]{3}, *)?\d{1,2} [A-Za-z]{3} \d{4} \d{2}:\d{2}(?::\d{2})?"
    r"(?: (?:[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T))?(?: \([A-Za-z ]*\))?",
    re.ASCII,
)
_MILLISECONDS_FROM = 100_000_000_000
"""Epoch numbers from here on count milliseconds: as seconds this would be the year 5138."""


@lru_cache(maxsize=4_096)
def parse_published(value: str | float) -> tuple[datetime, DatePrecision]:
    """Read a time of publication, as text or as an epoch number.

    Raises:
        ValueError: it is none of `ALLOWED_TIMES`.
    """
    text = value.strip() if isinstance(value, str) else f"{value:.6f}" if isinstance(value, float) else str(value)
    if len(text) > _MAX_CHARACTERS:
        raise ValueError("too long for a time")
    return _parse_published(text)


@lru_cache(maxsize=4_096)
def _parse_published(text: str) -> tuple[datetime, DatePrecision]:
    try:
        if _ISO_DAY.fullmatch(text):
            return end_of_day(date.fromisoformat(text)), DatePrecision.DAY
        if _ISO_TIME.fullmatch(text):
            return _utc(datetime.fromisoformat(_with_numeric_zone(text))), DatePrecision.INSTANT
        if american := _US_DAY.fullmatch(text):
            month, day, year = (int(part) for part in american.groups())
            return end_of_day(date(year, month, day)), DatePrecision.DAY
        if _EPOCH.fullmatch(text):
            return _from_epoch(text), DatePrecision.INSTANT
        if _RFC_2822.fullmatch(text):
            return _utc(parsedate_to_datetime(text)), DatePrecision.INSTANT
    except OverflowError as error:
        raise ValueError("outside the calendar") from error
    raise ValueError("not a known form of a time")


def _with_numeric_zone(text: str) -> str:
    """Rewrite what `fromisoformat` does not read: lower case, a zone's name, or a blank before the offset."""
    text = text.upper()
    for name in (" UTC", " GMT", " Z"):
        if text.endswith(name):
            return text.removesuffix(name) + "+00:00"
    head, blank, tail = text.rpartition(" ")
    return head + tail if blank and tail[0] in "+-" else text


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _from_epoch(text: str) -> datetime:
    whole, _, fraction = text.partition(".")
    number = int(whole)
    part = int(fraction[:6].ljust(6, "0")) if fraction else 0
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    if number >= _MILLISECONDS_FROM:
        return epoch + timedelta(milliseconds=number, microseconds=part // 1_000)
    return epoch + timedelta(seconds=number, microseconds=part)


def parse_session(text: str) -> date:
    """Read a trading session's day; a time beside it must be midnight, as written or in New York.

    Raises:
        ValueError: it is not a day, or an hour within one (intraday bars are no sessions).
    """
    if len(text) > _MAX_CHARACTERS:
        raise ValueError("too long for a day")
    return _parse_session(text)


@lru_cache(maxsize=65_536)
def _parse_session(text: str) -> date:
    text = text.strip()
    if _ISO_DAY.fullmatch(text):
        day = date.fromisoformat(text)
    elif american := _US_DAY.fullmatch(text):
        month, day_of_month, year = (int(part) for part in american.groups())
        day = date(year, month, day_of_month)
    elif _ISO_TIME.fullmatch(text):
        day = _day_of_midnight(datetime.fromisoformat(_with_numeric_zone(text)))
    else:
        raise ValueError("not a known form of a day")
    if not 1900 <= day.year <= 2099:
        raise ValueError("outside 1900 to 2099")
    return day


def _day_of_midnight(instant: datetime) -> date:
    if instant.time() == datetime.min.time():
        return instant.date()
    if instant.tzinfo is not None:
        local = instant.astimezone(NEW_YORK)
        if local.time() == datetime.min.time():
            return local.date()
    raise ValueError("a time within the day")
