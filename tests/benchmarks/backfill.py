"""Documents a second of BackfillDocuments, what a document costs from the first to the last of many, and memory.

A rate is records read over the time from the workflow's start to its end; records that were refused and copies count as
read, and what was accepted is given besides. Servers and workers run already; a small backfill warms them up.
"""

from __future__ import annotations

import asyncio
import csv
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
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
FEW, MANY = 1_000, 100_000
FILES = {"many": (MANY, 1), "few": (FEW, 9), "warm-up": (300, 10)}
"""How many records, and how many half years after the headlines: no file's stories are near another's."""
HALF_A_YEAR = timedelta(days=184)
"""How far the headlines reach; each further round of them is moved on by as much."""
SAMPLE_SECONDS = 0.4
_CONSONANTS, _VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"


@dataclass(frozen=True)
class Sample:
    """What had been used by an instant: seconds of processor time of all parts, and memory of this process."""

    at: datetime
    seconds: float
    resident_bytes: int


@dataclass(frozen=True)
class Measured:
    """One backfill: what it reported, what it cost each part, and what was used meanwhile."""

    report: BackfillReport
    cost: dict[str, float]
    samples: Sequence[Sample]

    @property
    def rate(self) -> float:
        return self.report.report.read / self.report.seconds

    @property
    def accepted(self) -> float:
        return self.report.report.registered / self.report.seconds

    @property
    def grown_megabytes(self) -> float:
        return (max(each.resident_bytes for each in self.samples) - self.samples[0].resident_bytes) / 1e6

    def seconds_by(self, instant: datetime) -> float:
        """Processor time used by an instant, between the samples around it."""
        number = min(bisect_left(self.samples, instant, key=lambda each: each.at), len(self.samples) - 1)
        before, after = self.samples[max(number - 1, 0)], self.samples[number]
        share = (instant - before.at) / (after.at - before.at) if after.at > before.at else 1.0
        return before.seconds + (after.seconds - before.seconds) * min(max(share, 0.0), 1.0)


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
        runs, deciles = asyncio.run(_measure(stack, Path(directory)))
    how = "one worker process with the ingest queue, file-backed servers, rules extractor"
    made = f"headlines with words and times of their own; {how}"
    yield Figure("backfill.headlines", runs["real"].rate, "records/s", f"{HEADLINES.name}; {how}", at_least=GOAL)
    yield Figure("backfill.headlines.accepted", runs["real"].accepted, "documents/s", how)
    yield Figure("backfill.few", runs["few"].rate, "records/s", f"{FEW} {made}")
    yield Figure("backfill.many", runs["many"].rate, "records/s", f"{MANY} {made}")
    for number, (wall, processor) in enumerate(deciles, 1):
        yield Figure(f"backfill.many.tenth.{number:02}", wall, "ms/document", "time, registration and reading")
        yield Figure(
            f"backfill.many.tenth.{number:02}.processor", processor, "ms/document", "processor time of all parts"
        )
    used = [processor for _, processor in deciles]
    flat = "processor time of the second half of the documents over that of the first"
    yield Figure("backfill.many.second_half", sum(used[5:]) / sum(used[:5]), "ratio", flat)
    for part, cost in runs["many"].cost.items():
        yield Figure(f"backfill.many.processor.{part}", cost, "ms/document", made)
    for name in ("few", "many"):
        grown = runs[name].grown_megabytes
        yield Figure(f"backfill.{name}.memory", grown, "MB", "growth of the worker's resident set, at most")


async def _measure(stack: Stack, directory: Path) -> tuple[dict[str, Measured], list[tuple[float, float]]]:
    parts = await Parts.connect(load(stack.environment()), keep_objects=KEEP_OBJECTS)
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            for worker in build_workers(Queue.INGEST, parts):
                await running.enter_async_context(worker)
            files = {
                name: _write(directory / f"{name}.csv", name, count, halves) for name, (count, halves) in FILES.items()
            }
            await _run(stack, parts, files["warm-up"])
            runs = {"real": await _run(stack, parts, HEADLINES)}
            for name in ("few", "many"):
                runs[name] = await _run(stack, parts, files[name])
            return runs, await _tenths(parts, runs["many"])
    finally:
        await parts.close()


async def _run(stack: Stack, parts: Parts, path: Path) -> Measured:
    request = BackfillRequest(
        backfill_id=path.stem,
        source_id="bench",
        config=FileSourceConfig(path=str(path), publisher="Example Wire", credibility=Credibility.WIRE),
    )
    before = ProcessorTime.now(stack)
    async with _watching(stack) as samples:
        report = await parts.client.execute_workflow(
            BackfillDocuments.run,
            BackfillState(request=request),
            id=names.backfill_id(request.backfill_id),
            task_queue=Queue.INGEST,
        )
    cost = ProcessorTime.now(stack).since(before, count=report.report.read)
    return Measured(report=report, cost=cost, samples=samples)


@asynccontextmanager
async def _watching(stack: Stack) -> AsyncIterator[list[Sample]]:
    """Note what has been used, a few times a second."""

    def sample() -> Sample:
        used = sum(ProcessorTime.now(stack).seconds.values())
        return Sample(datetime.now(UTC), used, psutil.Process().memory_info().rss)

    samples = [sample()]

    async def watch() -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(sample())

    watching = asyncio.create_task(watch())
    try:
        yield samples
    finally:
        watching.cancel()
        samples.append(sample())


async def _tenths(parts: Parts, measured: Measured) -> list[tuple[float, float]]:
    """What a document costs by tenths of the file, its registration and its reading: time and processor time, in ms.

    Each batch notes when it was registered and when it was read; what a tenth took lies between.
    """
    registered = "SELECT recorded_at FROM documents WHERE run_id = $1 ORDER BY 1"
    read = """
        SELECT extractions.recorded_at FROM extractions JOIN documents USING (doc_id) WHERE run_id = $1 ORDER BY 1
    """
    costs = [(0.0, 0.0)] * 10
    for statement in (registered, read):
        instants = [row[0] for row in await parts.database.run(statement, measured.report.run_id)]
        ends = [instants[0], *(instants[len(instants) * tenth // 10 - 1] for tenth in range(1, 11))]
        size = len(instants) / 10 / 1_000
        for tenth, (begin, end) in enumerate(pairwise(ends)):
            used = measured.seconds_by(end) - measured.seconds_by(begin)
            wall, processor = costs[tenth]
            costs[tenth] = wall + (end - begin).total_seconds() / size, processor + used / size
    return costs


def _write(path: Path, label: str, count: int, halves: int) -> Path:
    """Write records made of the headlines, so many half years later: each with words of its own, later rounds later."""
    began = time.monotonic()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "date", "headline", "lead"])
        writer.writerows(islice(_records(label, halves), count))
    print(f"{path.name}: {count} records made in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return path


def _records(label: str, halves: int) -> Iterator[tuple[str, str, str, str]]:
    with HEADLINES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    number = 0
    while True:
        moved = HALF_A_YEAR * (halves + number // len(rows))
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
