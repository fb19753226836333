"""The comparison on a real database and a running broker: adopted once, told once, others left alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from alpaca.trading.enums import TimeInForce

from domain.broker import OrderType
from domain.decisions import Side
from domain.portfolio import OrderStatus
from domain.reconciliation import DifferenceKind, Treatment
from domain.submission import LONGEST_IN_FLIGHT, TIME_TO_LIVE
from store import reconciliations
from tests.broker.office import Office
from tests.paper_broker.harness import bar

pytestmark = pytest.mark.stack


async def _prepared(books: Office, name: str = "a1") -> None:
    """An order row that was committed and let out, of which nobody knows what became."""
    await books.intend(name)
    await books.prepare(name)


async def test_comparison_when_everything_was_booked_then_clean_and_nothing_changes(books: Office) -> None:
    await books.intend("a1")
    assert (await books.trade("a1")).status == "filled"
    report = await books.reconcile()
    assert (report.clean, report.mismatches, report.adopted, report.changed_intents) == (True, 0, 0, ())
    assert await books.differences() == []
    assert await books.positions() == {"AAPL": Decimal(10)}


async def test_comparison_when_an_order_arrived_unheard_then_its_fills_and_state_are_adopted_once(
    books: Office,
) -> None:
    await _prepared(books)
    await books.place_past_us("a1")
    first = await books.reconcile()
    assert (first.clean, first.changed_intents) == (True, ("a1",))
    order = await books.order("a1")
    assert (order.status, order.filled_quantity) == ("filled", Decimal(10))
    assert await books.positions() == {"AAPL": Decimal(10)}
    second = await books.reconcile()
    assert (second.adopted, len(await books.fills())) == (0, 1)
    kinds = {row.kind for row in await books.differences()}
    assert kinds == {DifferenceKind.MISSING_FILL, DifferenceKind.STATUS_MISMATCH}
    assert len(await books.events("reconciliation_difference")) == 2
    assert len(await books.events("order_filled")) == 1


async def test_comparison_when_asked_twice_under_one_id_then_there_is_one_run(books: Office) -> None:
    first = await books.reconcile("same")
    await books.intend("a1")
    await books.trade("a1")
    assert await books.reconcile("same") == first
    async with books.database.transaction() as session:
        assert len(await reconciliations.list_recent(session, limit=10)) == 1


async def test_comparisons_when_several_run_at_a_time_with_a_sync_then_every_execution_is_booked_once(
    books: Office,
) -> None:
    await _prepared(books)
    await books.place_past_us("a1")
    await asyncio.gather(books.reconcile(), books.sync("a1"), books.reconcile(), books.sync("a1"))
    assert len(await books.fills()) == 1
    assert await books.positions() == {"AAPL": Decimal(10)}
    async with books.database.transaction() as session:
        runs = await reconciliations.list_recent(session, limit=10)
    assert [run.clean for run in runs] == [True, True]


async def test_missing_order_when_missed_twice_after_its_time_to_live_then_given_up_and_found_when_it_arrives(
    books: Office,
) -> None:
    await _prepared(books)
    books.later(seconds=(TIME_TO_LIVE + timedelta(seconds=1)).total_seconds())
    await books.reconcile()
    assert (await books.order("a1")).abandoned_at is None
    books.later(seconds=LONGEST_IN_FLIGHT.total_seconds())
    await books.reconcile()
    order = await books.order("a1")
    assert (order.abandoned_at, order.status) == (books.now, "unknown")
    progress = await books.sync("a1")
    assert (progress.status, progress.closed) == ("abandoned", True)
    await books.place_past_us("a1")  # the post was under way all the time
    books.later(minutes=1)
    report = await books.reconcile()
    late = (await books.differences(DifferenceKind.LATE_ORDER))[0]
    assert (late.treatment, report.clean) == (Treatment.ADOPTED, True)
    assert (await books.order("a1")).status == "filled"
    assert await books.positions() == {"AAPL": Decimal(10)}
    urgent = [body for body in await books.events("reconciliation_difference") if body["urgent"]]
    assert [body["kind"] for body in urgent] == ["late_order"]


async def test_late_order_when_nobody_follows_it_then_the_sweep_closes_its_intent_when_it_ends(books: Office) -> None:
    await _prepared(books)
    await books.change_order("a1", abandoned_at=books.now)
    await books.run("UPDATE order_intents SET state = 'abandoned'")
    await books.place_past_us("a1", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    await books.auditor.tell_orders(await books.reconcile())
    assert (await books.intent_state("a1"), (await books.order("a1")).status) == ("open", "accepted")
    await books.broker.cancel((await books.order("a1")).broker_order_id)
    assert await books.auditor.tell_orders(await books.reconcile()) == 0
    assert await books.intent_state("a1") == OrderStatus.CANCELED.value


async def test_orders_when_their_workflows_run_then_they_are_told_and_close_their_intents_themselves(
    books: Office,
) -> None:
    await _prepared(books)
    await books.place_past_us("a1")
    books.flows.running.add("a1")
    assert await books.auditor.tell_orders(await books.reconcile()) == 1
    assert (books.flows.told, await books.intent_state("a1")) == (["a1"], "open")


async def test_foreign_holdings_when_the_owner_trades_too_then_they_are_recorded_once_and_never_touched(
    books: Office,
) -> None:
    await books.intend("a1")
    await books.trade("a1")
    books.client.market("buy", "AAPL", qty=3, client_order_id="by-hand-1")
    books.client.market("buy", "MSFT", qty=4, client_order_id="by-hand-2")
    resting = books.client.limit("buy", 50, "MSFT", client_order_id="by-hand-3", time_in_force=TimeInForce.GTC)
    first = await books.reconcile()
    second = await books.reconcile()
    assert (first.clean, second.clean) == (True, True)
    assert await books.foreign() == {"AAPL": Decimal(3), "MSFT": Decimal(4)}
    assert await books.positions() == {"AAPL": Decimal(10)}
    assert books.client.status(resting) == "new"
    found = sorted((row.kind, row.symbol) for row in await books.differences())
    assert found == [("foreign_order", "MSFT"), ("foreign_position", "AAPL"), ("foreign_position", "MSFT")]
    assert len(await books.events("reconciliation_difference")) == 3
    books.client.sdk.cancel_order_by_id(resting.id)
    await books.reconcile()
    assert all(row.resolved_at is not None for row in await books.differences("foreign_order"))


async def test_position_when_the_owner_sells_shares_of_ours_then_alarmed_and_the_book_stays(books: Office) -> None:
    await books.intend("a1")
    await books.trade("a1")
    assert (await books.reconcile()).clean
    books.client.market("sell", "AAPL", qty=4, client_order_id="by-hand-1")
    report = await books.reconcile()
    assert (report.clean, report.mismatches) == (False, 1)
    assert await books.positions() == {"AAPL": Decimal(10)}
    async with books.database.transaction() as session:
        health = await reconciliations.health(session, books.now)
    assert health.mismatch
    books.client.market("buy", "AAPL", qty=4, client_order_id="by-hand-2")
    assert (await books.reconcile()).clean
    async with books.database.transaction() as session:
        assert not (await reconciliations.health(session, books.now)).mismatch


async def test_unknown_order_when_it_carries_our_prefix_then_alarmed_once_over_many_runs(books: Office) -> None:
    await books.place_past_us("nobody", type=OrderType.LIMIT, limit_price=Decimal(50), time_in_force="gtc")
    for _ in range(3):
        books.later(minutes=15)
        assert not (await books.reconcile()).clean
    rows = await books.differences(DifferenceKind.UNKNOWN_ORDER)
    assert len(rows) == 1
    assert rows[0].resolved_at is None
    assert rows[0].last_seen_at - rows[0].first_seen_at == timedelta(minutes=30)
    assert len(await books.events("reconciliation_difference")) == 1


async def test_cash_when_something_moved_it_that_no_activity_names_then_alarmed_until_it_is_explained(
    books: Office,
) -> None:
    await books.reconcile()
    await books.run(
        "INSERT INTO broker_activities (activity_id, kind, day, symbol, quantity, cash, ours, seen_at)"
        " VALUES ('lost', 'FEE', '2024-03-04', '', 0, -5, false, '2024-03-04T15:00:00Z')"
    )
    await books.intend("a1")
    await books.trade("a1")
    assert not (await books.reconcile()).clean
    assert not (await books.reconcile()).clean
    assert len(await books.differences(DifferenceKind.CASH_MISMATCH)) == 1
    await books.run("DELETE FROM broker_activities WHERE activity_id = 'lost'")
    assert (await books.reconcile()).clean


async def test_split_when_the_broker_booked_it_and_the_book_has_not_then_it_is_applied(books: Office) -> None:
    await books.intend("a1")
    await books.trade("a1")
    await books.reconcile()
    await books.run(
        "INSERT INTO corporate_actions (symbol, ex_date, cash_dividend, split_ratio)"
        " VALUES ('AAPL', '2024-03-05', 0, 2)"
    )
    books.client.closed(bar("AAPL", "100"))
    tuesday = books.now.date() + timedelta(days=1)
    action = {"symbol": "AAPL", "split_ratio": "2", "cash_dividend": "0"}
    books.client.opened(bar("AAPL", "50"), day=tuesday, actions=[action])
    books.later(days=1)
    report = await books.reconcile()
    assert report.clean
    assert await books.positions() == {"AAPL": Decimal(20)}
    assert (await books.reconcile()).adopted == 0


async def test_first_comparison_when_shares_are_there_already_then_they_are_the_owners(books: Office) -> None:
    books.client.market("buy", "AAPL", qty=7, client_order_id="by-hand-1")
    assert (await books.reconcile()).clean
    assert await books.foreign() == {"AAPL": Decimal(7)}
    await books.intend("a1", quantity="5")
    await books.trade("a1")
    assert (await books.reconcile()).clean
    assert await books.positions() == {"AAPL": Decimal(5)}
    await books.intend("a2", side=Side.SELL, quantity="5")
    await books.trade("a2")
    assert (await books.reconcile()).clean
    assert (await books.positions(), await books.foreign()) == ({}, {"AAPL": Decimal(7)})


async def test_health_when_the_broker_failed_then_only_recent_failures_up_to_the_instant_count(books: Office) -> None:
    async with books.database.transaction() as session:
        for minutes in (-1, 10, 59, 61):
            await reconciliations.record_failure(session, code="X", at=books.now - timedelta(minutes=minutes))
    async with books.database.transaction() as session:
        health = await reconciliations.health(session, books.now)
    assert [books.now - at for at in health.broker_errors] == [timedelta(minutes=59), timedelta(minutes=10)]
    assert (health.last_run_at, health.last_clean_at, health.mismatch) == (None, None, False)
