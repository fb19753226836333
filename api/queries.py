"""Reading the book for lists: documents, by filter and page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

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
    before: tuple[datetime, str] | None = None,
) -> Sequence[Document]:
    """Documents by `available_at`, newest first; `first` and `last` are both inclusive.

    A document is about a symbol where its source says so, or where evidence on the symbol was read in it.
    """
    statement = select(Document)
    if symbol is not None:
        labelled = select(DocumentSymbol.doc_id).where(DocumentSymbol.symbol == symbol)
        read = select(EvidenceRow.doc_id).where(EvidenceRow.symbol == symbol)
        statement = statement.where(col(Document.doc_id).in_(labelled) | col(Document.doc_id).in_(read))
    if source is not None:
        statement = statement.where(Document.source_id == source)
    if status is not None:
        statement = statement.where(Document.status == status)
    if first is not None:
        statement = statement.where(Document.available_at >= first)
    if last is not None:
        statement = statement.where(Document.available_at <= last)
    if before is not None:
        at, key = before
        statement = statement.where(
            (col(Document.available_at) < at) | ((col(Document.available_at) == at) & (col(Document.doc_id) < key))
        )
    statement = statement.order_by(col(Document.available_at).desc(), col(Document.doc_id).desc()).limit(limit)
    return (await session.exec(statement)).all()


async def symbols_by_document(session: AsyncSession, doc_ids: Sequence[str]) -> dict[str, list[str]]:
    """Symbols that a document is about, sorted."""
    found: dict[str, set[str]] = {doc_id: set() for doc_id in doc_ids}
    for table in (DocumentSymbol, EvidenceRow):
        rows = await session.exec(select(table.doc_id, table.symbol).where(col(table.doc_id).in_(doc_ids)).distinct())
        for doc_id, symbol in rows:
            found[doc_id].add(symbol)
    return {doc_id: sorted(symbols) for doc_id, symbols in found.items()}
