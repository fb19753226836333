"""Heartbeats of an activity while it works on something that says nothing: a worker that died is noticed in seconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

BEAT_SECONDS = 3.0


@asynccontextmanager
async def alive(detail: Callable[[], int] | None = None) -> AsyncIterator[None]:
    """Tell the server every few seconds that this attempt lives, and how far it is if `detail` says so."""

    async def beat() -> None:
        while True:
            activity.heartbeat(*(() if detail is None else (detail(),)))
            await asyncio.sleep(BEAT_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()
