"""The cash ledger read back: its balance at any instant, and pages with the balance after each entry.

    entry -> noted as not summed, by the database -> at the next mark of the account: balances by kind and day

A balance is that of the day before, the entries not summed yet, and those of its own day: it costs what a day costs,
however long the ledger is. Whoever enters money waits for nobody: balances are changed by one transaction at a time,
which takes what was committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.cash import CashEntry, CashKind
from domain.portfolio import plain
from store.database import fetch
from store.keysets import Chosen, Position

_SUMMING = 5_480_113_209
_KINDS = [kind.value for kind in CashKind]

_SUM_UP = """
    WITH taken AS (DELETE FROM cash_entries_not_summed RETURNING entry_id),
    moved AS (
        SELECT kind, (occurred_at AT TIME ZONE 'UTC')::date AS day,
               sum(sum(amount)) OVER (PARTITION BY kind ORDER BY (occurred_at AT TIME ZONE 'UTC')::date) AS amount
        FROM taken JOIN cash_entries USING (entry_id) GROUP BY 1, 2
    ),
    later AS (
        UPDATE cash_balances SET balance = balance + (
            SELECT amount FROM moved
            WHERE moved.kind = cash_balances.kind AND moved.day <= cash_balances.day ORDER BY moved.day DESC LIMIT 1
        )
        WHERE EXISTS (SELECT FROM moved WHERE moved.kind = cash_balances.kind AND moved.day <= cash_balances.day)
    )
    INSERT INTO cash_balances (kind, day, balance)
    SELECT kind, day, amount + coalesce(
        (SELECT balance FROM cash_balances AS before
         WHERE before.kind = moved.kind AND before.day < moved.day ORDER BY before.day DESC LIMIT 1), 0)
    FROM moved
    WHERE NOT EXISTS (SELECT FROM cash_balances AS same WHERE same.kind = moved.kind AND same.day = moved.day)
"""
"""Every part sees the balances as they were before the statement."""

SUM_AGAIN = "; ".join(
    (
        "BEGIN",
        f"SELECT pg_advisory_xact_lock({_SUMMING})",
        "DELETE FROM cash_balances",
        "INSERT INTO cash_entries_not_summed SELECT entry_id FROM cash_entries ON CONFLICT DO NOTHING",
        "COMMIT",
    )
)
"""Has every balance made anew with the next mark, and be right until then."""

_BALANCES = """
    WITH cut AS (SELECT coalesce(($2::timestamptz AT TIME ZONE 'UTC')::date, 'infinity') AS day),
    beginning AS (SELECT day, day::timestamp AT TIME ZONE 'UTC' AS at FROM cut)
    SELECT kind, sum(amount) AS amount FROM (
        SELECT kinds.kind, last.balance AS amount
        FROM unnest($1::text[]) AS kinds(kind) CROSS JOIN LATERAL (
            SELECT balance FROM cash_balances AS kept
            WHERE kept.kind = kinds.kind AND kept.day < (SELECT day FROM beginning) ORDER BY kept.day DESC LIMIT 1
        ) AS last
        UNION ALL
        SELECT kind, amount FROM cash_entries_not_summed JOIN cash_entries USING (entry_id)
        WHERE occurred_at < (SELECT at FROM beginning)
        UNION ALL
        SELECT kind, amount FROM cash_entries
        WHERE occurred_at >= (SELECT at FROM beginning) AND occurred_at <= $2
    ) AS moved
    GROUP BY kind
