"""A difference that a person accepts: booked once, four eyes, and an alarm again when it changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select

from activities.accepting import AcceptanceActivities
from domain.acceptance import (
    AcceptanceReport,
    AcceptanceStatus,
    AcceptDifference,
    AcceptDifferenceStep,
    DeclineDifference,
    DeclineDifferenceStep,
    share_adjustment,
)
from domain.broker import OrderType
from domain.config import TradingConfig
from domain.decisions import Side
from domain.errors import Conflict, NotFound
from domain.reconciliation import DifferenceKind, Treatment
from store import accounting, audit, config, reconciliations
from store.tables.accounting import CashEntryRow, PositionAdjustment
from store.tables.broker import DifferenceAcceptance
from store.tables.trading import Position
from tests.broker.office import Office

pytestmark = pytest.mark.stack

D = Decimal
ANNA, BEN = "api:anna/1", "api:ben/2"


@pytest.fixture
async def alarmed(books: Office) -> Office:
    """Ten shares of ours, of which the owner has sold four by hand, and a comparison that says so."""
    await books.run("TRUNCATE difference_acceptances CASCADE")
    await books.intend("a1")
    await books.trade("a1")
    await books.reconcile()
    books.client.market("sell", "AAPL", qty=4, client_order_id="by-hand-1")
    assert not (await books.reconcile("seen")).clean
    return books


async def _standing(books: Office, kind: str = DifferenceKind.POSITION_MISMATCH) -> Any:
    (found,) = [each for each in await books.differences(kind) if each.resolved_at is None]
    return found


async def _accept(
    books: Office, actor: str, *, difference: str = "", run: str = "seen", kind: str = DifferenceKind.POSITION_MISMATCH
) -> AcceptanceReport:
    wanted = difference or (await _standing(books, kind)).difference_id
    command = AcceptDifference(reason="we sold them", actor=actor, reconciliation_id=run, difference_id=wanted)
    step = AcceptDifferenceStep(command=command, key=f"{actor}/{books.now.isoformat()}", as_of=books.now)
    return await AcceptanceActivities(books.database).accept_difference(step)


async def _decline(books: Office, actor: str, *, difference: str = "") -> AcceptanceReport:
    wanted = difference or (await _standing(books)).difference_id
    command = DeclineDifference(reason="they are there", actor=actor, reconciliation_id="seen", difference_id=wanted)
    step = DeclineDifferenceStep(command=command, key=f"{actor}/{books.now.isoformat()}", as_of=books.now)
    return await AcceptanceActivities(books.database).decline_difference(step)


async def _entries(books: Office) -> list[CashEntryRow]:
    async with books.database.transaction() as session:
        return list(await session.exec(select(CashEntryRow).where(CashEntryRow.kind == "adjustment")))


async def _acceptances(books: Office) -> list[str]:
    async with books.database.transaction() as session:
        return [row.status for row in await session.exec(select(DifferenceAcceptance))]


async def test_shares_when_two_people_accept_that_they_are_gone_then_position_lots_and_ledger_say_so_once(
    alarmed: Office,
) -> None:
    alarmed.later(minutes=1)
    first = await _accept(alarmed, ANNA)
    assert (first.status, await alarmed.positions()) == (AcceptanceStatus.PENDING, {"AAPL": D(10)})
    assert (await _accept(alarmed, ANNA)).status is AcceptanceStatus.PENDING
    difference = (await _standing(alarmed)).difference_id
    done = await _accept(alarmed, BEN)
    assert (done.status, done.acceptance_id) == (AcceptanceStatus.ACCEPTED, first.acceptance_id)
    assert done.booked == "4 shares of AAPL left the position, 400 dollars of cost"
    assert await _accept(alarmed, ANNA, difference=difference) == done
    async with alarmed.database.transaction() as session:
        position = await session.get_one(Position, "AAPL")
        assert (position.quantity, position.average_price, position.realized_pnl) == (D(6), D(100), D(0))
        (lot,) = await accounting.open_lots(session, symbol="AAPL")
        assert (lot.quantity, lot.cost) == (D(6), D(600))
        (closing,) = await accounting.closings(session, symbol="AAPL")
        assert (closing.quantity, closing.gain) == (D(4), D(0))
        (adjusted,) = (await session.exec(select(PositionAdjustment))).all()
        assert (adjusted.quantity, adjusted.price, adjusted.actor, adjusted.reason) == (
            D(4),
            D(100),
            BEN,
            "we sold them",
        )
        assert await audit.first_broken(session) is None
    (entry,) = await _entries(alarmed)
    assert (entry.amount, entry.symbol, entry.note) == (
        D(400),
        "AAPL",
        "4 shares that are not there any more: we sold them",
    )
    assert len(await alarmed.events("difference_accepted")) == 1
    assert (await alarmed.reconcile()).clean
    assert (await _acceptances(alarmed), len(await _entries(alarmed))) == (["voided"], 1)
    async with alarmed.database.transaction() as session:
        assert not (await reconciliations.health(session, alarmed.now)).mismatch


async def test_shares_when_sold_and_bought_after_an_adjustment_then_lots_stay_the_position(alarmed: Office) -> None:
    await _accept(alarmed, ANNA)
    await _accept(alarmed, BEN)
    alarmed.later(minutes=1)
    await alarmed.intend("a2", side=Side.SELL, quantity="5")
    await alarmed.trade("a2")
    await alarmed.intend("a3", quantity="2")
    await alarmed.trade("a3")
    assert await alarmed.positions() == {"AAPL": D(3)}
    async with alarmed.database.transaction() as session:
        assert sum(lot.quantity for lot in await accounting.open_lots(session, symbol="AAPL")) == D(3)
    assert (await alarmed.reconcile()).clean


async def test_difference_when_it_changes_before_a_second_person_accepts_then_the_acceptance_is_void(
    alarmed: Office,
) -> None:
    await _accept(alarmed, ANNA)
    before = (await _standing(alarmed)).difference_id
    alarmed.client.market("sell", "AAPL", qty=1, client_order_id="by-hand-2")
    assert not (await alarmed.reconcile("later")).clean
    assert await _acceptances(alarmed) == ["voided"]
    with pytest.raises(Conflict, match="DIFFERENCE_CHANGED"):
        await _accept(alarmed, BEN, difference=before)
    with pytest.raises(Conflict, match="DIFFERENCE_CHANGED"):  # it was not in the comparison that was looked at
        await _accept(alarmed, BEN)
    assert (await _accept(alarmed, BEN, run="later")).status is AcceptanceStatus.PENDING
    assert await alarmed.positions() == {"AAPL": D(10)}


async def test_acceptance_when_one_runs_the_house_alone_then_it_is_in_force_at_once_and_the_audit_log_says_so(
    alarmed: Office,
) -> None:
    settings = TradingConfig()
    solo = settings.model_copy(update={"approval": settings.approval.model_copy(update={"solo": True})})
    async with alarmed.database.transaction() as session:
        await config.put(session, solo, created_at=alarmed.now, created_by="test", reason="alone")
    try:
        assert (await _accept(alarmed, ANNA)).status is AcceptanceStatus.ACCEPTED
        (event,) = await alarmed.events("difference_accepted")
        assert (event["solo"], event["proposed_by"]) == (True, ANNA)
    finally:
        async with alarmed.database.transaction() as session:
            await config.put(session, settings, created_at=alarmed.now, created_by="test", reason="again two")


async def test_cash_when_accepted_then_it_stands_in_the_ledger_and_another_gap_is_an_alarm_again(
    alarmed: Office,
) -> None:
    await _accept(alarmed, ANNA)
    await _accept(alarmed, BEN)
    missing = (
        "INSERT INTO broker_activities (activity_id, kind, day, symbol, quantity, cash, ours, seen_at)"
        " VALUES ('{0}', 'FEE', '2024-03-04', '', 0, {1}, false, '2024-03-04T15:00:00Z')"
    )
    await alarmed.run(missing.format("lost", -5))
    assert not (await alarmed.reconcile("cash")).clean
    for person in (ANNA, BEN):
        done = await _accept(alarmed, person, run="cash", kind=DifferenceKind.CASH_MISMATCH)
    assert (done.status, done.booked) == (AcceptanceStatus.ACCEPTED, "5 dollars in the cash ledger")
    assert [entry.amount for entry in await _entries(alarmed) if not entry.symbol] == [D(5)]
    assert (await alarmed.reconcile()).clean
    await alarmed.run(missing.format("another", -7))
    assert not (await alarmed.reconcile()).clean
    assert (await _standing(alarmed, DifferenceKind.CASH_MISMATCH)).detail.startswith("7 dollars")


async def test_difference_that_cannot_be_booked_when_accepted_then_no_alarm_until_it_changes(books: Office) -> None:
    await books.run("TRUNCATE difference_acceptances CASCADE")
    await books.place_past_us("nobody", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    assert not (await books.reconcile("seen")).clean
    for person in (ANNA, BEN):
        await _accept(books, person, kind=DifferenceKind.UNKNOWN_ORDER)
    for _ in range(2):
        report = await books.reconcile()
        assert (report.clean, report.mismatches) == (True, 0)
    (row,) = await books.differences(DifferenceKind.UNKNOWN_ORDER)
    assert (row.treatment, row.resolved_at) == (Treatment.ACCEPTED, None)
    books.client.sdk.cancel_orders()
    assert not (await books.reconcile()).clean
    assert await _acceptances(books) == ["voided"]


@pytest.mark.parametrize("person", [ANNA, BEN])
async def test_acceptance_when_declined_then_nothing_is_booked_and_it_can_be_accepted_anew(
    alarmed: Office, person: str
) -> None:
    with pytest.raises(Conflict, match="ACCEPTANCE_NOT_PENDING"):
        await _decline(alarmed, person)
    alarmed.later(seconds=1 if person == ANNA else 2)  # the audit log keeps what either did
    first = await _accept(alarmed, ANNA)
    done = await _decline(alarmed, person)
    assert (done.status, done.acceptance_id, done.booked) == (AcceptanceStatus.DECLINED, first.acceptance_id, "")
    assert await _decline(alarmed, person) == done, "a step that is repeated finds what it did"
    assert await _acceptances(alarmed) == ["declined"]
    assert (await alarmed.positions(), await _entries(alarmed)) == ({"AAPL": D(10)}, [])
    (event,) = await alarmed.events("difference_acceptance_declined")
    assert (event["actor"], event["proposed_by"], event["reason"]) == (person, ANNA, "they are there")
    async with alarmed.database.transaction() as session:
        (entry,) = await audit.list_entries(session, limit=1, action="difference_acceptance_declined")
        assert (entry.actor, entry.body["proposed_by"]) == (person, ANNA)
    assert not (await alarmed.reconcile("seen again")).clean
    alarmed.later(minutes=1)
    with pytest.raises(Conflict, match="ACCEPTANCE_NOT_PENDING"):
        await _decline(alarmed, person)
    assert (await _accept(alarmed, BEN)).status is AcceptanceStatus.PENDING
    assert (await _accept(alarmed, ANNA)).status is AcceptanceStatus.ACCEPTED
    with pytest.raises(Conflict, match="DIFFERENCE_CHANGED"):
        await _decline(alarmed, BEN, difference=done.difference_id)


async def test_acceptance_when_nobody_signed_or_nothing_is_there_then_refused(alarmed: Office) -> None:
    with pytest.raises(Conflict, match="ACTOR_UNKNOWN"):
        await _accept(alarmed, "temporal-cli")
    with pytest.raises(NotFound, match="DIFFERENCE_NOT_FOUND"):
        await _accept(alarmed, ANNA, difference="abc")
    with pytest.raises(NotFound, match="RECONCILIATION_NOT_FOUND"):
        await _accept(alarmed, ANNA, run="never")
    with pytest.raises(Conflict, match="ACTOR_UNKNOWN"):
        await _decline(alarmed, "temporal-cli")
    with pytest.raises(NotFound, match="DIFFERENCE_NOT_FOUND"):
        await _decline(alarmed, ANNA, difference="abc")
    assert await _acceptances(alarmed) == []


@pytest.mark.parametrize(
    ("held", "ours", "broker", "gone", "foreign"),
    [
        ("10", "10", "6", "4", "0"),
        ("10", "10", "13", "0", "3"),
        ("3", "10", "6", "3", "-1"),
        ("10", "10", "-2", "10", "-2"),
    ],
)
def test_share_adjustment_when_made_then_both_sides_are_equal(
    held: str, ours: str, broker: str, gone: str, foreign: str
) -> None:
    change = share_adjustment(symbol="AAPL", held=D(held), ours=D(ours), broker=D(broker))
    assert (change.gone, change.foreign) == (D(gone), D(foreign))
    assert D(ours) - change.gone + change.foreign == D(broker)
