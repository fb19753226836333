"""Pause, resume, halt, and how trading stands.

A command goes to the engine as an update, so that whoever gave it learns when it is in force. A pause or a halt must
also work when no worker answers: then the kill switch is thrown in the database directly, where every submission reads
it, and the engine finds the same command as a signal when it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from temporalio.client import (
    Client,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
    WorkflowUpdateStage,
)
from temporalio.common import QueryRejectCondition
from temporalio.service import RPCError

from activities.ports import Calendar
from api import failures
from api.operations.broker_standing import ReconciliationStanding, UnpricedOrder, last_comparison, unpriced_orders
from domain import submission
from domain.decisions import TradingState
from domain.errors import InvalidInput, VendorUnavailable
from domain.ids import digest
from domain.trading import MAX_REASON, Command, ControlReport, EngineStatus, Reason, Resume
from store import audit, control, outbox
from store.database import Database
from store.tables.trading import TradingControl
from workflows import names
from workflows.client import TemporalFlows
from workflows.trading_engine import TradingEngine

REPLAY = "replay"
"""The mode in which time is told and not read."""

ACCEPT_SECONDS = 5.0
"""How long a worker may take to accept a command before it counts as absent."""
FINISH_SECONDS = 15.0
QUERY_SECONDS = 3.0
ARRIVAL_MARGIN = 5.0
"""Seconds beyond the longest request: the clocks of two machines differ a little."""

_HANDLERS: dict[TradingState, Any] = {
    TradingState.REDUCING: TradingEngine.pause,
    TradingState.ACTIVE: TradingEngine.resume,
    TradingState.HALTED: TradingEngine.halt,
}
_SIGNALS = {TradingState.REDUCING: "pause", TradingState.ACTIVE: "resume", TradingState.HALTED: "halt"}
_REASON: TypeAdapter[str] = TypeAdapter(Reason)


class AcknowledgedBy(StrEnum):
    ENGINE = "engine"
    """The engine has carried the command out."""
    DATABASE = "database"
    """The engine did not answer. The kill switch is thrown; open orders are canceled when the engine is back."""


class CommandReport(BaseModel):
    """What came of a command. Once it is returned, no order that the state forbids leaves or arrives any more."""

    state: TradingState
    epoch: int
    """Grows with every change of the state."""
    canceled_orders: int = 0
    not_canceled: list[str] = Field(default=[], description="orders whose cancel was refused, and those that may come")
    may_arrive: list[str] = Field(default=[], description="orders that left before, waited for in vain: look at them")
    acknowledged_by: AcknowledgedBy = AcknowledgedBy.ENGINE


class TradingStatus(BaseModel):
    """The state in force, as the database has it, and the engine's own words where it answers."""

    mode: str
    state: TradingState
    reason: str
    since: datetime | None = Field(description="null: nobody ever changed it")
    changed_by: str
    epoch: int
    engine: EngineStatus | None = Field(description="null: the engine did not answer, or does not run")
    reconciliation: ReconciliationStanding | None = Field(description="null: book and broker were never compared")
    unpriced_orders: list[UnpricedOrder] = Field(description="at the broker, their session over, without its price")


def valid_reason(text: str) -> str:
    """Check a reason before it travels.

    Raises:
        InvalidInput: empty or too long.
    """
    try:
        return _REASON.validate_python(text.strip())
    except ValidationError:
        raise InvalidInput(
            "REASON_INVALID",
            f"Say why, in 1 to {MAX_REASON} characters: it stands in the audit log",
            characters=len(text.strip()),
        ) from None


async def pause(database: Database, client: Client, *, mode: str, reason: str, actor: str) -> CommandReport:
    """Open nothing from now on; positions may still be reduced."""
    return await _command(TradingState.REDUCING, database, client, mode=mode, reason=reason, actor=actor)


async def resume(database: Database, client: Client, *, mode: str, reason: str, actor: str) -> CommandReport:
    """Trade again. Needs the engine's answer: nothing is opened behind its back."""
    return await _command(TradingState.ACTIVE, database, client, mode=mode, reason=reason, actor=actor)


async def halt(database: Database, client: Client, *, mode: str, reason: str, actor: str) -> CommandReport:
    """Send nothing and cancel what is open."""
    return await _command(TradingState.HALTED, database, client, mode=mode, reason=reason, actor=actor)


async def status(database: Database, client: Client, *, mode: str, calendar: Callable[[], Calendar]) -> TradingStatus:
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await control.state(session)
    return TradingStatus(
        mode=mode,
        state=TradingState(row.state),
        reason=row.reason,
        since=row.changed_at if row.epoch else None,
        changed_by=row.changed_by,
        epoch=row.epoch,
        engine=await _ask_engine(client),
        reconciliation=await last_comparison(database, now=now),
        unpriced_orders=[] if mode == REPLAY else await unpriced_orders(database, calendar, now=now),
    )


