"""Jobs and schedules: what runs and why it waits, what may be ended, what is paused, how the pipeline is."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import col, select
from temporalio.common import WorkflowIDReusePolicy

from api.keys import Scope
from api.operations.jobs import _INSTEAD, KINDS, STAGES
from domain.errors import VendorUnavailable
from domain.redaction import redacted
from store import portfolio
from store.tables.ingestion import Document
from store.tables.platform import AuditEntry
from tests.api.harness import NOW, Caller, Platform, assert_problem, caller, eventually
from tests.api.test_dead_letters import QUEUES, appears, broken_document
from workers.registry import duties
from workers.schedules import ensure_broker_reconciliation
from workflows import names
from workflows.names import Queue
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack

PATH = "/v1/jobs"
SCHEDULES = "/v1/schedules"


async def listed(api: Caller, workflow_id: str, **filters: Any) -> dict[str, Any] | None:
    page = await api.get(PATH, limit=200, **filters)
    return next((each for each in page["data"] if each["workflow_id"] == workflow_id), None)


async def entries(platform: Platform, subject: str) -> list[AuditEntry]:
    async with platform.parts.database.transaction() as session:
        found = select(AuditEntry).where(AuditEntry.subject == subject).order_by(col(AuditEntry.sequence))
        return list((await session.exec(found)).all())


def test_kinds_when_compared_with_what_workers_serve_then_every_workflow_has_a_stage(platform: Platform) -> None:
    served = {
        workflow.__name__ for queue in Queue for work in duties(queue, platform.parts) for workflow in work.workflows
    }
    assert served == set(KINDS)
    assert set(_INSTEAD) < served
    assert sum(len(kinds) for kinds in STAGES.values()) == len(KINDS)


async def test_job_when_its_step_fails_again_and_again_then_attempts_and_the_last_failure_are_shown_redacted(
    platform: Platform, api: Caller
) -> None:
    failing = [
        VendorUnavailable("MODEL_DOWN", "password=hush https://u:p@models.test/x?token=hush sk_ab12_hush")
        for _ in range(50)
    ]
    async with platform.working(*QUEUES):
        document = await platform.document("A job that waits", at=NOW)
        platform.extractor.errors[document.doc_id] = failing
        process = asyncio.create_task(platform.process(document))
        workflow_id = names.document_id(document.doc_id)

        async def waits() -> Any:
            answer = await api("GET", f"{PATH}/{workflow_id}")
            found = answer.json()
            return (
                found if answer.status_code == 200 and found["pending"] and found["pending"][0]["attempt"] > 1 else None
            )

        job = await eventually(waits)
        (step,) = job["pending"]
        assert (step["activity"], step["maximum_attempts"]) == ("extract", 8)
        assert step["last_failure_type"] == "MODEL_DOWN"
        assert "hush" not in str(job)
        assert (job["kind"], job["stage"], job["status"]) == ("ProcessDocument", "document", "running")
        assert (job["source"], job["cancelable"], job["failure"]) == ("wire", True, None)
        assert job["temporal_url"].startswith("http://ui.test/")
        found = await eventually(lambda: listed(api, workflow_id, stage="document", status="running"))
        assert found["run_id"] == job["run_id"]

        reason = {"reason": "the model is gone for today"}
        first = await api("POST", f"{PATH}/{workflow_id}/cancel", json=reason)
        assert first.status_code == 202, first.text
        await asyncio.wait_for(process, 60)
        job = await api.get(f"{PATH}/{workflow_id}")
        assert job["status"] == "canceled"
        assert_problem(await api("POST", f"{PATH}/{workflow_id}/cancel", json=reason), 409, "JOB_HAS_ENDED")
    async with platform.parts.database.transaction() as session:
        row = await session.get(Document, document.doc_id)
        assert row is not None
        assert row.status == "failed"  # so that it can be read again
    (entry,) = await entries(platform, workflow_id)
    assert (entry.action, entry.actor, entry.body["reason"]) == (
        "job_cancel_requested",
        "api:bootstrap/bootstrap",
        "the model is gone for today",
    )


@pytest.mark.parametrize(("workflow_id", "kind"), [(names.TRADING_ENGINE, "TradingEngine")])
async def test_job_when_it_must_not_end_then_its_cancel_is_refused_with_what_to_do(
    platform: Platform, api: Caller, workflow_id: str, kind: str
) -> None:
    await platform.parts.flows.ensure_engine()
    body = assert_problem(
        await api("POST", f"{PATH}/{workflow_id}/cancel", json={"reason": "x"}), 409, "JOB_NOT_CANCELABLE"
    )
    assert "stonks pause" in body["hint"]
    job = await api.get(f"{PATH}/{workflow_id}")
    assert (job["kind"], job["status"], job["cancelable"]) == (kind, "running", False)
    assert job["progress"] == "", "no worker is there to say it, and the rest is known"
    assert await entries(platform, workflow_id) == [] or all(
        entry.action != "job_cancel_requested" for entry in await entries(platform, workflow_id)
    )


async def test_job_when_its_worker_is_there_then_it_says_how_far_it_is(platform: Platform, api: Caller) -> None:
    await platform.parts.flows.ensure_engine()
    async with platform.working(Queue.TRADING):

        async def told() -> Any:
            return (await api.get(f"{PATH}/{names.TRADING_ENGINE}"))["progress"]

        assert " · " in await eventually(told)


@pytest.mark.parametrize("workflow_id", ["document/none", "x" * 900, "a b"])
async def test_job_when_there_is_none_then_404(api: Caller, workflow_id: str) -> None:
    assert_problem(await api("GET", f"{PATH}/{workflow_id}"), 404, "JOB_NOT_FOUND")
    answer = await api("POST", f"{PATH}/{workflow_id}/cancel", json={"reason": "x"})
    assert_problem(answer, 404, "JOB_NOT_FOUND")


@pytest.mark.parametrize(
    ("filters", "code"),
    [
        ({"kind": "x' OR '1'='1"}, "CHOICE_INVALID"),
        ({"stage": "none"}, "CHOICE_INVALID"),
        ({"status": "odd"}, "REQUEST_INVALID"),
        ({"from": "2026-01-01T00:00:00"}, "REQUEST_INVALID"),
        ({"cursor": "bad"}, "CURSOR_INVALID"),
        ({"cursor": "WyJqb2JzIiwiWFg9PSJd"}, "CURSOR_INVALID"),
    ],
)
async def test_jobs_when_asked_wrongly_then_422(api: Caller, filters: dict[str, str], code: str) -> None:
    assert_problem(await api("GET", PATH, params=filters), 422, code)


async def test_jobs_when_paged_then_each_is_there_once_and_a_period_limits_them(
    platform: Platform, api: Caller
) -> None:
    begin = datetime.now(UTC) - timedelta(seconds=1)
    started = []
    for _ in range(5):
        workflow_id = f"document/{uuid.uuid4().hex}"
        await platform.parts.client.start_workflow(
            ProcessDocument.run,
            {"doc_id": "x", "source_id": "x"},
            id=workflow_id,
            task_queue="nobody",
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        )
        started.append(workflow_id)
    period = {"kind": "ProcessDocument", "from": begin.isoformat(), "to": datetime.now(UTC).isoformat()}

    async def all_there() -> Any:
        page = await api.get(PATH, limit=200, **period)
        return {each["workflow_id"] for each in page["data"]} >= set(started)

    await eventually(all_there)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await api.get(PATH, limit=2, **period, **({"cursor": cursor} if cursor else {}))
        found += [each["workflow_id"] for each in page["data"]]
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert sorted(found) == sorted(set(found))
    assert set(found) >= set(started)
    later = await api.get(PATH, **{**period, "from": datetime.now(UTC).isoformat(), "to": "2999-01-01T00:00:00Z"})
    assert not {each["workflow_id"] for each in later["data"]} & set(started)
    for workflow_id in started:
        await platform.parts.client.get_workflow_handle(workflow_id).terminate()


async def test_dead_letter_when_read_then_payload_errors_and_notes_are_there(platform: Platform, api: Caller) -> None:
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "A letter to be read")
        workflow_id = names.document_id(document.doc_id)
        letter = await appears(api, workflow_id)
        found = await api.get(f"/v1/dead-letters/{workflow_id}")
        assert {name: found[name] for name in letter if name != "message"} == {
            name: value for name, value in letter.items() if name != "message"
        }
        assert found["payload"] == {"doc_id": document.doc_id, "source_id": "wire", "read_by": ""}
        assert [each["type"] for each in found["errors"]] == ["ACTIVITY_FAILED", "MODEL_ANSWER_INVALID"]
        assert found["errors"][0]["step"] == "extract"
        assert found["notes"] == []
        await api("POST", f"/v1/dead-letters/{workflow_id}/discard", json={"reason": "not worth it"})
        found = await api.get(f"/v1/dead-letters/{workflow_id}")
        assert [(each["action"], each["reason"]) for each in found["notes"]] == [("discarded", "not worth it")]
    assert_problem(await api("GET", "/v1/dead-letters/document/none"), 404, "DEAD_LETTER_NOT_FOUND")


async def schedule(api: Caller, schedule_id: str) -> dict[str, Any] | None:
    page = await api.get(SCHEDULES, limit=200)
    return next((each for each in page["data"] if each["schedule_id"] == schedule_id), None)


async def test_schedule_when_paused_then_it_rests_over_a_restart_of_the_workers_until_it_is_resumed(
    platform: Platform, api: Caller
) -> None:
    client, schedule_id = platform.parts.client, names.RECONCILE_BROKER
    await ensure_broker_reconciliation(client)
    shown = await eventually(lambda: schedule(api, schedule_id))
    assert (shown["kind"], shown["summary"], shown["paused"]) == ("ReconcileBroker", "book against broker", False)
    assert shown["next_at"] == sorted(shown["next_at"])
    assert shown["every_seconds"] is None

    path = f"{SCHEDULES}/{schedule_id}"
    paused = await api("PATCH", path, json={"paused": True, "note": "the broker rests"})
    assert paused.status_code == 200, paused.text
    assert (paused.json()["paused"], paused.json()["note"]) == (True, "the broker rests (api:bootstrap/bootstrap)")
    await ensure_broker_reconciliation(client)
    found = await schedule(api, schedule_id)
    assert found is not None
    assert (found["paused"], found["note"]) == (True, "the broker rests (api:bootstrap/bootstrap)")
    resumed = await api("PATCH", path, json={"paused": False, "note": "it is back"})
    assert resumed.json()["paused"] is False
    assert [entry.action for entry in await entries(platform, schedule_id)] == ["schedule_paused", "schedule_resumed"]


async def test_schedule_when_it_is_a_sources_then_the_source_is_paused(platform: Platform, api: Caller) -> None:
    source_id = f"feed-{uuid.uuid4().hex[:10]}"
    body = {"source_id": source_id, "config": {"kind": "feed", "url": "https://e.test/rss"}, "cadence_seconds": 3_600}
    async with platform.working(Queue.OPS):
        assert (await api("POST", "/v1/sources", json={**body, "paused": True})).status_code == 201
        path = f"{SCHEDULES}/source/{source_id}"

        async def there() -> Any:
            return (await api("PATCH", path, json={"paused": False, "note": "go"})).status_code == 200

        await eventually(there)
        assert (await api.get(f"/v1/sources/{source_id}"))["paused"] is False
        paused = await api("PATCH", path, json={"paused": True, "note": "enough"})
        assert paused.json()["paused"] is True
        assert (await api.get(f"/v1/sources/{source_id}"))["paused"] is True
        assert paused.json()["every_seconds"] == 3_600
        await api("DELETE", f"/v1/sources/{source_id}", headers={"If-Match": "*"})


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"paused": True}, 422), ({"paused": True, "note": ""}, 422), ({"paused": True, "note": "x"}, 404)],
)
async def test_schedule_when_changed_wrongly_then_it_is_said(api: Caller, body: dict[str, Any], status: int) -> None:
    answer = await api("PATCH", f"{SCHEDULES}/none", json=body)
    assert_problem(answer, status, "SCHEDULE_NOT_FOUND" if status == 404 else "REQUEST_INVALID")


async def test_schedules_when_their_state_is_asked_for_then_reading_is_enough_and_changing_needs_ops(
    platform: Platform,
) -> None:
    reader = caller(platform, await platform.key(Scope.READ))
    assert (await reader("GET", SCHEDULES)).status_code == 200
    answer = await reader("PATCH", f"{SCHEDULES}/x", json={"paused": True, "note": "x"})
    assert_problem(answer, 403, "SCOPE_MISSING")


async def test_pipeline_when_documents_wait_then_their_part_is_late_and_says_since_when(
    platform: Platform, api: Caller
) -> None:
    waiting = await platform.document(
        f"Waits {uuid.uuid4().hex}",
        at=NOW - timedelta(hours=3),
        status="released",
        recorded_at=NOW - timedelta(hours=3),
    )
    health = await api.get("/v1/pipeline/health")
    parts = {each["stage"]: each for each in health["stages"]}
    assert set(parts) == {
        "ingest",
        "read",
        "research",
        "trading",
        "approval",
        "order",
        "reconcile",
        "notify",
        "mark",
        "lake",
    }
    read = parts["read"]
    assert (health["status"], read["status"]) == ("late", "late")
    assert read["waiting"] >= 1
    assert read["lag_seconds"] >= 3 * 3_600
    assert datetime.fromisoformat(read["oldest_waiting_at"]) <= waiting.recorded_at
    await platform.parts.database.run("UPDATE documents SET status = 'processed' WHERE doc_id = $1", waiting.doc_id)
    after = {each["stage"]: each for each in (await api.get("/v1/pipeline/health"))["stages"]}
    assert after["read"]["waiting"] == read["waiting"] - 1


async def test_pipeline_when_it_is_a_replay_then_nothing_waits_longer_than_the_time_that_was_played(
    platform: Platform,
) -> None:
    async with platform.parts.database.transaction() as session:
        await portfolio.snapshot(session, as_of=NOW - timedelta(days=3_000), phase="close", cash=Decimal(1))
    health = await caller(platform, mode="replay").get("/v1/pipeline/health")
    mark = next(each for each in health["stages"] if each["stage"] == "mark")
    assert mark["last_success_at"] == health["as_of"]
    played = datetime.fromisoformat(health["as_of"])
    for each in health["stages"]:
        if each["oldest_waiting_at"] is not None:
            waits = played - datetime.fromisoformat(each["oldest_waiting_at"])
            assert each["lag_seconds"] == max(int(waits.total_seconds()), 0)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("MODEL_DOWN: host=models.test, attempts=3", "MODEL_DOWN: host=models.test, attempts=3"),
        ("with sk_ab12cd_Zm9v-_x1 in it", "with *** in it"),
        ("Authorization: Bearer abcdef123456", "***"),
        ('{"password": "a b", "user": "u"}', '{"password": ***, "user": "u"}'),
        ("api_key=abc&x=1 db_password='p w'", "api_key=***&x=1 db_password=***"),
        ("GET https://u:p@e.test/a/b?key=1#f failed", "GET https://***@e.test/a/b?*** failed"),
        ("a\x00b", "a b"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_redacted_when_a_message_holds_secrets_then_they_are_gone_and_the_rest_stays(text: str, left: str) -> None:
    assert redacted(text) == left
