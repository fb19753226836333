"""How documents come in and what is read in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, bigint_array, instant, json_list, json_object, text, text_array


class Source(SQLModel, table=True):
    """Where documents come from. The table is the truth; Temporal Schedules are made equal to it."""

    __tablename__ = "sources"

    source_id: str = Field(primary_key=True)
    name: str = text("")
    kind: str = text()
    config: Json = json_object()
    cadence_seconds: int = 0
    """While the exchange is open. 0: never by itself, only by hand."""
    cadence_closed_seconds: int = 0
    """While it is closed. 0: the same."""
    paused: bool = False
    removed: bool = False
    """Never read again; its documents stay."""
    credibility: str = text("unknown")
    cursor: str = text("")
    """Where reading resumes; the adapter's own."""
    failures: int = 0
    """Runs that failed in a row; each makes the cadence slower."""
    last_error: str = text("")
    last_success_at: datetime | None = instant(nullable=True)
    last_failure_at: datetime | None = instant(nullable=True)
    created_at: datetime = instant()
    updated_at: datetime = instant()
    version: int = 1


class IngestionRun(SQLModel, table=True):
    __tablename__ = "ingestion_runs"
    __table_args__ = (Index("ix_ingestion_runs_of_source", "source_id", "started_at", "run_id"),)

    run_id: str = Field(primary_key=True)
    source_id: str = Field(foreign_key="sources.source_id")
    workflow_id: str = text("")
    status: str = text("running")
    """running, finished, failed, or superseded: another run had moved the cursor meanwhile."""
    started_at: datetime = instant(index=True)
    finished_at: datetime | None = instant(nullable=True)
    pages: int = 0
    bytes: int = Field(default=0, sa_type=BigInteger)
    fetch_ms: int = Field(default=0, sa_type=BigInteger)
    """Spent waiting for the vendor."""
    register_ms: int = Field(default=0, sa_type=BigInteger)
    """Spent reading the answers and writing them down."""
    read: int = 0
    registered: int = 0
    linked: int = 0
    """Documents already known that gained a symbol."""
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    """Documents outside the period asked for."""
    copies: int = 0
    """Registered documents that repeat an earlier story."""
    facts: int = 0
    """Bars, corporate actions and figures that were new."""
    error: str = text("")


class Reject(SQLModel, table=True):
    """A record that was refused, with where it stood and why. Nothing is lost silently."""

    __tablename__ = "rejects"

    reject_id: str = Field(primary_key=True)
    run_id: str = Field(index=True)
    file: str = text()
    line: int = 0
    column: str = text("")
    reason: str = Field(index=True)
    detail: str = text("")
    excerpt: str = text("")
    recorded_at: datetime = instant()


class Document(SQLModel, table=True):
    __tablename__ = "documents"
    __table_args__ = (
        Index("ix_documents_known", "available_at", "doc_id"),
        Index("ix_documents_source", "source_id", "available_at", "doc_id"),
        Index("ix_documents_state", "status", "available_at", "doc_id"),
    )

    doc_id: str = Field(primary_key=True)
    content_hash: str = Field(unique=True)
    source_id: str = Field(foreign_key="sources.source_id")
    run_id: str = Field(index=True)
    title: str = text()
    url: str = text("")
    publisher: str = text("")
    language: str = text("en")
    credibility: str = text("unknown")
    published_at: datetime = instant(index=True)
    precision: str = text()
    available_at: datetime = instant()
    """When we could first know it: the only key that orders facts."""
    recorded_at: datetime = instant()
    location: str = text("")
    raw_key: str = text()
    """The document as the adapter read it; what identifies it."""
    answer_key: str = text("")
    """The vendor's answer that it was read in, byte for byte; empty for files."""
    text_key: str = text("")
    story: str = Field(default="", index=True)
    sections: list[Json] = json_list()
    """Of the text as the adapter read it."""
    insights: list[Json] = json_list()
    shingles: list[int] = bigint_array()
    status: str = "registered"
    error: str = text("")


class DocumentLink(SQLModel, table=True):
    """What a document is to an earlier one. Known from the later one's `available_at` on."""

    __tablename__ = "document_links"

    doc_id: str = Field(primary_key=True, foreign_key="documents.doc_id")
    original_id: str = Field(primary_key=True, foreign_key="documents.doc_id", index=True)
    relation: str = Field(index=True)
    similarity: float
    """Share of five-word runs in common, in [0, 1]."""
    reason: str = text("")
    available_at: datetime = instant()


