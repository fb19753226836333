"""The inbox: orders that wait for people, and what they decide."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from pydantic import BaseModel
from sqlalchemy import literal, tuple_
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
from api.errors import Forbidden
from api.etags import check_version
from api.numbers import Money, Shares
from api.operations.links import TemporalLinks
from api.operations.trading import REPLAY, valid_reason
from domain.approvals import ApprovalRule, ApprovalStatus
from domain.decisions import Recommendation, RiskCheck
from domain.errors import Conflict, InvalidInput, NotFound, StonksError, VendorUnavailable
from domain.ids import digest
from domain.sizing import floor_to_step
from domain.trading import ApprovalDecision
from domain.voting import Vote, vote_problem
from store import approvals, config, orders
from store.database import Database
from store.tables.decisions import Approval, ApprovalVote, OrderIntentRow, RecommendationRow
from store.tables.ingestion import Document
from workflows import names
from workflows.execute_order import ExecuteOrder

QUERY_SECONDS = 3.0
DECIDE_SECONDS = 20.0
SHORTEST_PREFIX = 4

EXPIRED_AT_ONCE = 200
"""Overdue questions that one request ends; the next takes the rest."""
EVIDENCE_SHOWN = 5

_Asked = tuple[Approval, OrderIntentRow, str | None]
"""An approval, its intent, and the thesis of the recommendation behind it."""


class VoteView(BaseModel):
    """One person's word."""

    actor: str
    approved: bool
    reason: str
    via: str
    """update: signed by a key or a terminal; signal: by nobody."""
    voted_at: datetime


class ApprovalView(BaseModel):
    """A question to people. `order_hash` binds the answer to exactly this order at these prices."""

    approval_id: str
    status: str
    symbol: str
    side: str
    quantity: Shares
    notional: Money
    reason: str
    """Why people must decide."""
    order_hash: str
    people: int
    """How many different people must approve."""
    votes: list[VoteView]
    proposers: list[str]
    """Who made or changed the order; a person among them cannot approve it unless `solo`."""
    solo: bool
    price: Money | None
    band_low: Money | None
    band_high: Money | None
    """Outside these prices the question is void and asked again."""
    requested_at: datetime
    expires_at: datetime
    escalates_at: datetime | None
    escalated_at: datetime | None
    escalation_audience: str
    ask: int
    """Counts the questions about the order."""
    replaces: str
    decided_at: datetime | None
    decided_by: str
    decision_reason: str
    intent_id: str
    recommendation_id: str
    thesis: str
    temporal_url: str


class EvidenceView(BaseModel):
    """One of the statements that weigh most in the score."""

    doc_id: str
    title: str
    url: str
    nano: int
    """What it adds to the score, in 1e-9."""


class ApprovalDetail(ApprovalView):
    """A question with all that it rests on."""

    rules: list[ApprovalRule]
    """Every rule of the approval policy, with the value found and the limit."""
    checks: list[RiskCheck]
    """Every risk check of the verdict that is asked about."""
    evidence: list[EvidenceView]


class ExpiredView(BaseModel):
    """Questions that were ended because their time was over."""

    expired: list[str]
    orders_closed: list[str]
    """Intents whose workflow had gone: they hold no buying power any more."""


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
        place = tuple_(col(Approval.requested_at), col(Approval.approval_id))
        statement = statement.where(place > tuple_(literal(at), literal(key)))
    async with database.transaction() as session:
        rows: Sequence[_Asked] = (await session.exec(statement)).all()
        votes = await approvals.votes(session, [approval.approval_id for approval, _, _ in rows])
    return [ApprovalView(**_fields(each, votes.get(each[0].approval_id, []), links)) for each in rows]


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
    if_match: str | None = None,
) -> ApprovalView:
    """Vote, and return the approval as it stands then: it still waits where another person must approve too.

    Args:
        order_hash: of the order as it was shown; None where the order in the book is meant.
        if_match: the same as an HTTP precondition.

    Raises:
        Conflict: decided before, expired, voted before, or about another order than the one shown.
        Forbidden: the proposer would approve alone.
        VersionMismatch: the precondition names another order.
        VendorUnavailable: the order's workflow does not answer.
    """
    reason = valid_reason(reason)
    async with database.transaction() as session:
        row = await approvals.require(session, approval_id)
        given = (await approvals.votes(session, [approval_id])).get(approval_id, [])
    if row.status != ApprovalStatus.PENDING.value:
        raise _decided(row)
    check_version(if_match, row.order_hash)
    decision = ApprovalDecision(
        approved=approve, actor=actor, reason=reason, order_hash=row.order_hash if order_hash is None else order_hash
    )
    _require_countable(row, [approvals.to_vote(each) for each in given], decision)
    await _tell(client, row, decision)
    now = await detail(database, links, approval_id)
    wanted = ApprovalStatus.APPROVED if approve else ApprovalStatus.DECLINED
    counted = any(vote.actor == actor and vote.approved is approve for vote in now.votes)
    if now.status == wanted.value or (now.status == ApprovalStatus.PENDING.value and counted):
        return now
    async with database.transaction() as session:  # it ended otherwise: somebody else was faster by a moment
        raise _decided(await approvals.require(session, approval_id))


