"""Messages of ingestion: which source, which period, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from domain.agents import Assignment
from domain.documents import SourceDocument
from domain.fetching import HttpAnswer, Request
from domain.model import Model, Utc
from domain.sources import RateGroup, SourceKind

Bytes = bytes
"""The type, where a field is called so."""


class RunStatus(StrEnum):
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    """Another run had moved the source's cursor meanwhile: what was read is kept, and that run goes on."""


class IngestReport(Model):
    """What a run read and what became of it; `read` is the sum of registered, linked, duplicates, rejected, skipped."""

    run_id: str
    source_id: str
    pages: int = 0
    bytes: int = 0
    fetch_ms: int = 0
    register_ms: int = 0
    read: int = 0
    registered: int = 0
    linked: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    copies: int = 0
    """Of the registered: those that repeat an earlier story and are not read."""
    facts: int = 0
    """New bars, corporate actions and figures."""

    def plus(self, **counts: int) -> IngestReport:
        """The report with counts added."""
        return self.model_copy(update={name: getattr(self, name) + count for name, count in counts.items()})


class IngestProgress(Model):
    """Where a run goes on when its workflow continues as new."""

    report: IngestReport
    cursor: str
    next: Request


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
    progress: IngestProgress | None = None


class RunPlan(Model):
    """How a source is read. Without a first request it is one that is read whole, such as a file."""

    kind: SourceKind
    rate_group: RateGroup
    cursor: str = ""
    first: Request | None = None


class FetchTask(Model):
    """Ask for one page. The answer is stored before anybody reads it."""

    source_id: str
    kind: SourceKind
    request: Request


class FetchedAnswer(Model):
    """An answer, by reference: its bytes lie in the object store under their hash."""

    status: int
    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    """Those that adapters read, shortened."""
    body_key: str = ""
    """Empty: no bytes came with it."""
    bytes: int = 0
    fetched_at: Utc
    elapsed_ms: int = 0

    def with_body(self, body: Bytes) -> HttpAnswer:
        return HttpAnswer(status=self.status, url=self.url, headers=self.headers, body=body, fetched_at=self.fetched_at)


class PageTask(Model):
    """Read one stored answer, register what it holds, and move the cursor from `cursor` on."""

    source_id: str
    run_id: str
    page: int
    cursor: str
    answer: FetchedAnswer


class PageReport(Model):
    """What a page held. `superseded`: the cursor was not where the page begins, and stays where it is."""

    counts: dict[str, int] = Field(default_factory=dict)
    cursor: str = ""
    next: Request | None = None
    superseded: bool = False
    recorded_at: Utc


class RunEnd(Model):
    """How a run ended."""

    report: IngestReport
    status: RunStatus
    error: str = ""


class SourceTestRequest(Model):
    """Ask a source for its first page and register nothing. `config` tries one that is not saved."""

    source_id: str
    config: dict[str, Any] | None = None


class SourceTestReport(Model):
    """What the first page holds, in numbers and examples."""

    source_id: str
    kind: SourceKind
    status: int
    url: str
    bytes: int
    elapsed_ms: int
    documents: int
    bars: int = 0
    actions: int = 0
    companies: int = 0
    figures: int = 0
    rejected: int = 0
    more: bool = False
    """Whether a further page follows."""
    titles: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()


class PreviewTask(Model):
    """Read a stored answer for a test."""

    test: SourceTestRequest
    page: PageTask


class ReleaseRequest(Model):
    """Start processing every registered document that could be known by `until`."""

    until: Utc


class ReleaseReport(Model):
    released: int
    doc_ids: tuple[str, ...] = ()


class DocumentRequest(Model):
    doc_id: str
    source_id: str
    read_by: str = ""
    """Who reads it this time: `rules`, `baseline` (the agent's own settings) or a variant. Empty: as it is assigned."""


class ParsedDocument(Model):
    """Where the parsed text lies, how many companies it may be about, and who reads it.

    Who reads is fixed here, in the workflow's history: a retry meets the same variant, whatever is activated meanwhile.
    """

    doc_id: str
    text_key: str
    characters: int
    candidates: int
    extractor: Assignment | None = None
    """None in histories of before there were variants."""
    classifier: Assignment | None = None
    """None where the document says nothing on the economy."""


class ReadingTask(Model):
    """Read a parsed document once more, by one variant, for comparison alone."""

    parsed: ParsedDocument
    variant_id: str


class ClassificationOutcome(Model):
    """What a document was found to say on the economy."""

    doc_id: str
    events: int = 0
    dropped: int = 0
    review: str = ""
    """Why somebody should look at the document; empty where nothing asks for it."""


class ExtractionReference(Model):
    """Where an extractor's answer lies. The answer itself never travels through Temporal."""

    doc_id: str
    extraction_id: str
    result_key: str
    extractor: str
    extractor_version: str
    review: str = ""
    """Why somebody should look at the document whatever was extracted; empty where nothing asks for it."""


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


KEPT_HEADERS = (
    "content-type",
    "etag",
    "last-modified",
    "link",
    "x-imap-uid",
    "x-imap-uidvalidity",
    "x-imap-arrived",
    "x-imap-size",
)
_HEADER_CHARACTERS = 1_000


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those headers of an answer that reading it needs."""
    return {name: headers[name][:_HEADER_CHARACTERS] for name in KEPT_HEADERS if name in headers}


def available_at(document: SourceDocument, recorded_at: datetime | None) -> datetime:
    """When we could first know a document: live, not before we read it; in a replay, when it was published."""
    if recorded_at is None:
        return document.published_at
    return max(document.published_at, recorded_at)
