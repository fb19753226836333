"""Publishing: a table of the book becomes a table of the lake, effectively once a publication.

The lake itself says how far it is: a snapshot carries the export that made it and its watermark. An attempt that died
after its commit and before the book's row is therefore found by the next one, which only writes the row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.heartbeats import alive
from activities.ports import Lake, OpenLakeTable
from domain.errors import StonksError
from domain.lake import (
    ExportRequest,
    ExportStatus,
    LakeStamp,
    LakeState,
    LakeTable,
    PublicationPlan,
    PublishRequest,
    TableExport,
    TidyReport,
    TidyRequest,
    WhyWritten,
    parts_to_write,
    why,
)
from domain.lake_tables import BY_NAME, require_table
from store import lake_exports, lake_source
from store.database import Database
from store.tables.platform import LakeExport

KEEP = timedelta(days=7)
"""How long a snapshot can be read after another has taken its place."""
UNREAD = timedelta(days=1)
"""Files of an export that is under way are younger: no attempt may last that long (`workflows.options.PUBLISH`)."""


log = structlog.get_logger(__name__)


class PublishingActivities:
    """Keyed by publication and table (`domain.lake.export_id`)."""

    def __init__(
        self, database: Database, lake: Callable[[], Lake], *, keep: timedelta = KEEP, unread: timedelta = UNREAD
    ) -> None:
        """`lake` is called when it is first needed: the libraries behind it take a second, and much memory."""
        self._database = database
        self._make = lake
        self._lake: Lake | None = None
        self._keep = keep
        self._unread = unread

    @activity.defn
    async def plan_publication(self, request: PublishRequest) -> PublicationPlan:
        """The tables that were asked for, or all that there are."""
        names = request.tables or tuple(BY_NAME)
        return PublicationPlan(tables=tuple(dict.fromkeys(require_table(name).name for name in names)))

    @activity.defn
    async def publish_table(self, request: ExportRequest) -> TableExport:
        """Bring one table of the lake up to date with the book, or find that this publication did so already."""
        table = require_table(request.table)
        async with self._database.transaction() as session:
            row = await lake_exports.begin(session, request, table, now=datetime.now(UTC))
        if row.status in lake_exports.DONE:
            return _told(row)
        try:
            async with alive():
                row = await self._export(request, table)
        except Exception as error:
            said = str(error) if isinstance(error, StonksError) else type(error).__name__
            async with self._database.transaction() as session:
                await lake_exports.fail(session, request.export_id, said, now=datetime.now(UTC))
            raise
        log.info("lake_table_published", table=row.table_name, status=row.status, rows_written=row.rows_written)
        return _told(row)

    @activity.defn
    async def tidy_table(self, request: TidyRequest) -> TidyReport:
        """Remove snapshots that nobody needs any more, files that no snapshot refers to, and rows of old exports."""
        table = require_table(request.table)
        before, unread_before = request.at - self._keep, request.at - self._unread
        lake = await self._connected()
        async with alive():
            report = await asyncio.to_thread(lake.tidy, table, before=before, unread_before=unread_before)
        async with self._database.transaction() as session:
            await lake_exports.forget(session, table.name, before=before)
        return report

    async def _export(self, request: ExportRequest, table: LakeTable) -> LakeExport:
        lake = await self._connected()
        opened = await asyncio.to_thread(lake.open, table)  # before the book: what it holds is older than the cut
        done = await asyncio.to_thread(opened.committed, request.export_id)
        if done is not None and done.stamp is not None:
            return await self._finish(request.export_id, done, done.stamp, ExportStatus.COMMITTED)
        state: LakeState = await asyncio.to_thread(lambda: opened.state)
        async with lake_source.reading(self._database) as session:
            cut = await lake_source.cut(session)
            known = state.stamp is not None and await lake_exports.knows(session, state.stamp.export_id)
            reason = why(state, cut, table, known=known)
            since = state.stamp.horizon if reason is WhyWritten.CHANGES and state.stamp is not None else None
            book = await lake_source.parts(session, table, since=since)
            stale, emptied = parts_to_write(book, state.parts, reason)
            stamp = LakeStamp(
                export_id=request.export_id,
                cluster=cut.cluster,
                horizon=cut.horizon,
                schema_version=table.schema_version,
                up_to=cut.at,
                rows=sum(each.rows for each in book),
                reason=reason,
                since=since,
            )
            if not stale and not emptied:
                return await self._finish(request.export_id, state, stamp, ExportStatus.UNCHANGED)
            for number in stale:
                await self._write_part(session, opened, table, number)
        made = await asyncio.to_thread(opened.commit, stamp, replaced=[*stale, *emptied])
        assert made.stamp is not None
        return await self._finish(request.export_id, made, made.stamp, ExportStatus.COMMITTED)

    async def _write_part(self, session: AsyncSession, opened: OpenLakeTable, table: LakeTable, number: int) -> None:
        async for rows in lake_source.rows(session, table, number):
            await asyncio.to_thread(opened.write, number, rows)
        await asyncio.to_thread(opened.end_part)

    async def _finish(self, export_id: str, state: LakeState, stamp: LakeStamp, status: ExportStatus) -> LakeExport:
        async with self._database.transaction() as session:
            return await lake_exports.finish(
                session, export_id, stamp, status=status, snapshot_id=state.snapshot_id, now=datetime.now(UTC)
            )

    async def _connected(self) -> Lake:
        if self._lake is None:
            self._lake = await asyncio.to_thread(self._make)
        return self._lake


def _told(row: LakeExport) -> TableExport:
    assert row.up_to is not None
    return TableExport(
        export_id=row.export_id,
        table=row.table_name,
        status=ExportStatus(row.status),
        reason=WhyWritten(row.reason),
        snapshot_id=row.snapshot_id,
        rows=row.rows,
        rows_written=row.rows_written,
        bytes_written=row.bytes_written,
        parts_written=row.parts_written,
        up_to=row.up_to,
    )
