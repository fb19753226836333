"""What keeps the platform honest and running: outbox, audit log, API keys, notifications, exports, backups."""

from datetime import datetime

from sqlalchemy import BigInteger, Column, Identity, Index
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, instant, json_list, json_object, text


class Notification(SQLModel, table=True):
    """A message for one channel. Its id is a function of the event and the channel, so that it is planned once."""

    __tablename__ = "notifications"
    __table_args__ = (
        Index("ix_notifications_newest", "created_at", "notification_id"),
        Index("ix_notifications_of_status", "status", "created_at", "notification_id"),
        Index("ix_notifications_of_event", "event", "created_at", "notification_id"),
    )

    notification_id: str = Field(primary_key=True)
    event: str
    event_id: str = text("")
    channel: str = text("")
    severity: str = text("info")
    status: str = text()
    subject: str = text()
    body: str = text("")
    message: Json = json_object()
    created_at: datetime = instant()
    due_at: datetime | None = instant(nullable=True)
    """When it may be sent, or listed."""
    handed_at: datetime | None = instant(nullable=True)
    """When its workflow was last asked for."""
    claimed_at: datetime | None = instant(nullable=True)
    """When the last attempt began."""
    attempts: int = 0
    sent_at: datetime | None = instant(nullable=True)
    receipt: str = text("")
    """What the receiver calls it."""
    list_id: str = text("")
    """The notification that lists this one."""
    error: str = text("")
    """Of the last attempt."""


class NotificationsConfigRow(SQLModel, table=True):
    """A version of channels and routes. The highest version is in force."""

    __tablename__ = "notifications_config"

    version: int = Field(primary_key=True)
    body: Json = json_object()
    created_at: datetime = instant()
    created_by: str = text()
    reason: str = text("")


class OutboxCursor(SQLModel, table=True):
    """How far a reader has read the outbox."""

    __tablename__ = "outbox_cursors"

    reader: str = Field(primary_key=True)
    sequence: int = Field(default=0, sa_type=BigInteger)
    moved_at: datetime = instant()


class OutboxEvent(SQLModel, table=True):
    """What happened, in order, for event streams: written in the transaction that made it true."""

    __tablename__ = "outbox"

    sequence: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(), primary_key=True))
    event_id: str = Field(unique=True)
    event: str = Field(index=True)
    subject_id: str = text()
    body: Json = json_object()
    occurred_at: datetime = instant(index=True)


class AuditEntry(SQLModel, table=True):
    """Append-only chain: each entry carries the hash of the one before."""

    __tablename__ = "audit_log"

    sequence: int = Field(primary_key=True, sa_type=BigInteger)
    entry_key: str = Field(unique=True)
    """Idempotency key: the same act is written once however often it is retried."""
    recorded_at: datetime = instant(index=True)
    actor: str = text()
    action: str = Field(index=True)
    subject: str = text()
    body: Json = json_object()
    previous_hash: str = text()
    entry_hash: str = text()


class ApiKey(SQLModel, table=True):
    """Only the hash of a key is stored; the key itself is shown once."""

    __tablename__ = "api_keys"

    key_id: str = Field(primary_key=True)
    name: str = text()
    person_id: str | None = Field(default=None, index=True)
    """Whose it is; None: its own, a service's."""
    unattended: bool = False
    """Whether it may do everything without its person's password, because nobody is there to give it."""
    key_hash: str = Field(unique=True)
    scopes: Json = json_object()
    created_at: datetime = instant()
    expires_at: datetime | None = instant(nullable=True)
    revoked_at: datetime | None = instant(nullable=True)
    last_used_at: datetime | None = instant(nullable=True)


