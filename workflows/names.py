"""Queues, workflow ids and search attributes: built here and nowhere else."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from temporalio.common import SearchAttributeKey

from domain.sources import LIMITED_KINDS, RateGroup, SourceKind


class Queue(StrEnum):
    """One task queue a capability. `trading` alone holds broker keys; `extract` alone talks to a model.

    `fetch` stands for several: one a rate group and one for each kind of request with a limit of its own. Its worker
    alone holds the vendors' keys and reaches the outside. `notify` tells people, and alone holds what that needs.
    `lake` writes the tables that analysts read.
    """

    INGEST = "ingest"
    FETCH = "fetch"
    EXTRACT = "extract"
    RESEARCH = "research"
    TRADING = "trading"
    OPS = "ops"
    NOTIFY = "notify"
    LAKE = "lake"


BACKFILL_QUEUE = "backfill"
"""The task queue of batches, which the workers of `ingest` serve in slots of their own: live documents keep theirs."""

BACKTEST_QUEUE = "backtest"
"""The task queue of simulations, which the workers of `ops` serve one or two at a time: each keeps a processor busy."""

MODEL_QUEUE = "model"
"""The task queue of what a model answers, which the workers of `extract` serve with as many slots as its server has."""

WORKFLOW_QUEUES = (Queue.INGEST, Queue.RESEARCH, Queue.TRADING, Queue.OPS, Queue.NOTIFY, Queue.LAKE)
"""The task queues on which workflows run."""

STAGE = SearchAttributeKey.for_keyword("StonksStage")
SYMBOL = SearchAttributeKey.for_keyword("StonksSymbol")
SOURCE = SearchAttributeKey.for_keyword("StonksSource")
STATE = SearchAttributeKey.for_keyword("StonksState")
DECISION = SearchAttributeKey.for_keyword("StonksDecision")
SEARCH_ATTRIBUTES = (STAGE, SYMBOL, SOURCE, STATE, DECISION)

DEAD_LETTER_TYPES = (
    "ProcessDocument",
    "IngestSource",
    "BackfillDocuments",
    "InferCompetitors",
    "ExecuteOrder",
    "ReplayPeriod",
)
"""Workflows whose failure is a dead letter."""

TRADING_ENGINE = "trading-engine"
RESEARCH_UNIVERSE = "research-universe"
RECONCILE_SCHEDULES = "reconcile-schedules"
RECONCILE_BROKER = "reconcile/schedule"
COMPARE_DAY = "compare-day"
NOTIFICATIONS = "notifications"
MEASURE_COMOVEMENT = "measure-comovement"
INDEX_DOCUMENTS = "index-documents"
COMPARE_BY_HAND = "compare-day-by-hand"
PUBLISH_LAKE = "publish-lake"
TIDY_LAKE = "tidy-lake"
BACK_UP = "backup/schedule"
DRILL_BACKUP = "drill/schedule"


def run_id(source_id: str, instant: datetime) -> str:
    """A run's id in the book: `wire/20140715T201500.123456Z`."""
    return f"{source_id}/{instant:%Y%m%dT%H%M%S.%f}Z"


def ingest_id(source_id: str, run: str) -> str:
    return f"ingest/{source_id}/{run}"


def try_source_id(source_id: str, run: str) -> str:
    return f"try/{source_id}/{run}"


def try_agent_id(agent_id: str, trial: str) -> str:
    return f"try-agent/{agent_id}/{trial}"


def evaluate_agent_id(evaluation_id: str) -> str:
    return f"evaluate-agent/{evaluation_id}"


def shadow_id(doc_id: str, run: str) -> str:
    return f"shadow/{doc_id}/{run}"


def thesis_id(recommendation_id: str) -> str:
    return f"thesis/{recommendation_id}"


def what_if_id(what_if: str) -> str:
    return f"what-if/{what_if}"


def backfill_id(backfill: str) -> str:
    return f"backfill/{backfill}"


def backfill_run_id(source_id: str, instant: datetime, *, as_published: bool) -> str:
    """A backfill's run in the book. It says where documents count as known from their publication on."""
    return f"{run_id(source_id, instant)}/backfill{'-as-published' if as_published else ''}"


def infer_competitors_id(inference_id: str) -> str:
    return f"infer-competitors/{inference_id}"


def fetch_queue(group: RateGroup) -> str:
    """The task queue of requests to one vendor: its rate limit is that vendor's."""
    return f"fetch-{group.value}"


def turn_queue(kind: SourceKind) -> str:
    """The task queue on which one kind of request waits for its turn: its rate limit is that kind's."""
    return f"turn-{kind.value}"


def activity_queues() -> list[str]:
    """Every task queue on which activities run."""
    plain = [queue.value for queue in Queue if queue is not Queue.FETCH]
    vendors = [fetch_queue(group) for group in RateGroup if group is not RateGroup.FILES]
    turns = [turn_queue(kind) for kind in sorted(LIMITED_KINDS)]
    return [*plain, BACKFILL_QUEUE, BACKTEST_QUEUE, MODEL_QUEUE, *vendors, *turns]


def document_id(doc_id: str) -> str:
    return f"document/{doc_id}"


def symbol_id(symbol: str) -> str:
    return f"symbol/{symbol}"


def order_id(intent_id: str) -> str:
    return f"order/{intent_id}"


def discard_id(intent_id: str, failed_run: str) -> str:
    return f"discard/{intent_id}/{failed_run}"


def intent_of(workflow_id: str) -> str:
    """The intent that an order's workflow carries."""
    return workflow_id.removeprefix("order/")


def reconcile_id(instant: datetime) -> str:
    return f"reconcile/{instant:%Y%m%dT%H%M%S.%f}Z"


def reconciliation_of(workflow_id: str) -> str:
    """The id of a comparison in the book."""
    return workflow_id.removeprefix("reconcile/")


def replay_id(replay: str) -> str:
    return f"replay/{replay}"


def backtest_id(backtest: str) -> str:
    return f"backtest/{backtest}"


def sweep_id(sweep: str) -> str:
    return f"sweep/{sweep}"


def notification_id(notification: str) -> str:
    return f"notification/{notification}"


def drift_id(session: date) -> str:
    return f"drift/{session.isoformat()}"


def publication_id(instant: datetime) -> str:
    """A publication by hand; those of the schedules have their time appended."""
    return f"{PUBLISH_LAKE}/{instant:%Y%m%dT%H%M%S.%f}Z"


def backup_workflow_id(backup_id: str) -> str:
    return f"backup/{backup_id}"


def drill_workflow_id(drill_id: str) -> str:
    return f"drill/{drill_id}"


def source_schedule_id(source_id: str) -> str:
    return f"source/{source_id}"


def run_stamp(instant: datetime) -> str:
    """An instant as it stands in ids: `20140715T201500Z`."""
    return instant.strftime("%Y%m%dT%H%M%SZ")
