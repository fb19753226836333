"""From an order's change in the book to everybody's screen, with many subscribers to one process; and its memory.

Each event is published as production does it: in a transaction of its own, by `outbox.publish`, with the body of an
order's step. The time begins before that transaction and ends when a subscriber has read the event whole.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.ids import digest
from store import outbox
from store.database import Database
from tests.benchmarks.figure import Figure
from tests.benchmarks.load import Asker
from tests.conftest import clean_environment
from workers.parts import Parts
from workers.settings import load

SUBSCRIBERS = 200
EVENTS = 100
PAUSE_SECONDS = 0.1
GOAL_MILLISECONDS = 1_000.0
PATIENCE_SECONDS = 60.0
WRITERS = 12
"""That publish without a pause, each a transaction after the other, while all subscribe anew."""


class Screen:
    """A subscriber that notes when each order's event arrived."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.arrived: dict[str, float] = {}
        self.ready = asyncio.Event()

    async def watch(self) -> None:
        reader = await self._asker.lines("/v1/stream?types=order")
        while True:
            line = await reader.readline()
            assert line, "the server ended the stream"
            if line.startswith(b"event: ready"):
                self.ready.set()
            elif line.startswith(b"data: {") and b'"subject_id"' in line:
                self.arrived[json.loads(line[6:])["subject_id"]] = time.perf_counter()

    def close(self) -> None:
        self._asker.close()


def stream_to_many() -> Iterable[Figure]:
    parts = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS, PartName.API)
    environment = {**clean_environment(), "STONKS_API_REQUESTS_PER_MINUTE": "0"}
    with (
        tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory,
        Stack(Path(directory), mode="replay", inherited=environment, parts=parts) as stack,
    ):
        stack.start(before_application=migrate)
        yield from asyncio.run(_measure(stack))


async def _measure(stack: Stack) -> list[Figure]:
    environment = stack.environment()
    port, key = int(environment["STONKS_API_PORT"]), environment["STONKS_API_KEY"]
    api = psutil.Process(stack.pid(PartName.API))
    await _warm(port, key)
    before = _megabytes(api)
    parts = await Parts.connect(load(environment))
    try:
        screens, watching, alone = await _subscribe(port, key)
        began = await _publish(parts.database)
        await _all_arrived(screens, began, watching)
        with_all = _megabytes(api)
        await _leave(screens, watching)
        await _warm(port, key)  # what they leave behind is let go when the loop runs again
        after = _megabytes(api)
        writers = [asyncio.create_task(_write(parts.database, number)) for number in range(WRITERS)]
        others, watching, beside = await _subscribe(port, key)
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
        await _leave(others, watching)
    finally:
        await parts.close()
    took = sorted(1000 * (screen.arrived[name] - at) for screen in screens for name, at in began.items())
    how = (
        f"{SUBSCRIBERS} subscribers to one process, {EVENTS} events {PAUSE_SECONDS} s apart, from before the "
        "transaction to the event read; all arrivals together"
    )
    memory = f"resident memory of the API's process, {SUBSCRIBERS} subscribers"
    together = f"{SUBSCRIBERS} subscribe in the same instant, until the last one is ready"
    return [
        Figure("stream.begin", alone, "s", together),
        Figure("stream.begin.beside_writers", beside, "s", f"{together}; {WRITERS} others publish without a pause"),
        Figure("stream.p50", took[len(took) // 2], "ms", how),
        Figure("stream.p99", took[int(0.99 * len(took))], "ms", how, at_most=GOAL_MILLISECONDS),
        Figure("stream.longest", took[-1], "ms", how),
        Figure("stream.memory.before", before, "MB", memory),
        Figure("stream.memory.with_all", with_all, "MB", memory),
        Figure("stream.memory.after", after, "MB", memory),
    ]


async def _warm(port: int, key: str) -> None:
    asker = await Asker.connect(port, key=key)
    for _ in range(50):
        await asker.get("/v1/orders")
    asker.close()


async def _subscribe(port: int, key: str) -> tuple[list[Screen], list[asyncio.Task[None]], float]:
    """All at once; the seconds until the last one is ready."""
    screens = [Screen(await Asker.connect(port, key=key)) for _ in range(SUBSCRIBERS)]
    asked = time.perf_counter()
    watching = [asyncio.create_task(screen.watch()) for screen in screens]
    ready = asyncio.gather(*(screen.ready.wait() for screen in screens))
    await asyncio.wait({ready, *watching}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    for task in watching:
        if task.done():
            task.result()
    assert ready.done(), "not everybody is ready"
    return screens, watching, time.perf_counter() - asked


async def _leave(screens: list[Screen], watching: list[asyncio.Task[None]]) -> None:
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    for screen in screens:
        screen.close()


async def _write(database: Database, number: int) -> None:
    for count in itertools.count():
        await _tell(database, digest("bench", "beside", number, count))


async def _tell(database: Database, order_id: str) -> None:
    body: dict[str, Any] = {
        "intent_id": digest("bench", "intent", order_id),
        "symbol": "INTC",
        "side": "buy",
        "status": "filled",
        "quantity": "252",
        "filled": "252",
        "average_price": "33.31",
    }
    async with database.transaction() as session:
        await outbox.publish(
            session,
            event_id=f"bench/{order_id}",
            event="order_updated",
            subject_id=order_id,
            body=body,
            occurred_at=datetime.now(UTC),
        )


async def _publish(database: Database) -> dict[str, float]:
    """When each event was about to be published, by the order that it is of."""
    began: dict[str, float] = {}
    for number in range(EVENTS):
        order_id = digest("bench", "order", number)
        began[order_id] = time.perf_counter()
        await _tell(database, order_id)
        await asyncio.sleep(PAUSE_SECONDS)
    return began


async def _all_arrived(screens: list[Screen], began: dict[str, float], watching: list[asyncio.Task[None]]) -> None:
    deadline = time.perf_counter() + PATIENCE_SECONDS
    while not all(began.keys() <= screen.arrived.keys() for screen in screens):
        for task in watching:
            if task.done():
                task.result()
        assert time.perf_counter() < deadline, "not every event arrived"
        await asyncio.sleep(0.05)


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_info().rss / 1e6)
