"""Documents per second of BackfillDocuments, what a document costs from the first to the hundred thousandth, and memory.

A rate is records read over the time from the workflow's start to its end; records that were refused and copies count as
read, and what was accepted is given besides. Servers and workers run already; a small backfill warms them up.
"""

from __future__ import annotations

import asyncio
import csv
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path

import psutil

from cli.migrate import migrate
from cli.stack.supervisor import Stack
from domain.backfill import BackfillReport, BackfillRequest, BackfillState
from domain.documents import Credibility
from domain.sources import FileSourceConfig
from tests.benchmarks.figure import Figure
from tests.benchmarks.processor import ProcessorTime
from tests.conftest import SERVERS, SHARED, clean_environment
from workers.main import KEEP_OBJECTS, build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names
from workflows.backfill_documents import BackfillDocuments
from workflows.names import Queue

HEADLINES = SHARED / "news" / "reuters_ticker_headlines_2011H2.csv"
GOAL = 1_000.0
WARM_UP, FEW, MANY = 300, 1_000, 100_000
HALF_A_YEAR = timedelta(days=184)
"""How far the headlines reach; each further round of them is moved on by as much."""
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"


@dataclass(frozen=True)
class Measured:
    """One backfill: what it reported, what it cost, and how much memory came to be used at the most."""

    report: BackfillReport
    cost: dict[str, float]
    grown_bytes: int

    @property
    def rate(self) -> float:
        return self.report.report.read / self.report.seconds

    @property
    def accepted(self) -> float:
        return self.report.report.registered / self.report.seconds


def backfill() -> Iterable[Figure]:
    if not HEADLINES.exists():
        print(f"backfill: SKIPPED, real data not here: {HEADLINES.name}", file=sys.stderr)
        yield Figure("backfill.skipped", 1, "benchmarks", f"{HEADLINES.name} is not here")
        return
    with (
        tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory,
        Stack(Path(directory) / "stack", inherited=clean_environment(), parts=SERVERS) as stack,
    ):
        stack.start()
        migrate(stack.environment())
        real, few, many, deciles = asyncio.run(_measure(stack, Path(directory)))
    how = "one worker process with the workflow's queue, file-backed servers, rules extractor"
    yield Figure("backfill.headlines", real.rate, "records/s", f"{HEADLINES.name}; {how}", at_least=GOAL)
    yield Figure("backfill.headlines.accepted", real.accepted, "documents/s", how)
    made = f"headlines with words and times of their own; {how}"
    yield Figure("backfill.few", few.rate, "records/s", f"{FEW} {made}")
    yield Figure("backfill.many", many.rate, "records/s", f"{MANY} {made}", at_least=GOAL)
    yield Figure("backfill.many.accepted", many.accepted, "documents/s", made)
    for number, cost in enumerate(deciles, 1):
        yield Figure(f"backfill.many.decile.{number:02}", cost, "ms/document", "of the documents, in order")
    flat = sum(deciles[5:]) / sum(deciles[:5])
    yield Figure("backfill.many.second_half", flat, "ratio", "cost of the second half over that of the first")
    for part, cost in many.cost.items():
        yield Figure(f"backfill.many.processor.{part}", cost, "ms/document", made)
    yield Figure("backfill.few.memory", few.grown_bytes / 1e6, "MB", "growth of the resident set, at most")
    yield Figure("backfill.many.memory", many.grown_bytes / 1e6, "MB", "growth of the resident set, at most")


async def _measure(stack: Stack, directory: Path) -> tuple[Measured, Measured, Measured, list[float]]:
    parts = await Parts.connect(load(stack.environment()), keep_objects=KEEP_OBJECTS)
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            for worker in build_workers(Queue.INGEST, parts):
                await running.enter_async_context(worker)
            files = {
                name: _write(directory / f"{name}.csv", name, count)
                for name, count in (("warm-up", WARM_UP), ("few", FEW), ("many", MANY))
            }
            await _run(stack, parts, files["warm-up"])
            real = await _run(stack, parts, HEADLINES)
            few = await _run(stack, parts, files["few"])
            many = await _run(stack, parts, files["many"])
            return real, few, many, await _deciles(parts, many.report)
    finally:
        await parts.close()


async def _run(stack: Stack, parts: Parts, path: Path) -> Measured:
    request = BackfillRequest(
        backfill_id=path.stem,
        source_id="bench",
        config=FileSourceConfig(path=str(path), publisher="Example Wire", credibility=Credibility.WIRE),
    )
    before = ProcessorTime.now(stack)
    async with _memory() as seen:
        report = await parts.client.execute_workflow(
            BackfillDocuments.run,
            BackfillState(request=request),
            id=names.backfill_id(request.backfill_id),
            task_queue=Queue.INGEST,
        )
    cost = ProcessorTime.now(stack).since(before, count=report.report.read)
    return Measured(report=report, cost=cost, grown_bytes=max(seen) - seen[0])


@asynccontextmanager
async def _memory() -> AsyncIterator[list[int]]:
    """Note the resident set of this process, in which the workers run, several times a second."""
    process = psutil.Process()
    seen = [process.memory_info().rss]

    async def watch() -> None:
        while True:
            seen.append(process.memory_info().rss)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield seen
    finally:
        watching.cancel()


async def _deciles(parts: Parts, report: BackfillReport) -> list[float]:
    """What a document costs, in milliseconds, by tenths of the file: its registration and its reading.

    Each batch notes when it was registered and when it was read; how long a tenth took lies between.
    """
    registered = await _instants(parts, "SELECT recorded_at FROM documents WHERE run_id = $1 ORDER BY 1", report)
    read = await _instants(
        parts,
        "SELECT extractions.recorded_at FROM extractions JOIN documents USING (doc_id) WHERE run_id = $1 ORDER BY 1",
        report,
    )
    return [one + other for one, other in zip(_tenths(registered), _tenths(read), strict=True)]


async def _instants(parts: Parts, statement: str, report: BackfillReport) -> list[datetime]:
    return [row[0] for row in await parts.database.run(statement, report.run_id)]


def _tenths(instants: Sequence[datetime]) -> list[float]:
    """Milliseconds a document, where each instant is that of one, in order."""
    ends = [instants[len(instants) * tenth // 10 - 1] for tenth in range(1, 11)]
    begins = [instants[0], *ends[:-1]]
    size = len(instants) / 10
    return [(end - begin) / timedelta(milliseconds=1) / size for begin, end in zip(begins, ends, strict=True)]


def _write(path: Path, label: str, count: int) -> Path:
    """Write records made of the headlines: each with words of its own, later rounds at later times."""
    began = time.monotonic()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "date", "headline", "lead"])
        writer.writerows(islice(_records(label), count))
    print(f"{path.name}: {count} records made in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return path


def _records(label: str) -> Iterator[tuple[str, str, str, str]]:
    with HEADLINES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    number = 0
    while True:
        moved = HALF_A_YEAR * (number // len(rows))
        for row in rows:
            number += 1
            own = f"{_word(number)} {_word(number * 7_919)} {label}"
            half = len(row["lead"].split()) // 2
            lead = row["lead"].split()
            text = " ".join([*lead[:half], own, *lead[half:]])
            day = date.fromisoformat(row["date"]) + moved
            yield row["ticker"], day.isoformat(), f"{row['headline']} - {_word(number)}", text


def _word(number: int) -> str:
    """A word that stands for a number, as pronounceable as a name."""
    letters = ""
    while number:
        number, consonant = divmod(number, len(_CONSONANTS))
        number, vowel = divmod(number, len(_VOWELS))
        letters += _CONSONANTS[consonant] + _VOWELS[vowel]
    return letters
