"""Putting the book back: what is there before, setting it aside, and what a restored book must not go on with.

A schema named `restoring` stands from before the first row comes until the kill switch is thrown and everything that
nobody works on any more is settled, which is one transaction. While it stands nothing starts on the database.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.backup_run import Settled
from domain.backups import BackupState, DrillState, Manifest
from domain.decisions import TradingState
from domain.errors import Conflict
from domain.lake import CATALOG_SCHEMA
from store import audit, backups, control, outbox
from store.book_cut import RESTORING, SET_ASIDE, connect
from store.database import DatabaseSettings
from store.tables.platform import Backup, Restoration

_PEOPLES = ("documents", "order_intents", "fills", "account_snapshots", "trading_config", "sources", "api_keys")
"""Tables that a new installation fills with its first use."""
LOST = "RESTORED: what worked on it was not in the backup"


class Standing(StrEnum):
    """What a database holds before something is restored into it."""

    EMPTY = "empty"
    FRESH = "fresh"
    """Nothing but what every new installation has."""
    USED = "used"
    INTERRUPTED = "interrupted"
    """A restoration that did not come to its end."""


async def standing(settings: DatabaseSettings) -> Standing:
    connection = await connect(settings)
    try:
        if await _exists(connection, RESTORING):
            return Standing.INTERRUPTED
        tables = {
            row["tablename"]
            for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        }
        if not tables:
            return Standing.EMPTY
        if not tables.issuperset(_PEOPLES):
            return Standing.USED
        for table in _PEOPLES:
            if await connection.fetchval(f"SELECT EXISTS (SELECT 1 FROM public.{table})"):  # noqa: S608
                return Standing.USED
        return Standing.FRESH
    finally:
        await connection.close()


async def require_alone(settings: DatabaseSettings) -> str:
    """Nobody else works with the database; returns the server's version.

    Raises:
        Conflict: a worker, the API or a command is connected.
    """
    connection = await connect(settings)
    try:
        others = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND application_name IN ('stonks', 'stonks-backup')"
        )
        if others:
            raise Conflict(
                "DATABASE_IN_USE",
                "Stop the workers, the API and whatever else is connected: they would act on what is half restored",
                database=settings.name,
                connections=others,
            )
        return str(connection.get_settings().server_version)
    finally:
        await connection.close()


async def require_finished(settings: DatabaseSettings) -> None:
    """Refuse to start on a book that is only half restored.

    Raises:
        Conflict: a restoration is under way, or was interrupted.
    """
    connection = await connect(settings)
    try:
        if await _exists(connection, RESTORING):
            raise Conflict(
                "RESTORE_NOT_FINISHED",
                "Run `stonks restore` again: it begins anew, and what was there before stays set aside",
                database=settings.name,
            )
    finally:
        await connection.close()


async def make_room(settings: DatabaseSettings, found: Standing, *, stamp: str) -> str:
    """Mark the database as being restored, and empty it. What was used is set aside, and its schema's name returned."""
    aside = f"{SET_ASIDE}{stamp.lower()}" if found is Standing.USED else ""
    connection = await connect(settings)
    try:
        async with connection.transaction():
            await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{RESTORING}"')
            if aside:
                await connection.execute(f'ALTER SCHEMA public RENAME TO "{aside}"')
            else:
                await connection.execute("DROP SCHEMA public CASCADE")
            await connection.execute("CREATE SCHEMA public")
    finally:
        await connection.close()
    return aside


async def give_back(settings: DatabaseSettings, aside: str) -> None:
    """Undo `make_room` after nothing was restored, or not what should have been."""
    connection = await connect(settings)
    try:
        async with connection.transaction():
            await connection.execute("DROP SCHEMA public CASCADE")
            await connection.execute(f'ALTER SCHEMA "{aside}" RENAME TO public' if aside else "CREATE SCHEMA public")
            await connection.execute(f'DROP SCHEMA "{RESTORING}"')
    finally:
        await connection.close()


