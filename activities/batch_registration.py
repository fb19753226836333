"""Records of a file in batches: read as a stream, made ready in bulk, and told apart by what the book knows of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from activities.registration import (
    Origin,
    compared_text,
    document_values,
    refuse_repeated,
    resolve_labels,
    story_of,
)
from domain.documents import DOC_ID_LENGTH, DocumentStatus, Reject, SourceDocument
from domain.ingestion import available_at
from domain.novelty import shingles
from domain.stories import Bands, Story, bands_of
from store.backfills import KnownDocument
from store.database import value_as_json
from store.objects import Pack, pack_of
from store.registry import SymbolMaster

RECORDS_A_BATCH = 500
CHARACTERS_A_BATCH = 4_000_000
"""Long documents make a batch smaller: it is held in memory a few times over."""


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record that is a document."""

    document: SourceDocument
    content_hash: str
    labels: Sequence[tuple[str, str]]
    """Symbols with the source's own tickers."""
    unknown: Sequence[Reject]
    """Tickers that no company used then."""

    @property
    def doc_id(self) -> str:
        return self.content_hash[:DOC_ID_LENGTH]

    def symbols(self) -> set[str]:
        return {symbol for symbol, _ in self.labels}

    @property
    def refused(self) -> bool:
        return bool(self.unknown) and not self.labels


@dataclass(frozen=True, slots=True)
class ReadyDocument:
    """A document as it is written down where it is new."""

    row: str
    """Its row, as JSON."""
    location: str
    story: Story
    bands: Bands


@dataclass(frozen=True)
class ReadyBatch:
    """Records in order, their documents by id, each once, and the object in which those lie."""

    records: Sequence[ReadRecord | Reject]
    documents: Mapping[str, ReadyDocument]
    pack: Pack
    read_at: datetime


class RecordStream:
    """The records of a file, batch by batch; where a batch ends is a function of the file alone."""

    def __init__(
        self, records: Iterator[SourceDocument | Reject], origin: Origin, *, run_id: str, as_published: bool
    ) -> None:
        self.position = 0
        self._records = records
        self._origin = origin
        self._run_id = run_id
        self._as_published = as_published

    def skip(self, count: int) -> int:
        """Read past records. Returns how many there were."""
        passed = sum(1 for _ in islice(self._records, count))
        self.position += passed
        return passed

    def next_batch(self, master: SymbolMaster) -> ReadyBatch:
        """Read the next batch and make it ready; without records at the end. Takes long: to be run in a thread."""
        records: list[ReadRecord | Reject] = []
        bodies: dict[str, bytes] = {}
        characters = 0
        for record in islice(self._records, RECORDS_A_BATCH):
            records.append(record if isinstance(record, Reject) else _read(record, master, bodies))
            characters += 0 if isinstance(record, Reject) else len(record.title) + len(record.text)
            if characters >= CHARACTERS_A_BATCH:
                break
        self.position += len(records)
        pack, read_at = pack_of(list(bodies.values())), datetime.now(UTC)
        documents = self._ready(records, dict(zip(bodies, pack.keys, strict=True)), read_at)
        return ReadyBatch(records=records, documents=documents, pack=pack, read_at=read_at)

    def _ready(
        self, records: Sequence[ReadRecord | Reject], raw_keys: Mapping[str, str], read_at: datetime
    ) -> dict[str, ReadyDocument]:
        told: dict[str, ReadRecord] = {}
        symbols: dict[str, set[str]] = {}
        for record in records:
            if isinstance(record, Reject) or record.refused:
                continue
            seen = symbols.setdefault(record.doc_id, set())
            if record.doc_id not in told or not record.symbols() <= seen:
                told[record.doc_id] = record  # the last one that said something new, as one by one
                seen |= record.symbols()
        shingled = {doc_id: shingles(compared_text(record.document)) for doc_id, record in told.items()}
        bands = bands_of([(shingled[doc_id], record.document.published_at) for doc_id, record in told.items()])
        ready: dict[str, ReadyDocument] = {}
        for (doc_id, record), filed in zip(told.items(), bands, strict=True):
            values = document_values(
                record.document,
                self._origin,
                content_hash=record.content_hash,
                run_id=self._run_id,
                now=read_at,
                known=available_at(record.document, None if self._as_published else read_at),
                raw_key=raw_keys[doc_id],
                shingled=shingled[doc_id],
                status=DocumentStatus.RELEASED,  # nobody else is to start them one by one
            )
            story = story_of(values, symbols[doc_id])
            ready[doc_id] = ReadyDocument(value_as_json(values), record.document.location, story, filed)
        return ready


@dataclass
class SortedBatch:
    """What is to be done with a batch."""

    documents: dict[str, None] = field(default_factory=dict)
    """Ids of accepted documents, in order, each once, whether or not they are known."""
    labels: dict[tuple[str, str], str] = field(default_factory=dict)
    """The source's own ticker by document and symbol."""
    rejects: list[Reject] = field(default_factory=list)
    refused: int = 0
    """Records; one may be refused for several tickers."""
    told: list[str] = field(default_factory=list)
    """The document of every record that was not refused, in order."""
    before: set[str] = field(default_factory=set)
    """Documents that an earlier batch of the run had registered."""

    def to_read(self) -> list[str]:
        """Documents that this batch brings; the same for every attempt to register it."""
        return [doc_id for doc_id in self.documents if doc_id not in self.before]


def sort_batch(batch: ReadyBatch, known: Mapping[str, KnownDocument], *, run_id: str) -> SortedBatch:
    """Tell documents from refusals by the rules of `activities.registration.Registration`.

    That one holds every record of its pass in memory; here the book says what an earlier batch of the run brought. A
    record that repeats a document known from before the run is recognised within its batch only, and else counts as one
    more duplicate.
    """
    found = SortedBatch()
    seen: dict[str, set[str]] = {}
    for record in batch.records:
        if isinstance(record, Reject):
            found.rejects.append(record)
            found.refused += 1
            continue
        doc_id = record.doc_id
        found.rejects += record.unknown
        if record.refused:
            found.refused += 1
            continue
        if doc_id not in seen:
            seen[doc_id] = set()
            row = known.get(doc_id)
            if row is not None and row.run_id == run_id and row.location != batch.documents[doc_id].location:
                found.before.add(doc_id)
                seen[doc_id] |= row.symbols or {""}
        symbols = record.symbols() or {""}
        if symbols <= seen[doc_id]:
            found.rejects.append(refuse_repeated(record.document, doc_id))
            found.refused += 1
            continue
        seen[doc_id] |= symbols
        found.told.append(doc_id)
        found.documents[doc_id] = None
        for symbol, label in record.labels:
            found.labels[doc_id, symbol] = label
    return found


def _read(document: SourceDocument, master: SymbolMaster, bodies: dict[str, bytes]) -> ReadRecord:
    body = document.canonical_bytes()
    content_hash = hashlib.sha256(body).hexdigest()
    labels, unknown = resolve_labels(document, master)
    record = ReadRecord(document, content_hash, labels, unknown)
    if not record.refused:
        bodies.setdefault(record.doc_id, body)
    return record
