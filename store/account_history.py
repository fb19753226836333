"""The account read back: pages of snapshots and fills, and the sessions performance is measured on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.cash import TRANSFERS, CashEntry, CashKind
from domain.documents import NEW_YORK
from domain.market import CorporateAction
from domain.performance import AccountMark, BenchmarkSeries, benchmark_series
from domain.portfolio import plain
from store import accounting
from store.keysets import newest_first
from store.market import bar_of
from store.tables.market import BarRow, CorporateActionRow
from store.tables.trading import AccountSnapshot, FillRow

BEFORE_DAYS = 14
"""Calendar days in which the bar before a first session is looked for."""
ZERO = Decimal(0)

Key = tuple[datetime, str]
"""Where a row stands in its list: its instant, and its key among rows of the same instant."""


class Period(NamedTuple):
    """Sessions of the account, with what was there before them."""

    marks: list[AccountMark]
    before: Decimal
    after: datetime | None
    """The mark before the first of them; None where the account was opened in it."""


async def page_of_snapshots(
    session: AsyncSession,
    *,
    limit: int,
    phase: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: datetime | None = None,
) -> list[AccountSnapshot]:
    """Newest first; `first` and `last` are both inclusive."""
    statement = select(AccountSnapshot)
    if phase is not None:
        statement = statement.where(AccountSnapshot.phase == phase)
    if first is not None:
        statement = statement.where(AccountSnapshot.as_of >= first)
    if last is not None:
        statement = statement.where(AccountSnapshot.as_of <= last)
    if before is not None:
        statement = statement.where(AccountSnapshot.as_of < before)
    rows = await session.exec(statement.order_by(col(AccountSnapshot.as_of).desc()).limit(limit))
    return list(rows.all())


async def page_of_fills(
    session: AsyncSession,
    *,
    limit: int,
    symbol: str | None = None,
    side: str | None = None,
    order_id: str | None = None,
    first: datetime | None = None,
    last: datetime | None = None,
    before: Key | None = None,
) -> list[FillRow]:
    """Newest first; `first` and `last` are both inclusive."""
    statement = select(FillRow)
    for column, wanted in ((FillRow.symbol, symbol), (FillRow.side, side), (FillRow.order_id, order_id)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if first is not None:
        statement = statement.where(FillRow.filled_at >= first)
    if last is not None:
        statement = statement.where(FillRow.filled_at <= last)
    page = newest_first(statement, FillRow.filled_at, FillRow.fill_id, limit=limit, before=before)
    return list((await session.exec(page)).all())


async def period(session: AsyncSession, *, first: date | None = None, last: date | None = None) -> Period:
    """The account at the last mark of each session in `first <= day <= last`, with what moved since the mark before.

    Days are New York's.
    """
    rows = await session.exec(select(AccountSnapshot).order_by(col(AccountSnapshot.as_of)))
    by_day = {row.as_of.astimezone(NEW_YORK).date(): row for row in rows}
    earlier = [row for day, row in by_day.items() if first is not None and day < first]
    wanted = [
        (day, row) for day, row in by_day.items() if (first is None or day >= first) and (last is None or day <= last)
    ]
    after = earlier[-1].as_of if earlier else None
    moved = await accounting.entries(session, after=after, until=wanted[-1][1].as_of) if wanted else []
    ends = [row.as_of for _, row in wanted]
    of_mark: list[list[CashEntry]] = [[] for _ in wanted]
    for entry in moved:
        of_mark[bisect_left(ends, entry.occurred_at)].append(entry)
    return Period(
        marks=[_mark(day, row, entries) for (day, row), entries in zip(wanted, of_mark, strict=True)],
        before=plain(earlier[-1].equity) if earlier else ZERO,
        after=after,
    )


async def benchmark(session: AsyncSession, symbol: str, found: Period) -> BenchmarkSeries:
    """Returns of holding a symbol over the sessions of the account; those that the book has no bars for are absent."""
    sessions = [mark.session for mark in found.marks]
    if not sessions:
        return BenchmarkSeries(symbol=symbol, returns={})
    begin = sessions[0] - timedelta(days=BEFORE_DAYS)
    bars = await session.exec(
        select(BarRow)
        .where(BarRow.symbol == symbol, BarRow.session >= begin, BarRow.session <= sessions[-1])
        .order_by(col(BarRow.session))
    )
    actions = await session.exec(
        select(CorporateActionRow)
        .where(
            CorporateActionRow.symbol == symbol,
            CorporateActionRow.ex_date >= begin,
            CorporateActionRow.ex_date <= sessions[-1],
        )
        .order_by(col(CorporateActionRow.ex_date))
    )
    return benchmark_series(
        symbol,
        [bar_of(row) for row in bars],
        [CorporateAction.model_validate(row.model_dump()) for row in actions],
        sessions,
        opened=found.after is None,
    )


def _mark(day: date, row: AccountSnapshot, entries: Sequence[CashEntry]) -> AccountMark:
    def total(*kinds: CashKind) -> Decimal:
        return sum((entry.amount for entry in entries if entry.kind in kinds), ZERO)

    return AccountMark(
        session=day,
        as_of=row.as_of,
        equity=plain(row.equity),
        cash=plain(row.cash),
        gross=plain(row.gross_exposure),
        net=plain(row.gross_exposure if row.net_exposure is None else row.net_exposure),
        transfers=total(*TRANSFERS),
        traded=sum((abs(entry.amount) for entry in entries if entry.kind is CashKind.FILL), ZERO),
        fees=-total(CashKind.FEE),
        dividends=total(CashKind.DIVIDEND),
        interest=total(CashKind.INTEREST),
    )
