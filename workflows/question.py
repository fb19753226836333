"""One question to people inside an order's workflow: it collects votes, watches the clock, and has both written down.

    wait -> a vote | the expiry | the escalation | a look at the price -> the book says how the question stands

The book is the judge: every step is written there under the lock of the question's row, and what comes back counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.approvals import ApprovalActivities
from domain.actors import SIGNAL_ACTOR
from domain.approvals import ApprovalStatus
from domain.trading import ApprovalDecision, ApprovalRecord, ApprovalTicket, ApprovalVerdict
from domain.voting import (
    SIGNAL_UNSIGNED,
    ApprovalStanding,
    QuestionAt,
    Vote,
    VoteRecord,
    VoteVia,
    vote_problem,
)
from workflows import options

NOBODY = "nobody decided in time"
UNSIGNED = "signals-approve-no-proposal"
"""Patch: a plain signal never approves what a person proposed."""


@dataclass
class _Cast:
    """A vote on its way into the book, and what the book said."""

    vote: Vote
    answer: ApprovalStanding | None = None

    @property
    def counts(self) -> bool:
        return self.answer is None or not self.answer.refusal


class Question:
    """A question that was put into the inbox, until it ends.

    Args:
        present: the order's present; the workflow's clock, or the instant that a replay tells.
        driven: time moves only when told, so no timer is set.
    """

    def __init__(self, ticket: ApprovalTicket, *, symbol: str, present: Callable[[], datetime], driven: bool) -> None:
        self.ticket = ticket
        self._symbol = symbol
        self._present = present
        self._driven = driven
        self._standing = ApprovalStanding(status=ApprovalStatus.PENDING)
        self._cast: list[_Cast] = []
        self._escalated = ticket.escalates_at is None
        self._looked_at = present()
        self._look_asked = False
        self._acting = False
        """Something is being done about it right now."""

    def problem(self, decision: ApprovalDecision) -> str:
        """Say why a decision cannot be taken now; empty where it can."""
        if self._standing.status is not ApprovalStatus.PENDING:
            return f"APPROVAL_DECIDED: status={self._standing.status.value}. Nothing is left to decide"
        return vote_problem(_vote(decision), self.ticket, self._votes, now=self._present())

    def offer(self, *, approved: bool, reason: str) -> None:
        """Take a plain signal: it means the question that waits now. One that cannot count is only logged."""
        decision = ApprovalDecision(
            approved=approved, actor=SIGNAL_ACTOR, reason=reason, order_hash=self.ticket.order_hash
        )
        vote = _vote(decision).model_copy(update={"via": VoteVia.SIGNAL})
        if self._standing.status is not ApprovalStatus.PENDING:
            return
        problem = vote_problem(vote, self.ticket, self._votes, now=self._present())
        if problem and not (problem.startswith(SIGNAL_UNSIGNED) and not workflow.patched(UNSIGNED)):
            workflow.logger.warning("signal ignored: %s", problem)
            return
        self._cast.append(_Cast(vote))

    def look_now(self) -> None:
        """Look at the order and its price now instead of at the next look."""
        self._look_asked = True

    async def decide(self, decision: ApprovalDecision) -> ApprovalStatus:
        """Take a person's vote and wait until the book has it.

        Raises:
            ApplicationError: the book refused it: the question ended, or the price left its band.
        """
        cast = _Cast(_vote(decision))
        self._cast.append(cast)
        await workflow.wait_condition(lambda: cast.answer is not None)
        assert cast.answer is not None
        if cast.answer.refusal:
            code = cast.answer.refusal.partition(":")[0]
            raise ApplicationError(cast.answer.refusal, type=code, non_retryable=True)
        return cast.answer.status

    @property
    def at_rest(self) -> bool:
        """Whether the question waits, and nothing is left to do about it at the present instant."""
        waits = self._standing.status is ApprovalStatus.PENDING
        return waits and not self._acting and not self._stirred and self._present() < self._next_due()

    @property
    def _stirred(self) -> bool:
        """Whether somebody voted or asked for a look."""
        return self._look_asked or self._uncounted() is not None

    async def answered(self) -> ApprovalStanding:
        """Wait until the question has ended."""
        while self._standing.status is ApprovalStatus.PENDING:
            await self._wait()
            cast, now = self._uncounted(), self._present()
            self._acting = True
            if now >= self.ticket.expires_at:
                await self._expire(now)
            elif cast is not None:
                await self._count(cast, now)
            elif not self._escalated and self.ticket.escalates_at is not None and now >= self.ticket.escalates_at:
                await self._escalate(now)
            elif self._look_asked or now >= self._next_look():
                await self._look(now)
            self._acting = False
        while (late := self._uncounted()) is not None:  # whoever was too late learns how it ended
            late.answer = self._too_late()
        return self._standing

    async def _wait(self) -> None:
        if self._driven:
            await workflow.wait_condition(lambda: not self.at_rest)
            return
        left = self._next_due() - self._present()
        if left <= timedelta(0):
            return
        try:
            await workflow.wait_condition(lambda: self._stirred, timeout=left, timeout_summary="nobody has decided")
        except TimeoutError:
            return

    async def _count(self, cast: _Cast, now: datetime) -> None:
        vote = cast.vote
        record = VoteRecord(approval_id=self.ticket.approval_id, symbol=self._symbol, vote=vote, as_of=now)
        word = "approve" if vote.approved else "decline"
        self._standing = cast.answer = await workflow.execute_activity_method(
            ApprovalActivities.record_vote, record, summary=f"{word}, {vote.actor}", **options.LEDGER
        )

    async def _expire(self, now: datetime) -> None:
        ended = await workflow.execute_activity_method(
            ApprovalActivities.record_approval,
            ApprovalRecord(
                approval_id=self.ticket.approval_id,
                verdict=ApprovalVerdict.EXPIRED,
                actor="system",
                reason=NOBODY,
                as_of=now,
            ),
            summary="expired",
            **options.LEDGER,
        )
        self._standing = ended or ApprovalStanding(status=ApprovalStatus.EXPIRED, reason=NOBODY)

    async def _escalate(self, now: datetime) -> None:
        self._escalated = True
        self._standing = await workflow.execute_activity_method(
            ApprovalActivities.escalate_approval, self._at(now), summary="nobody has decided", **options.LEDGER
        )

    async def _look(self, now: datetime) -> None:
        self._looked_at, self._look_asked = now, False
        self._standing = await workflow.execute_activity_method(
            ApprovalActivities.look_at_approval,
            self._at(now),
            summary="does the price still fit the question",
            **options.LEDGER,
        )

    @property
    def _votes(self) -> list[Vote]:
        return [cast.vote for cast in self._cast if cast.counts]

    def _uncounted(self) -> _Cast | None:
        return next((cast for cast in self._cast if cast.answer is None), None)

    def _next_look(self) -> datetime:
        seconds = self.ticket.look_seconds
        return self._looked_at + timedelta(seconds=seconds) if seconds > 0 else self.ticket.expires_at

    def _next_due(self) -> datetime:
        due = min(self.ticket.expires_at, self._next_look())
        if self._escalated or self.ticket.escalates_at is None:
            return due
        return min(due, self.ticket.escalates_at)

    def _too_late(self) -> ApprovalStanding:
        ended = self._standing.status.value
        return self._standing.model_copy(
            update={"refusal": f"APPROVAL_DECIDED: status={ended}. Nothing is left to decide"}
        )

    def _at(self, now: datetime) -> QuestionAt:
        return QuestionAt(approval_id=self.ticket.approval_id, symbol=self._symbol, as_of=now)


def _vote(decision: ApprovalDecision) -> Vote:
    return Vote(
        approved=decision.approved, actor=decision.actor, reason=decision.reason, order_hash=decision.order_hash
    )
