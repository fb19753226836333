"""Asking a server as fast as it answers, with as little work of one's own as can be: the machine is shared with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


class Asker:
    """One connection that is kept, and one question at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: str) -> None:
        self._reader, self._writer, self._headers = reader, writer, headers

    @classmethod
    async def connect(cls, port: int, *, key: str = "") -> Self:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
        headers = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n" + (f"Authorization: Bearer {key}\r\n" if key else "")
        return cls(reader, writer, f"{headers}\r\n")

    async def get(self, path: str) -> bytes:
        """The body of an answer of 200."""
        self._writer.write(f"GET {path}{self._headers}".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        assert head.startswith(b"HTTP/1.1 200 "), f"{path}: {head!r} {body[:500]!r}"
        return body

    async def lines(self, path: str) -> asyncio.StreamReader:
        """The reader of a stream that was begun."""
        self._writer.write(f"GET {path}{self._headers}".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), f"{path}: {head!r}"
        return self._reader

    def close(self) -> None:
        self._writer.close()


@dataclass(frozen=True)
class Burst:
    """What came of asking for a while: answers a second, and how long each took, in seconds."""

    rate: float
    seconds: Sequence[float]

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def burst(askers: Sequence[Asker], paths: Sequence[str], *, lasts: float) -> Burst:
    """Ask over every connection at once, each question after the answer before, for so many seconds."""
    seconds: list[float] = []
    end = time.perf_counter() + lasts

    async def ask(place: int, asker: Asker) -> None:
        number = place
        while (begun := time.perf_counter()) < end:
            await asker.get(paths[number % len(paths)])
            seconds.append(time.perf_counter() - begun)
            number += 1

    begun = time.perf_counter()
    await asyncio.gather(*(ask(place, asker) for place, asker in enumerate(askers)))
    return Burst(len(seconds) / (time.perf_counter() - begun), seconds)


def joined(bursts: Sequence[Burst]) -> Burst:
    """All answers together; the rate is the median one."""
    rates = sorted(each.rate for each in bursts)
    return Burst(rates[len(rates) // 2], [each for one in bursts for each in one.seconds])
