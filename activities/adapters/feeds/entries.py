"""One entry of a feed made into a document, or the reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from time import struct_time
from typing import Any

from activities.adapters.feeds.dates import ALLOWED_TIMES, halted, published
from activities.adapters.feeds.outline import Extras
from activities.adapters.feeds.plain import plain_text
from activities.adapters.feeds.tickers import tickers_of
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument, is_future
from domain.sources import FeedConfig

MAX_TITLE_CHARACTERS = 2_000
MAX_TEXT_CHARACTERS = 200_000
MAX_URL_CHARACTERS = 2_000
MAX_CATEGORIES = 500
EXCERPT_CHARACTERS = 200
_SHOWN_CHARACTERS = 60
_TIMES = (("published", "published_parsed"), ("updated", "updated_parsed"), ("created", "created_parsed"))


class Refused(Exception):
    """A value that does not do."""

    def __init__(self, reason: RejectReason, detail: str, column: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.column = column
        super().__init__(detail)


class EntryReader:
    """Reads the entries of one feed.

    Args:
        feed: the feed's name for reports: host and path.
        publisher, language: of the feed.
        now: the run's present; a later time of publication is refused.
    """

    def __init__(self, config: FeedConfig, *, feed: str, publisher: str, language: str, now: datetime) -> None:
        self._config = config
        self._feed = feed
        self._publisher = publisher
        self._language = language
        self._now = now

    def read(self, number: int, entry: dict[str, Any], extras: Extras) -> SourceDocument | Reject:
        """Make the document.

        Args:
            number: 1-based, of the entry in the feed.
        """
        title = plain_text(_text(entry.get("title")), is_html=_is_html(entry.get("title_detail"))).replace("\n", " ")
        try:
            return self._document(number, entry, extras, title)
        except Refused as refused:
            return Reject(
                file=self._feed,
                line=number,
                column=refused.column,
                reason=refused.reason,
                detail=refused.detail,
                excerpt=printable(title[:EXCERPT_CHARACTERS] or _text(entry.get("id"))[:EXCERPT_CHARACTERS]),
            )

    def _document(self, number: int, entry: dict[str, Any], extras: Extras, title: str) -> SourceDocument:
        text = _body(entry)
        if not title and not text:
            raise Refused(
                RejectReason.EMPTY_DOCUMENT, "neither a title nor a text found, allowed is at least a title", "title"
            )
        if not title:
            raise Refused(RejectReason.MISSING_VALUE, "nothing found, needed is a title", "title")
        if len(title) > MAX_TITLE_CHARACTERS:
            detail = f"a title of {len(title):,} characters found, at most {MAX_TITLE_CHARACTERS:,} are allowed"
            raise Refused(RejectReason.LINE_TOO_LONG, detail, "title")
        if len(text) > MAX_TEXT_CHARACTERS:
            detail = f"a text of {len(text):,} characters found, at most {MAX_TEXT_CHARACTERS:,} are allowed"
            raise Refused(RejectReason.LINE_TOO_LONG, detail, "summary")
        published_at, precision = self._published(entry, extras)
        return SourceDocument(
            title=title,
            text=text,
            published_at=published_at,
            precision=precision,
            tickers=tickers_of(extras.symbols, _categories(entry), title, self._config.ticker_patterns),
            url=_link(entry),
            publisher=self._publisher,
            language=self._language,
            location=f"{self._feed}#{number}",
        )

    def _published(self, entry: dict[str, Any], extras: Extras) -> tuple[datetime, DatePrecision]:
        """The first time that the entry tells; of a trading halt its own, as the feed's is only the day's midnight."""
        if extras.halt_date:
            column, written, parsed = "HaltDate", f"{extras.halt_date} {extras.halt_time}", None
        else:
            column, written, parsed = _time(entry)
        try:
            if extras.halt_date:
                published_at, precision = halted(extras.halt_date, extras.halt_time)
            else:
                published_at, precision = published(written, parsed)
        except ValueError as error:
            detail = f"{shown(written)} found, allowed is {ALLOWED_TIMES}"
            raise Refused(RejectReason.INVALID_DATE, detail, column) from error
        if is_future(published_at, precision, self._now):
            found = f"{shown(written)} is known from {published_at.isoformat()}"
            raise Refused(RejectReason.DATE_IN_FUTURE, f"{found}, allowed is at most {self._now.isoformat()}", column)
        return published_at, precision


def shown(value: str) -> str:
    """Quote a found value for a message, shortened."""
    return f"'{printable(value[:_SHOWN_CHARACTERS])}{'…' if len(value) > _SHOWN_CHARACTERS else ''}'"


def printable(text: str) -> str:
    """Replace what a terminal or a log would act on."""
    return "".join(
        character if character.isprintable() else " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _time(entry: dict[str, Any]) -> tuple[str, str, struct_time | None]:
    # Through `dict` itself: feedparser answers a missing `updated` with `published`.
    for name, parsed_name in _TIMES:
        if written := _text(dict.get(entry, name)):
            parsed = dict.get(entry, parsed_name)
            return name, written, parsed if isinstance(parsed, struct_time) else None
    raise Refused(RejectReason.MISSING_VALUE, f"nothing found, needed is {ALLOWED_TIMES}", "published")


def _body(entry: Mapping[str, Any]) -> str:
    """The longest of the entry's texts: some feeds put the article into `content`, others into the summary."""
    parts = [part for part in _listed(entry.get("content")) if isinstance(part, Mapping)]
    texts = [plain_text(_text(part.get("value")), is_html=_is_html(part)) for part in parts[:10]]
    texts.append(plain_text(_text(entry.get("summary")), is_html=_is_html(entry.get("summary_detail"))))
    return max(texts, key=len)


def _categories(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    tags = [tag for tag in _listed(entry.get("tags"))[:MAX_CATEGORIES] if isinstance(tag, Mapping)]
    return [(_text(tag.get("scheme")), _text(tag.get("term"))) for tag in tags]


def _link(entry: Mapping[str, Any]) -> str:
    for name in ("feedburner_origlink", "link"):
        url = _text(entry.get(name))
        if url.startswith(("https://", "http://")) and len(url) <= MAX_URL_CHARACTERS and url.isprintable():
            return url
    return ""


def _is_html(detail: object) -> bool:
    return not isinstance(detail, Mapping) or detail.get("type") != "text/plain"


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
