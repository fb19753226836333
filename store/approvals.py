"""Questions to people, their votes and how each ended: row, audit entry and event always in one transaction.

Whoever ends a question locks its row first, so that of an answer, an expiry and a void at the same moment one stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.approvals import ENGINE, ApprovalStatus, PriceBand
from domain.errors import Conflict, InvalidInput, NotFound
from domain.ids import digest
from domain.trading import ApprovalTicket
from domain.voting import ApprovalStanding, Vote, VoteVia, proposing_people
from store import audit, orders, outbox
from store.database import insert_new
from store.tables.decisions import Approval, ApprovalVote, IntentChange, OrderIntentRow

SYSTEM = "system"


async def require(session: AsyncSession, approval_id: str, *, lock: bool = False) -> Approval:
    row = await session.get(Approval, approval_id, with_for_update=lock or None)
    if row is None:
        raise NotFound("APPROVAL_NOT_FOUND", "`stonks inbox` lists what waits", approval_id=approval_id)
    return row


async def ask(session: AsyncSession, approval: Approval) -> Approval:
    """Put a question into the inbox and say so; a repeat finds the question that is there."""
    if not await insert_new(session, [approval]):
        return await require(session, approval.approval_id)
    await outbox.publish(
        session,
        event_id=f"approval/{approval.approval_id}",
        event="approval_requested",
        subject_id=approval.approval_id,
        body={**_subject(approval), "reason": approval.reason, "people": approval.people, "ask": approval.ask},
        occurred_at=approval.requested_at,
    )
    return approval


async def list_by_status(
    session: AsyncSession, *, status: ApprovalStatus | None = ApprovalStatus.PENDING, limit: int = 100
) -> list[Approval]:
    """Questions, the oldest first."""
    statement = select(Approval).order_by(col(Approval.requested_at), col(Approval.approval_id)).limit(limit)
    if status is not None:
        statement = statement.where(Approval.status == status.value)
    return list((await session.exec(statement)).all())


async def waiting_of(session: AsyncSession, intent_id: str) -> list[Approval]:
    """The questions on an order that wait, locked."""
    rows = await session.exec(
        select(Approval)
        .where(Approval.intent_id == intent_id, Approval.status == ApprovalStatus.PENDING.value)
        .order_by(col(Approval.approval_id))
        .with_for_update()
    )
    return list(rows.all())


async def overdue(session: AsyncSession, *, now: datetime, limit: int) -> list[Approval]:
    """Questions that wait although their time is over, the oldest first."""
    rows = await session.exec(
        select(Approval)
        .where(Approval.status == ApprovalStatus.PENDING.value, Approval.expires_at <= now)
        .order_by(col(Approval.expires_at), col(Approval.approval_id))
        .limit(limit)
    )
    return list(rows.all())


async def votes(session: AsyncSession, approval_ids: Iterable[str]) -> dict[str, list[ApprovalVote]]:
    """The votes on each question, the first first."""
    found: dict[str, list[ApprovalVote]] = {}
    for row in await session.exec(
        select(ApprovalVote)
        .where(col(ApprovalVote.approval_id).in_(list(approval_ids)))
        .order_by(col(ApprovalVote.voted_at), col(ApprovalVote.vote_id))
    ):
        found.setdefault(row.approval_id, []).append(row)
    return found


async def cast(session: AsyncSession, approval: Approval, vote: Vote, *, at: datetime) -> bool:
    """Write a vote. False where this person's stands already."""
    row = ApprovalVote(
        vote_id=digest("vote", approval.approval_id, vote.person),
        approval_id=approval.approval_id,
        person=vote.person,
        actor=vote.actor,
        approved=vote.approved,
        reason=vote.reason,
        order_hash=vote.order_hash,
        via=vote.via.value,
        voted_at=at,
    )
    if not await insert_new(session, [row]):
        return False
    word = "approved" if vote.approved else "declined"
    await audit.append(
        session,
        key=f"approval/{approval.approval_id}/vote/{row.vote_id}",
        actor=vote.actor,
        action="approval_voted",
        subject=approval.approval_id,
        body={"vote": word, "reason": vote.reason, "order_hash": vote.order_hash, "via": vote.via.value},
        recorded_at=at,
    )
    await outbox.publish(
        session,
        event_id=f"approval/{approval.approval_id}/vote/{row.vote_id}",
        event="approval_voted",
        subject_id=approval.approval_id,
        body={**_subject(approval), "vote": word, "actor": vote.actor, "people": approval.people},
        occurred_at=at,
    )
    return True


