"""Plain signals and names that nobody may take, on real servers: what nobody signs never counts as somebody's word."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from activities.commands import CommandActivities
from api import failures
from api.operations import trading, trading_commands
from domain.decisions import Side
from domain.errors import Conflict, InvalidInput
from domain.ids import digest
from domain.trading import Command, Resume
from domain.trading_commands import (
    Configure,
    ConfigureStep,
    OverrideOrder,
    OverrideStep,
    ResetEngine,
    ReviewConfig,
    ReviewConfigStep,
)
from store import config, orders
from tests.api.harness import assert_problem, eventually
from tests.approvals.house import House
from workflows import names
from workflows.trading_engine import TradingEngine

pytestmark = pytest.mark.stack


@pytest.fixture
async def engine(house: House, monkeypatch: pytest.MonkeyPatch) -> WorkflowHandle[Any, Any]:
    monkeypatch.setattr(trading, "QUERY_SECONDS", 30.0)  # these servers do other work, too
    await house.platform.parts.flows.ensure_engine()
    return house.platform.parts.client.get_workflow_handle(names.TRADING_ENGINE)


def order(house: House, *, actor: str, key: str, quantity: str = "10") -> OverrideOrder:
    return OverrideOrder.model_validate(
        {"reason": "a test", "actor": actor, "symbol": house.symbol, "side": Side.BUY, "quantity": quantity, "key": key}
    )


async def test_order_by_hand_when_it_comes_as_a_signal_of_the_engine_then_two_people_with_names_approve(
    house: House, engine: WorkflowHandle[Any, Any]
) -> None:
    await house.policy(by_hand=0)
    await house.price("50", volume=10_000_000)
    key = f"signal-{house.symbol}"
    await engine.signal("override_order", order(house, actor="engine", key=key))
    intent = digest("override", key)
    asked = await house.asked(intent)
    assert (asked.people, asked.proposers) == (2, ["temporal-cli"])
    await house.handle(intent).signal("approve", "by the same nobody")
    assert (await house.say("anna", asked)).json()["status"] == "pending"
    assert house.placed(intent) == []
    assert (await house.say("ben", asked)).json()["status"] == "approved"
    assert [vote.person for vote in await house.votes(asked.approval_id)] == ["anna", "ben"]


async def test_own_order_when_approved_by_signal_then_it_still_waits(house: House) -> None:
    intent = await house.plan(quantity=100, proposed_by="api:anna/first-key")
    asked = await house.asked(intent)
    assert_problem(await house.say("anna", asked), 403, "FOUR_EYES")
    await house.handle(intent).signal("approve", "fine")
    assert (await house.say("ben", asked, approve=False)).json()["status"] == "declined"
    assert [vote.person for vote in await house.votes(asked.approval_id)] == ["ben"]
    assert house.placed(intent) == []


@pytest.mark.parametrize(
    ("update", "command"),
    [
        (TradingEngine.pause, Command(reason="a test", actor="engine")),
        (TradingEngine.resume, Resume(reason="a test", actor="Engine ")),
        (TradingEngine.reset, ResetEngine(reason="a test", actor="system")),
        (
            TradingEngine.configure,
            Configure(reason="a test", actor="trading-engine", changes={"signals": {"kappa": 1.5}}),
        ),
    ],
)
async def test_command_when_it_is_signed_as_the_platform_signs_then_the_engine_refuses(
    house: House, engine: WorkflowHandle[Any, Any], update: Any, command: Command
) -> None:
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await engine.execute_update(update, command)
    assert failures.refused(refused.value).code == "ACTOR_INVALID"


async def test_order_by_hand_when_it_is_signed_by_the_engine_then_nothing_is_written(house: House) -> None:
    await house.price("50")
    commands = CommandActivities(house.database, live=False)
    step = OverrideStep(
        command=order(house, actor="engine", key=f"engine-{house.symbol}"), key=house.symbol, as_of=datetime.now(UTC)
    )
    with pytest.raises(InvalidInput, match="ACTOR_INVALID"):
        await commands.plan_override(step)
    async with house.database.transaction() as session:
        assert await orders.find_intent(session, digest("override", step.command.key)) is None


async def test_setting_when_a_signal_loosens_it_then_nothing_changes_and_the_reason_is_shown(
    house: House, engine: WorkflowHandle[Any, Any]
) -> None:
    async with house.database.transaction() as session:
        before = await config.version(session)
    loosen = Configure(reason="a test", actor="api:anna/1", changes={"limits": {"min_price": "1"}})
    tighten = Configure(reason="a test", actor="api:anna/1", changes={"limits": {"min_price": "7"}})
    await engine.signal("configure", loosen)
    await engine.signal("configure", tighten)

    async def tightened() -> bool:
        async with house.database.transaction() as session:
            return str((await config.configured(session)).limits.min_price) == "7"

    await eventually(tightened)
    async with house.database.transaction() as session:
        newest, *_ = await config.versions(session, limit=1)
        assert (newest.version, newest.created_by) == (before + 1, "temporal-cli")
        assert await config.proposals(session, status="pending", limit=10) == []
    commands = CommandActivities(house.database, live=False)
    step = ConfigureStep(
        command=loosen.model_copy(update={"actor": "temporal-cli"}), key="unsigned", as_of=datetime.now(UTC)
    )
    with pytest.raises(Conflict, match=r"ACTOR_UNKNOWN: .*limits\.min_price"):
        await commands.change_config(step)


async def test_proposal_when_nobody_with_a_name_approves_then_it_is_not_in_force(house: House) -> None:
    commands = CommandActivities(house.database, live=False)
    change = Configure(reason="a test", actor="api:anna/1", changes={"limits": {"drawdown": "0.3"}})
    report = await commands.change_config(ConfigureStep(command=change, key=house.symbol, as_of=datetime.now(UTC)))
    for actor, code in (("operator", "ACTOR_UNKNOWN"), ("temporal-cli", "ACTOR_UNKNOWN"), ("cli:anna", "FOUR_EYES")):
        word = ReviewConfig(reason="yes", actor=actor, approved=True, proposal_id=report.proposal_id)
        with pytest.raises(Conflict, match=code):
            await commands.review_config(ReviewConfigStep(command=word, key=f"{actor}/2", as_of=datetime.now(UTC)))


async def test_orders_by_hand_when_two_have_one_key_then_the_second_is_refused(
    house: House, engine: WorkflowHandle[Any, Any]
) -> None:
    await house.price("50")
    client, key = house.platform.parts.client, f"once-{house.symbol}"
    first = order(house, actor="api:anna/1", key=key)
    done = await trading_commands.override(client, first, mode="paper")
    again = await trading_commands.override(client, first, mode="paper")
    assert again.order == done.order
    other = order(house, actor="api:ben/1", key=key, quantity="999")
    with pytest.raises(Conflict) as refused:
        await trading_commands.override(client, other, mode="paper")
    assert refused.value.code == "KEY_USED"
