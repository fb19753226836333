"""Which workflows and activities each task queue serves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.sources import LIMITED_KINDS, RateGroup
from workers.parts import Parts
from workflows import names
from workflows.back_up import BackUp
from workflows.backfill_documents import BackfillDocuments
from workflows.compare_day import CompareDay
from workflows.discard_order import DiscardOrder
from workflows.drill_backup import DrillBackup
from workflows.evaluate_agent import EvaluateAgent
from workflows.execute_order import ExecuteOrder
from workflows.index_documents import IndexDocuments
from workflows.infer_competitors import InferCompetitors
from workflows.ingest_source import IngestSource
from workflows.measure_comovement import MeasureComovement
from workflows.names import Queue
from workflows.notify import Notify
from workflows.process_document import ProcessDocument
from workflows.publish_lake import PublishLake
from workflows.read_in_shadow import ReadInShadow
from workflows.reconcile_broker import ReconcileBroker
from workflows.reconcile_schedules import ReconcileSchedules
from workflows.replay_period import ReplayPeriod
from workflows.research_symbol import ResearchSymbol
from workflows.research_universe import ResearchUniverse
from workflows.rewrite_thesis import RewriteThesis
from workflows.run_backtest import RunBacktest
from workflows.send_notification import SendNotification
from workflows.sweep_backtests import SweepBacktests
from workflows.trading_engine import TradingEngine
from workflows.try_agent import TryAgent
from workflows.try_source import TrySource
from workflows.what_if import WhatIf

SPARE_QUESTIONS = 2


@dataclass(frozen=True)
class QueueDuties:
    """What a worker of a task queue runs, and how much of it at a time (fixed slots: a tuner halves small machines)."""

    task_queue: str
    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()
    concurrent_activities: int = 16
    concurrent_workflow_tasks: int = 16
    cached_workflows: int = 200
    activities_per_second: float | None = None
    """Over all workers of the task queue: the server holds it. None: no limit."""


ALL_WORKFLOWS: tuple[type, ...] = (
    BackUp,
    BackfillDocuments,
    CompareDay,
    DiscardOrder,
    DrillBackup,
    EvaluateAgent,
    ExecuteOrder,
    IndexDocuments,
    InferCompetitors,
    IngestSource,
    MeasureComovement,
    Notify,
    ProcessDocument,
    PublishLake,
    ReadInShadow,
    ReconcileBroker,
    ReconcileSchedules,
    ReplayPeriod,
    ResearchSymbol,
    ResearchUniverse,
    RewriteThesis,
    RunBacktest,
    SendNotification,
    SweepBacktests,
    TradingEngine,
    TryAgent,
    TrySource,
    WhatIf,
)


def duties(queue: Queue, parts: Parts) -> list[QueueDuties]:
    """Compose one queue. Only the parts it needs are built: the model's worker never holds broker keys."""
    composed = _COMPOSERS[queue](parts)
    return composed if isinstance(composed, list) else [composed]


def _ingest(parts: Parts) -> list[QueueDuties]:
    documents, ingestion = parts.document_activities(), parts.ingestion_activities()
    backfill = parts.backfill_activities()
    live = QueueDuties(
        Queue.INGEST,
        workflows=[BackfillDocuments, IngestSource, ProcessDocument, ReadInShadow, TrySource],
        activities=[
            documents.parse,
            ingestion.plan_run,
            ingestion.plan_test,
            ingestion.fetch,
            ingestion.register_page,
            ingestion.preview_page,
            ingestion.preview_whole,
            ingestion.end_run,
            ingestion.release,
        ],
    )
    bulk = QueueDuties(
        names.BACKFILL_QUEUE,
        activities=[
            backfill.plan_backfill,
            backfill.register_batches,
            backfill.read_batch,
            backfill.tell_symbols,
            backfill.end_backfill,
        ],
        concurrent_activities=4,
    )
    return [live, bulk]


def _fetch(parts: Parts) -> list[QueueDuties]:
    """A task queue for each vendor and one for each kind of request that waits for turns of its own.

    A slow vendor keeps none but its own slots busy.
    """
    fetching = parts.fetch_activities()
    groups = [
        QueueDuties(
            names.fetch_queue(group),
            activities=[fetching.fetch_page],
            concurrent_activities=4,
            activities_per_second=parts.settings.rate(group),
        )
        for group in RateGroup
        if group is not RateGroup.FILES
    ]
    turns = [
        QueueDuties(
            names.turn_queue(kind),
            activities=[fetching.take_turn],
            concurrent_activities=4,
            activities_per_second=parts.settings.rate_of_kind(kind),
        )
        for kind in sorted(LIMITED_KINDS)
    ]
    return groups + turns


def _extract(parts: Parts) -> list[QueueDuties]:
    """What the rules read, and what a model answers: the same steps on two queues, so that rules never wait for models.

    A worker takes two questions more than its server has slots: the next one is there when a slot becomes free.
    """
    extraction, classification = parts.extraction_activities(), parts.classification_activities()
    theses, trials, what_if = parts.thesis_activities(), parts.trial_activities(), parts.what_if_activities()
    evaluation = parts.evaluation_activities()
    steps: list[Callable[..., Any]] = [
        extraction.extract,
        extraction.read_in_shadow,
        classification.classify,
        classification.classify_in_shadow,
        theses.rewrite_thesis,
        trials.try_agent,
        what_if.read_again,
        evaluation.judge_batch,
        evaluation.record_evaluation,
    ]
    return [
        QueueDuties(Queue.EXTRACT, activities=steps, concurrent_activities=8),
        QueueDuties(
            names.MODEL_QUEUE, activities=steps, concurrent_activities=parts.settings.ollama_slots + SPARE_QUESTIONS
        ),
    ]


