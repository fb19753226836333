"""A worker process: serves the queues it is given until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.failures import FailureInterceptor
from activities.metering import MeteringInterceptor
from workers.exposition import exposition
from workers.feed import keep_fed
from workers.health import serve_health
from workers.live import require_live
from workers.parts import CODE_VERSION, Parts
from workers.registry import QueueDuties, duties
from workers.schedules import (
    ensure_backups,
    ensure_broker_reconciliation,
    ensure_comparison,
    ensure_measurement,
    ensure_publication,
    ensure_reconciliation,
)
from workers.settings import Settings
from workflows import names
from workflows.client import begin_broker_reconciliation, index_documents, reconcile_schedules
from workflows.metering import FailureCounter
from workflows.names import Queue
from workflows.request_ids import RequestIdsOfWorker

log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=8)
"""How long running activities may finish when the process is told to stop."""

KEEP_OBJECTS = 16 * 1024 * 1024


async def run_worker(settings: Settings, queues: Sequence[Queue]) -> None:
    """Serve `queues` until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    shown = exposition(settings)
    parts = await Parts.connect(
        settings, keep_objects=KEEP_OBJECTS, runtime=shown.runtime if shown is not None else None
    )
    try:
        if Queue.TRADING in queues:
            await require_live(settings, parts.database, parts.reconciliation_activities())
        await register_search_attributes(parts.client)
        if Queue.INGEST in queues or Queue.FETCH in queues:
            await parts.objects.ensure_bucket()
        async with AsyncExitStack() as running:
            for queue in queues:
                for worker in build_workers(queue, parts):
                    await running.enter_async_context(worker)
            if Queue.TRADING in queues and not settings.driven:
                await running.enter_async_context(following(parts))
            if settings.worker_health_port:
                server = await serve_health(settings.worker_health_host, settings.worker_health_port)
                await running.enter_async_context(server)
            if shown is not None:
                if Queue.TRADING in queues:
                    watch_market(parts)
                shown.show(parts.meter.registry)
                await running.enter_async_context(shown.serving())
            if Queue.OPS in queues:
                await begin_reconciliation(parts.client, driven=settings.driven)
            log.info("worker_started", queues=[queue.value for queue in queues])
            await stop.wait()
            log.info("worker_stopping")
    finally:
        await parts.close()


def watch_market(parts: Parts) -> None:
    """Have the meter say whether the exchange is open. For the worker that knows its calendar anyway."""
    calendar = parts.calendar

    def is_open() -> float:
        now = datetime.now(UTC)
        return float(calendar.next_session(now).opens_at <= now)

    parts.meter.gauge("stonks_market_open", "Whether the exchange is open now, by the clock: 1, or 0", is_open)


@asynccontextmanager
async def following(parts: Parts) -> AsyncIterator[None]:
    """Follow the broker's stream, feed the paper broker, and compare the book with the broker at the start."""
    await begin_broker_reconciliation(parts.client, trigger="start", at=datetime.now(UTC))
    tasks = {asyncio.create_task(parts.stream_follower().run(), name="broker-stream")}
    if (feed := parts.market_feed()) is not None:
        tasks.add(asyncio.create_task(keep_fed(feed, now=lambda: datetime.now(UTC)), name="paper-feed"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def build_workers(queue: Queue, parts: Parts) -> list[Worker]:
    """Make the workers of one queue: several where it stands for several task queues.

    Workflows run outside the import sandbox, which would cost much of the throughput; the tests and the replay gate run
    the same workflows inside it, so that nondeterminism is still caught.
    """
    return [_worker(work, parts) for work in duties(queue, parts)]


def _worker(work: QueueDuties, parts: Parts) -> Worker:
    return Worker(
        parts.client,
        task_queue=work.task_queue,
        workflows=list(work.workflows),
        activities=list(work.activities),
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[
            RequestIdsOfWorker(),
            MeteringInterceptor(parts.meter),
            FailureInterceptor(),
            FailureCounter(parts.meter.gave_up),
        ],
        build_id=CODE_VERSION,
        max_concurrent_activities=work.concurrent_activities,
        max_task_queue_activities_per_second=work.activities_per_second,
        max_concurrent_workflow_tasks=work.concurrent_workflow_tasks if work.workflows else None,
        max_cached_workflows=work.cached_workflows if work.workflows else 0,
        graceful_shutdown_timeout=GRACE,
    )


async def register_search_attributes(client: Client) -> None:
    """Register the typed search attributes that the server does not know yet."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = [key.name for key in names.SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
    if not missing:
        return
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=dict.fromkeys(missing, keyword))
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:  # another worker was faster
            raise


async def begin_reconciliation(client: Client, *, driven: bool) -> None:
    """Make the schedules right at start-up, and the index whole. A replay has none: it reads its source itself."""
    if driven:
        return
    await ensure_reconciliation(client)
    await ensure_comparison(client)
    await ensure_measurement(client)
    await ensure_backups(client)
    await ensure_broker_reconciliation(client)
    await ensure_publication(client)
    await reconcile_schedules(client)
    await index_documents(client)