async def detail(database: Database, links: TemporalLinks, approval_id: str) -> ApprovalDetail:
    """One question with its votes, the rules and checks behind it, and the evidence that weighs most."""
    async with database.transaction() as session:
        await approvals.require(session, approval_id)
        asked: _Asked = (await session.exec(_joined().where(col(Approval.approval_id) == approval_id))).one()
        approval, intent, _ = asked
        votes = await approvals.votes(session, [approval_id])
        decision = await orders.require_risk_decision(session, approval.decision_id)
        evidence = await _evidence(session, intent.recommendation_id)
    return ApprovalDetail(
        **_fields(asked, votes.get(approval_id, []), links),
        rules=[ApprovalRule.model_validate(rule) for rule in approval.rules],
        checks=[RiskCheck.model_validate(check) for check in decision.checks],
        evidence=evidence,
    )


async def amend(
    database: Database,
    client: Client,
    links: TemporalLinks,
    *,
    approval_id: str,
    quantity: Decimal,
    reason: str,
    actor: str,
    order_hash: str | None = None,
) -> ApprovalView:
    """Change the size of an order that waits, and return the question, voided: it is asked anew without the actor.

    Raises:
        InvalidInput: the quantity is not positive, or no multiple of the quantity step.
        Conflict: decided before, about another order than the one shown, or sent already.
    """
    reason, now = valid_reason(reason), datetime.now(UTC)
    async with database.transaction() as session:
        row = await approvals.require(session, approval_id)
        if row.status != ApprovalStatus.PENDING.value:
            raise _decided(row)
        if order_hash is not None and order_hash != row.order_hash:
            raise Conflict(
                "ORDER_HASH_MISMATCH",
                "The order changed since it was shown: look at it again",
                shown=order_hash,
                pending=row.order_hash,
            )
        step = (await config.current(session)).sizing.step
        if floor_to_step(Fraction(quantity), step) != quantity:
            raise InvalidInput("QUANTITY_INVALID", "Give a multiple of the quantity step", found=quantity, step=step)
        at = max(now, row.requested_at)
        await approvals.change_quantity(
            session, intent_id=row.intent_id, quantity=quantity, actor=actor, reason=reason, at=at
        )
    with suppress(RPCError):  # it has ended, or finds the change at its next look
        await client.get_workflow_handle(names.order_id(row.intent_id)).signal(ExecuteOrder.order_changed)
    return await detail(database, links, approval_id)


async def expire(database: Database, client: Client, *, mode: str, actor: str) -> ExpiredView:
    """End the questions whose time is over. Where the order's workflow has gone, end the order too.

    A workflow that runs ends its questions by itself and finds this one ended: there is one outcome.

    Raises:
        Conflict: in a replay, where time is told.
    """
    if mode == REPLAY:
        raise Conflict("TIME_IS_TOLD", "In a replay questions expire at the replay's own time", mode=mode)
    now = datetime.now(UTC)
    async with database.transaction() as session:
        found = await approvals.overdue(session, now=now, limit=EXPIRED_AT_ONCE)
    expired, closed = [], []
    for overdue in found:
        gone = not await _runs(client.get_workflow_handle(names.order_id(overdue.intent_id)))
        async with database.transaction() as session:
            row = await approvals.require(session, overdue.approval_id, lock=True)
            if row.status != ApprovalStatus.PENDING.value:
                continue
            reason = "nobody decided in time"
            await approvals.conclude(session, row, ApprovalStatus.EXPIRED, actor=actor, reason=reason, at=now)
            expired.append(row.approval_id)
            if gone and await orders.close_intent(session, intent_id=row.intent_id, state=ApprovalStatus.EXPIRED.value):
                closed.append(row.intent_id)
    return ExpiredView(expired=expired, orders_closed=closed)


