"""ExecuteOrder: one order intent to its end.

    risk -> approval where policy asks for it -> risk again -> submit, effectively once -> follow the fills -> settle
                                                      ^-- nothing of it was sent --'

Id: `order/<intent_id>`, never used twice. Ends denied, declined, expired, rejected, canceled or filled. A person
decides by the update `decide` (and learns the result) or by the plain signals `approve` and `decline`. What is asked
is asked anew, a bounded number of times, when the price or the order moves away from what an answer would cover. The
update and the signal `cancel` take an order back that was approved, or that needed no approval.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.approvals import ApprovalActivities
    from activities.orders import OrderActivities
    from activities.risk import RiskActivities
    from domain.actors import SIGNAL_ACTOR, actor_problem
    from domain.approvals import ApprovalStatus
    from domain.submission import CancelRequest
    from domain.trading import (
        ApprovalDecision,
        ApprovalRecord,
        ApprovalRequest,
        ApprovalTicket,
        ApprovalVerdict,
        CancelReport,
        CloseRequest,
        Command,
        OrderOutcome,
        OrderProgress,
        OrderRequest,
        OrderState,
        RefreshReport,
        RefreshRequest,
        RiskRequest,
        RiskVerdict,
        SubmitRequest,
        SyncRequest,
        reason_given,
    )
    from domain.voting import RecheckReport, RecheckRequest
    from workflows import names, options
    from workflows.question import NOBODY, Question

QUORUM = "approval-quorum"
"""Patch: questions to several people, asked anew when the price moved, and risk judged again before sending."""
SENDS_AGAIN = "sends-again"
"""Patch: an order of which nothing was sent is judged again, and sent, while its time to live lasts."""
MOST_ASKS = 10
CANCELED = "canceled"
UNSURE_POLL_SECONDS = 30.0
"""The longest pause between looks while nobody knows whether the broker has the order."""
RECHECK_AFTER = timedelta(seconds=60)
"""A verdict that nobody was asked about holds this long: a worker may have been away since."""


@dataclass(frozen=True)
class Permission:
    """What came of asking. Without a verdict the order ends with the status and the reason."""

    status: str
    reason: str = ""
    verdict: RiskVerdict | None = None


@workflow.defn
class ExecuteOrder:
    @workflow.init
    def __init__(self, request: OrderRequest) -> None:
        self._request = request
        self._state = OrderState.ASSESSING
        self._progress = OrderProgress(status="pending")
        self._ticket: ApprovalTicket | None = None
        self._decision: ApprovalDecision | None = None
        self._now = request.as_of
        self._looks = 0
        self._answered = False
        self._question: Question | None = None
        self._judged_at = request.as_of
        self._ask = 0
        self._withdrawn = ""
        """Why somebody took it back; empty: nobody did."""

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        verdict = await self._still_so(await self._assess())
        if verdict.denial:
            return await self._close("denied", verdict.denial)
        if verdict.needs_approval:
            permission = await self._permission(verdict)
            if permission.verdict is None:
                return await self._close(permission.status, permission.reason)
            verdict = permission.verdict
        await self._send(verdict)
        while not self._progress.closed and not self._withdrawn:
            permission = await self._renewed(verdict)
            if permission.verdict is None:
                return await self._close(permission.status, permission.reason)
            verdict = permission.verdict
            await self._send(verdict)
        if not self._progress.closed:  # nothing of it was sent
            return await self._close(CANCELED, self._withdrawn)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return await self._close(self._progress.status, self._progress.reason or self._withdrawn)

    @workflow.update
    async def decide(self, decision: ApprovalDecision) -> str:
        """Approve or decline the pending order. An update, so that the caller learns what came of it.

        Answers approved or declined, or pending where another person must approve too.
        """
        if self._question is not None:
            return (await self._question.decide(decision)).value
        self._decision = decision
        await workflow.wait_condition(lambda: self._state is not OrderState.AWAITING_APPROVAL)
        return "approved" if decision.approved else "declined"

    @decide.validator
    def _decidable(self, decision: ApprovalDecision) -> None:
        if not self._open_to_decision():
            raise ValueError(f"APPROVAL_NOT_PENDING: intent={self._request.intent_id}, state={self._state}")
        if self._question is not None:
            if problem := self._question.problem(decision):
                raise ValueError(problem)
            return
        pending = self._ticket.order_hash if self._ticket else ""
        if decision.order_hash != pending:
            raise ValueError(
                f"ORDER_HASH_MISMATCH: shown={decision.order_hash or 'nothing'}, pending={pending}. "
                "The order changed since it was shown: look at it again"
            )

    @workflow.signal
    def approve(self, reason: str = "approved by signal") -> None:
        """Approve from the plain Temporal CLI or UI."""
        self._decide_by_signal(approved=True, reason=reason)

    @workflow.signal
    def decline(self, reason: str = "declined by signal") -> None:
        """Decline from the plain Temporal CLI or UI."""
        self._decide_by_signal(approved=False, reason=reason)

    @workflow.signal
    def order_changed(self) -> None:
        """Something about this order changed, at the broker or by hand: look now instead of at the next poll."""
        self._looks += 1
        if self._question is not None:
            self._question.look_now()

    @workflow.update
    async def cancel(self, command: Command) -> CancelReport:
        """Take the order back: at the broker, or before it is sent. What was filled stays filled.

        Where the broker has not carried it out yet, or has not heard of the order, every later look asks again.
        """
        self._withdraw(f"{command.reason} ({command.actor})")
        await workflow.wait_condition(self._rests)
        if self._state is OrderState.WORKING and not self._progress.closed:
            await self._take_back()
            if self._to_send():
                await workflow.wait_condition(lambda: self._state is OrderState.CLOSED)
        ended = self._state is OrderState.CLOSED and not self._progress.closed
        return CancelReport(
            status=CANCELED if ended else self._progress.status,
            closed=self._progress.closed or ended,
            filled_quantity=self._progress.filled_quantity,
            reason=self._progress.reason,
        )

    @cancel.validator
    def _cancelable(self, command: Command) -> None:
        if problem := actor_problem(command.actor):
            raise ValueError(problem)
        if self._state is OrderState.ASSESSING:
            raise ValueError("ORDER_IS_BEING_JUDGED: ask again in a moment")
        if self._state is OrderState.AWAITING_APPROVAL:
            raise ValueError("ORDER_AWAITS_APPROVAL: decline it: `stonks decline`, POST /v1/approvals/{id}/review")

    @workflow.signal(name="cancel")
    def cancel_by_signal(self, reason: str = "canceled by signal") -> None:
        """Cancel from the plain Temporal CLI or UI; one that waits for people is to be declined."""
        if self._state in (OrderState.SUBMITTING, OrderState.WORKING):
            self._withdraw(reason_given(reason, otherwise="canceled by signal"))

    @workflow.update
    async def refresh(self, request: RefreshRequest) -> RefreshReport:
        """Bring the order to rest as of an instant: expire what is due, read back what the broker did."""
        self._now = max(self._now, request.as_of)
        await workflow.wait_condition(self._rests)
        if self._state is OrderState.WORKING:
            await self._sync()
        return RefreshReport(state=self._state, status=self._progress.status)

    @workflow.query
    def status(self) -> RefreshReport:
        return RefreshReport(state=self._state, status=self._progress.status)

    def _open_to_decision(self) -> bool:
        """Whether a decision still counts: the order waits, nobody decided, and its time is not up."""
        return self._state is OrderState.AWAITING_APPROVAL and self._decision is None and not self._answered

    def _withdraw(self, reason: str) -> None:
        self._withdrawn = self._withdrawn or reason
        self._looks += 1

    def _rests(self) -> bool:
        """Whether the order waits for somebody: a person, the broker, or nobody any more."""
        if self._state is OrderState.AWAITING_APPROVAL and self._question is not None:
            return self._question.at_rest
        return self._state not in (OrderState.ASSESSING, OrderState.SUBMITTING)

    def _present(self) -> datetime:
        """The order's present: the replay's instant when driven, the workflow's clock otherwise."""
        return self._now if self._request.driven else workflow.now()

    def _enter(self, state: OrderState) -> None:
        self._state = state
        workflow.upsert_search_attributes([names.STATE.value_set(state.value)])
        workflow.set_current_details(f"{self._request.side} {self._request.symbol}: {state.value}")

    def _decide_by_signal(self, *, approved: bool, reason: str) -> None:
        if not self._open_to_decision():
            return
        reason = reason_given(reason, otherwise="no reason given")
        if self._question is not None:
            self._question.offer(approved=approved, reason=reason)
        else:
            self._decision = ApprovalDecision(approved=approved, actor=SIGNAL_ACTOR, reason=reason)

    async def _assess(self) -> RiskVerdict:
        self._judged_at = self._present()
        return await workflow.execute_activity_method(
            RiskActivities.decide_risk,
            RiskRequest(intent_id=self._request.intent_id, as_of=self._present()),
            summary="check every limit",
            **options.LEDGER,
        )

    async def _still_so(self, verdict: RiskVerdict) -> RiskVerdict:
        """Judge again where a worker was away since the verdict: the ledger may have changed."""
        late = self._present() - self._judged_at >= RECHECK_AFTER
        if verdict.denial or not late or not workflow.patched(QUORUM):
            return verdict
        return (await self._recheck(verdict)).verdict

    async def _renewed(self, verdict: RiskVerdict) -> Permission:
        """Judge an order again that was not sent; ask people again where their answer does not cover it any more."""
        self._enter(OrderState.SUBMITTING)
        ticket = self._question.ticket if self._question is not None else None
        report = await self._recheck(verdict, approval_id=ticket.approval_id if ticket is not None else "")
        if self._withdrawn:
            return Permission(status=CANCELED, reason=self._withdrawn)
        if report.verdict.denial:
            return Permission(status="denied", reason=report.verdict.denial)
        answered = self._answered or ticket is not None
        if not report.voided and (answered or not report.verdict.needs_approval):
            return Permission(status="approved", verdict=report.verdict)
        if ticket is not None and (ticket.last_ask or self._ask >= MOST_ASKS):
            return Permission(status="expired", reason=f"{report.voided}. It was asked {self._ask} times")
        return await self._permission(report.verdict, replaces=ticket.approval_id if ticket is not None else "")

    async def _permission(self, verdict: RiskVerdict, *, replaces: str = "") -> Permission:
        """Ask people until an answer covers the order as it is when it is sent."""
        if not workflow.patched(QUORUM):
            return await self._permission_of_one(verdict)
        for ask in range(self._ask + 1, MOST_ASKS + 1):
            self._ask = ask
            self._question = await self._put(verdict, ask=ask, replaces=replaces)
            self._enter(OrderState.AWAITING_APPROVAL)
            standing = await self._question.answered()
            self._enter(OrderState.SUBMITTING)
            if standing.status in (ApprovalStatus.DECLINED, ApprovalStatus.EXPIRED):
                return Permission(status=standing.status.value, reason=standing.reason)
            ticket = self._question.ticket
            report = await self._recheck(verdict, approval_id=ticket.approval_id)
            if self._withdrawn:
                return Permission(status=CANCELED, reason=self._withdrawn)
            if report.verdict.denial:
                return Permission(status="denied", reason=report.verdict.denial)
            if not report.voided:
                return Permission(status="approved", verdict=report.verdict)
            if ticket.last_ask:
                break
            verdict, replaces = report.verdict, ticket.approval_id
        return Permission(status="expired", reason=f"{report.voided}. It was asked {self._ask} times")

    async def _put(self, verdict: RiskVerdict, *, ask: int, replaces: str) -> Question:
        """Put the order before people."""
        ticket = await workflow.execute_activity_method(
            ApprovalActivities.request_approval,
            ApprovalRequest(
                intent_id=self._request.intent_id,
                decision_id=verdict.decision_id,
                as_of=self._present(),
                ask=ask,
                replaces=replaces,
            ),
            summary=verdict.approval_reason,
            **options.LEDGER,
        )
        return Question(ticket, symbol=self._request.symbol, present=self._present, driven=self._request.driven)

    async def _recheck(self, verdict: RiskVerdict, *, approval_id: str = "") -> RecheckReport:
        return await workflow.execute_activity_method(
            RiskActivities.recheck,
            RecheckRequest(
                intent_id=self._request.intent_id,
                symbol=self._request.symbol,
                decision_id=verdict.decision_id,
                approval_id=approval_id,
                as_of=self._present(),
            ),
            summary="check every limit again",
            **options.LEDGER,
        )

    async def _permission_of_one(self, verdict: RiskVerdict) -> Permission:
        """As orders asked that began before there were quorums: one answer of one person, and no second look."""
        ticket = await workflow.execute_activity_method(
            ApprovalActivities.request_approval,
            ApprovalRequest(intent_id=self._request.intent_id, decision_id=verdict.decision_id, as_of=self._present()),
            summary=verdict.approval_reason,
            **options.LEDGER,
        )
        self._ticket = ticket
        self._enter(OrderState.AWAITING_APPROVAL)
        outcome = await self._answer(ticket)
        self._answered = True
        reason = self._decision.reason if self._decision else NOBODY
        await workflow.execute_activity_method(
            ApprovalActivities.record_approval,
            ApprovalRecord(
                approval_id=ticket.approval_id,
                verdict=outcome,
                actor=self._decision.actor if self._decision else "system",
                reason=reason,
                as_of=self._present(),
            ),
            summary=outcome.value,
            **options.LEDGER,
        )
        self._enter(OrderState.SUBMITTING)
        approved = outcome is ApprovalVerdict.APPROVED
        return Permission(status=outcome.value, reason=reason, verdict=verdict if approved else None)

    async def _answer(self, ticket: ApprovalTicket) -> ApprovalVerdict:
        if self._request.driven:
            await workflow.wait_condition(lambda: self._decision is not None or self._now >= ticket.expires_at)
        else:
            left = max((ticket.expires_at - workflow.now()).total_seconds(), 0.0)
            try:
                await workflow.wait_condition(
                    lambda: self._decision is not None, timeout=left, timeout_summary="approval expires"
                )
            except TimeoutError:
                return ApprovalVerdict.EXPIRED
        if self._decision is None:
            return ApprovalVerdict.EXPIRED
        return ApprovalVerdict.APPROVED if self._decision.approved else ApprovalVerdict.DECLINED

    async def _send(self, verdict: RiskVerdict) -> None:
        """Place the order and follow it, unless it was taken back before."""
        if not self._withdrawn:
            await self._submit(verdict)
            await self._follow()

    async def _submit(self, verdict: RiskVerdict) -> None:
        self._enter(OrderState.SUBMITTING)
        request = SubmitRequest(
            intent_id=self._request.intent_id, decision_id=verdict.decision_id, as_of=self._present()
        )
        try:
            self._progress = await workflow.execute_activity_method(
                OrderActivities.submit, request, summary="place the order, one client order id", **options.SUBMIT
            )
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.non_retryable:
                self._progress = OrderProgress(status="rejected", closed=True, reason=str(error.cause))
            else:  # nobody knows whether the order exists: follow it until the broker says
                self._progress = OrderProgress(status="unknown", reason=str(error.cause or error))
        self._enter(OrderState.CLOSED if self._progress.closed else OrderState.WORKING)

    async def _follow(self) -> None:
        """Follow the order until it is final, or until it is known that nothing of it was sent.

        The longer nothing changes, the longer the pause until the next look. A driven order is looked at only when
        asked.
        """
        pause = self._request.poll_seconds
        while not self._progress.closed:
            if self._to_send():
                return
            seen, before = self._looks, self._progress
            if self._request.driven:
                await workflow.wait_condition(lambda: self._progress.closed)
                break
            if before.status == "unknown":
                pause = min(pause, UNSURE_POLL_SECONDS)
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self._looks != seen or self._progress.closed,  # type: ignore[misc]
                    timeout=timedelta(seconds=pause),
                    timeout_summary="next look at the broker",
                )
            except TimeoutError:
                pause = min(pause * 2, self._request.maximum_poll_seconds)
            if not self._progress.closed:
                await (self._take_back() if self._withdrawn else self._sync())
            if self._progress != before:
                pause = self._request.poll_seconds
        self._enter(OrderState.CLOSED)

    def _to_send(self) -> bool:
        return self._progress.to_send and not self._request.driven and workflow.patched(SENDS_AGAIN)

    async def _take_back(self) -> None:
        """Ask the broker to cancel it, and read it back."""
        try:
            self._progress = await workflow.execute_activity_method(
                OrderActivities.cancel_order,
                CancelRequest(intent_id=self._request.intent_id, as_of=self._present()),
                summary=f"take it back: {self._withdrawn}"[:200],
                **options.CANCEL,
            )
        except ActivityError as error:
            workflow.logger.warning("was not taken back yet", extra={"problem": str(error.cause or error)})

    async def _sync(self) -> None:
        self._progress = await workflow.execute_activity_method(
            OrderActivities.sync,
            SyncRequest(intent_id=self._request.intent_id, as_of=self._present()),
            summary="read back the order and its fills",
            **options.SYNC,
        )

    async def _close(self, status: str, reason: str) -> OrderOutcome:
        await workflow.execute_activity_method(
            OrderActivities.close_intent,
            CloseRequest(intent_id=self._request.intent_id, state=status, reason=reason, as_of=self._present()),
            summary=status,
            **options.LEDGER,
        )
        if self._state is not OrderState.CLOSED:
            self._enter(OrderState.CLOSED)
        workflow.set_current_details(f"{self._request.side} {self._request.symbol}: {status} {reason}".strip())
        if self._withdrawn:  # whoever took it back wants to hear that it has ended
            await workflow.wait_condition(workflow.all_handlers_finished)
        return OrderOutcome(
            intent_id=self._request.intent_id,
            status=status,
            filled_quantity=self._progress.filled_quantity,
            filled_average_price=self._progress.filled_average_price,
            reason=reason,
        )
