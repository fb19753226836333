"""Following the broker's stream: whatever it says of an order of ours makes that order's workflow look at once.

The stream only hastens what polling would find. Nothing is booked from it, so a message that is lost, doubled or out of
order does no harm; after every connect the whole book is compared, because the vendor does not repeat what was missed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import structlog

from domain.broker import OrderUpdate, execution_key, root_id
from domain.errors import ConfigurationError, VendorError

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE, REFUSED_PAUSE = 1.0, 60.0, 300.0
"""Seconds before the next connect: after the first failure, at the most, and where the keys are refused."""
STABLE_SECONDS = 60.0
"""A connection that lasted this long was a good one: the next failure counts as the first."""
BETWEEN_COMPARISONS = 10.0
"""Seconds between two comparisons that updates of unknown orders ask for."""
REMEMBERED = 10_000


class Stream(Protocol):
    def connection(self) -> AbstractAsyncContextManager[AsyncIterator[OrderUpdate]]:
        """One connection, listening from the first moment of the block on; ends with a `VendorError`."""
        ...


class StreamFollower:
    """Runs until it is canceled. `tell` has an order's workflow look and says whether it runs; `compare` the book."""

    def __init__(
        self,
        stream: Stream,
        *,
        mode: str,
        tell: Callable[[str], Awaitable[bool]],
        compare: Callable[[], Awaitable[object]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: random.Random | None = None,
    ) -> None:
        self._stream = stream
        self._prefix = f"so-{mode}-"
        self._tell = tell
        self._compare = compare
        self._sleep = sleep
        self._chance = chance or random.Random()  # noqa: S311
        self._heard: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._compared_at = 0.0
        self._later: asyncio.Task[None] | None = None

    async def run(self) -> None:
        try:
            await self._follow_for_ever()
        finally:
            if self._later is not None:
                self._later.cancel()

    async def _follow_for_ever(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._follow()
            except ConfigurationError as error:
                log.warning("broker_stream_refused", code=error.code, error=str(error))
                await self._sleep(REFUSED_PAUSE)
                continue
            except VendorError as error:
                problem = error.code
            except Exception as error:  # the worker must not lose the stream to a defect or to Temporal's absence
                problem = type(error).__name__
            lasted = time.monotonic() - began
            failures = 1 if lasted >= STABLE_SECONDS else failures + 1
            pause = reconnect_pause(failures, self._chance)
            log.warning("broker_stream_lost", problem=problem, lasted_seconds=round(lasted, 1), pause=round(pause, 1))
            await self._sleep(pause)

    async def _follow(self) -> None:
        async with self._stream.connection() as updates:
            log.info("broker_stream_connected")
            await self._ask_for_comparison()
            async for update in updates:
                await self._hear(update)

    async def _hear(self, update: OrderUpdate) -> None:
        """Pass an update on, once. Orders that are not ours are left alone."""
        if not update.client_order_id.startswith(self._prefix) or not self._is_new(update):
            return
        intent_id = root_id(update.client_order_id).removeprefix(self._prefix)
        if await self._tell(intent_id):
            log.info("broker_stream_told", intent_id=intent_id, order_event=update.event)
        elif self._later is None or self._later.done():  # nobody follows it: given up, or its workflow ended
            self._later = asyncio.create_task(self._compare_in_time())

    async def _compare_in_time(self) -> None:
        """Ask for a comparison as soon as the last one is long enough ago."""
        await asyncio.sleep(max(BETWEEN_COMPARISONS - (time.monotonic() - self._compared_at), 0.0))
        try:
            await self._ask_for_comparison()
        except Exception as error:  # the next connect, or the schedule, compares
            log.warning("broker_comparison_not_begun", problem=type(error).__name__)

    async def _ask_for_comparison(self) -> None:
        self._compared_at = time.monotonic()
        await self._compare()

    def _is_new(self, update: OrderUpdate) -> bool:
        """Whether an update was not heard before: executions count by their id, other events by what they say."""
        key = (
            (execution_key(update.execution_id),)
            if update.execution_id
            else (update.broker_order_id, update.event, update.at.isoformat())
        )
        if key in self._heard:
            return False
        self._heard[key] = None
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return True


def reconnect_pause(failures: int, chance: random.Random) -> float:
    """Seconds before the next connect: doubled with every failure in a row, up to the longest, and half of it chance.

    The chance keeps many clients that lost the same server from coming back at the same moment.
    """
    most = min(FIRST_PAUSE * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE)
    return most / 2 + chance.uniform(0, most / 2)
