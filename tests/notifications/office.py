"""The book, Temporal and a receiver of webhooks: what the tests of the whole way share."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col
from temporalio.service import RPCError

from activities.notifications import NotificationActivities
from activities.ports import Messenger
from cli.stack.supervisor import Stack
from domain.notifications import FailedWorkflow, NotificationsConfig, NotifyState
from store import notifications, outbox
from store.tables.platform import Notification
from tests.notifications.builders import PLACE
from workers.main import build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.names import Queue
from workflows.notify import Notify

SECRET = "canary-office-0123456789abcdef"
_numbers = itertools.count(1)


class Receiver:
    """A receiver of webhooks that keeps what it gets; `answers` are statuses with headers, the last one stays."""

    def __init__(self) -> None:
        self.port = 0
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        self.got: list[tuple[str, dict[str, Any]]] = []
        """The key and the body of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    @property
    def events(self) -> list[str]:
        return [body["event"] for _, body in self.got]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        body = json.loads(await reader.readexactly(int(head["content-length"])))
        self.got.append((head["idempotency-key"], body))
        status, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} Reason\r\nContent-Length: 0\r\nConnection: close\r\n{fields}\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    kept = Receiver()
    server = await asyncio.start_server(kept.serve, "127.0.0.1", 0)
    kept.port = server.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        server.close()


class Failures:
    """Fulfils `activities.ports.FailedWorkflows` with what a test puts there."""

    def __init__(self, *found: FailedWorkflow) -> None:
        self.found = list(found)

    async def failed_since(self, instant: datetime, *, limit: int) -> list[FailedWorkflow]:
        return [each for each in self.found if each.closed_at > instant][:limit]


class Office:
    """One a test: events of its own kind, so that those of other tests go nowhere."""

    def __init__(self, parts: Parts, receiver: Receiver) -> None:
        self.parts = parts
        self.receiver = receiver
        self.kind = f"t{uuid.uuid4().hex[:10]}"

    async def configure(self, *channels: str, **changes: Any) -> None:
        given = [
            {"kind": "webhook", "name": name, "url": self.receiver.url, "signing_secret": "hook"}
            for name in channels or ("hook",)
        ]
        routes = [{"channel": channel["name"], "events": [f"{self.kind}*"]} for channel in given]
        config = NotificationsConfig.model_validate({"channels": given, "routes": routes, **changes})
        async with self.parts.database.transaction() as session:
            await notifications.put_config(session, config, actor="test", reason=self.kind, now=datetime.now(UTC))

    async def publish(self, suffix: str = "", **changes: Any) -> str:
        """Write an event as activities do; returns its id."""
        event_id = f"{self.kind}/{next(_numbers)}"
        values: dict[str, Any] = {
            "event_id": event_id,
            "event": f"{self.kind}{suffix}",
            "subject_id": "ab12",
            "body": {"symbol": "AAPL", "side": "buy"},
            "occurred_at": datetime.now(UTC),
        }
        async with self.parts.database.transaction() as session:
            await outbox.publish(session, **{**values, **changes})
        return event_id

    def activities(self, *found: FailedWorkflow, messenger: Messenger | None = None) -> NotificationActivities:
        messengers = {"webhook": messenger} if messenger is not None else {}
        return NotificationActivities(self.parts.database, Failures(*found), messengers, PLACE)

    async def rows(self, suffix: str = "") -> Sequence[Notification]:
        """This test's notifications, the newest first."""
        async with self.parts.database.transaction() as session:
            return await notifications.list_recent(session, limit=500, event=f"{self.kind}{suffix}")

    async def until(self, done: Callable[[Sequence[Notification]], bool], *, seconds: float = 60.0) -> Any:
        """Wait until this test's notifications are as they should be."""
        ends = asyncio.get_running_loop().time() + seconds
        while not done(rows := await self.rows()):
            seen = [(row.channel, row.status, row.attempts, row.error) for row in rows]
            assert asyncio.get_running_loop().time() < ends, f"still {seen} after {seconds} s"
            await asyncio.sleep(0.05)
        return rows


def environment(stack: Stack, receiver: Receiver, **changes: str) -> dict[str, str]:
    return {
        **stack.environment(),
        "STONKS_NOTIFY_SECRET_HOOK": SECRET,
        "STONKS_NOTIFY_OWN_SERVERS": f"127.0.0.1:{receiver.port}",
        "STONKS_PUBLIC_URL": "https://stonks.example.com/",
        **changes,
    }


@asynccontextmanager
async def office(stack: Stack, **changes: str) -> AsyncIterator[Office]:
    """The book and a receiver, without workers; what other tests left is read by nobody and sent to nobody."""
    async with receiving() as receiver:
        parts = await Parts.connect(load(environment(stack, receiver, **changes)))
        with contextlib.suppress(RPCError):  # one that another test's schedules have started
            await parts.client.get_workflow_handle(names.NOTIFICATIONS).terminate("a test begins")
        try:
            async with parts.database.transaction() as session:
                cursor = await outbox.cursor(session, "notifications", at=datetime.now(UTC))
                cursor.sequence = await outbox.newest(session)
                session.add(cursor)
                left = update(Notification).where(col(Notification.status).in_(("planned", "held", "sending")))
                await session.exec(left.values(status="failed"))
            yield Office(parts, receiver)
        finally:
            await parts.close()


@asynccontextmanager
async def open_office(stack: Stack, **changes: str) -> AsyncIterator[Office]:
    """With the workers of the queue, and the outbox being read."""
    async with office(stack, **changes) as opened:
        await register_search_attributes(opened.parts.client)
        async with AsyncExitStack() as running:
            for worker in build_workers(Queue.NOTIFY, opened.parts):
                await running.enter_async_context(worker)
            await opened.parts.client.start_workflow(
                Notify.run, NotifyState(wait_seconds=20), id=names.NOTIFICATIONS, task_queue=Queue.NOTIFY
            )
            try:
                yield opened
            finally:
                await opened.parts.client.get_workflow_handle(names.NOTIFICATIONS).terminate("the test is over")
