"""Reading the book for lists: documents, by filter and page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import union
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.keysets import Position, newest_first
from store.tables.ingestion import Document, DocumentSymbol, EvidenceRow


async def list_documents(
    session: AsyncSession,
    *,
    limit: int,
    symbol: str | None = None,
    source: str | None = None,
    status: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> Sequence[Document]:
    """Documents by `available_at`, newest first; `first` and `last` are both inclusive.

    A document is about a symbol where its source says so, or where evidence on the symbol was read in it.
    """
    wanted: Any = select(Document)
    if symbol is not None:
        about = documents_about(symbol, limit, source=source, status=status, first=first, last=last, before=before)
        wanted = wanted.join(about, about.c.doc_id == col(Document.doc_id))
    else:
        wanted = _filtered(wanted, Document.available_at, source=source, status=status, first=first, last=last)
    page = newest_first(wanted, Document.available_at, Document.doc_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


def documents_about(
    symbol: str,
    limit: int,
    *,
    source: str | None = None,
    status: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> Any:
    """At the most twice as many (doc_id, available_at) as a page of a symbol's documents needs, as a subquery."""

    def rows(table: Any) -> Any:
        own = select(table.doc_id, table.available_at).where(table.symbol == symbol).distinct()
        if source is not None or status is not None:
            own = own.join(Document, col(Document.doc_id) == table.doc_id)
        own = _filtered(own, table.available_at, source=source, status=status, first=first, last=last)
        return newest_first(own, table.available_at, table.doc_id, limit=limit, before=before)

    return union(rows(DocumentSymbol), rows(EvidenceRow)).subquery("about")


async def symbols_by_document(session: AsyncSession, doc_ids: Sequence[str]) -> dict[str, list[str]]:
    """Symbols that a document is about, sorted."""
    found: dict[str, set[str]] = {doc_id: set() for doc_id in doc_ids}
    for table in (DocumentSymbol, EvidenceRow):
        rows = await session.exec(select(table.doc_id, table.symbol).where(col(table.doc_id).in_(doc_ids)).distinct())
        for doc_id, symbol in rows:
            found[doc_id].add(symbol)
    return {doc_id: sorted(symbols) for doc_id, symbols in found.items()}


def _filtered(
    statement: Any,
    at: Any,
    *,
    source: str | None,
    status: str | None,
    first: datetime | None,
    last: datetime | None,
) -> Any:
    if source is not None:
        statement = statement.where(Document.source_id == source)
    if status is not None:
        statement = statement.where(Document.status == status)
    if first is not None:
        statement = statement.where(at >= first)
    if last is not None:
        statement = statement.where(at <= last)
    return statement
