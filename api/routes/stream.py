"""`/v1/stream`: what happens, as it happens, as server-sent events.

    id: 4711
    event: order
    data: {"event":"order_updated","subject_id":"...","occurred_at":"...","symbol":"AAPL","status":"accepted",...}

A client that comes back sends the last id that it has read as `Last-Event-ID`, and misses nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, cast

import structlog
from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import Message, Receive, Send
from starlette.types import Scope as AsgiScope

from api.auth import Principal, require
from api.errors import problems
from api.keys import Scope
from api.routing import Router
from api.tail import Subscription, Tail
from domain.errors import InvalidInput, StonksError
from domain.feed import FeedKind

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 15.0
"""As often a client hears that the stream lives, and as often its key or session is looked at again."""
RETRY_MILLISECONDS = 2_000
SEND_SECONDS = 30.0
"""A client that takes nothing for so long is gone."""

router = Router(prefix="/v1/stream", tags=["stream"])

_TYPES = ", ".join(FeedKind)


class StreamQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    types: Annotated[
        str,
        Field(max_length=200, description=f"Separated by commas; without any, all: {_TYPES}", examples=["order,fill"]),
    ] = ""
    after: Annotated[
        int | None,
        Field(ge=0, le=2**63 - 1, description="As `Last-Event-ID`, for clients that cannot send a header at first"),
    ] = None


class EventStream(StreamingResponse):
    """Server-sent events. A client that takes nothing any more is dropped, so that its connection is not kept."""

    media_type = "text/event-stream"

    def __init__(self, content: AsyncIterator[bytes], *, leave: Callable[[], None]) -> None:
        super().__init__(content, headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        self._leave = leave

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()

    async def stream_response(self, send: Send) -> None:
        async def patiently(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().stream_response(patiently)
        except TimeoutError:
            log.info("stream_dropped", waited_seconds=SEND_SECONDS)


@router.get(
    "",
    response_class=EventStream,
    status_code=HTTPStatus.OK,
    responses={
        200: {
            "description": "Events until either side ends it; `problem` is the last one where the server does",
            "content": {"text/event-stream": {"schema": {"type": "object"}}},
        },
        **problems(422, 503),
    },
)
async def follow(
    request: Request,
    principal: Annotated[Principal, require(Scope.READ)],
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[str | None, Header(max_length=200, description="`id` of the last event read")] = None,
) -> EventStream:
    """Follow what happens: ids, states and amounts, never texts; read the rest where the id leads.

    Begins now, or behind the event that `Last-Event-ID` names. Where that lies further back than events are kept, a
    `problem` event with the code `EVENTS_LOST` says so: read the lists again. Comments every 15 seconds show that it
    lives. It ends with a `problem` event when the key or session ends (`KEY_INVALID`, `SCOPE_MISSING`), when the client
    does not keep up (`SLOW_CLIENT`) and when the server stops (`STREAM_CLOSING`); the last two may begin again.
    """
    kinds = _kinds(query.types)
    after = query.after if last_event_id is None else _sequence(last_event_id)
    tail = cast(Tail, request.app.state.tail)
    subscription = await tail.subscribe(kinds)
    recheck = cast("Callable[[], Awaitable[None]]", request.state.recheck)
    return EventStream(_events(tail, subscription, after, recheck), leave=partial(tail.leave, subscription))


async def _events(
    tail: Tail, subscription: Subscription, after: int | None, recheck: Callable[[], Awaitable[None]]
) -> AsyncIterator[bytes]:
    at = subscription.begins_at
    yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
    if after is not None and await tail.is_lost(subscription, after):
        yield _problem("EVENTS_LOST", "Events behind this id are not kept: read the lists again", at)
    elif after is not None:
        async for frames in tail.missed(subscription, after):
            yield b"".join(each.encoded for each in frames)
        at = max(at, after)
    yield _ready(at)
    async for piece in _live(subscription, at, recheck):
        yield piece


async def _live(subscription: Subscription, at: int, recheck: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
    """What comes from now on, until one side ends it."""
    loop = asyncio.get_running_loop()
    due = loop.time() + HEARTBEAT_SECONDS
    while True:
        frames = [each for each in await subscription.take(max(due - loop.time(), 0)) if each.sequence > at]
        if frames:
            at = frames[-1].sequence
            yield b"".join(each.encoded for each in frames)
        if subscription.cut:
            yield _problem("SLOW_CLIENT", "Too much waited for it: begin again behind the last id that was read")
            return
        if subscription.over:
            yield _problem("STREAM_CLOSING", "The server stops: connect again in a moment")
            return
        if loop.time() >= due:
            due = loop.time() + HEARTBEAT_SECONDS
            if (ended := await _refusal(recheck)) is not None:
                yield _problem(ended.code, ended.hint)
                return
            at = max(at, subscription.seen)
            yield f"id: {at}\n: alive\n\n".encode()


async def _refusal(recheck: Callable[[], Awaitable[None]]) -> StonksError | None:
    """Why the client may not listen any more; None where it may, or where nobody can tell at the moment."""
    try:
        await recheck()
    except StonksError as error:
        return error
    except Exception as error:
        log.warning("stream_not_rechecked", error=f"{type(error).__name__}: {error}"[:300])
    return None


def _ready(at: int) -> bytes:
    return f'id: {at}\nevent: ready\ndata: {{"position":{at}}}\n\n'.encode()


def _problem(code: str, hint: str, at: int | None = None) -> bytes:
    body: dict[str, Any] = {"code": code, "hint": hint}
    position = "" if at is None else f"id: {at}\n"
    return f"{position}event: problem\ndata: {json.dumps(body)}\n\n".encode()


def _kinds(types: str) -> frozenset[FeedKind]:
    names = [each.strip() for each in types.split(",") if each.strip()]
    for name in names:
        if name not in list(FeedKind):
            raise InvalidInput("TYPE_UNKNOWN", field="types", found=name, allowed=_TYPES)
    return frozenset(FeedKind(name) for name in names) or frozenset(FeedKind)


def _sequence(given: str) -> int:
    if not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise InvalidInput(
            "EVENT_ID_INVALID",
            "Send the id of the last event that was read, unchanged",
            field="Last-Event-ID",
            found=given[:40],
            allowed="a number",
        )
    return int(given)
