"""A real server in the tests' own loop, and a client that reads its stream as a browser does."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from store import outbox
from store.database import Database
from tests.api.harness import BOOTSTRAP_KEY

WAIT_SECONDS = 60


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """Serve the application on a port of its own; gives its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            app.state.tail.close()
            server.should_exit = True
            await task


@dataclass
class Heard:
    """An event of the stream."""

    id: int | None
    event: str
    data: dict[str, Any]


@dataclass
class Listener:
    """What one connection has said so far."""

    lines: AsyncIterator[str]
    last_id: int | None = None
    comments: list[str] = field(default_factory=list)
    retry: str = ""

    async def next(self) -> Heard | None:
        """The next event; None where the server has ended the stream."""
        async with asyncio.timeout(WAIT_SECONDS):
            return await self._next()

    async def _next(self) -> Heard | None:
        name, data = "message", ""
        async for line in self.lines:
            if line.startswith(":"):
                self.comments.append(line)
            elif line.startswith("id: "):
                self.last_id = int(line.removeprefix("id: "))
            elif line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif line.startswith("retry: "):
                self.retry = line.removeprefix("retry: ")
            elif not line and data:
                return Heard(self.last_id, name, json.loads(data))
        return None

    async def until(self, subject_id: str) -> list[Heard]:
        """Events up to the one on a subject, that one included."""
        found = []
        while True:
            heard = await self.next()
            assert heard is not None, f"the stream ended before {subject_id}: {found}"
            found.append(heard)
            if heard.data.get("subject_id") == subject_id:
                return found

    async def ready(self) -> int:
        """Wait until the stream has begun; returns where."""
        heard = await self.next()
        assert heard is not None
        assert heard.event == "ready", heard
        return int(heard.data["position"])


@asynccontextmanager
async def listening(address: str, *, key: str = BOOTSTRAP_KEY, last: int | None = None, **params: Any) -> Any:
    headers = {"Authorization": f"Bearer {key}"} | ({} if last is None else {"Last-Event-ID": str(last)})
    async with (
        httpx.AsyncClient(base_url=address, timeout=httpx.Timeout(WAIT_SECONDS)) as client,
        client.stream("GET", "/v1/stream", headers=headers, params=params) as answer,
    ):
        assert answer.status_code == 200, (await answer.aread()).decode()
        yield Listener(answer.aiter_lines())


async def tell(database: Database, event: str = "order_denied", subject: str = "", **body: Any) -> str:
    """Publish an event; returns its subject."""
    subject = subject or uuid.uuid4().hex
    async with database.transaction() as session:
        await outbox.publish(
            session,
            event_id=f"{event}/{subject}",
            event=event,
            subject_id=subject,
            body=body,
            occurred_at=datetime.now(UTC),
        )
    return subject
