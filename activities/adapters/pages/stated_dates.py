"""The date of publication that a page states about itself in its metadata. Nothing is guessed from its prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

from domain.documents import DatePrecision, end_of_day

_META_NAMES = (
    "article:published_time",
    "og:published_time",
    "datepublished",
    "parsely-pub-date",
    "sailthru.date",
    "dc.date.issued",
    "dcterms.issued",
    "dcterms.created",
    "dc.date",
    "citation_publication_date",
    "pubdate",
    "publishdate",
    "publication_date",
    "date",
)
_ISO_DAY = re.compile(r"(\d{4})[-/](\d{2})[-/](\d{2})", re.ASCII)
_ISO_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:?\d{2}[0-9:.,]*\s?(?:[Zz]|[+-]\d{2}:?\d{2})?", re.ASCII)
_ZONED = re.compile(r"(?:[Zz]|[+-]\d{2}:?\d{2})$")
_MAX_CHARACTERS = 64
_MAX_SCRIPT_CHARACTERS = 200_000
_MAX_SCRIPTS = 10
_MAX_NODES = 2_000


def stated_date(tree: Any) -> tuple[datetime, DatePrecision] | None:
    """Return the first usable of: meta elements, linked data (`datePublished`), a `time` element marked as such."""
    for written in _written(tree):
        try:
            return parse_date(written)
        except ValueError:
            continue
    return None


def parse_date(written: str) -> tuple[datetime, DatePrecision]:
    """Read an ISO day or time. Without a zone the instant is unknown: it counts as its day, from the day's end.

    Raises:
        ValueError: it is neither.
    """
    text = written.strip()
    if len(text) > _MAX_CHARACTERS:
        raise ValueError("too long for a date")
    try:
        if day := _ISO_DAY.fullmatch(text):
            return end_of_day(date(*(int(part) for part in day.groups()))), DatePrecision.DAY
        if _ISO_TIME.fullmatch(text) is None:
            raise ValueError("not an ISO time")
        instant = datetime.fromisoformat(text.upper().replace(" Z", "Z").replace(" +", "+").replace(" -", "-"))
        if instant.tzinfo is None:
            return end_of_day(instant.date()), DatePrecision.DAY
        if (instant.hour, instant.minute, instant.second) == (0, 0, 0):
            return end_of_day(instant.date()), DatePrecision.DAY
        return instant.astimezone(UTC), DatePrecision.INSTANT
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def _written(tree: Any) -> Iterator[str]:
    stated: dict[str, str] = {}
    for meta in tree.iter("meta"):
        for attribute in ("property", "name", "itemprop"):
            stated.setdefault((meta.get(attribute) or "").strip().lower(), meta.get("content") or "")
    yield from (stated[name] for name in _META_NAMES if name in stated)
    scripts = [script for script in tree.iter("script") if (script.get("type") or "").lower() == "application/ld+json"]
    for script in scripts[:_MAX_SCRIPTS]:
        yield from _linked_dates(script.text or "")
    for time in tree.iter("time"):
        if time.get("pubdate") is not None or (time.get("itemprop") or "").lower() == "datepublished":
            yield time.get("datetime") or ""


def _linked_dates(script: str) -> Iterator[str]:
    if len(script) > _MAX_SCRIPT_CHARACTERS:
        return
    try:
        waiting = [json.loads(script)]
    except (ValueError, RecursionError):
        return
    for _ in range(_MAX_NODES):
        if not waiting:
            return
        node = waiting.pop(0)
        if isinstance(node, dict):
            if isinstance(published := node.get("datePublished"), str):
                yield published
            waiting.extend(value for value in node.values() if isinstance(value, dict | list))
        elif isinstance(node, list):
            waiting.extend(value for value in node[:_MAX_NODES] if isinstance(value, dict | list))
