"""Timeouts and retry policies by stage. Which errors are final is decided in `activities/failures.py`."""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from temporalio.common import Priority, RetryPolicy
from temporalio.workflow import ActivityCancellationType

from domain.agents import Engine
from workflows.names import BACKFILL_QUEUE, BACKTEST_QUEUE, MODEL_QUEUE, Queue


class ActivityOptions(TypedDict, total=False):
    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy
    cancellation_type: ActivityCancellationType
    priority: Priority


def _retry(attempts: int, *, first: float = 1.0, most: float = 60.0) -> RetryPolicy:
    """Attempts of 0 mean without end."""
    return RetryPolicy(
        initial_interval=timedelta(seconds=first),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=most),
        maximum_attempts=attempts,
    )


def on(task_queue: str, options: ActivityOptions) -> ActivityOptions:
    """The options on a task queue that depends on the work: a vendor's own."""
    return {**options, "task_queue": task_queue}


def reading(engine: Engine, options: ActivityOptions) -> ActivityOptions:
    """The options of a step that an agent does: a model's has its own queue, with as many slots as its server."""
    if engine is Engine.RULES:
        return options
    return ASK if options is EXTRACT else on(MODEL_QUEUE, options)


FETCH: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(hours=1),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(8, most=30.0),
}
"""Reads a source to its end; resumes at the last heartbeat."""

PLAN_RUN: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(8, most=30.0),
}

TURN: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(hours=6),
    "retry_policy": _retry(0, most=10.0),
}

FETCH_PAGE: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=90),
    "schedule_to_close_timeout": timedelta(hours=6),
    "heartbeat_timeout": timedelta(seconds=12),
    "retry_policy": _retry(6, first=2.0, most=300.0),
}
"""Waits on its vendor's queue, which may be long; where a vendor says when to come back, that is when."""

TEST_PAGE: ActivityOptions = {
    "start_to_close_timeout": timedelta(seconds=90),
    "schedule_to_close_timeout": timedelta(minutes=5),
    "retry_policy": _retry(1),
}
"""Somebody waits for the answer: what goes wrong is shown, not tried again."""

REGISTER_PAGE: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(8, most=30.0),
}
"""Reads what is stored already: nothing is asked again for a mistake in reading."""

END_RUN: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

RELEASE: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(minutes=30),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

PARSE: ActivityOptions = {
    "task_queue": Queue.INGEST,
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": _retry(8, most=30.0),
}

EXTRACT: ActivityOptions = {
    "task_queue": Queue.EXTRACT,
    "start_to_close_timeout": timedelta(seconds=120),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(8, most=30.0),
}

ASK: ActivityOptions = {
    "task_queue": MODEL_QUEUE,
    "start_to_close_timeout": timedelta(minutes=20),
    "heartbeat_timeout": timedelta(seconds=15),
    "retry_policy": _retry(12, first=2.0, most=60.0),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}
"""Three answers of a model at the most, after a short wait for a slot. The backlog waits on the queue, without a limit.
"""

SHADOW: ActivityOptions = {**ASK, "retry_policy": _retry(3, first=5.0), "priority": Priority(priority_key=5)}
"""Comparison waits for whatever decides something."""

JUDGE: ActivityOptions = {
    "task_queue": Queue.EXTRACT,
    "start_to_close_timeout": timedelta(hours=2),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(12, first=2.0, most=60.0),
    "priority": Priority(priority_key=5),
}
"""Some sentences, one after the other; what was answered is not asked again."""

TRY_AGENT: ActivityOptions = {
    "task_queue": Queue.EXTRACT,
    "start_to_close_timeout": timedelta(minutes=5),
    "heartbeat_timeout": timedelta(seconds=15),
    "retry_policy": _retry(1),
    "priority": Priority(priority_key=2),
}
"""Somebody waits for the answer: what goes wrong is shown, not tried again."""

STORE: ActivityOptions = {
    "task_queue": Queue.RESEARCH,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}
"""Writes what is already known: repeated until the store is back."""

ASSESS: ActivityOptions = {
    "task_queue": Queue.RESEARCH,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0, most=30.0),
}

ASSESS_ALL: ActivityOptions = {
    "task_queue": Queue.RESEARCH,
    "start_to_close_timeout": timedelta(minutes=30),
    "heartbeat_timeout": timedelta(seconds=60),
    "retry_policy": _retry(0, most=30.0),
}
"""Heartbeats after every hundred companies."""

WHAT_IF: ActivityOptions = {
    "task_queue": Queue.RESEARCH,
    "start_to_close_timeout": timedelta(minutes=2),
    "retry_policy": _retry(8, most=30.0),
}

LEDGER: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0, first=0.5, most=10.0),
}
"""Reads and writes our own book: plans, risk decisions, approvals, marks."""

SUBMIT: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=15),
    "schedule_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _retry(0, first=0.5, most=5.0),
}
"""Every attempt carries the same client order id. After a minute the outcome is unknown and the order is followed."""

SYNC: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=15),
    "retry_policy": _retry(0, first=0.5, most=15.0),
}

CANCEL: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _retry(0, first=0.5, most=5.0),
}
"""What the broker has not carried out by then is asked for again at the next look."""

DRIVE: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(minutes=30),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0, first=0.5, most=10.0),
}
"""A step of a replay: waits for other workflows, heartbeats while it does."""

