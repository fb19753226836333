"""Ingestion: read a source as a stream, keep the raw bytes first, register every new document once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import islice

from temporalio import activity

from activities.ports import Flows
from activities.release import release_due
from domain.documents import NEW_YORK, DocumentStatus, Reject, RejectReason, SourceDocument
from domain.errors import ConfigurationError
from domain.ingestion import IngestReport, IngestRequest, ReleaseReport, ReleaseRequest, available_at
from domain.sources import SourceConfig
from store import documents, registry, sources
from store.database import Database
from store.objects import ObjectStore, key_for
from store.registry import SymbolMaster
from store.tables.ingestion import Document, DocumentSymbol

BATCH = 500

Reader = Callable[[SourceConfig, datetime], Iterator[SourceDocument | Reject]]
"""Streams a source: every record becomes a document or says why not."""


class IngestionActivities:
    """Fetch and release. `driven` is true in a replay, where a document could be known when it was published."""

    def __init__(
        self, database: Database, objects: ObjectStore, flows: Flows, readers: dict[str, Reader], *, driven: bool
    ) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._readers = readers
        self._driven = driven

    @activity.defn
    async def fetch(self, request: IngestRequest) -> IngestReport:
        """Read the whole source in batches; a repeat reads again and finds its own rows."""
        if request.as_of is None:
            raise ConfigurationError(
                "INGEST_WITHOUT_PRESENT", "The workflow fills `as_of` in", source=request.source_id
            )
        async with self._database.transaction() as session:
            source = await sources.require(session, request.source_id)
            master = await registry.load_master(session)
            await sources.start_run(
                session, run_id=request.run_id, source_id=request.source_id, started_at=datetime.now(UTC)
            )
        reader = self._readers.get(source.kind)
        if reader is None:
            raise ConfigurationError(
                "SOURCE_KIND_UNKNOWN", f"Known kinds: {', '.join(sorted(self._readers))}", kind=source.kind
            )
        batch = _Batch(request, sources.config_of(source), master, driven=self._driven)
        records = reader(batch.config, request.as_of)
        while chunk := await asyncio.to_thread(lambda: list(islice(records, BATCH))):
            await self._store(batch, chunk)
            activity.heartbeat(batch.report.read)
        async with self._database.transaction() as session:
            await sources.finish_run(session, batch.report, finished_at=datetime.now(UTC))
        return batch.report

    @activity.defn
    async def release(self, request: ReleaseRequest) -> ReleaseReport:
        """Start a workflow for every registered document that is due."""
        ids = await release_due(self._database, self._flows, until=request.until, heartbeat=activity.heartbeat)
        return ReleaseReport(released=len(ids))

    async def _store(self, batch: _Batch, chunk: list[SourceDocument | Reject]) -> None:
        """Raw bytes first, then the rows: a crash in between leaves an object nobody points at, never the reverse."""
        accepted, rejects = batch.sort(chunk)
        raw = {document.content_hash(): document.canonical_bytes() for document, _ in accepted}
        await self._objects.put_many(
            [(key_for("raw", content_hash), body) for content_hash, body in raw.items()], "application/json"
        )
        now = datetime.now(UTC)
        rows = {document.doc_id(): batch.row(document, now) for document, _ in accepted}
        links = {
            (document.doc_id(), symbol): DocumentSymbol(doc_id=document.doc_id(), symbol=symbol, label=label)
            for document, symbols in accepted
            for symbol, label in symbols
        }
        async with self._database.transaction() as session:
            change = await documents.register(session, documents=list(rows.values()), symbols=list(links.values()))
            reopened = change.linked - batch.own
            if reopened:  # a document read before now belongs to one more symbol: read it again for that one
                await documents.set_status(session, reopened, DocumentStatus.REGISTERED, only=DocumentStatus.PROCESSED)
            own = await documents.of_run(session, list(rows), run_id=batch.request.run_id)
            await sources.save_rejects(session, run_id=batch.request.run_id, rejects=rejects, recorded_at=now)
        batch.count(own=own, linked=reopened)


class _Batch:
    """The state of one pass over a source: what was seen, and the counts."""

    def __init__(self, request: IngestRequest, config: SourceConfig, master: SymbolMaster, *, driven: bool) -> None:
        self.request = request
        self.config = config
        self.report = IngestReport(run_id=request.run_id, source_id=request.source_id)
        self.own: set[str] = set()
        self._master = master
        self._driven = driven
        self._seen: set[bytes] = set()
        self._counted: set[bytes] = set()
        self._pending: list[str] = []

    def sort(
        self, chunk: list[SourceDocument | Reject]
    ) -> tuple[list[tuple[SourceDocument, list[tuple[str, str]]]], list[Reject]]:
        """Split records into documents with their (symbol, label) pairs, and refusals."""
        accepted: list[tuple[SourceDocument, list[tuple[str, str]]]] = []
        rejects: list[Reject] = []
        for record in chunk:
            self._add(read=1)
            if isinstance(record, Reject):
                rejects.append(record)
                self._add(rejected=1)
            elif not self._inside(record):
                self._add(skipped=1)
            else:
                symbols, unknown = self._resolve(record)
                rejects += unknown
                if unknown and not symbols:
                    self._add(rejected=1)
                elif duplicate := self._duplicate(record, symbols):
                    rejects.append(duplicate)
                    self._add(rejected=1)
                else:
                    accepted.append((record, symbols))
        return accepted, rejects

    def row(self, document: SourceDocument, now: datetime) -> Document:
        content_hash = document.content_hash()
        return Document(
            doc_id=document.doc_id(),
            content_hash=content_hash,
            source_id=self.request.source_id,
            run_id=self.request.run_id,
            title=document.title,
            url=document.url,
            publisher=document.publisher or self.config.publisher,
            language=document.language,
            credibility=self.config.credibility.value,
            published_at=document.published_at,
            precision=document.precision.value,
            available_at=available_at(document, None if self._driven else now),
            recorded_at=now,
            location=document.location,
            raw_key=key_for("raw", content_hash),
            status=DocumentStatus.REGISTERED.value,
        )

    def count(self, *, own: set[str], linked: frozenset[str]) -> None:
        """Count each record of the batch once: new with this run, known with a new symbol, or known."""
        self.own |= own
        for doc_id in self._pending:
            if doc_id in own:
                first = _key(doc_id) not in self._counted
                self._counted.add(_key(doc_id))
                self._add(**({"registered": 1} if first else {"linked": 1}))
            elif doc_id in linked:
                self._add(linked=1)
            else:
                self._add(duplicates=1)
        self._pending = []

    def _inside(self, document: SourceDocument) -> bool:
        after, until = self.request.available_after, self.request.available_until
        return (after is None or document.published_at > after) and (until is None or document.published_at <= until)

    def _resolve(self, document: SourceDocument) -> tuple[list[tuple[str, str]], list[Reject]]:
        day = (document.published_at - timedelta(seconds=1)).astimezone(NEW_YORK).date()
        symbols: list[tuple[str, str]] = []
        unknown: list[Reject] = []
        for label in document.tickers:
            symbol = self._master.resolve(label, day)
            if symbol is None:
                detail = f"no company used the ticker {label} on {day}; add it to the registry to accept it"
                unknown.append(_refuse(document, RejectReason.UNKNOWN_TICKER, "tickers", detail))
            elif symbol not in {found for found, _ in symbols}:
                symbols.append((symbol, label))
        return symbols, unknown

    def _duplicate(self, document: SourceDocument, symbols: list[tuple[str, str]]) -> Reject | None:
        """Refuse a record that repeats a story for symbols that all have it from this file already."""
        doc_id = document.doc_id()
        keys = [_key(doc_id, symbol) for symbol, _ in symbols] or [_key(doc_id, "")]
        if all(key in self._seen for key in keys):
            detail = f"the same story ({doc_id}) stands earlier in this file for the same tickers"
            return _refuse(document, RejectReason.DUPLICATE_DOCUMENT, "", detail)
        self._seen.update(keys)
        self._pending.append(doc_id)
        return None

    def _add(self, **counts: int) -> None:
        changed = {name: getattr(self.report, name) + count for name, count in counts.items()}
        self.report = self.report.model_copy(update=changed)


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
