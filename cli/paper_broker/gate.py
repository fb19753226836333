"""What every request passes on its way in: keys, rate limit, and the faults that were ordered.

Plain ASGI, outside the framework, because some faults leave the connection without an answer.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from cli.paper_broker.faults import FaultBoard, FaultKind, FaultMessage
from cli.paper_broker.refusals import Refusal, throttled, unauthorized, unknown_endpoint
from cli.paper_broker.settings import BrokerSettings
from cli.paper_broker.throttle import Throttle

FAULT = "paper_broker.fault"
"""Where the scope carries a fault that the order handler itself must carry out."""
_TRANSPORT = "paper_broker.transport"
_IN_THE_BOOK = (FaultKind.REJECT_AFTER_200, FaultKind.PARTIAL_FILL, FaultKind.FILL_BEFORE_REPLACE)
_DATA_PATHS = ("/v2/stocks/", "/v1/", "/v1beta1/")
"""What the vendor serves from its market-data host, which counts requests by itself."""
_GATEWAY_PAGE = b"<html><head><title>504 Gateway Time-out</title></head><body>504 Gateway Time-out</body></html>"


class ResettableProtocol(H11Protocol):
    """HTTP/1.1 that lets the application reset its connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        application: Any = self.app

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope[_TRANSPORT] = self.transport
            await application(scope, receive, send)

        self.app = with_transport

    def connection_made(self, transport: Any) -> None:
        """Send small answers at once: without this a head and its body can lie 40 ms apart."""
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)


class Gate:
    """Stands before the application: `/control` needs the control key, the vendor's paths the account's keys.

    The stream passes: its keys come in its first message.
    """

    def __init__(self, app: ASGIApp, *, settings: BrokerSettings, faults: FaultBoard) -> None:
        self._app = app
        self._faults = faults
        self._trading = Throttle(settings.requests_per_minute())
        self._data = Throttle(settings.requests_per_minute())
        self._key_id = settings.key_id.get_secret_value().encode()
        self._secret_key = settings.secret_key.get_secret_value().encode()
        self._control_key = settings.control_key.get_secret_value().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["path"] == "/control" or scope["path"].startswith("/control/"):
            if same(headers.get(b"x-control-key", b""), self._control_key):
                await self._app(scope, receive, send)
            else:
                await _refuse(send, unknown_endpoint())
            return
        known = same(headers.get(b"apca-api-key-id", b""), self._key_id)
        trusted = same(headers.get(b"apca-api-secret-key", b""), self._secret_key)
        if not (known and trusted):
            await _refuse(send, unauthorized())
            return
        await self._admit(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        throttle = self._data if scope["path"].startswith(_DATA_PATHS) else self._trading
        admitted = throttle.admit()
        extra = throttle.headers()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        if not admitted:
            await _refuse(counted, throttled())
            return
        fault = self._faults.take(scope["method"], scope["path"])
        if fault is None or fault.kind in _IN_THE_BOOK:
            scope[FAULT] = None if fault is None else fault.kind
            await self._app(scope, receive, counted)
        else:
            await self._suffer(fault, scope, receive, counted)

    async def _suffer(self, message: FaultMessage, scope: Scope, receive: Receive, send: Send) -> None:
        fault = message.kind
        if fault is FaultKind.STORM_429:
            await _refuse(send, throttled())
            return
        if fault is FaultKind.HANG_BEFORE_COMMIT:
            whole = await _drain(receive)
            await asyncio.sleep(message.seconds)
            await self._app(scope, _again(whole), send)
            return
        if fault is FaultKind.RESET_BEFORE_COMMIT:
            await _drain(receive)
        else:
            await self._app(scope, receive, _discard)
        if fault is FaultKind.ERROR_504_AFTER_COMMIT:
            await _answer(send, 504, _GATEWAY_PAGE, b"text/html")
            return
        if fault is not FaultKind.HANG:
            _reset(scope)
        await _disconnected(receive)


def same(found: bytes, expected: bytes) -> bool:
    """Compare keys in a time that does not tell where they differ."""
    return hmac.compare_digest(found, expected)


async def _discard(_: Message) -> None:
    return


async def _drain(receive: Receive) -> bytes:
    """Take the whole request in, so that its sender is past writing when the connection ends; returns its body."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body


def _again(body: bytes) -> Receive:
    """A request that was taken in, for the application: it is there although its sender may be gone."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _reset(scope: Scope) -> None:
    """Drop the connection with a reset in place of an orderly end."""
    transport: asyncio.Transport = scope[_TRANSPORT]
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    transport.abort()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, refusal: Refusal) -> None:
    await _answer(send, refusal.status, json.dumps(refusal.body()).encode(), b"application/json")


async def _answer(send: Send, status: int, body: bytes, content_type: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
