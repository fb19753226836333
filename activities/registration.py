"""Registration: records of a source become documents in the book, each once, linked to what they repeat or correct.

raw bytes to the object store -> rows, symbols and refusals -> near-duplicates -> cursor, all in one transaction
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from domain import stories as domain_stories
from domain.documents import (
    DOC_ID_LENGTH,
    NEW_YORK,
    Credibility,
    DocumentStatus,
    Reject,
    RejectReason,
    Relation,
    SourceDocument,
)
from domain.extraction import document_text
from domain.ingestion import IngestReport, IngestRequest, available_at
from domain.novelty import shingles
from domain.stories import Bands, Link, Story, bands_of
from domain.text import strip_invisible
from store import documents, sources, stories
from store.database import Database
from store.objects import ObjectStore, key_for
from store.registry import SymbolMaster
from store.tables.ingestion import Document, DocumentSymbol

COMPARED_CHARACTERS = 100_000
"""Of a document's beginning: what makes a long filing the same is seen in it."""

Also = Callable[[AsyncSession], Awaitable[None]]
"""What is written in the transaction that registers: a page's facts and the source's new cursor."""


@dataclass(frozen=True)
class Origin:
    """Where a batch of records comes from."""

    source_id: str
    publisher: str
    credibility: str
    answer_key: str = ""
    """Of the vendor's answer that the records were read in; empty for files."""


class Registration:
    """One pass over records of a source: what was seen, the counts, and the writing."""

    def __init__(
        self, database: Database, objects: ObjectStore, request: IngestRequest, origin: Origin, *, driven: bool
    ) -> None:
        self.report = IngestReport(run_id=request.run_id, source_id=request.source_id)
        self._database = database
        self._objects = objects
        self._request = request
        self._origin = origin
        self._driven = driven
        self._own: set[str] = set()
        self._seen: set[bytes] = set()
        self._counted: set[bytes] = set()
        self._pending: list[str] = []

    async def add(
        self,
        records: Sequence[SourceDocument | Reject],
        master: SymbolMaster,
        *,
        now: datetime,
        also: Also | None = None,
    ) -> None:
        """Register records. A repeat finds its own rows and counts the same.

        Raw bytes come first: a crash in between leaves an object nobody points at, never the reverse.
        """
        accepted, rejects = self._sort(records, master)
        raw = {document.content_hash(): document.canonical_bytes() for document, _ in accepted}
        await self._objects.put_many(
            [(key_for("raw", content_hash), body) for content_hash, body in raw.items()], "application/json"
        )
        rows = {document.doc_id(): self._row(document, now) for document, _ in accepted}
        symbols_of: dict[str, set[str]] = {doc_id: set() for doc_id in rows}
        for document, symbols in accepted:
            symbols_of[document.doc_id()].update(symbol for symbol, _ in symbols)
        labels = {
            (document.doc_id(), symbol): DocumentSymbol(doc_id=document.doc_id(), symbol=symbol, label=label)
            for document, symbols in accepted
            for symbol, label in symbols
        }
        run_id = self._request.run_id
        async with self._database.transaction() as session:
            change = await documents.register(session, documents=list(rows.values()), symbols=list(labels.values()))
            reopened = change.linked - self._own
            if reopened:  # a document known before now belongs to one more symbol: read it again for that one
                for status in (DocumentStatus.PROCESSED, DocumentStatus.DUPLICATE):
                    await documents.set_status(session, reopened, DocumentStatus.REGISTERED, only=status)
            own = await documents.of_run(session, list(rows), run_id=run_id, answer_key=self._origin.answer_key)
            fresh = [story_of(rows[doc_id].model_dump(), symbols_of[doc_id]) for doc_id in sorted(change.new)]
            filed = bands_of([(each.shingles, each.published_at) for each in fresh])
            repeated = await link_stories(session, fresh, filed)
            await documents.set_status(session, repeated, DocumentStatus.DUPLICATE, only=DocumentStatus.REGISTERED)
            copies = await documents.count_copies(session, own - self._own)
            await sources.save_rejects(session, run_id=run_id, rejects=rejects, recorded_at=now)
            if also is not None:
                await also(session)
        self._count(own=own, linked=reopened, copies=copies)

    def count(self, **counts: int) -> None:
        self.report = self.report.plus(**counts)

    def _sort(
        self, records: Sequence[SourceDocument | Reject], master: SymbolMaster
    ) -> tuple[list[tuple[SourceDocument, list[tuple[str, str]]]], list[Reject]]:
        """Split records into documents with their (symbol, label) pairs, and refusals."""
        accepted: list[tuple[SourceDocument, list[tuple[str, str]]]] = []
        rejects: list[Reject] = []
        for record in records:
            self.count(read=1)
            if isinstance(record, Reject):
                rejects.append(record)
                self.count(rejected=1)
            elif not self._inside(record):
                self.count(skipped=1)
            else:
                symbols, unknown = resolve_labels(record, master)
                if self._origin.answer_key:
                    unknown = []  # a vendor's news name half the market: whom we do not follow is no mistake in it
                rejects += unknown
                if unknown and not symbols:
                    self.count(rejected=1)
                elif duplicate := self._duplicate(record, symbols):
                    rejects.append(duplicate)
                    self.count(rejected=1)
                else:
                    accepted.append((record, symbols))
        return accepted, rejects

    def _row(self, document: SourceDocument, now: datetime) -> Document:
        content_hash = document.content_hash()
        return Document(
            **document_values(
                document,
                self._origin,
                content_hash=content_hash,
                run_id=self._request.run_id,
                now=now,
                known=available_at(document, None if self._driven else now),
                raw_key=key_for("raw", content_hash),
                shingled=shingles(compared_text(document)),
                status=DocumentStatus.REGISTERED,
            )
        )

    def _count(self, *, own: set[str], linked: frozenset[str], copies: int) -> None:
        """Count each record of the batch once: new with this run, known with a new symbol, or known."""
        self._own |= own
        self.count(copies=copies)
        for doc_id in self._pending:
            if doc_id in own:
                first = _key(doc_id) not in self._counted
                self._counted.add(_key(doc_id))
                self.count(**({"registered": 1} if first else {"linked": 1}))
            elif doc_id in linked:
                self.count(linked=1)
            else:
                self.count(duplicates=1)
        self._pending = []

    def _inside(self, document: SourceDocument) -> bool:
        after, until = self._request.available_after, self._request.available_until
        return (after is None or document.published_at > after) and (until is None or document.published_at <= until)

    def _duplicate(self, document: SourceDocument, symbols: list[tuple[str, str]]) -> Reject | None:
        """Refuse a record that repeats a story for symbols that all have it from this pass already."""
        doc_id = document.doc_id()
        keys = [_key(doc_id, symbol) for symbol, _ in symbols] or [_key(doc_id, "")]
        if all(key in self._seen for key in keys):
            return refuse_repeated(document, doc_id)
        self._seen.update(keys)
        self._pending.append(doc_id)
        return None


