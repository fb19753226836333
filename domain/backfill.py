"""Messages of a backfill: which file, how far it has come, and what came of it."""

from __future__ import annotations

from enum import StrEnum

from domain.ingestion import IngestReport
from domain.model import Model, Utc
from domain.sources import FileSourceConfig


class BackfillRequest(Model):
    """Read a file of historical documents whole.

    `as_published` is an operator's choice: documents then count as known from the time of their publication, as in a
    replay, and not from when they were read. Scores of the past may rest on them; whether that is honest depends on how
    the file came about.
    """

    backfill_id: str
    source_id: str
    """Made where it does not exist; an existing one keeps its configuration."""
    config: FileSourceConfig
    as_published: bool = False
    actor: str = ""
    """Who asked for it, as the audit log names people."""


class BackfillStep(StrEnum):
    PLAN = "plan"
    REGISTER = "register"
    READ = "read"
    TELL = "tell"
    DONE = "done"


class BackfillEnd(StrEnum):
    """How a backfill's run ends, in the words of `RunStatus`."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELED = "canceled"
    """Stopped by a person: what was registered and read stays."""


class BackfillRun(Model):
    """One execution of a backfill."""

    run_id: str
    as_of: Utc
    """Its present: what was published later is refused."""
    request: BackfillRequest


class BackfillPlan(Model):
    records: int | None = None
    """How many the file holds, estimated from its beginning."""
    stamp: str = ""
    """Size and time of change of the file: a file that changes meanwhile cannot be read on."""


class Segment(Model):
    """Batches that were registered: the ids of their documents by reference."""

    key: str
    ends: tuple[int, ...]
    """Where each batch ends among the ids; batches that brought none are left out."""


class RegisterTask(Model):
    """Register the next segment, after so many batches with so many records."""

    run: BackfillRun
    plan: BackfillPlan
    batches: int
    records: int


class Registered(Model):
    """What a segment added. `report` counts the run from its beginning."""

    report: IngestReport
    batches: int
    records: int
    segment: Segment | None
    """None: there was no document in it."""
    last: bool


class ReadTask(Model):
    """Read those of a batch's documents that were not read yet: ids `start` to `end` of a segment."""

    run_id: str
    key: str
    start: int
    end: int


class ReadCounts(Model):
    """What became of the documents that a backfill read, and what was found in them."""

    processed: int = 0
    needs_review: int = 0
    failed: int = 0
    events: int = 0
    evidence: int = 0

    @property
    def documents(self) -> int:
        return self.processed + self.needs_review + self.failed

    def plus(self, other: ReadCounts) -> ReadCounts:
        return ReadCounts(**{name: getattr(self, name) + getattr(other, name) for name in ReadCounts.model_fields})


class TellTask(Model):
    run_id: str
    segments: tuple[Segment, ...]


class Told(Model):
    symbols: int = 0


class EndTask(Model):
    run_id: str
    end: BackfillEnd
    error: str = ""


class Ended(Model):
    reasons: dict[str, int]
    """How many records were refused, by the reason why."""


class BackfillProgress(Model):
    """How far a backfill has come."""

    step: BackfillStep = BackfillStep.PLAN
    records: int | None = None
    """How many the file holds, as far as is known."""
    report: IngestReport
    batches: int = 0
    """To be read, as far as is known."""
    batches_read: int = 0
    read: ReadCounts = ReadCounts()

    def told(self) -> str:
        """In one line, for people."""
        report, read = self.report, self.read
        of = "" if self.records is None else f" of about {self.records}"
        return (
            f"{self.step.value}: records {report.read}{of}, registered {report.registered}, copies {report.copies}, "
            f"duplicates {report.duplicates}, rejected {report.rejected}, read {read.documents} in "
            f"{self.batches_read}/{self.batches} batches, evidence {read.evidence}"
        )


class BackfillState(Model):
    """What the workflow carries from run to run. To start one, give the request alone."""

    request: BackfillRequest
    run: BackfillRun | None = None
    plan: BackfillPlan = BackfillPlan()
    report: IngestReport | None = None
    step: BackfillStep = BackfillStep.PLAN
    batches: int = 0
    records: int = 0
    segments: tuple[Segment, ...] = ()
    batches_read: int = 0
    read: ReadCounts = ReadCounts()


class BackfillReport(Model):
    """What a backfill came to; `report.read` is every record of the file."""

    backfill_id: str
    run_id: str
    source_id: str
    as_published: bool
    report: IngestReport
    reasons: dict[str, int]
    read: ReadCounts
    symbols: int
    """Told of new evidence."""
    seconds: float
    """From the start of the workflow to its end."""
