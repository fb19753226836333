"""Calls to an application in this process: as over a socket, an answer may still be coming when it is first read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
from starlette.types import ASGIApp, Message, Scope

CLIENT = "client"
"""Extension of a request: address of whom it is made for, so that limits by address mean the person's."""
_PARTS_AHEAD = 16


class InProcess(httpx.AsyncBaseTransport):
    """Hand requests to an application. httpx's own transport waits for the end of an answer; a stream has none."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        call = _Call(self._app, _scope(request), await request.aread())
        status, headers = await call.begun()
        return httpx.Response(status, headers=headers, stream=call)


class _Call(httpx.AsyncByteStream):
    """One request under way, and the parts of its answer."""

    def __init__(self, app: ASGIApp, scope: Scope, body: bytes) -> None:
        self._body: bytes | None = body
        self._left = asyncio.Event()
        self._failed = ""
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue(_PARTS_AHEAD)
        self._start: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(app, scope))

    async def begun(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Wait for status and headers."""
        try:
            return await asyncio.shield(self._start)
        except asyncio.CancelledError:
            await self.aclose()
            raise

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (part := await self._parts.get()) is not None:
            yield part
        if self._failed:
            raise httpx.ReadError(f"{self._failed} in the middle of an answer")

    async def aclose(self) -> None:
        """Go away: the application is told, and ended where it does not listen."""
        self._left.set()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._task

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._receive, self._send)
        except Exception as error:  # the application's own envelope has logged it
            self._failed = type(error).__name__
            if not self._start.done():
                self._start.set_exception(httpx.ReadError(f"{self._failed} before an answer"))
        finally:
            if not self._left.is_set():
                await self._parts.put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start.set_result((message["status"], list(message.get("headers", []))))
        elif body := message.get("body", b""):
            await self._parts.put(body)


def _scope(request: httpx.Request) -> Scope:
    url = request.url
    path, _, query = url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": url.scheme,
        "path": url.path,
        "raw_path": path,
        "query_string": query,
        "server": (url.host, url.port),
        "client": request.extensions.get(CLIENT, ("127.0.0.1", 0)),
        "root_path": "",
    }