def compared_text(document: SourceDocument) -> str:
    """What a document is compared by: as the parser cleans it, a long one's beginning."""
    return strip_invisible(document_text(document.title, document.text[:COMPARED_CHARACTERS]))


def document_values(
    document: SourceDocument,
    origin: Origin,
    *,
    content_hash: str,
    run_id: str,
    now: datetime,
    known: datetime,
    raw_key: str,
    shingled: Sequence[int],
    status: DocumentStatus,
) -> dict[str, Any]:
    """The columns of a new document's row. `known` is its `available_at`; `shingled` are those of its compared text."""
    return {
        "doc_id": content_hash[:DOC_ID_LENGTH],
        "content_hash": content_hash,
        "source_id": origin.source_id,
        "run_id": run_id,
        "title": document.title,
        "url": document.url,
        "publisher": document.publisher or origin.publisher,
        "language": document.language,
        "credibility": origin.credibility,
        "published_at": document.published_at,
        "precision": document.precision.value,
        "available_at": known,
        "recorded_at": now,
        "location": document.location,
        "raw_key": raw_key,
        "answer_key": origin.answer_key,
        "text_key": "",
        "story": document.story,
        "sections": [section.model_dump() for section in document.sections],
        "insights": [insight.model_dump() for insight in document.insights],
        "shingles": list(shingled),
        "status": status.value,
        "error": "",
    }


def story_of(values: Mapping[str, Any], symbols: Iterable[str]) -> Story:
    """What is compared of a document that is about to be registered; its site is told by the book, once it stands in
    it.
    """
    return Story(
        doc_id=values["doc_id"],
        title=values["title"],
        published_at=values["published_at"],
        available_at=values["available_at"],
        shingles=frozenset(values["shingles"]),
        symbols=frozenset(symbols),
        story=values["story"],
        credibility=Credibility(values["credibility"]),
    )


