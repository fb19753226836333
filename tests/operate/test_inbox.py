"""The inbox on a terminal: what an answer covers, who has voted, and who must still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from api.keys import Scope
from domain.config import TradingConfig, changed
from store import config
from tests.api.harness import Platform, assert_problem, caller, eventually
from tests.operate.conftest import Stonks
from workflows.names import Queue

pytestmark = pytest.mark.stack


async def _put(platform: Platform, **approval: Any) -> None:
    async with platform.parts.database.transaction() as session:
        await config.put(
            session,
            changed(TradingConfig(), {"approval": approval}),
            created_at=datetime.now(UTC),
            created_by="test",
            reason="test",
        )


@pytest.fixture
async def two_people(platform: Platform) -> AsyncIterator[None]:
    await _put(platform, two_people_above=10_000)
    yield
    await _put(platform)


@pytest.mark.usefixtures("two_people")
async def test_inbox_when_two_people_are_needed_then_it_shows_votes_band_and_escalation(
    platform: Platform, cli: Stonks
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("AAPL")
        shown = await cli.text("inbox")
        assert "0 of 2" in shown
        assert "good from 49.00 to 51.00 a share; asked anew outside" in shown
        assert ", escalation is told, too" in shown

        first = await cli.text("approve", waiting["approval_id"], "--reason", "the thesis holds")
        assert "pending: buy 700 AAPL, $35,000.00" in first
        assert "1 of 2 people have approved: another person must approve it too" in first
        shown = await cli.text("inbox")
        assert "1 of 2" in shown
        assert "the thesis holds" in shown
        again = await cli("approve", waiting["approval_id"], "--reason", "once more")
        assert (again.code, again.err.partition(":")[0]) == (1, "ALREADY_VOTED")

        ben = caller(platform, await platform.key(Scope.APPROVE, name="ben"))
        body = {"approve": True, "reason": "so do I", "order_hash": waiting["order_hash"]}
        path = f"/v1/approvals/{waiting['approval_id']}/review"
        assert (await ben("POST", path, json=body)).json()["status"] == "approved"
        assert_problem(await ben("POST", path, json=body), 409, "APPROVAL_DECIDED")
        assert waiting["approval_id"] not in await cli.text("inbox")


async def test_amend_when_the_operator_changes_the_size_then_somebody_else_must_approve(
    platform: Platform, cli: Stonks
) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting("MSFT")
        wrong = await cli("amend", waiting["approval_id"], "--quantity", "many", "--reason", "x")
        assert (wrong.code, wrong.err.partition(":")[0]) == (1, "QUANTITY_INVALID")
        done = await cli.text("amend", waiting["approval_id"], "--quantity", "600", "--reason", "smaller is better")
        assert "voided: buy 700 MSFT" in done

        async def asked_anew() -> Any:
            listed = (await cli.json("inbox"))["data"]
            return next((each for each in listed if each["intent_id"] == waiting["intent_id"]), None)

        new = await eventually(asked_anew)
        assert (new["quantity"], new["replaces"]) == ("600", waiting["approval_id"])
        own = await cli("approve", new["approval_id"], "--reason", "mine")
        assert (own.code, own.err.partition(":")[0]) == (1, "FOUR_EYES")
        assert "who cannot approve it" in await cli.text("inbox")
        await cli.text("decline", new["approval_id"], "--reason", "done")
