"""Which stage each activity works for, and what came of how many items once it has ended well.

An item is counted by the one step that completes it: a document when its evidence is saved, not again by the steps
before. What steps count for themselves, because their result does not say whether anything was new, is not here: an
order is counted where its intent is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.approvals import ApprovalStatus
from domain.backfill import ReadCounts, Registered
from domain.backup_run import DrillOutcome
from domain.ingestion import DocumentOutcome, FetchTask, IngestReport, PageReport
from domain.lake import TableExport
from domain.notifications import SendReport
from domain.reconciliation import ReconcileReport
from domain.research import AssessAllReport
from domain.stages import Stage
from domain.trading import TickReport
from domain.voting import ApprovalStanding

RECORD_OUTCOMES = ("registered", "linked", "duplicates", "rejected", "skipped")
"""What becomes of a record that a source delivers, named as reports of runs do; their sum is what was read."""


@dataclass(frozen=True)
class Step:
    stage: Stage
    counts: Callable[[Any], Mapping[str, int]] | None = None
    """Items by their outcome, from the result; None: the step completes none."""
    waits: bool = False
    """It only waits for something or somebody: its time says nothing, and it is no work under way."""
    kind: Callable[[Any], str] | None = None
    """The kind of source that it asks, from its input."""


def _one(outcome: str) -> Callable[[Any], Mapping[str, int]]:
    return lambda _: {outcome: 1}


def _records(report: IngestReport) -> Mapping[str, int]:
    return {outcome: getattr(report, outcome) for outcome in RECORD_OUTCOMES}


def _page(page: PageReport) -> Mapping[str, int]:
    return {outcome: page.counts.get(outcome, 0) for outcome in RECORD_OUTCOMES}


def _registered(found: Registered) -> Mapping[str, int]:
    """A backfill's records all at once, with its last segment: every report is of the run from its beginning."""
    return _records(found.report) if found.last else {}


def _document(outcome: DocumentOutcome) -> Mapping[str, int]:
    return {outcome.status: 1}


def _batch(counts: ReadCounts) -> Mapping[str, int]:
    return {"processed": counts.processed, "needs_review": counts.needs_review, "failed": counts.failed}


def _assessed(report: AssessAllReport) -> Mapping[str, int]:
    return {"assessed": report.assessed}


def _planned(report: TickReport) -> Mapping[str, int]:
    return {"planned": len(report.planned)}


def _voted(standing: ApprovalStanding) -> Mapping[str, int]:
    """A vote that counted and was the last that was needed."""
    ended = standing.status in (ApprovalStatus.APPROVED, ApprovalStatus.DECLINED) and not standing.refusal
    return {standing.status.value: 1} if ended else {}


def _expired(standing: ApprovalStanding | None) -> Mapping[str, int]:
    """An expiry that came after an answer finds that answer, and is none."""
    return {"expired": 1} if standing is not None and standing.status is ApprovalStatus.EXPIRED else {}


def _compared(report: ReconcileReport) -> Mapping[str, int]:
    return {"clean" if report.clean else "differs": 1}


def _sent(report: SendReport) -> Mapping[str, int]:
    return {report.status.value: 1}


def _published(export: TableExport) -> Mapping[str, int]:
    return {export.status.value: 1}


def _drilled(outcome: DrillOutcome) -> Mapping[str, int]:
    return {outcome.state.value: 1}


def _kind(task: FetchTask) -> str:
    return task.kind.value


def _plain(stage: Stage, names: str) -> dict[str, Step]:
    return dict.fromkeys(names.split(), Step(stage))


STEPS: Mapping[str, Step] = {
    **_plain(Stage.INGEST, "plan_run plan_test preview_page preview_whole end_run release plan_backfill end_backfill"),
    "take_turn": Step(Stage.INGEST, waits=True),
    "fetch_page": Step(Stage.INGEST, kind=_kind),
    "fetch": Step(Stage.INGEST, counts=_records),
    "register_page": Step(Stage.INGEST, counts=_page),
    "register_batches": Step(Stage.INGEST, counts=_registered),
    **_plain(Stage.READ, "parse extract classify tell_symbols"),
    "save_evidence": Step(Stage.READ, counts=_document),
    "record_failure": Step(Stage.READ, counts=_one("failed")),
    "read_batch": Step(Stage.READ, counts=_batch),
    **_plain(Stage.RESEARCH, "tell_engine"),
    "assess": Step(Stage.RESEARCH, counts=_one("assessed")),
    "assess_universe": Step(Stage.RESEARCH, counts=_assessed),
    **_plain(
        Stage.TRADING,
        "next_session change_control standing_order tell_trouble change_config review_config reset_breaker "
        "release_reserve plan_override reset_engine",
    ),
    "plan": Step(Stage.TRADING, counts=_planned),
    **_plain(Stage.APPROVAL, "escalate_approval look_at_approval"),
    "request_approval": Step(Stage.APPROVAL, counts=_one("requested")),
    "record_vote": Step(Stage.APPROVAL, counts=_voted),
    "record_approval": Step(Stage.APPROVAL, counts=_expired),
    **_plain(
        Stage.ORDER, "decide_risk recheck submit sync cancel_order replace_order close_intent discard_order tell_orders"
    ),
    **_plain(Stage.RECONCILE, "accept_difference decline_difference"),
    "reconcile_broker": Step(Stage.RECONCILE, counts=_compared),
    "publish_failures": Step(Stage.NOTIFY),
    "plan_notifications": Step(Stage.NOTIFY, waits=True),
    "send_notification": Step(Stage.NOTIFY, counts=_sent),
    "give_up_notification": Step(Stage.NOTIFY, counts=_one("failed")),
    "mark": Step(Stage.MARK, counts=_one("marked")),
    **_plain(
        Stage.AGENTS,
        "read_in_shadow classify_in_shadow rewrite_thesis try_agent judge_batch record_evaluation plan_what_if "
        "read_again decide_again record_what_if_failure",
    ),
    **_plain(
        Stage.BACKTEST,
        "plan_backtest simulate_sessions report_backtest end_backtest plan_sweep log_trial report_sweep plan_drift "
        "play_day compare_day",
    ),
    "await_trial": Step(Stage.BACKTEST, waits=True),
    **_plain(Stage.REPLAY, "prepare process_documents assess_all tick settle_orders report advance_market"),
    **_plain(Stage.LAKE, "plan_publication tidy_table"),
    "publish_table": Step(Stage.LAKE, counts=_published),
    **_plain(
        Stage.BACKUP,
        "begin_backup dump_book copy_objects write_manifest verify_backup store_backup_elsewhere begin_drill "
        "restore_to_scratch replay_histories",
    ),
    "finish_backup": Step(Stage.BACKUP, counts=_one("verified")),
    "record_backup_failure": Step(Stage.BACKUP, counts=_one("failed")),
    "end_drill": Step(Stage.BACKUP, counts=_drilled),
    **_plain(
        Stage.UPKEEP,
        "reconcile ensure_engine propose_competitors record_inference_failure measure_comovement index_documents",
    ),
}
"""By the activity's type."""


DEAD_LETTER_STAGES: Mapping[str, Stage] = {
    "ProcessDocument": Stage.READ,
    "IngestSource": Stage.INGEST,
    "BackfillDocuments": Stage.INGEST,
    "InferCompetitors": Stage.UPKEEP,
    "ExecuteOrder": Stage.ORDER,
    "ReplayPeriod": Stage.REPLAY,
}
"""Which stage a workflow's failure is a dead letter of."""
