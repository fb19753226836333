"""The feed of the board's releases on monetary policy, then the page of each statement and of each minutes.

The feed links minutes by a release that in turn links the minutes themselves: these are asked for next. A page that is
not there, or holds something else, is a reject; it is asked for again in the next rounds, as a page can come later than
the feed's word of it, and given up after the third time.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationError

from activities.adapters.contract import SourceAdapter
from activities.adapters.fed.article import read_article
from activities.adapters.fed.links import ALLOWED_PATHS, FEED_PATH, Path, followed, is_same_host, kind_of_title
from activities.adapters.fed.texts import PUBLISHER, SHORTEST_MINUTES, document_of_page
from activities.adapters.feeds import feed
from activities.adapters.pages.failures import printable, refused, shown_name, unreadable
from domain.documents import NEW_YORK, DatePrecision, Reject, RejectReason, SourceDocument
from domain.errors import InvalidInput, NotFound, SourceFormatError
from domain.fetching import MAXIMUM_CURSOR_CHARACTERS, HttpAnswer, HttpRequest, SourcePage, require_success
from domain.model import Model, Utc
from domain.sources import FedConfig, FedDocument, FeedConfig

VENDOR = "fed"
PENDING = 40
"""Links of one reading of the feed; what is beyond is found at the next one."""
TAKEN = 400
"""Releases that are remembered; the feed holds the latest fifteen or so."""
TRIES = 3
_ACCEPT = "text/html, application/xhtml+xml, text/plain;q=0.9"

_Name = Annotated[str, Field(pattern=r"^[a-z0-9]{1,24}$")]


class _Link(Model):
    """A page that is to be read."""

    kind: FedDocument
    path: Annotated[str, Field(max_length=100)]
    name: _Name
    """The feed's: it stays the same where the release leads on to the minutes."""
    published_at: Utc
    precision: DatePrecision
    tries: Annotated[int, Field(ge=0, le=TRIES)] = 0


class _Cursor(Model):
    """What the feed was last, which pages are still to be read, and which have been."""

    feed: Annotated[str, Field(max_length=4_000)] = ""
    pending: Annotated[tuple[_Link, ...], Field(max_length=PENDING)] = ()
    failed: Annotated[tuple[_Link, ...], Field(max_length=PENDING)] = ()
    taken: Annotated[tuple[_Name, ...], Field(max_length=TAKEN)] = ()


def judge(answer: HttpAnswer) -> None:
    """Raise what a status stands for that is no success; a page that is not there does not stop the others.

    Raises:
        VendorError: as `domain.fetching.require_success` says.
    """
    try:
        require_success(answer, VENDOR)
    except NotFound:
        return


