"""Questions to people and the clock: quorum, escalation, expiry, moved prices, and workers that are away for a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.approvals import ApprovalStatus, approval_hash, price_band, terms
from domain.config import ApprovalPolicy
from domain.decisions import RiskOutcome
from domain.trading import (
    ApprovalDecision,
    ApprovalRecord,
    ApprovalRequest,
    ApprovalTicket,
    CloseRequest,
    OrderOutcome,
    OrderProgress,
    OrderRequest,
    RiskRequest,
    RiskVerdict,
    SubmitRequest,
    SyncRequest,
)
from domain.voting import (
    ApprovalStanding,
    QuestionAt,
    RecheckReport,
    RecheckRequest,
    Vote,
    VoteRecord,
    tally,
    vote_problem,
)
from tests.workflows.skipping import ATTEMPTS, now, skipping_server
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

HOUR = timedelta(hours=1)


class Book:
    """Remembers questions in memory and applies the real rules to them; the workflow is the real one."""

    def __init__(self, environment: WorkflowEnvironment) -> None:
        self._environment = environment
        self.away_until: datetime | None = None
        self.policy = ApprovalPolicy()
        self.people = 1
        self.proposers: tuple[str, ...] = ("engine",)
        self.price = Decimal(50)
        self.allowed = "10"
        self.needs_approval = True
        self.tickets: list[ApprovalTicket] = []
        self.votes: list[Vote] = []
        self.outcomes: list[tuple[ApprovalStatus, datetime]] = []
        self.escalations: list[datetime] = []
        self.rechecks: list[RecheckRequest] = []
        self.submitted: list[SubmitRequest] = []
        self.closed: list[CloseRequest] = []
        self._standing = ApprovalStanding(status=ApprovalStatus.PENDING)
        self._band = price_band(self.price, self.policy.price_band)

    @activity.defn
    async def decide_risk(self, request: RiskRequest) -> RiskVerdict:
        await self._reach()
        return self._verdict("first")

    @activity.defn
    async def recheck(self, request: RecheckRequest) -> RecheckReport:
        self.rechecks.append(request)
        voided = ""
        if request.approval_id and self._standing.status is not ApprovalStatus.APPROVED:
            voided = self._standing.reason
        elif request.approval_id:
            voided = self._band.departure(self.price, needed=False)
        return RecheckReport(verdict=self._verdict(f"recheck-{len(self.rechecks)}"), voided=voided)

    @activity.defn
    async def request_approval(self, request: ApprovalRequest) -> ApprovalTicket:
        when = terms(self.policy, as_of=request.as_of)
        self._band = price_band(self.price, self.policy.price_band)
        self._standing = ApprovalStanding(status=ApprovalStatus.PENDING)
        self.votes = []
        ticket = ApprovalTicket(
            approval_id=f"a{request.ask}",
            order_hash=approval_hash(
                intent_id=request.intent_id,
                ask=request.ask,
                symbol="ACME",
                side="buy",
                quantity=Decimal(self.allowed),
                band=self._band,
                recommendation_id="r",
                record_hash="f",
            ),
            expires_at=when.expires_at,
            people=self.people,
            proposers=self.proposers,
            solo=self.policy.solo,
            signals_approve=self.policy.signals_approve,
            escalates_at=when.escalates_at,
            look_seconds=when.look_seconds,
            last_ask=request.ask >= self.policy.maximum_asks,
        )
        self.tickets.append(ticket)
        return ticket

    @activity.defn
    async def record_vote(self, record: VoteRecord) -> ApprovalStanding:
        if problem := vote_problem(record.vote, self.tickets[-1], self.votes, now=record.as_of):
            return self._standing.model_copy(update={"refusal": problem})
        departure = self._band.departure(self.price, needed=False)
        if record.vote.approved and departure:
            return self._end(ApprovalStatus.VOIDED, record.as_of, departure).model_copy(update={"refusal": departure})
        self.votes.append(record.vote)
        outcome = tally(self.votes, people=self.people)
        return (
            self._standing
            if outcome is ApprovalStatus.PENDING
            else self._end(outcome, record.as_of, record.vote.reason)
        )

    @activity.defn
    async def record_approval(self, record: ApprovalRecord) -> ApprovalStanding | None:
        return self._end(ApprovalStatus(record.verdict.value), record.as_of, record.reason)

    @activity.defn
    async def escalate_approval(self, question: QuestionAt) -> ApprovalStanding:
        await self._reach()
        self.escalations.append(question.as_of)
        return self._standing

    @activity.defn
    async def look_at_approval(self, question: QuestionAt) -> ApprovalStanding:
        departure = self._band.departure(self.price, needed=False)
        return self._end(ApprovalStatus.VOIDED, question.as_of, departure) if departure else self._standing

    @activity.defn
    async def submit(self, request: SubmitRequest) -> OrderProgress:
        self.submitted.append(request)
        return OrderProgress(status="accepted")

    @activity.defn
    async def sync(self, request: SyncRequest) -> OrderProgress:
        return OrderProgress(status="filled", filled_quantity="10", closed=True)

    @activity.defn
    async def close_intent(self, request: CloseRequest) -> None:
        self.closed.append(request)

    @property
    def hash(self) -> str:
        return self.tickets[-1].order_hash

    @property
    def ends(self) -> list[ApprovalStatus]:
        return [status for status, _ in self.outcomes]

    async def _reach(self) -> None:
        """Fail while the servers behind the activities are away; the next attempt comes when they are back."""
        if self.away_until is not None and (left := self.away_until - await now(self._environment)) > timedelta(0):
            raise ApplicationError("away", next_retry_delay=left)

    def _end(self, status: ApprovalStatus, at: datetime, reason: str) -> ApprovalStanding:
        if self._standing.status is ApprovalStatus.PENDING:
            self.outcomes.append((status, at))
            self._standing = ApprovalStanding(status=status, reason=reason)
        return self._standing

    def _verdict(self, decision_id: str) -> RiskVerdict:
        return RiskVerdict(
            decision_id=decision_id,
            outcome=RiskOutcome.ALLOW,
            allowed_quantity=self.allowed,
            needs_approval=self.needs_approval,
            approval_reason="NOTIONAL_ABOVE_THRESHOLD" if self.needs_approval else "",
        )


@asynccontextmanager
async def working(environment: WorkflowEnvironment, book: Book) -> AsyncIterator[None]:
    activities: list[Callable[..., Any]] = [
        *(book.decide_risk, book.recheck, book.request_approval, book.record_vote, book.record_approval),
        *(book.escalate_approval, book.look_at_approval, book.submit, book.sync, book.close_intent),
    ]
    async with Worker(environment.client, task_queue=Queue.TRADING, workflows=[ExecuteOrder], activities=activities):
        yield


Timed = Callable[[WorkflowEnvironment, Book], Awaitable[None]]


def in_skipped_time(body: Timed) -> Callable[[], Awaitable[None]]:
    """Run a test up to three times, each on a new server; it starts its workers itself."""

    async def test() -> None:
        for attempt in range(ATTEMPTS):
            async with skipping_server() as environment:
                try:
                    await asyncio.wait_for(body(environment, Book(environment)), timeout=30)
                    return
                except (AssertionError, TimeoutError, RPCError, WorkflowFailureError):
                    if attempt == ATTEMPTS - 1:
                        raise

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


async def _start(environment: WorkflowEnvironment) -> WorkflowHandle[Any, OrderOutcome]:
    request = OrderRequest(intent_id="i", symbol="ACME", side="buy", as_of=await now(environment))
    return await environment.client.start_workflow(
        ExecuteOrder.run, request, id=names.order_id("i"), task_queue=Queue.TRADING
    )


async def _asked(environment: WorkflowEnvironment, book: Book, *, times: int = 1) -> None:
    while len(book.tickets) < times:
        await environment.sleep(1)
    await environment.sleep(1)


def _word(book: Book, actor: str = "api:anna/1", *, approved: bool = True, **changes: Any) -> ApprovalDecision:
    values = {"approved": approved, "actor": actor, "reason": f"{actor} looked", "order_hash": book.hash}
    return ApprovalDecision(**{**values, **changes})


async def _decide(handle: WorkflowHandle[Any, OrderOutcome], decision: ApprovalDecision) -> str:
    return await handle.execute_update(ExecuteOrder.decide, decision)


async def _refused(handle: WorkflowHandle[Any, OrderOutcome], decision: ApprovalDecision) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await _decide(handle, decision)
    assert isinstance(refused.value.cause, ApplicationError)
    return refused.value.cause.message.partition(":")[0]


async def _outcome(handle: WorkflowHandle[Any, OrderOutcome]) -> OrderOutcome:
    return await asyncio.wait_for(handle.result(), timeout=20)


@in_skipped_time
async def test_question_when_nobody_decides_then_others_are_told_once_and_it_expires(
    environment: WorkflowEnvironment, book: Book
) -> None:
    async with working(environment, book):
        handle = await _start(environment)
        outcome = await _outcome(handle)
    assert (outcome.status, outcome.reason) == ("expired", "nobody decided in time")
    asked = book.tickets[0].expires_at - 4 * HOUR
    assert [timedelta(0) <= at - asked - 2 * HOUR < timedelta(minutes=1) for at in book.escalations] == [True]
    ((ended, at),) = book.outcomes
    assert ended is ApprovalStatus.EXPIRED
    assert timedelta(0) <= at - asked - 4 * HOUR < timedelta(minutes=1)
    assert book.submitted == []
    assert [request.state for request in book.closed] == ["expired"]


@in_skipped_time
async def test_question_when_decided_in_the_first_half_then_nobody_else_is_told(
    environment: WorkflowEnvironment, book: Book
) -> None:
    async with working(environment, book):
        handle = await _start(environment)
        await environment.sleep(HOUR)
        assert await _decide(handle, _word(book)) == "approved"
        assert (await _outcome(handle)).status == "filled"
    assert book.escalations == []
    assert book.ends == [ApprovalStatus.APPROVED]


@in_skipped_time
async def test_quorum_of_two_when_one_person_votes_with_two_keys_then_another_person_is_still_needed(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.people = 2
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        assert await _decide(handle, _word(book, "api:anna/1")) == "pending"
        for again in ("api:anna/2", "cli:anna"):
            assert await _refused(handle, _word(book, again)) == "ALREADY_VOTED"
        await handle.signal("approve", "by hand")
        await environment.sleep(HOUR)
        assert book.submitted == []
        assert await _decide(handle, _word(book, "cli:ben")) == "approved"
        assert (await _outcome(handle)).status == "filled"
    assert [vote.actor for vote in book.votes] == ["api:anna/1", "cli:ben"]
    assert len(book.submitted) == 1


@in_skipped_time
async def test_quorum_of_two_when_one_declines_then_it_ends(environment: WorkflowEnvironment, book: Book) -> None:
    book.people = 2
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        assert await _decide(handle, _word(book, "api:anna/1")) == "pending"
        await handle.signal("decline", "not with me")
        outcome = await _outcome(handle)
    assert (outcome.status, outcome.reason) == ("declined", "not with me")
    assert book.submitted == []


@in_skipped_time
async def test_price_when_it_leaves_the_band_then_it_is_asked_again_and_the_old_answer_is_worth_nothing(
    environment: WorkflowEnvironment, book: Book
) -> None:
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        old = _word(book)
        book.price = Decimal(60)
        await environment.sleep(HOUR)  # it is looked at every five minutes
        assert book.ends == [ApprovalStatus.VOIDED]
        assert len(book.tickets) == 2
        assert await _refused(handle, old) == "ORDER_HASH_MISMATCH"
        assert await _decide(handle, _word(book)) == "approved"
        assert (await _outcome(handle)).status == "filled"
    assert [request.approval_id for request in book.rechecks] == ["a1", "a2"]
    assert [request.decision_id for request in book.submitted] == ["recheck-2"]


@in_skipped_time
async def test_price_when_it_has_left_the_band_at_the_answer_then_the_answer_is_refused_and_it_is_asked_again(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.policy = ApprovalPolicy(price_look_seconds=86_400)
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        book.price = Decimal(40)
        assert await _refused(handle, _word(book)) == "PRICE_LEFT_BAND"
        await _asked(environment, book, times=2)
        assert await _decide(handle, _word(book)) == "approved"
        assert (await _outcome(handle)).status == "filled"


@in_skipped_time
async def test_price_when_it_never_rests_then_it_is_asked_a_bounded_number_of_times(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.policy = ApprovalPolicy(maximum_asks=3)
    async with working(environment, book):
        handle = await _start(environment)
        for times in (1, 2, 3):
            await _asked(environment, book, times=times)
            book.price += 10
        outcome = await _outcome(handle)
    assert outcome.status == "expired"
    assert outcome.reason.startswith("PRICE_LEFT_BAND: price=80")
    assert outcome.reason.endswith("It was asked 3 times")
    assert book.ends == [ApprovalStatus.VOIDED] * 3
    assert book.submitted == []


@in_skipped_time
async def test_proposer_when_approving_then_four_eyes_refuse_unless_the_house_is_one_persons(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.proposers = ("engine", "api:anna/1")
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        assert await _refused(handle, _word(book, "cli:anna")) == "FOUR_EYES"
        await handle.signal("decline", "done")
        assert (await _outcome(handle)).status == "declined"


@in_skipped_time
async def test_book_when_away_for_a_day_then_the_question_has_one_outcome_and_late_answers_none(
    environment: WorkflowEnvironment, book: Book
) -> None:
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        book.away_until = book.tickets[0].expires_at + timedelta(days=1)
        await environment.sleep(3 * HOUR)  # others should have been told by now
        await handle.signal("approve", "in time, but nobody could write it down")
        outcome = await _outcome(handle)
    assert outcome.status == "expired"
    assert book.ends == [ApprovalStatus.EXPIRED]
    assert len(book.escalations) == 1
    assert book.votes == []
    assert book.submitted == []


@in_skipped_time
async def test_broker_when_away_during_the_verdict_then_risk_is_judged_again_before_sending(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.needs_approval = False
    book.away_until = await now(environment) + timedelta(minutes=10)
    async with working(environment, book):
        handle = await _start(environment)
        assert (await _outcome(handle)).status == "filled"
    assert [request.approval_id for request in book.rechecks] == [""]
    assert [request.decision_id for request in book.submitted] == ["recheck-1"]


@in_skipped_time
async def test_order_when_nobody_need_be_asked_then_it_is_judged_once(
    environment: WorkflowEnvironment, book: Book
) -> None:
    book.needs_approval = False
    async with working(environment, book):
        handle = await _start(environment)
        assert (await _outcome(handle)).status == "filled"
    assert book.rechecks == []
    assert [request.decision_id for request in book.submitted] == ["first"]


@in_skipped_time
async def test_risk_when_it_allows_less_after_the_answer_then_the_smaller_order_is_sent(
    environment: WorkflowEnvironment, book: Book
) -> None:
    async with working(environment, book):
        handle = await _start(environment)
        await _asked(environment, book)
        book.allowed = "4"
        await _decide(handle, _word(book))
        assert (await _outcome(handle)).status == "filled"
    assert [request.decision_id for request in book.submitted] == ["recheck-1"]