async def _tell(client: Client, row: Approval, decision: ApprovalDecision) -> None:
    handle = client.get_workflow_handle(names.order_id(row.intent_id))
    await _require_answer(handle, row)
    try:
        async with asyncio.timeout(DECIDE_SECONDS):
            # The id makes a repeat of the same decision harmless, while another decision is judged on its own.
            update_id = f"review-{digest(row.approval_id, decision.approved, decision.actor, decision.reason)}"
            await handle.execute_update(ExecuteOrder.decide, decision, id=update_id)
    except WorkflowUpdateFailedError as error:
        raise _refused(failures.refusal(error)) from error
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
    if not await _runs(handle):
        raise _stale(row)
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            await handle.query(ExecuteOrder.status)
    except (RPCError, WorkflowQueryFailedError, TimeoutError) as error:
        raise VendorUnavailable(
            "ORDER_NOT_ANSWERING",
            "Nothing was decided. Does a worker of the queue `trading` run? `stonks doctor` tells",
            approval_id=row.approval_id,
        ) from error


async def _runs(handle: WorkflowHandle[Any, Any]) -> bool:
    try:
        return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise


def _require_countable(row: Approval, given: Sequence[Vote], decision: ApprovalDecision) -> None:
    """Refuse here what the workflow would refuse. Its time is its own: a replay's is not the clock's."""
    vote = Vote(
        approved=decision.approved, actor=decision.actor, reason=decision.reason, order_hash=decision.order_hash
    )
    ticket = approvals.ticket(row, look_seconds=0.0, last_ask=True)
    if problem := vote_problem(vote, ticket, given, now=row.requested_at):
        raise _refused(problem)


def _refused(problem: str) -> StonksError:
    """An error of a problem told as `CODE: name=value, ... What to do`."""
    code, _, rest = problem.partition(": ")
    if not (rest and code.isascii() and code.replace("_", "").isupper()):
        return Conflict("COMMAND_REFUSED", problem)
    head, _, hint = rest.partition(". ")
    pairs = [part.partition("=") for part in head.split(", ")]
    told = all(equals and name.isidentifier() for name, equals, _ in pairs)
    fields = {name: value for name, _, value in pairs} if told else {}
    kind = Forbidden if code == "FOUR_EYES" else Conflict
    return kind(code, hint if told else rest, **fields)


async def _evidence(session: AsyncSession, recommendation_id: str) -> list[EvidenceView]:
    """What weighs most in the score, the heaviest first; what the rules want sold rests on none."""
    row = await session.get(RecommendationRow, recommendation_id)
    if row is None:
        return []
    terms = [term for term in Recommendation.model_validate(row.body).assessment.attributions if term.doc_id]
    heaviest = sorted(terms, key=lambda term: (-abs(term.nano), term.evidence_id))[:EVIDENCE_SHOWN]
    found = await session.exec(select(Document).where(col(Document.doc_id).in_({term.doc_id for term in heaviest})))
    documents = {document.doc_id: document for document in found}
    return [
        EvidenceView(
            doc_id=term.doc_id,
            title=documents[term.doc_id].title if term.doc_id in documents else "",
            url=documents[term.doc_id].url if term.doc_id in documents else "",
            nano=term.nano,
        )
        for term in heaviest
    ]


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


def _fields(asked: _Asked, votes: Sequence[ApprovalVote], links: TemporalLinks) -> dict[str, Any]:
    approval, intent, thesis = asked
    own = approval.model_dump(include=set(ApprovalView.model_fields))
    return own | {
        "votes": [VoteView(**vote.model_dump(include=set(VoteView.model_fields))) for vote in votes],
        "recommendation_id": intent.recommendation_id,
        "thesis": thesis or "",
        "temporal_url": links.workflow(names.order_id(approval.intent_id)),
    }
