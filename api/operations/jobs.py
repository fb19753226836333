"""Jobs: what runs, what ran, and ending something that need not go on. A job is a workflow.

Lists come from Temporal, which lags behind by a moment; a single job is asked for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from api.failures import of_page
from api.instants import Instant
from api.operations.histories import diagnose
from api.operations.links import TemporalLinks
from api.operations.trading import valid_reason
from domain.errors import Conflict, InvalidInput, NotFound
from domain.redaction import redacted
from store import audit, outbox
from store.database import Database
from workflows import names

RPC_TIMEOUT = timedelta(seconds=10)
TELLING_TIMEOUT = timedelta(seconds=1)
"""For a job's own word on how far it is: its worker may be away, and the rest is known without it."""
PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")

STAGES: Mapping[str, tuple[str, ...]] = {
    "ingest": ("IngestSource", "BackfillDocuments", "TrySource"),
    "document": ("ProcessDocument", "ReadInShadow", "IndexDocuments"),
    "research": ("ResearchSymbol", "ResearchUniverse", "RewriteThesis", "WhatIf"),
    "trading": ("TradingEngine",),
    "order": ("ExecuteOrder", "DiscardOrder"),
    "reconcile": ("ReconcileBroker",),
    "agents": ("EvaluateAgent", "TryAgent"),
    "competitors": ("InferCompetitors", "MeasureComovement"),
    "backtest": ("RunBacktest", "SweepBacktests", "CompareDay"),
    "replay": ("ReplayPeriod",),
    "notify": ("Notify", "SendNotification"),
    "lake": ("PublishLake",),
    "schedules": ("ReconcileSchedules",),
    "backup": ("BackUp", "DrillBackup"),
}
"""Kinds of jobs by the part of the platform that they belong to."""
_STAGE_OF = {kind: stage for stage, kinds in STAGES.items() for kind in kinds}
KINDS = tuple(sorted(_STAGE_OF))

_INSTEAD: Mapping[str, str] = {
    "TradingEngine": "`stonks pause` or `stonks halt` stop trading; the engine itself must be there to hear the resume",
    "ExecuteOrder": "`stonks orders cancel ORDER` cancels it at the broker; one that waits in the inbox is declined",
    "DiscardOrder": "It ends by itself, once the broker has said what became of the order",
    "ResearchSymbol": "It sends nothing by itself: `stonks pause` keeps anything from being bought",
    "ResearchUniverse": "It sends nothing by itself: `stonks pause` keeps anything from being bought",
    "ReconcileBroker": "It ends by itself; `stonks schedules pause reconcile/schedule` keeps it from being started",
    "ReconcileSchedules": "It ends by itself",
    "Notify": "Take the routes out of `stonks notifications config`: then nobody is told anything",
    "SendNotification": "Take its channel out of `stonks notifications config`: then it gives up",
}
"""What is never canceled, and what to do in its place."""


class JobStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    TERMINATED = "terminated"
    CONTINUED = "continued_as_new"
    TIMED_OUT = "timed_out"


_STATUS = {
    JobStatus.RUNNING: "Running",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Failed",
    JobStatus.CANCELED: "Canceled",
    JobStatus.TERMINATED: "Terminated",
    JobStatus.CONTINUED: "ContinuedAsNew",
    JobStatus.TIMED_OUT: "TimedOut",
}


