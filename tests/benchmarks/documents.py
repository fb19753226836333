"""Documents per second of ProcessDocument against a no-op workflow of the same shape, on the same server, in one run.

The no-op has the same three activities on the same number of queues with the same worker and activity options,
summaries and search attributes, and its last activity signals the same number of entities; it touches no database and
no object store. The server slows down as it fills: the two take turns in going first, and what is compared is the two
of a round. Besides, what a document costs each part in processor time: a busy machine changes that less than rates.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack
from domain.documents import DatePrecision, SourceDocument
from domain.ids import digest
from domain.ingestion import DocumentRequest
from domain.model import Model
from domain.sources import FileSourceConfig
from store import documents, sources
from store.objects import key_for
from store.tables.ingestion import Document, DocumentSymbol
from tests.benchmarks.figure import Figure
from tests.benchmarks.processor import ProcessorTime
from tests.conftest import clean_environment
from workers.main import KEEP_OBJECTS, build_workers, register_search_attributes
from workers.parts import Parts
from workers.settings import load
from workflows import names, options
from workflows.names import Queue

ROUNDS = 4
DOCUMENTS = 200
PARALLEL = 32
SYMBOLS = ("AAPL", "INTC", "MSFT", "JPM", "GS", "CAT", "BA", "MCD", "GM", "IBM")
NOW = datetime(2014, 7, 15, 20, tzinfo=UTC)
GOAL = 0.8


class Note(Model):
    name: str
    text: str = ""


@activity.defn
async def noop_parse(note: Note) -> Note:
    return note


@activity.defn
async def noop_extract(note: Note) -> Note:
    return note


class NoopTell:
    def __init__(self, client: Client) -> None:
        self._client = client

    @activity.defn
    async def noop_tell(self, note: Note) -> Note:
        await self._client.start_workflow(
            NoopEntity.run,
            id=f"noop-entity/{note.text}",
            task_queue="noop-research",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="note",
            start_signal_args=[note],
            search_attributes=_attributes("symbol", names.SYMBOL, note.text),
            static_summary=note.text,
        )
        return note


@workflow.defn
class NoopEntity:
    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        workflow.continue_as_new()

    @workflow.signal
    def note(self, note: Note) -> None:
        return


@workflow.defn
class NoopDocument:
    """As `ProcessDocument`, with its timeouts, retry policies and summaries, on queues of its own."""

    @workflow.run
    async def run(self, note: Note) -> Note:
        parsed = await workflow.execute_activity(
            noop_parse, note, summary="read the raw bytes, clean the text", **_on("noop-ingest", options.PARSE)
        )
        read = await workflow.execute_activity(
            noop_extract, parsed, summary="events, roles, sentiment, quotes", **_on("noop-extract", options.EXTRACT)
        )
        return await workflow.execute_activity_method(
            NoopTell.noop_tell, read, summary="check every quote, save, tell", **_on("noop-research", options.STORE)
        )


def _on(queue: str, chosen: options.ActivityOptions) -> options.ActivityOptions:
    return {**chosen, "task_queue": queue}


@dataclass(frozen=True)
class Round:
    """Workflows a second, and milliseconds of processor time a workflow by part."""

    rate: float
    cost: Mapping[str, float]


def _attributes(stage: str, key: SearchAttributeKey[str], value: str) -> TypedSearchAttributes:
    return TypedSearchAttributes([SearchAttributePair(names.STAGE, stage), SearchAttributePair(key, value)])


def document_throughput() -> Iterable[Figure]:
    services = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS)
    with (
        tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory,
        Stack(Path(directory), mode="replay", inherited=clean_environment(), parts=services) as stack,
    ):
        stack.start()
        migrate(stack.environment())
        real, noop = asyncio.run(_measure(stack))
    how = (
        f"{ROUNDS} rounds of {DOCUMENTS} workflows of each kind, {PARALLEL} starts at a time, workers in one process, "
        "file-backed server; medians"
    )
    ratio = statistics.median(mine.rate / other.rate for mine, other in zip(real, noop, strict=True))
    yield Figure("documents.process_document", _median(real), "documents/s", how)
    yield Figure("documents.noop_same_shape", _median(noop), "workflows/s", how)
    yield Figure("documents.ratio", ratio, "ratio", how, at_least=GOAL)
    for part in real[0].cost:
        for name, rounds in (("process_document", real), ("noop_same_shape", noop)):
            cost = statistics.median(each.cost[part] for each in rounds)
            yield Figure(f"documents.processor.{part}.{name}", cost, "ms/document", how)


def _median(rounds: Sequence[Round]) -> float:
    return statistics.median(each.rate for each in rounds)


async def _measure(stack: Stack) -> tuple[list[Round], list[Round]]:
    parts = await Parts.connect(load(stack.environment()), keep_objects=KEEP_OBJECTS)
    real: list[Round] = []
    noop: list[Round] = []
    try:
        await register_search_attributes(parts.client)
        await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            for queue in (Queue.INGEST, Queue.EXTRACT, Queue.RESEARCH):
                for worker in build_workers(queue, parts):
                    await running.enter_async_context(worker)
            for worker in _noop_workers(parts.client):
                await running.enter_async_context(worker)
            await _real_round(stack, parts, "warm-up", 20)
            await _noop_round(stack, parts.client, "warm-up", 20)
            for number in range(ROUNDS):
                if number % 2:
                    real.append(await _real_round(stack, parts, str(number), DOCUMENTS))
                noop.append(await _noop_round(stack, parts.client, str(number), DOCUMENTS))
                if not number % 2:
                    real.append(await _real_round(stack, parts, str(number), DOCUMENTS))
    finally:
        await parts.close()
    return real, noop


def _noop_workers(client: Client) -> list[Worker]:
    runner = UnsandboxedWorkflowRunner()
    tell = NoopTell(client)
    return [
        Worker(
            client,
            task_queue="noop-ingest",
            workflows=[NoopDocument],
            activities=[noop_parse],
            workflow_runner=runner,
            max_concurrent_activities=16,
        ),
        Worker(client, task_queue="noop-extract", activities=[noop_extract], max_concurrent_activities=8),
        Worker(
            client,
            task_queue="noop-research",
            workflows=[NoopEntity],
            activities=[tell.noop_tell],
            workflow_runner=runner,
            max_concurrent_activities=16,
        ),
    ]


async def _noop_round(stack: Stack, client: Client, label: str, count: int) -> Round:
    async def one(number: int) -> None:
        await client.execute_workflow(
            NoopDocument.run,
            Note(name=f"{label}-{number}", text=SYMBOLS[number % len(SYMBOLS)]),
            id=f"noop/{label}/{number}",
            task_queue="noop-ingest",
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=_attributes("document", names.SOURCE, "bench"),
            static_summary="document of bench",
        )

    return await _round(stack, [partial(one, number) for number in range(count)])


async def _real_round(stack: Stack, parts: Parts, label: str, count: int) -> Round:
    async def one(request: DocumentRequest) -> None:
        await parts.flows.start_document(request)
        await parts.client.get_workflow_handle(names.document_id(request.doc_id)).result()

    return await _round(stack, [partial(one, request) for request in await register_documents(parts, label, count)])


async def _round(stack: Stack, workflows: Sequence[Callable[[], Awaitable[None]]]) -> Round:
    limit = asyncio.Semaphore(PARALLEL)

    async def limited(run: Callable[[], Awaitable[None]]) -> None:
        async with limit:
            await run()

    before, started = ProcessorTime.now(stack), time.perf_counter()
    await asyncio.gather(*(limited(run) for run in workflows))
    elapsed = time.perf_counter() - started
    cost = ProcessorTime.now(stack).since(before, count=len(workflows))
    return Round(rate=len(workflows) / elapsed, cost=cost)


async def register_documents(parts: Parts, label: str, count: int) -> list[DocumentRequest]:
    """Put documents into the store as ingestion does; that is not what is measured."""
    source_id = "bench"
    rows, links, raw = [], [], []
    for number in range(count):
        symbol = SYMBOLS[number % len(SYMBOLS)]
        document = SourceDocument(
            title=f"{symbol} profit rose {number % 90 + 1} percent, beating expectations",
            text=f"{symbol} said second-quarter profit rose to ${number + 1} million and raised its forecast. {label}",
            published_at=NOW + timedelta(seconds=number),
            precision=DatePrecision.INSTANT,
            location=f"bench:{number}",
        )
        key = key_for("raw", document.content_hash())
        raw.append((key, document.canonical_bytes()))
        rows.append(
            Document(
                doc_id=document.doc_id(),
                content_hash=document.content_hash(),
                source_id=source_id,
                run_id=digest("bench", label),
                title=document.title,
                published_at=document.published_at,
                precision=document.precision.value,
                available_at=document.published_at,
                recorded_at=NOW,
                raw_key=key,
            )
        )
        links.append(DocumentSymbol(doc_id=document.doc_id(), symbol=symbol, label=symbol))
    await parts.objects.put_many(raw, "application/json")
    async with parts.database.transaction() as session:
        await sources.save(session, source_id=source_id, config=FileSourceConfig(path="bench"), created_at=NOW)
        await documents.register(session, documents=rows, symbols=links)
    return [DocumentRequest(doc_id=row.doc_id, source_id=source_id) for row in rows]
