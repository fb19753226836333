"""What a worker counts: each item once, whatever became of the attempts before, and never by a replay."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Replayer,
    UnsandboxedWorkflowRunner,
    Worker,
    WorkflowRunner,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from activities.failures import FailureInterceptor
from activities.metering import MOST_VALUES, OTHER, Bounded, MeteringInterceptor, WorkMeter
from activities.steps import DEAD_LETTER_STAGES, STEPS
from cli.stack.supervisor import Stack
from domain.approvals import ApprovalStatus
from domain.backfill import ReadCounts, Registered
from domain.errors import VendorThrottled, VendorUnavailable
from domain.ingestion import DocumentOutcome, DocumentRequest, FetchTask, IngestReport, PageReport
from domain.research import AssessAllReport
from domain.sources import SourceKind
from domain.stages import PIPELINE
from domain.voting import ApprovalStanding
from store.pipeline import _QUERIES
from tests.observability.flows import GivesUp, NobodyWaitsFor, parse_nothing
from tests.observability.pages import Page
from workers.parts import Parts
from workers.registry import duties
from workers.settings import load
from workflows import names
from workflows.client import connect
from workflows.metering import FailureCounter
from workflows.names import Queue

pytestmark = pytest.mark.stack

NOW = datetime(2014, 7, 15, 20, tzinfo=UTC)
BROKER = {
    "STONKS_BROKER_URL": "http://nowhere.test",
    "STONKS_BROKER_KEY_ID": "id",
    "STONKS_BROKER_SECRET_KEY": "secret",
}


# --- every step has a place ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def parts(servers: Stack) -> AsyncIterator[Parts]:
    parts = await Parts.connect(load({**servers.environment(), **BROKER}))
    yield parts
    await parts.close()


async def test_steps_when_compared_with_the_registry_then_each_activity_has_one_and_nothing_else_does(
    parts: Parts,
) -> None:
    served = {
        activity._Definition.must_from_callable(each).name
        for queue in Queue
        for work in duties(queue, parts)
        for each in work.activities
    }

    assert set(STEPS) == served


async def test_task_queues_when_compared_with_the_registry_then_their_backlogs_are_asked_for(parts: Parts) -> None:
    served = [work for queue in Queue for work in duties(queue, parts)]

    assert sorted(names.activity_queues()) == sorted(work.task_queue for work in served if work.activities)
    assert sorted(names.WORKFLOW_QUEUES) == sorted(work.task_queue for work in served if work.workflows)


def test_stages_when_compared_with_the_pipelines_health_then_they_have_the_same_names() -> None:
    assert list(_QUERIES) == [stage.value for stage in PIPELINE]
    assert set(DEAD_LETTER_STAGES) == set(names.DEAD_LETTER_TYPES)


# --- one attempt after the other -----------------------------------------------------------------------------------


class Attempts(ActivityInboundInterceptor):
    """Stands in for the activity: what each attempt ends with."""

    def __init__(self, *ends: Any) -> None:
        self._ends = iter(ends)
        self.seen: list[dict[str, Any]] = []

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        self.seen.append(dict(structlog.contextvars.get_contextvars()))
        end = next(self._ends)
        if isinstance(end, BaseException):
            raise end
        return end


async def attempt(attempts: ActivityInboundInterceptor, number: int = 1, *, given: Any = None, **changes: Any) -> Any:
    """Run one attempt as a worker does: the meter outside, then the translation of errors."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, **{"activity_type": "save_evidence", "attempt": number, **changes})

    async def run() -> Any:
        return await attempts.execute_activity(
            ExecuteActivityInput(fn=lambda: None, args=[given], executor=None, headers={})
        )

    return await environment.run(run)


def metered(meter: WorkMeter, attempts: Attempts) -> ActivityInboundInterceptor:
    return MeteringInterceptor(meter).intercept_activity(FailureInterceptor().intercept_activity(attempts))


DONE = DocumentOutcome(doc_id="d1", status="processed", events=0, symbols=(), dropped=0)


async def test_step_when_two_attempts_fail_before_it_succeeds_then_its_item_counts_once_and_each_failure_too() -> None:
    meter = WorkMeter()
    away = VendorUnavailable("STORE_AWAY")
    step = metered(meter, Attempts(away, TypeError("a bug"), DONE))

    with pytest.raises(ApplicationError):
        await attempt(step, 1)
    with pytest.raises(TypeError):
        await attempt(step, 2)
    await attempt(step, 3)

    page = Page.of_registry(meter.registry)
    assert page.by("stonks_stage_items_total", "outcome", stage="read") == {"processed": 1}
    assert page.by("stonks_stage_failures_total", "reason", stage="read") == {"STORE_AWAY": 1, "TypeError": 1}
    assert page.value("stonks_stage_duration_seconds_count", stage="read") == 3
    assert page.value("stonks_active_jobs", stage="read") == 0