"""

_PAGE = """
    WITH page AS MATERIALIZED (
        SELECT *, (occurred_at AT TIME ZONE 'UTC')::date AS day
        FROM cash_entries {where} ORDER BY occurred_at DESC, place DESC LIMIT {limit:d}
    ),
    late AS MATERIALIZED (
        SELECT occurred_at, amount FROM cash_entries_not_summed JOIN cash_entries USING (entry_id)
    ),
    days AS (SELECT DISTINCT day, day::timestamp AT TIME ZONE 'UTC' AS begins FROM page),
    opened AS MATERIALIZED (
        SELECT day, begins, (
            SELECT coalesce(sum(last.balance), 0)
            FROM unnest({kinds}::text[]) AS kinds(kind) CROSS JOIN LATERAL (
                SELECT balance FROM cash_balances AS kept
                WHERE kept.kind = kinds.kind AND kept.day < days.day ORDER BY kept.day DESC LIMIT 1
            ) AS last
        ) + (SELECT coalesce(sum(amount), 0) FROM late WHERE occurred_at < begins) AS balance
        FROM days
    ),
    running AS (
        SELECT entry_id, balance + sum(amount) OVER (PARTITION BY day ORDER BY occurred_at, place) AS balance
        FROM opened JOIN cash_entries ON occurred_at >= begins AND occurred_at < begins + interval '24 hours'
    )
    SELECT page.*, running.balance FROM page JOIN running USING (entry_id)
    ORDER BY page.occurred_at DESC, page.place DESC
"""

_MISSTATED = """
    WITH summed AS (
        SELECT kind, day, sum(sum(amount)) OVER (PARTITION BY kind ORDER BY day) AS balance
        FROM (
            SELECT kind, (occurred_at AT TIME ZONE 'UTC')::date AS day, amount FROM cash_entries
            WHERE NOT EXISTS (SELECT FROM cash_entries_not_summed AS late WHERE late.entry_id = cash_entries.entry_id)
        ) AS entries
        GROUP BY kind, day
    )
    SELECT kind, day, kept.balance AS kept, summed.balance AS summed
    FROM cash_balances AS kept FULL JOIN summed USING (kind, day)
    WHERE kept.balance IS DISTINCT FROM summed.balance ORDER BY day, kind
"""


class LedgerRow(NamedTuple):
    """An entry as the ledger lists it."""

    entry: CashEntry
    recorded_at: datetime
    balance: Decimal
    """After it, all entries counted, also those that a filter leaves out."""
    key: str


class Misstated(NamedTuple):
    """A balance that is kept, and what the entries it counts come to; None: there is none."""

    kind: str
    day: date
    kept: Decimal | None
    summed: Decimal | None


async def sum_up(session: AsyncSession) -> None:
    """Count the entries that no balance counts yet. Where another transaction is about it, it is left to that one."""
    connection = await session.connection()
    alone = await connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _SUMMING})
    if alone.scalar_one():
        await fetch(session, _SUM_UP)


async def balances(session: AsyncSession, *, until: datetime | None = None) -> dict[CashKind, Decimal]:
    """The ledger by kind; together they are the balance."""
    found = {row["kind"]: row["amount"] for row in await fetch(session, _BALANCES, _KINDS, until)}
    return {kind: plain(found[kind.value]) for kind in CashKind if kind.value in found}


async def misstated(session: AsyncSession) -> list[Misstated]:
    """Balances that are not what their entries come to, from a sum over the whole ledger; there is none."""
    return [Misstated(*row) for row in await fetch(session, _MISSTATED)]


async def page_of_entries(
    session: AsyncSession,
    *,
    limit: int,
    kind: str | None = None,
    symbol: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Position | None = None,
) -> Sequence[LedgerRow]:
    """Newest first, as `domain.cash.statement` orders them; `first` and `last` are both inclusive."""
    chosen = Chosen()
    chosen.add("kind = {}", kind)
    chosen.add("symbol = {}", symbol)
    chosen.add("occurred_at >= {}", first)
    chosen.add("occurred_at <= {}", last)
    chosen.before("occurred_at", "place", before)
    statement = _PAGE.format(where=chosen.where, limit=limit, kinds=f"${len(chosen.values) + 1}")
    return [_row(each) for each in await fetch(session, statement, *chosen.values, _KINDS)]


def _row(row: Any) -> LedgerRow:
    entry = CashEntry(
        kind=CashKind(row["kind"]),
        source_id=row["source_id"],
        amount=plain(row["amount"]),
        occurred_at=row["occurred_at"],
        symbol=row["symbol"],
        note=row["note"],
    )
    return LedgerRow(entry, row["recorded_at"], plain(row["balance"]), row["place"])