class LakeExport(SQLModel, table=True):
    """One table's export in one publication."""

    __tablename__ = "lake_exports"
    __table_args__ = (
        Index("ix_lake_exports_of_publication", "publication_id", "table_name"),
        Index("ix_lake_exports_of_table", "table_name", "up_to"),
    )

    export_id: str = Field(primary_key=True)
    publication_id: str = text()
    """The workflow that exports."""
    table_name: str = text()
    status: str = text()
    """running, committed, unchanged or failed."""
    reason: str = text("")
    """Why what was written was written (`domain.lake.WhyWritten`)."""
    from_horizon: int | None = Field(default=None, sa_type=BigInteger)
    """The watermark that changes were looked for from; None: everything was written."""
    to_horizon: int | None = Field(default=None, sa_type=BigInteger)
    """The watermark that it came to: what every transaction before it wrote is in the lake."""
    snapshot_id: str = text("")
    """Of the lake's table after it."""
    schema_version: str = text("")
    up_to: datetime | None = instant(nullable=True)
    """What was committed by then is in the lake."""
    rows: int = Field(default=0, sa_type=BigInteger)
    """In the lake's table after it."""
    rows_written: int = Field(default=0, sa_type=BigInteger)
    bytes_written: int = Field(default=0, sa_type=BigInteger)
    parts_written: int = 0
    started_at: datetime = instant()
    finished_at: datetime | None = instant(nullable=True)
    error: str = text("")


class Backup(SQLModel, table=True):
    """A backup as the book knows it; what it holds says the manifest, which lies beside its dump."""

    __tablename__ = "backups"
    __table_args__ = (Index("ix_backups_newest", "created_at", "backup_id"),)

    backup_id: str = Field(primary_key=True)
    state: str = text()
    trigger: str = text()
    requested_by: str = text()
    location: str = text("")
    """The directory it lies in, as the worker that wrote it sees it."""
    created_at: datetime = instant()
    taken_at: datetime | None = instant(nullable=True)
    """Of the cut that it is of."""
    verified_at: datetime | None = instant(nullable=True)
    finished_at: datetime | None = instant(nullable=True)
    removed_at: datetime | None = instant(nullable=True)
    rows: int = Field(default=0, sa_type=BigInteger)
    dump_bytes: int = Field(default=0, sa_type=BigInteger)
    objects: int = Field(default=0, sa_type=BigInteger)
    object_bytes: int = Field(default=0, sa_type=BigInteger)
    copied: int = Field(default=0, sa_type=BigInteger)
    """Objects that no earlier backup had."""
    gaps: int = 0
    """Objects that the book names and the object store did not have, or not as they were written."""
    manifest_sha256: str = text("")
    schema_revision: str = text("")
    product_version: str = text("")
    offsite: str = text("")
    """`stored` at the other place, or why not; empty: none is named."""
    error: str = text("")


class BackupDrill(SQLModel, table=True):
    """A backup that was restored to a scratch database and looked at."""

    __tablename__ = "backup_drills"

    drill_id: str = Field(primary_key=True)
    backup_id: str = Field(foreign_key="backups.backup_id", index=True)
    state: str = text()
    trigger: str = text()
    requested_by: str = text()
    created_at: datetime = instant(index=True)
    finished_at: datetime | None = instant(nullable=True)
    tables: int = 0
    rows: int = Field(default=0, sa_type=BigInteger)
    objects: int = Field(default=0, sa_type=BigInteger)
    histories: int = 0
    """Of workflows that today's code was replayed against."""
    flaw_count: int = 0
    flaws: list[Json] = json_list()
    """The first of them."""
    error: str = text("")


class Restoration(SQLModel, table=True):
    """The book was put back from a backup. Until trading is resumed it halts, and sources rest."""

    __tablename__ = "restorations"

    restoration_id: str = Field(primary_key=True)
    backup_id: str = text()
    taken_at: datetime = instant()
    restored_at: datetime = instant(index=True)
    restored_by: str = text()
    control_epoch: int
    """Of the kill switch as the restoration left it: another one says that a person has decided since."""
    settled: Json = json_object()


class DeadLetterNote(SQLModel, table=True):
    """A person's word on a failed workflow: it was retried or discarded, by whom and why."""

    __tablename__ = "dead_letter_notes"

    workflow_id: str = Field(primary_key=True)
    run_id: str = Field(primary_key=True)
    action: str = text()
    actor: str = text()
    reason: str = text("")
    recorded_at: datetime = instant()