class DocumentBand(SQLModel, table=True):
    """The index of near-duplicates: documents that share a band are worth comparing."""

    __tablename__ = "document_bands"

    band: int = Field(primary_key=True, sa_type=BigInteger)
    doc_id: str = Field(primary_key=True, foreign_key="documents.doc_id")


class DocumentSymbol(SQLModel, table=True):
    """A symbol that the source itself attached to the document."""

    __tablename__ = "document_symbols"
    __table_args__ = (Index("ix_document_symbols_known", "symbol", "available_at", "doc_id"),)

    doc_id: str = Field(primary_key=True, foreign_key="documents.doc_id")
    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    label: str = text("")
    """The source's own ticker, for example GOOG where today's symbol is GOOGL."""
    available_at: datetime = instant()
    """The document's, from whose row it is taken when this one is written: lists of a symbol need no other."""


class DocumentSearch(SQLModel, table=True):
    """What a document that was read is found by. Written with its reading; `domain.search` says what a word is."""

    __tablename__ = "document_search"
    __table_args__ = (
        Index("ix_document_search_words", "search", "symbols", postgresql_using="gin"),
        Index("ix_document_search_known", "available_at", "doc_id"),
        Index("ix_document_search_source", "source_id", "available_at", "doc_id"),
    )

    doc_id: str = Field(primary_key=True, foreign_key="documents.doc_id")
    source_id: str = text()
    available_at: datetime = instant()
    symbols: list[str] = text_array()
    """Those that its source named, and those on which evidence was read in it."""
    search: Any = Field(sa_column=Column(TSVECTOR, nullable=False))


class ExtractionRow(SQLModel, table=True):
    __tablename__ = "extractions"
    __table_args__ = (Index("ix_extractions_variant", "agent", "variant_id", "recorded_at"),)

    extraction_id: str = Field(primary_key=True)
    doc_id: str = Field(foreign_key="documents.doc_id", index=True)
    agent: str = text("document-extractor")
    variant_id: str = text("")
    """Empty: the agent's own settings."""
    experiment: str = text("")
    shadow: bool = False
    """Read for comparison alone: it has no events and no evidence in the book."""
    superseded: bool = False
    """The document was read again since: its evidence counts no longer, that of the newer one does."""
    extractor: str = text()
    extractor_version: str = text()
    status: str = text()
    result_key: str = text("")
    quotes_total: int = 0
    quotes_valid: int = 0
    dropped: list[str] = json_list()
    recorded_at: datetime = instant()


class EventRow(SQLModel, table=True):
    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_known", "available_at", "event_id"),
        Index("ix_events_type_known", "type", "available_at", "event_id"),
    )

    event_id: str = Field(primary_key=True)
    extraction_id: str = Field(foreign_key="extractions.extraction_id", index=True)
    doc_id: str = Field(foreign_key="documents.doc_id", index=True)
    available_at: datetime = instant()
    """The document's."""
    type: str
    materiality: str = text()
    horizon: str = text()
    confidence: float
    facts: list[Json] = json_list()
    quotes: list[Json] = json_list()


class EvidenceRow(SQLModel, table=True):
    """One document's word on one symbol: the unit that scores are made of."""

    __tablename__ = "evidence"
    __table_args__ = (
        UniqueConstraint("event_id", "symbol"),
        Index("ix_evidence_symbol_known", "symbol", "available_at", "event_id"),
    )

    evidence_id: str = Field(primary_key=True)
    event_id: str = Field(foreign_key="events.event_id")
    extraction_id: str = Field(foreign_key="extractions.extraction_id")
    doc_id: str = Field(foreign_key="documents.doc_id", index=True)
    symbol: str = Field(foreign_key="companies.symbol")
    available_at: datetime = instant(index=True)
    event_type: str = text()
    role: str = text()
    materiality: str = text()
    sentiment: float
    confidence: float
    quote: str = text("")


class MacroEventRow(SQLModel, table=True):
    """One statement on the economy: how far a factor goes up, and the words that say so."""

    __tablename__ = "macro_events"

    macro_event_id: str = Field(primary_key=True)
    extraction_id: str = Field(foreign_key="extractions.extraction_id", index=True)
    doc_id: str = Field(foreign_key="documents.doc_id", index=True)
    topic: str = text()
    factor: str = text()
    name: str = text("")
    direction: float
    confidence: float
    surprise: Json = json_object()
    region: str = text("")
    sectors: list[str] = text_array()
    quotes: list[Json] = json_list()
    available_at: datetime = instant(index=True)
