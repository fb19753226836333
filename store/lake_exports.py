"""What was published to the lake: one row a table and publication."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.errors import NotFound
from domain.lake import ExportRequest, ExportStatus, LakeStamp, LakeTable
from store.database import insert_new
from store.tables.platform import LakeExport

DONE = (ExportStatus.COMMITTED.value, ExportStatus.UNCHANGED.value)
_ERROR_CHARACTERS = 1_000


async def begin(session: AsyncSession, request: ExportRequest, table: LakeTable, *, now: datetime) -> LakeExport:
    """Note an export before anything is written, so that the book knows whatever the lake comes to say of it."""
    row = LakeExport(
        export_id=request.export_id,
        publication_id=request.publication_id,
        table_name=request.table,
        status=ExportStatus.RUNNING.value,
        schema_version=table.schema_version,
        started_at=now,
    )
    await insert_new(session, [row])
    known = await session.get(LakeExport, request.export_id, populate_existing=True)
    assert known is not None
    return known


async def knows(session: AsyncSession, export_id: str) -> bool:
    return await session.get(LakeExport, export_id) is not None


async def finish(
    session: AsyncSession,
    export_id: str,
    stamp: LakeStamp,
    *,
    status: ExportStatus,
    snapshot_id: str,
    now: datetime,
) -> LakeExport:
    """Note what became of it."""
    row = await require(session, export_id)
    row.status, row.reason, row.error = status.value, stamp.reason.value, ""
    row.from_horizon, row.to_horizon = stamp.since, stamp.horizon
    row.snapshot_id, row.schema_version, row.up_to = snapshot_id, stamp.schema_version, stamp.up_to
    row.rows, row.rows_written, row.bytes_written = stamp.rows, stamp.rows_written, stamp.bytes_written
    row.parts_written, row.finished_at = stamp.parts_written, now
    session.add(row)
    return row


async def fail(session: AsyncSession, export_id: str, error: str, *, now: datetime) -> None:
    """Note that an attempt failed, unless it has ended well meanwhile; a later attempt may still end well."""
    row = await require(session, export_id)
    if row.status in DONE:
        return
    row.status, row.error, row.finished_at = ExportStatus.FAILED.value, error[:_ERROR_CHARACTERS], now
    session.add(row)


async def require(session: AsyncSession, export_id: str) -> LakeExport:
    row = await session.get(LakeExport, export_id, with_for_update=True)
    if row is None:
        raise NotFound("LAKE_EXPORT_NOT_FOUND", "Publish again: the book no longer knows it", export=export_id)
    return row


async def of_publication(session: AsyncSession, publication_id: str) -> Sequence[LakeExport]:
    statement = select(LakeExport).where(LakeExport.publication_id == publication_id)
    return (await session.exec(statement.order_by(col(LakeExport.table_name)))).all()


async def newest(session: AsyncSession, *, written: bool = False) -> dict[str, LakeExport]:
    """By table, the export by which it is up to date furthest; with `written`, the last that wrote something."""
    wanted = [ExportStatus.COMMITTED.value] if written else list(DONE)
    rows = await session.exec(
        select(LakeExport)
        .where(col(LakeExport.status).in_(wanted))
        .ext(distinct_on(col(LakeExport.table_name)))
        .order_by(col(LakeExport.table_name), col(LakeExport.up_to).desc(), col(LakeExport.export_id))
    )
    return {row.table_name: row for row in rows}


async def forget(session: AsyncSession, table: str, *, before: datetime) -> int:
    """Remove rows of old exports, but for the newest ones of the table: the lake's last export must stay known."""
    kept = (
        select(LakeExport.export_id)
        .where(LakeExport.table_name == table, LakeExport.status == ExportStatus.COMMITTED.value)
        .order_by(col(LakeExport.up_to).desc())
        .limit(1)
    )
    last = select(func.max(LakeExport.started_at)).where(LakeExport.table_name == table).scalar_subquery()
    connection = await session.connection()
    result = await connection.execute(
        delete(LakeExport).where(
            col(LakeExport.table_name) == table,
            col(LakeExport.started_at) < before,
            col(LakeExport.started_at) < last,
            col(LakeExport.export_id).not_in(kept),
        )
    )
    return int(result.rowcount)
