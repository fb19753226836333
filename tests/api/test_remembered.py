"""Figures of large books are kept for a moment; those of small ones never are."""

from __future__ import annotations

import asyncio

import pytest

from api.remembered import LONGEST_SECONDS, OLDEST_SECONDS, SHARE, Remembered


class Counting:
    """Counts how often it was asked, and takes so long by its own clock."""

    def __init__(self, seconds: float, *, large: bool = True) -> None:
        self.large = large
        self.now = 100.0
        self.seconds = seconds
        self.asked = 0
        self.error: Exception | None = None
        self.remembered = Remembered(lambda: self.now)

    async def get(self) -> int:
        return await self.remembered.get("figure", self._work_out, is_large=lambda _: self.large)

    async def settle(self) -> None:
        """Let what is worked out beside come to its end."""
        for _ in range(5):
            await asyncio.sleep(0)

    async def _work_out(self) -> int:
        self.asked += 1
        if self.error is not None:
            raise self.error
        await asyncio.sleep(0)
        self.now += self.seconds
        return self.asked


async def test_figure_when_the_book_is_small_then_it_is_worked_out_every_time() -> None:
    counting = Counting(1.0, large=False)
    assert [await counting.get() for _ in range(3)] == [1, 2, 3]


async def test_figure_when_it_takes_long_then_it_is_kept_so_many_times_as_long() -> None:
    counting = Counting(0.1)
    assert await counting.get() == 1
    counting.now += SHARE * 0.1 * 0.99
    assert await counting.get() == 1
    await counting.settle()
    assert counting.asked == 1


async def test_figure_when_its_time_is_over_then_nobody_waits_and_the_next_has_the_new_one() -> None:
    counting = Counting(1.0)
    await counting.get()
    counting.now += LONGEST_SECONDS
    assert [await counting.get() for _ in range(3)] == [1, 1, 1]
    await counting.settle()
    assert await counting.get() == 2
    assert counting.asked == 2


async def test_figure_when_it_is_too_old_then_whoever_asks_waits_for_the_new_one() -> None:
    counting = Counting(1.0)
    await counting.get()
    counting.now += OLDEST_SECONDS
    assert await asyncio.gather(counting.get(), counting.get()) == [2, 2]
    assert counting.asked == 2


async def test_figure_when_it_cannot_be_worked_out_then_the_error_is_raised_and_nothing_kept() -> None:
    counting = Counting(1.0)
    counting.error = RuntimeError("no database")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no database"):
            await counting.get()
    counting.error = None
    assert await counting.get() == 3


async def test_figure_when_it_cannot_be_worked_out_again_then_the_old_one_is_given_until_it_is_too_old() -> None:
    counting = Counting(1.0)
    await counting.get()
    counting.error = RuntimeError("no database")
    counting.now += LONGEST_SECONDS
    assert await counting.get() == 1
    await counting.settle()
    counting.now += OLDEST_SECONDS
    with pytest.raises(RuntimeError, match="no database"):
        await counting.get()
