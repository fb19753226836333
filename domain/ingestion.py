"""Messages of ingestion: which source, which period, and what came of it."""

from __future__ import annotations

from datetime import datetime

from domain.documents import SourceDocument
from domain.model import Model, Utc


class IngestRequest(Model):
    """Read a source once.

    `as_of` is the run's present: a document published after it is a date in the future. Documents first knowable
    outside `available_after < t <= available_until` are skipped and counted.
    """

    source_id: str
    run_id: str = ""
    as_of: Utc | None = None
    """Empty with `run_id` when a schedule starts the run: the workflow then fills in its own present."""
    available_after: Utc | None = None
    available_until: Utc | None = None
    release: bool = True
    """False: only register; somebody else releases the documents when their time has come (a replay)."""


class IngestReport(Model):
    """What a run read and what became of it; `read` is the sum of the others."""

    run_id: str
    source_id: str
    read: int = 0
    registered: int = 0
    linked: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0


class ReleaseRequest(Model):
    """Start processing every registered document that could be known by `until`."""

    until: Utc


class ReleaseReport(Model):
    released: int
    doc_ids: tuple[str, ...] = ()


class DocumentRequest(Model):
    doc_id: str
    source_id: str


class ParsedDocument(Model):
    """Where the parsed text lies, and how many companies it may be about."""

    doc_id: str
    text_key: str
    characters: int
    candidates: int


class ExtractionReference(Model):
    """Where an extractor's answer lies. The answer itself never travels through Temporal."""

    doc_id: str
    extraction_id: str
    result_key: str
    extractor: str
    extractor_version: str


class DocumentOutcome(Model):
    doc_id: str
    status: str
    events: int = 0
    symbols: tuple[str, ...] = ()
    dropped: int = 0


class DocumentFailure(Model):
    doc_id: str
    stage: str
    error: str


def available_at(document: SourceDocument, recorded_at: datetime | None) -> datetime:
    """When we could first know a document: live, not before we read it; in a replay, when it was published."""
    if recorded_at is None:
        return document.published_at
    return max(document.published_at, recorded_at)
