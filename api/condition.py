"""What the book and Temporal say of the platform, as metrics: read when somebody asks, by the API alone.

A scrape can hurt nobody: readings are made one at a time, over a connection of their own, within limits of time, and
kept for a moment. What cannot be read is left out, and `stonks_book_up` or `stonks_temporal_up` is 0: a figure that was
true once never looks as if it were still.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from api.failures import as_stonks_error
from api.operations import pipeline
from api.operations.pipeline import PipelineHealth
from domain.breaker_state import BreakerPhase
from domain.decisions import TradingState
from store import condition
from store.condition import Condition
from store.database import Database
from workflows import names

log = structlog.get_logger(__name__)

LIMIT_SECONDS = 4.0
"""A scrape waits no longer for a reading: Prometheus waits ten by default."""
KEEP_SECONDS, LONGEST_SECONDS = 5.0, 15.0
SHARE = 20
"""A reading is good for so many times as long as it took, within those two: it never takes much of the database."""
PARALLEL = 8
_RPC_TIMEOUT = timedelta(seconds=2)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Backlog:
    """What waits on a task queue that no worker has taken yet."""

    task_queue: str
    type: str
    """workflow or activity."""
    tasks: int
    age_seconds: float
    """Of the oldest."""


class Reading(Generic[Value]):
    """A figure that is read for whoever asks, kept for a moment, also where it could not be read."""

    def __init__(
        self, name: str, read: Callable[[], Awaitable[Value]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._kept: tuple[Value | None, float] = (None, 0.0)
        self._until: float | None = None
        self._under_way: asyncio.Task[None] | None = None

    async def get(self) -> tuple[Value | None, float]:
        """The value, None where it cannot be read within the limit, and the seconds that reading it took."""
        if self._until is not None and self._clock() < self._until:
            return self._kept
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._work_out(), name=f"read-{self._name}")
        task = self._under_way
        await asyncio.wait({task}, timeout=LIMIT_SECONDS)
        return self._kept if task.done() else (None, LIMIT_SECONDS)

    async def _work_out(self) -> None:
        began = self._clock()
        value: Value | None = None
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                value = await self._read()
        except Exception as error:
            known = as_stonks_error(error)
            code = "TIMED_OUT" if isinstance(error, TimeoutError) else known.code if known else type(error).__name__
            log.warning("metrics_not_read", reading=self._name, code=code, error=str(error))
        finally:
            took = self._clock() - began
            self._kept = value, took
            self._until = began + took + min(LONGEST_SECONDS, max(KEEP_SECONDS, SHARE * took))
            self._under_way = None


class ConditionMetrics:
    """Families of metrics about the book and the task queues.

    `mode` is what the account is called: an installation has one.
    """

    def __init__(self, database: Database, client: Client, *, mode: str) -> None:
        self._mode = mode
        self._book = Reading("book", lambda: _book(database, mode))
        self._queues = Reading("task-queues", lambda: backlogs(client))

    async def families(self) -> list[Metric]:
        (book, book_seconds), (queues, queues_seconds) = await asyncio.gather(self._book.get(), self._queues.get())
        return [
            *_health("book", "the database", book is not None, book_seconds),
            *_stages(book[1] if book is not None else None),
            *_trading(book[0] if book is not None else None, self._mode),
            *_copies(book[0] if book is not None else None),
            *_health("temporal", "Temporal", queues is not None, queues_seconds),
            *_backlogs(queues or ()),
        ]


async def _book(database: Database, mode: str) -> tuple[Condition, PipelineHealth]:
    now = datetime.now(UTC)
    found = await condition.read(database, now=now)
    return found, pipeline.judged(found.stages, now=now, mode=mode)


async def backlogs(client: Client) -> list[Backlog]:
    """Ask Temporal what waits on every task queue of the platform."""
    slots = asyncio.Semaphore(PARALLEL)

    async def ask(name: str, kind: TaskQueueType.ValueType, called: str) -> Backlog:
        async with slots:
            answer = await client.workflow_service.describe_task_queue(
                DescribeTaskQueueRequest(
                    namespace=client.namespace,
                    task_queue=TaskQueue(name=name, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
                    task_queue_type=kind,
                    report_stats=True,
                ),
                timeout=_RPC_TIMEOUT,
            )
        stats = answer.stats
        age = stats.approximate_backlog_age.ToTimedelta().total_seconds() if stats.approximate_backlog_count else 0.0
        return Backlog(task_queue=name, type=called, tasks=stats.approximate_backlog_count, age_seconds=age)

    workflows = (
        ask(queue.value, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, "workflow") for queue in names.WORKFLOW_QUEUES
    )
    activities = (ask(queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, "activity") for queue in names.activity_queues())
    return list(await asyncio.gather(*workflows, *activities))


def _gauge(
    name: str,
    documentation: str,
    labels: Sequence[str],
    samples: Iterable[tuple[Sequence[str], float]],
) -> GaugeMetricFamily:
    """A family, declared also where there is nothing to say."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _health(name: str, called: str, up: bool, seconds: float) -> list[Metric]:
    return [
        _gauge(f"stonks_{name}_up", f"Whether {called} could be read: 1, or 0", (), [((), float(up))]),
        _gauge(f"stonks_{name}_read_seconds", f"How long the last reading of {called} took", (), [((), seconds)]),
    ]