def _research(parts: Parts) -> QueueDuties:
    documents, research = parts.document_activities(), parts.research_activities()
    what_if = parts.what_if_activities()
    return QueueDuties(
        Queue.RESEARCH,
        workflows=[EvaluateAgent, ResearchSymbol, ResearchUniverse, RewriteThesis, TryAgent, WhatIf],
        activities=[
            documents.save_evidence,
            documents.record_failure,
            research.assess,
            research.assess_universe,
            research.next_session,
            research.tell_engine,
            what_if.plan_what_if,
            what_if.decide_again,
            what_if.record_what_if_failure,
        ],
        cached_workflows=500,
    )


def _trading(parts: Parts) -> QueueDuties:
    engine, orders = parts.engine_activities(), parts.order_activities()
    risk, approvals = parts.risk_activities(), parts.approval_activities()
    commands, reconciliation = parts.command_activities(), parts.reconciliation_activities()
    acceptances = parts.acceptance_activities()
    return QueueDuties(
        Queue.TRADING,
        workflows=[TradingEngine, ExecuteOrder, DiscardOrder, ReconcileBroker],
        activities=[
            engine.next_session,
            engine.plan,
            engine.mark,
            engine.change_control,
            engine.standing_order,
            engine.tell_trouble,
            commands.change_config,
            commands.review_config,
            commands.reset_breaker,
            commands.release_reserve,
            commands.plan_override,
            commands.reset_engine,
            acceptances.accept_difference,
            acceptances.decline_difference,
            risk.decide_risk,
            risk.recheck,
            approvals.request_approval,
            approvals.record_vote,
            approvals.record_approval,
            approvals.escalate_approval,
            approvals.look_at_approval,
            orders.submit,
            orders.sync,
            orders.cancel_order,
            orders.replace_order,
            reconciliation.reconcile,
            reconciliation.tell_orders,
            orders.close_intent,
            parts.discard_activities(orders).discard_order,
            parts.market_activities().advance_market,
        ],
    )


def _ops(parts: Parts) -> list[QueueDuties]:
    schedules, replay = parts.schedule_activities(), parts.replay_activities()
    competitors, backtests = parts.competitor_activities(), parts.backtest_activities()
    drift = parts.drift_activities()
    sweeps = parts.sweep_activities()
    backups, drills = parts.backup_activities(), parts.drill_activities()
    standing = QueueDuties(
        Queue.OPS,
        workflows=[
            BackUp,
            CompareDay,
            DrillBackup,
            IndexDocuments,
            InferCompetitors,
            MeasureComovement,
            ReconcileSchedules,
            ReplayPeriod,
            RunBacktest,
            SweepBacktests,
        ],
        activities=[
            schedules.reconcile,
            schedules.ensure_engine,
            competitors.propose_competitors,
            competitors.record_inference_failure,
            parts.comovement_activities().measure_comovement,
            parts.search_activities().index_documents,
            replay.prepare,
            replay.process_documents,
            replay.assess_all,
            replay.tick,
            replay.settle_orders,
            replay.report,
            backtests.end_backtest,
            drift.plan_drift,
            drift.compare_day,
            sweeps.plan_sweep,
            sweeps.log_trial,
            sweeps.await_trial,
            sweeps.report_sweep,
            backups.begin_backup,
            backups.dump_book,
            backups.copy_objects,
            backups.write_manifest,
            backups.verify_backup,
            backups.store_backup_elsewhere,
            backups.finish_backup,
            backups.record_backup_failure,
            drills.begin_drill,
            drills.restore_to_scratch,
            drills.replay_histories,
            drills.end_drill,
        ],
    )
    simulations = QueueDuties(
        names.BACKTEST_QUEUE,
        activities=[backtests.plan_backtest, backtests.simulate_sessions, backtests.report_backtest, drift.play_day],
        concurrent_activities=1,
    )
    return [standing, simulations]


def _notify(parts: Parts) -> QueueDuties:
    notifications = parts.notification_activities()
    return QueueDuties(
        Queue.NOTIFY,
        workflows=[Notify, SendNotification],
        activities=[
            notifications.publish_failures,
            notifications.plan_notifications,
            notifications.send_notification,
            notifications.give_up_notification,
        ],
    )


def _lake(parts: Parts) -> QueueDuties:
    """Two tables at a time: each has some thousand rows in memory."""
    publishing = parts.publishing_activities()
    return QueueDuties(
        Queue.LAKE,
        workflows=[PublishLake],
        activities=[publishing.plan_publication, publishing.publish_table, publishing.tidy_table],
        concurrent_activities=2,
        cached_workflows=10,
    )


_COMPOSERS: dict[Queue, Callable[[Parts], QueueDuties | list[QueueDuties]]] = {
    Queue.INGEST: _ingest,
    Queue.FETCH: _fetch,
    Queue.EXTRACT: _extract,
    Queue.RESEARCH: _research,
    Queue.TRADING: _trading,
    Queue.OPS: _ops,
    Queue.NOTIFY: _notify,
    Queue.LAKE: _lake,
}
