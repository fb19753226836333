"""Polygon's news: articles, and what the vendor says that each means for a ticker.

The vendor's sentiment is kept as a fact about the article, in the vendor's words. It is never a score of ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from activities.adapters.json_answers import Instant, VendorRecord, is_ahead, shown
from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.asking import next_page, read_answer, request
from activities.adapters.watermark import Watermark
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument, VendorInsight
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.sources import PolygonNewsConfig

NEWS_PATH = "/v2/reference/news"
WHERE = "news"
SENTIMENTS = ("positive", "negative", "neutral", "mixed")
"""The vendor's words."""


class _Publisher(VendorRecord):
    name: Annotated[str | None, Field(max_length=500)] = None


class _Insight(VendorRecord):
    ticker: Annotated[str, Field(min_length=1, max_length=40)]
    sentiment: str
    sentiment_reasoning: Annotated[str | None, Field(max_length=20_000)] = None


class _Article(VendorRecord):
    id: Annotated[str, Field(min_length=1, max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=2_000)]
    published_utc: Instant
    publisher: _Publisher | None = None
    article_url: Annotated[str | None, Field(max_length=4_000)] = None
    tickers: list[Annotated[str, Field(max_length=40)]] | None = None
    description: str | None = None
    insights: list[Any] | None = None


def first_request(config: PolygonNewsConfig, cursor: str, now: datetime) -> HttpRequest:
    """Ask for the articles from the watermark on, its own instant included, the oldest first."""
    since = Watermark.read(cursor, config.since).at
    params = {
        "order": "asc",
        "sort": "published_utc",
        "limit": str(config.limit),
        "published_utc.gte": since.isoformat().replace("+00:00", "Z"),
    }
    if len(config.tickers) == 1:
        params["ticker"] = config.tickers[0]
    return request(config, NEWS_PATH, params)


def read(config: PolygonNewsConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one page of news. Articles that the cursor has seen are left out, so that overlapping pages double nothing.

    A refused article is refused again only while the watermark stands at its instant.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or a page with more to follow is not in order of time.
    """
    found = read_answer(answer)
    following = next_page(config, found.get("next_url"), answer)
    before = after = Watermark.read(cursor, config.since)
    documents: list[SourceDocument] = []
    rejects: list[Reject] = []
    latest: datetime | None = None
    for place, record in enumerate(ANSWERS.read_list(found, "results"), start=1):
        article = ANSWERS.checked(_Article, record, WHERE, place)
        if isinstance(article, Reject):
            rejects.append(article)
            continue
        if following is not None and latest is not None and article.published_utc < latest:
            raise ANSWERS.unusable("news out of order", "news in ascending order of published_utc")
        latest = article.published_utc
        if before.has_seen(article.published_utc, article.id) or after.holds(article.published_utc, article.id):
            continue
        if is_ahead(article.published_utc, now):
            detail = f"{article.published_utc.isoformat()} found, allowed is a time that has come"
            rejects.append(ANSWERS.refused(WHERE, place, "published_utc", RejectReason.DATE_IN_FUTURE, detail, record))
            continue
        after = after.passed(article.published_utc, article.id)
        if not _is_wanted(config, article):
            continue
        insights, faults = _insights(article, place)
        rejects += faults
        documents.append(_document(article, insights))
    return SourcePage(documents=tuple(documents), rejects=tuple(rejects), cursor=after.text(), next=following)


def _is_wanted(config: PolygonNewsConfig, article: _Article) -> bool:
    return not config.tickers or not set(config.tickers).isdisjoint(article.tickers or ())


def _document(article: _Article, insights: tuple[VendorInsight, ...]) -> SourceDocument:
    return SourceDocument(
        title=article.title,
        text=article.description or "",
        published_at=article.published_utc,
        precision=DatePrecision.INSTANT,
        tickers=tuple(dict.fromkeys(ticker for ticker in article.tickers or () if ticker)),
        url=article.article_url or "",
        publisher=(article.publisher.name if article.publisher else None) or "",
        story=f"polygon:{article.id}",
        insights=insights,
        location=f"polygon news {article.id}",
    )


def _insights(article: _Article, place: int) -> tuple[tuple[VendorInsight, ...], list[Reject]]:
    insights: list[VendorInsight] = []
    rejects: list[Reject] = []
    for number, record in enumerate(article.insights or ()):
        where = f"{WHERE} insights.{number}"
        insight = ANSWERS.checked(_Insight, record, where, place)
        if isinstance(insight, Reject):
            rejects.append(insight)
        elif insight.sentiment not in SENTIMENTS:
            detail = f"{shown(insight.sentiment)} found, allowed are {', '.join(SENTIMENTS)}"
            rejects.append(ANSWERS.refused(where, place, "sentiment", RejectReason.MALFORMED_ROW, detail, record))
        else:
            reasoning = insight.sentiment_reasoning or ""
            insights.append(VendorInsight(ticker=insight.ticker, sentiment=insight.sentiment, reasoning=reasoning))
    return tuple(insights), rejects
