"""What the workflows of backups and drills hand from step to step: ids, states and counts, never contents."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from domain.backups import BackupState, DrillState, Flaw, Trigger
from domain.model import Model, Utc

StampId = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$", examples=["20261127T033000Z"])]
"""The instant at which it began: its id, and the name of its directory."""


class BackUpRequest(Model):
    """Begin a backup. Without an id it is named by the instant at which its workflow begins."""

    backup_id: StampId | None = None
    trigger: Trigger = Trigger.SCHEDULE
    requested_by: str = "schedule"


class BackupStep(Model):
    """A backup that is under way."""

    backup_id: StampId
    trigger: Trigger
    requested_by: str
    as_of: Utc
    """When it began."""


class CopyReport(Model):
    """How many objects the book names, and how many of them were not in an earlier backup."""

    objects: int = 0
    copied: int = 0
    bytes: int = 0
    gaps: int = 0


class VerifyBackup(Model):
    step: BackupStep
    copied: CopyReport


class FinishBackup(Model):
    step: BackupStep
    offsite: str = ""
    """`stored`, or why it could not be; empty: no other place is named."""


class BackupOutcome(Model):
    """The headline of a backup; the manifest lies beside the dump."""

    backup_id: str
    state: BackupState
    rows: int = 0
    dump_bytes: int = 0
    objects: int = 0
    object_bytes: int = 0
    gaps: int = 0
    removed: tuple[str, ...] = ()
    """Older ones that went."""
    offsite: str = ""
    """`stored`, or why it could not be; empty: no other place is named."""


class BackupFailure(Model):
    backup_id: StampId
    error: str


class DrillRequest(Model):
    """Try a backup, the newest verified one where none is named."""

    drill_id: StampId | None = None
    backup_id: StampId | None = None
    trigger: Trigger = Trigger.SCHEDULE
    requested_by: str = "schedule"


class DrillStep(Model):
    drill_id: StampId
    backup_id: str = ""
    """Empty: the newest verified one."""
    trigger: Trigger
    requested_by: str
    as_of: Utc


class DrillTask(Model):
    """A drill whose backup is known."""

    drill_id: StampId
    backup_id: StampId


class DrillFindings(Model):
    """What came of a part of a drill; `flaws` are the first of `flaw_count`."""

    tables: int = 0
    rows: int = 0
    objects: int = 0
    histories: int = 0
    flaws: tuple[Flaw, ...] = ()
    flaw_count: int = 0

    def and_then(self, other: DrillFindings) -> DrillFindings:
        return DrillFindings(
            tables=self.tables + other.tables,
            rows=self.rows + other.rows,
            objects=self.objects + other.objects,
            histories=self.histories + other.histories,
            flaws=self.flaws + other.flaws,
            flaw_count=self.flaw_count + other.flaw_count,
        )


class DrillEnd(Model):
    drill_id: StampId
    findings: DrillFindings = DrillFindings()
    error: str = ""
    """Why it did not come to its end; empty where it did."""


class DrillOutcome(Model):
    drill_id: str
    backup_id: str
    state: DrillState
    seconds: float
    """From its begin to its end."""
    findings: DrillFindings = DrillFindings()
    error: str = ""


class Settled(Model):
    """What a restored book held that nobody works on any more, and how much of each was put right."""

    open_intents: int = 0
    """Left open: the comparison with the broker follows or ends them."""
    pending_approvals: int = 0
    """Left open: withdrawn with their intents."""
    documents: int = 0
    """Read again by the next run of any source."""
    runs: int = 0
    """Ended as failed: of sources, backtests, what-ifs, inferences, other backups and drills."""
    sessions: int = 0
    """Ended: sessions, unused links, proofs."""


class RestoreReport(Model):
    restoration_id: str
    backup_id: str
    taken_at: Utc
    rows: int
    objects: int
    set_aside: str = ""
    """The schema that keeps what was there before; empty: nothing was."""
    broker_book: bool = False
    """Whether the paper broker's book was put back too."""
    settled: Settled
