"""Failed work: listed with its cause, retried from the failed step, discarded with a reason."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select
from temporalio.service import RPCError

from api.keys import Scope
from api.operations import dead_letters
from domain.errors import ModelOutputInvalid, VendorThrottled
from domain.ingestion import IngestRequest
from store import audit, orders
from store.tables.ingestion import Document
from store.tables.platform import AuditEntry, DeadLetterNote, OutboxEvent
from tests.api.harness import NOW, Caller, Platform, assert_problem, caller, eventually
from tests.api.temporal_cli import temporal
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.ingest_source import IngestSource
from workflows.names import Queue
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack

QUEUES = (Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH)
PATH = "/v1/dead-letters"


async def broken_document(platform: Platform, title: str, *errors: Exception) -> Document:
    """A document whose extraction gave up."""
    document = await platform.document(title, at=NOW)
    platform.extractor.errors[document.doc_id] = list(errors) or [unusable()]
    await platform.process(document)
    return document


def unusable() -> ModelOutputInvalid:
    return ModelOutputInvalid("MODEL_ANSWER_INVALID", "The schema asks for events", field="events")


async def listed(api: Caller, workflow_id: str, **filters: Any) -> dict[str, Any] | None:
    page = await api.get(PATH, limit=200, **filters)
    return next((each for each in page["data"] if each["workflow_id"] == workflow_id), None)


async def appears(api: Caller, workflow_id: str) -> dict[str, Any]:
    """The list is eventually consistent: wait until the failure shows."""
    found: dict[str, Any] = await eventually(lambda: listed(api, workflow_id))
    return found


async def processed(platform: Platform, doc_id: str) -> bool:
    async with platform.parts.database.transaction() as session:
        row = await session.get(Document, doc_id)
        return row is not None and row.status == "processed"


async def test_document_when_its_extraction_fails_then_it_is_retried_from_there_and_parsing_is_not_repeated(
    platform: Platform, api: Caller
) -> None:
    throttled = VendorThrottled("MODEL_BUSY", retry_after_seconds=0.05)
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "Acme loses a model", throttled, unusable())
        workflow_id = names.document_id(document.doc_id)
        letter = await appears(api, workflow_id)
        assert (letter["workflow_type"], letter["status"]) == ("ProcessDocument", "failed")
        assert (letter["stage"], letter["failed_step"], letter["attempts"]) == ("extract", "extract", 2)
        assert letter["error_type"] == "MODEL_ANSWER_INVALID"
        assert "field=events" in letter["message"]
        assert letter["started_at"] <= letter["closed_at"]
        assert letter["temporal_url"].endswith(f"/document%2F{document.doc_id}/{letter['run_id']}/history")
        assert platform.documents.parsed.count(document.doc_id) == 1

        answer = await api("POST", f"{PATH}/{workflow_id}/retry", json={"reason": "the model is back"})
        assert answer.status_code == 202, answer.text
        retried = answer.json()
        assert (retried["stage"], retried["failed_run_id"]) == ("extract", letter["run_id"])
        await eventually(lambda: processed(platform, document.doc_id))
        assert platform.documents.parsed.count(document.doc_id) == 1
        assert platform.extractor.calls.count(document.doc_id) == 3
        assert await listed(api, workflow_id) is None

        again = await api("POST", f"{PATH}/{workflow_id}/retry")
        assert_problem(again, 409, "NOT_A_DEAD_LETTER")
    async with platform.parts.database.transaction() as session:
        note = await session.get(DeadLetterNote, (workflow_id, letter["run_id"]))
        assert note is not None
        assert (note.action, note.reason, note.actor) == ("retried", "the model is back", "api:bootstrap/bootstrap")
        entry = (await session.exec(select(AuditEntry).where(AuditEntry.subject == workflow_id))).one()
        assert entry.action == "dead_letter_retried"
        assert await audit.first_broken(session) is None


async def test_document_when_the_retry_fails_too_then_it_is_listed_again_once(platform: Platform, api: Caller) -> None:
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "Acme fails twice", unusable(), unusable())
        workflow_id = names.document_id(document.doc_id)
        first = await appears(api, workflow_id)
        await api("POST", f"{PATH}/{workflow_id}/retry")

        async def failed_again() -> Any:
            found = await listed(api, workflow_id)
            return found if found and found["run_id"] != first["run_id"] else None

        await eventually(failed_again)
        page = await api.get(PATH, limit=200)
        assert [each["workflow_id"] for each in page["data"]].count(workflow_id) == 1


async def test_document_when_discarded_then_it_is_off_the_list_and_its_history_stays(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "Acme is not worth it")
    workflow_id = names.document_id(document.doc_id)
    letter = await appears(api, workflow_id)
    for body in ({}, {"reason": ""}):
        assert_problem(await api("POST", f"{PATH}/{workflow_id}/discard", json=body), 422, "REQUEST_INVALID")
    for new in (True, False):
        answer = await api("POST", f"{PATH}/{workflow_id}/discard", json={"reason": "a test page"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["new"] is new
    assert await listed(api, workflow_id) is None
    handle = platform.parts.client.get_workflow_handle(workflow_id)
    assert (await handle.describe()).run_id == letter["run_id"]
    async with platform.parts.database.transaction() as session:
        entries = (await session.exec(select(AuditEntry).where(AuditEntry.subject == workflow_id))).all()
        assert [(entry.action, entry.body["reason"]) for entry in entries] == [("dead_letter_discarded", "a test page")]


async def test_document_when_two_people_retry_at_once_then_it_runs_once_more(platform: Platform, api: Caller) -> None:
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "Acme is retried twice")
        workflow_id = names.document_id(document.doc_id)
        await appears(api, workflow_id)
        answers = await asyncio.gather(*(api("POST", f"{PATH}/{workflow_id}/retry") for _ in range(3)))
        runs = {answer.json()["run_id"] for answer in answers if answer.status_code == 202}
        assert len(runs) == 1
        assert {answer.status_code for answer in answers} <= {202, 409}
        await eventually(lambda: processed(platform, document.doc_id))
        assert platform.extractor.calls.count(document.doc_id) == 2


async def test_list_when_filtered_and_paged_then_it_finds_all_and_retries_what_matches(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(*QUEUES):
        made = [await broken_document(platform, f"Acme number {number}") for number in range(3)]
        other = await broken_document(
            platform, "Acme other", ModelOutputInvalid("MODEL_REFUSES", "It will not read this")
        )
        wanted = {names.document_id(document.doc_id) for document in made}
        for workflow_id in [*wanted, names.document_id(other.doc_id)]:
            await appears(api, workflow_id)

        seen: list[str] = []
        cursor = None
        while True:
            page = await api.get(PATH, limit=2, **({"cursor": cursor} if cursor else {}))
            assert len(page["data"]) <= 2
            seen += [each["workflow_id"] for each in page["data"]]
            cursor = page["next_cursor"]
            assert page["has_more"] is (cursor is not None)
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert wanted <= set(seen)
        assert await listed(api, names.document_id(other.doc_id), error_type="MODEL_ANSWER_INVALID") is None
        assert await listed(api, names.document_id(other.doc_id), stage="parse") is None
        assert await listed(api, names.document_id(other.doc_id), stage="extract", error_type="MODEL_REFUSES")
        assert_problem(await api("GET", PATH, params={"workflow_type": "TradingEngine"}), 422, "REQUEST_INVALID")
        assert_problem(await api("GET", PATH, params={"cursor": "bm9wZQ"}), 422, "CURSOR_INVALID")

        answer = await api("POST", f"{PATH}/actions/retry", json={"error_type": "MODEL_ANSWER_INVALID"})
        assert answer.status_code == 202, answer.text
        report = answer.json()
        assert wanted <= {each["workflow_id"] for each in report["retried"]}
        assert report["not_retried"] == []
        for document in made:
            await eventually(lambda document=document: processed(platform, document.doc_id))  # type: ignore[misc]
        assert await listed(api, names.document_id(other.doc_id))


async def test_document_when_it_was_terminated_at_a_step_then_it_is_retried_at_that_step(
    platform: Platform, api: Caller
) -> None:
    document = await platform.document("Acme is ended by hand", at=NOW)
    workflow_id = names.document_id(document.doc_id)
    async with platform.working(Queue.INGEST):  # nobody extracts
        start = asyncio.create_task(platform.process(document))
        handle = platform.parts.client.get_workflow_handle(workflow_id)

        async def extracting() -> bool:
            try:
                pending = (await handle.describe()).raw_description.pending_activities
            except RPCError:
                return False
            return any(each.activity_type.name == "extract" for each in pending)

        await eventually(extracting)
        await temporal(platform, "workflow", "terminate", "--workflow-id", workflow_id, "--reason", "stuck for an hour")
        await start
        letter = await appears(api, workflow_id)
        assert (letter["status"], letter["stage"], letter["attempts"]) == ("terminated", "extract", None)
        assert (letter["error_type"], letter["message"]) == ("WORKFLOW_TERMINATED", "stuck for an hour")
    async with platform.working(*QUEUES):
        assert (await api("POST", f"{PATH}/{workflow_id}/retry")).status_code == 202
        await eventually(lambda: processed(platform, document.doc_id))
        assert platform.documents.parsed.count(document.doc_id) == 1


async def test_document_when_terminated_before_its_first_step_then_there_is_nothing_to_retry(
    platform: Platform, api: Caller
) -> None:
    document = await platform.document("Acme never began", at=NOW)
    workflow_id = names.document_id(document.doc_id)
    start = asyncio.create_task(platform.process(document))
    handle = platform.parts.client.get_workflow_handle(workflow_id)

    async def exists() -> bool:
        try:
            return (await handle.describe()) is not None
        except RPCError:
            return False

    await eventually(exists)
    await handle.terminate("too early")
    await start
    letter = await appears(api, workflow_id)
    assert (letter["stage"], letter["failed_step"]) == ("workflow", "")
    assert_problem(await api("POST", f"{PATH}/{workflow_id}/retry"), 409, "NOTHING_TO_RETRY")
    assert (await api("POST", f"{PATH}/{workflow_id}/discard", json={"reason": "a test"})).status_code == 200


async def test_source_when_it_is_not_there_then_its_run_is_listed_under_plan(platform: Platform, api: Caller) -> None:
    workflow_id = names.ingest_id("no-such-source", "20140715T000000Z")
    async with platform.working(Queue.INGEST):
        request = IngestRequest(source_id="no-such-source", run_id="r1", as_of=NOW)
        handle = await platform.parts.client.start_workflow(
            IngestSource.run, request, id=workflow_id, task_queue=Queue.INGEST
        )
        await asyncio.gather(handle.result(), return_exceptions=True)
    letter = await appears(api, workflow_id)
    assert (letter["stage"], letter["error_type"]) == ("plan", "SOURCE_NOT_FOUND")


async def test_order_when_its_workflow_is_ended_and_retried_then_it_is_not_sent_twice(
    platform: Platform, api: Caller
) -> None:
    platform.broker.fill = False
    try:
        async with platform.working(Queue.TRADING):
            request = await platform.order("MSFT", quantity=20)
            workflow_id = names.order_id(request.intent_id)
            handle = platform.parts.client.get_workflow_handle(workflow_id)
            client_order_id = f"so-paper-{request.intent_id}"

            def sent() -> int:
                return [each.client_order_id for each in platform.broker.placed].count(client_order_id)

            async def working() -> bool:
                return bool((await handle.query(ExecuteOrder.status)).state == "working")

            await eventually(working)
            await handle.terminate("by mistake")
            await appears(api, workflow_id)
            answer = await api("POST", f"{PATH}/{workflow_id}/retry", json={"reason": "it was a mistake"})
            assert answer.status_code == 202, answer.text
            await eventually(working)
            # Further back, as by hand in the Temporal UI: the submission itself runs again and adopts what it finds.
            history = [event async for event in handle.fetch_history_events()]
            task = next(
                event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
                for event in history
                if event.activity_task_scheduled_event_attributes.activity_type.name == "submit"
            )
            await temporal(
                platform,
                *("workflow", "reset", "--workflow-id", workflow_id, "--event-id", str(task), "--reason", "by hand"),
            )
            await eventually(working)
            assert sent() == 1
            await platform.broker.cancel(f"b-{client_order_id}")
            outcome = await platform.parts.client.get_workflow_handle(workflow_id).result()
            assert outcome["status"] == "canceled"
            assert sent() == 1
    finally:
        platform.broker.fill = True


async def test_order_when_ended_while_it_was_being_sent_then_a_retry_waits_until_the_post_has_landed(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.broker.answering.clear()
    try:
        async with platform.working(Queue.TRADING):
            request = await platform.order("MSFT", quantity=30)
            workflow_id = names.order_id(request.intent_id)
            client_order_id = f"so-paper-{request.intent_id}"

            async def sent() -> int:
                return [each.client_order_id for each in platform.broker.placed].count(client_order_id)

            await eventually(sent)
            await platform.parts.client.get_workflow_handle(workflow_id).terminate("by mistake")
            letter = await appears(api, workflow_id)
            assert (letter["stage"], letter["failed_step"]) == ("submit", "submit")
            refused = await api("POST", f"{PATH}/{workflow_id}/retry")
            assert "retry_after" in assert_problem(refused, 409, "ORDER_MAY_BE_IN_FLIGHT")["fields"]
            platform.broker.answering.set()
            monkeypatch.setattr(dead_letters, "IN_FLIGHT", timedelta(0))
            assert (await api("POST", f"{PATH}/{workflow_id}/retry")).status_code == 202
            outcome = await platform.parts.client.get_workflow_handle(workflow_id).result()
            assert outcome["status"] == "filled"
            assert await sent() == 1
    finally:
        platform.broker.answering.set()


async def test_order_when_discarded_then_it_is_canceled_at_the_broker_and_its_intent_is_closed_once(
    platform: Platform, api: Caller
) -> None:
    platform.broker.fill = False
    try:
        async with platform.working(Queue.TRADING):
            request = await platform.order("INTC", quantity=20)
            workflow_id = names.order_id(request.intent_id)
            handle = platform.parts.client.get_workflow_handle(workflow_id)

            async def working() -> bool:
                return bool((await handle.query(ExecuteOrder.status)).state == "working")

            await eventually(working)
            body = {"reason": "we sold the company"}
            assert_problem(await api("POST", f"{PATH}/{workflow_id}/discard", json=body), 409, "NOT_A_DEAD_LETTER")
            await handle.terminate("by mistake")
            first = await api("POST", f"{PATH}/{workflow_id}/discard", json=body)
            assert first.status_code == 200, first.text
            again = (await api("POST", f"{PATH}/{workflow_id}/discard", json=body)).json()
        assert (first.json()["new"], first.json()["order_state"]) == (True, "canceled")
        assert (again["new"], again["order_state"]) == (False, "canceled")
        assert platform.broker.canceled.count(f"b-so-paper-{request.intent_id}") == 1
        async with platform.parts.database.transaction() as session:
            assert (await orders.require_intent(session, request.intent_id)).state == "canceled"
            events = await session.exec(select(OutboxEvent).where(OutboxEvent.subject_id == request.intent_id))
            assert [each.body["reason"] for each in events if each.event == "order_canceled"] == [body["reason"]]
    finally:
        platform.broker.fill = True


async def test_order_when_discarded_while_it_waited_for_people_then_its_question_is_taken_back(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("DIS")
        workflow_id = names.order_id(waiting["intent_id"])
        await platform.parts.client.get_workflow_handle(workflow_id).terminate("by mistake")
        done = await api("POST", f"{PATH}/{workflow_id}/discard", json={"reason": "too late"})
        assert (done.status_code, done.json().get("order_state")) == (200, "discarded"), done.text
    assert (await api.get(f"/v1/approvals/{waiting['approval_id']}"))["status"] == "voided"


async def test_order_when_discarded_without_a_worker_then_it_stays_on_the_list_and_goes_on(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("CSCO")
        workflow_id = names.order_id(waiting["intent_id"])
        await platform.parts.client.get_workflow_handle(workflow_id).terminate("by mistake")
    monkeypatch.setattr(dead_letters, "DISCARD_SECONDS", 0.2)
    body = {"reason": "nobody is there"}
    assert_problem(await api("POST", f"{PATH}/{workflow_id}/discard", json=body), 503, "DISCARD_NOT_FINISHED")
    await appears(api, workflow_id)
    monkeypatch.undo()
    async with platform.working(Queue.TRADING):
        done = (await api("POST", f"{PATH}/{workflow_id}/discard", json=body)).json()
    assert (done["new"], done["order_state"]) == (True, "discarded")


async def test_workflow_when_of_another_kind_or_unknown_then_it_is_no_dead_letter(
    platform: Platform, api: Caller
) -> None:
    assert_problem(await api("POST", f"{PATH}/document/nothing/retry"), 404, "DEAD_LETTER_NOT_FOUND")
    body = {"reason": "x"}
    assert_problem(await api("POST", f"{PATH}/nothing/discard", json=body), 404, "DEAD_LETTER_NOT_FOUND")
    client = platform.parts.client
    handle = await client.start_workflow("SomethingElse", id="something-else", task_queue="nobody")
    await handle.terminate("test")
    assert_problem(await api("POST", f"{PATH}/something-else/retry"), 409, "NOT_A_DEAD_LETTER")


async def test_retry_when_the_key_may_only_read_then_403(platform: Platform) -> None:
    ask = caller(platform, await platform.key(Scope.READ))
    assert_problem(await ask("POST", f"{PATH}/document/x/retry"), 403, "SCOPE_MISSING")


async def test_plain_temporal_cli_when_it_lists_failed_workflows_then_it_shows_the_same(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(*QUEUES):
        document = await broken_document(platform, "Acme is found by hand")
    workflow_id = names.document_id(document.doc_id)
    letter = await appears(api, workflow_id)
    query = "WorkflowType = 'ProcessDocument' AND ExecutionStatus = 'Failed'"
    rows = json.loads(await temporal(platform, "workflow", "list", "--query", query, "--output", "json"))
    row = next(each for each in rows if each["execution"]["workflowId"] == workflow_id)
    assert row["execution"]["runId"] == letter["run_id"]
    # The plain equivalent of a retry: reset to the workflow task that scheduled the failed step.
    handle = platform.parts.client.get_workflow_handle_for(ProcessDocument.run, workflow_id)
    history = [event async for event in handle.fetch_history_events()]
    task = next(
        event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id
        for event in history
        if event.activity_task_scheduled_event_attributes.activity_type.name == "extract"
    )
    async with platform.working(*QUEUES):
        await temporal(
            platform,
            *("workflow", "reset", "--workflow-id", workflow_id, "--event-id", str(task), "--reason", "by hand"),
        )
        await eventually(lambda: processed(platform, document.doc_id), seconds=timedelta(seconds=15).total_seconds())
    assert platform.documents.parsed.count(document.doc_id) == 1