RECONCILE: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(minutes=2),
    "retry_policy": _retry(8, most=30.0),
}
"""Reads both sides; what went wrong this time is compared by the next run anyway."""

RECONCILE_FIRST: ActivityOptions = {
    **RECONCILE,
    "start_to_close_timeout": timedelta(seconds=45),
    "schedule_to_close_timeout": timedelta(seconds=90),
}
"""Before a tick, which must not wait long: where the broker does not answer, its breaker lets nothing be opened."""

CHANGE_ORDER: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _retry(0, first=0.5, most=15.0),
}
"""Cancels or replaces an order and reads it back."""

MARKET: ActivityOptions = {
    "task_queue": Queue.TRADING,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0, first=0.5, most=10.0),
}

INFER: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(minutes=5),
    "retry_policy": _retry(8, most=30.0),
}
"""Counts the documents of years and reads an annual report."""

COMOVEMENT: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(hours=1),
    "heartbeat_timeout": timedelta(minutes=2),
    "retry_policy": _retry(8, most=60.0),
}
"""Reads years of prices, company by company."""

INDEX: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(hours=12),
    "heartbeat_timeout": timedelta(minutes=1),
    "retry_policy": _retry(0, most=60.0),
}
"""Heartbeats after every batch; an attempt finds what is left."""

RECORD_INFERENCE: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

PLAN_BACKFILL: ActivityOptions = {
    "task_queue": BACKFILL_QUEUE,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": timedelta(seconds=12),
    "retry_policy": _retry(8, most=30.0),
}

REGISTER_BATCHES: ActivityOptions = {
    "task_queue": BACKFILL_QUEUE,
    "start_to_close_timeout": timedelta(hours=1),
    "heartbeat_timeout": timedelta(seconds=12),
    "retry_policy": _retry(8, most=30.0),
}
"""Some thousand records; an attempt in another process reads the file up to them first."""

READ_BATCH: ActivityOptions = {
    "task_queue": BACKFILL_QUEUE,
    "start_to_close_timeout": timedelta(minutes=30),
    "heartbeat_timeout": timedelta(seconds=12),
    "retry_policy": _retry(8, most=30.0),
}

TELL_SYMBOLS: ActivityOptions = {
    "task_queue": BACKFILL_QUEUE,
    "start_to_close_timeout": timedelta(minutes=30),
    "heartbeat_timeout": timedelta(seconds=12),
    "retry_policy": _retry(8, most=30.0),
}

BACKTEST: ActivityOptions = {
    "task_queue": BACKTEST_QUEUE,
    "start_to_close_timeout": timedelta(hours=12),
    "heartbeat_timeout": timedelta(seconds=60),
    "retry_policy": _retry(4, first=2.0, most=60.0),
    "cancellation_type": ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    "priority": Priority(priority_key=4),
}
"""Some sessions of the past; a repeat plays them again from the state before them."""

PLAN_SWEEP: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(minutes=10),
    "retry_policy": _retry(8, most=30.0),
}

AWAIT_TRIAL: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(hours=12),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(8, most=30.0),
}

RECORD_BACKTEST: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

DRIFT: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(minutes=10),
    "heartbeat_timeout": timedelta(minutes=2),
    "retry_policy": _retry(8, first=2.0, most=60.0),
}
"""Reads a day of the book and lays it beside the same day played again."""

BACKUP: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(hours=4),
    "schedule_to_close_timeout": timedelta(hours=5),
    "heartbeat_timeout": timedelta(seconds=60),
    "retry_policy": _retry(12, first=5.0, most=300.0),
}
"""Reads or writes a whole book. An attempt finds what the one before has done; the next night makes another one."""

RECORD_BACKUP: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(minutes=2),
    "retry_policy": _retry(0, most=30.0),
}

PLAN_NOTIFICATIONS: ActivityOptions = {
    "task_queue": Queue.NOTIFY,
    "start_to_close_timeout": timedelta(minutes=6),
    "heartbeat_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0, most=30.0),
}
"""Waits for events, some minutes at the most."""

NOTIFY: ActivityOptions = {
    "task_queue": Queue.NOTIFY,
    "start_to_close_timeout": timedelta(seconds=60),
    "schedule_to_close_timeout": timedelta(hours=3),
    "retry_policy": _retry(12, first=5.0, most=600.0),
}
"""About fifty minutes of attempts; a receiver that says when to come back is heard."""

RECORD_NOTIFICATION: ActivityOptions = {
    "task_queue": Queue.NOTIFY,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

PLAN_PUBLICATION: ActivityOptions = {
    "task_queue": Queue.LAKE,
    "start_to_close_timeout": timedelta(seconds=30),
    "retry_policy": _retry(0),
}

PUBLISH: ActivityOptions = {
    "task_queue": Queue.LAKE,
    "start_to_close_timeout": timedelta(hours=6),
    "heartbeat_timeout": timedelta(minutes=1),
    "retry_policy": _retry(12, most=60.0),
}
"""One table. What could not be written then is left to the next publication, and holds up no other. An attempt is far
shorter than unread files are left alone (`activities.publishing.UNREAD`)."""

SCHEDULES: ActivityOptions = {
    "task_queue": Queue.OPS,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": _retry(10, most=30.0),
}
