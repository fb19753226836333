"""The double itself: Ollama's HTTP interface on loopback, with slots, a queue and faults.

    async with ModelServerDouble() as server:
        server.script(Turn("I cannot."), Turn(fault=Fault.STALL))  # then its own answers
        ... OllamaServer(server.url) ...
        assert server.counts.cancelled == 1

It differs from the real server in one thing on purpose: there, a model that is loaded takes any number of waiting
requests, and the queue is bounded only while one is being loaded; here the bound always holds, so that it can be met.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields, replace
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.model_server import calls
from tests.model_server.answers import default_answer
from tests.model_server.calls import CHARACTERS_PER_TOKEN, Call, Counts, Fault, Switches, Turn
from tests.model_server.catalogue import VERSION, Catalogue

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MODEL = "stub:1b"
_NDJSON = "application/x-ndjson"
_BROKEN = b'{"model": "stub", "message": {"role"'
_STATUS_OF_FAULT = {Fault.ERROR: 500, Fault.REFUSED: 400, Fault.BUSY: 503, Fault.THROTTLED: 429}
_WORDS_OF_FAULT = {
    Fault.ERROR: calls.CRASHED,
    Fault.REFUSED: calls.BAD_OPTIONS,
    Fault.BUSY: calls.BUSY,
    Fault.THROTTLED: calls.OVERLOADED,
}


class _Protocol(H11Protocol):
    """Remembers its transport, so that a connection can be reset."""

    transports: dict[tuple[str, int], asyncio.Transport]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.client is not None:
            self.transports[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.client is not None:
            self.transports.pop(self.client, None)
        super().connection_lost(exc)


class _Quiet(uvicorn.Server):
    """Leaves the signals to whoever runs the tests."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Gone(Exception):
    """The answer ends here: its connection was reset, or will be."""


