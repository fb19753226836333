"""Lots and cash entries are written with what they follow from, in a real database."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import select

from domain.cash import CashEntry, CashKind
from domain.decisions import Side
from domain.errors import Conflict
from domain.lots import held
from store import accounting, cash_ledger, portfolio
from store.tables.accounting import CashEntryRow, LotRow
from store.tables.trading import FillRow

from .book import Book
from .builders import at, bought, figures, sold

pytestmark = pytest.mark.stack

D = Decimal


async def test_fills_when_booked_then_lots_money_and_position_say_the_same(book: Book) -> None:
    assert (
        await book.fill(bought(100, "10", 0, fee=D(1)), bought(50, "12", 1, fee=D(1)), sold(120, "15", 2, fee=D(2)))
        == 3
    )
    assert figures(tuple(await book.lots())) == [("buy-1", D(30), D("360.60"))]
    assert sum(each.gain for each in await book.closings()) == D("556.60")
    position = await book.position()
    assert position.quantity == 30
    assert await book.balance() == D("-1001") - D("601") + D("1798")
    assert position.realized_pnl - await book.balance() == position.quantity * position.average_price
    kinds = [(row.kind, row.amount) for row in await book.entries()]
    assert sorted(kinds) == [
        ("fee", -2), ("fee", -1), ("fee", -1), ("fill", -1000), ("fill", -600), ("fill", 1800),
    ]  # fmt: skip


async def test_fill_when_reported_again_then_nothing_changes(book: Book) -> None:
    await book.fill(bought(10, "10"), sold(4, "11", 1))
    before = (await book.lots(), await book.closings(), await book.balance())
    assert await book.fill(bought(10, "10"), sold(4, "11", 1)) == 0
    assert (await book.lots(), await book.closings(), await book.balance()) == before


async def test_fill_when_the_transaction_fails_then_neither_lot_nor_entry_stays(book: Book) -> None:
    order_id = await book.order("x", symbol="ACME", side=Side.BUY, quantity=D(1))
    with pytest.raises(Conflict):
        async with book.database.transaction() as session:
            await portfolio.book_fills(
                session, order_id=order_id, fills=[bought(1, "1"), sold(2, "1", 1)], booked_at=at(1)
            )
    assert await book.lots() == []
    assert await book.entries() == []


@pytest.mark.parametrize("seed", range(4))
async def test_fills_when_they_arrive_late_then_the_lots_are_those_of_the_order_of_time(book: Book, seed: int) -> None:
    """Purchases alone may arrive in any order; so may what is sold of them, once they are there."""
    purchases = [bought(10 + number, str(20 + number), number) for number in range(5)]
    sales = [sold(7, "30", 6), sold(9, "29", 7), sold(20, "31", 8)]
    await book.fill(*purchases, *sales)
    wanted = (await book.lots(), await book.closings())
    async with book.database.transaction() as session:
        connection = await session.connection()
        await connection.execute(
            text("TRUNCATE lots, lot_closings, cash_entries, fills, orders, order_intents, positions CASCADE")
        )
    shuffle = random.Random(seed)
    shuffle.shuffle(purchases)
    shuffle.shuffle(sales)
    await book.fill(*purchases[:4], *sales[:2], purchases[4], sales[2])
    assert (await book.lots(), await book.closings()) == wanted
    assert held(await book.lots()) == (await book.position()).quantity


async def test_fill_when_it_belongs_before_a_split_already_booked_then_the_lots_stay_the_position(book: Book) -> None:
    await book.fill(bought(10, "700", 0))
    await book.act(date(2024, 1, 4), at(2) - timedelta(hours=1), ratio="7")
    await book.fill(bought(5, "710", 1))
    assert (await book.position()).quantity == 75
    assert held(await book.lots()) == 75


async def test_actions_when_applied_then_dividend_is_entered_and_lots_are_split_once(book: Book) -> None:
    await book.fill(bought(3, "651.49", 0), bought(4, "600", 1))
    for _ in range(2):
        await book.act(date(2024, 1, 4), at(2), ratio="7", dividend="0.47")
    assert figures(tuple(await book.lots())) == [("buy-0", D(21), D("1954.47")), ("buy-1", D(28), D(2400))]
    paid = [row for row in await book.entries() if row.kind == "dividend"]
    assert [(row.source_id, row.amount) for row in paid] == [("ACME/2024-01-04", D("3.29"))]
    async with book.database.transaction() as session:
        assert await accounting.realized_by_lots(session) == {"ACME": D("3.29")}


async def test_money_when_the_account_is_first_recorded_then_what_was_there_is_entered_once(book: Book) -> None:
    await book.fill(bought(100, "10", 0, fee=D(1)))
    await book.mark(at(1), "98999", ACME="11")
    await book.mark(at(2), "99500", ACME="12")
    opening = [row for row in await book.entries() if row.source_id == "opening"]
    assert [(row.kind, row.amount, row.occurred_at) for row in opening] == [("transfer_in", D(100_000), at(0))]
    assert await book.balance() == 98999


async def test_money_when_the_first_cash_is_explained_then_what_comes_later_is_no_opening(book: Book) -> None:
    deposit = CashEntry(kind=CashKind.TRANSFER_IN, source_id="CSD-1", amount=D(1000), occurred_at=at(0))
    async with book.database.transaction() as session:
        await accounting.record(session, [deposit], recorded_at=at(0))
    for _ in range(2):
        await book.mark(at(1), "1000")
    await book.mark(at(2), "1500")
    assert [(row.source_id, row.amount) for row in await book.entries()] == [("CSD-1", D(1000))]


async def test_snapshot_when_orders_are_open_then_buckets_sum_to_the_cash(book: Book) -> None:
    await book.fill(bought("33.333333333", "29.999999", 0))
    await book.order("open", symbol="OTHR", side=Side.BUY, quantity=D(7), status="open")
    row = await book.mark(at(1), "100000.123456", ACME="31.234567")
    buckets = (row.reserve, row.floor, row.reservations, row.deployable)
    assert sum(each for each in buckets if each is not None) == row.cash == D("100000.123456")
    assert row.reservations == 350
    assert row.floor is not None
    assert row.floor >= row.equity * D("0.15") - D("0.000001")
    assert row.net_exposure == row.gross_exposure
    assert list(row.sectors) == ["unknown"]
    assert abs(D(row.sectors["unknown"]) - row.gross_exposure) < D("0.000001")


async def test_ledger_when_somebody_changes_it_then_the_database_refuses(book: Book) -> None:
    await book.fill(bought(1, "1"))
    for statement in ("UPDATE cash_entries SET amount = 5", "DELETE FROM cash_entries"):
        async with book.database.engine.connect() as connection:
            with pytest.raises(DBAPIError, match="APPEND_ONLY"):
                await connection.execute(text(statement))
    assert await book.balance() == -1


async def test_entry_when_recorded_twice_then_it_stands_once(book: Book) -> None:
    entry = CashEntry(kind=CashKind.INTEREST, source_id="2024-01", amount=D("1.25"), occurred_at=at(3))
    async with book.database.transaction() as session:
        assert await accounting.record(session, [entry], recorded_at=at(4)) == 1
        assert await accounting.record(session, [entry], recorded_at=at(5)) == 0
        assert await accounting.entries(session) == [entry]
        assert await cash_ledger.balances(session) == {CashKind.INTEREST: D("1.25")}


async def test_fractions_when_booked_then_nothing_is_rounded(book: Book) -> None:
    await book.fill(bought("0.123456789", "99.999999", 0), sold("0.023456789", "101.010101", 1))
    assert await book.balance() == D("-0.123456789") * D("99.999999") + D("0.023456789") * D("101.010101")
    async with book.database.transaction() as session:
        kept = (await session.exec(select(LotRow))).one()
        assert kept.quantity == D("0.1")
        assert (await session.exec(select(FillRow))).first() is not None
        assert len((await session.exec(select(CashEntryRow))).all()) == 2


def test_instants_when_built_then_they_are_utc() -> None:
    assert at(0) == datetime(2024, 1, 2, 15, tzinfo=UTC)
