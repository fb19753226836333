"""What a failed workflow's history says: which step gave up, why, and where to start again.

Histories are read from their end, because what matters stands there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

EVENTS_A_PAGE = 200

_STAGES = {
    "parse": "parse",
    "extract": "extract",
    "save_evidence": "save",
    "record_failure": "save",
    "plan_run": "plan",
    "take_turn": "fetch",
    "fetch_page": "fetch",
    "register_page": "register",
    "end_run": "register",
    "fetch": "fetch",
    "release": "release",
    "plan_backfill": "plan",
    "register_batches": "register",
    "read_batch": "extract",
    "tell_symbols": "save",
    "end_backfill": "save",
    "propose_competitors": "infer",
    "record_inference_failure": "infer",
    "decide_risk": "risk",
    "recheck": "risk",
    "request_approval": "approval",
    "record_approval": "approval",
    "record_vote": "approval",
    "escalate_approval": "approval",
    "look_at_approval": "approval",
    "submit": "submit",
    "sync": "follow",
    "close_intent": "settle",
    "IngestSource": "fetch",
}
"""Stage by activity or child workflow; the steps of a replay carry their own names."""

_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


@dataclass(frozen=True)
class Diagnosis:
    """The step that gave up and the event to reset to. Empty values: the history does not say."""

    step: str = ""
    """Activity or child workflow that failed, or that was under way when the workflow was ended."""
    under_way: bool = False
    """Whether the step had not ended itself: the workflow was terminated or timed out around it."""
    attempts: int | None = None
    error_type: str = ""
    message: str = ""
    reset_event_id: int | None = None
    """The completed workflow task that scheduled the step. A reset keeps everything before it."""

    @property
    def stage(self) -> str:
        return _STAGES.get(self.step, self.step or "workflow")


async def diagnose(client: Client, workflow_id: str, run_id: str) -> Diagnosis:
    """Read a closed run's history from its end until the step that gave up is found."""
    reader = _Reader()
    async for event in _backwards(client, workflow_id, run_id):
        if reader.read(event):
            break
    return reader.found()


async def closing_failure(client: Client, workflow_id: str, run_id: str) -> Failure | None:
    """What a closed run failed with, causes and all; None where it was ended from outside."""
    async for event in _backwards(client, workflow_id, run_id, a_page=1):
        closing = event.workflow_execution_failed_event_attributes
        return closing.failure if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED else None
    return None


class _Reader:
    """Collects, event by event from the end, what a diagnosis needs."""

    def __init__(self) -> None:
        self._error_type = ""
        self._message = ""
        self._wanted: int | None = None
        """The event that scheduled the failed step, where the failure names it."""
        self._ended: set[int] = set()
        self._attempts: dict[int, int] = {}
        self._last_task: int | None = None
        self._step = ""
        self._under_way = False
        self._attempt: int | None = None
        self._reset: int | None = None
        self._closing_read = False

    def read(self, event: HistoryEvent) -> bool:
        """Take one event; True once nothing more is needed."""
        if not self._closing_read:
            self._read_closing(event)
            self._closing_read = True
            return False
        if event.event_type in _ENDS:
            self._ended.add(getattr(event, _ENDS[event.event_type]).scheduled_event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            started = event.activity_task_started_event_attributes
            self._attempts[started.scheduled_event_id] = started.attempt
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            self._last_task = self._last_task or event.event_id
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            return self._consider(
                event.event_id, scheduled.activity_type.name, scheduled.workflow_task_completed_event_id
            )
        elif event.event_type == EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
            child = event.start_child_workflow_execution_initiated_event_attributes
            if self._wanted == event.event_id:
                return self._consider(event.event_id, child.workflow_type.name, child.workflow_task_completed_event_id)
        return False

    def found(self) -> Diagnosis:
        return Diagnosis(
            step=self._step,
            under_way=self._under_way,
            attempts=self._attempt,
            error_type=self._error_type,
            message=self._message,
            reset_event_id=self._reset or self._last_task,
        )

    def _consider(self, event_id: int, name: str, task: int) -> bool:
        """Is this the step that gave up? Else, where no failure names one: was it under way at the end?"""
        if self._wanted is not None:
            if event_id != self._wanted:
                return False
        elif event_id in self._ended:
            return True  # the newest step had ended: the workflow was between steps
        else:
            self._under_way = True
        self._step, self._reset, self._attempt = name, task, self._attempts.get(event_id)
        return True

    def _read_closing(self, event: HistoryEvent) -> None:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            closing = event.workflow_execution_failed_event_attributes
            self._read_failure(closing.failure)
            self._last_task = closing.workflow_task_completed_event_id
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            self._error_type = "WORKFLOW_TERMINATED"
            self._message = event.workflow_execution_terminated_event_attributes.reason or "terminated by hand"
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            self._error_type, self._message = "WORKFLOW_TIMED_OUT", "the workflow as a whole took too long"

    def _read_failure(self, failure: Failure) -> None:
        """The outermost step that failed, and the innermost reason."""
        while True:
            if self._wanted is None and failure.HasField("activity_failure_info"):
                self._wanted = failure.activity_failure_info.scheduled_event_id
            elif self._wanted is None and failure.HasField("child_workflow_execution_failure_info"):
                self._wanted = failure.child_workflow_execution_failure_info.initiated_event_id
            if not failure.HasField("cause"):
                break
            # A cause without a type of its own (a chained Python exception) explains less than the error around it.
            if failure.HasField("application_failure_info") and failure.application_failure_info.type:
                break
            failure = failure.cause
        self._message = failure.message
        if failure.HasField("application_failure_info"):
            self._error_type = failure.application_failure_info.type
        elif failure.HasField("timeout_failure_info"):
            name = TimeoutType.Name(failure.timeout_failure_info.timeout_type)
            self._error_type = f"TIMEOUT_{name.removeprefix('TIMEOUT_TYPE_')}"
        self._error_type = self._error_type or "UNKNOWN"


async def _backwards(
    client: Client, workflow_id: str, run_id: str, *, a_page: int = EVENTS_A_PAGE
) -> AsyncIterator[HistoryEvent]:
    token = b""
    while True:
        page = await client.workflow_service.get_workflow_execution_history_reverse(
            GetWorkflowExecutionHistoryReverseRequest(
                namespace=client.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=a_page,
                next_page_token=token,
            ),
            retry=True,
        )
        for event in page.history.events:
            yield event
        token = page.next_page_token
        if not token:
            return
