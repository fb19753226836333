"""Figures that cost a walk through a whole table, kept for a moment: the larger the book, the longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

Value = TypeVar("Value")

SHARE = 20
"""A figure is good for so many times as long as it took: working it out never takes more than a twentieth."""
LONGEST_SECONDS = 10.0
OLDEST_SECONDS = 30.0
"""Nothing older is ever given: whoever asks then waits."""
MOST = 32


@dataclass
class _Kept:
    value: Any
    begun: float
    until: float


class Remembered:
    """What one process has worked out lately.

    A figure whose time is over is given once more while a new one is worked out beside, so that nobody waits for it.
    `clock` is seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(
        self, key: Hashable, work_out: Callable[[], Awaitable[Value]], *, is_large: Callable[[Value], bool]
    ) -> Value:
        """The figure.

        Args:
            is_large: whether the book that it came from is so large that it may be some seconds old next time.
        """
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and now < kept.until:
            return kept.value  # type: ignore[no-any-return]
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._work_out(key, work_out, is_large))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        if kept is not None and now - kept.begun < OLDEST_SECONDS:
            return kept.value  # type: ignore[no-any-return]
        return await asyncio.shield(task)

    async def _work_out(
        self, key: Hashable, work_out: Callable[[], Awaitable[Any]], is_large: Callable[[Any], bool]
    ) -> Any:
        begun = self._clock()
        value = await work_out()
        now = self._clock()
        self._kept.pop(key, None)
        if is_large(value):
            self._kept[key] = _Kept(value, begun, now + min(LONGEST_SECONDS, SHARE * (now - begun)))
            while len(self._kept) > MOST:
                self._kept.pop(next(iter(self._kept)))
        return value

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; a figure that is worked out beside is tried again by the next
