"""Sources, their runs, and the records that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain import documents as domain
from domain.errors import Conflict, NotFound
from domain.ids import digest
from domain.ingestion import IngestReport, RunStatus
from domain.sources import SourceConfig, read_config
from store.database import insert_new
from store.keysets import newest_first
from store.tables.ingestion import IngestionRun, Reject, Source

COUNTS = (
    "pages",
    "bytes",
    "fetch_ms",
    "register_ms",
    "read",
    "registered",
    "linked",
    "duplicates",
    "rejected",
    "skipped",
    "copies",
    "facts",
)
"""What a run counts; columns of `ingestion_runs` and fields of `IngestReport` alike."""


async def find(session: AsyncSession, source_id: str) -> Source | None:
    return await session.get(Source, source_id)


async def require(session: AsyncSession, source_id: str, *, for_update: bool = False) -> Source:
    source = await session.get(Source, source_id, with_for_update=True if for_update else None)
    if source is None or source.removed:
        raise NotFound("SOURCE_NOT_FOUND", "`stonks sources list` shows the sources", source_id=source_id)
    return source


async def list_all(session: AsyncSession, *, removed: bool = False) -> list[Source]:
    """Every source by id, those that were removed only where they are asked for."""
    statement = select(Source).order_by(col(Source.source_id))
    if not removed:
        statement = statement.where(~col(Source.removed))
    return list((await session.exec(statement)).all())


def config_of(source: Source) -> SourceConfig:
    """The source's typed configuration, validated again on the way out."""
    return read_config(source.config)


async def save(
    session: AsyncSession,
    *,
    source_id: str,
    config: SourceConfig,
    created_at: datetime,
    cadence_seconds: int = 0,
    cadence_closed_seconds: int = 0,
    name: str = "",
    paused: bool = False,
) -> Source:
    """Create a source, or give an existing one this configuration; how far it was read stays.

    Raises:
        Conflict: the source is of another kind; its cursor would mean nothing.
    """
    row = await session.get(Source, source_id, with_for_update=True)
    if row is None:
        fresh = Source(source_id=source_id, kind=config.kind.value, created_at=created_at, updated_at=created_at)
        await insert_new(session, [fresh])
        row = await session.get(Source, source_id, with_for_update=True)
        assert row is not None
        row.version = 0
    if row.kind != config.kind.value:
        raise Conflict(
            "SOURCE_KIND_FIXED",
            "Add a source of its own",
            source_id=source_id,
            found=config.kind.value,
            allowed=row.kind,
        )
    row.name = name or row.name or source_id
    row.config = config.model_dump(mode="json")
    row.credibility = config.credibility.value
    row.cadence_seconds, row.cadence_closed_seconds = cadence_seconds, cadence_closed_seconds
    row.paused, row.removed = paused, False
    row.updated_at = created_at
    row.version += 1
    session.add(row)
    await session.flush()
    return row


async def start_run(
    session: AsyncSession, *, run_id: str, source_id: str, started_at: datetime, workflow_id: str = ""
) -> None:
    row = IngestionRun(run_id=run_id, source_id=source_id, workflow_id=workflow_id, started_at=started_at)
    await insert_new(session, [row])


async def move_cursor(session: AsyncSession, source_id: str, *, read_from: str, read_to: str) -> bool:
    """Note how far a source was read. False where it no longer stands at `read_from`: another run moved it."""
    moved = await session.exec(
        update(Source)
        .where(col(Source.source_id) == source_id, col(Source.cursor).in_((read_from, read_to)))
        .values(cursor=read_to)
    )
    return bool(moved.rowcount)


async def save_run(
    session: AsyncSession, report: IngestReport, *, status: RunStatus, finished_at: datetime, error: str = ""
) -> None:
    """Write down what a run came to, and what that says about the source's health. A repeat changes nothing."""
    run = await session.get(IngestionRun, report.run_id, with_for_update=True)
    counted_before = run is not None and run.status == RunStatus.FAILED.value
    if run is not None:  # a run of a source that is gone was never noted
        for name in COUNTS:
            setattr(run, name, getattr(report, name))
        run.status, run.finished_at, run.error = status.value, finished_at, error[:2_000]
        session.add(run)
    source = await session.get(Source, report.source_id, with_for_update=True)
    if source is None:
        return
    if status is RunStatus.FAILED:
        source.failures += 0 if counted_before else 1
        source.last_error, source.last_failure_at = error[:2_000], finished_at
    else:
        source.failures, source.last_error, source.last_success_at = 0, "", finished_at
    session.add(source)


async def list_runs(
    session: AsyncSession, *, source_id: str, limit: int, before: tuple[datetime, str] | None = None
) -> list[IngestionRun]:
    """Runs of a source, the newest first."""
    statement = select(IngestionRun).where(IngestionRun.source_id == source_id)
    page = newest_first(statement, IngestionRun.started_at, IngestionRun.run_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def last_runs(session: AsyncSession) -> dict[str, IngestionRun]:
    """The newest run of each source that has one."""
    newest = (
        select(IngestionRun)
        .ext(distinct_on(col(IngestionRun.source_id)))
        .order_by(col(IngestionRun.source_id), col(IngestionRun.started_at).desc(), col(IngestionRun.run_id).desc())
    )
    return {row.source_id: row for row in await session.exec(newest)}


async def save_rejects(
    session: AsyncSession, *, run_id: str, rejects: Sequence[domain.Reject], recorded_at: datetime
) -> None:
    """Write refused records; the same refusal of the same run is one row."""
    rows = {
        key: Reject(
            reject_id=key,
            run_id=run_id,
            file=reject.file,
            line=reject.line,
            column=reject.column,
            reason=reject.reason.value,
            detail=reject.detail,
            excerpt=reject.excerpt,
            recorded_at=recorded_at,
        )
        for reject in rejects
        for key in [digest("reject", run_id, reject.file, reject.line, reject.column, reject.reason, reject.detail)]
    }
    await insert_new(session, list(rows.values()))


async def list_rejects(session: AsyncSession, *, run_id: str, limit: int) -> list[Reject]:
    rows = await session.exec(
        select(Reject)
        .where(Reject.run_id == run_id)
        .order_by(col(Reject.file), col(Reject.line), col(Reject.column), col(Reject.detail))
        .limit(limit)
    )
    return list(rows.all())


async def count_rejects(session: AsyncSession, *, run_id: str) -> dict[str, int]:
    rows = await session.exec(
        select(Reject.reason, func.count())
        .where(Reject.run_id == run_id)
        .group_by(Reject.reason)
        .order_by(Reject.reason)
    )
    return dict(rows.all())