async def settle(
    session: AsyncSession,
    manifest: Manifest,
    *,
    sha256: str,
    location: str,
    restoration_id: str,
    actor: str,
    at: datetime,
) -> Settled:
    """Throw the kill switch, and end or hand back what nobody works on any more. The database counts as restored then.

    Trading halts, which is more than a pause: a restored book may hold what was sold since, and would sell it again.
    """
    settled = await _settle_work(session, at=at)
    await _settle_backups(session, manifest, sha256=sha256, location=location, actor=actor, at=at)
    reason = f"restored from the backup of {manifest.taken_at:%Y-%m-%d %H:%M} UTC: reconcile, then resume"
    row = await control.change(session, wanted=TradingState.HALTED, reason=reason, actor=actor, at=at)
    session.add(
        Restoration(
            restoration_id=restoration_id,
            backup_id=manifest.backup_id,
            taken_at=manifest.taken_at,
            restored_at=at,
            restored_by=actor,
            control_epoch=row.epoch,
            settled=settled.model_dump(mode="json"),
        )
    )
    said = {"backup_id": manifest.backup_id, "taken_at": manifest.taken_at.isoformat()}
    await audit.append(
        session,
        key=f"restoration/{restoration_id}",
        actor=actor,
        action="book_restored",
        subject=manifest.backup_id,
        body={**said, "settled": settled.model_dump(mode="json")},
        recorded_at=at,
    )
    await outbox.publish(
        session,
        event_id=f"restoration/{restoration_id}",
        event="backup_restored",
        subject_id=manifest.backup_id,
        body=said,
        occurred_at=at,
    )
    await _begin_lake_anew(session)
    connection = await session.connection()
    await connection.execute(text(f'DROP SCHEMA "{RESTORING}"'))
    return settled


async def _settle_work(session: AsyncSession, *, at: datetime) -> Settled:
    """Sessions end, too: who was shut out since must not come in by one that the book still has."""
    lost = {"at": at, "lost": LOST}
    await _run(session, "UPDATE documents SET status = 'registered' WHERE status = 'released'")
    runs = await _run(
        session,
        "UPDATE ingestion_runs SET status = 'failed', finished_at = :at, error = :lost WHERE status = 'running'",
        **lost,
    )
    for table in ("backtests", "what_ifs", "competitor_inferences"):
        runs += await _run(
            session,
            f"UPDATE {table} SET status = 'failed', finished_at = :at, error = :lost WHERE status = 'running'",  # noqa: S608
            **lost,
        )
    sessions = 0
    for table in ("sessions", "sign_in_links", "step_ups", "oidc_requests"):
        sessions += await _run(session, f"DELETE FROM {table}")  # noqa: S608
    return Settled(
        open_intents=await _count(session, "SELECT count(*) FROM order_intents WHERE state = 'open'"),
        pending_approvals=await _count(session, "SELECT count(*) FROM approvals WHERE status = 'pending'"),
        documents=await _count(session, "SELECT count(*) FROM documents WHERE status = 'registered'"),
        runs=runs,
        sessions=sessions,
    )


async def _settle_backups(
    session: AsyncSession, manifest: Manifest, *, sha256: str, location: str, actor: str, at: datetime
) -> None:
    """In its own dump a backup is still under way; here it is the one that was just read whole."""
    row = await session.get(Backup, manifest.backup_id)
    if row is None:
        row = Backup(
            backup_id=manifest.backup_id,
            state=BackupState.VERIFIED.value,
            trigger="hand",
            requested_by=actor,
            created_at=manifest.started_at,
        )
    row.state, row.location, row.verified_at, row.finished_at = BackupState.VERIFIED.value, location, at, at
    backups.fill(row, manifest, sha256=sha256)
    session.add(row)
    await session.flush()
    await _run(
        session,
        "UPDATE backups SET state = :failed, finished_at = :at, error = :lost WHERE state = :running",
        failed=BackupState.FAILED.value,
        running=BackupState.RUNNING.value,
        at=at,
        lost=LOST,
    )
    await _run(
        session,
        "UPDATE backup_drills SET state = :failed, finished_at = :at, error = :lost WHERE state = :running",
        failed=DrillState.FAILED.value,
        running=DrillState.RUNNING.value,
        at=at,
        lost=LOST,
    )


async def _begin_lake_anew(session: AsyncSession) -> None:
    """Forget what was published: it is of another book. The next publication makes the whole lake."""
    connection = await session.connection()
    await connection.execute(text(f'DROP SCHEMA IF EXISTS "{CATALOG_SCHEMA}" CASCADE'))
    await connection.execute(text(f'CREATE SCHEMA "{CATALOG_SCHEMA}"'))
    await _run(session, "DELETE FROM lake_exports")


async def _run(session: AsyncSession, statement: str, **values: Any) -> int:
    connection = await session.connection()
    return int((await connection.execute(text(statement), values)).rowcount)


async def _count(session: AsyncSession, statement: str) -> int:
    connection = await session.connection()
    return int((await connection.execute(text(statement))).scalar_one())


async def _exists(connection: Any, schema: str) -> bool:
    return bool(await connection.fetchval("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema))
