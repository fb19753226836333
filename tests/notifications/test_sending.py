"""The whole way on real servers: an event, the outbox, the workflows, a receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment

from activities.adapters.notify.webhook import WebhookMessenger
from activities.adapters.web.guard import GuardPolicy, UrlGuard
from activities.notifications import FAILURES, NotificationActivities
from activities.ports import Messenger
from api.operations import notifications as operations
from cli.stack.supervisor import Stack
from domain.errors import Conflict
from domain.ingestion import DocumentRequest
from domain.notification_texts import Place
from domain.notifications import NotifyState, OutgoingMessage, PlanRequest
from store import notifications, outbox
from tests.notifications.builders import PLACE
from tests.notifications.office import SECRET, Office, office, open_office
from workers.main import register_search_attributes
from workflows import names
from workflows.client import TemporalFlows
from workflows.names import Queue
from workflows.notify import Notify
from workflows.process_document import ProcessDocument

pytestmark = pytest.mark.stack


@pytest.fixture
async def desk(servers: Stack) -> AsyncIterator[Office]:
    async with open_office(servers) as opened:
        yield opened


def all_in(*statuses: str) -> Any:
    return lambda rows: bool(rows) and all(row.status in statuses for row in rows)


async def history_text(desk: Office, notification_id: str) -> str:
    handle = desk.parts.client.get_workflow_handle(names.notification_id(notification_id))
    return (await handle.fetch_history()).to_json()


async def test_event_when_published_then_its_receiver_is_told_once_and_the_book_says_so(desk: Office) -> None:
    await desk.configure()
    event_id = await desk.publish()

    (row,) = await desk.until(all_in("sent"))

    ((key, body),) = desk.receiver.got
    assert key == row.notification_id
    assert (body["event_id"], body["mode"]) == (event_id, "paper")
    assert (row.attempts, row.receipt, row.error) == (1, "status 200", "")
    assert SECRET not in await history_text(desk, row.notification_id)


async def test_event_when_the_receiver_asks_to_come_back_then_it_is_told_again_under_the_same_key(desk: Office) -> None:
    desk.receiver.answers = [(429, {"Retry-After": "1"}), (200, {})]
    await desk.configure()
    await desk.publish()

    (row,) = await desk.until(all_in("sent"))

    assert [key for key, _ in desk.receiver.got] == [row.notification_id] * 2
    assert row.attempts == 2


async def test_event_when_one_receiver_is_away_then_the_others_are_told_meanwhile(desk: Office) -> None:
    await desk.configure("away", "here")
    async with desk.parts.database.transaction() as session:
        _, config = await operations.notifications.config(session)
        here = config.channel("here")
        assert here is not None
        dead = here.model_copy(update={"name": "away", "url": f"http://127.0.0.1:{desk.receiver.port}/in"})
        assert dead in config.channels
    desk.receiver.answers = [(500, {}), (200, {})]
    await desk.publish()
    await desk.publish()

    def three_of_four(rows: Any) -> bool:
        return [row.status for row in rows].count("sent") == 3

    rows = await desk.until(three_of_four)
    (waiting,) = [row for row in rows if row.status != "sent"]
    assert (waiting.status, waiting.attempts) == ("sending", 1)
    assert waiting.error.startswith("WEBHOOK_UNAVAILABLE: host=127.0.0.1, status=500")


async def test_event_when_the_receiver_refuses_then_it_stays_failed_with_the_reason_until_a_person_retries(
    desk: Office,
) -> None:
    desk.receiver.answers = [(404, {})]
    await desk.configure()
    await desk.publish()
    (row,) = await desk.until(all_in("failed"))
    assert row.error.startswith("WEBHOOK_REFUSED: host=127.0.0.1, status=404")
    workflow = desk.parts.client.get_workflow_handle(names.notification_id(row.notification_id))
    assert (await workflow.result())["status"] == "failed"

    desk.receiver.answers = [(200, {})]
    await operations.retry(desk.parts.database, row.notification_id[:12], actor="cli:test")
    (again,) = await desk.until(all_in("sent"))

    assert again.attempts == 2
    assert {key for key, _ in desk.receiver.got} == {row.notification_id}
    with pytest.raises(Conflict, match="NOT_FAILED"):
        await operations.retry(desk.parts.database, row.notification_id, actor="cli:test")


async def test_event_when_its_channel_is_taken_away_meanwhile_then_it_fails_by_name(desk: Office) -> None:
    desk.receiver.answers = [(429, {"Retry-After": "2"})]
    await desk.configure()
    await desk.publish()
    await desk.until(lambda rows: bool(rows) and rows[0].attempts == 1 and rows[0].error != "")
    await desk.configure("other")

    (row,) = await desk.until(all_in("failed"))

    assert row.error.startswith("CHANNEL_REMOVED: channel=hook")


class DiesOnce:
    """A messenger whose process dies after the message has left, once."""

    def __init__(self, inner: Messenger) -> None:
        self.inner = inner
        self.died = False

    async def send(self, channel: Any, message: OutgoingMessage, *, now: datetime) -> str:
        receipt = await self.inner.send(channel, message, now=now)
        if not self.died:
            self.died = True
            raise RuntimeError("the process dies before it could write the receipt down")
        return receipt


async def test_event_when_the_process_dies_after_sending_then_it_is_sent_again_under_the_same_key(
    servers: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_office(servers) as desk:
        pass  # its workers have ended; the next ones get a messenger that dies

    from workers.parts import Parts

    def dying(parts: Parts) -> NotificationActivities:
        guard = UrlGuard(GuardPolicy(own_servers=parts.settings.own_receivers()))
        hook = DiesOnce(WebhookMessenger(guard, parts.settings.notify_secrets))
        return NotificationActivities(parts.database, parts.flows, {"webhook": hook}, PLACE)

    monkeypatch.setattr(Parts, "notification_activities", dying)
    async with open_office(servers) as desk:
        await desk.configure()
        await desk.publish()
        (row,) = await desk.until(all_in("sent"))

    assert [key for key, _ in desk.receiver.got] == [row.notification_id] * 2
    assert row.attempts == 2


async def test_reader_when_it_is_ended_and_started_again_then_nothing_is_told_twice_or_lost(desk: Office) -> None:
    await desk.configure()
    reader = desk.parts.client.get_workflow_handle(names.NOTIFICATIONS)
    for number in range(6):
        await desk.publish()
        if number % 2:
            await reader.terminate("test")
            await desk.parts.client.start_workflow(
                Notify.run, NotifyState(wait_seconds=20), id=names.NOTIFICATIONS, task_queue=Queue.NOTIFY
            )

    rows = await desk.until(lambda rows: len(rows) == 6 and all(row.status == "sent" for row in rows))

    assert sorted(key for key, _ in desk.receiver.got) == sorted(row.notification_id for row in rows)


async def test_test_message_when_asked_for_then_it_passes_routes_and_quiet_hours(desk: Office) -> None:
    hour = datetime.now(UTC).hour
    quiet = {"start": f"{hour:02}:00", "end": f"{(hour + 2) % 24:02}:00", "time_zone": "UTC"}
    await desk.configure(routes=[], quiet_hours=quiet)

    wanted = operations.TestRequest(channels=["hook"])
    report = await operations.send_test(desk.parts.database, Place(mode="paper"), wanted, actor="cli:test")
    (seen,) = await operations.wait(desk.parts.database, [report.notifications[0].notification_id])

    assert seen.status.value == "sent"
    assert desk.receiver.events == ["notification_test"]


async def test_workflow_when_it_gives_up_then_people_are_told_of_a_dead_letter_once(servers: Stack) -> None:
    async with office(servers) as desk:
        client, doc_id = desk.parts.client, desk.kind
        await client.start_workflow(
            ProcessDocument.run,
            DocumentRequest(doc_id=doc_id, source_id="wire"),
            id=names.document_id(doc_id),
            task_queue="nobody-serves-it",
        )
        await client.get_workflow_handle(names.document_id(doc_id)).terminate("test")
        begin = datetime.now(UTC) - timedelta(minutes=1)
        ends = asyncio.get_running_loop().time() + 20
        while not any(
            each.workflow_id == names.document_id(doc_id)
            for each in await desk.parts.flows.failed_since(begin, limit=1_000)
        ):
            assert asyncio.get_running_loop().time() < ends, "the list does not show it"
            await asyncio.sleep(0.1)
        await desk.configure(routes=[{"channel": "hook", "events": ["dead_letter"]}])
        look = NotificationActivities(desk.parts.database, desk.parts.flows, {}, PLACE)
        environment = ActivityEnvironment()
        async with desk.parts.database.transaction() as session:
            cursor = await outbox.cursor(session, FAILURES, at=begin)
            cursor.moved_at = begin
            session.add(cursor)
        await environment.run(look.publish_failures)
        await environment.run(look.publish_failures)
        await environment.run(look.plan_notifications, PlanRequest(wait_seconds=0))

        async with desk.parts.database.transaction() as session:
            rows = await notifications.list_recent(session, limit=200, event="dead_letter")
    told = [row for row in rows if doc_id in row.body]
    assert len(told) == 1
    assert told[0].subject == "[stonks paper] Gave up: ProcessDocument"
    assert "stonks dead-letters list" in told[0].body


async def test_notify_when_ensured_twice_then_it_runs_once_and_in_a_replay_not_at_all(servers: Stack) -> None:
    async with office(servers) as desk:
        handle = desk.parts.client.get_workflow_handle(names.NOTIFICATIONS)
        await TemporalFlows(desk.parts.client, driven=True).ensure_notifications()
        assert await status_of(handle) is not WorkflowExecutionStatus.RUNNING
        await register_search_attributes(desk.parts.client)
        await desk.parts.flows.ensure_notifications()
        first = (await handle.describe()).run_id
        await desk.parts.flows.ensure_notifications()
        seen = await handle.describe()
        await handle.terminate("test")

    assert (seen.run_id, seen.status) == (first, WorkflowExecutionStatus.RUNNING)


async def status_of(handle: WorkflowHandle[Any, Any]) -> WorkflowExecutionStatus | None:
    try:
        return (await handle.describe()).status
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


async def test_worker_when_it_stops_then_it_does_not_wait_for_the_reader(servers: Stack) -> None:
    async with open_office(servers) as desk:
        await desk.configure()
        await desk.publish()
        await desk.until(all_in("sent"))
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 4
