"""The inbox: orders that wait for a person, and that person's decision."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from api import failures
from api.numbers import Money, Shares
from api.operations.links import TemporalLinks
from api.operations.trading import valid_reason
from domain.errors import Conflict, InvalidInput, NotFound, VendorUnavailable
from domain.ids import digest
from domain.trading import ApprovalDecision, ApprovalVerdict
from store import orders
from store.database import Database
from store.tables.decisions import Approval, OrderIntentRow, RecommendationRow
from workflows import names
from workflows.execute_order import ExecuteOrder

QUERY_SECONDS = 3.0
DECIDE_SECONDS = 20.0
SHORTEST_PREFIX = 4

_Asked = tuple[Approval, OrderIntentRow, str | None]
"""An approval, its intent, and the thesis of the recommendation behind it."""


class ApprovalView(BaseModel):
    """A question to a person. `order_hash` binds the answer to exactly this order."""

    approval_id: str
    status: str
    symbol: str
    side: str
    quantity: Shares
    notional: Money
    reason: str
    """Why a person must decide."""
    order_hash: str
    requested_at: datetime
    expires_at: datetime
    decided_at: datetime | None
    decided_by: str
    decision_reason: str
    intent_id: str
    recommendation_id: str
    thesis: str
    temporal_url: str


async def inbox(
    database: Database,
    links: TemporalLinks,
    *,
    status: str | None = "pending",
    limit: int = 200,
    after: tuple[datetime, str] | None = None,
) -> list[ApprovalView]:
    """Approvals, the oldest question first; `after` is the (requested_at, id) of the last one seen."""
    statement = _joined().order_by(col(Approval.requested_at), col(Approval.approval_id)).limit(limit)
    if status is not None:
        statement = statement.where(col(Approval.status) == status)
    if after is not None:
        at, key = after
        statement = statement.where(
            (col(Approval.requested_at) > at) | ((col(Approval.requested_at) == at) & (col(Approval.approval_id) > key))
        )
    async with database.transaction() as session:
        rows: Sequence[_Asked] = (await session.exec(statement)).all()
    return [_view(approval, intent, thesis, links) for approval, intent, thesis in rows]


async def resolve(database: Database, given: str) -> str:
    """Find the approval meant by an id or by the unique beginning of one.

    Raises:
        NotFound: none begins like this.
        Conflict: several do.
        InvalidInput: too short to mean one.
    """
    if len(given) < SHORTEST_PREFIX:
        raise InvalidInput(
            "APPROVAL_ID_TOO_SHORT", f"Give at least {SHORTEST_PREFIX} characters of the id", found=given
        )
    async with database.transaction() as session:
        rows = await session.exec(
            select(Approval.approval_id)
            .where(col(Approval.approval_id).startswith(given, autoescape=True))
            .order_by(col(Approval.approval_id))
            .limit(5)
        )
        found = list(rows.all())
    if given in found:
        return given
    if not found:
        raise NotFound("APPROVAL_NOT_FOUND", "`stonks inbox` lists what waits", approval_id=given)
    if len(found) > 1:
        raise Conflict("APPROVAL_ID_AMBIGUOUS", "Give more of it", found=given, matches=", ".join(found))
    return found[0]


async def review(
    database: Database,
    client: Client,
    links: TemporalLinks,
    *,
    approval_id: str,
    approve: bool,
    reason: str,
    actor: str,
    order_hash: str | None = None,
) -> ApprovalView:
    """Approve or decline, and return the approval as it stands then.

    Args:
        order_hash: of the order as it was shown; None where the order in the book is meant.

    Raises:
        Conflict: decided before, expired, or about another order than the one shown.
        VendorUnavailable: the order's workflow does not answer.
    """
    reason = valid_reason(reason)
    async with database.transaction() as session:
        row = await orders.require_approval(session, approval_id)
    if row.status != "pending":
        raise _decided(row)
    if order_hash is not None and order_hash != row.order_hash:
        raise Conflict(
            "ORDER_HASH_MISMATCH",
            "The order is not the one that was shown: look at it again",
            approval_id=approval_id,
            shown=order_hash,
            pending=row.order_hash,
        )
    decision = ApprovalDecision(approved=approve, actor=actor, reason=reason, order_hash=row.order_hash)
    await _tell(client, row, decision)
    async with database.transaction() as session:
        statement = _joined().where(col(Approval.approval_id) == approval_id)
        asked: _Asked = (await session.exec(statement)).one()
    now, intent, thesis = asked
    wanted = ApprovalVerdict.APPROVED if approve else ApprovalVerdict.DECLINED
    if now.status != wanted.value:  # it expired, or somebody else was faster by a moment
        raise _decided(now)
    return _view(now, intent, thesis, links)


async def view(session: AsyncSession, links: TemporalLinks, approval_id: str) -> ApprovalView:
    await orders.require_approval(session, approval_id)
    statement = _joined().where(col(Approval.approval_id) == approval_id)
    asked: _Asked = (await session.exec(statement)).one()
    approval, intent, thesis = asked
    return _view(approval, intent, thesis, links)


async def _tell(client: Client, row: Approval, decision: ApprovalDecision) -> None:
    handle = client.get_workflow_handle(names.order_id(row.intent_id))
    await _require_answer(handle, row)
    try:
        async with asyncio.timeout(DECIDE_SECONDS):
            # The id makes a repeat of the same decision harmless, while another decision is judged on its own.
            update_id = f"review-{digest(row.approval_id, decision.approved, decision.actor, decision.reason)}"
            await handle.execute_update(ExecuteOrder.decide, decision, id=update_id)
    except WorkflowUpdateFailedError as error:
        raise failures.refused(error) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise _stale(row) from error
        raise
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        raise VendorUnavailable(
            "ORDER_NOT_ANSWERING",
            "It was asked and did not finish: look at the inbox before deciding again",
            approval_id=row.approval_id,
        ) from error


async def _require_answer(handle: WorkflowHandle[Any, Any], row: Approval) -> None:
    """Make sure that the order waits and that a worker is there before the decision is sent.

    An update that nobody takes waits in the server: the order would leave whenever a worker came back, long after the
    person was told that nothing had happened.
    """
    try:
        if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
            raise _stale(row)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise _stale(row) from error
        raise
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            await handle.query(ExecuteOrder.status)
    except (RPCError, WorkflowQueryFailedError, TimeoutError) as error:
        raise VendorUnavailable(
            "ORDER_NOT_ANSWERING",
            "Nothing was decided. Does a worker of the queue `trading` run? `stonks doctor` tells",
            approval_id=row.approval_id,
        ) from error


def _joined() -> Any:
    """Select approvals as `_Asked`."""
    return (
        select(Approval, OrderIntentRow, RecommendationRow.thesis)
        .join(OrderIntentRow, col(OrderIntentRow.intent_id) == col(Approval.intent_id))
        .join(
            RecommendationRow,
            col(RecommendationRow.recommendation_id) == col(OrderIntentRow.recommendation_id),
            isouter=True,
        )
    )


def _stale(row: Approval) -> Conflict:
    return Conflict(
        "APPROVAL_STALE",
        "The order's workflow has ended: nothing is left to decide",
        approval_id=row.approval_id,
        intent_id=row.intent_id,
    )


def _decided(row: Approval) -> Conflict:
    return Conflict(
        "APPROVAL_DECIDED",
        "Nothing is left to decide",
        approval_id=row.approval_id,
        status=row.status,
        decided_by=row.decided_by or "nobody",
    )


def _view(approval: Approval, intent: OrderIntentRow, thesis: str | None, links: TemporalLinks) -> ApprovalView:
    return ApprovalView(
        **approval.model_dump(include=set(ApprovalView.model_fields)),
        recommendation_id=intent.recommendation_id,
        thesis=thesis or "",
        temporal_url=links.workflow(names.order_id(approval.intent_id)),
    )
