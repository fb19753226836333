"""Backfills: the steps of `IngestSource` and `ProcessDocument` over batches of a file's documents.

Raw documents and readings of a batch go into one object each, its rows into one transaction. The rules alone read:
a model would need a year for what they read in an hour, and its slots belong to live documents.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from temporalio import activity

from activities.batch_reading import Classify, Extract, call_id, read_batch
from activities.batch_registration import ReadyBatch, RecordStream, SortedBatch, sort_batch
from activities.heartbeats import alive
from activities.ports import Flows
from activities.registration import Origin, link_stories
from domain.backfill import (
    BackfillPlan,
    BackfillRun,
    Ended,
    EndTask,
    ReadCounts,
    ReadTask,
    Registered,
    RegisterTask,
    Segment,
    TellTask,
    Told,
)
from domain.documents import Reject, SourceDocument
from domain.errors import Conflict, NotFound, SourceFormatError
from domain.ingestion import IngestReport
from domain.research import EvidenceNotice
from domain.sources import FileSourceConfig, SourceKind
from store import audit, backfills, registry, sources
from store.database import Database
from store.documents import DocumentHead
from store.objects import ObjectStore, key_for
from store.registry import SymbolMaster
from store.tables.ingestion import IngestionRun

BATCHES_A_SEGMENT = 10
SKIPPED_AT_ONCE = 20_000
OPEN_STREAMS = 2
PARALLEL_NOTICES = 16

T = TypeVar("T")

Reader = Callable[[FileSourceConfig, datetime], Iterator[SourceDocument | Reject]]
Counter = Callable[[FileSourceConfig], int | None]


class BackfillActivities:
    """What a backfill does. `driven` is true in a replay: a document is known when published."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        flows: Flows,
        read: Reader,
        count: Counter,
        extract: Extract,
        classify: Classify,
        *,
        driven: bool,
    ) -> None:
        self._database = database
        self._objects = objects
        self._flows = flows
        self._read = read
        self._count = count
        self._extract = extract
        self._classify = classify
        self._driven = driven
        self._registry = _Registry(database)
        self._streams: dict[str, RecordStream] = {}
        self._processor = asyncio.Semaphore(1)
        """One thread computes at a time: several would only take the interpreter from each other."""

    @activity.defn
    async def plan_backfill(self, run: BackfillRun) -> BackfillPlan:
        """Begin: see that the file can be read, make its source where there is none, note the run and who wants it.

        Keyed by the run: a repeat changes nothing.
        """
        request = run.request
        async with alive():  # a worker that took this and died is noticed in seconds
            records = await asyncio.to_thread(self._count, request.config)
            stamp = await asyncio.to_thread(_stamp, request.config.path)
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            source = await sources.find(session, request.source_id)
            if source is None:
                await sources.save(session, source_id=request.source_id, config=request.config, created_at=now)
            elif source.removed:
                await sources.require(session, request.source_id)
            elif source.kind != SourceKind.FILE:
                hint = "Choose another source id: documents of a file belong to a source of files"
                raise Conflict("SOURCE_KIND_FIXED", hint, source_id=request.source_id, found=source.kind)
            await sources.start_run(
                session,
                run_id=run.run_id,
                source_id=request.source_id,
                started_at=run.as_of,
                workflow_id=activity.info().workflow_id or "",
            )
            await audit.append(
                session,
                key=f"backfill/{run.run_id}",
                actor=request.actor or "temporal",
                action="backfill_started",
                subject=request.source_id,
                body={"run_id": run.run_id, **request.model_dump(mode="json", exclude={"actor", "source_id"})},
                recorded_at=now,
            )
        return BackfillPlan(records=records, stamp=stamp)

    @activity.defn
    async def register_batches(self, task: RegisterTask) -> Registered:
        """Register the next segment of the file, batch after batch, each in a transaction with the run's counts.

        A repeat reads the file again up to where the segment begins and finds the batches that are done already.
        While one batch is being written, the next one is read.
        """
        ids: list[str] = []
        ends: list[int] = []
        report: IngestReport | None = None
        done = task.batches
        async with alive():
            stream = await self._stream(task)
            async with aclosing(self._batches(stream)) as batches:
                async for batch in batches:
                    done += 1
                    report, brought = await self._register(task.run, done, batch)
                    if brought:
                        ids += brought
                        ends.append(len(ids))
            last = done < task.batches + BATCHES_A_SEGMENT
            if not last:
                self._keep_stream(task.run.run_id, stream)
            if _doubles(task.batches, done):
                await backfills.refresh_statistics(self._database)
            return Registered(
                report=report or await self._report(task.run),
                batches=done,
                records=stream.position,
                segment=Segment(key=await self._put_ids(ids), ends=tuple(ends)) if ids else None,
                last=last,
            )

    @activity.defn
    async def read_batch(self, task: ReadTask) -> ReadCounts:
        """Read a batch's documents and save what stands in them; those that were read already are left alone.

        The counts come from the book, so that they are the same whichever attempt did the work.
        """
        async with alive():
            ids = (await self._ids(task.key))[task.start : task.end]
            heads = await backfills.unread(self._database, ids)
            if heads:
                await self._read_and_save(heads, task.run_id)
            counts = await backfills.tally(self._database, [call_id(task.run_id, doc_id) for doc_id in ids])
        return ReadCounts(**vars(counts))

    @activity.defn
    async def tell_symbols(self, task: TellTask) -> Told:
        """Tell each symbol that gained evidence once, with the newest document. A repeat goes on where one stopped."""
        details = activity.info().heartbeat_details
        told = int(details[0]) if details else 0
        newest: dict[str, tuple[datetime, str]] = {}
        async with alive(lambda: told):
            for segment in task.segments:
                calls = [call_id(task.run_id, doc_id) for doc_id in await self._ids(segment.key)]
                for symbol, found in (await backfills.newest_evidence(self._database, calls)).items():
                    newest[symbol] = max(found, newest.get(symbol, found))
            notices = [
                EvidenceNotice(symbol=symbol, doc_id=doc_id, available_at=at)
                for symbol, (at, doc_id) in sorted(newest.items())
            ]
            while told < len(notices):
                some = notices[told : told + PARALLEL_NOTICES]
                await asyncio.gather(*(self._flows.tell_symbol(notice) for notice in some))
                told += len(some)
        return Told(symbols=len(notices))

    @activity.defn
    async def end_backfill(self, task: EndTask) -> Ended:
        """Note how the run ended. A repeat changes nothing."""
        async with self._database.transaction() as session:
            await backfills.end_run(
                session, run_id=task.run_id, status=task.end.value, finished_at=datetime.now(UTC), error=task.error
            )
            reasons = await sources.count_rejects(session, run_id=task.run_id)
        return Ended(reasons=reasons)

    async def _register(self, run: BackfillRun, number: int, batch: ReadyBatch) -> tuple[IngestReport, list[str]]:
        """Write one batch down. Returns the run's counts and the documents that the batch brings."""
        began = time.monotonic()
        known = await backfills.known(self._database, batch.documents)
        found = sort_batch(batch, known, run_id=run.run_id)
        rows = [batch.documents[doc_id].row for doc_id in found.documents if doc_id not in known]
        labels = [
            {"doc_id": doc_id, "symbol": symbol, "label": label} for (doc_id, symbol), label in found.labels.items()
        ]
        async with self._database.transaction() as session:
            row = await backfills.lock_run(session, run.run_id)
            if row is None:
                raise NotFound("RUN_NOT_FOUND", "Start the backfill again", run_id=run.run_id)
            if row.pages >= number:  # an attempt before this one got so far
                return _counted(row), found.to_read()
            new = await backfills.add_documents(session, rows)
            gained = await backfills.add_symbols(session, labels)
            again = gained - new - found.before
            await backfills.read_again(session, again)
            fresh = [batch.documents[doc_id] for doc_id in sorted(new)]
            repeated = await link_stories(session, [each.story for each in fresh], [each.bands for each in fresh])
            copies = await backfills.mark_copies(session, repeated, run_id=run.run_id)
            await sources.save_rejects(session, run_id=run.run_id, rejects=found.rejects, recorded_at=batch.read_at)
            report = _counted(row).plus(
                pages=1,
                read=len(batch.records),
                copies=copies,
                register_ms=int((time.monotonic() - began) * 1_000),
                **_counts(found, new, again),
            )
            backfills.note_progress(row, report)
        return report, found.to_read()

    async def _read_and_save(self, heads: Sequence[DocumentHead], run_id: str) -> None:
        master = await self._registry.master()
        raw = await self._objects.get_many(head.raw_key for head in heads)
        now = datetime.now(UTC)
        batch = await self._compute(
            lambda: read_batch(heads, raw, master, self._extract, self._classify, run_id=run_id, now=now)
        )
        await self._objects.put_pack(batch.pack)
        await backfills.save_readings(self._database, batch.readings)

    async def _batches(self, stream: RecordStream) -> AsyncGenerator[ReadyBatch, None]:
        """The batches of a segment; while one is written, the next one is read.

        Raw documents come first: a crash in between leaves an object nobody points at, never the reverse.
        """
        master = await self._registry.master()

        async def read() -> ReadyBatch:
            batch = await self._compute(lambda: stream.next_batch(master))
            await self._objects.put_pack(batch.pack)
            return batch

        reading = asyncio.create_task(read())
        try:
            for left in reversed(range(BATCHES_A_SEGMENT)):
                batch = await reading
                if not batch.records:
                    return
                if left:
                    reading = asyncio.create_task(read())
                yield batch
        finally:
            reading.cancel()  # a thread goes on to the end of its batch, and nobody uses the stream any more

    async def _stream(self, task: RegisterTask) -> RecordStream:
        """The file at the task's record: read on where this process read what comes before, else read again."""
        stream = self._streams.pop(task.run.run_id, None)
        if stream is None or stream.position > task.records:
            stream = await self._open(task)
        while stream.position < task.records:
            left = task.records - stream.position
            if not await asyncio.to_thread(stream.skip, min(left, SKIPPED_AT_ONCE)):
                raise SourceFormatError("SOURCE_CHANGED", "It became shorter", path=task.run.request.config.path)
        return stream

    async def _open(self, task: RegisterTask) -> RecordStream:
        config = task.run.request.config
        found = await asyncio.to_thread(_stamp, config.path)
        if found != task.plan.stamp:
            hint = "Start a new backfill; what was registered stays"
            raise SourceFormatError("SOURCE_CHANGED", hint, path=config.path, found=found, began_with=task.plan.stamp)
        return RecordStream(
            self._read(config, task.run.as_of),
            Origin(
                source_id=task.run.request.source_id,
                publisher=config.publisher,
                credibility=config.credibility.value,
            ),
            run_id=task.run.run_id,
            as_published=self._driven or task.run.request.as_published,
        )

    def _keep_stream(self, run_id: str, stream: RecordStream) -> None:
        self._streams[run_id] = stream
        while len(self._streams) > OPEN_STREAMS:
            self._streams.pop(next(iter(self._streams)))

    async def _ids(self, key: str) -> list[str]:
        return (await self._objects.get(key)).decode().split()

    async def _put_ids(self, ids: list[str]) -> str:
        body = "\n".join(ids).encode()
        return await self._objects.put(key_for("batches", hashlib.sha256(body).hexdigest()), body, "text/plain")

    async def _report(self, run: BackfillRun) -> IngestReport:
        async with self._database.transaction() as session:
            row = await backfills.lock_run(session, run.run_id)
        return IngestReport(run_id=run.run_id, source_id=run.request.source_id) if row is None else _counted(row)

    async def _compute(self, work: Callable[[], T]) -> T:
        async with self._processor:
            return await asyncio.to_thread(work)


