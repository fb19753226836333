"""Which workflows and activities each task queue serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workers.parts import Parts
from workflows.execute_order import ExecuteOrder
from workflows.ingest_source import IngestSource
from workflows.names import Queue
from workflows.process_document import ProcessDocument
from workflows.reconcile_schedules import ReconcileSchedules
from workflows.replay_period import ReplayPeriod
from workflows.research_symbol import ResearchSymbol
from workflows.trading_engine import TradingEngine


@dataclass(frozen=True)
class QueueDuties:
    """What a worker of a queue runs, and how much of it at a time (fixed slots: a tuner halves small machines)."""

    workflows: Sequence[type]
    activities: Sequence[Callable[..., Any]] = ()
    concurrent_activities: int = 16
    concurrent_workflow_tasks: int = 16
    cached_workflows: int = 200


ALL_WORKFLOWS: tuple[type, ...] = (
    ExecuteOrder,
    IngestSource,
    ProcessDocument,
    ReconcileSchedules,
    ReplayPeriod,
    ResearchSymbol,
    TradingEngine,
)


def duties(queue: Queue, parts: Parts) -> QueueDuties:
    """Compose one queue. Only the parts it needs are built: the model's worker never holds broker keys."""
    return _COMPOSERS[queue](parts)


def _ingest(parts: Parts) -> QueueDuties:
    documents, ingestion = parts.document_activities(), parts.ingestion_activities()
    return QueueDuties(
        workflows=[IngestSource, ProcessDocument],
        activities=[documents.parse, ingestion.fetch, ingestion.release],
    )


def _extract(parts: Parts) -> QueueDuties:
    return QueueDuties(workflows=[], activities=[parts.extraction_activities().extract], concurrent_activities=8)


def _research(parts: Parts) -> QueueDuties:
    documents, research = parts.document_activities(), parts.research_activities()
    return QueueDuties(
        workflows=[ResearchSymbol],
        activities=[documents.save_evidence, documents.record_failure, research.assess, research.tell_engine],
        cached_workflows=500,
    )


def _trading(parts: Parts) -> QueueDuties:
    engine, orders = parts.engine_activities(), parts.order_activities()
    return QueueDuties(
        workflows=[TradingEngine, ExecuteOrder],
        activities=[
            engine.next_session,
            engine.plan,
            engine.mark,
            engine.change_control,
            orders.decide_risk,
            orders.request_approval,
            orders.record_approval,
            orders.submit,
            orders.sync,
            orders.close_intent,
            parts.market_activities().advance_market,
        ],
    )


def _ops(parts: Parts) -> QueueDuties:
    schedules, replay = parts.schedule_activities(), parts.replay_activities()
    return QueueDuties(
        workflows=[ReconcileSchedules, ReplayPeriod],
        activities=[
            schedules.reconcile,
            schedules.ensure_engine,
            replay.prepare,
            replay.process_documents,
            replay.assess_all,
            replay.tick,
            replay.settle_orders,
            replay.report,
        ],
    )


_COMPOSERS: dict[Queue, Callable[[Parts], QueueDuties]] = {
    Queue.INGEST: _ingest,
    Queue.EXTRACT: _extract,
    Queue.RESEARCH: _research,
    Queue.TRADING: _trading,
    Queue.OPS: _ops,
}
