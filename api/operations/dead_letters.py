"""Dead letters: failed workflows, which keep their input and history. List, retry from the failed step, discard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text
from sqlmodel import col, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowFailureError
from temporalio.client import WorkflowExecution as Execution
from temporalio.client import WorkflowExecutionStatus as Status
from temporalio.exceptions import ActivityError
from temporalio.service import RPCError, RPCStatusCode

from api.failures import as_stonks_error, of_page
from api.operations.histories import Diagnosis, diagnose
from api.operations.links import TemporalLinks
from api.operations.trading import valid_reason
from domain.errors import Conflict, NotFound, VendorUnavailable
from domain.ids import digest
from domain.submission import DiscardReport, DiscardRequest
from store import audit, outbox
from store.database import Database, upsert
from store.tables.platform import DeadLetterNote
from workflows import names
from workflows.client import begin_discard

TYPES = names.DEAD_LETTER_TYPES
FAILED = (Status.FAILED, Status.TIMED_OUT, Status.TERMINATED)
QUERY = (
    f"WorkflowType IN ({', '.join(repr(name) for name in TYPES)}) "
    "AND ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')"
)
PARALLEL = 8
MAXIMUM_RETRIES_AT_ONCE = 200
IN_FLIGHT = timedelta(seconds=60)
"""How long a submission of an order may still be on its way after its workflow was ended around it."""

DISCARD_SECONDS = 20.0
ORDER = "ExecuteOrder"

RETRIED, DISCARDED = "retried", "discarded"


class DeadLetter(BaseModel):
    workflow_id: str
    run_id: str
    workflow_type: str
    status: str
    """failed, timed_out or terminated."""
    stage: str
    failed_step: str = Field(description="activity or child workflow that gave up; empty: the workflow itself")
    error_type: str
    message: str
    attempts: int | None = Field(description="of the failed step; null: it was under way when the workflow ended")
    started_at: datetime
    closed_at: datetime | None
    temporal_url: str


class Filter(BaseModel):
    """Which dead letters are meant; everything given must match."""

    model_config = ConfigDict(extra="forbid")

    workflow_type: Annotated[str, Field(pattern=f"^({'|'.join(TYPES)})$")] | None = None
    stage: Annotated[str, Field(max_length=100)] | None = None
    error_type: Annotated[str, Field(max_length=200)] | None = None

    def matches(self, letter: DeadLetter) -> bool:
        return all(value is None or getattr(letter, name) == value for name, value in self)


class Retried(BaseModel):
    workflow_id: str
    run_id: str
    """The new run."""
    failed_run_id: str
    stage: str
    temporal_url: str


class NotRetried(BaseModel):
    workflow_id: str
    code: str
    detail: str


class BulkReport(BaseModel):
    retried: list[Retried]
    not_retried: list[NotRetried]


class Discarded(BaseModel):
    workflow_id: str
    run_id: str
    reason: str
    new: bool
    """False: it had been discarded before."""
    order_state: str | None = Field(default=None, description="how the order ended; null where it is not one")
    filled_quantity: str | None = None


async def list_page(
    client: Client,
    database: Database,
    links: TemporalLinks,
    *,
    wanted: Filter,
    limit: int,
    token: bytes = b"",
) -> tuple[list[DeadLetter], bytes]:
    """Read dead letters, the newest first, and the token of the next page (empty: there is none).

    A page may hold fewer than `limit`: what was retried, started again or discarded is left out after reading.
    """
    pages = client.list_workflows(QUERY, page_size=limit, next_page_token=token or None)
    found: list[DeadLetter] = []
    while not found:
        try:
            await pages.fetch_next_page()
        except RPCError as error:
            raise of_page(error, token) from error
        rows = list(pages.current_page or ())
        found = [letter for letter in await _read(client, database, links, rows) if wanted.matches(letter)]
        if not pages.next_page_token:
            break
    return found, pages.next_page_token or b""


async def retry(
    client: Client, database: Database, links: TemporalLinks, *, workflow_id: str, actor: str, reason: str = ""
) -> Retried:
    """Start again at the step that gave up; what was done before it is kept and not done again.

    The run is reset to the workflow task that scheduled the failed step. For an order this is safe at every step:
    the risk decision, the approval and the settlement write rows keyed by their inputs, and the submission asks the
    broker for the order's fixed client order id before it sends anything. So a retry is carried out only if the broker
    knows nothing of the order or knows this same order, which is then adopted; anything else under that id is refused
    as a collision.

    Raises:
        NotFound: no workflow has this id.
        Conflict: it did not fail, runs again already, or has no step to start at.
    """
    async with _alone(database, workflow_id):
        run = await _failed_run(client, workflow_id)
        diagnosis = await diagnose(client, workflow_id, run.run_id)
        if diagnosis.reset_event_id is None:
            raise Conflict(
                "NOTHING_TO_RETRY",
                "It ended before its first step: start it again instead, or discard it",
                workflow_id=workflow_id,
            )
        _require_landed(run, diagnosis)
        await _note(database, run, RETRIED, actor=actor, reason=reason)
        answer = await client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run.run_id),
                reason=f"retry by {actor}: {reason}".removesuffix(": "),
                workflow_task_finish_event_id=diagnosis.reset_event_id,
                request_id=digest("retry", workflow_id, run.run_id, diagnosis.reset_event_id),
            ),
            retry=False,
        )
    return Retried(
        workflow_id=workflow_id,
        run_id=answer.run_id,
        failed_run_id=run.run_id,
        stage=diagnosis.stage,
        temporal_url=links.workflow(workflow_id, answer.run_id),
    )


async def retry_all(
    client: Client, database: Database, links: TemporalLinks, *, wanted: Filter, actor: str, reason: str = ""
) -> BulkReport:
    """Retry every dead letter that matches, up to 200 at a time; one that cannot be retried stops no other."""
    report = BulkReport(retried=[], not_retried=[])
    token = b""
    while True:
        letters, token = await list_page(client, database, links, wanted=wanted, limit=PARALLEL * 5, token=token)
        for letter in letters:
            try:
                report.retried.append(
                    await retry(client, database, links, workflow_id=letter.workflow_id, actor=actor, reason=reason)
                )
            except Exception as error:
                known = as_stonks_error(error)
                if known is None:
                    raise
                report.not_retried.append(
                    NotRetried(workflow_id=letter.workflow_id, code=known.code, detail=str(known))
                )
            if len(report.retried) >= MAXIMUM_RETRIES_AT_ONCE:
                return report
        if not token:
            return report


async def discard(client: Client, database: Database, *, workflow_id: str, actor: str, reason: str) -> Discarded:
    """Take a dead letter off the list for good, with a reason. Its workflow and its history stay as they are.

    An order is brought to its end first: what the broker has is booked, what is open is canceled, its intent is closed.

    Raises:
        NotFound: no workflow has this id.
        Conflict: it did not fail, runs again, or the last attempt of its submission may still be under way.
        VendorUnavailable: the order's end is not certain yet. It goes on; a repeat finds what came of it.
    """
    reason = valid_reason(reason)
    async with _alone(database, workflow_id):
        run = await _failed_run(client, workflow_id)
        ended = None
        if run.workflow_type == ORDER:
            _require_landed(run, await diagnose(client, workflow_id, run.run_id))
            ended = await _end_order(client, run, actor=actor, reason=reason)
        new = await _note(database, run, DISCARDED, actor=actor, reason=reason)
    return Discarded(
        workflow_id=workflow_id,
        run_id=run.run_id,
        reason=reason,
        new=new,
        order_state=ended.state if ended is not None else None,
        filled_quantity=ended.filled_quantity if ended is not None else None,
    )


async def _end_order(client: Client, run: WorkflowExecutionDescription, *, actor: str, reason: str) -> DiscardReport:
    """Have the worker that holds the broker's keys end what is left of an order."""
    request = DiscardRequest(intent_id=names.intent_of(run.id), actor=actor, reason=reason, as_of=datetime.now(UTC))
    handle = await begin_discard(client, request, failed_run=run.run_id)
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            return await handle.result()
    except TimeoutError as error:
        raise VendorUnavailable(
            "DISCARD_NOT_FINISHED",
            "It goes on by itself; discard again to see what came of it. Does a worker of the queue `trading` run?",
            workflow_id=run.id,
            waited_seconds=int(DISCARD_SECONDS),
        ) from error
    except WorkflowFailureError as failure:
        cause = failure.cause.cause if isinstance(failure.cause, ActivityError) else failure.cause
        raise Conflict("DISCARD_FAILED", str(cause or failure), workflow_id=run.id) from failure