async def conclude(
    session: AsyncSession,
    approval: Approval,
    status: ApprovalStatus,
    *,
    actor: str,
    reason: str,
    at: datetime,
    given: Sequence[Vote] = (),
) -> None:
    """End a question that waits. The caller holds the lock of its row.

    Raises:
        Conflict: it has ended in another way.
    """
    if approval.status == status.value:
        return
    if approval.status != ApprovalStatus.PENDING.value:
        raise Conflict("APPROVAL_DECIDED", approval_id=approval.approval_id, status=approval.status, asked=status.value)
    _end(approval, status, actor=actor, reason=reason, at=at)
    session.add(approval)
    own = proposing_people(approval.proposers) & {vote.person for vote in given if vote.approved}
    alone = status is ApprovalStatus.APPROVED and bool(own)
    await _note(
        session,
        approval,
        key=f"approval/{approval.approval_id}",
        action=f"approval_{status.value}_solo" if alone else f"approval_{status.value}",
        event=f"approval_{status.value}",
        actor=actor,
        at=at,
        body={"reason": reason, "order_hash": approval.order_hash, "people": approval.people}
        | ({"proposers": list(approval.proposers), "solo": True} if alone else {}),
    )


async def void(session: AsyncSession, approval: Approval, *, reason: str, at: datetime, actor: str = SYSTEM) -> bool:
    """Take back a question, answered or not: it is not about this order any more. False where it had ended otherwise.

    The caller holds the lock of its row. The votes stay as they were given.
    """
    if approval.status not in (ApprovalStatus.PENDING.value, ApprovalStatus.APPROVED.value):
        return False
    _end(approval, ApprovalStatus.VOIDED, actor=actor, reason=reason, at=at)
    session.add(approval)
    await _note(
        session,
        approval,
        key=f"approval/{approval.approval_id}/voided",
        action="approval_voided",
        event="approval_voided",
        actor=actor,
        at=at,
        body={"reason": reason, "order_hash": approval.order_hash},
    )
    return True


async def escalate(session: AsyncSession, approval: Approval, *, at: datetime) -> bool:
    """Tell the escalation audience, once, that nobody decided. The caller holds the lock of the row."""
    if approval.status != ApprovalStatus.PENDING.value or approval.escalated_at is not None:
        return False
    approval.escalated_at = at
    session.add(approval)
    await _note(
        session,
        approval,
        key=f"approval/{approval.approval_id}/escalated",
        action="approval_escalated",
        event="approval_escalated",
        actor=SYSTEM,
        at=at,
        body={
            "audience": approval.escalation_audience,
            "reason": approval.reason,
            "expires_at": approval.expires_at.isoformat(),
        },
    )
    return True


async def proposers_of(session: AsyncSession, intent: OrderIntentRow) -> tuple[str, ...]:
    """Whoever made the order or changed it, each once."""
    changed = await session.exec(
        select(IntentChange.actor)
        .where(IntentChange.intent_id == intent.intent_id)
        .order_by(col(IntentChange.changed_at), col(IntentChange.change_id))
    )
    return tuple(dict.fromkeys((intent.proposed_by, *changed.all())))


