"""Search over documents: what is found, the best or the newest first, each with the piece of its text that answers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, Field

from domain.errors import NotFound
from domain.search import SearchQuery, Snippet, read_query, snippet_of
from store import documents, search
from store.database import Database
from store.objects import ObjectStore
from store.search import Found, Place


class SearchOrder(StrEnum):
    RANK = "rank"
    """The best first, of the newest 2,000 that are found."""
    TIME = "time"
    """The newest first."""


class SpanView(BaseModel):
    start: int
    end: int


class SnippetView(BaseModel):
    """A piece of the document's content: `text[start:end]`, in characters; no markup."""

    start: int = Field(examples=[0])
    end: int = Field(examples=[41])
    text: str = Field(examples=["Acme cuts its dividend after a weak year"])
    highlights: list[SpanView] = Field(
        description="the words that were found, as offsets into the whole content", examples=[[{"start": 5, "end": 9}]]
    )


class HitView(BaseModel):
    doc_id: str
    title: str
    source_id: str
    publisher: str
    url: str
    published_at: datetime
    available_at: datetime
    status: str
    symbols: list[str]
    rank: str | None = Field(description="higher is better; null in the order of time", examples=["0.099102989"])
    snippet: SnippetView | None = Field(description="null where the text is gone")


async def find(
    database: Database,
    objects: ObjectStore,
    question: str,
    *,
    limit: int,
    symbol: str | None = None,
    source: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    order: SearchOrder = SearchOrder.RANK,
    before: Place | None = None,
) -> list[tuple[HitView, Place]]:
    """Documents that answer a question, each with where it stands in the list. Both bounds are inclusive.

    Raises:
        InvalidInput: the question has no word that is looked for.
    """
    asked = read_query(question)
    async with database.transaction() as session:
        found = await search.find(
            session,
            asked.web,
            limit=limit,
            symbol=symbol,
            source=source,
            first=first,
            last=last,
            by_time=order is SearchOrder.TIME,
            before=before,
        )
    snippets = await asyncio.gather(*(_snippet(objects, each, asked) for each in found))
    return [(_hit(each, snippet), _place(each)) for each, snippet in zip(found, snippets, strict=True)]


async def _snippet(objects: ObjectStore, found: Found, asked: SearchQuery) -> Snippet | None:
    try:
        body = await objects.get(found.document.text_key)
    except NotFound:
        return None
    return await asyncio.to_thread(lambda: snippet_of(documents.read_text(body).text, asked.words))


def _hit(found: Found, snippet: Snippet | None) -> HitView:
    kept = set(HitView.model_fields) - {"symbols", "rank", "snippet"}
    return HitView(
        **found.document.model_dump(include=kept),
        symbols=found.symbols,
        rank=f"{found.rank:.9f}" if found.rank is not None else None,
        snippet=SnippetView.model_validate(snippet.model_dump()) if snippet is not None else None,
    )


def _place(found: Found) -> Place:
    return (found.rank or 0.0, found.document.available_at, found.document.doc_id)
