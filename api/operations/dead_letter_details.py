"""One dead letter in full: its input, the chain of errors, and what people did about it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlmodel import col, select
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, RetryState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client

from api.operations import dead_letters
from api.operations.dead_letters import DeadLetter
from api.operations.histories import closing_failure
from api.operations.links import TemporalLinks
from domain.redaction import redacted
from store.database import Database
from store.tables.platform import DeadLetterNote

LONGEST_PAYLOAD = 20_000
MOST_CAUSES = 20


class ErrorLink(BaseModel):
    """One error of the chain; the next one is what caused it."""

    type: str
    message: str = Field(description="secrets taken out")
    step: str = Field(description="the activity or child workflow that it speaks of; empty: of none")
    attempts_exhausted: bool = Field(description="whether it was tried as often as its policy allows")


class NoteView(BaseModel):
    action: str
    """retried or discarded."""
    actor: str
    reason: str
    run_id: str
    recorded_at: datetime


class DeadLetterDetail(DeadLetter):
    payload: Any = Field(description="what it was started with: ids and numbers; null where it is not JSON")
    errors: list[ErrorLink]
    notes: list[NoteView] = Field(description="what people did with this and earlier runs, the newest first")


async def get(client: Client, database: Database, links: TemporalLinks, *, workflow_id: str) -> DeadLetterDetail:
    """One dead letter, also one that was discarded.

    Raises:
        NotFound: no workflow has this id.
        Conflict: it did not fail, or runs again.
    """
    letter = await dead_letters.letter_of(client, links, workflow_id)
    failure = await closing_failure(client, workflow_id, letter.run_id)
    async with database.transaction() as session:
        rows = await session.exec(
            select(DeadLetterNote)
            .where(DeadLetterNote.workflow_id == workflow_id)
            .order_by(col(DeadLetterNote.recorded_at).desc())
        )
        notes = [NoteView(**row.model_dump(include=set(NoteView.model_fields))) for row in rows]
    return DeadLetterDetail(
        **{**letter.model_dump(), "message": redacted(letter.message)},
        payload=await _payload(client, workflow_id, letter.run_id),
        errors=_chain(failure),
        notes=notes,
    )


async def _payload(client: Client, workflow_id: str, run_id: str) -> Any:
    """The input of the first event, as JSON."""
    answer = await client.workflow_service.get_workflow_execution_history(
        GetWorkflowExecutionHistoryRequest(
            namespace=client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=1,
        ),
        retry=True,
    )
    for event in answer.history.events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            found = [_decoded(each) for each in event.workflow_execution_started_event_attributes.input.payloads]
            return found[0] if len(found) == 1 else found or None
    return None


def _decoded(payload: Payload) -> Any:
    """A payload as JSON, without anything that may be a secret; None where it is none, or too long."""
    if len(payload.data) > LONGEST_PAYLOAD or not payload.metadata.get("encoding", b"").startswith(b"json/"):
        return None
    try:
        return _cleaned(json.loads(payload.data))
    except ValueError:
        return None


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _cleaned(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return redacted(value) if isinstance(value, str) else value


def _chain(failure: Failure | None) -> list[ErrorLink]:
    found: list[ErrorLink] = []
    while failure is not None and len(found) < MOST_CAUSES:
        found.append(_link(failure))
        if failure.application_failure_info.type:  # what lies behind it is the same in the words of the language
            break
        failure = failure.cause if failure.HasField("cause") else None
    return found


def _link(failure: Failure) -> ErrorLink:
    step, exhausted, kind = "", False, failure.application_failure_info.type
    if failure.HasField("activity_failure_info"):
        info = failure.activity_failure_info
        step, kind = info.activity_type.name, "ACTIVITY_FAILED"
        exhausted = info.retry_state == RetryState.RETRY_STATE_MAXIMUM_ATTEMPTS_REACHED
    elif failure.HasField("child_workflow_execution_failure_info"):
        step, kind = failure.child_workflow_execution_failure_info.workflow_type.name, "CHILD_FAILED"
    elif failure.HasField("timeout_failure_info"):
        kind = "TIMEOUT"
    elif failure.HasField("canceled_failure_info"):
        kind = "CANCELED"
    return ErrorLink(type=kind or "UNKNOWN", message=redacted(failure.message), step=step, attempts_exhausted=exhausted)