async def test_step_when_it_succeeded_and_its_answer_was_lost_then_the_repeat_does_not_count() -> None:
    meter = WorkMeter()
    step = metered(meter, Attempts(DONE, DONE, DONE))

    await attempt(step, 1)
    await attempt(step, 2)
    await attempt(step, 1, activity_id="another")

    assert Page.of_registry(meter.registry).by("stonks_stage_items_total", "outcome") == {"processed": 2}


async def test_step_when_it_is_under_way_then_it_is_an_active_job_unless_it_only_waits() -> None:
    meter = WorkMeter()
    begun, let_go = asyncio.Event(), asyncio.Event()

    class Waiting(Attempts):
        async def execute_activity(self, input: ExecuteActivityInput) -> Any:
            begun.set()
            await let_go.wait()
            return DONE

    async def during(activity_type: str) -> dict[str, float]:
        begun.clear()
        let_go.clear()
        task = asyncio.create_task(attempt(metered(meter, Waiting()), activity_type=activity_type))
        await begun.wait()
        found = Page.of_registry(meter.registry).by("stonks_active_jobs", "stage")
        let_go.set()
        await task
        return found

    assert await during("save_evidence") == {"read": 1}
    assert await during("plan_notifications") == {}
    assert Page.of_registry(meter.registry).by("stonks_active_jobs", "stage") == {}


async def test_request_to_a_vendor_when_it_is_answered_or_throttled_then_it_counts_by_kind_and_outcome() -> None:
    meter = WorkMeter()
    task = FetchTask.model_construct(kind=SourceKind.FEED)
    throttled = VendorThrottled("VENDOR_THROTTLED", retry_after_seconds=1)
    step = metered(meter, Attempts(throttled, None))

    with pytest.raises(ApplicationError):
        await attempt(step, 1, given=task, activity_type="fetch_page")
    await attempt(step, 2, given=task, activity_type="fetch_page")

    page = Page.of_registry(meter.registry)
    assert page.by("stonks_source_requests_total", "outcome", kind="feed") == {"VENDOR_THROTTLED": 1, "answered": 1}
    assert page.by("stonks_stage_failures_total", "reason", stage="ingest") == {"VENDOR_THROTTLED": 1}


async def test_step_when_it_is_canceled_then_that_is_the_reason() -> None:
    meter = WorkMeter()

    with pytest.raises(asyncio.CancelledError):
        await attempt(metered(meter, Attempts(asyncio.CancelledError())))

    assert Page.of_registry(meter.registry).by("stonks_stage_failures_total", "reason") == {"CANCELED": 1}


@pytest.mark.parametrize(
    ("activity_type", "result", "counted"),
    [
        ("register_page", PageReport(counts={"read": 5, "registered": 3, "rejected": 2}, recorded_at=NOW), (3, 2)),
        ("read_batch", ReadCounts(processed=48, failed=2), (48, 2)),
        ("assess_universe", AssessAllReport(as_of=NOW, assessed=40, changed=2), (40,)),
        ("record_vote", ApprovalStanding(status=ApprovalStatus.APPROVED), (1,)),
        ("record_vote", ApprovalStanding(status=ApprovalStatus.PENDING), ()),
        ("record_vote", ApprovalStanding(status=ApprovalStatus.APPROVED, refusal="APPROVAL_DECIDED"), ()),
        ("record_approval", ApprovalStanding(status=ApprovalStatus.EXPIRED), (1,)),
        ("record_approval", ApprovalStanding(status=ApprovalStatus.APPROVED), ()),
        ("record_approval", None, ()),
    ],
)
async def test_step_when_it_completes_many_items_then_each_counts(
    activity_type: str, result: Any, counted: tuple[int, ...]
) -> None:
    meter = WorkMeter()

    await attempt(metered(meter, Attempts(result)), activity_type=activity_type)

    found = Page.of_registry(meter.registry).by("stonks_stage_items_total", "outcome")
    assert sorted(found.values(), reverse=True) == list(counted)


