"""Histories of both branches of each patch that the other recordings do not come by: `record_patches(label)`.

The workflows and the server are real; their activities answer as they are told. A history `before_...` is made by a
worker that does not know the patch, as one from before it was.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from domain.acceptance import (
    AcceptanceReport,
    AcceptanceStatus,
    AcceptDifference,
    AcceptDifferenceStep,
    DeclineDifference,
    DeclineDifferenceStep,
    DifferenceCommand,
)
from domain.decisions import TradingState
from domain.market import Session
from domain.reconciliation import ReconcileReport, ReconcileRequest
from domain.submission import DiscardReport, DiscardRequest
from domain.trading import (
    ApprovalDecision,
    Command,
    ControlChange,
    ControlReport,
    EngineState,
    MarkReport,
    MarkRequest,
    OrderRequest,
    Resume,
    SessionQuery,
    TickReport,
    TickRequest,
)
from tests.conftest import running_servers
from tests.workflows.test_approvals_in_time import Book
from tests.workflows.test_sending_again import FILLED, UNSENT
from tests.workflows.test_sending_again import Desk as Sender
from workers.main import register_search_attributes
from workers.settings import load
from workflows import names
from workflows.client import connect
from workflows.discard_order import DiscardOrder
from workflows.execute_order import SENDS_AGAIN, ExecuteOrder
from workflows.names import Queue
from workflows.question import UNSIGNED
from workflows.trading_engine import OVERTAKEN, RECONCILES, TradingEngine

Save = Callable[[Client, str, str], Awaitable[None]]
SOON = {"poll_seconds": 0.1, "maximum_poll_seconds": 0.2}


@contextmanager
def knowing_nothing_of(*patches: str) -> Iterator[None]:
    """Let a worker of this process be one from before some patches."""
    known = workflow.patched
    with patch.object(workflow, "patched", lambda name: name not in patches and known(name)):
        yield


class Engine:
    """What an engine asks for; a change of state waits until it is let go."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    @activity.defn
    async def standing_order(self, query: SessionQuery) -> ControlReport:
        return ControlReport(state=TradingState.ACTIVE, epoch=0)

    @activity.defn
    async def change_control(self, change: ControlChange) -> ControlReport:
        await self.go_on.wait()
        return ControlReport(state=change.state, epoch=1)

    @activity.defn
    async def next_session(self, query: SessionQuery) -> Session:
        opens_at = query.as_of + timedelta(seconds=1)
        return Session(date=opens_at.date(), opens_at=opens_at, closes_at=opens_at + timedelta(seconds=1))

    @activity.defn
    async def reconcile_broker(self, request: ReconcileRequest) -> ReconcileReport:
        return ReconcileReport(reconciliation_id=request.reconciliation_id, at=request.as_of, clean=True)

    @activity.defn
    async def plan(self, request: TickRequest) -> TickReport:
        return TickReport(as_of=request.as_of, phase=request.phase)

    @activity.defn
    async def mark(self, request: MarkRequest) -> MarkReport:
        return MarkReport(equity="100000", cash="100000", positions=0)

    @property
    def steps(self) -> list[Callable[..., Any]]:
        return [
            self.standing_order,
            self.change_control,
            self.next_session,
            self.reconcile_broker,
            self.plan,
            self.mark,
        ]


