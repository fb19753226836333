"""Schedules: what starts by itself, when it did last and will next, and pausing it.

A source's schedule follows its row in the book, so that pausing it pauses the source; the platform's own are paused in
Temporal, which keeps that over restarts.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from api.failures import of_page
from api.operations import sources
from api.operations.links import TemporalLinks
from api.operations.sources import SourceChange
from domain.errors import NotFound
from domain.redaction import redacted
from domain.trading import Reason
from store import audit, outbox
from store.database import Database
from workflows import names

RPC_TIMEOUT = timedelta(seconds=10)
PARALLEL = 8
NEXT_SHOWN = 3
_SOURCES = names.source_schedule_id("")


class ScheduleChange(BaseModel):
    """Whether it rests, and why: the note stands in the schedule and in the audit log."""

    model_config = ConfigDict(extra="forbid")

    paused: bool
    note: Annotated[Reason, Field(examples=["the vendor is down until Monday"])]


class ScheduleView(BaseModel):
    schedule_id: str
    kind: str
    """Of the job that it starts."""
    summary: str
    paused: bool
    note: str
    every_seconds: int | None = Field(description="null: by the calendar")
    next_at: list[datetime] = Field(description="the next times, also of one that is paused")
    last_at: datetime | None = Field(description="when it started something last; null: never, or it is forgotten")
    last_workflow_id: str
    last_url: str
    running: list[str] = Field(description="workflow ids of what it has started and what goes on")
    started: int
    skipped: int = Field(description="times at which the one before was still going on")
    missed: int = Field(description="times that passed while the server was away, for longer than it catches up")


async def list_page(
    client: Client, links: TemporalLinks, *, limit: int, token: bytes = b""
) -> tuple[list[ScheduleView], bytes]:
    """Read schedules and the token of the next page (empty: there is none). The list lags behind."""
    pages = await client.list_schedules(page_size=limit, next_page_token=token or None, rpc_timeout=RPC_TIMEOUT)
    try:
        await pages.fetch_next_page()
    except RPCError as error:
        raise of_page(error, token) from error
    slots = asyncio.Semaphore(PARALLEL)

    async def one(schedule_id: str) -> ScheduleView | None:
        async with slots:
            found = await _find(client, schedule_id)
            return None if found is None else await _view(found, links)

    read = await asyncio.gather(*(one(entry.id) for entry in pages.current_page or ()))
    return [each for each in read if each is not None], pages.next_page_token or b""


async def change(
    client: Client,
    database: Database,
    links: TemporalLinks,
    schedule_id: str,
    wanted: ScheduleChange,
    *,
    actor: str,
) -> ScheduleView:
    """Let a schedule rest, or start again. What it has started goes on.

    Raises:
        NotFound: there is none.
    """
    found = await _require(client, schedule_id)
    if schedule_id.startswith(_SOURCES):
        source_id = schedule_id.removeprefix(_SOURCES)
        await sources.change(database, client, links, source_id, SourceChange(paused=wanted.paused), actor=actor)
    now = datetime.now(UTC)
    async with database.transaction() as session:
        key = f"schedule/{schedule_id}/{now.isoformat()}"
        await audit.append(
            session,
            key=key,
            actor=actor,
            action="schedule_paused" if wanted.paused else "schedule_resumed",
            subject=schedule_id,
            body={"note": wanted.note, "was_paused": found.schedule.state.paused},
            recorded_at=now,
        )
        await outbox.publish(
            session,
            event_id=key,
            event="schedule_changed",
            subject_id=schedule_id,
            body={"paused": wanted.paused},
            occurred_at=now,
        )
    handle = client.get_schedule_handle(schedule_id)
    note = f"{wanted.note} ({actor})"
    if wanted.paused:
        await handle.pause(note=note, rpc_timeout=RPC_TIMEOUT)
    else:
        await handle.unpause(note=note, rpc_timeout=RPC_TIMEOUT)
    return await _view(await _require(client, schedule_id), links)


async def _require(client: Client, schedule_id: str) -> ScheduleDescription:
    found = await _find(client, schedule_id)
    if found is None:
        raise NotFound("SCHEDULE_NOT_FOUND", "`stonks schedules` lists them", schedule_id=schedule_id[:200])
    return found


async def _find(client: Client, schedule_id: str) -> ScheduleDescription | None:
    try:
        return await client.get_schedule_handle(schedule_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            return None
        raise


async def _view(found: ScheduleDescription, links: TemporalLinks) -> ScheduleView:
    schedule, info = found.schedule, found.info
    action = schedule.action
    last = info.recent_actions[-1] if info.recent_actions else None
    last_action = last.action if last is not None else None
    workflow_id = last_action.workflow_id if isinstance(last_action, ScheduleActionExecutionStartWorkflow) else ""
    intervals = schedule.spec.intervals
    return ScheduleView(
        schedule_id=found.id,
        kind=action.workflow if isinstance(action, ScheduleActionStartWorkflow) else "",
        summary=await _summary(found),
        paused=schedule.state.paused,
        note=redacted(schedule.state.note or ""),
        every_seconds=int(intervals[0].every.total_seconds()) if intervals else None,
        next_at=list(info.next_action_times[:NEXT_SHOWN]),
        last_at=last.started_at if last is not None else None,
        last_workflow_id=workflow_id,
        last_url=links.workflow(workflow_id) if workflow_id else "",
        running=[
            each.workflow_id for each in info.running_actions if isinstance(each, ScheduleActionExecutionStartWorkflow)
        ],
        started=info.num_actions,
        skipped=info.num_actions_skipped_overlap,
        missed=info.num_actions_missed_catchup_window,
    )


async def _summary(found: ScheduleDescription) -> str:
    """What the schedule says of what it starts."""
    action = found.schedule.action
    summary = action.static_summary if isinstance(action, ScheduleActionStartWorkflow) else None
    if summary is None or isinstance(summary, str):
        return summary or ""
    (said,) = await found.data_converter.decode([summary], [str])
    return str(said)
