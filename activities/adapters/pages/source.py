"""Web pages that are looked at again and again, one URL after the other; each new content of one is a document."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationError

from activities.adapters.contract import SourceAdapter
from activities.adapters.pages.failures import refused, shown_name, unreadable
from activities.adapters.pages.language import UNDETERMINED
from activities.adapters.pages.models import ParsedPage
from activities.adapters.pages.page import parse_page
from activities.adapters.pages.stories import story_of
from activities.adapters.pages.walls import asks_for_login
from domain.documents import DatePrecision, Reject, SourceDocument, is_future
from domain.errors import InvalidInput, SourceFormatError
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest, SourcePage, require_success
from domain.model import Model, Utc
from domain.sources import PageConfig

VENDOR = "page"
_ACCEPT = "text/html, application/xhtml+xml, application/pdf;q=0.9, text/plain;q=0.9, */*;q=0.5"
_MAX_VALIDATOR_CHARACTERS = 500
_MARK_DIGITS = 16
_HASH_DIGITS = 32
_LOGIN_STATUSES = frozenset({401, 402, 403, 407})
_GONE_STATUSES = frozenset({404, 410})
_REPEATED_STATUSES = frozenset({408, 425, 429})

_Validator = Annotated[str, Field(max_length=_MAX_VALIDATOR_CHARACTERS)]


class _Seen(Model):
    """What a URL held when it was last read."""

    text: Annotated[str, Field(max_length=_HASH_DIGITS)] = ""
    """Hash of its title and text; empty while none could be read."""
    etag: _Validator = ""
    last_modified: _Validator = ""
    at: Utc | None = None


class _Cursor(Model):
    """Whose turn it is, and what was seen. URLs are known by a hash: twenty of them would not fit."""

    turn: Annotated[str, Field(max_length=_MARK_DIGITS)] = ""
    """Empty before and after a round."""
    pages: Annotated[dict[str, _Seen], Field(max_length=100)] = Field(default_factory=dict)


def judge(answer: HttpAnswer) -> None:
    """Raise what asking again can help against. A page that is gone or wants a login does not stop the others.

    Raises:
        VendorThrottled: 429.
        VendorUnavailable: 408, 425 and 5xx.
    """
    if answer.status in _REPEATED_STATUSES or answer.status >= 500:
        require_success(answer, VENDOR)


def first(config: PageConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the page whose turn it is, or for nothing if it is still what it was."""
    at = _decoded(cursor)
    return _request(at, _whose_turn(config, at))


