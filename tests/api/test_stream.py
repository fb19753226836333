"""The stream: everything once and in order, whoever dies meanwhile; nobody slows anybody down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event
from sqlmodel.ext.asyncio.session import AsyncSession

from api import keys, tail
from api.app import create_app
from api.keys import Scope, parse
from api.routes import stream
from api.tail import Frame, Tail
from cli.stack.supervisor import Stack
from domain.feed import FeedKind
from store import outbox
from store.database import Database
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.streaming import Listener, listening, served, tell
from tests.api.test_server import api_process, free_port, wait_ready

pytestmark = pytest.mark.stack

HOSTILE = "<script>alert(1)</script>\n\nevent: order\ndata: {}\n\n"


@pytest.fixture
def app(platform: Platform) -> FastAPI:
    return create_app(platform.dependencies())


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as address:
        yield address


async def test_stream_when_something_happens_then_it_is_told_with_what_a_list_needs_and_no_more(
    platform: Platform, address: str
) -> None:
    async with listening(address) as heard:
        await heard.ready()
        subject = await tell(
            platform.parts.database,
            symbol="AAPL",
            side="buy",
            reason="a secret reason",
            title=HOSTILE,
            status="x" * 5_000,
            quantity={"nested": "text"},
        )
        told = (await heard.until(subject))[-1]
    assert told.event == "order"
    assert told.data.pop("occurred_at")
    assert told.data == {
        "event": "order_denied",
        "subject_id": subject,
        "symbol": "AAPL",
        "side": "buy",
        "status": "x" * 120,
    }
    assert heard.retry == "2000"


async def test_stream_when_a_subject_is_hostile_then_it_stays_one_event(platform: Platform, address: str) -> None:
    async with listening(address) as heard:
        await heard.ready()
        await tell(platform.parts.database, subject=HOSTILE)
        last = await tell(platform.parts.database)
        first, second = await heard.until(last)
    assert first.data["subject_id"] == HOSTILE
    assert second.data["subject_id"] == last


async def test_stream_when_types_are_given_then_only_those_are_told(platform: Platform, address: str) -> None:
    database = platform.parts.database
    async with listening(address, types="fill, breaker") as heard:
        await heard.ready()
        await tell(database, "order_denied")
        await tell(database, "approval_requested")
        fill = await tell(database, "order_filled", filled="3")
        await tell(database, "order_filled")  # the order's end, not its execution
        breaker = await tell(database, "breaker_tripped")
        told = await heard.until(breaker)
    assert [(each.event, each.data["subject_id"]) for each in told] == [("fill", fill), ("breaker", breaker)]


@pytest.mark.parametrize(("query", "code"), [("types=orders", "TYPE_UNKNOWN"), ("after=x", "REQUEST_INVALID")])
async def test_stream_when_asked_wrongly_then_422(api: Caller, query: str, code: str) -> None:
    assert_problem(await api("GET", f"/v1/stream?{query}"), 422, code)


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "9" * 19, "١"])
async def test_last_event_id_when_it_is_none_of_ours_then_422(api: Caller, given: str) -> None:
    answer = await api("GET", "/v1/stream", headers={"Last-Event-ID": given.encode()})
    assert_problem(answer, 422, "EVENT_ID_INVALID")


@pytest.mark.parametrize("by", ["header", "parameter"])
async def test_stream_when_a_client_comes_back_then_it_is_told_what_it_missed_once(
    platform: Platform, address: str, by: str
) -> None:
    database = platform.parts.database
    async with listening(address) as heard:
        await heard.ready()
        await heard.until(await tell(database))
        last = heard.last_id
    missed = [await tell(database) for _ in range(3)]
    again: Any = {"last": last} if by == "header" else {"after": last}
    async with listening(address, **again) as heard:
        told = [await heard.next() for _ in missed]
        await heard.ready()
        new = await tell(database)
        told += await heard.until(new)
    assert [each.data["subject_id"] for each in told if each] == [*missed, new]


async def test_stream_when_its_server_is_restarted_then_nothing_is_lost_and_nothing_told_twice(
    platform: Platform, servers: Stack
) -> None:
    """A server that is killed, one that is stopped, and a third; events go on meanwhile."""
    database = platform.parts.database
    published: list[str] = []
    received: list[str] = []
    done = asyncio.Event()

    async def publish() -> None:
        while not done.is_set():
            published.append(await tell(database))
            await asyncio.sleep(0.02)

    async def receive(heard: Listener, most: int) -> None:
        while most and (told := await heard.next()) is not None:
            if told.event == "order":
                received.append(told.data["subject_id"])
                most -= 1

    task = asyncio.create_task(publish())
    try:
        port = free_port()
        with api_process(servers, port) as process:
            await asyncio.to_thread(wait_ready, port, process)
            async with listening(f"http://127.0.0.1:{port}") as heard:
                await receive(heard, 30)
                process.kill()
                with contextlib.suppress(httpx.HTTPError):  # it does not say goodbye
                    await receive(heard, 10_000)
        app = create_app(platform.dependencies())
        async with served(app) as address, listening(address, last=heard.last_id) as heard:
            await receive(heard, 30)
            app.state.tail.close()
            await receive(heard, 10_000)
        async with (
            served(create_app(platform.dependencies())) as address,
            listening(address, last=heard.last_id) as heard,
        ):
            await receive(heard, 30)
            done.set()
            await task
            while received[-1] != published[-1]:
                await receive(heard, 1)
    finally:
        done.set()
        await task
    begun = published.index(received[0])  # the first stream began with what was new then
    assert received == published[begun:]


async def test_stream_when_the_server_stops_then_it_says_so_and_ends(
    platform: Platform, app: FastAPI, address: str
) -> None:
    async with listening(address) as heard:
        await heard.ready()
        app.state.tail.close()
        told = await heard.next()
        assert told is not None
        assert (told.event, told.data["code"]) == ("problem", "STREAM_CLOSING")
        assert await heard.next() is None
    answer = await Caller(app, await platform.key(Scope.READ))("GET", "/v1/stream")
    assert_problem(answer, 503, "STREAM_CLOSING")


async def test_id_when_it_lies_behind_what_is_kept_then_the_client_is_told_and_goes_on_from_now(
    platform: Platform, address: str
) -> None:
    database = platform.parts.database
    first = await tell(database)
    async with database.transaction() as session:
        row = await outbox.newest(session)
    kept = [await tell(database) for _ in range(3)]
    async with database.transaction() as session:
        newest = await outbox.newest(session)
        removed = await outbox.prune(session, read=newest - 3, at=datetime.now(UTC), keep=0)
        assert removed == await outbox.removed_up_to(session) == newest - 3
    assert row <= removed
    rows = await database.run("SELECT subject_id FROM outbox ORDER BY sequence")
    assert [each["subject_id"] for each in rows] == kept
    assert first not in kept
    for last in (removed - 1, 2**40):
        async with listening(address, last=last) as heard:
            told = await heard.next()
            assert told is not None
            assert (told.event, told.data["code"]) == ("problem", "EVENTS_LOST")
            assert told.id == await heard.ready()
    async with listening(address, last=removed) as heard:
        assert [(await heard.next()).data["subject_id"] for _ in kept] == kept


async def test_prune_when_the_one_reader_that_counts_is_behind_then_nothing_it_needs_is_removed(
    platform: Platform,
) -> None:
    database = platform.parts.database
    await tell(database)
    async with database.transaction() as session:
        newest = await outbox.newest(session)
        before = await outbox.removed_up_to(session)
        assert await outbox.prune(session, read=before, at=datetime.now(UTC), keep=0) == before
        assert await outbox.prune(session, read=newest, at=datetime.now(UTC), keep=newest) == before


async def test_client_when_it_does_not_keep_up_then_it_is_cut_off_with_a_reason_and_goes_on_by_its_id(
    platform: Platform, app: FastAPI, address: str
) -> None:
    database = platform.parts.database
    async with listening(address) as slow:
        position = await slow.ready()
        (subscription,) = app.state.tail._subscriptions
        # More than all buffers between the two ends hold, while it does not read.
        await database.run(
            "INSERT INTO outbox (event_id, event, subject_id, body, occurred_at) SELECT 'crowd/' || $1::text || n, "
            "'order_denied', 'crowd-' || n, jsonb_build_object('symbol', repeat('x', 120), 'side', repeat('y', 120), "
            "'status', repeat('z', 120), 'state', repeat('w', 120)), now() FROM generate_series(1, 30000) AS n",
            str(position),
        )
        async with asyncio.timeout(120):
            while not subscription.cut:
                await asyncio.sleep(0.05)
        told = 0
        while (heard := await slow.next()) is not None and heard.event == "order":
            told, last = told + 1, heard.id
        assert heard is not None
        assert (heard.event, heard.data["code"]) == ("problem", "SLOW_CLIENT")
        assert await slow.next() is None
    assert told < 30_000
    async with listening(address, last=last) as again:
        rest = await again.until("crowd-30000")
    assert [each.data["subject_id"] for each in rest] == [f"crowd-{n}" for n in range(told + 1, 30_001)]


async def test_streams_when_there_are_two_hundred_then_the_outbox_is_read_once_for_all(platform: Platform) -> None:
    database = platform.parts.database
    reader = Tail(lambda: database)
    reads: list[str] = []

    def note(*arguments: Any) -> None:
        if "FROM outbox" in arguments[2] and "outbox.sequence >" in arguments[2]:
            reads.append(arguments[2])

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    subscriptions = await asyncio.gather(*(reader.subscribe(frozenset(FeedKind)) for _ in range(200)))
    try:
        told: list[list[int]] = [[] for _ in subscriptions]
        count = 20
        for _ in range(count):
            await tell(database)
        for numbers, each in zip(told, subscriptions, strict=True):
            while len(numbers) < count:
                numbers += [frame.sequence for frame in await each.take(60)]
    finally:
        for each in subscriptions:
            reader.leave(each)
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    assert all(numbers == told[0] for numbers in told)
    assert 1 <= len(reads) <= count
    assert reader._task is None  # nobody listens, nobody reads


async def test_stream_when_its_key_is_revoked_then_it_ends_at_the_next_heartbeat(
    platform: Platform, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.2)
    key = await platform.key(Scope.READ)
    async with listening(address, key=key) as heard:
        await heard.ready()
        await heard.until(await tell(platform.parts.database))
        parsed = parse(key)
        assert parsed is not None
        async with platform.parts.database.transaction() as session:
            await keys.revoke(session, key_id=parsed[0], actor="test", now=datetime.now(UTC))
        while (told := await heard.next()) is not None and told.event != "problem":
            pass
        assert told is not None
        assert told.data["code"] == "KEY_INVALID"
        assert await heard.next() is None
    assert_problem(await caller(platform, key)("GET", "/v1/stream"), 401, "KEY_INVALID")


async def test_heartbeat_when_other_types_happen_then_its_id_moves_on(
    platform: Platform, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.2)
    async with listening(address, types="breaker") as heard:
        begun = await heard.ready()
        await tell(platform.parts.database)
        async with asyncio.timeout(60):
            while heard.last_id == begun:
                line = await anext(heard.lines)
                heard.last_id = int(line.removeprefix("id: ")) if line.startswith("id: ") else heard.last_id


async def test_documents_when_many_follow_each_other_then_they_are_one_message_and_none_is_lost(
    platform: Platform, address: str
) -> None:
    database = platform.parts.database
    async with listening(address, types="document,order") as heard:
        begun = await heard.ready()
    ids = [await tell(database, "document_processed", status="processed") for _ in range(60)]
    await tell(database, "documents_processed", count=50)
    order = await tell(database)
    later = await tell(database, "document_failed", status="failed")
    async with listening(address, last=begun) as heard:
        told = await heard.until(order)
        rest = await heard.next()
    assert rest is not None
    documents = [each.data for each in told if each.event == "document"]
    assert [each["count"] for each in documents] == [110]
    assert documents[0]["doc_ids"] == ids[:50]
    assert documents[0]["by_status"] == {"processed": 110}
    assert rest.data["doc_ids"] == [later]


async def test_stream_when_a_client_vanishes_then_its_place_is_free_again(app: FastAPI, address: str) -> None:
    host, port = address.removeprefix("http://").split(":")

    def connect() -> socket.socket:
        made = socket.create_connection((host, int(port)), timeout=30)
        made.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nX-API-Key: bootstrap-0f6e1c94a7\r\n\r\n")
        assert made.recv(100).startswith(b"HTTP/1.1 200")
        return made

    connections = [await asyncio.to_thread(connect) for _ in range(5)]
    assert len(app.state.tail._subscriptions) == 5
    for each in connections:
        each.close()
    async with asyncio.timeout(60):
        while app.state.tail._subscriptions:
            await asyncio.sleep(0.05)


async def test_stream_when_the_database_goes_away_then_it_goes_on_afterwards(platform: Platform, address: str) -> None:
    database = platform.parts.database
    async with listening(address) as heard:
        await heard.ready()
        first = await tell(database)
        await heard.until(first)
        await database.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND query LIKE 'LISTEN %'"
        )
        second = await tell(database)
        assert [each.data["subject_id"] for each in await heard.until(second)] == [second]


async def test_publish_when_its_transaction_rolls_back_then_nothing_is_told(platform: Platform, address: str) -> None:
    database = platform.parts.database
    async with listening(address) as heard:
        await heard.ready()
        session = AsyncSession(database.engine)
        async with session, session.begin() as transaction:
            await outbox.publish(
                session,
                event_id="never",
                event="order_denied",
                subject_id="never",
                body={},
                occurred_at=datetime.now(UTC),
            )
            await transaction.rollback()
        after = await tell(database)
        assert [each.data["subject_id"] for each in await heard.until(after)] == [after]


async def test_stream_when_others_publish_without_a_pause_then_it_begins_and_is_told_what_they_did(
    platform: Platform,
) -> None:
    """A transaction ends after the next one has published, so that there is no moment in which nobody does."""
    database, over, published = platform.parts.database, asyncio.Event(), asyncio.Event()

    async def publish() -> None:
        held = contextlib.AsyncExitStack()
        while not over.is_set():
            following = contextlib.AsyncExitStack()
            session = await following.enter_async_context(database.transaction())
            await outbox.publish(
                session,
                event_id=f"overlap/{uuid.uuid4()}",
                event="order_denied",
                subject_id="overlap",
                body={},
                occurred_at=datetime.now(UTC),
            )
            published.set()
            await held.aclose()
            held = following
        await held.aclose()

    reader = Tail(lambda: database)
    writer = asyncio.create_task(publish())
    try:
        await published.wait()
        async with asyncio.timeout(60):
            subscription = await reader.subscribe(frozenset(FeedKind))
            assert (await subscription.take(60))[0].sequence > subscription.begins_at
        reader.leave(subscription)
    finally:
        over.set()
        await writer


async def test_stream_when_its_reader_fails_once_then_those_who_wait_are_let_in(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "RETRY_SECONDS", 0)
    failures = itertools.chain([TimeoutError("no answer")], itertools.repeat(None))

    def database() -> Database:
        if (error := next(failures)) is not None:
            raise error
        return platform.parts.database

    reader = Tail(database)
    subscriptions = await asyncio.gather(*(reader.subscribe(frozenset(FeedKind)) for _ in range(5)))
    last = await tell(platform.parts.database)
    for each in subscriptions:
        found: list[Frame] = []
        while not any(last.encode() in frame.encoded for frame in found):
            found += await each.take(60)
        reader.leave(each)


async def test_stream_when_the_database_does_not_answer_then_all_are_told_and_later_ones_are_let_in(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "RETRY_SECONDS", 0)
    away = True

    def database() -> Database:
        if away:
            raise ConnectionRefusedError(111, "no")
        return platform.parts.database

    reader = Tail(database)
    waiting = (reader.subscribe(frozenset(FeedKind)) for _ in range(5))
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [getattr(each, "code", each) for each in told] == ["DATABASE_UNAVAILABLE"] * 5
    away = False
    subscription = await reader.subscribe(frozenset(FeedKind))
    last = await tell(platform.parts.database)
    found: list[Frame] = []
    while not any(last.encode() in frame.encoded for frame in found):
        found += await subscription.take(60)
    reader.leave(subscription)