async def _read(
    client: Client, database: Database, links: TemporalLinks, rows: Sequence[Execution]
) -> list[DeadLetter]:
    """Keep the rows that are still dead letters, and say what is wrong with each."""
    discarded = await _discarded(database, rows)
    limit = asyncio.Semaphore(PARALLEL)

    async def one(row: Execution) -> DeadLetter | None:
        if (row.id, row.run_id) in discarded:
            return None
        async with limit:
            # The list lags behind, and an older run may have failed before a newer one went well: the newest counts.
            newest = await _newest(client, row.id)
            if newest is None or newest.run_id != row.run_id or newest.status not in FAILED:
                return None
            diagnosis = await diagnose(client, row.id, row.run_id)
        return _letter(newest, diagnosis, links)

    read = await asyncio.gather(*(one(row) for row in rows))
    return [letter for letter in read if letter is not None]


def _letter(run: WorkflowExecutionDescription, diagnosis: Diagnosis, links: TemporalLinks) -> DeadLetter:
    return DeadLetter(
        workflow_id=run.id,
        run_id=run.run_id,
        workflow_type=run.workflow_type,
        status=run.status.name.lower() if run.status is not None else "unknown",
        stage=diagnosis.stage,
        failed_step=diagnosis.step,
        error_type=diagnosis.error_type,
        message=diagnosis.message,
        attempts=diagnosis.attempts,
        started_at=run.start_time,
        closed_at=run.close_time,
        temporal_url=links.workflow(run.id, run.run_id),
    )


