"""The lake as the book knows it: its tables, how far each is, and publications. The lake itself is not opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client

from api.operations.links import TemporalLinks
from domain.errors import NotFound
from domain.lake import ExportStatus, LakeTable, LakeType, Partition, PublishRequest, TableName, WhyWritten
from domain.lake_tables import TABLES, require_table
from store import audit, lake_exports
from store.database import Database
from store.tables.platform import LakeExport
from workflows.client import begin_publication

LATE_AFTER = timedelta(hours=3)
"""The lake is published every hour."""
MOST_TABLES = 100


class LakeStatus(StrEnum):
    WELL = "well"
    LATE = "late"
    NEVER = "never"
    """Not published yet."""


class LakeColumnView(BaseModel):
    name: str
    type: LakeType
    description: str
    key: bool


class LakeTableView(BaseModel):
    table: str
    description: str
    status: LakeStatus
    partition: Partition
    event_column: str = Field(description="the row's own time, by which the table is cut into parts; empty: none")
    point_in_time: list[str] = Field(description="columns that say since when a row could be known")
    rows: int
    snapshot_id: str = Field(description="of the table in the lake; empty: it never had a row")
    schema_version: str
    up_to: datetime | None = Field(description="what the book had committed by then is in the lake")
    lag_seconds: int | None = Field(description="how long ago that is")
    late_after_seconds: int
    changed_at: datetime | None = Field(description="when something was last written")
    columns: list[LakeColumnView]


class ExportView(BaseModel):
    table: str
    export_id: str
    status: ExportStatus
    reason: WhyWritten | None = Field(description="what the lake lacked; none while it runs")
    rows: int
    rows_written: int
    bytes_written: int
    parts_written: int
    from_horizon: int | None = Field(description="changes were looked for from this watermark; none: all was written")
    to_horizon: int | None = Field(description="the watermark that it came to")
    snapshot_id: str
    schema_version: str
    up_to: datetime | None
    started_at: datetime
    finished_at: datetime | None
    error: str


class PublicationView(BaseModel):
    publication_id: str = Field(description="the workflow's id, too")
    exports: list[ExportView]


class NewPublication(BaseModel):
    """What is to be published: all tables where none is named."""

    model_config = ConfigDict(extra="forbid")

    tables: Annotated[list[TableName], Field(max_length=MOST_TABLES, examples=[["fills", "orders"]])] = Field(
        default_factory=list
    )
    tidy: bool = Field(default=False, description="also remove old snapshots and files that nobody reads any more")


class PublicationBegun(BaseModel):
    publication_id: str
    workflow_id: str
    temporal_url: str


async def list_tables(database: Database) -> list[LakeTableView]:
    """Every table of the lake, published or not."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        newest, written = await lake_exports.newest(session), await lake_exports.newest(session, written=True)
    return [_table(table, newest.get(table.name), written.get(table.name), now) for table in TABLES]


async def begin(
    database: Database, client: Client, links: TemporalLinks, wanted: NewPublication, *, actor: str
) -> PublicationBegun:
    """Have the lake brought up to date, now.

    Raises:
        InvalidInput: there is no such table.
    """
    tables = tuple(dict.fromkeys(require_table(name).name for name in wanted.tables))
    now = datetime.now(UTC)
    handle = await begin_publication(client, PublishRequest(tables=tables, tidy=wanted.tidy), at=now, actor=actor)
    async with database.transaction() as session:
        await audit.append(
            session,
            key=f"lake/{handle.id}",
            actor=actor,
            action="lake_publication",
            subject=handle.id,
            body={"tables": list(tables), "tidy": wanted.tidy},
            recorded_at=now,
        )
    return PublicationBegun(
        publication_id=handle.id,
        workflow_id=handle.id,
        temporal_url=links.workflow(handle.id, handle.first_execution_run_id or ""),
    )


async def publication(database: Database, publication_id: str) -> PublicationView:
    """What became of each table that a publication has come to.

    Raises:
        NotFound: there is none, it has not begun with a table yet, or it is no longer kept.
    """
    async with database.transaction() as session:
        rows = await lake_exports.of_publication(session, publication_id)
    if not rows:
        hint = "Its job (`GET /v1/jobs/{workflow_id}`) says whether it has begun; old ones are not kept"
        raise NotFound("LAKE_PUBLICATION_NOT_FOUND", hint, publication=publication_id)
    return PublicationView(publication_id=publication_id, exports=exports_of(rows))


def exports_of(rows: Sequence[LakeExport]) -> list[ExportView]:
    return [
        ExportView(
            table=row.table_name,
            export_id=row.export_id,
            status=ExportStatus(row.status),
            reason=WhyWritten(row.reason) if row.reason else None,
            rows=row.rows,
            rows_written=row.rows_written,
            bytes_written=row.bytes_written,
            parts_written=row.parts_written,
            from_horizon=row.from_horizon,
            to_horizon=row.to_horizon,
            snapshot_id=row.snapshot_id,
            schema_version=row.schema_version,
            up_to=row.up_to,
            started_at=row.started_at,
            finished_at=row.finished_at,
            error=row.error,
        )
        for row in rows
    ]


def _table(table: LakeTable, newest: LakeExport | None, written: LakeExport | None, now: datetime) -> LakeTableView:
    up_to = newest.up_to if newest is not None else None
    lag = max(now - up_to, timedelta(0)) if up_to is not None else None
    return LakeTableView(
        table=table.name,
        description=table.says,
        status=LakeStatus.NEVER if lag is None else LakeStatus.LATE if lag > LATE_AFTER else LakeStatus.WELL,
        partition=table.partition,
        event_column=table.event,
        point_in_time=list(table.point_in_time),
        rows=newest.rows if newest is not None else 0,
        snapshot_id=newest.snapshot_id if newest is not None else "",
        schema_version=newest.schema_version if newest is not None else table.schema_version,
        up_to=up_to,
        lag_seconds=int(lag.total_seconds()) if lag is not None else None,
        late_after_seconds=int(LATE_AFTER.total_seconds()),
        changed_at=written.finished_at if written is not None else None,
        columns=[
            LakeColumnView(name=each.name, type=each.type, description=each.says, key=each.name in table.key)
            for each in table.columns
        ],
    )
