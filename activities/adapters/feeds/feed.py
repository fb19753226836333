"""RSS 0.9x, 1.0 and 2.0 and Atom: the request for a feed, and the documents in its answer."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import feedparser

from activities.adapters.contract import SourceAdapter
from activities.adapters.feeds.decoding import decode, without_prolog
from activities.adapters.feeds.entries import EntryReader, printable
from activities.adapters.feeds.outline import Extras, read_extras
from activities.adapters.feeds.plain import plain_text
from activities.adapters.pages.stories import story_of
from domain.documents import Reject, RejectReason, SourceDocument
from domain.errors import SourceFormatError
from domain.fetching import HttpAnswer, HttpRequest, SourcePage, require_success
from domain.sources import FeedConfig

VENDOR = "feed"
MAX_BODY_BYTES = 8_388_608
MAX_ENTRIES = 2_000
_MAX_VALIDATOR_CHARACTERS = 500
_MAX_NAME_CHARACTERS = 200
_ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml, application/xml;q=0.9, text/xml;q=0.8"
_LANGUAGE = re.compile(r"[a-z]{2,3}(?=$|[-_])")


def first(config: FeedConfig, cursor: str, now: datetime | None = None) -> HttpRequest:
    """Ask for the feed, or for nothing if it is still what it was at the cursor."""
    etag, last_modified = _validators(cursor)
    return HttpRequest(url=config.url, headers={"Accept": _ACCEPT}, etag=etag, last_modified=last_modified)


def judge(answer: HttpAnswer) -> None:
    """Raise what a status stands for that is no success.

    Raises:
        VendorError, NotFound: as `domain.fetching.require_success` says.
    """
    require_success(answer, VENDOR)


def read(config: FeedConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read a feed. It is one page: there is never a next request.

    While an entry is dated in the future, the page's cursor is empty, so that the feed is read again when it has come.

    Raises:
        VendorError, NotFound: the status is no success.
        SourceFormatError: the answer is no feed, too large, too deep, or defines entities.
    """
    judge(answer)
    if answer.status == 304:
        return SourcePage(cursor=cursor if len(cursor) <= 4_000 else "")
    name = _name(config.url)
    if len(answer.body) > MAX_BODY_BYTES:
        raise SourceFormatError(
            "FEED_TOO_LARGE",
            "Check that the source's address is that of a feed",
            url=name,
            found=f"{len(answer.body):,} bytes",
            allowed=f"{MAX_BODY_BYTES:,}",
        )
    text = without_prolog(decode(answer.body, answer.headers.get("content-type", "")), name)
    extras = read_extras(text, name)
    parsed = _parse(text, name, answer.url)
    found = parsed.get("entries")
    entries = [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []
    if len(extras) != len(entries):
        extras = [Extras() for _ in entries]
    feed = parsed.get("feed")
    reader = EntryReader(
        config,
        feed=name,
        publisher=config.publisher or _title(feed),
        language=_language(feed) or config.language,
        now=now,
    )
    stories = _stories(name, entries[:MAX_ENTRIES])
    results = [
        reader.read(number, entry, extra)
        for number, (entry, extra) in enumerate(zip(entries[:MAX_ENTRIES], extras, strict=False), start=1)
    ]
    results = [
        result.model_copy(update={"story": story}) if isinstance(result, SourceDocument) else result
        for result, story in zip(results, stories, strict=False)
    ]
    rejects = [result for result in results if isinstance(result, Reject)]
    if len(entries) > MAX_ENTRIES:
        detail = f"{len(entries):,} entries found, the first {MAX_ENTRIES:,} are read"
        rejects.append(Reject(file=name, line=0, reason=RejectReason.MALFORMED_ROW, detail=detail))
    waits = any(rejected.reason is RejectReason.DATE_IN_FUTURE for rejected in rejects)
    return SourcePage(
        documents=tuple(result for result in results if isinstance(result, SourceDocument)),
        rejects=tuple(rejects),
        cursor="" if waits else _cursor(answer.headers),
    )


def _stories(name: str, entries: list[dict[str, Any]]) -> list[str]:
    """A story for each entry by its `guid` or `id`; none where several entries share one, as it names nothing then."""
    named = [entry.get("id") for entry in entries]
    names = [each.strip() if isinstance(each, str) else "" for each in named]
    counts = Counter(names)
    host = name.partition("/")[0]
    return [story_of(VENDOR, f"{host}:{each}") if each and counts[each] == 1 else "" for each in names]


def _parse(text: str, name: str, base: str) -> Mapping[str, Any]:
    # A stream, because feedparser would fetch or open a text; the header settles the encoding, so it never guesses.
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": base}
    try:
        parsed = feedparser.parse(
            BytesIO(text.encode()), response_headers=headers, sanitize_html=False, resolve_relative_uris=True
        )
    except Exception as error:  # a parser of foreign input may fail in any way
        raise _unreadable(name, type(error).__name__) from error
    if not isinstance(parsed, Mapping) or not (parsed.get("version") or parsed.get("entries")):
        raise _unreadable(name, "XML or HTML that is neither RSS nor Atom")
    return parsed


def _unreadable(name: str, found: str) -> SourceFormatError:
    return SourceFormatError(
        "FEED_UNREADABLE",
        "Check that the source's address is that of a feed",
        url=name,
        found=found,
        allowed="RSS or Atom",
    )


def _name(url: str) -> str:
    """Host and path, for people; a query may hold a key."""
    try:
        parts = urlsplit(url)
        name = f"{parts.hostname or ''}{parts.path}"
    except ValueError:
        name = "feed"
    return printable(name[:_MAX_NAME_CHARACTERS])


def _title(feed: object) -> str:
    title = feed.get("title") if isinstance(feed, Mapping) else None
    text = plain_text(title, is_html=True) if isinstance(title, str) else ""
    return text.replace("\n", " ")[:_MAX_NAME_CHARACTERS]


def _language(feed: object) -> str:
    language = feed.get("language") if isinstance(feed, Mapping) else None
    match = _LANGUAGE.match(language.strip().lower()) if isinstance(language, str) else None
    return match[0] if match else ""


def _validators(cursor: str) -> tuple[str, str]:
    """Entity tag and time of the last answer; nothing where the cursor holds nothing usable: the feed is read anew."""
    try:
        held = json.loads(cursor) if 0 < len(cursor) <= 4_000 else {}
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(held, dict):
        return "", ""
    return _validator(held.get("etag")), _validator(held.get("last_modified"))


def _cursor(headers: Mapping[str, str]) -> str:
    held = {"etag": _validator(headers.get("etag")), "last_modified": _validator(headers.get("last-modified"))}
    held = {name: value for name, value in held.items() if value}
    return json.dumps(held, sort_keys=True, separators=(",", ":")) if held else ""


def _validator(value: object) -> str:
    """A value fit for a request header, or nothing."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text.isascii() and text.isprintable() and len(text) <= _MAX_VALIDATOR_CHARACTERS else ""


ADAPTER = SourceAdapter(first=first, judge=judge, read=read)
