"""Sources, their runs, and the records that were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain import documents as domain
from domain.errors import NotFound
from domain.ids import digest
from domain.ingestion import IngestReport
from domain.sources import FileSourceConfig, SourceConfig
from store.database import insert_new, upsert
from store.tables.ingestion import IngestionRun, Reject, Source


async def require(session: AsyncSession, source_id: str) -> Source:
    source = await session.get(Source, source_id)
    if source is None:
        raise NotFound("SOURCE_NOT_FOUND", "`stonks sources list` shows the sources", source_id=source_id)
    return source


async def list_all(session: AsyncSession) -> list[Source]:
    return list((await session.exec(select(Source).order_by(col(Source.source_id)))).all())


def config_of(source: Source) -> SourceConfig:
    """The source's typed configuration, validated again on the way out."""
    return FileSourceConfig.model_validate(source.config)


async def save(
    session: AsyncSession, *, source_id: str, config: SourceConfig, created_at: datetime, cadence_seconds: int = 0
) -> None:
    """Create a source or replace its configuration."""
    await upsert(
        session,
        [
            Source(
                source_id=source_id,
                kind=config.kind.value,
                config=config.model_dump(mode="json"),
                cadence_seconds=cadence_seconds,
                credibility=config.credibility.value,
                created_at=created_at,
            )
        ],
    )


async def start_run(session: AsyncSession, *, run_id: str, source_id: str, started_at: datetime) -> None:
    await insert_new(session, [IngestionRun(run_id=run_id, source_id=source_id, started_at=started_at)])


async def finish_run(session: AsyncSession, report: IngestReport, *, finished_at: datetime) -> None:
    run = await session.get(IngestionRun, report.run_id)
    if run is None:
        raise NotFound("RUN_NOT_FOUND", "The run was never started", run_id=report.run_id)
    for name in ("read", "registered", "linked", "duplicates", "rejected", "skipped"):
        setattr(run, name, getattr(report, name))
    run.status, run.finished_at = "finished", finished_at
    session.add(run)


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
