"""One reading for everybody who asks at the same moment: pages and programs ask the same again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")


class Together:
    """Readings that are under way, by what is read.

    Whoever asks while one is under way shares the next, which begins after they asked: nobody is answered with what
    was read before, and nothing is kept. A reader who leaves takes nothing from the others.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self._next: dict[Hashable, asyncio.Task[Any]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[Value]]) -> Value:
        """What `read` returns or raises, begun after this was called."""
        before = self._under_way.get(key)
        task = self._next.get(key)
        if task is None:
            task = asyncio.create_task(self._read(key, before, read))
            if before is None:
                self._under_way[key] = task
            else:
                self._next[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def _read(
        self, key: Hashable, before: asyncio.Task[Any] | None, read: Callable[[], Awaitable[Value]]
    ) -> Value:
        if before is not None:
            await asyncio.wait([before])
            self._under_way[key] = self._next.pop(key)
        return await read()

    def _ended(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        if self._under_way.get(key) is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it, if anybody still did