async def link_stories(session: AsyncSession, fresh: Sequence[Story], bands: Sequence[Bands]) -> list[str]:
    """Find out what new documents are to those known, through the index, and return the copies that need no reading.

    A document that arrives late may be the original of one that is known: then the known one is the copy. A copy of
    what somebody less credible told needs reading: the story is to count as told by the better one.
    """
    if not fresh:
        return []
    fresh = await stories.with_sites(session, fresh)
    under = await stories.filed_under(session, {band for found in bands for band in found.searched})
    await stories.file_under(session, [(each.doc_id, found.filed) for each, found in zip(fresh, bands, strict=True)])
    first: dict[int, str] = {}
    for each, found in zip(fresh, bands, strict=True):
        for band in found.filed:
            if first.setdefault(band, each.doc_id) != each.doc_id:  # two of this batch share it
                under.setdefault(band, set()).update((first[band], each.doc_id))
    versions = await stories.named(session, [each.story for each in fresh])
    near: dict[str, set[str]] = {}
    for each, found in zip(fresh, bands, strict=True):
        alike = set[str]().union(*(under[band] for band in found.searched if band in under))
        near[each.doc_id] = (alike | versions.get(each.story, set())) - {each.doc_id}
    known = {each.doc_id: each for each in fresh}
    corrections = [
        each
        for each in fresh
        if domain_stories.marked_relation(each.title) in (Relation.CORRECTION, Relation.RETRACTION)
    ]
    for doc_id, wider in (await stories.about(session, corrections)).items():
        near[doc_id] |= wider - {doc_id}
    known |= await stories.load(session, sorted(set().union(*near.values()) - known.keys()))
    links = _links(near, known)
    await stories.save_links(session, links, known)
    return [link.doc_id for link in links if _is_read_elsewhere(link, known)]


def _links(near: dict[str, set[str]], known: dict[str, Story]) -> list[Link]:
    later: dict[str, set[str]] = {}
    for doc_id, others in near.items():
        for other in others:
            first, second = sorted((doc_id, other), key=lambda each: known[each].order)
            later.setdefault(second, set()).add(first)
    found = (
        domain_stories.link(known[doc_id], [known[each] for each in sorted(before)])
        for doc_id, before in sorted(later.items())
    )
    return [link for link in found if link is not None]


def _is_read_elsewhere(link: Link, known: dict[str, Story]) -> bool:
    copy, original = known[link.doc_id], known[link.original_id]
    return link.relation is Relation.DUPLICATE and copy.symbols <= original.symbols and original.is_as_credible_as(copy)


def resolve_labels(document: SourceDocument, master: SymbolMaster) -> tuple[list[tuple[str, str]], list[Reject]]:
    """The symbols that a document's tickers meant on its day, each with its ticker, and a refusal for each unknown."""
    day = (document.published_at - timedelta(seconds=1)).astimezone(NEW_YORK).date()
    symbols: list[tuple[str, str]] = []
    unknown: list[Reject] = []
    for label in document.tickers:
        symbol = _by_cik(label, master) or master.resolve(label, day)
        if symbol is None:
            detail = f"no company used the ticker {label} on {day}; add it to the registry to accept it"
            unknown.append(_refuse(document, RejectReason.UNKNOWN_TICKER, "tickers", detail))
        elif symbol not in {found for found, _ in symbols}:
            symbols.append((symbol, label))
    return symbols, unknown


def _by_cik(label: str, master: SymbolMaster) -> str | None:
    """The company with a central index key, labelled as `CIK0000320193`; of several share classes the first."""
    cik = label.removeprefix("CIK")
    if cik == label or not cik.isdigit():
        return None
    return min((symbol for symbol, company in master.companies.items() if company.cik == cik), default=None)


def refuse_repeated(document: SourceDocument, doc_id: str) -> Reject:
    detail = f"the same story ({doc_id}) stands earlier in this file for the same tickers"
    return _refuse(document, RejectReason.DUPLICATE_DOCUMENT, "", detail)


def _refuse(document: SourceDocument, reason: RejectReason, column: str, detail: str) -> Reject:
    return Reject(
        file=document.location.rsplit(":", 1)[0],
        line=document.line,
        column=column,
        reason=reason,
        detail=detail,
        excerpt=document.title[:200],
    )


def _key(*parts: str) -> bytes:
    """Eight bytes stand for a string: a set of them stays small over millions of records."""
    return blake2b("\0".join(parts).encode(), digest_size=8).digest()