async def _discarded(database: Database, rows: Sequence[Execution]) -> set[tuple[str, str]]:
    async with database.transaction() as session:
        notes = await session.exec(
            select(DeadLetterNote.workflow_id, DeadLetterNote.run_id).where(
                col(DeadLetterNote.run_id).in_([row.run_id for row in rows]), DeadLetterNote.action == DISCARDED
            )
        )
        return set(notes.all())


async def letter_of(client: Client, links: TemporalLinks, workflow_id: str) -> DeadLetter:
    """One dead letter, also one that was discarded.

    Raises:
        NotFound: no workflow has this id.
        Conflict: it did not fail, or runs again.
    """
    run = await _failed_run(client, workflow_id)
    return _letter(run, await diagnose(client, run.id, run.run_id), links)


async def _newest(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # its retention ended between the list and now
            return None
        raise


async def _failed_run(client: Client, workflow_id: str) -> WorkflowExecutionDescription:
    newest = await _newest(client, workflow_id)
    if newest is None:
        raise NotFound("DEAD_LETTER_NOT_FOUND", "`stonks dead-letters list` shows what failed", workflow_id=workflow_id)
    if newest.workflow_type not in TYPES or newest.status not in FAILED:
        raise Conflict(
            "NOT_A_DEAD_LETTER",
            "Only failed documents, sources, backfills, inferences, orders and replays can be retried or discarded",
            workflow_id=workflow_id,
            workflow_type=newest.workflow_type,
            status=newest.status.name.lower() if newest.status else "unknown",
        )
    return newest


def _require_landed(run: WorkflowExecutionDescription, diagnosis: Diagnosis) -> None:
    """Refuse while the last attempt of an order's submission may still be under way beside the new one."""
    if diagnosis.step != "submit" or not diagnosis.under_way or run.close_time is None:
        return
    landed_at = run.close_time + IN_FLIGHT
    if datetime.now(UTC) < landed_at:
        raise Conflict(
            "ORDER_MAY_BE_IN_FLIGHT",
            "Its last attempt may still reach the broker: try again after that time",
            workflow_id=run.id,
            retry_after=landed_at.isoformat(timespec="seconds"),
        )


@asynccontextmanager
async def _alone(database: Database, workflow_id: str) -> AsyncIterator[None]:
    """Let one person at a time retry or discard a workflow, without a transaction that stays open meanwhile.

    The server does not recognise a repeated reset: a second one would end the run that the first has just started.
    """
    key = {"key": f"dead-letter/{workflow_id}"}
    async with database.engine.connect() as connection:
        lock = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await lock.execute(text("SELECT pg_advisory_lock(hashtextextended(:key, 0))"), key)
        try:
            yield
        finally:
            await lock.execute(text("SELECT pg_advisory_unlock(hashtextextended(:key, 0))"), key)


async def _note(database: Database, run: WorkflowExecutionDescription, action: str, *, actor: str, reason: str) -> bool:
    """Write down who does what to a run before it is done. False when the same stood there already."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        fresh = await audit.append(
            session,
            key=f"dead-letter/{run.id}/{run.run_id}/{action}",
            actor=actor,
            action=f"dead_letter_{action}",
            subject=run.id,
            body={"run_id": run.run_id, "reason": reason},
            recorded_at=now,
        )
        note = DeadLetterNote(
            workflow_id=run.id, run_id=run.run_id, action=action, actor=actor, reason=reason, recorded_at=now
        )
        await upsert(session, [note])
        if fresh:
            await outbox.publish(
                session,
                event_id=f"dead-letter/{run.id}/{run.run_id}/{action}",
                event=f"dead_letter_{action}",
                subject_id=run.id,
                body={"workflow_type": run.workflow_type, "status": action},
                occurred_at=now,
            )
    return fresh
