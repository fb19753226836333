"""Polygon's news: articles, and what the vendor says that each means for a ticker.

The vendor's sentiment is kept as a fact about the article, in the vendor's words. It is never a score of ours.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from activities.adapters.json_answers import Instant, VendorRecord, is_ahead, shown
from activities.adapters.polygon.answers import ANSWERS
from activities.adapters.polygon.config import PolygonConfig, next_page, read_answer, request
from activities.adapters.watermark import Watermark
from domain.documents import DatePrecision, Reject, RejectReason, SourceDocument
from domain.fetching import HttpAnswer, HttpRequest, SourcePage
from domain.model import Model

NEWS_PATH = "/v2/reference/news"
WHERE = "news"


class InsightSentiment(StrEnum):
    """The vendor's words."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    NEUTRAL = "neutral"
    MIXED = "mixed"


class TickerInsight(Model):
    """What the vendor says that an article means for one ticker, with its reasons."""

    ticker: str
    sentiment: InsightSentiment
    reasoning: str


class NewsArticle(Model):
    """An article's document and the facts beside it that a document does not carry."""

    article_id: str
    document: SourceDocument
    author: str = ""
    keywords: tuple[str, ...] = ()
    insights: tuple[TickerInsight, ...] = ()


class NewsPage(Model):
    """One page: the articles with their facts, and the same as the fetcher reads it."""

    articles: tuple[NewsArticle, ...]
    page: SourcePage


class _Publisher(VendorRecord):
    name: Annotated[str, Field(max_length=500)] = ""


class _Insight(VendorRecord):
    ticker: Annotated[str, Field(min_length=1, max_length=40)]
    sentiment: str
    sentiment_reasoning: Annotated[str | None, Field(max_length=20_000)] = None


class _Article(VendorRecord):
    id: Annotated[str, Field(min_length=1, max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=2_000)]
    published_utc: Instant
    publisher: _Publisher | None = None
    author: Annotated[str | None, Field(max_length=1_000)] = None
    article_url: Annotated[str | None, Field(max_length=4_000)] = None
    tickers: list[Annotated[str, Field(max_length=40)]] | None = None
    description: str | None = None
    keywords: list[str] | None = None
    insights: list[Any] | None = None


def first_request(config: PolygonConfig, cursor: str) -> HttpRequest:
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


def read(config: PolygonConfig, cursor: str, answer: HttpAnswer, now: datetime) -> SourcePage:
    """Read one page of news as documents; `read_news` returns the insights beside them.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable.
    """
    return read_news(config, cursor, answer, now).page


def read_news(config: PolygonConfig, cursor: str, answer: HttpAnswer, now: datetime) -> NewsPage:
    """Read one page of news. Articles that the cursor has seen are left out, so that overlapping pages double nothing.

    A refused article is refused again only while the watermark stands at its instant.

    Raises:
        VendorError, NotFound: the vendor refused.
        SourceFormatError: the answer as a whole is unusable, or a page with more to follow is not in order of time.
    """
    found = read_answer(answer)
    following = next_page(config, found.get("next_url"), answer)
    before = after = Watermark.read(cursor, config.since)
    articles: list[NewsArticle] = []
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
        articles.append(_with_document(article, insights))
    page = SourcePage(
        documents=tuple(article.document for article in articles),
        rejects=tuple(rejects),
        cursor=after.text(),
        next=following,
    )
    return NewsPage(articles=tuple(articles), page=page)


def _is_wanted(config: PolygonConfig, article: _Article) -> bool:
    return not config.tickers or not set(config.tickers).isdisjoint(article.tickers or ())


def _with_document(article: _Article, insights: tuple[TickerInsight, ...]) -> NewsArticle:
    document = SourceDocument(
        title=article.title,
        text=article.description or "",
        published_at=article.published_utc,
        precision=DatePrecision.INSTANT,
        tickers=tuple(dict.fromkeys(ticker for ticker in article.tickers or () if ticker)),
        url=article.article_url or "",
        publisher=article.publisher.name if article.publisher else "",
        location=f"polygon news {article.id}",
    )
    return NewsArticle(
        article_id=article.id,
        document=document,
        author=article.author or "",
        keywords=tuple(article.keywords or ()),
        insights=insights,
    )


def _insights(article: _Article, place: int) -> tuple[tuple[TickerInsight, ...], list[Reject]]:
    insights: list[TickerInsight] = []
    rejects: list[Reject] = []
    for number, record in enumerate(article.insights or ()):
        insight = ANSWERS.checked(_Insight, record, f"{WHERE} insights.{number}", place)
        if isinstance(insight, Reject):
            rejects.append(insight)
        elif insight.sentiment not in set(InsightSentiment):
            allowed = ", ".join(InsightSentiment)
            detail = f"{shown(insight.sentiment)} found, allowed are {allowed}"
            where = f"{WHERE} insights.{number}"
            rejects.append(ANSWERS.refused(where, place, "sentiment", RejectReason.MALFORMED_ROW, detail, record))
        else:
            insights.append(
                TickerInsight(
                    ticker=insight.ticker,
                    sentiment=InsightSentiment(insight.sentiment),
                    reasoning=insight.sentiment_reasoning or "",
                )
            )
    return tuple(insights), rejects
