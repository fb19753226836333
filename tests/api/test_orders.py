"""One order in full, and taking it back: at the broker, before it is sent, and when it is too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select

from api.keys import Scope
from api.operations import orders as operations
from domain.errors import VendorUnavailable
from store import orders
from store.tables.platform import AuditEntry, OutboxEvent
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.api.temporal_cli import temporal
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

pytestmark = pytest.mark.stack

REASON = {"reason": "the story was wrong"}


@pytest.fixture(autouse=True)
async def _broker_as_it_was(platform: Platform) -> AsyncIterator[None]:
    yield
    platform.broker.fill = True
    platform.broker.answering.set()


async def at_the_broker(platform: Platform, api: Caller, symbol: str, status: str = "accepted") -> dict[str, Any]:
    """Plan an order that nobody need approve, and wait until the broker has it."""
    request = await platform.order(symbol, quantity=10)

    async def found() -> Any:
        page = await api.get("/v1/orders", symbol=symbol, limit=200)
        return next(
            (each for each in page["data"] if (each["intent_id"], each["status"]) == (request.intent_id, status)), None
        )

    shown: dict[str, Any] = await eventually(found)
    return shown


async def unfinished(api: Caller, symbol: str) -> list[str]:
    page = await api.get("/v1/orders", symbol=symbol, unfinished="true", limit=200)
    return [each["order_id"] for each in page["data"]]


async def outcome(platform: Platform, order: dict[str, Any]) -> Any:
    handle = platform.parts.client.get_workflow_handle_for(ExecuteOrder.run, names.order_id(order["intent_id"]))
    return await asyncio.wait_for(handle.result(), 60)


async def test_order_when_read_then_its_way_its_fills_and_its_decision_are_there(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "AAPL", "filled")
    detail = await api.get(f"/v1/orders/{order['order_id']}")
    assert {name: detail[name] for name in order} == order
    assert [each["status"] for each in detail["events"]] == ["pending", "filled"]
    assert [each["filled_quantity"] for each in detail["events"]] == ["0", "10"]
    assert detail["events"][1]["broker_order_id"] == detail["broker_order_id"]
    assert [(each["quantity"], each["price"]) for each in detail["fills"]] == [("10", "50.00")]
    assert detail["ticket"]["client_order_id"] == detail["client_order_id"]
    assert (detail["replacements"], detail["cancelable"]) == ([], False)
    decision = await api.get(detail["decision_url"])
    assert decision["decision_id"] == detail["intent_id"]
    told = await platform.parts.database.run(
        "SELECT event, body FROM outbox WHERE subject_id = $1 ORDER BY sequence", order["order_id"]
    )
    assert [row["event"] for row in told] == ["order_updated", "order_updated", "order_filled"]
    assert_problem(await api("GET", "/v1/orders/none"), 404, "ORDER_NOT_FOUND")


async def test_order_when_canceled_then_the_broker_cancels_it_and_it_is_noted_once(
    platform: Platform, api: Caller
) -> None:
    platform.broker.fill = False
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "MSFT")
        assert order["order_id"] in await unfinished(api, "MSFT")
        path = f"/v1/orders/{order['order_id']}/cancel"
        answers = await asyncio.gather(*(api("POST", path, json=REASON) for _ in range(3)))
        for answer in answers:
            assert answer.status_code == 200, answer.text
            assert (answer.json()["status"], answer.json()["closed"]) == ("canceled", True)
        assert (await outcome(platform, order)).status == "canceled"
        again = await api("POST", path, json={"reason": "once more"})
        assert (again.json()["status"], again.json()["new"]) == ("canceled", False)
        assert order["order_id"] not in await unfinished(api, "MSFT")
    assert order["broker_order_id"] in platform.broker.canceled
    detail = await api.get(f"/v1/orders/{order['order_id']}")
    assert [each["status"] for each in detail["events"]] == ["pending", "accepted", "canceled"]
    async with platform.parts.database.transaction() as session:
        intent = await orders.require_intent(session, order["intent_id"])
        assert intent.state == "canceled"
        noted = await session.exec(select(AuditEntry).where(AuditEntry.subject == order["order_id"]))
        assert [(entry.action, entry.body["reason"]) for entry in noted] == [
            ("order_cancel_requested", REASON["reason"])
        ]
        told = await session.exec(select(OutboxEvent.event).where(OutboxEvent.subject_id == order["intent_id"]))
        assert "order_canceled" in told.all()


async def test_order_when_it_was_filled_before_then_that_is_what_came_of_the_cancel(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "AAPL", "filled")
        answer = await api("POST", f"/v1/orders/{order['order_id']}/cancel", json=REASON)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["closed"], body["filled_quantity"], body["new"]) == ("filled", True, "10", False)


async def test_order_when_it_waits_for_people_then_its_cancel_is_refused_with_what_to_do(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        handle = platform.parts.client.get_workflow_handle(names.order_id(waiting["intent_id"]))
        before = await handle.query(ExecuteOrder.status)
        assert before.state == "awaiting_approval"
        await temporal(platform, "workflow", "signal", "--workflow-id", handle.id, "--name", "cancel", "--input", '"x"')
        decline = {"approve": False, "reason": "no", "order_hash": waiting["order_hash"]}
        answer = await api("POST", f"/v1/approvals/{waiting['approval_id']}/review", json=decline)
        assert answer.json()["status"] == "declined"


class Busy:
    """A broker that does not take cancels for a while."""

    def __init__(self, platform: Platform) -> None:
        self.refusing = True
        self._cancel = platform.broker.cancel
        platform.broker.cancel = self.cancel  # type: ignore[method-assign]

    async def cancel(self, broker_order_id: str) -> None:
        if self.refusing:
            raise VendorUnavailable("BROKER_BUSY")
        await self._cancel(broker_order_id)


async def test_order_when_canceled_by_signal_while_the_broker_is_busy_then_it_is_asked_again_until_it_takes_it(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.broker.fill = False
    monkeypatch.setattr(platform.broker, "cancel", platform.broker.cancel)
    busy = Busy(platform)
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "MSFT")
        workflow_id = names.order_id(order["intent_id"])
        await temporal(
            platform, "workflow", "signal", "--workflow-id", workflow_id, "--name", "cancel", "--input", '"enough"'
        )

        async def tried() -> Any:
            job = await api.get(f"/v1/jobs/{workflow_id}")
            return [each for each in job["pending"] if each["activity"] == "cancel_order" and each["attempt"] > 1]

        await eventually(tried)
        busy.refusing = False
        assert (await outcome(platform, order)).status == "canceled"


async def test_order_when_canceled_while_it_is_being_sent_then_it_is_canceled_as_soon_as_the_broker_has_it(
    platform: Platform, api: Caller
) -> None:
    platform.broker.fill = False
    platform.broker.answering.clear()
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "AAPL", "pending")

        async def posted() -> bool:
            return any(each.client_order_id == order["client_order_id"] for each in platform.broker.placed)

        await eventually(posted)
        cancel = asyncio.create_task(api("POST", f"/v1/orders/{order['order_id']}/cancel", json=REASON))
        await asyncio.sleep(0.2)
        platform.broker.answering.set()
        answer = await cancel
        assert answer.status_code == 200, answer.text
        assert (answer.json()["status"], answer.json()["closed"]) == ("canceled", True)
        assert (await outcome(platform, order)).status == "canceled"


async def test_order_when_no_worker_is_there_then_503_says_so(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "ACCEPT_SECONDS", 1.0)
    platform.broker.fill = False
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "AAPL")
    path = f"/v1/orders/{order['order_id']}/cancel"
    assert_problem(await api("POST", path, json=REASON), 503, "ORDER_NOT_ANSWERING")
    async with platform.working(Queue.TRADING):
        assert (await outcome(platform, order)).status == "canceled"  # it was heard when a worker was back


async def test_order_when_its_workflow_was_ended_then_409_says_what_to_do(platform: Platform, api: Caller) -> None:
    platform.broker.fill = False
    async with platform.working(Queue.TRADING):
        order = await at_the_broker(platform, api, "MSFT")
        await platform.parts.client.get_workflow_handle(names.order_id(order["intent_id"])).terminate()
        answer = await api("POST", f"/v1/orders/{order['order_id']}/cancel", json=REASON)
        assert_problem(answer, 409, "ORDER_NOT_FOLLOWED")


async def test_cancel_when_asked_for_wrongly_then_it_is_refused(platform: Platform, api: Caller) -> None:
    assert_problem(await api("POST", "/v1/orders/none/cancel", json=REASON), 404, "ORDER_NOT_FOUND")
    assert_problem(await api("POST", "/v1/orders/none/cancel", json={}), 422, "REQUEST_INVALID")
    reader = caller(platform, await platform.key(Scope.READ, Scope.OPS_WRITE))
    assert_problem(await reader("POST", "/v1/orders/none/cancel", json=REASON), 403, "SCOPE_MISSING")
