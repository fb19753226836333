"""Settings, breakers, the reserve and orders by hand, through the API and the engine."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from api.keys import Scope
from api.operations import protection as operations
from api.operations import trading
from domain.breaker_state import Breaker, BreakerPhase
from domain.config import Tier
from domain.live_protection import LiveProtection, begun
from domain.market import Bar
from domain.reserve import ReserveState
from domain.trading_commands import Configure
from store import config, facts, protection, registry
from tests.api.harness import Caller, Platform, assert_problem, caller
from tests.api.temporal_cli import temporal
from workflows import names
from workflows.names import Queue

pytestmark = pytest.mark.stack


async def test_versions_when_nobody_has_changed_anything_then_the_list_is_empty(platform: Platform) -> None:
    assert await operations.versions(platform.parts.database, limit=5, before=1) == []


CONFIG = "/v1/trading/config"


async def tag_of(api: Caller, path: str = CONFIG) -> str:
    return (await api("GET", path)).headers["etag"]


async def change(api: Caller, changes: dict[str, Any], *, reason: str = "a test", status: int = 200) -> Any:
    answer = await api(
        "PATCH", CONFIG, json={"changes": changes, "reason": reason}, headers={"If-Match": await tag_of(api)}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def hold(platform: Platform, live: LiveProtection) -> None:
    async with platform.parts.database.transaction() as session:
        await protection.save(session, live, live, at=datetime.now(UTC))


async def test_config_when_tightened_then_it_is_in_force_at_once_and_stands_in_the_history(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        before = await api.get("/v1/risk/limits")
        report = await change(api, {"limits": {"daily_loss": "0.011"}}, reason="a nervous week")
        assert (report["outcome"], report["loosened"]) == ("in_force", [])
        after = await api.get("/v1/risk/limits")
        assert (before["limits"]["daily_loss"], after["limits"]["daily_loss"]) == ("0.02", "0.011")
        assert after["version"] == before["version"] + 1
        newest = (await api.get(f"{CONFIG}/versions?limit=1"))["data"][0]
        assert newest["changed"] == {"limits.daily_loss": ["0.02", "0.011"]}
        assert (newest["created_by"], newest["reason"]) == ("api:bootstrap/bootstrap", "a nervous week")
        assert (await change(api, {"limits": {"daily_loss": "0.011"}}))["outcome"] == "unchanged"


async def test_config_when_loosened_then_a_second_person_decides(platform: Platform, api: Caller) -> None:
    other = caller(platform, key=await platform.key(Scope.APPROVE, Scope.READ, name="berta"))
    async with platform.working(Queue.TRADING):
        version = (await api.get(CONFIG))["version"]
        report = await change(api, {"limits": {"min_price": "3"}}, reason="small caps")
        assert (report["outcome"], report["version"]) == ("proposed", version)
        assert report["loosened"] == [{"path": "limits.min_price", "before": "5", "after": "3"}]
        assert (await api.get("/v1/risk/limits"))["limits"]["min_price"] == "5"

        review = f"{CONFIG}/proposals/{report['proposal_id']}/review"
        own = await api("POST", review, json={"approved": True, "reason": "mine"})
        assert_problem(own, 409, "FOUR_EYES")
        waiting = await api.get(f"{CONFIG}/proposals?status=pending")
        assert [each["proposal_id"] for each in waiting] == [report["proposal_id"]]

        done = await other("POST", review, json={"approved": True, "reason": "agreed"})
        assert done.json()["outcome"] == "in_force", done.text
        assert (await api.get("/v1/risk/limits"))["limits"]["min_price"] == "3"
        again = await other("POST", review, json={"approved": False, "reason": "changed my mind"})
        assert_problem(again, 409, "PROPOSAL_DECIDED")
        await change(api, {"limits": {"min_price": "5"}})


async def test_proposal_when_the_configuration_changed_meanwhile_then_it_is_not_in_force(
    platform: Platform, api: Caller
) -> None:
    other = caller(platform, key=await platform.key(Scope.APPROVE, name="berta"))
    async with platform.working(Queue.TRADING):
        report = await change(api, {"limits": {"drawdown": "0.2"}})
        await change(api, {"signals": {"kappa": 1.25}})
        review = f"{CONFIG}/proposals/{report['proposal_id']}/review"
        refused = await other("POST", review, json={"approved": True, "reason": "agreed"})
        assert_problem(refused, 409, "CONFIG_CHANGED")
        declined = await api("POST", review, json={"approved": False, "reason": "taken back"})
        assert declined.json()["outcome"] == "declined"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"limits": {"daily_loss": "2"}}, "limits.daily_loss"),
        ({"limits": {"unheard_of": 1}}, "limits.unheard_of"),
        ({"sizing": {"name_cap": "0.9"}}, "config"),
    ],
)
async def test_config_when_a_value_is_wrong_then_the_error_names_it(
    platform: Platform, api: Caller, changes: dict[str, Any], field: str
) -> None:
    async with platform.working(Queue.TRADING):
        refused = await change(api, changes, status=409)
        assert refused["code"] == "CONFIG_INVALID"
        assert "CONFIG_INVALID" not in refused["detail"]
        assert field in refused["detail"]


async def test_config_when_read_before_another_change_then_the_change_is_refused(
    platform: Platform, api: Caller
) -> None:
    body = {"changes": {"signals": {"kappa": 1.5}}, "reason": "late"}
    assert_problem(await api("PATCH", CONFIG, json=body), 428, "PRECONDITION_REQUIRED")
    stale = await api("PATCH", CONFIG, json=body, headers={"If-Match": '"999"'})
    assert_problem(stale, 412, "VERSION_MISMATCH")


async def test_config_when_it_comes_as_a_plain_signal_then_a_wrong_one_does_not_end_the_engine(
    platform: Platform, api: Caller
) -> None:
    async with platform.working(Queue.TRADING):
        await platform.parts.flows.ensure_engine()
        handle = platform.parts.client.get_workflow_handle(names.TRADING_ENGINE)
        wrong = Configure(reason="by hand", actor="temporal-cli", changes={"limits": {"daily_loss": "7"}})
        await handle.signal("configure", wrong)
        right = '{"reason": "by hand", "actor": "temporal-cli", "changes": {"signals": {"kappa": 1.75}}}'
        await temporal(
            platform,
            "workflow",
            "signal",
            "--workflow-id",
            names.TRADING_ENGINE,
            "--name",
            "configure",
            "--input",
            right,
        )
        for _ in range(100):
            if (await api.get(CONFIG))["config"]["signals"]["kappa"] == 1.75:
                break
            await asyncio.sleep(0.1)
        view = await api.get(CONFIG)
        assert (view["config"]["signals"]["kappa"], view["config"]["limits"]["daily_loss"]) == (1.75, "0.011")
        assert (await api.get("/v1/trading/debug/state"))["commands"] >= 2


async def test_breaker_when_it_is_the_drawdown_and_has_rested_then_an_operator_releases_it(
    platform: Platform, api: Caller
) -> None:
    live = begun(date(2014, 7, 14), Tier.MODERATE)
    states = tuple(
        each.model_copy(update={"phase": BreakerPhase.OPEN, "changed_session": 0})
        if each.breaker is Breaker.DRAWDOWN
        else each
        for each in live.state.breakers.states
    )
    breakers = live.state.breakers.model_copy(update={"states": states})
    tripped = live.model_copy(update={"state": live.state.model_copy(update={"breakers": breakers})})
    path = "/v1/trading/breakers/drawdown/reset"
    async with platform.working(Queue.TRADING):
        await hold(platform, tripped.model_copy(update={"index": 5}))
        early = await api("POST", path, json={"reason": "now"})
        assert_problem(early, 409, "BREAKER_RESTING")
        await hold(platform, tripped.model_copy(update={"index": 21}))
        assert (await api.get("/v1/trading/protection"))["entries"] == "0"
        done = await api("POST", path, json={"reason": "we looked at it"})
        assert "released" in done.json()["message"]
        other = await api("POST", "/v1/trading/breakers/volatility/reset", json={"reason": "now"})
        assert_problem(other, 409, "BREAKER_RESETS_ITSELF")

        reset = await api("POST", "/v1/trading/reset", json={"reason": "a new start"})
        assert reset.status_code == 200
        view = await api.get("/v1/trading/protection")
        assert view["entries"] == "1"
        assert {each["phase"] for each in view["breakers"]} == {"closed"}


async def test_reserve_when_released_then_it_is_smaller_once(platform: Platform, api: Caller) -> None:
    live = begun(date(2014, 7, 14), Tier.MODERATE)
    state = live.state.model_copy(update={"reserve": ReserveState(balance=Decimal(500), high=Decimal(2_500))})
    async with platform.working(Queue.TRADING):
        await hold(platform, live.model_copy(update={"state": state}))
        path = "/v1/trading/reserve/release"
        too_much = await api("POST", path, json={"amount": "600", "reason": "a car"})
        assert_problem(too_much, 409, "RESERVE_RELEASE_INVALID")
        done = await api("POST", path, json={"amount": "120.5", "reason": "taxes"})
        assert done.json()["message"] == "the reserve holds 379.5"
        assert (await api.get("/v1/trading/protection"))["reserve"] == "379.50"


async def test_order_by_hand_when_asked_twice_with_one_key_then_it_is_one_order(
    platform: Platform, api: Caller
) -> None:
    today = datetime.now(UTC).date()
    bars = [
        Bar(
            symbol="HAND",
            session=today - timedelta(days=age),
            open=Decimal(50),
            high=Decimal(50),
            low=Decimal(50),
            close=Decimal(50),
            volume=5_000_000,
        )
        for age in range(2, 30)
    ]
    other = caller(platform, key=await platform.key(Scope.APPROVE, Scope.READ, name="berta"))
    async with platform.parts.database.transaction() as session:
        await registry.add_unnamed(session, ["HAND"], origin="test")
        await facts.save_bars(session, bars)
    body = {"symbol": "HAND", "side": "buy", "quantity": "7", "reason": "a hedge", "key": "hand-0001"}
    async with platform.working(Queue.TRADING):
        would = await api("POST", "/v1/risk/evaluations", json={"symbol": "HAND", "side": "buy", "quantity": "7"})
        assert would.status_code == 200, would.text
        assert {"ORDER_INVALID", "BREAKER_OPEN"} <= {each["code"] for each in would.json()["checks"]}
        first = await api("POST", "/v1/orders/overrides", json=body)
        assert first.status_code == 202, first.text
        again = await api("POST", "/v1/orders/overrides", json=body)
        assert again.json()["order"] == first.json()["order"]
        changed = await api("POST", "/v1/orders/overrides", json={**body, "quantity": "8"})
        assert_problem(changed, 409, "KEY_USED")
        waiting = [each for each in (await other.get("/v1/approvals"))["data"] if each["symbol"] == "HAND"]
        for _ in range(100):
            if waiting:
                break
            await asyncio.sleep(0.1)
            waiting = [each for each in (await other.get("/v1/approvals"))["data"] if each["symbol"] == "HAND"]
        assert len(waiting) == 1
        assert "ORDER_BY_HAND" in waiting[0]["reason"]


async def test_order_by_hand_when_more_is_sold_than_held_then_it_is_refused(platform: Platform, api: Caller) -> None:
    async with platform.parts.database.transaction() as session:
        assert await config.version(session) > 0
    body = {"symbol": "HAND", "side": "sell", "quantity": "7", "reason": "out", "key": "hand-0002"}
    async with platform.working(Queue.TRADING):
        refused = await api("POST", "/v1/orders/overrides", json=body)
        assert_problem(refused, 409, "SELL_EXCEEDS_POSITION")


async def test_command_when_no_worker_answers_then_nothing_waits_for_one(
    platform: Platform, api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trading, "QUERY_SECONDS", 0.5)
    answer = await api(
        "PATCH",
        CONFIG,
        json={"changes": {"signals": {"kappa": 3.0}}, "reason": "later"},
        headers={"If-Match": await tag_of(api)},
    )
    assert_problem(answer, 503, "ENGINE_NOT_ANSWERING")
    monkeypatch.undo()
    async with platform.working(Queue.TRADING):
        await asyncio.sleep(1)
        assert (await api.get(CONFIG))["config"]["signals"]["kappa"] != 3.0
