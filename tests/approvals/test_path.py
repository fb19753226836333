"""The whole path on real servers: question, votes, voids, the second look at risk, the order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from activities.risk import RiskActivities
from api.keys import Scope
from domain.approvals import ApprovalStatus
from domain.decisions import Side, TradingState
from domain.voting import RecheckRequest
from store import approvals, audit, control
from store.tables.decisions import Approval
from tests.api.harness import assert_problem, caller, eventually
from tests.approvals.house import House

pytestmark = pytest.mark.stack


async def test_quorum_of_two_when_two_people_approve_then_one_order_goes_out(house: House) -> None:
    await house.policy(two_people_above=10_000)
    intent = await house.plan()
    asked = await house.asked(intent)
    assert asked.people == 2

    first = await house.say("anna", asked)
    assert (first.status_code, first.json()["status"]) == (200, "pending")
    assert [vote["actor"][:9] for vote in first.json()["votes"]] == ["api:anna/"]
    again = caller(house.platform, await house.platform.key(Scope.APPROVE, name="anna"))
    body = {"approve": True, "reason": "with another key", "order_hash": asked.order_hash}
    answer = await again("POST", f"/v1/approvals/{asked.approval_id}/review", json=body)
    assert_problem(answer, 409, "ALREADY_VOTED")
    assert house.placed(intent) == []

    second = await house.say("ben", asked)
    assert (second.status_code, second.json()["status"]) == (200, "approved")
    assert (await house.handle(intent).result()).status == "filled"
    assert len(house.placed(intent)) == 1
    entries = [action for action, _ in await house.audited(asked.approval_id)]
    assert entries == ["approval_voted", "approval_voted", "approval_approved"]
    assert [event.event for event in await house.events(asked.approval_id)] == [
        *("approval_requested", "approval_voted", "approval_voted", "approval_approved"),
    ]
    async with house.database.transaction() as session:
        assert await audit.first_broken(session) is None


async def test_votes_when_somebody_would_change_them_then_the_database_refuses(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.say("anna", asked, approve=False)
    for statement in ("UPDATE approval_votes SET approved = true", "DELETE FROM approval_votes"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with house.database.engine.begin() as connection:
                await connection.execute(text(statement))
    assert [vote.approved for vote in await house.votes(asked.approval_id)] == [False]


async def test_proposer_when_approving_then_403_and_another_person_can(house: House) -> None:
    intent = await house.plan(quantity=100, proposed_by="api:anna/first-key")
    asked = await house.asked(intent)
    assert asked.reason == "ORDER_BY_HAND: proposer=api:anna/first-key, limit=one person"
    assert_problem(await house.say("anna", asked), 403, "FOUR_EYES")
    assert (await house.say("ben", asked)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"


async def test_proposer_when_the_house_is_one_persons_then_approves_alone_and_is_audited_as_such(
    house: House,
) -> None:
    await house.policy(solo=True)
    intent = await house.plan(quantity=100, proposed_by="api:anna/first-key")
    asked = await house.asked(intent)
    assert (await house.say("anna", asked)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"
    actions = [action for action, _ in await house.audited(asked.approval_id)]
    assert actions == ["approval_voted", "approval_approved_solo"]


async def test_approval_when_given_by_many_at_once_then_one_order_goes_out(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    signal = house.handle(intent).signal("approve", "by hand")
    answers = await asyncio.gather(*(house.say(name, asked) for name in ("anna", "ben", "anna", "ben")), signal)
    assert (await house.handle(intent).result()).status == "filled"
    assert len(house.placed(intent)) == 1
    assert len(await house.votes(asked.approval_id)) == 1
    assert {answer.status_code for answer in answers[:-1]} <= {200, 409}
    ends = [action for action, _ in await house.audited(asked.approval_id) if action != "approval_voted"]
    assert ends == ["approval_approved"]


async def test_price_when_it_leaves_the_band_while_waiting_then_the_order_is_asked_anew_at_the_new_price(
    house: House,
) -> None:
    await house.policy(price_look_seconds=1, expires_after_seconds=60)
    intent = await house.plan()
    old = await house.asked(intent)
    await house.price("55")
    new = await house.asked(intent, ask=2)
    assert (new.price, new.band_low, new.band_high) == (Decimal(55), Decimal("53.9"), Decimal("56.1"))
    assert (new.notional, new.replaces) == (Decimal(38_500), old.approval_id)
    assert_problem(await house.say("anna", old), 409, "APPROVAL_DECIDED")
    assert_problem(
        await house.people["anna"](
            "POST",
            f"/v1/approvals/{new.approval_id}/review",
            json={"approve": True, "reason": "replayed", "order_hash": old.order_hash},
        ),
        409,
        "ORDER_HASH_MISMATCH",
    )
    assert (await house.say("anna", new)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"
    assert len(house.placed(intent)) == 1
    assert [action for action, _ in await house.audited(old.approval_id)] == ["approval_voided"]


async def test_price_when_it_has_left_the_band_at_the_answer_then_409_and_it_is_asked_anew(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.price("40")
    problem = assert_problem(await house.say("anna", asked), 409, "PRICE_LEFT_BAND")
    assert "price=40, band=49 to 51" in problem["detail"]
    assert await house.votes(asked.approval_id) == []
    new = await house.asked(intent, ask=2)
    assert (await house.say("anna", new)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"
    assert [ticket.quantity for ticket in house.placed(intent)] == [Decimal(700)]


async def test_answer_when_the_price_moves_or_it_grows_old_before_sending_then_it_is_void(house: House) -> None:
    """The second look itself: the worker was away between the answer and the order."""
    intent = await house.plan()
    asked = await house.asked(intent)
    risk = house.platform.parts.risk_activities()
    async with house.database.transaction() as session:
        row = await approvals.require(session, asked.approval_id, lock=True)
        await approvals.conclude(
            session, row, ApprovalStatus.APPROVED, actor="api:anna/1", reason="yes", at=datetime.now(UTC)
        )
    request = RecheckRequest(
        intent_id=intent,
        symbol=house.symbol,
        decision_id=asked.decision_id,
        approval_id=asked.approval_id,
        as_of=datetime.now(UTC),
    )
    assert (await risk.recheck(request)).voided == ""
    late = request.model_copy(update={"as_of": request.as_of + timedelta(seconds=901)})
    first, again = await risk.recheck(late), await risk.recheck(late)
    assert first.voided.startswith("APPROVAL_TOO_OLD: age=90")
    assert again == first
    assert [action for action, _ in await house.audited(asked.approval_id)] == ["approval_approved", "approval_voided"]
    await house.handle(intent).terminate("by the test")


async def test_answer_when_the_policy_asks_more_people_since_then_it_is_void_and_they_are_asked(house: House) -> None:
    intent = await house.plan()
    old = await house.asked(intent)
    assert old.people == 1
    await house.policy(two_people_above=10_000)
    assert (await house.say("anna", old)).status_code == 200
    new = await house.asked(intent, ask=2)
    assert (new.people, new.replaces) == (2, old.approval_id)
    async with house.database.transaction() as session:
        voided = await approvals.require(session, old.approval_id)
    assert (voided.status, voided.decision_reason) == ("voided", "MORE_PEOPLE_NEEDED: asked=1, needed=2")
    assert house.placed(intent) == []
    assert (await house.say("anna", new)).json()["status"] == "pending"
    assert (await house.say("ben", new)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"
    assert len(house.placed(intent)) == 1


async def test_own_answer_when_the_house_is_no_longer_one_persons_then_it_is_void(house: House) -> None:
    await house.policy(solo=True)
    intent = await house.plan(proposed_by="api:anna/first-key")
    old = await house.asked(intent)
    await house.policy()
    assert (await house.say("anna", old)).status_code == 200
    new = await house.asked(intent, ask=2)
    assert_problem(await house.say("anna", new), 403, "FOUR_EYES")
    await house.say("ben", new, approve=False)


async def test_answer_when_real_money_is_at_stake_and_no_price_is_known_then_it_is_void(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.say("anna", asked)
    assert (await house.handle(intent).result()).status == "filled"
    parts = house.platform.parts
    live = RiskActivities(house.database, house.platform.broker, parts.prices, parts.calendar, mode="live")
    request = RecheckRequest(
        intent_id=intent,
        symbol=house.symbol,
        decision_id=asked.decision_id,
        approval_id=asked.approval_id,
        as_of=datetime.now(UTC),
    )
    report = await live.recheck(request)
    assert report.voided.startswith("PRICE_UNKNOWN: ")
    assert report.verdict.needs_approval


async def test_order_when_changed_by_hand_while_it_waits_then_every_answer_is_void_and_the_hand_cannot_approve(
    house: House,
) -> None:
    intent = await house.plan()
    old = await house.asked(intent)
    anna = caller(house.platform, await house.platform.key(Scope.TRADE_CONTROL, name="anna"))
    path, body = f"/v1/approvals/{old.approval_id}/amend", {"reason": "more", "order_hash": old.order_hash}
    for wrong, code in (({"quantity": "900.5"}, "QUANTITY_INVALID"), ({"quantity": "0"}, "REQUEST_INVALID")):
        assert_problem(await anna("POST", path, json=body | wrong), 422, code)
    answer = await anna("POST", path, json=body | {"quantity": "900", "order_hash": "another"})
    assert_problem(answer, 409, "ORDER_HASH_MISMATCH")
    assert_problem(await house.people["ben"]("POST", path, json=body | {"quantity": "900"}), 403, "SCOPE_MISSING")
    done = await anna("POST", path, json=body | {"quantity": "900"})
    assert (done.status_code, done.json()["status"]) == (200, "voided")
    assert_problem(await anna("POST", path, json=body | {"quantity": "900"}), 409, "APPROVAL_DECIDED")
    new = await house.asked(intent, ask=2)
    assert (new.quantity, new.proposers[0], new.proposers[1][:9]) == (Decimal(900), "engine", "api:anna/")
    assert new.order_hash != old.order_hash
    assert_problem(await house.say("anna", new), 403, "FOUR_EYES")
    assert (await house.say("ben", new)).json()["status"] == "approved"
    assert (await house.handle(intent).result()).status == "filled"
    assert [ticket.quantity for ticket in house.placed(intent)] == [Decimal(900)]


async def test_risk_when_the_ledger_shrank_since_then_the_smaller_order_is_sent_and_recorded(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.deposit(300_000)  # five percent of the equity are fewer shares
    assert (await house.say("anna", asked)).json()["status"] == "approved"
    outcome = await house.handle(intent).result()
    first, second = await house.verdicts(intent)
    assert (first.stage, first.outcome, first.allowed_quantity) == ("first", "allow", Decimal(700))
    assert (second.stage, second.outcome) == ("recheck", "clamp")
    assert 0 < second.allowed_quantity < 700
    assert [ticket.quantity for ticket in house.placed(intent)] == [second.allowed_quantity]
    assert Decimal(outcome.filled_quantity) == second.allowed_quantity


async def test_risk_when_the_ledger_grew_since_then_no_larger_order_is_sent(house: House) -> None:
    await house.deposit(300_000)
    await house.policy(notional_above=1_000)
    intent = await house.plan()
    asked = await house.asked(intent)
    assert 0 < asked.quantity < 700
    await house.deposit(10**9)
    assert (await house.say("anna", asked)).json()["status"] == "approved"
    await house.handle(intent).result()
    assert [ticket.quantity for ticket in house.placed(intent)] == [asked.quantity]


async def test_approval_when_given_while_paused_then_risk_denies_and_nothing_is_sent(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)

    async def switch(state: TradingState) -> None:
        async with house.database.transaction() as session:
            await control.change(session, wanted=state, reason="test", actor="test", at=datetime.now(UTC))

    await switch(TradingState.REDUCING)
    try:
        assert (await house.say("anna", asked)).json()["status"] == "approved"
        outcome = await house.handle(intent).result()
    finally:
        await switch(TradingState.ACTIVE)
    assert (outcome.status, outcome.reason.partition(":")[0]) == ("denied", "TRADING_PAUSED")
    assert house.placed(intent) == []
    assert [verdict.outcome for verdict in await house.verdicts(intent)] == ["allow", "deny"]


async def test_reduction_when_it_is_large_then_it_waits_for_nobody(house: House) -> None:
    bought = await house.plan(quantity=400)
    assert (await house.handle(bought).result()).status == "filled"
    await house.policy(notional_above=1, first_trade=2, conviction_below=1)
    sold = await house.plan(quantity=400, side=Side.SELL)
    assert (await house.handle(sold).result()).status == "filled"
    (verdict,) = await house.verdicts(sold)
    assert [rule["code"] for rule in verdict.approval_rules] == ["REDUCTION"]


async def test_question_when_half_its_time_is_over_then_the_audience_is_told_once(house: House) -> None:
    await house.policy(expires_after_seconds=4, escalation_audience="night-desk")
    intent = await house.plan()
    asked = await house.asked(intent)
    outcome = await house.handle(intent).result()
    assert outcome.status == "expired"
    told = [event for event in await house.events(asked.approval_id) if event.event == "approval_escalated"]
    assert [(event.body["audience"], event.body["symbol"]) for event in told] == [("night-desk", house.symbol)]
    assert [action for action, _ in await house.audited(asked.approval_id)] == [
        *("approval_escalated", "approval_expired"),
    ]
    assert_problem(await house.say("anna", asked), 409, "APPROVAL_DECIDED")


async def test_expire_when_a_workflow_has_gone_then_question_and_order_end_once(house: House) -> None:
    await house.policy(expires_after_seconds=1)
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.handle(intent).terminate("by the test")
    ops = caller(house.platform, await house.platform.key(Scope.OPS_WRITE, name="ops"))

    async def ended() -> bool:
        answer = await ops("POST", "/v1/approvals/actions/expire")
        assert answer.status_code == 200, answer.text
        return asked.approval_id in answer.json()["expired"] and intent in answer.json()["orders_closed"]

    await eventually(ended)
    assert (await ops("POST", "/v1/approvals/actions/expire")).json() == {"expired": [], "orders_closed": []}
    entries = await house.audited(asked.approval_id)
    assert [action for action, _ in entries] == ["approval_expired"]
    assert entries[0][1].startswith("api:ops/")
    assert_problem(await house.people["anna"]("POST", "/v1/approvals/actions/expire"), 403, "SCOPE_MISSING")


async def test_expire_when_a_replay_tells_the_time_then_409(house: House) -> None:
    told = caller(house.platform, mode="replay")
    assert_problem(await told("POST", "/v1/approvals/actions/expire"), 409, "TIME_IS_TOLD")


async def test_review_when_the_precondition_names_another_order_then_412(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    seen = await house.people["anna"]("GET", f"/v1/approvals/{asked.approval_id}")
    assert seen.headers["etag"] == f'"{asked.order_hash}"'
    answer = await house.say("anna", asked, headers={"If-Match": '"another"'})
    assert_problem(answer, 412, "VERSION_MISMATCH")
    answer = await house.say("anna", asked, approve=False, headers={"If-Match": seen.headers["etag"]})
    assert answer.json()["status"] == "declined"


async def test_expiry_when_several_and_the_worker_want_it_at_once_then_it_is_written_once(house: House) -> None:
    await house.policy(expires_after_seconds=2)
    intent = await house.plan()
    asked = await house.asked(intent)
    ops = caller(house.platform, await house.platform.key(Scope.OPS_WRITE, name="ops"))
    async with house.database.transaction() as session:  # the worker finds the row locked
        await approvals.require(session, asked.approval_id, lock=True)
        await asyncio.sleep(2.5)
    await asyncio.gather(*(ops("POST", "/v1/approvals/actions/expire") for _ in range(3)))
    assert (await house.handle(intent).result()).status == "expired"
    actions = [action for action, _ in await house.audited(asked.approval_id)]
    assert actions.count("approval_expired") == 1
    assert [event.event for event in await house.events(asked.approval_id)].count("approval_expired") == 1


async def test_plain_signal_when_the_policy_wants_names_then_it_declines_but_does_not_approve(house: House) -> None:
    await house.policy(signals_approve=False)
    intent = await house.plan()
    asked = await house.asked(intent)
    await house.handle(intent).signal("approve", "by nobody")
    assert (await house.say("anna", asked, approve=False)).json()["status"] == "declined"
    assert [vote.via for vote in await house.votes(asked.approval_id)] == ["update"]
    assert (await house.handle(intent).result()).status == "declined"


async def test_question_from_before_there_were_bands_when_rechecked_then_it_is_asked_anew(house: House) -> None:
    intent = await house.plan()
    asked = await house.asked(intent)
    async with house.database.transaction() as session:
        row = await session.get(Approval, asked.approval_id, with_for_update=True)
        assert row is not None
        row.band_low = row.band_high = row.price = None
        session.add(row)
    assert (await house.say("anna", asked)).status_code in (200, 409)
    new = await house.asked(intent, ask=2)
    assert new.price == Decimal(50)
    await house.say("anna", new, approve=False)
