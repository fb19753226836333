"""The index of near-duplicates, and what documents are to each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import Credibility, Relation
from domain.sources import site_of
from domain.stories import WINDOW, Link, Story
from store.database import fetch, insert_new
from store.tables.ingestion import Document, DocumentLink

# What every document of a batch runs: single statements of the driver, of the same text for any number.
_FILE_UNDER = """
    INSERT INTO document_bands (band, doc_id) SELECT * FROM unnest($1::bigint[], $2::text[]) ON CONFLICT DO NOTHING
"""
_FILED_UNDER = "SELECT band, doc_id FROM document_bands WHERE band = ANY($1::bigint[])"
_COMPARED = """
    SELECT doc_id, title, published_at, available_at, shingles, story, publisher, documents.credibility,
           source_id, kind,
           ARRAY(SELECT symbol FROM document_symbols WHERE document_symbols.doc_id = documents.doc_id) AS symbols
    FROM documents JOIN sources USING (source_id) WHERE doc_id = ANY($1::text[])
"""
_SITES = """
    SELECT doc_id, source_id, kind, publisher
    FROM documents JOIN sources USING (source_id) WHERE doc_id = ANY($1::text[])
"""
_ABOUT = """
    SELECT wanted.doc_id, other.doc_id
    FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS wanted(doc_id, symbols, published_at)
    CROSS JOIN LATERAL (
        SELECT documents.doc_id
        FROM documents JOIN document_symbols ON document_symbols.doc_id = documents.doc_id
        WHERE document_symbols.symbol = ANY(string_to_array(wanted.symbols, E'\\t'))
          AND documents.published_at BETWEEN wanted.published_at - $4::interval AND wanted.published_at
        ORDER BY documents.published_at DESC, documents.doc_id
        LIMIT $5
    ) AS other
"""

MOST_CANDIDATES = 200
"""Documents about a correction's symbols that it is compared with, the latest first."""


async def file_under(session: AsyncSession, documents: Sequence[tuple[str, Sequence[int]]]) -> None:
    """File documents under their bands."""
    bands = [band for _, own in documents for band in own]
    if bands:
        await fetch(session, _FILE_UNDER, bands, [doc_id for doc_id, own in documents for _ in own])


async def filed_under(session: AsyncSession, bands: Collection[int]) -> dict[int, set[str]]:
    """Documents by band."""
    found: dict[int, set[str]] = defaultdict(set)
    if bands:
        for band, doc_id in await fetch(session, _FILED_UNDER, list(bands)):
            found[band].add(doc_id)
    return dict(found)


async def named(session: AsyncSession, stories: Sequence[str]) -> dict[str, set[str]]:
    """Documents by their source's own name of the story."""
    found: dict[str, set[str]] = defaultdict(set)
    wanted = [story for story in stories if story]
    if wanted:
        rows = await session.exec(select(Document.story, Document.doc_id).where(col(Document.story).in_(wanted)))
        for story, doc_id in rows:
            found[story].add(doc_id)
    return found


async def about(session: AsyncSession, stories: Sequence[Story]) -> dict[str, set[str]]:
    """For each document those about any of its symbols, published up to a week before it."""
    found: dict[str, set[str]] = {each.doc_id: set() for each in stories}
    wanted = [(each.doc_id, "\t".join(sorted(each.symbols)), each.published_at) for each in stories if each.symbols]
    if wanted:
        ids, symbols, times = zip(*wanted, strict=True)
        for doc_id, other in await fetch(session, _ABOUT, ids, symbols, times, WINDOW, MOST_CANDIDATES):
            found[doc_id].add(other)
    return found


async def load(session: AsyncSession, doc_ids: Sequence[str]) -> dict[str, Story]:
    """What is compared of documents."""
    if not doc_ids:
        return {}
    return {
        row["doc_id"]: Story(
            doc_id=row["doc_id"],
            title=row["title"],
            published_at=row["published_at"],
            available_at=row["available_at"],
            shingles=frozenset(row["shingles"]),
            symbols=frozenset(row["symbols"]),
            story=row["story"],
            site=site_of(row["source_id"], row["kind"], row["publisher"]),
            credibility=Credibility(row["credibility"]),
        )
        for row in await fetch(session, _COMPARED, doc_ids)
    }


async def with_sites(session: AsyncSession, stories: Sequence[Story]) -> list[Story]:
    """Documents that have just been written down, each with its site: only the book knows of what kind a source is."""
    rows = await fetch(session, _SITES, [each.doc_id for each in stories])
    sites = {row["doc_id"]: site_of(row["source_id"], row["kind"], row["publisher"]) for row in rows}
    return [replace(each, site=sites[each.doc_id]) for each in stories]


async def save_links(session: AsyncSession, links: Sequence[Link], stories: dict[str, Story]) -> None:
    await insert_new(
        session,
        [
            DocumentLink(
                doc_id=link.doc_id,
                original_id=link.original_id,
                relation=link.relation.value,
                similarity=link.similarity,
                reason=link.reason,
                available_at=stories[link.doc_id].available_at,
            )
            for link in links
        ],
    )


async def links_of(session: AsyncSession, doc_ids: Sequence[str]) -> list[DocumentLink]:
    """Links that begin or end at the documents."""
    rows = await session.exec(
        select(DocumentLink)
        .where(col(DocumentLink.doc_id).in_(doc_ids) | col(DocumentLink.original_id).in_(doc_ids))
        .order_by(col(DocumentLink.available_at), col(DocumentLink.doc_id))
    )
    return list(rows.all())


async def taken_back(session: AsyncSession, doc_id: str) -> list[str]:
    """The documents that a document corrects or retracts."""
    rows = await session.exec(
        select(DocumentLink.original_id).where(
            DocumentLink.doc_id == doc_id,
            col(DocumentLink.relation).in_([Relation.CORRECTION.value, Relation.RETRACTION.value]),
        )
    )
    return sorted(rows.all())
