"""Alpaca's news, in order of each article's last change.

The vendor keeps one article per id and changes it in place. Its text is known as of `updated_at` and no earlier, so
that is the document's time; a correction is a new document of the same story.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import Field

from activities.adapters.alpaca_data.answers import ANSWERS
from activities.adapters.alpaca_data.asking import request
from activities.adapters.alpaca_data.html_text import html_text
from activities.adapters.json_answers import Instant, VendorRecord, is_ahead
from activities.adapters.watermark import Watermark
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.sources import AlpacaNewsConfig

NEWS_PATH = "/v1beta1/news"
_MAX_CONTENT = 200_000


class _Article(VendorRecord):
    id: int
    headline: Annotated[str, Field(min_length=1, max_length=2_000)]
    created_at: Instant
    updated_at: Instant
    summary: Annotated[str | None, Field(max_length=_MAX_CONTENT)] = None
    content: Annotated[str | None, Field(max_length=_MAX_CONTENT)] = None
    source: Annotated[str | None, Field(max_length=500)] = None
    symbols: list[Annotated[str, Field(max_length=40)]] | None = None
    url: Annotated[str | None, Field(max_length=4_000)] = None


def first_request(config: AlpacaNewsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the articles that changed from the watermark on, its own instant included, the oldest change first."""
    since = Watermark.read(cursor, config.since).at
    return _request(config, since.isoformat().replace("+00:00", "Z"), "")


def read(config: AlpacaNewsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one page of news. Changes that the cursor has seen are left out, so that overlapping pages double nothing.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or a page with more to follow is not in order of time.
    """
    ANSWERS.require_ok(answer)
    found = ANSWERS.read_object(answer.body)
    if "news" not in found:
        raise ANSWERS.unusable("no news", "a list named news")
    token = page_token(found)
    before = after = Watermark.read(cursor, config.since)
    documents: list[SourceDocument] = []
    rejects: list[Reject] = []
    latest: datetime | None = None
    for place, record in enumerate(ANSWERS.read_list(found, "news"), start=1):
        article = ANSWERS.checked(_Article, record, "news", place)
        if isinstance(article, Reject):
            rejects.append(article)
            continue
        changed, name = article.updated_at, str(article.id)
        if token and latest is not None and changed < latest:
            raise ANSWERS.unusable("news out of order", "news in ascending order of updated_at")
        latest = changed
        if before.has_seen(changed, name) or after.holds(changed, name):
            continue
        if is_ahead(max(changed, article.created_at), now):
            detail = f"{max(changed, article.created_at).isoformat()} found, allowed is a time that has come"
            rejects.append(ANSWERS.refused("news", place, "updated_at", RejectReason.DATE_IN_FUTURE, detail, record))
            continue
        after = after.passed(changed, name)
        documents.append(_document(article))
    if token and token == _asked(answer.url, "page_token"):
        raise ANSWERS.unusable("next_page_token of its own page", "next_page_token of a further page")
    since = _asked(answer.url, "start") or after.at.isoformat().replace("+00:00", "Z")
    return SourcePage(
        documents=tuple(documents),
        rejects=tuple(rejects),
        cursor=after.text(),
        next=_request(config, since, token) if token else None,
    )


def page_token(found: dict[str, object]) -> str:
    """Return the token of the next page, empty at the end.

    Raises:
        SourceFormatError: something else stands there.
    """
    token = found.get("next_page_token")
    if token is None or token == "":
        return ""
    if not isinstance(token, str) or len(token) > 1_000 or not (token.isascii() and token.isprintable()):
        raise ANSWERS.unusable("an unreadable next_page_token", "at most 1,000 printable characters")
    return token


def _request(config: AlpacaNewsConfig, since: str, token: str) -> HttpRequest:
    params = {"start": since, "sort": "asc", "limit": str(config.limit), "include_content": "true"}
    if config.symbols:
        params["symbols"] = ",".join(config.symbols)
    if token:
        params["page_token"] = token
    return request(config, NEWS_PATH, params)


def _asked(url: str, name: str) -> str:
    """A parameter of the answered request; its `start` stays the same from page to page."""
    try:
        return parse_qs(urlsplit(url).query, max_num_fields=50).get(name, [""])[0][:1_000]
    except ValueError:
        return ""


def _document(article: _Article) -> SourceDocument:
    location = f"alpaca news {article.id}"
    if article.updated_at > article.created_at:
        location += f" changed {article.updated_at.isoformat()}"
    return SourceDocument(
        title=article.headline,
        text=html_text(article.content or "") or html_text(article.summary or ""),
        published_at=max(article.updated_at, article.created_at),
        precision=DatePrecision.INSTANT,
        tickers=tuple(dict.fromkeys(symbol for symbol in article.symbols or () if symbol)),
        url=article.url or "",
        publisher=article.source or "",
        story=f"alpaca:{article.id}",
        location=location,
    )