def first(config: FedConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the page that the cursor stands at, else for the feed, or for nothing if that is still what it was.

    Raises:
        InvalidInput: the cursor is none of ours.
    """
    return _request(config, _decoded(config, cursor))


def read(config: FedConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read the answer to what the cursor stood at.

    Raises:
        VendorError: the server refuses, throttles or is away.
        NotFound: there is no feed.
        SourceFormatError: the feed cannot be read. A page that cannot be is a reject, and the next follows.
        InvalidInput: the cursor is none of ours.
    """
    at = _decoded(config, cursor)
    if not at.pending:
        return _read_feed(config, at, answer, now)
    judge(answer)
    link, rest = at.pending[0], at.pending[1:]
    try:
        result = _read_page(config, link, answer)
    except SourceFormatError as error:
        return _page(config, _after_failure(at, link), rejects=(refused(shown_name(_url(config, link)), error),))
    if isinstance(result, Path):
        onward = link.model_copy(update={"path": result.path})
        return _page(config, at.model_copy(update={"pending": (onward, *rest)}))
    after = at.model_copy(update={"pending": rest, "taken": (*at.taken, link.name)[-TAKEN:]})
    return _page(config, after, documents=(result,))


def _read_feed(config: FedConfig, at: _Cursor, answer: HttpAnswer, now: datetime) -> SourcePage:
    require_success(answer, VENDOR)
    if answer.status != 304 and not is_same_host(answer.url, config.base_url):
        raise SourceFormatError(
            "FEED_UNREADABLE",
            "Check the source's base_url",
            url=shown_name(config.base_url),
            found="an answer of another host",
            allowed="the configured host",
        )
    page = feed.read(FeedConfig(url=config.base_url + FEED_PATH, publisher=PUBLISHER), at.feed, answer, now)
    known = {*at.taken, *(link.name for link in at.failed)}
    links: dict[str, _Link] = {}
    rejects: list[Reject] = list(page.rejects)
    for document in page.documents:
        kind = kind_of_title(document.title)
        if kind is None or kind not in config.documents or not _is_wanted(config, document):
            continue
        target = followed(document.url, config.base_url)
        if target is None:
            rejects.append(_refused_link(document))
        elif target.name not in known:
            links.setdefault(target.name, _link(kind, target, document))
    waiting = [*at.failed, *sorted(links.values(), key=lambda link: (link.published_at, link.name))]
    after = _Cursor(
        feed=page.cursor if len(waiting) <= PENDING else "", pending=tuple(waiting[:PENDING]), taken=at.taken
    )
    return _page(config, after, rejects=tuple(rejects))


def _read_page(config: FedConfig, link: _Link, answer: HttpAnswer) -> SourceDocument | Path:
    """The document of a page, or the path of the minutes that it leads to."""
    url = _url(config, link)
    if answer.status != 200:
        raise unreadable("PAGE_GONE", url, f"status {answer.status}", "status 200", hint="It is asked for again")
    if not is_same_host(answer.url, config.base_url):
        raise unreadable("PAGE_ELSEWHERE", url, f"a page of {shown_name(answer.url)}", "one of the configured host")
    article = read_article(answer.body, answer.headers.get("content-type", ""), url)
    here = followed(url, config.base_url)
    assert here is not None  # only such links are kept
    if link.kind is FedDocument.MINUTES and not here.is_minutes:
        minutes = _minutes_of(config, article.links, here)
        if minutes is not None:
            return minutes
        if len(article.page.text) < SHORTEST_MINUTES:
            raise unreadable("PAGE_LINKS_NO_MINUTES", url, "a release without a link to minutes", ALLOWED_PATHS)
    stated = article.released_at if link.precision is DatePrecision.DAY else None
    return document_of_page(
        link.kind,
        here.day,
        article.page,
        published_at=stated or link.published_at,
        precision=DatePrecision.INSTANT if stated else link.precision,
        location=shown_name(url),
        url=url,
        part=here.part,
    )


def _minutes_of(config: FedConfig, links: tuple[str, ...], release: Path) -> Path | None:
    """The minutes that a release links: the latest before it."""
    targets = [target for link in links if (target := followed(link, config.base_url)) is not None]
    minutes = [target for target in targets if target.is_minutes and target.day <= release.day]
    return max(minutes, key=lambda target: target.day, default=None)


def _is_wanted(config: FedConfig, document: SourceDocument) -> bool:
    day = document.published_at.astimezone(NEW_YORK).date()
    # A day-precise time is the end of its day: midnight of the next one.
    return day > config.since if document.precision is DatePrecision.DAY else day >= config.since


def _link(kind: FedDocument, target: Path, document: SourceDocument) -> _Link:
    return _Link(
        kind=kind,
        path=target.path,
        name=target.name,
        published_at=document.published_at,
        precision=document.precision,
    )


def _refused_link(document: SourceDocument) -> Reject:
    found = printable(document.url[:100]) or "no link"
    return Reject(
        file=document.location,
        line=0,
        column="link",
        reason=RejectReason.MALFORMED_ROW,
        detail=f"'{found}' found, allowed are {ALLOWED_PATHS} on the configured host",
        excerpt=printable(document.title[:200]),
    )


def _after_failure(at: _Cursor, link: _Link) -> _Cursor:
    tried = link.model_copy(update={"tries": link.tries + 1})
    if tried.tries >= TRIES:
        return at.model_copy(update={"pending": at.pending[1:], "taken": (*at.taken, link.name)[-TAKEN:]})
    return at.model_copy(update={"pending": at.pending[1:], "failed": (*at.failed, tried)[-PENDING:]})


def _request(config: FedConfig, at: _Cursor) -> HttpRequest:
    if at.pending:
        return HttpRequest(url=_url(config, at.pending[0]), headers={"Accept": _ACCEPT})
    return feed.first(FeedConfig(url=config.base_url + FEED_PATH), at.feed)


def _url(config: FedConfig, link: _Link) -> str:
    return config.base_url + link.path


def _page(
    config: FedConfig,
    at: _Cursor,
    documents: tuple[SourceDocument, ...] = (),
    rejects: tuple[Reject, ...] = (),
) -> SourcePage:
    return SourcePage(
        documents=documents,
        rejects=rejects,
        cursor=at.model_dump_json(exclude_defaults=True),
        next=_request(config, at) if at.pending else None,
    )


def _decoded(config: FedConfig, cursor: str) -> _Cursor:
    """The cursor, without links that are not followed any more."""
    if not cursor:
        return _Cursor()
    try:
        if len(cursor) > MAXIMUM_CURSOR_CHARACTERS:
            raise ValueError
        found = _Cursor.model_validate_json(cursor)
    except (ValidationError, ValueError):
        raise InvalidInput("CURSOR_UNREADABLE", "Empty the source's cursor to read it anew") from None
    kept = {
        name: tuple(link for link in links if link.kind in config.documents and followed(link.path, config.base_url))
        for name, links in (("pending", found.pending), ("failed", found.failed))
    }
    return found.model_copy(update=kept)


ADAPTER = SourceAdapter(first=first, judge=judge, read=read)
