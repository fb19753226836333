"""Reading the book for lists: documents, by filter and page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import union
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from store.database import Database
from store.keysets import Chosen, Position, newest_first_of
from store.tables.ingestion import Document, DocumentSymbol, EvidenceRow

_COLUMNS = """
    documents.doc_id, documents.source_id, documents.title, documents.url, documents.publisher, documents.language,
    documents.credibility, documents.published_at, documents.precision, documents.available_at, documents.recorded_at,
    documents.location, documents.status, documents.error
"""
_SYMBOLS = """
    ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id
          UNION SELECT symbol FROM evidence WHERE evidence.doc_id = documents.doc_id ORDER BY symbol) AS symbols
"""


async def list_documents(
    database: Database,
    *,
    limit: int,
    symbol: str | None = None,
    source: str | None = None,
    status: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> list[Mapping[str, Any]]:
    """Documents with their symbols by `available_at`, newest first; `first` and `last` are both inclusive.

    A document is about a symbol where its source says so, or where evidence on the symbol was read in it.
    """
    chosen = Chosen()
    if symbol is not None:
        about = documents_about(symbol, limit, source=source, status=status, first=first, last=last, before=before)
        async with database.transaction() as session:
            found = await session.exec(select(about.c.doc_id))
            chosen.add("documents.doc_id = ANY({})", list(found))
    else:
        chosen.add("documents.source_id = {}", source)
        chosen.add("documents.status = {}", status)
        chosen.add("documents.available_at >= {}", first)
        chosen.add("documents.available_at <= {}", last)
        chosen.before("documents.available_at", "documents.doc_id", before)
    statement = f"""
        SELECT {_COLUMNS}, {_SYMBOLS} FROM documents {chosen.where}
        ORDER BY documents.available_at DESC, documents.doc_id DESC LIMIT {limit:d}
    """  # noqa: S608 - built from constants
    return await database.run(statement, *chosen.values)


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
        own = select(table.symbol, table.doc_id, table.available_at).distinct()
        if source is not None or status is not None:
            own = own.join(Document, col(Document.doc_id) == table.doc_id)
        if source is not None:
            own = own.where(Document.source_id == source)
        if status is not None:
            own = own.where(Document.status == status)
        return newest_first_of(
            own,
            table.symbol,
            symbol,
            table.available_at,
            table.doc_id,
            limit=limit,
            first=first,
            last=last,
            before=before,
        )

    return union(rows(DocumentSymbol), rows(EvidenceRow)).subquery("about")


async def symbols_of_document(session: AsyncSession, doc_id: str) -> list[str]:
    """Symbols that a document is about, sorted."""
    found: set[str] = set()
    for table in (DocumentSymbol, EvidenceRow):
        found.update(await session.exec(select(table.symbol).where(table.doc_id == doc_id).distinct()))
    return sorted(found)