class _Registry:
    """The registry as it stands, read whole again only after a change: it may hold thousands of companies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version: tuple[Any, ...] = ()
        self._known: SymbolMaster | None = None

    async def master(self) -> SymbolMaster:
        version = await backfills.registry_version(self._database)
        if self._known is None or version != self._version:
            async with self._database.transaction() as session:
                known = await registry.load_master(session)
            await asyncio.to_thread(lambda: known.index)  # a second for ten thousand names
            self._known, self._version = known, version
        return self._known


def _counts(found: SortedBatch, new: frozenset[str], again: frozenset[str]) -> Mapping[str, int]:
    """Count each record of a batch once: new with this run, known with a new symbol, or known."""
    counts = {"registered": 0, "linked": 0, "duplicates": 0, "rejected": found.refused}
    counted: set[str] = set()
    for doc_id in found.told:
        if doc_id in new and doc_id not in counted:
            counts["registered"] += 1
        elif doc_id in new or doc_id in found.before or doc_id in again:
            counts["linked"] += 1
        else:
            counts["duplicates"] += 1
        counted.add(doc_id)
    return counts


def _doubles(before: int, after: int) -> bool:
    """Whether a power of two lies between the numbers: the book has about doubled."""
    return after.bit_length() > before.bit_length()


def _counted(row: IngestionRun) -> IngestReport:
    return IngestReport(
        run_id=row.run_id, source_id=row.source_id, **{name: getattr(row, name) for name in sources.COUNTS}
    )


def _stamp(path: str) -> str:
    """What changes with a file; of a folder nothing is known."""
    place = Path(path)
    if place.is_dir():
        return "folder"
    seen = place.stat()
    return f"{seen.st_size} bytes, changed at {seen.st_mtime_ns}"
