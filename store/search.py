"""The index that documents are found by: written with their reading, and looked through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import REAL, Float, cast, func, literal, literal_column, null, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.search import IndexedText
from store.database import Database, fetch, values_as_json
from store.keysets import Position, newest_first
from store.tables.ingestion import Document, DocumentSearch

Place = tuple[float, datetime, str]
"""Where a document stands among what is found: its rank, its instant and its id. In the order of time the rank is 0."""

RANKED = 2_000
"""Of what is found the newest so many are ranked: a common word costs no more than that."""
BY_LENGTH = 1
"""A rank is divided by 1 + the logarithm of the text's length: a long report is not found first for its length."""

_WORDS = "setweight(to_tsvector('simple', found.title), 'A') || to_tsvector('simple', found.text)"
_SIMPLE: Any = literal_column("'simple'::regconfig")
_UNINDEXED = """
    SELECT doc_id, text_key FROM documents
    WHERE text_key <> '' AND doc_id > $1
          AND NOT EXISTS (SELECT FROM document_search WHERE document_search.doc_id = documents.doc_id)
    ORDER BY doc_id LIMIT $2
"""


@dataclass(frozen=True)
class Found:
    """A document that answers a question."""

    document: Document
    symbols: list[str]
    rank: float | None
    """None in the order of time."""


def index_from_json(value: str, *, replace: bool) -> str:
    """The text of an INSERT of a JSON array (see `index_values`); without `replace` what is indexed stays."""
    known = "UPDATE SET symbols = excluded.symbols, search = excluded.search" if replace else "NOTHING"
    return f"""
        INSERT INTO document_search (doc_id, source_id, available_at, symbols, search)
        SELECT documents.doc_id, documents.source_id, documents.available_at,
               ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id
                     UNION SELECT symbol FROM evidence WHERE evidence.doc_id = documents.doc_id
                     UNION SELECT unnest(found.symbols) ORDER BY symbol),
               {_WORDS}
        FROM json_to_recordset({value}::text::json) AS found(doc_id text, title text, text text, symbols text[])
        JOIN documents ON documents.doc_id = found.doc_id
        ON CONFLICT (doc_id) DO {known}
    """  # noqa: S608 - built from constants


def index_values(doc_id: str, words: IndexedText, symbols: Sequence[str] = ()) -> dict[str, Any]:
    """What a document is found by; `symbols` are those on which evidence is written in the same statement."""
    return {"doc_id": doc_id, "title": words.title, "text": words.text, "symbols": list(symbols)}


async def unindexed(database: Database, *, after: str, limit: int) -> list[tuple[str, str]]:
    """Documents that were read and cannot be found yet, by id: (doc_id, the key of their reading)."""
    return [(row["doc_id"], row["text_key"]) for row in await database.run(_UNINDEXED, after, limit)]


async def add(database: Database, documents: Sequence[tuple[str, IndexedText]]) -> None:
    """Index documents that were read before; a newer reading's words stay."""
    values = [index_values(doc_id, words) for doc_id, words in documents]
    await database.run(index_from_json("$1", replace=False), values_as_json(values))


async def find(
    session: AsyncSession,
    question: str,
    *,
    limit: int,
    symbol: str | None = None,
    source: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    by_time: bool = False,
    before: Place | None = None,
) -> list[Found]:
    """Documents that hold the words, the best first, or the newest.

    Args:
        question: as `domain.search.read_query` gives it.
        first, last: bounds of `available_at`, both inclusive.
        before: where the last row of the page before stands.
    """
    query = func.websearch_to_tsquery(_SIMPLE, question)
    found: Any = select(DocumentSearch.doc_id, DocumentSearch.available_at).where(
        col(DocumentSearch.search).op("@@")(query)
    )
    if symbol is not None:
        found = found.where(col(DocumentSearch.symbols).contains([symbol]))
    if source is not None:
        found = found.where(DocumentSearch.source_id == source)
    if first is not None:
        found = found.where(DocumentSearch.available_at >= first)
    if last is not None:
        found = found.where(DocumentSearch.available_at <= last)
    await _prefer_words(session, True)
    if await _count(session, found) > RANKED:
        await _prefer_words(session, False)
    page = _newest(found, limit, before) if by_time else _best(found, query, limit, before)
    connection = await session.connection()
    ranks = {doc_id: rank for doc_id, _, rank in await connection.execute(page)}
    await _prefer_words(session, False)
    rows = await session.exec(
        select(Document, DocumentSearch.symbols)
        .join(DocumentSearch, col(DocumentSearch.doc_id) == col(Document.doc_id))
        .where(col(Document.doc_id).in_(ranks))
    )
    known = {document.doc_id: (document, list(symbols)) for document, symbols in rows}
    return [Found(*known[doc_id], rank) for doc_id, rank in ranks.items()]


async def _count(session: AsyncSession, found: Any) -> int:
    """How many documents are found; of many one more than are ranked."""
    some = found.with_only_columns(literal(1).label("one")).limit(RANKED + 1).subquery()
    return int((await session.exec(select(func.count()).select_from(some))).one())


async def _prefer_words(session: AsyncSession, wanted: bool) -> None:
    """Have what the transaction asks next read from the index of words alone, or however the planner likes.

    It knows how common common words are, and of a rare one may think that a walk through all documents meets it soon.
    """
    ways = "off" if wanted else "on"
    await fetch(
        session, "SELECT set_config('enable_indexscan', $1, true), set_config('enable_seqscan', $1, true)", ways
    )


def _newest(found: Any, limit: int, before: Place | None) -> Any:
    at: Position | None = None if before is None else (before[1], before[2])
    page = newest_first(found, DocumentSearch.available_at, DocumentSearch.doc_id, limit=limit, before=at)
    return page.add_columns(null().label("rank"))


def _best(found: Any, query: Any, limit: int, before: Place | None) -> Any:
    rank = func.ts_rank(col(DocumentSearch.search), query, BY_LENGTH).label("rank")
    newest = newest_first(
        found.add_columns(rank), DocumentSearch.available_at, DocumentSearch.doc_id, limit=RANKED
    ).subquery()
    page = select(newest)
    if before is not None:
        place = tuple_(cast(literal(before[0], Float), REAL), literal(before[1]), literal(before[2]))
        page = page.where(tuple_(newest.c.rank, newest.c.available_at, newest.c.doc_id) < place)
    return page.order_by(newest.c.rank.desc(), newest.c.available_at.desc(), newest.c.doc_id.desc()).limit(limit)
