"""Who asks at the same moment shares a reading, and never one that began before they asked."""

from __future__ import annotations

import asyncio

import pytest

from api.together import Together


class Book:
    """A figure that changes, read at the beginning of a reading that ends when it is let go."""

    def __init__(self) -> None:
        self.figure = 0
        self.readings = 0
        self.error: Exception | None = None
        self.together = Together()
        self._gates: list[asyncio.Event] = []

    def ask(self, key: str = "figure") -> asyncio.Task[int]:
        return asyncio.create_task(self.together.get(key, self._read))

    async def let_go(self) -> None:
        """Let the oldest reading end, and everybody who waited for it go on."""
        self._gates.pop(0).set()
        await settle()

    async def _read(self) -> int:
        self.readings += 1
        found = self.figure
        if self.error is not None:
            raise self.error
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        return found


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_reading_when_one_is_under_way_then_all_who_ask_meanwhile_share_the_next() -> None:
    book = Book()
    first = book.ask()
    await settle()
    book.figure = 1
    others = [book.ask() for _ in range(5)]
    await settle()
    assert book.readings == 1
    await book.let_go()
    assert (await first, book.readings) == (0, 2)
    late = book.ask()
    await settle()
    book.figure = 2
    await book.let_go()
    assert [await each for each in others] == [1] * 5
    await book.let_go()
    assert (await late, book.readings) == (2, 3)


async def test_reading_when_it_has_ended_then_the_next_is_another() -> None:
    book = Book()
    for figure in range(3):
        book.figure = figure
        asked = book.ask()
        await settle()
        await book.let_go()
        assert await asked == figure
    assert book.readings == 3


async def test_reading_when_it_is_of_something_else_then_it_waits_for_nobody() -> None:
    book = Book()
    tasks = [book.ask("one"), book.ask("other")]
    await settle()
    assert book.readings == 2
    await book.let_go()
    await book.let_go()
    assert [await each for each in tasks] == [0, 0]


async def test_reading_when_who_asked_first_leaves_then_the_others_have_their_answer() -> None:
    book = Book()
    first, second, third = book.ask(), book.ask(), book.ask()
    await settle()
    first.cancel()
    second.cancel()
    await settle()
    await book.let_go()
    await book.let_go()
    assert await third == 0
    assert first.cancelled()
    assert second.cancelled()


async def test_reading_when_it_fails_then_who_shared_it_is_told_and_the_next_is_tried_again() -> None:
    book = Book()
    first = book.ask()
    await settle()
    book.error = RuntimeError("no database")
    sharing = [book.ask(), book.ask()]
    await settle()
    await book.let_go()
    assert await first == 0
    for each in sharing:
        with pytest.raises(RuntimeError, match="no database"):
            await each
    book.error = None
    again = book.ask()
    await settle()
    await book.let_go()
    assert (await again, book.readings) == (0, 3)
