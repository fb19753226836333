"""Backups, drills and restorations as the book knows them. Row, audit entry and event always in one transaction.

At most one backup and one drill are under way: whoever begins one ends those of which nobody works any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.backup_run import BackupOutcome, BackupStep, CopyReport, DrillEnd, DrillStep
from domain.backups import MOST_FLAWS, BackupState, DrillState, KnownBackup, Manifest, Trigger
from domain.errors import Conflict, NotFound
from store import audit, outbox
from store.database import lock
from store.keysets import Position, newest_first
from store.tables.platform import AuditEntry, Backup, BackupDrill, Restoration
from store.tables.trading import TradingControl

ABANDONED_AFTER = timedelta(hours=6)
"""A backup or drill that is under way for longer counts as ended by whatever ended its worker."""
INTERRUPTED = "INTERRUPTED: what wrote it was ended before it was done"
STORED = "stored"
LONGEST_ERROR = 2_000

_LOCK = 7_203_114_911
_LEFT = text("""
    SELECT (SELECT count(*) FROM order_intents WHERE state = 'open' AND as_of <= :at),
           (SELECT count(*) FROM approvals WHERE status = 'pending' AND requested_at <= :at),
           (SELECT count(*) FROM documents WHERE status IN ('registered', 'released') AND recorded_at <= :at)
