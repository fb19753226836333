"""What happened to a symbol, in one order: documents, events, recommendations, orders, fills."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import from_nano, money, shares
from api.queries import documents_about
from store.database import Database
from store.keysets import Position, newest_first, newest_first_of
from store.tables.decisions import RecommendationRow
from store.tables.ingestion import Document, EventRow, EvidenceRow, ExtractionRow
from store.tables.trading import FillRow, Order


class EntryKind(StrEnum):
    """In the order in which they stand at one instant, the last first."""

    DOCUMENT = "document"
    EVENT = "event"
    RECOMMENDATION = "recommendation"
    ORDER = "order"
    FILL = "fill"


class TimelineEntry(BaseModel):
    kind: EntryKind
    id: str = Field(description="its own: of the document, the event, ...")
    at: datetime = Field(description="when it could be known, was concluded, was made or was filled")
    title: str = Field(description="in a few words", examples=["buy 47 GS, filled"])
    doc_id: str = Field(description="of documents and events; empty otherwise")
    facts: dict[str, str] = Field(description="what else is to be known, as text", examples=[{"status": "filled"}])


class Place(NamedTuple):
    """Where an entry stands: its instant, its kind's place, its id."""

    at: datetime
    kind: int
    id: str


_PLACES = {kind: place for place, kind in enumerate(EntryKind)}


def place_of(entry: TimelineEntry) -> Place:
    return Place(entry.at, _PLACES[entry.kind], entry.id)


async def timeline(
    database: Database,
    symbol: str,
    *,
    limit: int,
    kind: EntryKind | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Place | None = None,
) -> list[TimelineEntry]:
    """Newest first; both bounds are inclusive. Of each kind no more is read than the page may need."""
    found: list[TimelineEntry] = []
    async with database.transaction() as session:
        for each, read in _READERS.items():
            if kind in (None, each):
                cut = _Cut(symbol, limit, first, last, before, _PLACES[each])
                found += await read(session, cut)
    # Rows of one kind and instant stay as the database ordered them: its order of letters is its own.
    return sorted(found, key=lambda entry: place_of(entry)[:2], reverse=True)[:limit]


class _Cut(NamedTuple):
    """What of one kind may stand on the page."""

    symbol: str
    limit: int
    first: datetime | None
    last: datetime | None
    before: Place | None
    place: int

    def of(self, statement: Any, symbol: Any, at: Any, key: Any) -> Any:
        if self.before is not None and self.place > self.before.kind:  # of its instant all were shown
            statement = statement.where(col(at) < self.before.at)
        return newest_first_of(
            statement,
            symbol,
            self.symbol,
            at,
            key,
            limit=self.limit,
            first=self.first,
            last=self.until,
            before=self.position,
        )

    @property
    def position(self) -> Position | None:
        """The last row of this kind on the pages before, where that is where they end."""
        if self.before is None or self.place != self.before.kind:
            return None
        return (self.before.at, self.before.id)

    @property
    def until(self) -> datetime | None:
        """The last instant that rows may have."""
        bounds = [bound for bound in (self.last, self.before.at if self.before else None) if bound is not None]
        return min(bounds, default=None)


async def _documents(session: AsyncSession, cut: _Cut) -> list[TimelineEntry]:
    about = documents_about(cut.symbol, cut.limit, first=cut.first, last=cut.until, before=cut.position)
    wanted = select(Document).join(about, about.c.doc_id == col(Document.doc_id))
    rows = await session.exec(newest_first(wanted, Document.available_at, Document.doc_id, limit=cut.limit))
    return [
        TimelineEntry(
            kind=EntryKind.DOCUMENT,
            id=row.doc_id,
            at=row.available_at,
            title=row.title,
            doc_id=row.doc_id,
            facts={"status": row.status, "publisher": row.publisher, "source": row.source_id},
        )
        for row in rows
    ]


async def _events(session: AsyncSession, cut: _Cut) -> list[TimelineEntry]:
    wanted = (
        select(EvidenceRow, EventRow.quotes)
        .join(EventRow, col(EventRow.event_id) == col(EvidenceRow.event_id))
        .join(ExtractionRow, col(ExtractionRow.extraction_id) == col(EvidenceRow.extraction_id))
        .where(~col(ExtractionRow.superseded))
    )
    page = cut.of(wanted, EvidenceRow.symbol, EvidenceRow.available_at, EvidenceRow.event_id)
    rows = await session.exec(page)
    return [
        TimelineEntry(
            kind=EntryKind.EVENT,
            id=row.event_id,
            at=row.available_at,
            title=f"{row.event_type}, {row.materiality}, {row.sentiment:+.2f}",
            doc_id=row.doc_id,
            facts={"type": row.event_type, "role": row.role, "quote": str(quotes[0]["quote"]) if quotes else row.quote},
        )
        for row, quotes in rows
    ]


async def _recommendations(session: AsyncSession, cut: _Cut) -> list[TimelineEntry]:
    wanted = cut.of(
        select(RecommendationRow),
        RecommendationRow.symbol,
        RecommendationRow.as_of,
        RecommendationRow.recommendation_id,
    )
    rows = await session.exec(wanted)
    return [
        TimelineEntry(
            kind=EntryKind.RECOMMENDATION,
            id=row.recommendation_id,
            at=row.as_of,
            title=f"{row.action} (before: {row.previous_action})",
            doc_id="",
            facts={"action": row.action, "score": from_nano(row.body["assessment"]["score_nano"])},
        )
        for row in rows
    ]


async def _orders(session: AsyncSession, cut: _Cut) -> list[TimelineEntry]:
    wanted = cut.of(select(Order), Order.symbol, Order.created_at, Order.order_id)
    rows = await session.exec(wanted)
    return [
        TimelineEntry(
            kind=EntryKind.ORDER,
            id=row.order_id,
            at=row.created_at,
            title=f"{row.side} {shares(row.quantity)} {row.symbol}, {row.status}",
            doc_id="",
            facts={"status": row.status, "intent_id": row.intent_id, "filled": shares(row.filled_quantity)},
        )
        for row in rows
    ]


async def _fills(session: AsyncSession, cut: _Cut) -> list[TimelineEntry]:
    wanted = cut.of(select(FillRow), FillRow.symbol, FillRow.filled_at, FillRow.fill_id)
    rows = await session.exec(wanted)
    return [
        TimelineEntry(
            kind=EntryKind.FILL,
            id=row.fill_id,
            at=row.filled_at,
            title=f"{row.side} {shares(row.quantity)} {row.symbol} at {money(row.price)}",
            doc_id="",
            facts={"order_id": row.order_id, "fee": money(row.fee)},
        )
        for row in rows
    ]


_READERS: dict[EntryKind, Callable[[AsyncSession, _Cut], Awaitable[list[TimelineEntry]]]] = {
    EntryKind.DOCUMENT: _documents,
    EntryKind.EVENT: _events,
    EntryKind.RECOMMENDATION: _recommendations,
    EntryKind.ORDER: _orders,
    EntryKind.FILL: _fills,
}
