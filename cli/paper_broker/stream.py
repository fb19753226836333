"""The vendor's trade-update stream: authenticate, listen, then the updates that the outbox takes in.

Frames are binary and hold JSON, as the vendor's paper host sends them. A client hears what happens after it listens;
there is no cursor to resume from.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.faults import STREAM_PATH, FaultBoard
from cli.paper_broker.gate import same
from cli.paper_broker.settings import BrokerSettings, ClockMode

TRADE_UPDATES = "trade_updates"
_LOOK_AGAIN_SECONDS = 1.0
"""How often real time is asked for what it has made due, where nobody else asks."""


class Bell:
    """Rung by any thread when the book has changed; wakes every subscriber on its own event loop."""

    def __init__(self) -> None:
        self._subscribers: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    def subscribe(self) -> asyncio.Event:
        event = asyncio.Event()
        self._subscribers[event] = asyncio.get_running_loop()
        return event

    def leave(self, event: asyncio.Event) -> None:
        self._subscribers.pop(event, None)

    def ring(self) -> None:
        for event, loop in list(self._subscribers.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)


def stream_routes(broker: PaperBroker, settings: BrokerSettings, faults: FaultBoard) -> APIRouter:
    """Make the stream's route; both of its clients' spellings lead to it."""
    routes = APIRouter()
    bell = Bell()
    broker.book.on_commit = bell.ring

    async def serve(socket: WebSocket) -> None:
        await socket.accept()
        await _Subscriber(socket, broker, settings, faults, bell).serve()

    routes.add_api_websocket_route(STREAM_PATH, serve)
    routes.add_api_websocket_route(f"{STREAM_PATH}/", serve)
    return routes


class _Subscriber:
    """One connected client."""

    def __init__(
        self, socket: WebSocket, broker: PaperBroker, settings: BrokerSettings, faults: FaultBoard, bell: Bell
    ) -> None:
        self._socket = socket
        self._broker = broker
        self._settings = settings
        self._faults = faults
        self._bell = bell
        self._authorized = False
        self._sender: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answer the client's messages until it goes."""
        try:
            while True:
                await self._answer(_read(await self._socket.receive()))
        except WebSocketDisconnect:
            return
        finally:
            await self._stop_sending()

    async def _answer(self, message: dict[str, Any]) -> None:
        action, data = message.get("action"), message.get("data")
        data = data if isinstance(data, dict) else {}
        if action in ("authenticate", "auth"):
            self._authorized = self._knows(data.get("key_id", message.get("key")), "key") and self._knows(
                data.get("secret_key", message.get("secret")), "secret"
            )
            await self._send_authorization("authenticate")
        elif not self._authorized:
            await self._send_authorization("listen")
        elif action == "listen":
            streams = data.get("streams")
            await self._listen(streams if isinstance(streams, list) else [])
        else:
            await self._send({"stream": "error", "data": {"action": action, "error": "unknown action"}})

    def _knows(self, found: Any, which: str) -> bool:
        expected = self._settings.key_id if which == "key" else self._settings.secret_key
        return isinstance(found, str) and same(found.encode(), expected.get_secret_value().encode())

    async def _send_authorization(self, action: str) -> None:
        status = "authorized" if self._authorized else "unauthorized"
        await self._send({"stream": "authorization", "data": {"status": status, "action": action}})

    async def _listen(self, streams: list[Any]) -> None:
        """Take a list of streams in place of the one before; what is not known is not acknowledged."""
        await self._stop_sending()
        wanted = [TRADE_UPDATES] if TRADE_UPDATES in streams else []
        bell = self._bell.subscribe()
        start = await run_in_threadpool(self._broker.last_update)
        await self._send({"stream": "listening", "data": {"streams": wanted}})
        if wanted:
            self._sender = asyncio.create_task(self._send_updates(bell, start))
        else:
            self._bell.leave(bell)

    async def _send_updates(self, bell: asyncio.Event, sent: int) -> None:
        wall = self._settings.clock is ClockMode.WALL
        try:
            while True:
                try:
                    await asyncio.wait_for(bell.wait(), _LOOK_AGAIN_SECONDS if wall else None)
                except TimeoutError:
                    await run_in_threadpool(self._broker.catch_up)
                bell.clear()
                while updates := await run_in_threadpool(self._broker.updates_after, sent):
                    for number, payload in updates:
                        if self._faults.take("", STREAM_PATH) is None:
                            await self._socket.send_bytes(payload.encode())
                        sent = number
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            self._bell.leave(bell)

    async def _stop_sending(self) -> None:
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
            self._sender = None

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_bytes(json.dumps(message).encode())


def _read(frame: Any) -> dict[str, Any]:
    """The JSON object of a text or binary frame; an empty one where there is none."""
    if frame["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(frame.get("code", 1000))
    try:
        message = json.loads(frame.get("text") or frame.get("bytes") or "")
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
