"""A pause is acknowledged when nothing that it forbids can arrive any more, whatever died meanwhile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from activities.orders import LEAVES_WITHIN, OrderActivities
from domain.broker import BrokerOrder, OrderTicket
from domain.decisions import Side, TradingState
from domain.errors import VendorRejected, VendorUnavailable
from domain.submission import LONGEST_IN_FLIGHT
from store import control, submissions
from tests.broker.office import Office
from tests.broker.test_submission import Wrapped

pytestmark = pytest.mark.stack

REDUCING, HALTED = TradingState.REDUCING, TradingState.HALTED


async def _say(books: Office, state: TradingState = REDUCING) -> None:
    async with books.database.transaction() as session:
        await control.change(session, wanted=state, reason="test", actor="test", at=books.now)


async def _under_way(books: Office, state: TradingState = REDUCING) -> list[str]:
    async with books.database.transaction() as session:
        return await control.under_way(session, wanted=state, at=books.now)


async def test_order_when_let_out_and_not_heard_of_then_under_way_until_no_request_can_last_so_long(
    books: Office,
) -> None:
    await books.intend("a1")
    assert await _under_way(books) == []
    await books.prepare("a1")
    assert await _under_way(books) == await _under_way(books, HALTED) == ["so-paper-a1"]
    assert await _under_way(books, TradingState.ACTIVE) == []
    books.now += LONGEST_IN_FLIGHT - timedelta(seconds=1)
    assert await _under_way(books) == ["so-paper-a1"]
    books.now += timedelta(seconds=1)
    assert await _under_way(books) == []


async def test_order_when_the_broker_answered_then_not_under_way(books: Office) -> None:
    await books.intend("a1")
    await books.submit("a1")
    assert await _under_way(books) == []
    await books.intend("a2", quantity="9999999")
    with pytest.raises(VendorRejected):
        await books.submit("a2")
    assert await _under_way(books) == []
    await books.intend("a3")
    await books.prepare("a3")
    await books.place_past_us("a3")
    assert await _under_way(books) == ["so-paper-a3"]
    await books.sync("a3")
    assert await _under_way(books) == []


async def test_sale_when_under_way_then_it_counts_for_a_halt_alone(books: Office) -> None:
    await books.intend("a1")
    await books.trade("a1")
    await books.intend("a2", side=Side.SELL)
    real, books.broker = books.broker, Wrapped(books.broker, place=_lost)
    with pytest.raises(VendorUnavailable):
        await books.submit("a2")
    books.broker = real
    assert (await _under_way(books), await _under_way(books, HALTED)) == ([], ["so-paper-a2"])


async def _lost(ticket: OrderTicket) -> BrokerOrder:
    raise VendorUnavailable("BROKER_UNREACHABLE")


async def test_pause_when_said_between_the_last_look_and_the_letting_out_then_nothing_is_posted(
    books: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OrderActivities._cut

    async def cut(desk: OrderActivities, *arguments: Any) -> Any:
        await _say(books)
        return await real(desk, *arguments)

    monkeypatch.setattr(OrderActivities, "_cut", cut)
    await books.intend("a1")
    assert (await books.submit("a1")).status == "denied"
    assert await books.broker.find("so-paper-a1") is None
    assert (await books.order("a1")).sent_at is None


async def test_post_when_the_process_slept_after_it_was_noted_then_it_is_not_made(
    books: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.intend("a1")
    begun, real = books.now, submissions.let_out

    async def let_out(*arguments: Any, **options: Any) -> Any:
        before = await real(*arguments, **options)
        books.now += LEAVES_WITHIN + timedelta(seconds=1)
        return before

    monkeypatch.setattr(submissions, "let_out", let_out)
    with pytest.raises(VendorUnavailable, match="ORDER_MAY_BE_IN_FLIGHT"):
        await books.submit("a1")
    assert (await books.order("a1")).sent_at == begun
    assert await books.broker.find("so-paper-a1") is None


async def test_pause_when_a_post_lies_about_and_every_connection_to_the_database_dies_then_it_is_waited_for(
    books: Office,
) -> None:
    books.client.told("faults", {"kind": "hang_before_commit", "seconds": 2.0})
    await books.intend("a1")
    sending = asyncio.create_task(books.submit("a1"))
    while not await _under_way(books):
        await asyncio.sleep(0.02)
    async with books.database.engine.connect() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await _insist(lambda: _say(books))
    assert await books.broker.find("so-paper-a1") is None  # the state is in force, the post still lies about
    left = await _insist(
        lambda: control.await_arrivals(books.database, wanted=REDUCING, now=lambda: books.now, patience=0.2)
    )
    assert left == ["so-paper-a1"]
    waited = asyncio.create_task(
        control.await_arrivals(books.database, wanted=REDUCING, now=lambda: books.now, patience=30)
    )
    await asyncio.gather(sending, return_exceptions=True)
    await books.sync("a1")
    assert await waited == []
    seen = await books.broker.find("so-paper-a1")
    assert seen is not None
    assert seen.quantity == Decimal(10)
    assert await books.positions() == {"AAPL": Decimal(10)}


async def _insist(call: Any) -> Any:
    """Ask again where a connection of the pool was dead."""
    while True:
        try:
            return await call()
        except (SQLAlchemyError, OSError):
            await asyncio.sleep(0.05)