def read(config: PageConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one page: a document if its text is new, nothing if it is known, a reject if it cannot be read.

    Raises:
        VendorError: the server is away or throttles.
        InvalidInput: the cursor is none of ours.
    """
    judge(answer)
    at = _decoded(cursor)
    url = _whose_turn(config, at)
    before = at.pages.get(_mark(url), _Seen())
    documents: tuple[SourceDocument, ...] = ()
    rejects: tuple[Reject, ...] = ()
    if answer.status == 304:
        seen = before.model_copy(update={"at": answer.fetched_at})
    else:
        try:
            _require_page(answer, url)
            page = parse_page(answer.body, answer.headers.get("content-type", ""), url)
            _require_no_login(page, answer, url)
            seen = _seen(answer, _hash(page))
            if seen.text != before.text:
                documents = (_document(config, url, page, before, answer.fetched_at, now),)
        except SourceFormatError as error:
            rejects = (refused(shown_name(url), error),)
            seen = _unread(answer, before)
    return _page(config, at, url, seen, documents, rejects)


def _require_page(answer: HttpAnswer, url: str) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if status in _LOGIN_STATUSES:
        raise unreadable("PAGE_WANTS_LOGIN", url, f"status {status}", "a page that anybody may read")
    if status in _GONE_STATUSES:
        raise unreadable("PAGE_GONE", url, f"status {status}", "status 200", hint="Check the source's address")
    raise unreadable("PAGE_REFUSED", url, f"status {status}", "status 200", hint="Check the source's address")


def _require_no_login(page: ParsedPage, answer: HttpAnswer, url: str) -> None:
    if asks_for_login(page, answer.body, url, answer.url):
        raise unreadable("PAGE_WANTS_LOGIN", url, "a form that asks for a password", "a page that anybody may read")


def _document(
    config: PageConfig, url: str, page: ParsedPage, before: _Seen, fetched_at: datetime, now: datetime
) -> SourceDocument:
    published_at, precision = _published(page, before, fetched_at, now)
    name = shown_name(url)
    return SourceDocument(
        title=page.title,
        text=page.text,
        published_at=published_at,
        precision=precision,
        tickers=config.tickers,
        url=url,
        publisher=config.publisher or name.partition("/")[0],
        language=page.language if page.language != UNDETERMINED else "en",
        story=story_of("page", url),
        sections=page.sections,
        location=name,
    )


def _published(page: ParsedPage, before: _Seen, fetched_at: datetime, now: datetime) -> tuple[datetime, DatePrecision]:
    """The time that the page states, else that of the fetch.

    A stated time counts if it has come, and if it is later than the last look: what was not there then was not
    published before it, whatever the page says.
    """
    if page.published_at is not None and page.precision is not None:
        has_come = not is_future(page.published_at, page.precision, now)
        if has_come and (before.at is None or page.published_at > before.at):
            return page.published_at, page.precision
    return fetched_at, DatePrecision.INSTANT


def _unread(answer: HttpAnswer, before: _Seen) -> _Seen:
    """What was read before stays known. What cannot be read is told once, and asked for again when it has changed."""
    validators = _seen(answer, "") if 200 <= answer.status < 300 else _Seen()
    return before.model_copy(update={"etag": validators.etag, "last_modified": validators.last_modified})


def _seen(answer: HttpAnswer, text: str) -> _Seen:
    return _Seen(
        text=text,
        etag=_validator(answer.headers, "etag"),
        last_modified=_validator(answer.headers, "last-modified"),
        at=answer.fetched_at,
    )


def _page(
    config: PageConfig,
    at: _Cursor,
    url: str,
    seen: _Seen,
    documents: tuple[SourceDocument, ...],
    rejects: tuple[Reject, ...],
) -> SourcePage:
    urls = list(dict.fromkeys(config.urls))
    configured = [_mark(each) for each in urls]
    pages = {mark: found for mark, found in at.pages.items() if mark in configured} | {_mark(url): seen}
    following = next(iter(urls[urls.index(url) + 1 :]), "")
    after = _Cursor(turn=_mark(following) if following else "", pages=pages)
    return SourcePage(
        documents=documents,
        rejects=rejects,
        cursor=after.model_dump_json(exclude_defaults=True),
        next=_request(after, following) if following else None,
    )


def _request(at: _Cursor, url: str) -> HttpRequest:
    seen = at.pages.get(_mark(url), _Seen())
    return HttpRequest(url=url, headers={"Accept": _ACCEPT}, etag=seen.etag, last_modified=seen.last_modified)


def _whose_turn(config: PageConfig, at: _Cursor) -> str:
    """The URL of the cursor; the first one at a round's beginning, or where it was taken out of the configuration."""
    return next((url for url in config.urls if _mark(url) == at.turn), config.urls[0])


def _decoded(cursor: str) -> _Cursor:
    if not cursor:
        return _Cursor()
    try:
        if len(cursor) > MAXIMUM_CURSOR_CHARACTERS:
            raise ValueError
        return _Cursor.model_validate_json(cursor)
    except (ValidationError, ValueError):
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from None


def _mark(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()[:_MARK_DIGITS]


def _hash(page: ParsedPage) -> str:
    return hashlib.sha256(f"{page.title}\n{page.text}".encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]


def _validator(headers: Mapping[str, str], name: str) -> str:
    """A value fit for a request header, or nothing."""
    value = headers.get(name, "").strip()
    return value if value.isascii() and value.isprintable() and len(value) <= _MAX_VALIDATOR_CHARACTERS else ""


ADAPTER = SourceAdapter(first=first, judge=judge, read=read)
