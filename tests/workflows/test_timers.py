"""What waits for the clock, on the time-skipping server and inside the sandbox: quiet windows, expiry, sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.adapters.calendar import ExchangeCalendar
from domain.approvals import ApprovalStatus
from domain.decisions import Action, RiskOutcome, TradingState
from domain.market import Session
from domain.reconciliation import ReconcileReport, ReconcileRequest
from domain.research import (
    AssessAllReport,
    AssessAllRequest,
    AssessRequest,
    EconomyNotice,
    EvidenceNotice,
    RecommendationNotice,
    SymbolState,
    UniverseState,
)
from domain.trading import (
    ApprovalDecision,
    ApprovalRecord,
    ApprovalRequest,
    ApprovalTicket,
    ApprovalVerdict,
    CloseRequest,
    Command,
    ControlChange,
    ControlReport,
    EngineState,
    EngineTrouble,
    MarkReport,
    MarkRequest,
    OrderProgress,
    OrderRequest,
    RiskRequest,
    RiskVerdict,
    SessionQuery,
    SubmitRequest,
    SyncRequest,
    TickPhase,
    TickReport,
    TickRequest,
)
from domain.voting import ApprovalStanding, RecheckReport, RecheckRequest, VoteRecord, tally
from tests.workflows.skipping import ATTEMPTS, now, skipping_server
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue
from workflows.research_symbol import ResearchSymbol
from workflows.research_universe import ResearchUniverse
from workflows.trading_engine import TradingEngine

EXPIRES_AFTER = timedelta(hours=4)


class Desk:
    """Activities that remember what they were asked; the workflows are the real ones."""

    def __init__(self) -> None:
        self.assessed: list[datetime] = []
        self.passes: list[datetime] = []
        self.told: list[RecommendationNotice] = []
        self.recorded: list[ApprovalRecord] = []
        self.closed: list[CloseRequest] = []
        self.submitted: list[SubmitRequest] = []
        self.ticks: list[TickRequest] = []
        self.marks: list[MarkRequest] = []
        self.states: list[TradingState] = []
        self.sessions: list[Session] = []
        self.reconciled: list[ReconcileRequest] = []
        self.troubles: list[EngineTrouble] = []
        self.refusals = 0
        """How many of the next plans and calendars end for good."""
        self.switch = TradingState.ACTIVE
        self.calendar: Callable[[datetime], Session] | None = None

    @activity.defn
    async def assess(self, request: AssessRequest) -> RecommendationNotice:
        self.assessed.append(request.as_of)
        return RecommendationNotice(
            recommendation_id="r",
            symbol=request.symbol,
            as_of=request.as_of,
            action=Action.BUY,
            previous_action=Action.NONE,
            score=0.3,
            conviction=0.3,
        )

    @activity.defn
    async def assess_universe(self, request: AssessAllRequest) -> AssessAllReport:
        self.passes.append(request.as_of)
        notice = await self.assess(AssessRequest(symbol="ACME", as_of=request.as_of))
        return AssessAllReport(as_of=request.as_of, assessed=2, changed=1, notices=(notice,))

    @activity.defn
    async def tell_engine(self, notice: RecommendationNotice) -> None:
        self.told.append(notice)

    @activity.defn
    async def decide_risk(self, request: RiskRequest) -> RiskVerdict:
        return RiskVerdict(
            decision_id="d",
            outcome=RiskOutcome.ALLOW,
            allowed_quantity="10",
            needs_approval=True,
            approval_reason="NOTIONAL_ABOVE_THRESHOLD",
        )

    @activity.defn
    async def request_approval(self, request: ApprovalRequest) -> ApprovalTicket:
        return ApprovalTicket(approval_id="a", order_hash="h", expires_at=request.as_of + EXPIRES_AFTER)

    @activity.defn
    async def record_approval(self, record: ApprovalRecord) -> ApprovalStanding | None:
        self.recorded.append(record)
        return ApprovalStanding(status=ApprovalStatus(record.verdict.value))

    @activity.defn
    async def record_vote(self, record: VoteRecord) -> ApprovalStanding:
        return ApprovalStanding(status=tally([record.vote], people=1))

    @activity.defn
    async def recheck(self, request: RecheckRequest) -> RecheckReport:
        return RecheckReport(verdict=await self.decide_risk(RiskRequest(intent_id="i", as_of=request.as_of)))

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

    def _refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise ApplicationError("BROKER_KEYS_REFUSED: status=401", type="BROKER_KEYS_REFUSED", non_retryable=True)

    @activity.defn(name="reconcile_broker")
    async def reconcile(self, request: ReconcileRequest) -> ReconcileReport:
        self.reconciled.append(request)
        return ReconcileReport(reconciliation_id=request.reconciliation_id, at=request.as_of, clean=True)

    @activity.defn
    async def next_session(self, query: SessionQuery) -> Session:
        self._refuse()
        if self.calendar is not None:
            return self.calendar(query.as_of)
        opens_at = query.as_of.replace(hour=14, minute=30, second=0, microsecond=0) + timedelta(days=1)
        session = Session(date=opens_at.date(), opens_at=opens_at, closes_at=opens_at + timedelta(hours=6, minutes=30))
        self.sessions.append(session)
        return session

    @activity.defn
    async def plan(self, request: TickRequest) -> TickReport:
        self._refuse()
        self.ticks.append(request)
        return TickReport(as_of=request.as_of, phase=request.phase)

    @activity.defn
    async def mark(self, request: MarkRequest) -> MarkReport:
        self.marks.append(request)
        return MarkReport(equity="100000", cash="100000", positions=0)

    @activity.defn
    async def standing_order(self, query: SessionQuery) -> ControlReport:
        return ControlReport(
            state=self.switch, epoch=0, reason="as it was" if self.switch is not TradingState.ACTIVE else ""
        )

    @activity.defn
    async def tell_trouble(self, trouble: EngineTrouble) -> None:
        self.troubles.append(trouble)

    @activity.defn
    async def change_control(self, change: ControlChange) -> ControlReport:
        self.states.append(change.state)
        return ControlReport(state=change.state, epoch=len(self.states))


@asynccontextmanager
async def _server() -> AsyncIterator[tuple[WorkflowEnvironment, Desk]]:
    """A time-skipping server of its own, with real workflows in the sandbox and a desk of fake activities."""
    made = Desk()
    trading: list[Any] = [
        made.decide_risk,
        made.request_approval,
        made.record_approval,
        made.record_vote,
        made.recheck,
        made.submit,
        made.sync,
        made.close_intent,
        made.next_session,
        made.reconcile,
        made.plan,
        made.mark,
        made.change_control,
        made.standing_order,
        made.tell_trouble,
    ]
    async with AsyncExitStack() as running:
        environment = await running.enter_async_context(skipping_server())
        for queue, flows, activities in (
            (
                Queue.RESEARCH,
                [ResearchSymbol, ResearchUniverse],
                [made.assess, made.assess_universe, made.tell_engine, made.next_session],
            ),
            (Queue.TRADING, [TradingEngine, ExecuteOrder], trading),
        ):
            worker = Worker(environment.client, task_queue=queue, workflows=flows, activities=activities)
            await running.enter_async_context(worker)
        yield environment, made


Timed = Callable[[WorkflowEnvironment, Desk], Awaitable[None]]


def on_a_skipping_server(body: Timed) -> Callable[[], Awaitable[None]]:
    """Run a test up to three times, each on a new server."""

    async def test() -> None:
        for attempt in range(ATTEMPTS):
            async with _server() as (environment, desk):
                try:
                    await asyncio.wait_for(body(environment, desk), timeout=30)
                    return
                except (AssertionError, TimeoutError, RPCError, WorkflowFailureError):
                    if attempt == ATTEMPTS - 1:
                        raise

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@on_a_skipping_server
async def test_symbol_when_evidence_stops_arriving_then_it_is_assessed_once_after_the_quiet_window(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    state = SymbolState(symbol="QUIET", quiet_seconds=20, maximum_wait_seconds=120)
    handle = await environment.client.start_workflow(
        ResearchSymbol.run, state, id="symbol/QUIET", task_queue=Queue.RESEARCH
    )
    last = await now(environment)
    for number in range(3):
        last = await now(environment)
        await handle.signal(
            ResearchSymbol.evidence, EvidenceNotice(symbol="QUIET", doc_id=str(number), available_at=last)
        )
        await environment.sleep(10)
    await environment.sleep(60)
    assert len(desk.assessed) == 1
    waited = (desk.assessed[0] - last).total_seconds()
    assert 19 <= waited <= 31
    assert [notice.symbol for notice in desk.told] == ["QUIET"]
    await handle.terminate()


@on_a_skipping_server
async def test_symbol_when_evidence_keeps_arriving_then_it_waits_no_longer_than_the_maximum(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    state = SymbolState(symbol="BUSY", quiet_seconds=20, maximum_wait_seconds=60)
    handle = await environment.client.start_workflow(
        ResearchSymbol.run, state, id="symbol/BUSY", task_queue=Queue.RESEARCH
    )
    first = await now(environment)
    for number in range(12):
        notice = EvidenceNotice(symbol="BUSY", doc_id=str(number), available_at=await now(environment))
        await handle.signal(ResearchSymbol.evidence, notice)
        await environment.sleep(10)
    assert desk.assessed
    assert (desk.assessed[0] - first).total_seconds() <= 75
    await handle.terminate()


@on_a_skipping_server
async def test_universe_when_sessions_come_then_it_is_assessed_once_before_each_open(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await environment.client.start_workflow(
        ResearchUniverse.run,
        UniverseState(lead_seconds=900),
        id=names.RESEARCH_UNIVERSE,
        task_queue=Queue.RESEARCH,
    )
    await environment.sleep(timedelta(days=3))
    assert 2 <= len(desk.passes) <= 3
    opens = [session.opens_at for session in desk.sessions]
    late = [
        (at - (open_at - timedelta(seconds=900))).total_seconds()
        for at, open_at in zip(desk.passes, opens, strict=False)
    ]
    assert all(0 <= seconds < 60 for seconds in late)
    assert [notice.symbol for notice in desk.told] == ["ACME"] * len(desk.passes)
    await handle.terminate()


@on_a_skipping_server
async def test_universe_when_the_economy_moves_then_it_is_assessed_once_the_news_stops(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await environment.client.start_workflow(
        ResearchUniverse.run,
        UniverseState(quiet_seconds=60, maximum_wait_seconds=600),
        id=names.RESEARCH_UNIVERSE,
        task_queue=Queue.RESEARCH,
    )
    last = await now(environment)
    for number in range(3):
        last = await now(environment)
        await handle.signal(ResearchUniverse.economy, EconomyNotice(doc_id=str(number), available_at=last))
        await environment.sleep(20)
    await environment.sleep(180)
    assert len(desk.passes) == 1
    assert 59 <= (desk.passes[0] - last).total_seconds() <= 90
    assert await handle.query(ResearchUniverse.pending) == []
    await handle.terminate()


async def _start_order(environment: WorkflowEnvironment, intent: str) -> Any:
    request = OrderRequest(intent_id=intent, symbol="ACME", side="buy", as_of=await now(environment))
    return await environment.client.start_workflow(
        ExecuteOrder.run, request, id=names.order_id(intent), task_queue=Queue.TRADING
    )


@on_a_skipping_server
async def test_order_when_nobody_decides_then_it_expires_and_is_never_sent(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    begun = await now(environment)
    handle = await _start_order(environment, "expires")
    outcome = await asyncio.wait_for(handle.result(), timeout=60)
    assert outcome.status == "expired"
    assert desk.submitted == []
    assert [record.verdict for record in desk.recorded] == [ApprovalVerdict.EXPIRED]
    assert timedelta(0) <= desk.recorded[0].as_of - (begun + EXPIRES_AFTER) < timedelta(minutes=1)


@on_a_skipping_server
async def test_order_when_approved_a_minute_before_it_expires_then_it_is_sent(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await _start_order(environment, "just-in-time")
    await environment.sleep(EXPIRES_AFTER - timedelta(minutes=1))
    decision = ApprovalDecision(approved=True, actor="tester", reason="in time", order_hash="h")
    assert await handle.execute_update(ExecuteOrder.decide, decision) == "approved"
    assert (await asyncio.wait_for(handle.result(), timeout=60)).status == "filled"
    assert len(desk.submitted) == 1


@on_a_skipping_server
async def test_engine_when_a_session_comes_then_it_plans_before_the_open_and_marks_at_the_close(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await environment.client.start_workflow(
        TradingEngine.run, EngineState(tick_seconds=1_800), id="engine-day", task_queue=Queue.TRADING
    )
    await environment.sleep(timedelta(hours=60))
    session = desk.sessions[0]
    ours = [tick for tick in desk.ticks if tick.session == session]
    assert ours[0].phase is TickPhase.PRE_OPEN
    assert timedelta(0) <= ours[0].as_of - (session.opens_at - timedelta(minutes=5)) < timedelta(minutes=1)
    assert {tick.phase for tick in ours[1:]} == {TickPhase.INTRADAY}
    assert all(tick.as_of <= session.closes_at for tick in ours)
    assert timedelta(0) <= desk.marks[0].as_of - session.closes_at < timedelta(minutes=1)
    assert len(desk.sessions) >= 2, "after the close it continues as new with the next session"
    await handle.terminate()


@on_a_skipping_server
async def test_engine_when_paused_before_its_first_session_then_the_pause_outlives_continuing_as_new(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await environment.client.start_workflow(
        TradingEngine.run, EngineState(tick_seconds=3_600), id="engine-paused", task_queue=Queue.TRADING
    )
    await handle.execute_update(TradingEngine.pause, Command(reason="holiday", actor="tester"))
    await environment.sleep(timedelta(hours=60))
    assert len(desk.sessions) >= 2
    newest = environment.client.get_workflow_handle("engine-paused")
    status = await newest.query(TradingEngine.status)
    assert (status.state, status.reason) == (TradingState.REDUCING, "holiday")
    assert desk.states == [TradingState.REDUCING]
    await newest.terminate()


@on_a_skipping_server
async def test_engine_when_the_clock_changes_and_days_are_short_then_it_keeps_every_session_and_no_other(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    """From late October 2026 into January: the end of daylight saving, Thanksgiving, two half days, the new year."""
    exchange = ExchangeCalendar(today=date(2027, 2, 1))
    begun = await environment.get_current_time()
    shift = datetime(2026, 10, 29, 12, tzinfo=UTC) - begun.replace(microsecond=0)

    def shifted(as_of: datetime) -> Session:
        found = exchange.next_session(as_of + shift)
        return found.model_copy(update={"opens_at": found.opens_at - shift, "closes_at": found.closes_at - shift})

    desk.calendar = shifted
    handle = await environment.client.start_workflow(
        TradingEngine.run, EngineState(tick_seconds=86_400), id="engine-winter", task_queue=Queue.TRADING
    )
    await environment.sleep(timedelta(days=70))
    await handle.terminate()
    expected = exchange.sessions(date(2026, 10, 29), date(2027, 1, 6))
    planned = [tick for tick in desk.ticks if tick.phase is TickPhase.PRE_OPEN][: len(expected)]
    assert [tick.session.date for tick in planned] == [session.date for session in expected]
    assert [mark.session.date for mark in desk.marks][: len(expected)] == [session.date for session in expected]
    for session, tick, mark in zip(expected, planned, desk.marks, strict=False):
        assert timedelta(0) <= tick.as_of + shift - (session.opens_at - timedelta(minutes=5)) < timedelta(minutes=1)
        assert timedelta(0) <= mark.as_of + shift - session.closes_at < timedelta(minutes=1)
    lengths = {session.date: session.closes_at - session.opens_at for session in expected}
    assert [day for day, length in lengths.items() if length < timedelta(hours=6)] == [
        date(2026, 11, 27),
        date(2026, 12, 24),
    ]
    assert {session.opens_at.hour for session in expected} == {13, 14}
    assert [request.as_of for request in desk.reconciled] == [tick.as_of for tick in desk.ticks]


@on_a_skipping_server
async def test_engine_when_it_looks_every_five_minutes_then_a_session_stays_far_below_the_limits_of_a_history(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    handle = await environment.client.start_workflow(
        TradingEngine.run, EngineState(tick_seconds=300), id="engine-busy", task_queue=Queue.TRADING
    )
    await environment.sleep(timedelta(hours=50))
    first = await handle.fetch_history()
    assert len(desk.marks) >= 1
    assert len([tick for tick in desk.ticks if tick.session == desk.sessions[0]]) >= 78
    assert len(first.events) < 2_500
    await environment.client.get_workflow_handle("engine-busy").terminate()


@on_a_skipping_server
async def test_engine_when_a_step_fails_for_good_then_it_tells_and_goes_on(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.refusals = 2
    await environment.client.start_workflow(
        TradingEngine.run, EngineState(tick_seconds=1_800), id="engine-hurt", task_queue=Queue.TRADING
    )
    await environment.sleep(timedelta(hours=1))
    desk.refusals = 1
    await environment.sleep(timedelta(hours=59))
    assert len(desk.marks) >= 1
    doing = [trouble.doing for trouble in desk.troubles]
    assert doing[:2] == ["looking for the next session"] * 2
    assert len(doing) == 3
    assert all("BROKER_KEYS_REFUSED" in trouble.problem for trouble in desk.troubles)
    await environment.client.get_workflow_handle("engine-hurt").terminate()


@on_a_skipping_server
async def test_engine_when_it_is_started_anew_then_it_begins_as_the_kill_switch_says(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.switch = TradingState.HALTED
    handle = await environment.client.start_workflow(
        TradingEngine.run, EngineState(), id="engine-anew", task_queue=Queue.TRADING
    )
    for _ in range(50):
        if (await handle.query(TradingEngine.status)).state is TradingState.HALTED:
            break
        await asyncio.sleep(0.1)
    status = await handle.query(TradingEngine.status)
    assert (status.state, status.reason) == (TradingState.HALTED, "as it was")
    await handle.terminate()
