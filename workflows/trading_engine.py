"""TradingEngine: the one trading loop.

    sleep to the session -> plan -> place -> mark at the close -> continue as new

Id: `trading-engine`. Never ends; continues as new after every close. Commands come as updates (the caller learns the
result) and as plain signals of the same name, so that `temporal workflow signal --name pause --input '"reason"'` works
when nothing else does. A driven engine (in a replay) ticks only when asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.engine import EngineActivities
    from domain.decisions import TradingState
    from domain.market import Session
    from domain.research import RecommendationNotice
    from domain.trading import (
        Command,
        ControlChange,
        ControlReport,
        EngineState,
        EngineStatus,
        MarkRequest,
        OrderRequest,
        PlannedOrder,
        SessionQuery,
        TickPhase,
        TickReport,
        TickRequest,
    )
    from workflows import names, options
    from workflows.execute_order import ExecuteOrder


@workflow.defn
class TradingEngine:
    @workflow.init
    def __init__(self, state: EngineState) -> None:
        self._carried = state
        self._state = state.state
        self._reason = state.reason
        self._ticks = state.ticks
        self._planned = state.planned
        self._last_tick_at = state.last_tick_at
        self._next_tick_at: datetime | None = None
        self._closed_session = state.closed_session
        self._notices = 0
        self._changes = 0
        self._settled = 0
        self._busy = False

    @workflow.run
    async def run(self, state: EngineState) -> None:
        if state.driven:
            await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        else:
            session = await self._next_session()
            await self._sleep_until(session.opens_at - timedelta(seconds=state.pre_open_seconds))
            await self._trade(session)
            await self._sleep_until(session.closes_at)
            await self._tick_once(TickRequest(as_of=workflow.now(), phase=TickPhase.CLOSE, session=session))
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(self._carry())

    @workflow.signal
    def recommendation(self, notice: RecommendationNotice) -> None:
        """A symbol's recommendation changed: look at the book now, not at the next tick."""
        self._notices += 1

    @workflow.update
    async def tick(self, request: TickRequest) -> TickReport:
        """Act on the book as of an instant: asked by a replay, which waits for the answer."""
        return await self._tick_once(request)

    @workflow.update
    async def pause(self, command: Command) -> ControlReport:
        """Open nothing from now on; positions may still be reduced."""
        return await self._change(TradingState.REDUCING, command)

    @workflow.update
    async def resume(self, command: Command) -> ControlReport:
        """Trade again."""
        return await self._change(TradingState.ACTIVE, command)

    @workflow.update
    async def halt(self, command: Command) -> ControlReport:
        """Send nothing and cancel what is open."""
        return await self._change(TradingState.HALTED, command)

    @workflow.signal(name="pause")
    async def pause_by_signal(self, reason: str = "paused by signal") -> None:
        await self._change(TradingState.REDUCING, _by_signal(reason))

    @workflow.signal(name="resume")
    async def resume_by_signal(self, reason: str = "resumed by signal") -> None:
        await self._change(TradingState.ACTIVE, _by_signal(reason))

    @workflow.signal(name="halt")
    async def halt_by_signal(self, reason: str = "halted by signal") -> None:
        await self._change(TradingState.HALTED, _by_signal(reason))

    @workflow.query
    def status(self) -> EngineStatus:
        return EngineStatus(
            state=self._state,
            reason=self._reason,
            ticks=self._ticks,
            planned=self._planned,
            last_tick_at=self._last_tick_at,
            next_tick_at=self._next_tick_at,
        )

    async def _trade(self, session: Session) -> None:
        """Tick before the open, at every cadence until the close, and at once when a recommendation changes."""
        phase = TickPhase.PRE_OPEN
        while workflow.now() < session.closes_at:
            seen = self._notices
            await self._tick_once(TickRequest(as_of=workflow.now(), phase=phase, session=session))
            phase = TickPhase.INTRADAY
            wake = min(workflow.now() + timedelta(seconds=self._carried.tick_seconds), session.closes_at)
            self._next_tick_at = wake
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self._notices != seen,  # type: ignore[misc]
                    timeout=wake - workflow.now(),
                    timeout_summary="next tick",
                )
            except TimeoutError:
                continue

    async def _tick_once(self, request: TickRequest) -> TickReport:
        """One look at the book; never two at a time."""
        await workflow.wait_condition(lambda: not self._busy)
        self._busy = True
        try:
            return await self._act(request)
        finally:
            self._busy = False

    async def _act(self, request: TickRequest) -> TickReport:
        self._ticks += 1
        self._last_tick_at = request.as_of
        if request.phase is TickPhase.CLOSE:
            mark = await workflow.execute_activity_method(
                EngineActivities.mark,
                MarkRequest(as_of=request.as_of, phase=request.phase, session=request.session),
                summary=f"mark at the close of {request.session.date}",
                **options.LEDGER,
            )
            self._closed_session = request.session.date.isoformat()
            self._describe(f"closed {self._closed_session}, equity {mark.equity}")
            return TickReport(as_of=request.as_of, phase=request.phase, equity=mark.equity)
        report = await workflow.execute_activity_method(
            EngineActivities.plan, request, summary=f"plan, {request.phase.value}", **options.LEDGER
        )
        for planned in report.planned:
            await self._start(planned, request)
        self._planned += len(report.planned)
        self._describe(f"{request.phase.value} {request.session.date}: {len(report.planned)} orders planned")
        return report

    async def _start(self, planned: PlannedOrder, request: TickRequest) -> None:
        """Start the order's own workflow; it outlives this run. A second start of the same intent changes nothing."""
        order = OrderRequest(
            intent_id=planned.intent_id,
            symbol=planned.symbol,
            side=planned.side,
            as_of=request.as_of,
            driven=self._carried.driven,
        )
        try:
            await workflow.start_child_workflow(
                ExecuteOrder.run,
                order,
                id=names.order_id(planned.intent_id),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
                static_summary=f"{planned.side} {planned.symbol}",
                search_attributes=TypedSearchAttributes(
                    [
                        SearchAttributePair(names.STAGE, "order"),
                        SearchAttributePair(names.SYMBOL, planned.symbol),
                        SearchAttributePair(names.DECISION, planned.side),
                    ]
                ),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("order was started before", extra={"intent_id": planned.intent_id})

    async def _change(self, state: TradingState, command: Command) -> ControlReport:
        """Take effect here at once, then in the database, which the submitting activity reads.

        Commands are written in the order they came in, so that a slow resume never undoes a pause given after it.
        """
        self._state = state
        self._reason = command.reason
        self._changes += 1
        turn = self._changes
        await workflow.wait_condition(lambda: self._settled == turn - 1)
        try:
            info = workflow.info()
            return await workflow.execute_activity_method(
                EngineActivities.change_control,
                ControlChange(
                    state=state,
                    reason=command.reason,
                    actor=command.actor,
                    change_key=f"{info.workflow_id}/{info.run_id}/{turn}",
                    as_of=workflow.now(),
                    cancel_open_orders=state is TradingState.HALTED,
                ),
                summary=f"{state.value}: {command.reason[:80]}",
                **options.LEDGER,
            )
        finally:
            self._settled = turn
            self._describe(f"{state.value}: {command.reason}")

    async def _next_session(self) -> Session:
        return await workflow.execute_activity_method(
            EngineActivities.next_session,
            SessionQuery(as_of=workflow.now()),
            summary="next session of the exchange",
            **options.LEDGER,
        )

    async def _sleep_until(self, instant: datetime) -> None:
        self._next_tick_at = instant
        self._describe(f"sleeping until {instant.isoformat()}")
        if (left := instant - workflow.now()) > timedelta(0):
            await workflow.sleep(left, summary=f"until {instant.isoformat()}")

    def _describe(self, text: str) -> None:
        workflow.set_current_details(f"{self._state.value}{f' ({self._reason})' if self._reason else ''} · {text}")

    def _carry(self) -> EngineState:
        return self._carried.model_copy(
            update={
                "state": self._state,
                "reason": self._reason,
                "ticks": self._ticks,
                "planned": self._planned,
                "last_tick_at": self._last_tick_at,
                "closed_session": self._closed_session,
            }
        )


def _by_signal(reason: str) -> Command:
    return Command(reason=(reason or "no reason given")[:500], actor="temporal-cli")
