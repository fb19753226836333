"""Backups and drills: list them, begin one, see what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import (
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)

from api.operations.links import TemporalLinks
from api.paging import Page
from domain.backup_run import BackupOutcome, BackUpRequest, BackupStep, DrillEnd, DrillRequest, DrillStep
from domain.backups import STALE_AFTER, BackupState, DrillState, Flaw, Trigger, backup_id
from domain.errors import VendorRejected
from domain.redaction import redacted
from store import backups, reconciliations
from store.database import Database
from store.keysets import Position
from store.tables.platform import Backup, BackupDrill
from workflows import names
from workflows.back_up import BackUp
from workflows.drill_backup import DrillBackup
from workflows.names import Queue

RPC_TIMEOUT = timedelta(seconds=30)
_AGAIN = "`stonks backup run` makes one now; `stonks backup list` shows what became of the last ones"
_STAGE = TypedSearchAttributes([SearchAttributePair(names.STAGE, "backup")])


class Nothing(BaseModel):
    """A body that may be left out, and has no fields."""

    model_config = ConfigDict(extra="forbid")


class DrillView(BaseModel):
    """A backup that was restored to a scratch database and looked at."""

    drill_id: str
    backup_id: str
    state: DrillState
    trigger: Trigger
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    seconds: float | None = Field(description="how long it took; null: it is under way")
    tables: int = Field(description="that were compared")
    rows: int
    objects: int = Field(description="that were read, each against its hash")
    histories: int = Field(description="of workflows that today's code was replayed against")
    flaw_count: int
    flaws: list[Flaw] = Field(description="the first fifty")
    error: str = Field(description="why it could not be carried out; empty: it was")
    temporal_url: str


class BackupView(BaseModel):
    """A backup, and the drills of it, the newest first."""

    backup_id: str = Field(examples=["20261127T083000Z"])
    state: BackupState
    trigger: Trigger
    requested_by: str
    location: str = Field(description="the directory, as the worker that wrote it sees it")
    created_at: datetime
    taken_at: datetime | None = Field(description="the instant that rows and counts are of")
    verified_at: datetime | None
    finished_at: datetime | None
    removed_at: datetime | None
    rows: int
    dump_bytes: int
    objects: int
    object_bytes: int
    copied: int = Field(description="objects that no earlier backup had")
    gaps: int = Field(description="objects that the book names and the object store did not have")
    manifest_sha256: str
    schema_revision: str
    product_version: str
    offsite: str = Field(description="stored, or why there is no copy elsewhere; empty: no other place is named")
    error: str
    drills: list[DrillView]
    temporal_url: str


class RestorationView(BaseModel):
    """The book was put back, and nobody has decided about trading since. What is left of before, as it is now."""

    restoration_id: str
    backup_id: str
    taken_at: datetime
    restored_at: datetime
    restored_by: str
    open_intents: int = Field(description="of before, that have not ended: nobody carries them but the comparison")
    pending_approvals: int
    documents: int = Field(description="of before, that wait to be read")
    compared_at: datetime | None = Field(description="the last comparison with the broker since; null: none was made")
    differences: int = Field(description="that wait for a person")


class BackupFinding(BaseModel):
    """One thing that there is to say of the backups."""

    ok: bool
    what: str
    next_step: str = Field(description="what to do about it; empty: nothing")


class BackupStanding(BaseModel):
    """How backups stand: what the doctor and the dashboard say of them."""

    newest_verified: BackupView | None
    stale: bool = Field(description="none of the last two days is verified, and the installation is older than that")
    newest: BackupView | None = Field(description="the newest that has ended, however it did")
    newest_drill: DrillView | None
    findings: list[BackupFinding] = Field(description="in words: the newest first, then what else is wrong")


class BackupPage(Page[BackupView]):
    """A page of backups, and how all of them stand."""

    standing: BackupStanding


async def list_recent(
    database: Database, links: TemporalLinks, *, limit: int, before: Position | None = None
) -> list[BackupView]:
    """Backups with their drills, the newest first."""
    async with database.transaction() as session:
        rows = await backups.list_recent(session, limit=limit, before=before)
        drills = await backups.drills_of(session, [row.backup_id for row in rows])
    return [_view(row, drills.get(row.backup_id, []), links) for row in rows]


async def get(database: Database, links: TemporalLinks, wanted: str) -> BackupView:
    """One backup.

    Raises:
        NotFound: there is none.
    """
    async with database.transaction() as session:
        row = await backups.require(session, wanted)
        drills = await backups.drills_of(session, [wanted])
    return _view(row, drills.get(wanted, []), links)


async def standing(database: Database, links: TemporalLinks) -> BackupStanding:
    """How backups stand: the newest that counts, the newest at all, and the newest drill."""
    async with database.transaction() as session:
        verified, newest = await backups.newest_verified(session), await backups.newest(session)
        drill, begun = await backups.newest_drill(session), await backups.begun_at(session)
    since = begun if verified is None else verified.taken_at or verified.created_at
    found = BackupStanding(
        newest_verified=None if verified is None else _view(verified, [], links),
        stale=since is not None and datetime.now(UTC) - since > STALE_AFTER,
        newest=None if newest is None else _view(newest, [], links),
        newest_drill=None if drill is None else drill_view(drill, links),
        findings=[],
    )
    return found.model_copy(update={"findings": [*_of_verified(found), *_of_failures(found)]})


async def restoration(database: Database) -> RestorationView | None:
    """The restoration that nobody has answered yet by resuming trading; None where there is none."""
    async with database.transaction() as session:
        row = await backups.standing_restoration(session)
        if row is None:
            return None
        last = await reconciliations.latest(session)
        waiting = await reconciliations.standing_differences(session)
        left = await backups.left_of_before(session, row.restored_at)
    since = last is not None and last.as_of > row.restored_at
    return RestorationView(
        **row.model_dump(include={"restoration_id", "backup_id", "taken_at", "restored_at", "restored_by"}),
        **left,
        compared_at=last.as_of if since and last is not None else None,
        differences=len(waiting),
    )


async def begin(database: Database, client: Client, links: TemporalLinks, *, actor: str) -> BackupView:
    """Begin a backup now.

    Raises:
        Conflict: one is under way.
    """
    now = datetime.now(UTC)
    step = BackupStep(backup_id=backup_id(now), trigger=Trigger.HAND, requested_by=actor, as_of=now)
    async with database.transaction() as session:
        await backups.begin(session, step)
    request = BackUpRequest(backup_id=step.backup_id, trigger=step.trigger, requested_by=actor)
    try:
        await client.start_workflow(
            BackUp.run,
            request,
            id=names.backup_workflow_id(step.backup_id),
            task_queue=Queue.OPS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_STAGE,
            static_summary="the book and its objects",
            rpc_timeout=RPC_TIMEOUT,
        )
    except Exception as error:  # nobody would work on it, and no other could begin
        async with database.transaction() as session:
            await backups.note_failed(session, step.backup_id, f"NOT_STARTED: {error}", at=datetime.now(UTC))
        raise
    return await get(database, links, step.backup_id)


async def begin_drill(
    database: Database, client: Client, links: TemporalLinks, wanted: str, *, actor: str
) -> DrillView:
    """Begin a drill of a backup now.

    Raises:
        NotFound: there is no such backup.
        Conflict: it is not verified, or another drill is under way.
    """
    now = datetime.now(UTC)
    step = DrillStep(drill_id=backup_id(now), backup_id=wanted, trigger=Trigger.HAND, requested_by=actor, as_of=now)
    async with database.transaction() as session:
        await backups.begin_drill(session, step)
    request = DrillRequest(drill_id=step.drill_id, backup_id=wanted, trigger=step.trigger, requested_by=actor)
    try:
        await client.start_workflow(
            DrillBackup.run,
            request,
            id=names.drill_workflow_id(step.drill_id),
            task_queue=Queue.OPS,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_STAGE,
            static_summary=f"{wanted}, restored and looked at",
            rpc_timeout=RPC_TIMEOUT,
        )
    except Exception as error:
        async with database.transaction() as session:
            await backups.end_drill(
                session, DrillEnd(drill_id=step.drill_id, error=f"NOT_STARTED: {error}"), at=datetime.now(UTC)
            )
        raise
    async with database.transaction() as session:
        return drill_view(await backups.require_drill(session, step.drill_id), links)


async def wait(client: Client, database: Database, links: TemporalLinks, wanted: str) -> BackupView:
    """Wait for a backup's end.

    Raises:
        VendorRejected: it did not come to one; the message says why.
    """
    handle = client.get_workflow_handle(names.backup_workflow_id(wanted), result_type=BackupOutcome)
    try:
        await handle.result()
    except WorkflowFailureError as error:
        failed = await get(database, links, wanted)
        raise VendorRejected("BACKUP_FAILED", failed.error or str(error), backup_id=wanted) from error
    return await get(database, links, wanted)


async def wait_drill(client: Client, database: Database, links: TemporalLinks, drill_id: str) -> DrillView:
    """Wait for a drill's end: also one that found flaws has come to it.

    Raises:
        VendorRejected: it could not be carried out; the message says why.
    """
    handle: Any = client.get_workflow_handle(names.drill_workflow_id(drill_id))
    failure: WorkflowFailureError | None = None
    try:
        await handle.result()
    except WorkflowFailureError as error:
        failure = error
    async with database.transaction() as session:
        view = drill_view(await backups.require_drill(session, drill_id), links)
    if failure is not None:
        raise VendorRejected("DRILL_FAILED", view.error or str(failure), drill_id=drill_id) from failure
    return view


def _of_verified(seen: BackupStanding) -> Iterator[BackupFinding]:
    """What counts, how old it is, and what it lacks."""
    verified = seen.newest_verified
    if verified is None:
        what = "none yet: the first is made in the coming night"
    else:
        what = f"the newest verified one is {verified.backup_id}, {verified.rows} rows, {verified.objects} objects"
    if seen.stale:
        what = "none is verified" if verified is None else f"none of the last two days is verified: {what}"
    yield BackupFinding(ok=not seen.stale, what=what, next_step=_AGAIN if seen.stale else "")
    if verified is None:
        return
    if verified.gaps:
        yield BackupFinding(
            ok=False,
            what=f"{verified.gaps} objects that the book names are missing",
            next_step=f"The manifest in {verified.location} names them; look at the object store, which has lost them",
        )
    if verified.offsite not in ("", backups.STORED):
        yield BackupFinding(
            ok=False,
            what=f"{verified.backup_id} is not stored elsewhere: {verified.offsite}",
            next_step="Put that right; the next backup copies what is missing",
        )


def _of_failures(seen: BackupStanding) -> Iterator[BackupFinding]:
    verified, newest, tried = seen.newest_verified, seen.newest, seen.newest_drill
    if newest is not None and newest.error and (verified is None or newest.backup_id > verified.backup_id):
        yield BackupFinding(
            ok=False, what=f"the last one, {newest.backup_id}, failed: {newest.error}", next_step=_AGAIN
        )
    if tried is not None and tried.state == DrillState.FAILED:
        said = str(tried.flaws[0]) if tried.flaws else tried.error
        yield BackupFinding(
            ok=False,
            what=f"the last drill, of {tried.backup_id}, failed with {tried.flaw_count} differences: {said}",
            next_step="Make a new backup (`stonks backup run`) and try it (`stonks backup drill`)",
        )


def _view(row: Backup, drills: Sequence[BackupDrill], links: TemporalLinks) -> BackupView:
    return BackupView(
        **row.model_dump(exclude={"error", "offsite"}),
        error=redacted(row.error),
        offsite=redacted(row.offsite),
        drills=[drill_view(each, links) for each in drills],
        temporal_url=links.workflow(names.backup_workflow_id(row.backup_id)) if row.trigger == Trigger.HAND else "",
    )


def drill_view(row: BackupDrill, links: TemporalLinks) -> DrillView:
    seconds = None if row.finished_at is None else (row.finished_at - row.created_at).total_seconds()
    return DrillView(
        **row.model_dump(exclude={"error", "flaws"}),
        flaws=[Flaw.model_validate(each) for each in row.flaws],
        error=redacted(row.error),
        seconds=None if seconds is None else round(seconds, 1),
        temporal_url=links.workflow(names.drill_workflow_id(row.drill_id)) if row.trigger == Trigger.HAND else "",
    )
