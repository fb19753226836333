"""A server that speaks the vendor's stream protocol, and a wire that can go dead without closing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

KEYS = {"key_id": "PKTEST", "secret_key": "secret-of-the-account"}


class VendorStream:
    """Authenticates, acknowledges `listen`, and sends what it is told to everybody who listens, as bytes."""

    def __init__(self) -> None:
        self.port = 0
        self.connects = 0
        self.hang_up_after_listening = False
        self._listening: set[ServerConnection] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def say(self, update: dict[str, Any]) -> None:
        frame = json.dumps({"stream": "trade_updates", "data": update}).encode()
        for client in list(self._listening):
            await client.send(frame)

    async def say_raw(self, frame: bytes) -> None:
        for client in list(self._listening):
            await client.send(frame)

    async def drop(self) -> None:
        for client in list(self._listening):
            await client.close(1012)

    async def somebody_listens(self) -> None:
        async with asyncio.timeout(10):
            while not self._listening:
                await asyncio.sleep(0.01)

    async def serve_client(self, client: ServerConnection) -> None:
        self.connects += 1
        asked = json.loads(await client.recv())
        known = asked == {"action": "authenticate", "data": KEYS}
        status = "authorized" if known else "unauthorized"
        await _answer(client, "authorization", {"status": status, "action": "authenticate"})
        if not known:
            return
        await client.recv()
        await _answer(client, "listening", {"streams": ["trade_updates"]})
        if self.hang_up_after_listening:
            return
        self._listening.add(client)
        try:
            await client.wait_closed()
        finally:
            self._listening.discard(client)


@asynccontextmanager
async def vendor_stream() -> AsyncIterator[VendorStream]:
    stream = VendorStream()
    async with serve(stream.serve_client, "127.0.0.1", 0) as server:
        stream.port = next(iter(server.sockets)).getsockname()[1]
        yield stream


class Wire:
    """Passes bytes on until it goes dead: both ends stay open, nothing comes through any more."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.dead = asyncio.Event()
        self.port = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer), return_exceptions=True)

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            if self.dead.is_set():
                continue
            target.write(data)
            await target.drain()
        target.close()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    made = Wire(port)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def _answer(client: ServerConnection, stream: str, data: dict[str, Any]) -> None:
    await client.send(json.dumps({"stream": stream, "data": data}).encode())
