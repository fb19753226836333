"""Sources: add, change, pause, remove, read now, try. Each change is audited and followed by its schedule."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError

from api.operations.links import TemporalLinks
from domain.errors import Conflict, InvalidInput, StonksError, VendorRejected
from domain.ingestion import IngestRequest, SourceTestReport, SourceTestRequest
from domain.sources import RATE_GROUPS, SUBMITTED, SourceConfig, SourceKind, credentials_of, read_config
from store import audit, sources
from store.database import Database
from store.tables.ingestion import IngestionRun, Source
from workflows import names
from workflows.client import reconcile_schedules
from workflows.ingest_source import IngestSource
from workflows.try_source import TrySource

FASTEST_CADENCE_SECONDS = 10
TEST_TIMEOUT = timedelta(minutes=2)

SourceId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9\-]{0,62}$")]
Cadence = Annotated[int, Field(ge=0, le=31 * 86_400)]


class NewSource(BaseModel):
    """A source to add. `config` depends on its `kind`."""

    model_config = ConfigDict(extra="forbid")

    source_id: SourceId
    name: Annotated[str, Field(max_length=200)] = ""
    config: dict[str, Any] = Field(examples=[{"kind": "feed", "url": "https://example.com/news.rss"}])
    cadence_seconds: Cadence = Field(default=300, description="While the exchange is open; 0: only by hand")
    cadence_closed_seconds: Cadence = Field(default=0, description="While it is closed; 0: the same")
    paused: bool = False


class SourceChange(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] | None = None
    config: dict[str, Any] | None = None
    cadence_seconds: Cadence | None = None
    cadence_closed_seconds: Cadence | None = None
    paused: bool | None = None


class RunView(BaseModel):
    run_id: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    pages: int
    bytes: int
    fetch_ms: int
    register_ms: int
    read: int
    registered: int
    linked: int
    duplicates: int
    copies: int
    rejected: int
    skipped: int
    facts: int
    error: str
    workflow_id: str
    temporal_url: str


class SourceView(BaseModel):
    source_id: str
    name: str
    kind: str
    rate_group: str
    config: dict[str, Any]
    credentials: list[str] = Field(description="References of the secrets it needs; set `STONKS_CREDENTIAL_<NAME>`")
    credibility: str
    cadence_seconds: int
    cadence_closed_seconds: int
    paused: bool
    health: str = Field(description="new, well, failing or paused")
    failures: int = Field(description="Failed runs in a row; each makes the cadence slower")
    last_error: str
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_run: RunView | None
    created_at: datetime
    updated_at: datetime
    version: int


class Started(BaseModel):
    source_id: str
    workflow_id: str
    temporal_url: str


async def list_sources(database: Database, links: TemporalLinks) -> list[SourceView]:
    async with database.transaction() as session:
        rows = await sources.list_all(session)
        last = await sources.last_runs(session)
    return [_view(row, last.get(row.source_id), links) for row in rows]


async def get(database: Database, links: TemporalLinks, source_id: str) -> SourceView:
    """Raises NotFound."""
    async with database.transaction() as session:
        row = await sources.require(session, source_id)
        last = (await sources.last_runs(session)).get(source_id)
    return _view(row, last, links)


async def add(database: Database, client: Client, links: TemporalLinks, new: NewSource, *, actor: str) -> SourceView:
    """Add a source; its schedule follows at once.

    Raises:
        InvalidInput: the configuration cannot work, or the cadence is faster than 10 s.
        Conflict: the id is taken.
    """
    config = read_config(new.config)
    _require_cadences(new.cadence_seconds, new.cadence_closed_seconds)
    now = datetime.now(UTC)
    async with database.transaction() as session:
        if new.source_id == SUBMITTED:
            raise Conflict(
                "SOURCE_EXISTS", "Documents that are handed in have it: choose another id", source_id=SUBMITTED
            )
        known = await sources.find(session, new.source_id)
        if known is not None and not known.removed:
            raise Conflict("SOURCE_EXISTS", "Change it, or choose another id", source_id=new.source_id)
        row = await sources.save(
            session,
            source_id=new.source_id,
            config=config,
            created_at=now,
            cadence_seconds=new.cadence_seconds,
            cadence_closed_seconds=new.cadence_closed_seconds,
            name=new.name,
            paused=new.paused,
        )
        await _audit(session, "source_added", row, actor=actor, before=None, now=now)
    await reconcile_schedules(client)
    return await get(database, links, new.source_id)


async def change(
    database: Database,
    client: Client,
    links: TemporalLinks,
    source_id: str,
    wanted: SourceChange,
    *,
    actor: str,
    check: Callable[[int], None] | None = None,
) -> SourceView:
    """Change a source; its schedule follows at once.

    Args:
        check: is given the present version and raises where the caller has seen another.

    Raises:
        NotFound, InvalidInput, Conflict: as `add`; a source's kind cannot be changed.
    """

    async def act(session: AsyncSession, row: Source, now: datetime) -> Source:
        config = sources.config_of(row) if wanted.config is None else read_config(wanted.config)
        cadence = row.cadence_seconds if wanted.cadence_seconds is None else wanted.cadence_seconds
        closed = row.cadence_closed_seconds if wanted.cadence_closed_seconds is None else wanted.cadence_closed_seconds
        _require_cadences(cadence, closed)
        return await sources.save(
            session,
            source_id=source_id,
            config=config,
            created_at=now,
            cadence_seconds=cadence,
            cadence_closed_seconds=closed,
            name=row.name if wanted.name is None else wanted.name,
            paused=row.paused if wanted.paused is None else wanted.paused,
        )

    return await _changed(database, client, links, source_id, "source_changed", act, actor=actor, check=check)


async def remove(
    database: Database,
    client: Client,
    links: TemporalLinks,
    source_id: str,
    *,
    actor: str,
    check: Callable[[int], None] | None = None,
) -> SourceView:
    """Read a source never again. Its documents, its runs and its cursor stay."""

    async def act(session: AsyncSession, row: Source, now: datetime) -> Source:
        row.removed, row.updated_at, row.version = True, now, row.version + 1
        session.add(row)
        return row

    return await _changed(database, client, links, source_id, "source_removed", act, actor=actor, check=check)


async def run_now(database: Database, client: Client, links: TemporalLinks, source_id: str, *, actor: str) -> Started:
    """Read a source now, whatever its schedule says.

    Raises:
        NotFound: no such source.
    """
    now = datetime.now(UTC)
    stamp = names.run_stamp(now)
    async with database.transaction() as session:
        row = await sources.require(session, source_id)
        await audit.append(
            session,
            key=f"source/{source_id}/run/{stamp}",
            actor=actor,
            action="source_run",
            subject=source_id,
            body={},
            recorded_at=now,
        )
    handle = await client.start_workflow(
        IngestSource.run,
        IngestRequest(source_id=row.source_id),
        id=names.ingest_id(source_id, f"by-hand-{stamp}"),
        task_queue=names.Queue.INGEST,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"ingest {source_id}, by hand",
    )
    return Started(
        source_id=source_id,
        workflow_id=handle.id,
        temporal_url=links.workflow(handle.id, handle.first_execution_run_id or ""),
    )


async def try_source(client: Client, request: SourceTestRequest) -> SourceTestReport:
    """Ask a source, saved or proposed, for its first page and say what is in it. Nothing is registered.

    The worker that holds the vendors' keys asks; this process has none.

    Raises:
        StonksError: what is wrong with the source, with the code of the step that gave up.
    """
    if request.config is not None:
        read_config(request.config)
    try:
        return await client.execute_workflow(
            TrySource.run,
            request,
            id=names.try_source_id(request.source_id, uuid.uuid4().hex),
            task_queue=names.Queue.INGEST,
            execution_timeout=TEST_TIMEOUT,
            static_summary=f"try {request.source_id}",
        )
    except WorkflowFailureError as error:
        raise _told(error) from error


async def list_runs(
    database: Database,
    links: TemporalLinks,
    source_id: str,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
) -> list[RunView]:
    """Runs of a source, the newest first.

    Raises:
        NotFound: no such source.
    """
    async with database.transaction() as session:
        await sources.require(session, source_id)
        rows = await sources.list_runs(session, source_id=source_id, limit=limit, before=before)
    return [run_view(row, links) for row in rows]


async def _changed(
    database: Database,
    client: Client,
    links: TemporalLinks,
    source_id: str,
    action: str,
    act: Callable[[AsyncSession, Source, datetime], Awaitable[Source]],
    *,
    actor: str,
    check: Callable[[int], None] | None,
) -> SourceView:
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await sources.require(session, source_id, for_update=True)
        if check is not None:
            check(row.version)
        before = _recorded(row)
        changed = await act(session, row, now)
        await _audit(session, action, changed, actor=actor, before=before, now=now)
        last = (await sources.last_runs(session)).get(source_id)
        view = _view(changed, last, links)
    await reconcile_schedules(client)
    return view


def _require_cadences(*cadences: int) -> None:
    for cadence in cadences:
        if 0 < cadence < FASTEST_CADENCE_SECONDS:
            raise InvalidInput(
                "CADENCE_INVALID",
                f"0 (only by hand), or {FASTEST_CADENCE_SECONDS} seconds and more, are allowed",
                found=cadence,
            )


async def _audit(
    session: AsyncSession, action: str, row: Source, *, actor: str, before: dict[str, Any] | None, now: datetime
) -> None:
    await audit.append(
        session,
        key=f"source/{row.source_id}/{row.version}/{action}",
        actor=actor,
        action=action,
        subject=row.source_id,
        body={"before": before, "after": _recorded(row)},
        recorded_at=now,
    )


def _recorded(row: Source) -> dict[str, Any]:
    kept = {"name", "kind", "config", "cadence_seconds", "cadence_closed_seconds", "paused", "removed", "version"}
    return row.model_dump(mode="json", include=kept)


def _view(row: Source, last: IngestionRun | None, links: TemporalLinks) -> SourceView:
    config: SourceConfig = sources.config_of(row)
    health = "failing" if row.failures else "well" if row.last_success_at else "new"
    kept = set(SourceView.model_fields) - {"rate_group", "config", "credentials", "health", "last_run"}
    return SourceView(
        **row.model_dump(include=kept),
        rate_group=RATE_GROUPS[SourceKind(row.kind)].value,
        config=config.model_dump(mode="json"),
        credentials=list(credentials_of(config)),
        health="paused" if row.paused else health,
        last_run=None if last is None else run_view(last, links),
    )


def run_view(row: IngestionRun, links: TemporalLinks) -> RunView:
    url = links.workflow(row.workflow_id, "") if row.workflow_id else ""
    return RunView(**row.model_dump(include=set(RunView.model_fields) - {"temporal_url"}), temporal_url=url)


def _told(error: WorkflowFailureError) -> StonksError:
    """The step's own error: its code, and its words without the code."""
    cause = error.cause.cause if isinstance(error.cause, ActivityError) else error.cause
    if isinstance(cause, ApplicationError) and cause.type:
        return VendorRejected(cause.type, str(cause.message).removeprefix(cause.type).lstrip(":. "))
    return StonksError("SOURCE_TEST_FAILED", "See its workflow in the Temporal UI", reason=str(cause)[:300])
