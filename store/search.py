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
from store.keysets import Position, newest_first, newest_first_of
from store.tables.ingestion import Document, DocumentSearch

Place = tuple[float, datetime, str]
"""Where a document stands among what is found: its rank, its instant and its id. In the order of time the rank is 0."""

RANKED = 2_000
"""Of what is found the newest so many are ranked: a common word costs no more than that."""
SAMPLE = 200
"""So many of the newest documents are looked at first: they tell how common the words are."""
COMMON = 4
"""Words that so many of the sample hold are found by walking from the newest document to older ones..."""
FARTHEST = 20_000
"""...where so many documents at the most should hold enough of them."""
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


@dataclass(frozen=True)
class _Asked:
    """What documents must hold, and where they are looked for."""

    query: Any
    symbol: str | None
    source: str | None
    first: datetime | None
    last: datetime | None

    def held_by(self, of: Any) -> list[Any]:
        """That a row holds the words and is about the symbol; `of` has the columns."""
        words = [of.search.op("@@")(self.query)]
        return words if self.symbol is None else [*words, of.symbols.contains([self.symbol])]

    def bounds(self) -> list[Any]:
        table = DocumentSearch
        bounds: list[Any] = []
        if self.source is not None:
            bounds.append(table.source_id == self.source)
        if self.first is not None:
            bounds.append(table.available_at >= self.first)
        if self.last is not None:
            bounds.append(table.available_at <= self.last)
        return bounds

    def newest(self, many: int, before: Position | None) -> Any:
        """The newest so many documents, whether they hold the words or not, as a subquery."""
        table = DocumentSearch
        rows = select(table.doc_id, table.available_at, table.symbols, table.search)
        at, key = table.available_at, table.doc_id
        if self.source is None:
            page = newest_first(rows.where(*self.bounds()), at, key, limit=many, before=before)
        else:
            page = newest_first_of(
                rows,
                table.source_id,
                self.source,
                at,
                key,
                limit=many,
                first=self.first,
                last=self.last,
                before=before,
            )
        return page.subquery()


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
    asked = _Asked(func.websearch_to_tsquery(_SIMPLE, question), symbol, source, first, last)
    ranks = await _walked(session, asked, limit, before, by_time=by_time)
    if ranks is None:
        ranks = await _looked_up(session, asked, limit, before, by_time=by_time)
    rows = await session.exec(
        select(Document, DocumentSearch.symbols)
        .join(DocumentSearch, col(DocumentSearch.doc_id) == col(Document.doc_id))
        .where(col(Document.doc_id).in_(ranks))
    )
    known = {document.doc_id: (document, list(symbols)) for document, symbols in rows}
    return [Found(*known[doc_id], rank) for doc_id, rank in ranks.items()]


async def _walked(
    session: AsyncSession, asked: _Asked, limit: int, before: Place | None, *, by_time: bool
) -> dict[str, float | None] | None:
    """Find common words among the newest documents, as many as are needed; None where there are not enough.

    The index of words lists every document that has a word before the first of them is seen.
    """
    start = _position(before) if by_time else None
    sample = asked.newest(SAMPLE, start)
    holding = (await session.exec(select(func.count()).select_from(sample).where(*asked.held_by(sample.c)))).one()
    needed = limit if by_time else RANKED
    reach = 2 * needed * SAMPLE // max(holding, 1)
    if holding < COMMON or reach > FARTHEST:
        return None
    newest = asked.newest(reach, start)
    found: Any = select(newest.c.doc_id, newest.c.available_at).where(*asked.held_by(newest.c))
    connection = await session.connection()
    if by_time:
        page = list(await connection.execute(_newest(found, newest.c, limit, None)))
        return {row[0]: None for row in page} if len(page) == limit else None
    best = list(await connection.execute(_best(found, newest.c, asked.query, limit, before)))
    return {row[0]: row[2] for row in best} if best and best[0].ranked == RANKED else None


async def _looked_up(
    session: AsyncSession, asked: _Asked, limit: int, before: Place | None, *, by_time: bool
) -> dict[str, float | None]:
    """Find words with their index."""
    table: Any = DocumentSearch
    found: Any = select(table.doc_id, table.available_at).where(*asked.held_by(table), *asked.bounds())
    await _prefer_words(session, True)
    if await _count(session, found) > RANKED:
        await _prefer_words(session, False)
    page = _newest(found, table, limit, before) if by_time else _best(found, table, asked.query, limit, before)
    connection = await session.connection()
    ranks = {row[0]: row[2] for row in await connection.execute(page)}
    await _prefer_words(session, False)
    return ranks


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


def _position(before: Place | None) -> Position | None:
    return None if before is None else (before[1], before[2])


def _newest(found: Any, of: Any, limit: int, before: Place | None) -> Any:
    page = newest_first(found, of.available_at, of.doc_id, limit=limit, before=_position(before))
    return page.add_columns(null().label("rank"))


def _best(found: Any, of: Any, query: Any, limit: int, before: Place | None) -> Any:
    rank = func.ts_rank(of.search, query, BY_LENGTH).label("rank")
    newest = newest_first(found.add_columns(rank), of.available_at, of.doc_id, limit=RANKED).cte("newest")
    page = select(newest, select(func.count()).select_from(newest).scalar_subquery().label("ranked"))
    if before is not None:
        place = tuple_(cast(literal(before[0], Float), REAL), literal(before[1]), literal(before[2]))
        page = page.where(tuple_(newest.c.rank, newest.c.available_at, newest.c.doc_id) < place)
    return page.order_by(newest.c.rank.desc(), newest.c.available_at.desc(), newest.c.doc_id.desc()).limit(limit)
