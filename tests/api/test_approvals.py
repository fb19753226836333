"""The inbox: one decision an order, bound to the order that was shown."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from api.keys import Scope
from api.operations import approvals
from domain.config import TradingConfig
from store import config
from tests.api.harness import Caller, Platform, assert_problem, caller, eventually
from tests.api.temporal_cli import temporal
from workflows import names
from workflows.execute_order import ExecuteOrder
from workflows.names import Queue

pytestmark = pytest.mark.stack


def review(approval: dict[str, Any], *, approve: bool, **changes: Any) -> dict[str, Any]:
    return {"approve": approve, "reason": "looked at it", "order_hash": approval["order_hash"], **changes}


async def ended(api: Caller, approval: dict[str, Any], status: str) -> Any:
    async def found() -> Any:
        page = await api.get("/v1/orders", symbol=approval["symbol"], status=status, limit=200)
        return next((each for each in page["data"] if each["intent_id"] == approval["intent_id"]), None)

    return await eventually(found)


async def test_order_when_approved_then_it_is_placed_once_and_cannot_be_decided_again(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        listed = await api.get("/v1/approvals", status="pending")
        shown = next(each for each in listed["data"] if each["approval_id"] == waiting["approval_id"])
        single = await api.get(f"/v1/approvals/{waiting['approval_id']}")
        assert shown == {key: value for key, value in single.items() if key in shown}
        assert {rule["code"] for rule in single["rules"]} >= {"NOTIONAL_ABOVE_THRESHOLD", "FIRST_TRADE"}
        assert {check["code"] for check in single["checks"]} >= {"POSITION_LIMIT_EXCEEDED", "TRADING_PAUSED"}
        assert [each["doc_id"] for each in single["evidence"]]
        assert (shown["people"], shown["votes"], shown["proposers"]) == (1, [], ["engine"])
        assert (shown["band_low"], shown["price"], shown["band_high"]) == ("49.00", "50.00", "51.00")
        assert (shown["quantity"], shown["notional"]) == ("700", "35000.00")
        assert shown["thesis"]
        assert shown["temporal_url"].startswith("http://ui.test/namespaces/stonks/workflows/order%2F")

        key = await platform.key(Scope.APPROVE, name="anna")
        ask, path = caller(platform, key), f"/v1/approvals/{waiting['approval_id']}/review"
        done = await ask("POST", path, json=review(waiting, approve=True))
        assert done.status_code == 200, done.text
        assert done.json()["status"] == "approved"
        assert done.json()["decided_by"].startswith("api:anna/")

        order = await ended(api, waiting, "filled")
        assert order["filled_quantity"] == "700"
        assert order["filled_average_price"] == "50.00"
        assert [each.client_order_id for each in platform.broker.placed].count(order["client_order_id"]) == 1
        for again in (True, False):
            assert_problem(await ask("POST", path, json=review(waiting, approve=again)), 409, "APPROVAL_DECIDED")


async def test_order_when_declined_then_nothing_is_placed(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        placed = len(platform.broker.placed)
        path = f"/v1/approvals/{waiting['approval_id']}/review"
        done = await api("POST", path, json=review(waiting, approve=False, reason="not today"))
        assert done.json()["status"] == "declined"
        handle = platform.parts.client.get_workflow_handle(names.order_id(waiting["intent_id"]))
        outcome = await handle.result()
        assert outcome["status"] == "declined"
        assert len(platform.broker.placed) == placed


async def test_review_when_another_order_was_shown_then_409_and_it_still_waits(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        path = f"/v1/approvals/{waiting['approval_id']}"
        answer = await api("POST", f"{path}/review", json=review(waiting, approve=True, order_hash="0" * 32))
        assert_problem(answer, 409, "ORDER_HASH_MISMATCH")
        assert (await api.get(path))["status"] == "pending"
        await api("POST", f"{path}/review", json=review(waiting, approve=False))


async def test_review_when_two_decide_at_once_then_one_wins_and_the_other_is_told(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        path = f"/v1/approvals/{waiting['approval_id']}/review"
        answers = await asyncio.gather(
            *(
                api("POST", path, json=review(waiting, approve=number % 2 == 0, reason=f"{number}"))
                for number in range(4)
            )
        )
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) == 1, [answer.text for answer in answers]
        assert statuses.count(409) == 3
        (won,) = [answer.json() for answer in answers if answer.status_code == 200]
        now = await api.get(f"/v1/approvals/{waiting['approval_id']}")
        assert now["status"] == won["status"]
        assert now["decision_reason"] == won["decision_reason"]


async def test_review_when_the_question_has_expired_then_409(platform: Platform, api: Caller) -> None:
    await approve_within(platform, seconds=1)
    try:
        async with platform.working(Queue.TRADING):
            waiting = await platform.waiting("AAPL")
            path = f"/v1/approvals/{waiting['approval_id']}"

            async def expired() -> bool:
                return bool((await api.get(path))["status"] == "expired")

            await eventually(expired)
            answer = await api("POST", f"{path}/review", json=review(waiting, approve=True))
            assert_problem(answer, 409, "APPROVAL_DECIDED")
    finally:
        await approve_within(platform, seconds=14_400)


async def test_review_when_the_orders_workflow_is_gone_then_409_stale(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
    await platform.parts.client.get_workflow_handle(names.order_id(waiting["intent_id"])).terminate("by the test")
    path = f"/v1/approvals/{waiting['approval_id']}/review"
    assert_problem(await api("POST", path, json=review(waiting, approve=True)), 409, "APPROVAL_STALE")


async def test_review_when_no_worker_answers_then_503_and_the_order_still_waits(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
    monkeypatch.setattr(approvals, "QUERY_SECONDS", 0.5)
    path = f"/v1/approvals/{waiting['approval_id']}"
    answer = await api("POST", f"{path}/review", json=review(waiting, approve=False))
    assert_problem(answer, 503, "ORDER_NOT_ANSWERING")
    async with platform.working(Queue.TRADING):  # what was refused does not happen later
        handle = platform.parts.client.get_workflow_handle(names.order_id(waiting["intent_id"]))
        assert (await handle.query(ExecuteOrder.status)).state == "awaiting_approval"
        assert (await api.get(path))["status"] == "pending"


async def test_approval_when_unknown_then_404(api: Caller) -> None:
    assert_problem(await api("GET", "/v1/approvals/nothing"), 404, "APPROVAL_NOT_FOUND")
    body = {"approve": True, "reason": "x", "order_hash": "x"}
    assert_problem(await api("POST", "/v1/approvals/nothing/review", json=body), 404, "APPROVAL_NOT_FOUND")


async def test_plain_temporal_cli_when_it_signals_approve_then_the_order_is_filled(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        await temporal(
            platform,
            *("workflow", "signal", "--workflow-id", names.order_id(waiting["intent_id"])),
            *("--name", "approve", "--input", '"looked at it by hand"'),
        )
        await ended(api, waiting, "filled")
        now = await api.get(f"/v1/approvals/{waiting['approval_id']}")
        assert (now["status"], now["decided_by"]) == ("approved", "temporal-cli")
        assert now["decision_reason"] == "looked at it by hand"


async def test_plain_temporal_cli_when_it_lists_what_waits_and_declines_then_nothing_is_placed(
    platform: Platform, api: Caller
) -> None:
    query = "WorkflowType = 'ExecuteOrder' AND StonksState = 'awaiting_approval' AND ExecutionStatus = 'Running'"
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        workflow_id = names.order_id(waiting["intent_id"])

        async def listed() -> bool:
            rows = json.loads(await temporal(platform, "workflow", "list", "--query", query, "--output", "json"))
            return workflow_id in {row["execution"]["workflowId"] for row in rows}

        await eventually(listed)
        await temporal(
            platform, "workflow", "signal", "--workflow-id", workflow_id, "--name", "decline", "--input", '"by hand"'
        )
        outcome = await platform.parts.client.get_workflow_handle(workflow_id).result()
        assert (outcome["status"], outcome["reason"]) == ("declined", "by hand")
        assert (await api.get(f"/v1/approvals/{waiting['approval_id']}"))["status"] == "declined"


async def approve_within(platform: Platform, *, seconds: int) -> None:
    policy = TradingConfig().approval.model_copy(update={"expires_after_seconds": seconds})
    async with platform.parts.database.transaction() as session:
        await config.put(
            session,
            TradingConfig().model_copy(update={"approval": policy}),
            created_at=datetime.now(UTC),
            created_by="test",
            reason="test",
        )