class JobFilter(BaseModel):
    """Which jobs are meant; everything given must match."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    kind: Annotated[str | None, Field(max_length=60, description="For example ProcessDocument")] = None
    stage: Annotated[str | None, Field(max_length=60, description="For example document, order or backtest")] = None
    status: JobStatus | None = None
    first: Annotated[Instant | None, Field(alias="from", description="started at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="started at or before")] = None

    def query(self) -> str:
        """As Temporal's list filter.

        Raises:
            InvalidInput: a kind or a stage that there is not.
        """
        parts = []
        if self.kind is not None:
            parts.append(_types("kind", self.kind, {kind: (kind,) for kind in KINDS}))
        if self.stage is not None:
            parts.append(_types("stage", self.stage, STAGES))
        if self.status is not None:
            parts.append(f"ExecutionStatus = '{_STATUS[self.status]}'")
        if self.first is not None:
            parts.append(f"StartTime >= '{_instant(self.first)}'")
        if self.last is not None:
            parts.append(f"StartTime <= '{_instant(self.last)}'")
        return " AND ".join(parts)


class JobView(BaseModel):
    workflow_id: str
    run_id: str
    kind: str
    stage: str
    status: JobStatus
    state: str = Field(description="where it stands by its own word, as orders say it; empty: it does not say")
    symbol: str
    source: str
    queue: str
    started_at: datetime
    closed_at: datetime | None
    temporal_url: str


class PendingStep(BaseModel):
    """An activity that is under way, or that waits for its next attempt."""

    activity: str
    state: str
    """scheduled, started, cancel_requested, paused."""
    attempt: int
    maximum_attempts: int = Field(description="0: without end")
    last_failure: str = Field(description="of the attempt before, secrets taken out; empty: there was none")
    last_failure_type: str
    scheduled_at: datetime | None = Field(description="of the next attempt, where one waits")
    last_started_at: datetime | None
    last_heartbeat_at: datetime | None


class JobFailure(BaseModel):
    """Why it failed."""

    step: str
    stage: str
    error_type: str
    message: str
    attempts: int | None


class JobDetail(JobView):
    summary: str
    parent_id: str
    children: list[str]
    progress: str = Field(description="how far it is, by its own word; empty: it does not say, or no worker answers")
    events: int = Field(description="of its history so far")
    problems: list[str] = Field(description="why its code cannot go on, by Temporal's word; empty: it can")
    pending: list[PendingStep]
    failure: JobFailure | None = Field(description="null: it has not failed")
    cancelable: bool
    instead: str = Field(description="what to do where it is not canceled")


class JobCancel(BaseModel):
    workflow_id: str
    run_id: str
    status: str
    """`canceling`: it ends by itself, after it has noted how."""
    temporal_url: str


async def list_page(
    client: Client, links: TemporalLinks, wanted: JobFilter, *, limit: int, token: bytes = b""
) -> tuple[list[JobView], bytes]:
    """Read jobs, the newest first, and the token of the next page (empty: there is none)."""
    pages = client.list_workflows(
        wanted.query() or None, page_size=limit, next_page_token=token or None, rpc_timeout=RPC_TIMEOUT
    )
    try:
        await pages.fetch_next_page()
    except RPCError as error:
        raise of_page(error, token) from error
    return [_view(row, links) for row in pages.current_page or ()], pages.next_page_token or b""


async def get(client: Client, links: TemporalLinks, workflow_id: str) -> JobDetail:
    """One job as it stands: its newest run.

    Raises:
        NotFound: no workflow has this id.
    """
    found = await _describe(client, workflow_id)
    raw = found.raw_description
    seen = _view(found, links)
    failure = None
    if seen.status in (JobStatus.FAILED, JobStatus.TERMINATED, JobStatus.TIMED_OUT):
        diagnosis = await diagnose(client, workflow_id, found.run_id)
        failure = JobFailure(
            step=diagnosis.step,
            stage=diagnosis.stage,
            error_type=diagnosis.error_type,
            message=redacted(diagnosis.message),
            attempts=diagnosis.attempts,
        )
    return JobDetail(
        **seen.model_dump(),
        summary=redacted(await found.static_summary() or ""),
        parent_id=found.parent_id or "",
        children=[child.workflow_id for child in raw.pending_children],
        progress=redacted(await _progress(client, found)) if seen.status is JobStatus.RUNNING else "",
        events=found.history_length,
        problems=[redacted(each) for each in found.typed_search_attributes.get(PROBLEMS) or ()],
        pending=[_pending(each) for each in raw.pending_activities],
        failure=failure,
        cancelable=seen.kind not in _INSTEAD,
        instead=_INSTEAD.get(seen.kind, ""),
    )


async def cancel(
    client: Client, database: Database, links: TemporalLinks, workflow_id: str, *, reason: str, actor: str
) -> JobCancel:
    """Ask a job to end; asking again changes nothing.

    Raises:
        NotFound: no workflow has this id.
        Conflict: it is never canceled, or it has ended.
    """
    reason = valid_reason(reason)
    found = await _describe(client, workflow_id)
    if instead := _INSTEAD.get(found.workflow_type):
        raise Conflict("JOB_NOT_CANCELABLE", instead, workflow_id=workflow_id, kind=found.workflow_type)
    if found.status is not WorkflowExecutionStatus.RUNNING:
        raise Conflict(
            "JOB_HAS_ENDED",
            "There is nothing to cancel: `stonks dead-letters` retries or discards what failed",
            workflow_id=workflow_id,
            status=_status(found).value,
        )
    now = datetime.now(UTC)
    async with database.transaction() as session:
        key = f"job/{workflow_id}/{found.run_id}/cancel"
        fresh = await audit.append(
            session,
            key=key,
            actor=actor,
            action="job_cancel_requested",
            subject=workflow_id,
            body={"run_id": found.run_id, "kind": found.workflow_type, "reason": reason},
            recorded_at=now,
        )
        if fresh:
            await outbox.publish(
                session,
                event_id=key,
                event="job_cancel_requested",
                subject_id=workflow_id,
                body={"workflow_type": found.workflow_type, "status": "canceling"},
                occurred_at=now,
            )
    await client.get_workflow_handle(workflow_id, run_id=found.run_id).cancel(rpc_timeout=RPC_TIMEOUT)
    return JobCancel(
        workflow_id=workflow_id,
        run_id=found.run_id,
        status="canceling",
        temporal_url=links.workflow(workflow_id, found.run_id),
    )


async def _describe(client: Client, workflow_id: str) -> WorkflowExecutionDescription:
    try:
        return await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise NotFound(
                "JOB_NOT_FOUND", "`stonks jobs` lists them; old ones are forgotten", workflow_id=workflow_id[:200]
            ) from error
        raise


async def _progress(client: Client, found: WorkflowExecutionDescription) -> str:
    """What the workflow says of itself; every SDK answers this query."""
    handle = client.get_workflow_handle(found.id, run_id=found.run_id)
    try:
        told = await handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata, rpc_timeout=TELLING_TIMEOUT
        )
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        return ""
    return str(told.current_details)


def _view(row: WorkflowExecution, links: TemporalLinks) -> JobView:
    attributes = row.typed_search_attributes
    return JobView(
        workflow_id=row.id,
        run_id=row.run_id,
        kind=row.workflow_type,
        stage=_STAGE_OF.get(row.workflow_type, "other"),
        status=_status(row),
        state=attributes.get(names.STATE) or "",
        symbol=attributes.get(names.SYMBOL) or "",
        source=attributes.get(names.SOURCE) or "",
        queue=row.task_queue,
        started_at=row.start_time,
        closed_at=row.close_time,
        temporal_url=links.workflow(row.id, row.run_id),
    )


def _status(row: WorkflowExecution) -> JobStatus:
    return JobStatus(row.status.name.lower()) if row.status is not None else JobStatus.RUNNING


def _pending(info: PendingActivityInfo) -> PendingStep:
    failure = info.last_failure if info.HasField("last_failure") else None
    inner = _innermost(failure) if failure is not None else None
    state = PendingActivityState.Name(info.state).removeprefix("PENDING_ACTIVITY_STATE_").lower()
    return PendingStep(
        activity=info.activity_type.name,
        state=state,
        attempt=info.attempt,
        maximum_attempts=info.maximum_attempts,
        last_failure=redacted(inner.message) if inner is not None else "",
        last_failure_type=inner.application_failure_info.type if inner is not None else "",
        scheduled_at=_time(info, "scheduled_time"),
        last_started_at=_time(info, "last_started_time"),
        last_heartbeat_at=_time(info, "last_heartbeat_time"),
    )


def _innermost(failure: Failure) -> Failure:
    """The reason below what only passes it on."""
    while failure.HasField("cause") and not failure.application_failure_info.type:
        failure = failure.cause
    return failure


def _time(info: Any, name: str) -> datetime | None:
    return getattr(info, name).ToDatetime(tzinfo=UTC) if info.HasField(name) else None


def _types(field: str, wanted: str, known: Mapping[str, tuple[str, ...]]) -> str:
    if wanted not in known:
        raise InvalidInput("CHOICE_INVALID", field=field, found=wanted, allowed=", ".join(known))
    return f"WorkflowType IN ({', '.join(repr(kind) for kind in known[wanted])})"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