@asynccontextmanager
async def _working(client: Client, kind: type, steps: list[Callable[..., Any]]) -> AsyncIterator[None]:
    async with Worker(
        client,
        task_queue=Queue.TRADING,
        workflows=[kind],
        activities=steps,
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


def record_patches(directory: Path, label: str, save: Save) -> None:
    with running_servers(directory) as stack:
        asyncio.run(_record(load(stack.environment()), label, save))


async def _record(settings: Any, label: str, save: Save) -> None:
    client = await connect(settings.temporal_address, settings.temporal_namespace)
    await register_search_attributes(client)
    for name, unknown in (("", ()), ("before_", (SENDS_AGAIN, UNSIGNED, OVERTAKEN, RECONCILES))):
        with knowing_nothing_of(*unknown):
            await _sent_again(client, f"execute_order.{name}sends_again.{label}", save)
            await _signed_by_nobody(client, f"execute_order.{name}signal.{label}", save)
            await _overtaken(client, f"trading_engine.{name}overtaken.{label}", save)
            await _session(client, f"trading_engine.{name}live.{label}", save)
    await _discarded(client, f"discard_order.{label}", save)
    await differences(client, f"trading_engine.differences.{label}", save)


async def _order(client: Client, intent_id: str) -> WorkflowHandle[Any, Any]:
    request = OrderRequest(intent_id=intent_id, symbol="ACME", side="buy", as_of=datetime.now(UTC), **SOON)
    return await client.start_workflow(
        ExecuteOrder.run, request, id=names.order_id(intent_id), task_queue=Queue.TRADING
    )


async def _sent_again(client: Client, name: str, save: Save) -> None:
    """Nothing of the order was sent at first."""
    desk = Sender()
    desk.submits, desk.syncs = [UNSENT, FILLED], [UNSENT, FILLED]
    steps = [desk.decide_risk, desk.recheck, desk.submit, desk.sync, desk.close_intent]
    async with _working(client, ExecuteOrder, steps):
        handle = await _order(client, name)
        await handle.result()
        await save(client, name, handle.id)


async def _signed_by_nobody(client: Client, name: str, save: Save) -> None:
    """A plain signal approves what a person proposed, then another person does."""
    book = Book(None)  # type: ignore[arg-type]
    book.proposers = ("api:anna/1",)
    steps = [
        book.decide_risk,
        book.recheck,
        book.request_approval,
        book.record_vote,
        book.record_approval,
        book.escalate_approval,
        book.look_at_approval,
        book.submit,
        book.sync,
        book.close_intent,
    ]
    async with _working(client, ExecuteOrder, steps):
        handle = await _order(client, name)
        while not book.tickets:
            await asyncio.sleep(0.05)
        await handle.signal(ExecuteOrder.approve, "by signal")
        decision = ApprovalDecision(approved=True, actor="api:ben/2", reason="looked", order_hash=book.hash)
        await handle.execute_update(ExecuteOrder.decide, decision)
        await handle.result()
        await save(client, name, handle.id)


async def _overtaken(client: Client, name: str, save: Save) -> None:
    """A resume waits behind a slow pause while somebody halts."""
    desk = Engine()
    async with _working(client, TradingEngine, desk.steps):
        handle = await client.start_workflow(
            TradingEngine.run, EngineState(driven=True), id=name, task_queue=Queue.TRADING
        )
        said = {"reason": "to be recorded", "actor": "cli:anna"}
        commands: list[tuple[Any, Command]] = [
            (TradingEngine.pause, Command(**said)),
            (TradingEngine.resume, Resume(**said)),
            (TradingEngine.halt, Command(**said)),
        ]
        given = []
        for number, (handler, command) in enumerate(commands, start=1):
            given.append(asyncio.create_task(handle.execute_update(handler, command)))
            while (await handle.query(TradingEngine.debug_state)).changes < number:
                await asyncio.sleep(0.05)
        desk.go_on.set()
        with contextlib.suppress(WorkflowUpdateFailedError):
            await given[1]
        await asyncio.gather(given[0], given[2])
        await save(client, name, handle.id)
        await handle.terminate("recorded")


async def _session(client: Client, name: str, save: Save) -> None:
    """A session of two seconds on the workflow's own clock."""
    async with _working(client, TradingEngine, Engine().steps):
        handle = await client.start_workflow(TradingEngine.run, EngineState(), id=name, task_queue=Queue.TRADING)
        first = handle.first_execution_run_id
        while (await client.get_workflow_handle(name).describe()).run_id == first:
            await asyncio.sleep(0.1)
        await client.get_workflow_handle(name).terminate("recorded")
        await save(client, name, f"{name}@{first}")


async def differences(client: Client, name: str, save: Save) -> None:
    """A difference with the broker is accepted by two people, and another one declined by the second."""
    answers = iter((AcceptanceStatus.PENDING, AcceptanceStatus.ACCEPTED, AcceptanceStatus.DECLINED))

    def report(command: DifferenceCommand) -> AcceptanceReport:
        return AcceptanceReport(acceptance_id="a", difference_id=command.difference_id, status=next(answers))

    @activity.defn
    async def accept_difference(step: AcceptDifferenceStep) -> AcceptanceReport:
        return report(step.command)

    @activity.defn
    async def decline_difference(step: DeclineDifferenceStep) -> AcceptanceReport:
        return report(step.command)

    steps = [*Engine().steps, accept_difference, decline_difference]
    named = {"reason": "sold by hand", "reconciliation_id": "r", "difference_id": "d"}
    async with _working(client, TradingEngine, steps):
        handle = await client.start_workflow(
            TradingEngine.run, EngineState(driven=True), id=name, task_queue=Queue.TRADING
        )
        for who in ("api:anna/1", "api:ben/2"):
            await handle.execute_update(TradingEngine.accept_difference, AcceptDifference(**named, actor=who))
        declined = DeclineDifference(**named, actor="api:ben/2")
        await handle.execute_update(TradingEngine.decline_difference, declined)
        await save(client, name, handle.id)
        await handle.terminate("recorded")


async def _discarded(client: Client, name: str, save: Save) -> None:
    @activity.defn
    async def discard_order(request: DiscardRequest) -> DiscardReport:
        return DiscardReport(intent_id=request.intent_id, state="canceled")

    async with _working(client, DiscardOrder, [discard_order]):
        request = DiscardRequest(intent_id="i", actor="api:anna/1", reason="not wanted", as_of=datetime.now(UTC))
        workflow_id = names.discard_id("i", "failed")
        await client.execute_workflow(DiscardOrder.run, request, id=workflow_id, task_queue=Queue.TRADING)
        await save(client, name, workflow_id)
