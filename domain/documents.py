"""Documents as they arrive, what identifies them, and why some are refused."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from domain.model import Model, Utc

NEW_YORK = ZoneInfo("America/New_York")
DOC_ID_LENGTH = 24
"""Hex digits of a document id: 96 bits of the content hash."""


class Credibility(StrEnum):
    """How much a kind of publisher is trusted; the weights live in `domain.config.SignalConfig`."""

    OFFICIAL = "official"
    WIRE = "wire"
    MAJOR_PRESS = "major_press"
    TRADE_PRESS = "trade_press"
    AGGREGATOR = "aggregator"
    UNKNOWN = "unknown"
    SOCIAL = "social"


class DocumentStatus(StrEnum):
    """registered -> released -> processed | needs_review | failed; a copy of an earlier story ends as duplicate."""

    REGISTERED = "registered"
    DUPLICATE = "duplicate"
    """Says what an earlier document says, for no further symbol: kept and linked, not read."""
    RELEASED = "released"
    PROCESSED = "processed"
    NEEDS_REVIEW = "needs_review"
    FAILED = "failed"


class DatePrecision(StrEnum):
    """Whether the source told the instant of publication or only its day."""

    INSTANT = "instant"
    DAY = "day"


def end_of_day(day: date) -> datetime:
    """Return 00:00 in New York of the next day, as UTC: when a day-precise document counts as published.

    Raises:
        OverflowError: the calendar ends there.
    """
    following = day + timedelta(days=1)
    return datetime(following.year, following.month, following.day, tzinfo=NEW_YORK).astimezone(UTC)


def is_future(published_at: datetime, precision: DatePrecision, present: datetime) -> bool:
    """Whether the time has not come: for a day-precise one, a day that has not begun."""
    begins = published_at - timedelta(days=1) if precision is DatePrecision.DAY else published_at
    return begins > present


class Relation(StrEnum):
    """What a document is to an earlier one."""

    DUPLICATE = "duplicate"
    """The same story in (nearly) the same words."""
    UPDATE = "update"
    """A later version of the same story."""
    CORRECTION = "correction"
    """Says that the earlier one was wrong, and what is right."""
    RETRACTION = "retraction"
    """Takes the earlier one back."""


class Section(Model):
    """A part of a text: `text[start:end]`."""

    heading: Annotated[str, Field(max_length=500)] = ""
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]


class VendorInsight(Model):
    """What a vendor says that a document means for a ticker, in the vendor's words. Never a score of ours."""

    ticker: str
    sentiment: str
    """`positive`, `negative`, `neutral` or `mixed`."""
    reasoning: str = ""


class SourceDocument(Model):
    """One document as a source adapter yields it: text and facts about it, not yet stored.

    `tickers` are the source's own labels, resolved to symbols as of `published_at` later.
    A day-precise document carries the *end* of its day in New York as `published_at`, so that it can
    act at the next session's open at the earliest.
    """

    title: Annotated[str, Field(max_length=2_000)]
    text: str = ""
    published_at: Utc
    precision: DatePrecision
    tickers: tuple[str, ...] = ()
    url: str = ""
    publisher: str = ""
    language: str = "en"
    story: Annotated[str, Field(max_length=300)] = ""
    """The source's own name of the story, the same for each of its versions: `polygon:8ec638`. Empty: it has none."""
    sections: tuple[Section, ...] = ()
    """Of `text`, in order, without overlap."""
    insights: tuple[VendorInsight, ...] = ()
    location: str
    """Where it stands, for people: `headlines.csv:17`."""
    line: int = 0
    """1-based line of the file the record starts at; 0 where the source has no lines."""

    @model_validator(mode="after")
    def _sections_lie_within_the_text(self) -> Self:
        position = 0
        for section in self.sections:
            if not position <= section.start < section.end <= len(self.text):
                raise ValueError(f"section {section.start}..{section.end} overlaps or leaves the text")
            position = section.end
        return self

    def canonical_bytes(self) -> bytes:
        """The bytes that identify the story: title, text and time, and not who labelled it or where it stood."""
        body = {
            "published_at": self.published_at.isoformat(),
            "text": unicodedata.normalize("NFC", self.text.strip()),
            "title": unicodedata.normalize("NFC", self.title.strip()),
        }
        return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    def content_hash(self) -> str:
        """sha256 of the canonical bytes, hex."""
        return hashlib.sha256(self.canonical_bytes()).hexdigest()

    def doc_id(self) -> str:
        """The document's id everywhere: the first 24 hex digits of its content hash."""
        return self.content_hash()[:DOC_ID_LENGTH]


class RejectReason(StrEnum):
    """Why a record was refused. One word in the database, the report, the log and the API."""

    MALFORMED_ROW = "MALFORMED_ROW"
    LINE_TOO_LONG = "LINE_TOO_LONG"
    MISSING_VALUE = "MISSING_VALUE"
    INVALID_DATE = "INVALID_DATE"
    DATE_IN_FUTURE = "DATE_IN_FUTURE"
    INVALID_NUMBER = "INVALID_NUMBER"
    NEGATIVE_PRICE = "NEGATIVE_PRICE"
    INCONSISTENT_BAR = "INCONSISTENT_BAR"
    UNKNOWN_TICKER = "UNKNOWN_TICKER"
    DUPLICATE_DOCUMENT = "DUPLICATE_DOCUMENT"
    DUPLICATE_BAR = "DUPLICATE_BAR"
    INVALID_ENCODING = "INVALID_ENCODING"
    EMPTY_DOCUMENT = "EMPTY_DOCUMENT"
    EMPTY_FILE = "EMPTY_FILE"
    INVALID_SPLIT = "INVALID_SPLIT"


class Reject(Model):
    """A record that was refused: where it stood, what was wrong, what would be right. Nothing else stops for it."""

    file: str
    """File name without its directories."""
    line: int
    """1-based; 0 when the whole file is meant."""
    column: str = ""
    """Name of the column, empty when the whole record is meant."""
    reason: RejectReason
    detail: str
    """What was found against what is allowed, shortened to be printable."""
    excerpt: str = ""
    """The record's first 200 characters, control characters replaced."""