async def test_step_when_its_result_cannot_be_counted_then_it_has_succeeded_all_the_same() -> None:
    meter = WorkMeter()

    assert await attempt(metered(meter, Attempts("not what was promised"))) == "not what was promised"

    assert not Page.of_registry(meter.registry).by("stonks_stage_items_total", "outcome")


@pytest.mark.parametrize(("last", "counted"), [(False, {}), (True, {"registered": 70, "duplicates": 5})])
async def test_backfill_when_its_segments_are_registered_then_the_run_counts_once_with_the_last(
    last: bool, counted: dict[str, int]
) -> None:
    meter = WorkMeter()
    report = IngestReport(run_id="r", source_id="s", read=75, registered=70, duplicates=5)
    registered = Registered(report=report, batches=2, records=75, segment=None, last=last)

    await attempt(metered(meter, Attempts(registered)), activity_type="register_batches")

    assert Page.of_registry(meter.registry).by("stonks_stage_items_total", "outcome", stage="ingest") == counted


async def test_step_when_it_logs_then_the_line_says_of_what_it_is_and_nothing_stays_behind() -> None:
    attempts = Attempts(DONE)
    await attempt(
        metered(WorkMeter(), attempts), 2, workflow_id="document/d1", workflow_run_id="run-1", activity_id="7"
    )

    assert attempts.seen == [
        {"activity": "save_evidence", "workflow_id": "document/d1", "run_id": "run-1", "attempt": 2}
    ]
    assert "workflow_id" not in structlog.contextvars.get_contextvars()


def test_gauge_when_it_cannot_be_read_then_it_is_no_number_and_the_others_are_there() -> None:
    meter = WorkMeter()
    meter.gauge("stonks_test_good", "", lambda: 7.0)
    meter.gauge("stonks_test_broken", "", lambda: 1 / 0)

    page = Page.of_registry(meter.registry)

    assert page.value("stonks_test_good") == 7
    assert math.isnan(page.value("stonks_test_broken"))


def test_label_when_values_never_end_then_those_beyond_the_limit_are_one() -> None:
    bounded = Bounded()

    found = {bounded(f"CODE_{number}") for number in range(10 * MOST_VALUES)}

    assert len(found) == MOST_VALUES + 1
    assert bounded("CODE_0") == "CODE_0"
    assert bounded("one more") == OTHER


# --- dead letters --------------------------------------------------------------------------------------------------


async def _failed(client: Client, meter: WorkMeter, runner: WorkflowRunner, number: int) -> WorkflowHistory:
    queue = f"dead-letters-{number}"
    async with Worker(
        client,
        task_queue=queue,
        workflows=[GivesUp, NobodyWaitsFor],
        activities=[parse_nothing],
        workflow_runner=runner,
        interceptors=[MeteringInterceptor(meter), FailureInterceptor(), FailureCounter(meter.gave_up)],
        max_cached_workflows=0,  # every task begins with a replay
    ):
        request = DocumentRequest(doc_id=f"d{number}", source_id="wire")
        handle = await client.start_workflow("ProcessDocument", request, id=f"gives-up-{number}", task_queue=queue)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        with pytest.raises(WorkflowFailureError):
            await client.execute_workflow("TryAgent", id=f"no-letter-{number}", task_queue=queue)
        return await handle.fetch_history()


@pytest.mark.parametrize("runner", [UnsandboxedWorkflowRunner(), SandboxedWorkflowRunner()], ids=["plain", "sandbox"])
async def test_workflow_when_it_gives_up_then_it_is_one_dead_letter_by_its_errors_code_and_a_replay_is_none(
    servers: Stack, runner: WorkflowRunner
) -> None:
    meter = WorkMeter()
    environment = servers.environment()
    client = await connect(environment["STONKS_TEMPORAL_ADDRESS"], environment["STONKS_TEMPORAL_NAMESPACE"])
    history = await _failed(client, meter, runner, id(meter))
    await Replayer(
        workflows=[GivesUp],
        workflow_runner=runner,
        data_converter=pydantic_data_converter,
        interceptors=[FailureCounter(meter.gave_up)],
    ).replay_workflow(history)

    page = Page.of_registry(meter.registry)
    assert page.by("stonks_dead_letters_total", "reason", stage="read") == {"TEXT_EMPTY": 1}
    assert page.sum("stonks_dead_letters_total") == 1
    assert page.by("stonks_stage_failures_total", "reason") == {"TEXT_EMPTY": 1}
