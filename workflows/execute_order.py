"""ExecuteOrder: one order intent to its end.

    risk -> approval where policy asks for it -> submit, effectively once -> follow the fills -> settle

Id: `order/<intent_id>`, never used twice. Ends denied, declined, expired, rejected, canceled or filled. A person
decides by the update `decide` (and learns the result) or by the plain signals `approve` and `decline`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.orders import OrderActivities
    from domain.trading import (
        ApprovalDecision,
        ApprovalRecord,
        ApprovalRequest,
        ApprovalTicket,
        ApprovalVerdict,
        CloseRequest,
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
    )
    from workflows import names, options


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

    @workflow.run
    async def run(self, request: OrderRequest) -> OrderOutcome:
        verdict = await self._assess()
        if verdict.denial:
            return await self._close("denied", verdict.denial)
        if verdict.needs_approval:
            approval = await self._ask(verdict)
            if approval is not ApprovalVerdict.APPROVED:
                reason = self._decision.reason if self._decision else "nobody decided in time"
                return await self._close(approval.value, reason)
        await self._submit(verdict)
        await self._follow()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return await self._close(self._progress.status, self._progress.reason)

    @workflow.update
    async def decide(self, decision: ApprovalDecision) -> str:
        """Approve or decline the pending order. An update, so that the caller learns what came of it."""
        self._decision = decision
        await workflow.wait_condition(lambda: self._state is not OrderState.AWAITING_APPROVAL)
        return "approved" if decision.approved else "declined"

    @decide.validator
    def _decidable(self, decision: ApprovalDecision) -> None:
        if not self._open_to_decision():
            raise ValueError(f"APPROVAL_NOT_PENDING: intent={self._request.intent_id}, state={self._state}")
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
        """The broker reported something about this order: look now instead of at the next poll."""
        self._looks += 1

    @workflow.update
    async def refresh(self, request: RefreshRequest) -> RefreshReport:
        """Bring the order to rest as of an instant: expire what is due, read back what the broker did."""
        self._now = max(self._now, request.as_of)
        await workflow.wait_condition(lambda: self._state not in (OrderState.ASSESSING, OrderState.SUBMITTING))
        if self._state is OrderState.WORKING:
            await self._sync()
        return RefreshReport(state=self._state, status=self._progress.status)

    @workflow.query
    def status(self) -> RefreshReport:
        return RefreshReport(state=self._state, status=self._progress.status)

    def _open_to_decision(self) -> bool:
        """Whether a decision still counts: the order waits, nobody decided, and its time is not up."""
        return self._state is OrderState.AWAITING_APPROVAL and self._decision is None and not self._answered

    def _present(self) -> datetime:
        """The order's present: the replay's instant when driven, the workflow's clock otherwise."""
        return self._now if self._request.driven else workflow.now()

    def _enter(self, state: OrderState) -> None:
        self._state = state
        workflow.upsert_search_attributes([names.STATE.value_set(state.value)])
        workflow.set_current_details(f"{self._request.side} {self._request.symbol}: {state.value}")

    def _decide_by_signal(self, *, approved: bool, reason: str) -> None:
        if self._open_to_decision():
            self._decision = ApprovalDecision(
                approved=approved, actor="temporal-cli", reason=reason or "no reason given"
            )

    async def _assess(self) -> RiskVerdict:
        return await workflow.execute_activity_method(
            OrderActivities.decide_risk,
            RiskRequest(intent_id=self._request.intent_id, as_of=self._present()),
            summary="check every limit",
            **options.LEDGER,
        )

    async def _ask(self, verdict: RiskVerdict) -> ApprovalVerdict:
        """Put the order before a person and wait for the answer or the expiry."""
        ticket = await workflow.execute_activity_method(
            OrderActivities.request_approval,
            ApprovalRequest(intent_id=self._request.intent_id, decision_id=verdict.decision_id, as_of=self._present()),
            summary=verdict.approval_reason,
            **options.LEDGER,
        )
        self._ticket = ticket
        self._enter(OrderState.AWAITING_APPROVAL)
        outcome = await self._answer(ticket)
        self._answered = True
        await workflow.execute_activity_method(
            OrderActivities.record_approval,
            ApprovalRecord(
                approval_id=ticket.approval_id,
                verdict=outcome,
                actor=self._decision.actor if self._decision else "system",
                reason=self._decision.reason if self._decision else "nobody decided in time",
                as_of=self._present(),
            ),
            summary=outcome.value,
            **options.LEDGER,
        )
        self._enter(OrderState.SUBMITTING)
        return outcome

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
        """Follow the order until it is final; a driven order is looked at only when asked."""
        pause = self._request.poll_seconds
        while not self._progress.closed:
            seen = self._looks
            if self._request.driven:
                await workflow.wait_condition(lambda: self._progress.closed)
                break
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self._looks != seen or self._progress.closed,  # type: ignore[misc]
                    timeout=timedelta(seconds=pause),
                    timeout_summary="next look at the broker",
                )
            except TimeoutError:
                pause = min(pause * 2, self._request.maximum_poll_seconds)
            if not self._progress.closed:
                await self._sync()
        self._enter(OrderState.CLOSED)

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
        return OrderOutcome(
            intent_id=self._request.intent_id,
            status=status,
            filled_quantity=self._progress.filled_quantity,
            filled_average_price=self._progress.filled_average_price,
            reason=reason,
        )