""")


async def find(session: AsyncSession, backup_id: str) -> Backup | None:
    return await session.get(Backup, backup_id)


async def require(session: AsyncSession, backup_id: str, *, for_update: bool = False) -> Backup:
    row = await session.get(Backup, backup_id, with_for_update=for_update or None)
    if row is None:
        raise NotFound("BACKUP_NOT_FOUND", "`stonks backup list` shows them", backup_id=backup_id)
    return row


async def begin(session: AsyncSession, step: BackupStep, *, location: str = "", alone: bool = False) -> Backup:
    """Write down that a backup is under way. A repeat finds its row.

    Args:
        alone: nobody else writes into the directory, so that one which a command was at was interrupted.

    Raises:
        Conflict: another one is under way, or this one has ended.
    """
    await lock(session, _LOCK)
    row = await session.get(Backup, step.backup_id, with_for_update=True)
    if row is not None:
        if row.state != BackupState.RUNNING:
            raise Conflict("BACKUP_HAS_ENDED", "Begin another one", backup_id=row.backup_id, state=row.state)
        row.location = location or row.location
        session.add(row)
        return row
    for other in await _running(session):
        gone = (alone and other.trigger == Trigger.DIRECT) or step.as_of - other.created_at > ABANDONED_AFTER
        if not gone:
            raise Conflict(
                "BACKUP_RUNNING",
                "Wait for it; one whose worker was ended for good is given up after six hours",
                backup_id=other.backup_id,
                began=other.created_at.isoformat(),
            )
        await _end_failed(session, other, INTERRUPTED, at=step.as_of)
    row = Backup(
        backup_id=step.backup_id,
        state=BackupState.RUNNING.value,
        trigger=step.trigger.value,
        requested_by=step.requested_by,
        location=location,
        created_at=step.as_of,
    )
    session.add(row)
    await audit.append(
        session,
        key=f"backup/{step.backup_id}",
        actor=step.requested_by,
        action="backup_begun",
        subject=step.backup_id,
        body={"trigger": step.trigger.value},
        recorded_at=step.as_of,
    )
    return row


async def note_verified(
    session: AsyncSession, backup_id: str, manifest: Manifest, copy: CopyReport, *, sha256: str, at: datetime
) -> Backup:
    """The backup was read back whole: from here on it counts. A repeat changes nothing."""
    row = await require(session, backup_id, for_update=True)
    if row.state == BackupState.VERIFIED:
        return row
    row.state = BackupState.VERIFIED.value
    row.verified_at = at
    row.copied = copy.copied
    fill(row, manifest, sha256=sha256)
    session.add(row)
    await outbox.publish(
        session,
        event_id=f"backup/{backup_id}/verified",
        event="backup_has_gaps" if row.gaps else "backup_verified",
        subject_id=backup_id,
        body={"rows": row.rows, "objects": row.objects, "gaps": row.gaps, "status": row.state},
        occurred_at=at,
    )
    return row


def fill(row: Backup, manifest: Manifest, *, sha256: str) -> None:
    """Take over what the manifest says."""
    row.taken_at = manifest.taken_at
    row.rows = manifest.rows
    row.dump_bytes = manifest.dump.bytes
    row.objects, row.object_bytes = manifest.objects.count, manifest.objects.bytes
    row.gaps = len(manifest.objects.gaps)
    row.manifest_sha256 = sha256
    row.schema_revision = manifest.versions.schema_revision
    row.product_version = manifest.versions.product


async def note_finished(
    session: AsyncSession, backup_id: str, *, offsite: str, removed: Sequence[str], at: datetime
) -> BackupOutcome:
    """Everything is done that belongs to a backup: the copy elsewhere, and older ones that went."""
    for old in removed:
        gone = await require(session, old, for_update=True)
        gone.removed_at = at
        if gone.state == BackupState.VERIFIED:  # that one failed is still worth knowing
            gone.state = BackupState.REMOVED.value
        session.add(gone)
    row = await require(session, backup_id, for_update=True)
    row.offsite, row.finished_at = offsite[:LONGEST_ERROR], at
    session.add(row)
    if offsite and offsite != STORED:
        await outbox.publish(
            session,
            event_id=f"backup/{backup_id}/offsite",
            event="backup_not_stored_elsewhere",
            subject_id=backup_id,
            body={"problem": offsite},
            occurred_at=at,
        )
    return BackupOutcome(
        backup_id=backup_id,
        state=BackupState(row.state),
        rows=row.rows,
        dump_bytes=row.dump_bytes,
        objects=row.objects,
        object_bytes=row.object_bytes,
        gaps=row.gaps,
        removed=tuple(removed),
        offsite=row.offsite,
    )


async def note_failed(session: AsyncSession, backup_id: str, error: str, *, at: datetime) -> None:
    """The backup did not come to its end. One that was verified before stays so."""
    row = await session.get(Backup, backup_id, with_for_update=True)
    if row is not None and row.state == BackupState.RUNNING:
        await _end_failed(session, row, error, at=at)


async def _end_failed(session: AsyncSession, row: Backup, error: str, *, at: datetime) -> None:
    row.state, row.error, row.finished_at = BackupState.FAILED.value, error[:LONGEST_ERROR], at
    session.add(row)
    await outbox.publish(
        session,
        event_id=f"backup/{row.backup_id}/failed",
        event="backup_failed",
        subject_id=row.backup_id,
        body={"problem": row.error, "status": row.state},
        occurred_at=at,
    )


async def known(session: AsyncSession) -> list[KnownBackup]:
    """Every backup whose files may be there, the oldest first."""
    rows = await session.exec(select(Backup).where(col(Backup.removed_at).is_(None)).order_by(col(Backup.backup_id)))
    return [KnownBackup(backup_id=row.backup_id, state=BackupState(row.state)) for row in rows]


async def newest_verified(session: AsyncSession) -> Backup | None:
    rows = await session.exec(
        select(Backup).where(Backup.state == BackupState.VERIFIED.value).order_by(col(Backup.backup_id).desc()).limit(1)
    )
    return rows.first()


async def newest(session: AsyncSession) -> Backup | None:
    """The newest that has ended, however it did."""
    rows = await session.exec(
        select(Backup).where(Backup.state != BackupState.RUNNING.value).order_by(col(Backup.backup_id).desc()).limit(1)
    )
    return rows.first()


async def list_recent(session: AsyncSession, *, limit: int, before: Position | None = None) -> list[Backup]:
    page = newest_first(select(Backup), Backup.created_at, Backup.backup_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def drills_of(session: AsyncSession, backup_ids: Sequence[str]) -> dict[str, list[BackupDrill]]:
    """Drills by backup, the newest first."""
    rows = await session.exec(
        select(BackupDrill)
        .where(col(BackupDrill.backup_id).in_(backup_ids))
        .order_by(col(BackupDrill.created_at).desc(), col(BackupDrill.drill_id))
    )
    found: dict[str, list[BackupDrill]] = {}
    for row in rows:
        found.setdefault(row.backup_id, []).append(row)
    return found


async def begin_drill(session: AsyncSession, step: DrillStep) -> BackupDrill:
    """Write down that a backup is being tried, the newest verified one where none is named. A repeat finds its row.

    Raises:
        NotFound: there is no such backup, or no verified one.
        Conflict: another drill is under way, this one has ended, or the backup was never verified.
    """
    await lock(session, _LOCK)
    row = await session.get(BackupDrill, step.drill_id, with_for_update=True)
    if row is not None:
        if row.state != DrillState.RUNNING:
            raise Conflict("DRILL_HAS_ENDED", "Begin another one", drill_id=row.drill_id, state=row.state)
        return row
    backup = await require(session, step.backup_id) if step.backup_id else await newest_verified(session)
    if backup is None:
        raise NotFound("NO_VERIFIED_BACKUP", "`stonks backup run` makes one")
    if backup.state != BackupState.VERIFIED:
        raise Conflict(
            "BACKUP_NOT_VERIFIED", "Try one that is verified", backup_id=backup.backup_id, state=backup.state
        )
    running = await session.exec(select(BackupDrill).where(BackupDrill.state == DrillState.RUNNING.value))
    for other in running.all():
        if step.as_of - other.created_at <= ABANDONED_AFTER:
            raise Conflict("DRILL_RUNNING", "Wait for it", drill_id=other.drill_id, began=other.created_at.isoformat())
        await end_drill(session, DrillEnd(drill_id=other.drill_id, error=INTERRUPTED), at=step.as_of)
    row = BackupDrill(
        drill_id=step.drill_id,
        backup_id=backup.backup_id,
        state=DrillState.RUNNING.value,
        trigger=step.trigger.value,
        requested_by=step.requested_by,
        created_at=step.as_of,
    )
    session.add(row)
    await audit.append(
        session,
        key=f"backup-drill/{step.drill_id}",
        actor=step.requested_by,
        action="backup_drill_begun",
        subject=step.drill_id,
        body={"trigger": step.trigger.value, "backup_id": backup.backup_id},
        recorded_at=step.as_of,
    )
    return row


async def require_drill(session: AsyncSession, drill_id: str) -> BackupDrill:
    row = await session.get(BackupDrill, drill_id)
    if row is None:
        raise NotFound("DRILL_NOT_FOUND", "`stonks backup list` shows them", drill_id=drill_id)
    return row


async def end_drill(session: AsyncSession, end: DrillEnd, *, at: datetime) -> BackupDrill | None:
    """Write down what came of a drill; passed where nothing differs. None where it was never begun."""
    row = await session.get(BackupDrill, end.drill_id, with_for_update=True)
    if row is None or row.state != DrillState.RUNNING:
        return row
    found = end.findings
    passed = not end.error and not found.flaw_count
    row.state = (DrillState.PASSED if passed else DrillState.FAILED).value
    row.tables, row.rows, row.objects, row.histories = found.tables, found.rows, found.objects, found.histories
    row.flaw_count = found.flaw_count
    row.flaws = [flaw.model_dump(mode="json") for flaw in found.flaws[:MOST_FLAWS]]
    row.error, row.finished_at = end.error[:LONGEST_ERROR], at
    session.add(row)
    problem = row.error or (str(found.flaws[0]) if found.flaws else "")
    await outbox.publish(
        session,
        event_id=f"backup-drill/{row.drill_id}/{row.state}",
        event=f"backup_drill_{row.state}",
        subject_id=row.backup_id,
        body={"status": row.state, "differences": row.flaw_count, **({"problem": problem} if problem else {})},
        occurred_at=at,
    )
    return row


async def newest_drill(session: AsyncSession) -> BackupDrill | None:
    """The newest that has ended."""
    rows = await session.exec(
        select(BackupDrill)
        .where(BackupDrill.state != DrillState.RUNNING.value)
        .order_by(col(BackupDrill.created_at).desc())
        .limit(1)
    )
    return rows.first()


async def passed_at(session: AsyncSession) -> datetime | None:
    """When a drill last ended well."""
    found = select(func.max(BackupDrill.finished_at)).where(BackupDrill.state == DrillState.PASSED.value)
    return (await session.exec(found)).first()


async def begun_at(session: AsyncSession) -> datetime | None:
    """When the installation was first used, by its audit log; None where it never was."""
    rows = await session.exec(select(AuditEntry.recorded_at).order_by(col(AuditEntry.sequence)).limit(1))
    return rows.first()


async def standing_restoration(session: AsyncSession) -> Restoration | None:
    """The restoration after which nobody has decided about trading yet; None where there is none."""
    rows = await session.exec(select(Restoration).order_by(col(Restoration.restored_at).desc()).limit(1))
    restoration = rows.first()
    control = (await session.exec(select(TradingControl))).first()
    if restoration is None or control is None or control.epoch != restoration.control_epoch:
        return None
    return restoration


async def left_of_before(session: AsyncSession, restored_at: datetime) -> dict[str, int]:
    """What a restored book held unfinished, and what has not come to its end since."""
    connection = await session.connection()
    row = (await connection.execute(_LEFT, {"at": restored_at})).one()
    return {"open_intents": row[0], "pending_approvals": row[1], "documents": row[2]}


async def _running(session: AsyncSession) -> Sequence[Backup]:
    return (await session.exec(select(Backup).where(Backup.state == BackupState.RUNNING.value))).all()
