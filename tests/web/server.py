"""A hostile server on a free loopback port, and a network on which public addresses lead to it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence

import httpcore

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]
PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "151.101.1.69"


class HostileServer:
    """Answers each path with what a test has put there, and remembers the requests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.replies: dict[str, Reply] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        """Target and headers, names in lower case."""
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> HostileServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            target = lines[0].split(" ")[1]
            pairs = (line.partition(":") for line in lines[1:] if line)
            self.requests.append((target, {name.lower(): value.strip() for name, _, value in pairs}))
            await self.replies.get(target.partition("?")[0], reply(404))(writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._running.discard(task)


def reply(
    status: int = 200, body: bytes = b"", headers: Iterable[tuple[str, str]] = (), length: int | None = None
) -> Reply:
    """A whole answer; `length` is the Content-Length that it claims, -1 for none."""

    async def send(writer: asyncio.StreamWriter) -> None:
        claimed = len(body) if length is None else length
        fields = [*headers, ("Connection", "close"), *([("Content-Length", str(claimed))] if claimed >= 0 else [])]
        head = f"HTTP/1.1 {status} Reason\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
        writer.write(head.encode() + b"\r\n" + body)

    return send


def redirect(location: str, status: int = 302) -> Reply:
    return reply(status, headers=[("Location", location)])


def raw(data: bytes) -> Reply:
    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return send


def drip(seconds: float) -> Reply:
    """One byte at a time, for ever."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(seconds)

    return send


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3_600)


class Internet(httpcore.AsyncNetworkBackend):
    """Leads every connection to the hostile server, and remembers which address was asked for."""

    def __init__(self, port: int, dead: Sequence[str] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self._port = port
        self._dead = dead
        self._beneath = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self._dead:
            raise httpcore.ConnectError("refused")
        return await self._beneath.connect_tcp("127.0.0.1", self._port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._beneath.sleep(seconds)


class Names:
    """A resolver with a list of answers for each name; the last one stays."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._answers:
            raise OSError("no such name")
        answers = self._answers[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]
