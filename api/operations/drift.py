"""Days compared with themselves: read their reports, and compare one now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from api.numbers import Money
from domain.drift import DriftReport, GapKind
from domain.drift_run import DriftOutcome, DriftRequest
from domain.errors import NotFound, VendorRejected
from store import drift
from store.database import Database
from store.tables.trading import DriftReportRow
from workflows import names
from workflows.compare_day import CompareDay
from workflows.names import Queue

RPC_TIMEOUT = timedelta(seconds=30)


class DriftView(BaseModel):
    """A day's headline: how many gaps of each kind, and dollars of the account's change, live less played."""

    session: date
    compared_at: datetime
    gaps: int
    counts: dict[GapKind, int]
    difference: Money | None
    unexplained: Money | None


async def list_recent(database: Database, *, limit: int, before: date | None = None) -> list[DriftView]:
    """Days that were compared, the newest first."""
    async with database.transaction() as session:
        rows: Sequence[DriftReportRow] = await drift.list_recent(session, limit=limit, before=before)
    return [
        DriftView(
            session=row.session,
            compared_at=row.compared_at,
            gaps=row.gaps,
            counts={GapKind(kind): count for kind, count in row.counts.items()},
            difference=row.difference,
            unexplained=row.unexplained,
        )
        for row in rows
    ]


async def report(database: Database, session_date: date | None) -> DriftReport:
    """The report of a day, or of the last that was compared.

    Raises:
        NotFound: the day, or any, was not compared.
    """
    async with database.transaction() as session:
        if session_date is None:
            session_date = await drift.newest_session(session)
            if session_date is None:
                raise NotFound("DRIFT_REPORT_NOT_FOUND", "`stonks backtest drift --run` compares the last session")
        row = await drift.require(session, session_date)
        return DriftReport.model_validate(row.report)


async def compare_now(client: Client, session_date: date | None) -> DriftOutcome:
    """Compare a session, or the last that is finished, and wait for it. One that is being compared is waited for.

    Raises:
        NotFound: no session of this account is finished.
        VendorRejected: it gave up; the message says why.
    """
    workflow_id = names.drift_id(session_date) if session_date is not None else names.COMPARE_BY_HAND
    handle = await client.start_workflow(
        CompareDay.run,
        DriftRequest(session=session_date),
        id=workflow_id,
        task_queue=Queue.OPS,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"{session_date or 'the last session'}, live against played",
        rpc_timeout=RPC_TIMEOUT,
    )
    outcome = await _result(handle)
    if outcome.session is None:
        raise NotFound("NO_FINISHED_SESSION", "Compare once the engine has marked the account at a close")
    if not outcome.compared:  # somebody else is at it
        other = client.get_workflow_handle(names.drift_id(outcome.session), result_type=DriftOutcome)
        return await _result(other)
    return outcome


async def _result(handle: WorkflowHandle[Any, DriftOutcome]) -> DriftOutcome:
    try:
        return await handle.result()
    except WorkflowFailureError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise VendorRejected("COMPARISON_ENDED", str(cause), workflow=handle.id) from error