def _stages(health: PipelineHealth | None) -> list[Metric]:
    stages = health.stages if health is not None else []
    one = ("stage",)
    return [
        _gauge(
            "stonks_stage_last_success_timestamp_seconds",
            "When the stage last did what it is for",
            one,
            [((each.stage,), each.last_success_at.timestamp()) for each in stages if each.last_success_at is not None],
        ),
        _gauge(
            "stonks_stage_queue_items",
            "Pieces of work that wait in the stage",
            one,
            [((each.stage,), each.waiting) for each in stages],
        ),
        _gauge(
            "stonks_stage_queue_oldest_seconds",
            "How long the oldest of them has waited; 0 where none waits",
            one,
            [((each.stage,), each.lag_seconds) for each in stages],
        ),
        _gauge(
            "stonks_stage_failed_items",
            "What gave up in the stage and waits for a person",
            one,
            [((each.stage,), each.failed) for each in stages],
        ),
        _gauge(
            "stonks_approvals_pending",
            "Orders that wait for people",
            (),
            [((), each.waiting) for each in stages if each.stage == "approval"],
        ),
    ]


def _trading(found: Condition | None, account: str) -> list[Metric]:
    differences = [each.failed for each in found.stages if each.stage == "reconcile"] if found is not None else []
    return [
        _gauge(
            "stonks_trading_state",
            "1 for the state that trading is in, 0 for the others",
            ("account", "state"),
            [((account, state.value), float(state is found.trading)) for state in TradingState] if found else (),
        ),
        _gauge(
            "stonks_trading_breaker_open",
            "Whether the circuit breaker has tripped",
            ("account", "breaker"),
            [((account, name.value), float(phase is BreakerPhase.OPEN)) for name, phase in found.breakers.items()]
            if found
            else (),
        ),
        _gauge(
            "stonks_trading_reconciliation_breaks",
            "Differences between book and broker that block: somebody must look",
            ("account",),
            [((account,), number) for number in differences],
        ),
    ]


def _copies(found: Condition | None) -> list[Metric]:
    """What can be lost, and how stale what is analysed may be. What has never been is not there."""
    backed_up_at = found.backed_up_at if found is not None else None
    drilled_at = found.drilled_at if found is not None else None
    up_to = next((each.up_to for each in found.stages if each.stage == "lake"), None) if found is not None else None
    known = (
        ("stonks_backup_last_success_timestamp_seconds", "When the newest verified backup was taken", backed_up_at),
        ("stonks_backup_drill_last_success_timestamp_seconds", "When a drill last passed", drilled_at),
        ("stonks_lake_up_to_timestamp_seconds", "Up to when the lake has every table", up_to),
    )
    return [_gauge(name, says, (), [((), at.timestamp())] if at is not None else ()) for name, says, at in known]


def _backlogs(found: Sequence[Backlog]) -> list[Metric]:
    two = ("task_queue", "type")
    return [
        _gauge(
            "stonks_task_queue_backlog_tasks",
            "Tasks that no worker has taken yet, about",
            two,
            [((each.task_queue, each.type), each.tasks) for each in found],
        ),
        _gauge(
            "stonks_task_queue_backlog_age_seconds",
            "How long the oldest of them has waited",
            two,
            [((each.task_queue, each.type), each.age_seconds) for each in found],
        ),
    ]
