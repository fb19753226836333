"""Balances that are kept by day against the sum of all entries, wherever they stand and whenever they were entered."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from domain.cash import CashEntry, CashKind, CashLine, statement, totals
from store import accounting, cash_ledger
from store.cash_ledger import LedgerRow
from store.database import Database
from store.tables.accounting import CashBalance, CashEntryNotSummed

from .book import Book
from .builders import at, bought

pytestmark = pytest.mark.stack

D = Decimal
MIDNIGHT = datetime(2024, 1, 3, tzinfo=UTC)
_SIGN = {CashKind.TRANSFER_IN: 1, CashKind.DIVIDEND: 1, CashKind.TRANSFER_OUT: -1, CashKind.FEE: -1}


def some(many: int, *, seed: int) -> list[CashEntry]:
    """Entries of all kinds in no order of time: several of an instant, on both sides of midnight, over some weeks."""
    draw = random.Random(seed)
    instants = [MIDNIGHT, MIDNIGHT - timedelta(microseconds=1), *(at(day) for day in (0, 0, 1, 2, 9, 30))]
    instants += [at(0) + timedelta(minutes=draw.randrange(40 * 24 * 60)) for _ in range(many // 2)]
    made = []
    for number in range(many):
        kind = draw.choice(list(CashKind))
        amount = D(draw.randrange(1, 10**9)) / D(10**6)
        made.append(
            CashEntry(
                kind=kind,
                source_id=f"{seed}-{number}",
                amount=amount * _SIGN.get(kind, draw.choice((1, -1))),
                occurred_at=draw.choice(instants),
                symbol=draw.choice(("", "ACME", "OTHR")),
            )
        )
    return made


async def enter(database: Database, entries: Iterable[CashEntry], *, summed: bool) -> None:
    async with database.transaction() as session:
        await accounting.record(session, entries, recorded_at=at(50))
    if summed:
        async with database.transaction() as session:
            await cash_ledger.sum_up(session)


async def pages(database: Database, limit: int, **filters: object) -> list[LedgerRow]:
    rows: list[LedgerRow] = []
    while True:
        before = (rows[-1].entry.occurred_at, rows[-1].key) if rows else None
        async with database.transaction() as session:
            page = await cash_ledger.page_of_entries(session, limit=limit, before=before, **filters)  # type: ignore[arg-type]
        rows += page
        if len(page) < limit:
            return rows


async def rows_of(database: Database, table: type[CashBalance] | type[CashEntryNotSummed]) -> int:
    async with database.transaction() as session:
        return len((await session.exec(select(table))).all())


@pytest.mark.parametrize("seed", range(3))
async def test_balances_when_entries_come_in_any_order_then_they_are_the_sums_of_the_whole_ledger(
    book: Book, seed: int
) -> None:
    """Some are summed with the first mark, later ones belong before them, the last are not summed at all."""
    entries = some(180, seed=seed)
    for first, last, summed in ((0, 60, True), (60, 110, True), (110, 140, False), (140, 150, True), (150, 180, False)):
        await enter(book.database, entries[first:last], summed=summed)
        known = entries[:last]
        async with book.database.transaction() as session:
            assert await cash_ledger.balances(session) == totals(known)
            for until in [
                MIDNIGHT,
                MIDNIGHT - timedelta(microseconds=1),
                at(-1),
                at(60),
                *(at(day) for day in range(9)),
            ]:
                explained = [entry for entry in known if entry.occurred_at <= until]
                assert await cash_ledger.balances(session, until=until) == totals(explained)
            assert await cash_ledger.misstated(session) == []
    assert await rows_of(book.database, CashEntryNotSummed) == 30


@pytest.mark.parametrize("limit", [7, 500])
async def test_pages_when_walked_then_they_are_the_statement_of_all_entries(book: Book, limit: int) -> None:
    entries = some(150, seed=9)
    await enter(book.database, entries[:90], summed=True)
    await enter(book.database, entries[90:], summed=False)
    lines = list(reversed(statement(entries)))

    def told(rows: Iterable[LedgerRow]) -> list[CashLine]:
        return [CashLine(entry=row.entry, balance=row.balance) for row in rows]

    assert told(await pages(book.database, limit)) == lines
    for kind in CashKind:
        wanted = [line for line in lines if line.entry.kind is kind]
        assert told(await pages(book.database, limit, kind=kind.value)) == wanted
    assert told(await pages(book.database, limit, symbol="ACME")) == [
        one for one in lines if one.entry.symbol == "ACME"
    ]
    some_days = [line for line in lines if at(1) <= line.entry.occurred_at <= at(9)]
    assert told(await pages(book.database, limit, first=at(1), last=at(9))) == some_days


async def test_entry_when_it_is_not_committed_while_others_are_summed_then_it_is_counted_once(book: Book) -> None:
    first, second, third = some(3, seed=4)
    await enter(book.database, [first], summed=False)
    async with book.database.transaction() as writer:
        await accounting.record(writer, [second], recorded_at=at(50))
        assert await cash_ledger.balances(writer) == totals([first, second])
        async with book.database.transaction() as session:
            await cash_ledger.sum_up(session)
            async with book.database.transaction() as other:  # one is about it: this one neither waits nor counts
                await accounting.record(other, [third], recorded_at=at(50))
                await cash_ledger.sum_up(other)
        assert await cash_ledger.balances(writer) == totals([first, second, third])
    for _ in range(2):
        async with book.database.transaction() as session:
            assert await cash_ledger.balances(session) == totals([first, second, third])
            assert await cash_ledger.misstated(session) == []
            await cash_ledger.sum_up(session)
    assert await rows_of(book.database, CashEntryNotSummed) == 0


async def test_entry_when_its_transaction_fails_then_no_balance_counts_it(book: Book) -> None:
    first, second = some(2, seed=5)
    await enter(book.database, [first], summed=True)

    async with book.database.transaction() as session:
        await accounting.record(session, [second], recorded_at=at(50))
        await cash_ledger.sum_up(session)
        assert await cash_ledger.balances(session) == totals([first, second])
        await session.rollback()
    async with book.database.transaction() as session:
        assert await cash_ledger.balances(session) == totals([first])
        assert await cash_ledger.misstated(session) == []


async def test_account_when_it_is_marked_then_every_entry_is_in_a_balance(book: Book) -> None:
    await book.fill(bought(10, "10", 0, fee=D(1)))
    assert await rows_of(book.database, CashEntryNotSummed) == 2
    await book.mark(at(1), "5000", ACME="11")
    assert await rows_of(book.database, CashEntryNotSummed) == 0
    async with book.database.transaction() as session:
        kept = await session.exec(select(CashBalance).order_by(col(CashBalance.kind)))
        assert [(row.kind, row.day, row.balance) for row in kept] == [
            ("fee", at(0).date(), D(-1)),
            ("fill", at(0).date(), D(-100)),
            ("transfer_in", at(0).date(), D(5101)),
        ]
    assert await book.balance() == 5000


async def test_balance_when_somebody_changes_it_then_it_is_found_and_can_be_made_anew(book: Book) -> None:
    entries = some(40, seed=6)
    await enter(book.database, entries, summed=True)
    async with book.database.engine.begin() as connection:
        await connection.execute(
            text("UPDATE cash_balances SET balance = balance + 1 WHERE day = (SELECT max(day) FROM cash_balances)")
        )
        await connection.execute(text("DELETE FROM cash_balances WHERE day = (SELECT min(day) FROM cash_balances)"))
    async with book.database.transaction() as session:
        found = await cash_ledger.misstated(session)
    gone, changed = [each for each in found if each.kept is None], [each for each in found if each.kept is not None]
    assert gone
    assert all(each.day == min(entry.occurred_at for entry in entries).date() for each in gone)
    assert changed
    assert all(each.summed is not None and each.kept == each.summed + 1 for each in changed)
    async with book.database.engine.connect() as connection:
        raw = await connection.get_raw_connection()
        await raw.driver_connection.execute(cash_ledger.SUM_AGAIN)  # type: ignore[union-attr]
    for _ in range(2):
        async with book.database.transaction() as session:
            assert await cash_ledger.misstated(session) == []
            assert await cash_ledger.balances(session) == totals(entries)
            await cash_ledger.sum_up(session)
