"""An order of which nothing was sent is judged again and sent; and how often an order looks at the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from domain.decisions import RiskOutcome
from domain.trading import (
    CloseRequest,
    OrderOutcome,
    OrderProgress,
    OrderRequest,
    RiskRequest,
    RiskVerdict,
    SubmitRequest,
    SyncRequest,
)
from domain.voting import RecheckReport, RecheckRequest
from tests.workflows.skipping import ATTEMPTS, now, skipping_server
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

UNSENT = OrderProgress(status="unknown", reason="it was not sent yet", to_send=True)
RESTS = OrderProgress(status="accepted")
FILLED = OrderProgress(status="filled", filled_quantity="10", closed=True)


class Desk:
    """Answers in turn what it was told to; the last answer for ever."""

    def __init__(self) -> None:
        self.submits = [RESTS]
        self.syncs = [FILLED]
        self.denial = ""
        self.submitted: list[SubmitRequest] = []
        self.rechecked: list[RecheckRequest] = []
        self.looks: list[datetime] = []
        self.closed: list[CloseRequest] = []

    @activity.defn
    async def decide_risk(self, request: RiskRequest) -> RiskVerdict:
        return _verdict("first")

    @activity.defn
    async def recheck(self, request: RecheckRequest) -> RecheckReport:
        self.rechecked.append(request)
        return RecheckReport(verdict=_verdict(f"again-{len(self.rechecked)}", denial=self.denial))

    @activity.defn
    async def submit(self, request: SubmitRequest) -> OrderProgress:
        self.submitted.append(request)
        return self.submits.pop(0) if len(self.submits) > 1 else self.submits[0]

    @activity.defn
    async def sync(self, request: SyncRequest) -> OrderProgress:
        self.looks.append(request.as_of)
        return self.syncs.pop(0) if len(self.syncs) > 1 else self.syncs[0]

    @activity.defn
    async def close_intent(self, request: CloseRequest) -> None:
        self.closed.append(request)


def _verdict(decision_id: str, *, denial: str = "") -> RiskVerdict:
    outcome = RiskOutcome.DENY if denial else RiskOutcome.ALLOW
    return RiskVerdict(
        decision_id=decision_id, outcome=outcome, allowed_quantity="10", needs_approval=False, denial=denial
    )


@asynccontextmanager
async def _working(environment: WorkflowEnvironment, desk: Desk) -> AsyncIterator[None]:
    activities: list[Callable[..., Any]] = [desk.decide_risk, desk.recheck, desk.submit, desk.sync, desk.close_intent]
    async with Worker(environment.client, task_queue=Queue.TRADING, workflows=[ExecuteOrder], activities=activities):
        yield


Timed = Callable[[WorkflowEnvironment, Desk], Awaitable[None]]


def in_skipped_time(body: Timed) -> Callable[[], Awaitable[None]]:
    """Run a test up to three times, each on a new server."""

    async def test() -> None:
        for attempt in range(ATTEMPTS):
            async with skipping_server() as environment:
                try:
                    desk = Desk()
                    async with _working(environment, desk):
                        await asyncio.wait_for(body(environment, desk), timeout=30)
                    return
                except (AssertionError, TimeoutError, RPCError, WorkflowFailureError):
                    if attempt == ATTEMPTS - 1:
                        raise

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


async def _start(environment: WorkflowEnvironment, **changes: Any) -> WorkflowHandle[Any, OrderOutcome]:
    request = OrderRequest(intent_id="i", symbol="ACME", side="buy", as_of=await now(environment), **changes)
    return await environment.client.start_workflow(
        ExecuteOrder.run, request, id=names.order_id("i"), task_queue=Queue.TRADING
    )


@in_skipped_time
async def test_order_when_its_verdict_was_too_old_then_it_is_judged_again_and_sent_on_the_new_one(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.submits = [UNSENT, RESTS]
    outcome = await (await _start(environment)).result()
    assert outcome.status == "filled"
    assert [request.decision_id for request in desk.submitted] == ["first", "again-1"]
    assert [request.decision_id for request in desk.rechecked] == ["first"]


@in_skipped_time
async def test_order_when_a_look_finds_that_nothing_was_sent_then_it_is_sent(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.submits = [OrderProgress(status="unknown", reason="BROKER_UNREACHABLE"), RESTS]
    desk.syncs = [UNSENT, FILLED]
    outcome = await (await _start(environment)).result()
    assert (outcome.status, len(desk.submitted)) == ("filled", 2)


@in_skipped_time
async def test_order_when_judged_again_and_denied_then_it_ends_and_is_not_sent(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.submits, desk.denial = [UNSENT], "DAILY_LOSS: value=0.05, limit=0.03"
    outcome = await (await _start(environment)).result()
    assert (outcome.status, outcome.reason) == ("denied", desk.denial)
    assert (len(desk.submitted), [request.state for request in desk.closed]) == (1, ["denied"])


@in_skipped_time
async def test_order_when_driven_then_it_is_looked_at_only_when_asked(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.submits = [UNSENT]
    handle = await _start(environment, driven=True)
    await environment.sleep(timedelta(hours=1))
    assert (len(desk.submitted), desk.rechecked, desk.looks) == (1, [], [])
    await handle.terminate()


@in_skipped_time
async def test_order_when_it_rests_over_a_long_weekend_then_it_looks_seldom_and_at_once_when_woken(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.syncs = [RESTS]
    handle = await _start(environment)
    await environment.sleep(timedelta(hours=90))
    pauses = [later - earlier for earlier, later in zip(desk.looks, desk.looks[1:], strict=False)]
    assert timedelta(minutes=29) < max(pauses) < timedelta(minutes=31)
    assert sum(pause < timedelta(minutes=29) for pause in pauses) < 12
    assert len((await handle.fetch_history()).events) < 3_000
    desk.syncs = [FILLED]
    looks = len(desk.looks)
    await handle.signal(ExecuteOrder.order_changed)
    assert (await handle.result()).status == "filled"
    assert len(desk.looks) == looks + 1


@in_skipped_time
async def test_order_when_nobody_knows_whether_it_was_sent_then_it_looks_every_half_minute(
    environment: WorkflowEnvironment, desk: Desk
) -> None:
    desk.submits = desk.syncs = [OrderProgress(status="unknown", reason="the broker does not know the order yet")]
    handle = await _start(environment)
    await environment.sleep(timedelta(minutes=20))
    pauses = [later - earlier for earlier, later in zip(desk.looks, desk.looks[1:], strict=False)]
    assert max(pauses) < timedelta(seconds=35)
    await handle.terminate()
