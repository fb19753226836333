"""Clients that come and go: nothing of them stays in the process that served them."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.pool import QueuePool
from starlette.requests import ClientDisconnect

from api.app import create_app
from api.dashboard.transport import _Call
from api.tail import Subscription
from tests.api.harness import BOOTSTRAP_KEY, Platform, eventually
from tests.api.streaming import served
from tests.dashboard.visitor import HERE

pytestmark = pytest.mark.stack

CLIENTS = 24
FIRST = 8
PAGES = 2
OPENING = 4
"""Clients that come at a time: it is about what they leave behind, not about load."""


@pytest.fixture
async def app(platform: Platform) -> AsyncIterator[FastAPI]:
    """An application of its own, so that no other test's clients are counted."""
    app = create_app(platform.dependencies())
    yield app
    app.state.tail.close()


@pytest.fixture
async def cookie(app: FastAPI) -> str:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HERE) as http:
        signed = await http.post("/sign-in", data={"key": BOOTSTRAP_KEY})
    return signed.headers["set-cookie"].split(";")[0]


def held(platform: Platform) -> Counter[str]:
    """What of a client could stay: tasks, calls within the process, streams, connections of the database."""
    gc.collect()
    kinds = (_Call, Subscription, httpx.Response)
    found = Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))
    pool = platform.parts.database.engine.pool
    assert isinstance(pool, QueuePool)
    found["task"] = len(asyncio.all_tasks())
    found["connection"] = pool.checkedout()
    return found


async def come_and_go(http: httpx.AsyncClient, cookie: str, count: int) -> None:
    """Hold as many streams at once, load some pages meanwhile, and close them all."""
    close, opening = asyncio.Event(), asyncio.Semaphore(OPENING)
    opened = asyncio.Semaphore(0)
    headers = {"Cookie": cookie}

    async def client(number: int) -> None:
        async with opening:
            if number < PAGES:
                assert (await http.get("/decisions", headers=headers)).status_code == 200
            stream = await http.send(http.build_request("GET", "/events", headers=headers), stream=True)
            assert stream.status_code == 200
            assert await anext(stream.aiter_lines())
        opened.release()
        await close.wait()
        await stream.aclose()

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(client(number))
        for _ in range(count):
            await opened.acquire()
        close.set()


async def test_server_when_many_clients_came_and_went_then_nothing_of_them_is_left(
    platform: Platform, app: FastAPI, cookie: str
) -> None:
    async with (
        served(app) as address,
        httpx.AsyncClient(
            base_url=address, timeout=60, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        ) as http,
    ):
        await come_and_go(http, cookie, FIRST)
        await eventually(nobody_listens(app))
        before = held(platform)
        await come_and_go(http, cookie, CLIENTS)
        await eventually(nobody_listens(app))

        async def back() -> bool:
            return held(platform) <= before

        await eventually(back)


async def test_events_when_the_client_leaves_before_the_first_part_then_the_stream_behind_it_ends(
    app: FastAPI, cookie: str
) -> None:
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(asked, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        raise OSError("gone")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/events",
        "raw_path": b"/events",
        "query_string": b"",
        "headers": [(b"host", b"dashboard.test"), (b"cookie", cookie.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("dashboard.test", 443),
        "root_path": "",
    }
    with pytest.raises((OSError, ClientDisconnect)):
        await app(scope, receive, send)
    assert app.state.tail._subscriptions == set()


def nobody_listens(app: FastAPI) -> Callable[[], Awaitable[bool]]:
    async def asked() -> bool:
        return not app.state.tail._subscriptions

    return asked
