"""Jobs and schedules on their pages: how far something is, ending it, and what starts by itself."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleIntervalSpec, ScheduleSpec
from temporalio.common import WorkflowIDReusePolicy

from api.dashboard.client import Reading
from api.dashboard.routes.jobs import STAGES, page_of, runs_at_once, started
from api.operations.jobs import STAGES as KNOWN_STAGES
from tests.api.harness import Platform, caller, eventually
from tests.dashboard.test_pages import assert_sound
from tests.dashboard.visitor import Visitor
from workflows import names
from workflows.names import Queue
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module", autouse=True)
async def _engine_answers(platform: Platform) -> AsyncIterator[None]:
    """Without a worker every page would wait for the engine's word as long as it waits at most."""
    async with platform.working(Queue.TRADING):
        yield


async def test_job_when_canceled_on_its_page_then_it_takes_a_reason_and_temporal_is_asked(
    platform: Platform, visitor: Visitor
) -> None:
    workflow_id = f"document/{uuid.uuid4().hex}"
    handle = await platform.parts.client.start_workflow(
        ProcessDocument.run,
        {"doc_id": "x", "source_id": "x"},
        id=workflow_id,
        task_queue="nobody",
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
    )
    page = await visitor.get(f"/jobs/{workflow_id.replace('/', '%2F')}")
    assert_sound(page)
    assert workflow_id in page.text
    assert page.tree.xpath("//a[contains(@href, 'ui.test') and text()='History in Temporal']")
    refused = await visitor.fill(page, "/jobs/cancel", reason="", status=422)
    assert_sound(refused)
    assert refused.tree.xpath("//input[@id='cancel-reason']/@aria-invalid") == ["true"]
    done = await visitor.fill(refused, "/jobs/cancel", reason="it need not go on")
    assert "asked to end" in done.text
    told = [event async for event in handle.fetch_history_events()]
    assert any(event.HasField("workflow_execution_cancel_requested_event_attributes") for event in told)
    await handle.terminate()
    ended = await visitor.fill(page, "/jobs/cancel", reason="once more", status=409)
    assert ended.tree.xpath("//main//*[@role='alert']//code/text()[.='JOB_HAS_ENDED']")


async def test_job_when_it_is_never_canceled_then_the_page_says_what_to_do_instead(
    platform: Platform, visitor: Visitor
) -> None:
    await platform.parts.flows.ensure_engine()

    async def telling() -> Any:
        page = await visitor.get(f"/jobs/{names.TRADING_ENGINE}")
        return page if page.tree.xpath("//p[@class='lead']") else None

    page = await eventually(telling)
    assert_sound(page)
    assert "It is not canceled." in page.text
    assert page.tree.xpath("//form[@action='/jobs/cancel']") == []


async def test_schedule_when_paused_and_resumed_then_it_takes_a_reason_and_temporal_follows(
    platform: Platform, visitor: Visitor
) -> None:
    identity = f"dashboard/{uuid.uuid4().hex}"
    made = await platform.parts.client.create_schedule(
        identity,
        Schedule(
            action=ScheduleActionStartWorkflow(
                ProcessDocument.run, {"doc_id": "x", "source_id": "x"}, id=identity, task_queue="nobody"
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=300))]),
        ),
    )

    async def listed() -> Any:
        page = await visitor.get("/jobs")
        return page if identity in page.tree.xpath("//input[@name='schedule_id']/@value") else None

    async def schedule() -> Any:
        rows = (await caller(platform).get("/v1/schedules", limit=200))["data"]
        return next(row for row in rows if row["schedule_id"] == identity)

    page = await eventually(listed)
    assert_sound(page)
    for act, paused, said in (("pause", True, "The schedule rests"), ("resume", False, "The schedule goes on")):
        (form,) = page.tree.xpath(
            f"//form[@action='/schedules/{act}' and input[@name='schedule_id' and @value='{identity}']]"
        )
        assert form.xpath(".//input[@name='note' and @required]")
        sent = {**dict(form.form_values()), "note": "looked at"}
        answer = await visitor("POST", f"/schedules/{act}", data=sent, follow_redirects=True)
        page = type(page)(answer)
        assert said in page.text
        assert (await schedule())["paused"] is paused
    await made.delete()


async def test_schedule_when_there_is_none_then_the_problem_says_so(visitor: Visitor) -> None:
    sent = dict((await visitor.get("/jobs")).form("/pause").form_values())
    answer = await visitor("POST", "/schedules/pause", data={**sent, "schedule_id": "none", "note": "x"})
    assert (answer.status_code, "SCHEDULE_NOT_FOUND" in answer.text) == (404, True)


def test_stages_when_compared_with_the_api_then_every_one_can_be_chosen() -> None:
    assert set(STAGES) == set(KNOWN_STAGES)


def test_started_when_several_kinds_ran_then_what_goes_on_is_first_and_what_cannot_be_read_is_left_out() -> None:
    def row(identity: str, status: str, day: int) -> dict[str, str]:
        return {"workflow_id": identity, "status": status, "started_at": f"2026-01-0{day}T00:00:00Z"}

    found = {
        "backtests": Reading(value={"data": [row("a", "completed", 3), row("b", "running", 1)]}),
        "replays": Reading(value={"data": [row("c", "failed", 4), row("d", "running", 2)]}),
        "backfills": Reading(value=None),
    }
    assert [each["workflow_id"] for each in started(found)] == ["d", "b", "c", "a"]


@pytest.mark.parametrize(
    ("identity", "path"),
    [
        ("backtest/0123", "/backtests/0123"),
        ("symbol/BRK.B", "/symbols/BRK.B"),
        ("document/../../x", "/documents/..%2F..%2Fx"),
        ("trading-engine", ""),
        ("replay/1", ""),
    ],
)
def test_page_of_when_a_workflow_is_about_something_then_it_leads_there(identity: str, path: str) -> None:
    assert page_of(identity) == path


@pytest.mark.parametrize(
    ("identity", "address"),
    [
        ("source/wire", "/v1/sources/wire/runs"),
        ("reconcile/schedule", "/v1/trading/reconcile"),
        ("comovement/schedule", ""),
    ],
)
def test_runs_at_once_when_the_api_can_do_it_now_then_its_address_is_known(identity: str, address: str) -> None:
    assert runs_at_once(identity) == address
