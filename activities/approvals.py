"""Approvals: ask people, count their votes, tell others when nobody decides, void what the price has moved from."""

from __future__ import annotations

from decimal import Decimal

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.ports import Prices
from domain.approvals import (
    ApprovalStatus,
    approval_hash,
    price_band,
    price_is_needed,
    question_id,
    signals_may_approve,
    terms,
)
from domain.portfolio import product
from domain.trading import ApprovalRecord, ApprovalRequest, ApprovalTicket, ApprovalVerdict
from domain.voting import ApprovalStanding, QuestionAt, Vote, VoteRecord, tally, vote_problem
from store import approvals, config, orders, recommendations
from store.database import Database
from store.tables.decisions import Approval


class ApprovalActivities:
    """Every step is one transaction and may be repeated: rows are keyed by question, and by person within one."""

    def __init__(self, database: Database, prices: Prices, *, mode: str) -> None:
        self._database = database
        self._prices = prices
        self._live = mode == "live"

    @activity.defn
    async def request_approval(self, request: ApprovalRequest) -> ApprovalTicket:
        """Put the order into the inbox, bound to its hash."""
        async with self._database.transaction() as session:
            intent = await orders.require_intent(session, request.intent_id)
            decision = await orders.require_risk_decision(session, request.decision_id)
            record_hash = await recommendations.record_hash(session, intent.recommendation_id)
            policy = (await config.current(session)).approval
            band = price_band(decision.price or intent.reference_price, policy.price_band)
            when = terms(policy, as_of=request.as_of)
            asked = await approvals.ask(
                session,
                Approval(
                    approval_id=question_id(request.intent_id, request.decision_id, request.ask),
                    intent_id=request.intent_id,
                    decision_id=request.decision_id,
                    symbol=intent.symbol,
                    side=intent.side,
                    quantity=decision.allowed_quantity,
                    notional=product(decision.allowed_quantity, band.price),
                    reason=decision.approval_reason,
                    order_hash=approval_hash(
                        intent_id=intent.intent_id,
                        ask=request.ask,
                        symbol=intent.symbol,
                        side=intent.side,
                        quantity=decision.allowed_quantity,
                        band=band,
                        recommendation_id=intent.recommendation_id,
                        record_hash=record_hash,
                    ),
                    requested_at=request.as_of,
                    expires_at=when.expires_at,
                    people=max(1, decision.people),
                    rules=decision.approval_rules,
                    proposers=list(await approvals.proposers_of(session, intent)),
                    solo=policy.solo,
                    signals_approve=signals_may_approve(policy, live=self._live),
                    price=band.price,
                    band_low=band.low,
                    band_high=band.high,
                    record_hash=record_hash,
                    escalates_at=when.escalates_at,
                    escalation_audience=policy.escalation_audience,
                    ask=request.ask,
                    replaces=request.replaces,
                ),
            )
        last = asked.ask >= policy.maximum_asks
        return approvals.ticket(asked, look_seconds=when.look_seconds, last_ask=last)

    @activity.defn
    async def record_vote(self, record: VoteRecord) -> ApprovalStanding:
        """Write a vote, and the end of the question where this vote is the last one needed.

        An approval at a price that the question does not cover voids the question instead.
        """
        seen = await self._prices.last(record.symbol, as_of=record.as_of)
        vote = record.vote
        async with self._database.transaction() as session:
            row = await approvals.require(session, record.approval_id, lock=True)
            given = [
                approvals.to_vote(each)
                for each in (await approvals.votes(session, [row.approval_id])).get(row.approval_id, [])
            ]
            if row.status != ApprovalStatus.PENDING.value or vote in given:
                return approvals.standing(row, refusal=_too_late(row, vote, given))
            ticket = approvals.ticket(row, look_seconds=0.0, last_ask=True)
            if refusal := vote_problem(vote, ticket, given, now=record.as_of):
                return approvals.standing(row, refusal=refusal)
            if vote.approved and (departure := await self._departure(session, row, seen)):
                await approvals.void(session, row, reason=departure, at=record.as_of)
                return approvals.standing(row, refusal=departure)
            await approvals.cast(session, row, vote, at=record.as_of)
            given.append(vote)
            outcome = tally(given, people=row.people)
            if outcome is not ApprovalStatus.PENDING:
                deciding = [each for each in given if each.approved is vote.approved]
                await approvals.conclude(
                    session,
                    row,
                    outcome,
                    actor=", ".join(each.actor for each in deciding),
                    reason="; ".join(dict.fromkeys(each.reason for each in deciding)),
                    at=record.as_of,
                    given=given,
                )
            return approvals.standing(row)

    @activity.defn
    async def record_approval(self, record: ApprovalRecord) -> ApprovalStanding | None:
        """Write how a question ended. An expiry that comes after an answer changes nothing; what stands is returned."""
        async with self._database.transaction() as session:
            row = await approvals.require(session, record.approval_id, lock=True)
            if record.verdict is ApprovalVerdict.EXPIRED and row.status != ApprovalStatus.PENDING.value:
                return approvals.standing(row)
            await approvals.conclude(
                session,
                row,
                ApprovalStatus(record.verdict.value),
                actor=record.actor,
                reason=record.reason,
                at=record.as_of,
            )
            return approvals.standing(row)

    @activity.defn
    async def escalate_approval(self, question: QuestionAt) -> ApprovalStanding:
        """Tell the escalation audience, once, that nobody has decided."""
        async with self._database.transaction() as session:
            row = await approvals.require(session, question.approval_id, lock=True)
            await approvals.escalate(session, row, at=question.as_of)
            return approvals.standing(row)

    @activity.defn
    async def look_at_approval(self, question: QuestionAt) -> ApprovalStanding:
        """Void the question where the price has left what it covers, or somebody changed the order."""
        seen = await self._prices.last(question.symbol, as_of=question.as_of)
        async with self._database.transaction() as session:
            row = await approvals.require(session, question.approval_id, lock=True)
            band = approvals.band_of(row)
            departure = band.departure(seen, needed=False) if band is not None else ""
            if row.status == ApprovalStatus.PENDING.value and departure:
                await approvals.void(session, row, reason=departure, at=question.as_of)
            return approvals.standing(row)

    async def _departure(self, session: AsyncSession, row: Approval, seen: Decimal | None) -> str:
        band = approvals.band_of(row)
        if band is None:
            return ""
        policy = (await config.current(session)).approval
        return band.departure(seen, needed=price_is_needed(policy, live=self._live))


def _too_late(row: Approval, vote: Vote, given: list[Vote]) -> str:
    """Empty where the vote is a repeat of one that counts."""
    if vote in given:
        return ""
    return f"APPROVAL_DECIDED: status={row.status}, decided_by={row.decided_by or 'nobody'}. Nothing is left to decide"
