"""TradingEngine: the one trading loop.

    sleep to the session -> plan -> place -> mark at the close -> continue as new

Id: `trading-engine`. Never ends; continues as new after every close. Commands come as updates (the caller learns the
result) and as plain signals of the same name, so that `temporal workflow signal --name pause --input '"reason"'` works
when nothing else does; those that need more than a reason take the update's own message. A driven engine (in a replay)
ticks only when asked.

Longer than other files: Temporal wants every handler in the workflow's own class, and a command is an update and a
signal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes, WorkflowIDReusePolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from activities.accepting import AcceptanceActivities
    from activities.commands import CommandActivities
    from activities.engine import EngineActivities
    from activities.reconciliation import ReconciliationActivities
    from domain.acceptance import (
        AcceptanceReport,
        AcceptanceStatus,
        AcceptDifference,
        AcceptDifferenceStep,
        DeclineDifference,
        DeclineDifferenceStep,
    )
    from domain.actors import SIGNAL_ACTOR, actor_problem
    from domain.decisions import TradingState
    from domain.market import Session
    from domain.model import Model
    from domain.reconciliation import ReconcileReport, ReconcileRequest
    from domain.research import RecommendationNotice
    from domain.text import dollars
    from domain.trading import (
        MAX_REASON,
        Command,
        ControlChange,
        ControlReport,
        EngineState,
        EngineStatus,
        EngineTrouble,
        MarkRequest,
        OrderRequest,
        PlannedOrder,
        Resume,
        SessionQuery,
        TickPhase,
        TickReport,
        TickRequest,
        reason_given,
    )
    from domain.trading_commands import (
        ConfigReport,
        Configure,
        ConfigureStep,
        DoneReport,
        EngineDebug,
        OverrideOrder,
        OverrideReport,
        OverrideStep,
        ReleaseReserve,
        ReleaseReserveStep,
        ResetBreaker,
        ResetBreakerStep,
        ResetEngine,
        ResetEngineStep,
        ReviewConfig,
        ReviewConfigStep,
    )
    from workflows import names, options
    from workflows.execute_order import ExecuteOrder

RECONCILES = "reconcile-before-acting"
"""Patch: book and broker are compared before every tick."""
SURVIVES = "engine-survives"
"""Patch: begins as the kill switch says, and tells what failed."""
OVERTAKEN = "resume-overtaken"
"""Patch: a resume that waited for its turn while something stricter was said is not carried out."""
AGAIN_AFTER = timedelta(minutes=5)

C = TypeVar("C", bound=Command)
S = TypeVar("S", bound=Model)
R = TypeVar("R", bound=Model)


def _by_a_person(of: type[C]) -> Callable[..., None]:
    """Build the validator of an update: nobody signs a command as the platform signs its own work.

    Args:
        of: the update's message, which Temporal wants in the validator's annotation too.
    """

    def validate(self: Any, command: C) -> None:
        if problem := actor_problem(command.actor):
            raise ValueError(problem)

    validate.__annotations__ = {"command": of.__name__}
    return validate


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
        self._commands = 0
        self._reconciled = ""
        self._tick_seconds, self._pre_open_seconds = state.tick_seconds, state.pre_open_seconds
        self._busy = False

    @workflow.run
    async def run(self, state: EngineState) -> None:
        if not state.ticks and workflow.patched(SURVIVES):
            await self._begin()
        if state.driven:
            await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        else:
            session = await self._next_session()
            await self._sleep_until(session.opens_at - timedelta(seconds=self._pre_open_seconds))
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
    async def resume(self, command: Resume) -> ControlReport:
        """Trade again, unless the state has changed since the command was given."""
        return await self._change(TradingState.ACTIVE, command, epoch=command.epoch)

    @workflow.update
    async def halt(self, command: Command) -> ControlReport:
        """Send nothing and cancel what is open."""
        return await self._change(TradingState.HALTED, command)

    @workflow.update
    async def configure(self, command: Configure) -> ConfigReport:
        """Change settings. What loosens something waits for a second person; the next tick reads what is in force."""
        return await self._configure(command)

    @workflow.update
    async def review_config(self, command: ReviewConfig) -> ConfigReport:
        """Approve or decline a change that loosens something."""
        return await self._carry_out(
            CommandActivities.review_config,
            ReviewConfigStep(command=command, key=self._key(), as_of=self._present()),
            "review a change",
        )

    @workflow.update
    async def reset_breaker(self, command: ResetBreaker) -> DoneReport:
        """Let a breaker go that waits for an operator."""
        return await self._reset_breaker(command)

    @workflow.update
    async def release_reserve(self, command: ReleaseReserve) -> DoneReport:
        """Take money out of the reserve pool."""
        return await self._carry_out(
            CommandActivities.release_reserve,
            ReleaseReserveStep(command=command, key=self._key(), as_of=self._present()),
            f"release {command.amount} dollars",
        )

    @workflow.update
    async def override_order(self, command: OverrideOrder) -> OverrideReport:
        """Place an order by hand: through risk and, as the policy says, through people."""
        return await self._override_order(command)

    @workflow.update
    async def reset(self, command: ResetEngine) -> DoneReport:
        """Forget breakers, tier, loss streak and stops of a paper account."""
        return await self._reset(command)

    @workflow.update
    async def accept_difference(self, command: AcceptDifference) -> AcceptanceReport:
        """Accept a difference with the broker; once in force, book and broker are compared again."""
        report = await self._carry_out(
            AcceptanceActivities.accept_difference,
            AcceptDifferenceStep(command=command, key=self._key(), as_of=self._present()),
            f"accept a difference, {command.actor}",
        )
        if report.status is AcceptanceStatus.ACCEPTED:
            await self._reconcile_quietly(self._present())
        return report

    @workflow.update
    async def decline_difference(self, command: DeclineDifference) -> AcceptanceReport:
        """Decline an acceptance that waits for a second person: the difference stays an alarm."""
        return await self._carry_out(
            AcceptanceActivities.decline_difference,
            DeclineDifferenceStep(command=command, key=self._key(), as_of=self._present()),
            f"decline to accept a difference, {command.actor}",
        )

    @workflow.update
    async def reconcile(self, command: Command) -> ReconcileReport:
        """Compare book and broker now."""
        return await self._reconcile(command.actor, self._present())

    pause.validator(_by_a_person(Command))
    resume.validator(_by_a_person(Resume))
    halt.validator(_by_a_person(Command))
    configure.validator(_by_a_person(Configure))
    review_config.validator(_by_a_person(ReviewConfig))
    reset_breaker.validator(_by_a_person(ResetBreaker))
    release_reserve.validator(_by_a_person(ReleaseReserve))
    override_order.validator(_by_a_person(OverrideOrder))
    reset.validator(_by_a_person(ResetEngine))
    accept_difference.validator(_by_a_person(AcceptDifference))
    decline_difference.validator(_by_a_person(DeclineDifference))
    reconcile.validator(_by_a_person(Command))

    @workflow.signal(name="reconcile")
    async def reconcile_by_signal(self, reason: str = "by signal") -> None:
        await self._reconcile_quietly(self._present())

    @workflow.signal(name="pause")
    async def pause_by_signal(self, reason: str = "paused by signal") -> None:
        await self._without_answer(self._change(TradingState.REDUCING, _by_signal(reason)))

    @workflow.signal(name="resume")
    async def resume_by_signal(self, reason: str = "resumed by signal") -> None:
        await self._without_answer(self._change(TradingState.ACTIVE, _by_signal(reason)))

    @workflow.signal(name="halt")
    async def halt_by_signal(self, reason: str = "halted by signal") -> None:
        await self._without_answer(self._change(TradingState.HALTED, _by_signal(reason)))

    @workflow.signal(name="configure")
    async def configure_by_signal(self, command: Configure) -> None:
        await self._without_answer(self._configure(_unsigned(command)))

    @workflow.signal(name="reset_breaker")
    async def reset_breaker_by_signal(self, command: ResetBreaker) -> None:
        await self._without_answer(self._reset_breaker(_unsigned(command)))

    @workflow.signal(name="override_order")
    async def override_order_by_signal(self, command: OverrideOrder) -> None:
        await self._without_answer(self._override_order(_unsigned(command)))

    @workflow.signal(name="reset")
    async def reset_by_signal(self, command: ResetEngine) -> None:
        await self._without_answer(self._reset(_unsigned(command)))

    @workflow.query
    def debug_state(self) -> EngineDebug:
        """Everything that the engine remembers."""
        info = workflow.info()
        return EngineDebug(
            state=self._state.value,
            reason=self._reason,
            driven=self._carried.driven,
            ticks=self._ticks,
            planned=self._planned,
            notices=self._notices,
            changes=self._changes,
            settled=self._settled,
            commands=self._commands,
            reconciled=self._reconciled,
            busy=self._busy,
            closed_session=self._closed_session,
            last_tick_at=self._last_tick_at,
            next_tick_at=self._next_tick_at,
            run_id=info.run_id,
            history_events=info.get_current_history_length(),
            history_bytes=info.get_current_history_size(),
        )

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
            wake = min(workflow.now() + timedelta(seconds=self._tick_seconds), session.closes_at)
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
        except ActivityError as error:
            if self._carried.driven:  # a replay must not go on as if nothing had been
                raise
            await self._trouble(f"a tick, {request.phase.value}", error)
            return TickReport(as_of=request.as_of, phase=request.phase)
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
            self._describe(f"closed {self._closed_session}, equity {dollars(Decimal(mark.equity))}")
            return TickReport(as_of=request.as_of, phase=request.phase, equity=mark.equity)
        if not self._carried.driven and workflow.patched(RECONCILES):
            await self._reconcile_quietly(request.as_of)
        report = await workflow.execute_activity_method(
            EngineActivities.plan, request, summary=f"plan, {request.phase.value}", **options.LEDGER
        )
        self._tick_seconds = report.tick_seconds or self._tick_seconds
        if report.pre_open_seconds is not None:
            self._pre_open_seconds = report.pre_open_seconds
        for planned in report.planned:
            await self._start(planned, request.as_of)
        self._planned += len(report.planned)
        self._describe(f"{request.phase.value} {request.session.date}: {len(report.planned)} orders planned")
        return report

    async def _start(self, planned: PlannedOrder, as_of: datetime) -> None:
        """Start the order's own workflow; it outlives this run. A second start of the same intent changes nothing."""
        order = OrderRequest(
            intent_id=planned.intent_id,
            symbol=planned.symbol,
            side=planned.side,
            as_of=as_of,
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

    async def _configure(self, command: Configure) -> ConfigReport:
        return await self._carry_out(
            CommandActivities.change_config,
            ConfigureStep(command=command, key=self._key(), as_of=self._present()),
            "change the configuration",
        )

    async def _reset_breaker(self, command: ResetBreaker) -> DoneReport:
        return await self._carry_out(
            CommandActivities.reset_breaker,
            ResetBreakerStep(command=command, key=self._key(), as_of=self._present()),
            f"release {command.breaker.value}",
        )

    async def _override_order(self, command: OverrideOrder) -> OverrideReport:
        report = await self._carry_out(
            CommandActivities.plan_override,
            OverrideStep(command=command, key=self._key(), as_of=self._present()),
            f"{command.side.value} {command.quantity} {command.symbol} by hand",
        )
        await self._start(report.order, self._present())
        return report

    async def _reset(self, command: ResetEngine) -> DoneReport:
        return await self._carry_out(
            CommandActivities.reset_engine,
            ResetEngineStep(command=command, key=self._key(), as_of=self._present()),
            "reset",
        )

    async def _reconcile(self, trigger: str, as_of: datetime) -> ReconcileReport:
        """Compare book and broker, and take over what the broker proves."""
        self._commands += 1
        report = await workflow.execute_activity_method(
            ReconciliationActivities.reconcile,
            ReconcileRequest(
                reconciliation_id=f"engine-{workflow.info().run_id}-{self._commands}", trigger=trigger, as_of=as_of
            ),
            summary=f"reconcile, asked for by {trigger}",
            **options.RECONCILE_FIRST,
        )
        if report.changed_intents:
            await workflow.execute_activity_method(
                ReconciliationActivities.tell_orders,
                report,
                summary=f"{len(report.changed_intents)} orders changed",
                **options.RECONCILE_FIRST,
            )
        found = "clean" if report.clean else f"{report.mismatches} mismatches"
        self._reconciled = f"{as_of.isoformat()}: {found}"
        return report

    async def _reconcile_quietly(self, as_of: datetime) -> None:
        """Before a tick. Where it cannot be done, the broker's breaker knows why, and lets nothing be opened."""
        try:
            await self._reconcile("engine", as_of)
        except ActivityError as error:
            self._reconciled = f"{as_of.isoformat()}: failed, {error.cause or error}"
            workflow.logger.warning("the broker could not be compared with", extra={"problem": self._reconciled})

    async def _carry_out(self, activity: Callable[[Any, S], Awaitable[R]], step: S, summary: str) -> R:
        """Have a command carried out; a refusal reaches whoever gave it with its own code."""
        try:
            return await workflow.execute_activity_method(activity, step, summary=summary, **options.LEDGER)
        except ActivityError as error:
            raise _refusal(error) from error

    async def _without_answer(self, command: Awaitable[Model]) -> None:
        """Carry out what came as a signal: a refusal must not end the engine, and is told where people look."""
        try:
            await command
        except (ActivityError, ApplicationError) as error:
            await self._trouble("a command by signal", error)

    async def _trouble(self, doing: str, error: FailureError) -> None:
        """Say what did not come to its end, and go on: the next tick looks at the book anew."""
        problem = str(error.cause or error)[:MAX_REASON]
        workflow.logger.warning("the engine goes on", extra={"doing": doing, "problem": problem})
        self._describe(f"{doing} failed: {problem}")
        if workflow.patched(SURVIVES):
            await workflow.execute_activity_method(
                EngineActivities.tell_trouble,
                EngineTrouble(key=self._key(), doing=doing, problem=problem, as_of=self._present()),
                summary=f"tell: {doing} failed",
                **options.LEDGER,
            )

    def _key(self) -> str:
        """The next command's key: a repeat of its activity finds what was done."""
        self._commands += 1
        info = workflow.info()
        return f"{info.workflow_id}/{info.run_id}/command/{self._commands}"

    def _present(self) -> datetime:
        """The engine's present: the last tick's when driven, the workflow's clock otherwise."""
        if self._carried.driven and self._last_tick_at is not None:
            return self._last_tick_at
        return workflow.now()

    async def _change(self, state: TradingState, command: Command, *, epoch: int | None = None) -> ControlReport:
        """Take effect here at once, then in the database, which the submitting activity reads.

        Commands are written in the order they came in, so that a slow resume never undoes a pause given after it.
        """
        before = (self._state, self._reason)
        self._state = state
        self._reason = command.reason
        self._changes += 1
        turn = self._changes
        await workflow.wait_condition(lambda: self._settled == turn - 1)
        try:
            if state is TradingState.ACTIVE and self._state is not state and workflow.patched(OVERTAKEN):
                raise ApplicationError(
                    f"STATE_CHANGED: now={self._state.value}, reason={self._reason}. Look, and resume again",
                    type="STATE_CHANGED",
                    non_retryable=True,
                )
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
                    epoch=epoch,
                ),
                summary=f"{state.value}: {command.reason[:80]}",
                **options.LEDGER,
            )
        except ActivityError as error:
            if state is TradingState.ACTIVE and self._changes == turn:
                self._state, self._reason = before
            raise _refusal(error) from error
        finally:
            self._settled = turn
            self._describe(f"{state.value}: {command.reason}")

    async def _next_session(self) -> Session:
        while True:
            try:
                return await workflow.execute_activity_method(
                    EngineActivities.next_session,
                    SessionQuery(as_of=workflow.now()),
                    summary="next session of the exchange",
                    **options.LEDGER,
                )
            except ActivityError as error:
                await self._trouble("looking for the next session", error)
                await workflow.sleep(AGAIN_AFTER, summary="then the next session is asked for again")

    async def _begin(self) -> None:
        """Begin as the kill switch says: an engine that was ended may have been paused."""
        switch = await workflow.execute_activity_method(
            EngineActivities.standing_order,
            SessionQuery(as_of=workflow.now()),
            summary="the kill switch",
            **options.LEDGER,
        )
        if not self._changes:  # nobody has said anything since
            self._state, self._reason = switch.state, switch.reason

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
                "tick_seconds": self._tick_seconds,
                "pre_open_seconds": self._pre_open_seconds,
            }
        )


def _by_signal(reason: str) -> Command:
    return Command(reason=reason_given(reason, otherwise="no reason given"), actor=SIGNAL_ACTOR)


def _unsigned(command: C) -> C:
    """A command that came as a signal, which nobody signs, whatever name stands in it."""
    return command.model_copy(update={"actor": SIGNAL_ACTOR})


def _refusal(error: ActivityError) -> FailureError:
    """What an activity refused, with its own code for whoever gave the command."""
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return error
    return ApplicationError(str(cause), type=cause.type, non_retryable=True)
