"""Values of one record made into a document, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from activities.adapters.files.dates import ALLOWED_TIMES, parse_published
from activities.adapters.files.rejects import Refused, printable, shown
from activities.adapters.files.tickers import clean_tickers, split_tickers
from activities.adapters.files.titles import first_sentence
from domain.documents import DatePrecision, RejectReason, SourceDocument, is_future
from domain.sources import FileSourceConfig

MAX_TITLE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class RawValues:
    """What the record holds under each mapped name; None where it holds nothing."""

    title: object = None
    text: object = None
    published: object = None
    tickers: object = None
    url: object = None
    publisher: object = None


class DocumentBuilder:
    """Checks values in the order a person would: is there a text, a title, a time, and is the time in the past.

    Args:
        columns: the file's own names by field, for reports and to tell an absent column from an empty one.
        not_after: the run's present; a later time of publication is refused.
    """

    def __init__(self, config: FileSourceConfig, path: Path, columns: dict[str, str], not_after: datetime) -> None:
        self._config = config
        self._file = printable(path.name)
        self._columns = columns
        self._not_after = not_after

    def build(self, line: int, values: RawValues) -> SourceDocument:
        """Make the document.

        Raises:
            Refused: a value is missing or does not do.
        """
        title = self._text("title", values.title)
        text = self._text("text", values.text)
        if not title and not text and ("text" in self._columns or "title" not in self._columns):
            raise Refused(RejectReason.EMPTY_DOCUMENT, "neither a title nor a text found, allowed is at least a title")
        if not title and "title" in self._columns:
            raise self._missing("title", "a title")
        if len(title) > MAX_TITLE_CHARACTERS:
            detail = f"a title of {len(title):,} characters found, at most {MAX_TITLE_CHARACTERS:,} are allowed"
            raise Refused(RejectReason.LINE_TOO_LONG, detail, self._columns["title"])
        published_at, precision = self._published(values.published)
        return SourceDocument(
            title=title or first_sentence(text),
            text=text,
            published_at=published_at,
            precision=precision,
            tickers=self._tickers(values.tickers),
            url=self._text("url", values.url),
            publisher=self._text("publisher", values.publisher) or self._config.publisher,
            location=f"{self._file}:{line}",
            line=line,
        )

    def _text(self, field: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            detail = f"{shown(value)} found, allowed is text"
            raise Refused(RejectReason.MALFORMED_ROW, detail, self._columns[field])
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                detail = f"an unpaired surrogate found at character {error.start + 1}, allowed is Unicode text"
                raise Refused(RejectReason.INVALID_ENCODING, detail, self._columns[field]) from error
        if "\0" in value:
            detail = "a NUL character found, allowed is text"
            raise Refused(RejectReason.INVALID_ENCODING, detail, self._columns[field])
        return value.strip()

    def _published(self, value: object) -> tuple[datetime, DatePrecision]:
        if value is None or (isinstance(value, str) and not value.strip()):
            raise self._missing("published", ALLOWED_TIMES)
        column = self._columns.get("published", "published")
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise ValueError("neither text nor a number")  # noqa: TRY004 - joins the other forms below
            published_at, precision = parse_published(value)
        except ValueError as error:
            detail = f"{shown(value)} found, allowed is {ALLOWED_TIMES}"
            raise Refused(RejectReason.INVALID_DATE, detail, column) from error
        if is_future(published_at, precision, self._not_after):
            found = f"{shown(value)} is known from {published_at.isoformat()}"
            detail = f"{found}, allowed is at most {self._not_after.isoformat()}"
            raise Refused(RejectReason.DATE_IN_FUTURE, detail, column)
        return published_at, precision

    def _tickers(self, value: object) -> tuple[str, ...]:
        if isinstance(value, list):
            return clean_tickers([self._text("tickers", label) for label in value])
        return split_tickers(self._text("tickers", value))

    def _missing(self, field: str, allowed: str) -> Refused:
        return Refused(
            RejectReason.MISSING_VALUE, f"nothing found, needed is {allowed}", self._columns.get(field, field)
        )