class ModelServerDouble:
    """A server of models without a model.

    Args:
        models: names that it holds; `thinking` and `levels_only` name those among them that think, and those that
            cannot be kept from it.
        answer: makes the text of every answer that is not scripted.
    """

    def __init__(
        self,
        *,
        models: Sequence[str] = (MODEL,),
        thinking: Sequence[str] = (),
        levels_only: Sequence[str] = (),
        answer: Callable[[Call], str | Turn] = default_answer,
        port: int = 0,
        switches: Switches | None = None,
    ) -> None:
        self._catalogue = partial(Catalogue, tuple(models), thinking=tuple(thinking), levels_only=tuple(levels_only))
        self.catalogue = self._catalogue()
        self.answer = answer
        self._switches = switches or Switches()
        self.switches = replace(self._switches)
        self.counts = Counts()
        self.calls: list[Call] = []
        self._turns: deque[Turn] = deque()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._port = port
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    # -- its life ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on loopback in the running event loop; `url` is known afterwards."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        protocol = type("Protocol", (_Protocol,), {"transports": self._transports})
        config = uvicorn.Config(
            self, http=protocol, log_level="critical", lifespan="off", backlog=2048, timeout_graceful_shutdown=1
        )
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._task
            self._server = self._task = None

    async def __aenter__(self) -> ModelServerDouble:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def script(self, *turns: Turn | str) -> None:
        """Say what to answer next, in turn; after that it makes up its own again."""
        self._turns.extend(turn if isinstance(turn, Turn) else Turn(turn) for turn in turns)

    def reset(self) -> None:
        """Forget what happened and what was scripted, and behave as at first."""
        self.counts = Counts(running=self.counts.running, waiting=self.counts.waiting)
        self.switches = replace(self._switches)
        self.catalogue = self._catalogue()
        self.calls.clear()
        self._turns.clear()

    async def quiet(self, seconds: float = 5.0) -> None:
        """Wait until nothing is computed and nothing waits."""
        async with asyncio.timeout(seconds):
            while self.counts.running or self.counts.waiting:
                await asyncio.sleep(0.005)

    # -- requests ----------------------------------------------------------------------------------------------------

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        route = (scope["method"], scope["path"])
        if route in (("POST", "/api/chat"), ("POST", "/api/generate")):
            await self._answer(scope, receive, send)
            return
        body = await _body(receive)
        status, answer = self._told(route, body)
        await _send_json(send, status, answer)

    def _told(self, route: tuple[str, str], body: bytes) -> tuple[int, Any]:
        match route:
            case ("GET" | "HEAD", "/"):
                return 200, "Ollama is running"
            case ("GET", "/api/version"):
                return 200, {"version": VERSION}
            case ("GET", "/api/tags"):
                self.counts.lists += 1
                return 200, self.catalogue.tags()
            case ("GET", "/api/ps"):
                return 200, self.catalogue.running()
            case ("POST", "/api/show"):
                self.counts.shows += 1
                return self.catalogue.show(body)
            case ("GET", "/double/counts"):
                return 200, asdict(self.counts)
            case ("POST", "/double/switches"):
                return self._switch(body)
        return 404, {"error": "404 page not found"}

    def _switch(self, body: bytes) -> tuple[int, Any]:
        wanted = json.loads(body)
        known = {each.name for each in fields(Switches)}
        if not set(wanted) <= known:
            return 400, {"error": f"known switches: {', '.join(sorted(known))}"}
        for name, value in wanted.items():
            setattr(self.switches, name, value)
        self._hand_on()
        return 200, asdict(self.switches)

    # -- answers -----------------------------------------------------------------------------------------------------

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        body = await _body(receive)
        self.counts.requests += 1
        try:
            call = Call(json.loads(body), {name.decode(): value.decode() for name, value in scope["headers"]})
        except ValueError:
            await self._refuse(send, 400, "invalid character '}' looking for beginning of value")
            return
        self.calls.append(call)
        refusal = self._refusal(call)
        if refusal is not None:
            await self._refuse(send, *refusal)
            return
        work = asyncio.create_task(self._computed(call, scope, send))
        gone = asyncio.create_task(_disconnected(receive))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            self.counts.cancelled += 1
            work.cancel()
        gone.cancel()
        with suppress(asyncio.CancelledError, _Gone):
            await work

    def _refusal(self, call: Call) -> tuple[int, str] | None:
        if not call.model:
            return 400, "model is required"
        name = self.catalogue.held(call.model)
        if not name:
            return 404, f"model '{call.model}' not found"
        if call.think not in (None, False) and name not in self.catalogue.thinking:
            return 400, f'"{call.model}" does not support thinking'
        return None

    async def _refuse(self, send: Send, status: int, words: str, retry_after: str = "") -> None:
        self.counts.refused += 1
        headers = {"retry-after": retry_after} if retry_after else {}
        await _send_json(send, status, {"error": words}, headers)

    def _turn(self, call: Call) -> Turn:
        if self._turns:
            return self._turns.popleft()
        made = self.answer(call)
        return made if isinstance(made, Turn) else Turn(made)

    async def _computed(self, call: Call, scope: dict[str, Any], send: Send) -> None:
        # From here to the slot nothing is awaited, so that nobody slips in between.
        if self.counts.running >= self.switches.slots and self.counts.waiting >= self.switches.max_queue:
            await self._refuse(send, 503, calls.BUSY)
            return
        turn = self._turn(call)
        if turn.fault in (Fault.REFUSED, Fault.BUSY, Fault.THROTTLED):
            words = turn.error or _WORDS_OF_FAULT[turn.fault]
            await self._refuse(send, _STATUS_OF_FAULT[turn.fault], words, turn.retry_after)
            return
        await self._slot()
        try:
            await self._written(call, turn, scope, send)
        except _Gone:
            self.counts.failed += 1
            raise
        finally:
            self.counts.running -= 1
            self._hand_on()

    async def _slot(self) -> None:
        """Wait for a slot, first come first served."""
        if self.counts.running < self.switches.slots and not self._queue:
            self._take()
            return
        turn_comes: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn_comes)
        self.counts.waiting += 1
        self.counts.most_waiting = max(self.counts.most_waiting, self.counts.waiting)
        try:
            await turn_comes
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._queue.remove(turn_comes)
            if not turn_comes.cancelled():  # the slot was handed over at the same moment
                self.counts.running -= 1
                self._hand_on()
            raise
        finally:
            self.counts.waiting -= 1

    def _take(self) -> None:
        self.counts.running += 1
        self.counts.most_running = max(self.counts.most_running, self.counts.running)

    def _hand_on(self) -> None:
        while self._queue and self.counts.running < self.switches.slots:
            first = self._queue.popleft()
            if not first.done():
                self._take()
                first.set_result(None)

    async def _written(self, call: Call, turn: Turn, scope: dict[str, Any], send: Send) -> None:
        fault = turn.fault
        if fault is Fault.RESET_BEFORE:
            self._reset_connection(scope)
        await asyncio.sleep(self.switches.first_token if turn.first_token is None else turn.first_token)
        if fault is Fault.ERROR:
            await _send_json(send, 500, {"error": turn.error or calls.CRASHED})
            self.counts.failed += 1
            return
        if fault is Fault.HTML:
            await _send(send, 200, "text/html", b"<html><body>Sign in to go on</body></html>")
            self.counts.failed += 1
            return
        if call.stream:
            await self._streamed(call, turn, scope, send)
        else:
            await self._at_once(call, turn, scope, send)

    async def _at_once(self, call: Call, turn: Turn, scope: dict[str, Any], send: Send) -> None:
        await asyncio.sleep(self._latency(turn))
        if turn.fault is Fault.STALL:
            await asyncio.Event().wait()
        if turn.fault in (Fault.RESET_MIDDLE, Fault.ENDS_EARLY):
            self._reset_connection(scope)
        if turn.fault is Fault.ERROR_MIDDLE:
            await _send_json(send, 500, {"error": turn.error or calls.MID_STREAM})
            self.counts.failed += 1
            return
        text, reason = self._fitting(call, turn)
        thinking = self._thinking(call, turn)
        whole = _piece(call, text, thinking) | self._last(call, text, thinking, reason)
        if turn.fault is Fault.BROKEN_LINE:
            await _send(send, 200, "application/json", _BROKEN)
            self.counts.failed += 1
            return
        await _send_json(send, 200, whole)
        self.counts.completed += 1

    async def _streamed(self, call: Call, turn: Turn, scope: dict[str, Any], send: Send) -> None:
        text, reason = self._fitting(call, turn)
        thinking = self._thinking(call, turn)
        lines = [_piece(call, "", piece) for piece in _in_pieces(thinking, 4)]
        lines += [_piece(call, piece) for piece in _in_pieces(text, self.switches.pieces)]
        middle = (len(lines) + 1) // 2
        pause = self._latency(turn) / len(lines) if lines else 0.0
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", _NDJSON.encode())]})
        for number, line in enumerate(lines):
            if number == middle and await self._broken(turn, scope, send):
                return
            await _send_line(send, json.dumps(line).encode())
            await asyncio.sleep(pause)
        if len(lines) <= middle and await self._broken(turn, scope, send):
            return
        await _send_line(send, json.dumps(_piece(call, "") | self._last(call, text, thinking, reason)).encode())
        await send({"type": "http.response.body", "body": b""})
        self.counts.completed += 1

    async def _broken(self, turn: Turn, scope: dict[str, Any], send: Send) -> bool:
        """Do what a fault does in the middle of a stream; True when the stream is over by it."""
        match turn.fault:
            case Fault.STALL:
                await asyncio.Event().wait()
            case Fault.RESET_MIDDLE:
                self._reset_connection(scope)
            case Fault.ERROR_MIDDLE:
                await _send_line(send, json.dumps({"error": turn.error or calls.MID_STREAM}).encode())
            case Fault.BROKEN_LINE:
                await _send_line(send, _BROKEN)
            case Fault.ENDS_EARLY:
                pass
            case _:
                return False
        await send({"type": "http.response.body", "body": b""})
        self.counts.failed += 1
        return True

    def _latency(self, turn: Turn) -> float:
        return self.switches.latency if turn.latency is None else turn.latency

    def _fitting(self, call: Call, turn: Turn) -> tuple[str, str]:
        """The text as far as its room goes, and why it ended."""
        if turn.fault is Fault.CUT:
            return turn.text[: max(1, len(turn.text) // 2)], "length"
        room = int(call.options.get("num_predict", -1)) * CHARACTERS_PER_TOKEN
        return (turn.text, "stop") if room < 0 or len(turn.text) <= room else (turn.text[:room], "length")

    def _thinking(self, call: Call, turn: Turn) -> str:
        """What it thinks aloud: a model that can think does, unless it is told not to."""
        name = self.catalogue.held(call.model)
        if name not in self.catalogue.thinking or (call.think is False and name not in self.catalogue.levels_only):
            return ""
        return turn.thinking or "Let me see what the text says."

    def _last(self, call: Call, text: str, thinking: str, reason: str) -> dict[str, Any]:
        context = int(call.options.get("num_ctx", 4_096))
        asked = -(-call.characters // CHARACTERS_PER_TOKEN)
        if asked > context:
            self.counts.cut_prompts += 1
        self.catalogue.loaded[self.catalogue.held(call.model)] = context
        return {
            "done": True,
            "done_reason": reason,
            "total_duration": 2_000_000,
            "load_duration": 1_000_000,
            "prompt_eval_count": min(asked, context),
            "prompt_eval_duration": 500_000,
            "eval_count": -(-(len(text) + len(thinking)) // CHARACTERS_PER_TOKEN),
            "eval_duration": 500_000,
        }

    def _reset_connection(self, scope: dict[str, Any]) -> None:
        """Reset the connection as a server does that dies: no goodbye, and what was under way is lost."""
        transport = self._transports.get(tuple(scope["client"]))
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        raise _Gone


def _piece(call: Call, text: str, thinking: str = "") -> dict[str, Any]:
    piece: dict[str, Any] = {"model": call.model, "created_at": "2026-01-01T00:00:00.000000001Z", "done": False}
    if "messages" not in call.body and "prompt" in call.body:
        return piece | {"response": text} | ({"thinking": thinking} if thinking else {})
    message = {"role": "assistant", "content": text} | ({"thinking": thinking} if thinking else {})
    return piece | {"message": message}


def _in_pieces(text: str, most: int) -> list[str]:
    size = max(1, -(-len(text) // max(1, most)))
    return [text[at : at + size] for at in range(0, len(text), size)]


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        part = await receive()
        if part["type"] == "http.disconnect":
            return body
        body += part.get("body", b"")
        if not part.get("more_body"):
            return body


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send_line(send: Send, line: bytes) -> None:
    await send({"type": "http.response.body", "body": line + b"\n", "more_body": True})


async def _send_json(send: Send, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
    await _send(send, status, "application/json; charset=utf-8", json.dumps(answer).encode(), headers)


async def _send(send: Send, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
    named = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    named += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})