async def _ask_engine(client: Client) -> EngineStatus | None:
    try:
        async with asyncio.timeout(QUERY_SECONDS):
            return await client.get_workflow_handle(names.TRADING_ENGINE).query(
                TradingEngine.status, reject_condition=QueryRejectCondition.NOT_OPEN
            )
    except (RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError, TimeoutError):
        return None


async def _command(
    wanted: TradingState, database: Database, client: Client, *, mode: str, reason: str, actor: str
) -> CommandReport:
    command = Command(reason=valid_reason(reason), actor=actor)
    async with database.transaction() as session:
        before = (await control.state(session)).epoch
    flows = TemporalFlows(client, driven=mode == REPLAY)
    if wanted is TradingState.ACTIVE:
        command = Resume(reason=command.reason, actor=actor, epoch=before)
        await require_answer(client, flows)
    accepted = False
    try:
        async with asyncio.timeout(ACCEPT_SECONDS):
            await flows.ensure_engine()
            update = await client.get_workflow_handle(names.TRADING_ENGINE).start_update(
                _HANDLERS[wanted], command, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=ControlReport
            )
        accepted = True
        async with asyncio.timeout(FINISH_SECONDS):
            report = await update.result()
        return CommandReport(
            state=report.state,
            epoch=report.epoch,
            canceled_orders=report.canceled_orders,
            not_canceled=list(report.not_canceled),
            may_arrive=await _arrivals(database, wanted),
        )
    except WorkflowUpdateFailedError as error:
        raise failures.refused(error) from error
    except (RPCError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
        if wanted is TradingState.ACTIVE:
            raise VendorUnavailable(
                "ENGINE_NOT_ANSWERING",
                "It was asked and did not finish: trading may still resume. `stonks pause` prevents it",
                waited_seconds=int(FINISH_SECONDS if accepted else ACCEPT_SECONDS),
            ) from error
    row = await _throw_switch(database, wanted, command, before=before)
    if not accepted:
        await _leave_signal(client, wanted, command)
    return CommandReport(
        state=TradingState(row.state),
        epoch=row.epoch,
        may_arrive=await _arrivals(database, wanted),
        acknowledged_by=AcknowledgedBy.DATABASE,
    )


async def _arrivals(database: Database, wanted: TradingState) -> list[str]:
    """Wait until what left before a state was said has arrived, or cannot any more. The state is in force meanwhile."""
    patience = submission.LONGEST_IN_FLIGHT.total_seconds() + ARRIVAL_MARGIN
    return await control.await_arrivals(database, wanted=wanted, now=lambda: datetime.now(UTC), patience=patience)


async def require_answer(client: Client, flows: TemporalFlows) -> None:
    """Make sure that a worker is there before trading is resumed.

    An update that nobody takes waits in the server: trading would resume by itself whenever a worker came back.
    """
    await flows.ensure_engine()
    if await _ask_engine(client) is None:
        raise VendorUnavailable(
            "ENGINE_NOT_ANSWERING",
            "Nothing was changed. Does a worker of the queue `trading` run? `stonks doctor` tells",
            waited_seconds=QUERY_SECONDS,
        )


async def _leave_signal(client: Client, wanted: TradingState, command: Command) -> None:
    """Let the engine find the command when it is back. Unlike an update, a signal survives without a worker."""
    try:
        async with asyncio.timeout(ACCEPT_SECONDS):
            await client.get_workflow_handle(names.TRADING_ENGINE).signal(_SIGNALS[wanted], command.reason)
    except (RPCError, TimeoutError):
        return  # Temporal is away too: nothing can be sent without it, and the switch stands in the database


async def _throw_switch(database: Database, wanted: TradingState, command: Command, *, before: int) -> TradingControl:
    """Write the state as the engine would, unless it has done so meanwhile."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await control.state(session)
        if row.epoch > before and row.state == wanted.value:
            return row
        row = await control.change(session, wanted=wanted, reason=command.reason, actor=command.actor, at=now)
        key = f"switch/{row.epoch}/{digest(wanted, command.reason, command.actor, now)}"
        await audit.append(
            session,
            key=key,
            actor=command.actor,
            action=f"trading_{wanted.value}",
            subject=names.TRADING_ENGINE,
            body={"reason": command.reason, "engine": "did not answer"},
            recorded_at=now,
        )
        await outbox.publish(
            session,
            event_id=f"control/{key}",
            event="trading_state_changed",
            subject_id=names.TRADING_ENGINE,
            body={"state": wanted.value, "reason": command.reason, "actor": command.actor},
            occurred_at=now,
        )
    return row