async def change_quantity(
    session: AsyncSession, *, intent_id: str, quantity: Decimal, actor: str, reason: str, at: datetime
) -> IntentChange:
    """Change an order by hand before it is sent. Every answer about it is void, and `actor` is a proposer from now on.

    Raises:
        InvalidInput: not positive, or by the engine.
        Conflict: the intent has ended, was approved, or its order was prepared.
    """
    if quantity <= 0 or actor == ENGINE:
        raise InvalidInput(
            "INTENT_CHANGE_INVALID", "Give a positive quantity and a person", found=quantity, actor=actor
        )
    intent = await session.get(OrderIntentRow, intent_id, with_for_update=True)
    if intent is None:
        raise NotFound("INTENT_NOT_FOUND", "/v1/orders lists what was planned", intent_id=intent_id)
    if intent.state != orders.OPEN or await orders.order_of(session, intent_id) is not None:
        raise Conflict("INTENT_NOT_CHANGEABLE", "It was sent or has ended", intent_id=intent_id, state=intent.state)
    asked = (await session.exec(select(Approval).where(Approval.intent_id == intent_id).with_for_update())).all()
    if any(approval.status == ApprovalStatus.APPROVED.value for approval in asked):
        raise Conflict("INTENT_NOT_CHANGEABLE", "It was approved and is being sent", intent_id=intent_id)
    change = IntentChange(
        change_id=digest("change", intent_id, actor, quantity, at),
        intent_id=intent_id,
        actor=actor,
        reason=reason,
        quantity_before=intent.quantity,
        quantity_after=quantity,
        changed_at=at,
    )
    if not await insert_new(session, [change]):
        return change
    intent.quantity, intent.notional = quantity, quantity * intent.reference_price
    session.add(intent)
    await audit.append(
        session,
        key=f"intent/{intent_id}/change/{change.change_id}",
        actor=actor,
        action="intent_changed",
        subject=intent_id,
        body={"from": str(change.quantity_before), "to": str(quantity), "reason": reason},
        recorded_at=at,
    )
    for approval in asked:
        await void(session, approval, reason=f"ORDER_CHANGED: quantity={quantity}, by={actor}", at=at, actor=actor)
    return change


def standing(approval: Approval, *, refusal: str = "") -> ApprovalStanding:
    return ApprovalStanding(status=ApprovalStatus(approval.status), reason=approval.decision_reason, refusal=refusal)


def ticket(approval: Approval, *, look_seconds: float, last_ask: bool) -> ApprovalTicket:
    """The question as its workflow needs it."""
    return ApprovalTicket(
        approval_id=approval.approval_id,
        order_hash=approval.order_hash,
        expires_at=approval.expires_at,
        people=approval.people,
        proposers=tuple(approval.proposers),
        solo=approval.solo,
        signals_approve=approval.signals_approve,
        escalates_at=approval.escalates_at,
        look_seconds=look_seconds,
        last_ask=last_ask,
    )


def band_of(approval: Approval) -> PriceBand | None:
    """The prices that the answer covers; None for a question from before there were bands."""
    if approval.price is None or approval.band_low is None or approval.band_high is None:
        return None
    return PriceBand(price=approval.price, low=approval.band_low, high=approval.band_high)


def to_vote(row: ApprovalVote) -> Vote:
    return Vote(
        approved=row.approved, actor=row.actor, reason=row.reason, order_hash=row.order_hash, via=VoteVia(row.via)
    )


def _end(approval: Approval, status: ApprovalStatus, *, actor: str, reason: str, at: datetime) -> None:
    approval.status, approval.decided_by = status.value, actor
    approval.decision_reason, approval.decided_at = reason, at


def _subject(approval: Approval) -> dict[str, Any]:
    return {"symbol": approval.symbol, "side": approval.side, "intent_id": approval.intent_id}


async def _note(
    session: AsyncSession,
    approval: Approval,
    *,
    key: str,
    action: str,
    event: str,
    actor: str,
    at: datetime,
    body: dict[str, Any],
) -> None:
    await audit.append(
        session, key=key, actor=actor, action=action, subject=approval.approval_id, body=body, recorded_at=at
    )
    await outbox.publish(
        session,
        event_id=key if key.endswith(("/voided", "/escalated")) else f"{key}/{approval.status}",
        event=event,
        subject_id=approval.approval_id,
        body={**_subject(approval), "actor": actor, **body},
        occurred_at=at,
    )
