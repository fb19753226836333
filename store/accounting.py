"""Lots and the cash ledger: written in the transaction of the fill or action that they follow from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import func
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.cash import OPENING, CashEntry, CashKind, entries_of_action, entries_of_fill, opening_entry
from domain.decisions import Side
from domain.documents import NEW_YORK
from domain.errors import Conflict
from domain.ids import digest
from domain.lots import BookedAction, Event, LotChange, LotClosing, TaxLot, fill_lots, held, play, split_lots
from domain.portfolio import MICRO, SHARE_UNIT, Fill, plain, product
from store.database import insert_new, upsert
from store.tables.accounting import CashEntryRow, LotClosingRow, LotRow, PositionAdjustment
from store.tables.trading import CorporateActionEntry, FillRow


def as_kept(fill: Fill) -> Fill:
    """The execution as its row will say: shares to 1e-9, dollars to the micro-dollar, halves away from 0."""
    return fill.model_copy(
        update={
            "quantity": fill.quantity.quantize(SHARE_UNIT, rounding=ROUND_HALF_UP),
            "price": fill.price.quantize(MICRO, rounding=ROUND_HALF_UP),
            "fee": fill.fee.quantize(MICRO, rounding=ROUND_HALF_UP),
        }
    )


def booked_action(*, symbol: str, ex_date: date, split_ratio: Decimal, cash: Decimal) -> BookedAction:
    """A split or dividend as the lots know it: it comes before every execution of its day."""
    return BookedAction(
        action_id=f"{symbol}/{ex_date.isoformat()}",
        symbol=symbol,
        at=datetime.combine(ex_date, time(), tzinfo=NEW_YORK).astimezone(UTC),
        split_ratio=split_ratio,
        cash=cash,
    )


# -- what was booked --------------------------------------------------------------------------------------------------


async def book_fill(session: AsyncSession, fill: Fill, *, position: Decimal, booked_at: datetime) -> None:
    """Enter the money of a new fill and bring the lots up to it.

    Args:
        position: shares held after the fill. The lots sum to it.
    """
    await record(session, entries_of_fill(fill), recorded_at=booked_at)
    before = await open_lots(session, symbol=fill.symbol)
    if await _is_latest(session, fill):
        await _write(session, before, fill_lots(before, fill))
    else:
        await _bring_up(session, before, fill, position)


async def book_action(session: AsyncSession, action: BookedAction, *, booked_at: datetime) -> None:
    """Enter the dividend and split the lots."""
    await record(session, entries_of_action(action), recorded_at=booked_at)
    before = await open_lots(session, symbol=action.symbol)
    change = split_lots(before, action.split_ratio, at=action.at, action_id=action.action_id)
    await _write(session, before, change)


async def adjust_shares(session: AsyncSession, row: PositionAdjustment, *, recorded_at: datetime) -> Decimal:
    """Take shares out of the lots at what a share cost on average, and enter that amount; returns it.

    Their cost leaves the book and the same amount is entered as an adjustment, so that no result comes of it.
    """
    gone = _gone(row)
    amount = product(row.quantity, row.price)
    if amount:
        note = f"{format(plain(row.quantity), 'f')} shares that are not there any more: {row.reason}"
        entry = CashEntry(
            kind=CashKind.ADJUSTMENT,
            source_id=row.adjustment_id,
            amount=amount,
            occurred_at=row.adjusted_at,
            symbol=row.symbol,
            note=note,
        )
        await record(session, [entry], recorded_at=recorded_at)
    before = await open_lots(session, symbol=row.symbol)
    await _write(session, before, fill_lots(before, gone))
    return amount


async def record(session: AsyncSession, entries: Iterable[CashEntry], *, recorded_at: datetime) -> int:
    """Append entries to the cash ledger; one of the same kind and source is there already. Returns how many were new.

    The ledger never changes: a wrong entry is put right by another one.
    """
    return await insert_new(
        session,
        [
            CashEntryRow(
                entry_id=entry.entry_id,
                kind=entry.kind.value,
                source_id=entry.source_id,
                symbol=entry.symbol,
                amount=entry.amount,
                occurred_at=entry.occurred_at,
                recorded_at=recorded_at,
                note=entry.note,
            )
            for entry in entries
        ],
    )


async def enter_opening(session: AsyncSession, *, cash: Decimal, at: datetime) -> None:
    """Enter the money that was there before anything was booked: what nothing else explains of the first cash.

    Only for the first account that is recorded; again, nothing changes. What is unexplained later stays so until
    somebody enters what it was.
    """
    known = await session.exec(select(CashEntryRow.entry_id).where(CashEntryRow.source_id == OPENING))
    if known.first() is None:
        opening = opening_entry(cash, await entries(session, until=at), at=at)
        await record(session, [opening] if opening else [], recorded_at=at)


# -- what stands there ------------------------------------------------------------------------------------------------


async def open_lots(session: AsyncSession, *, symbol: str | None = None) -> list[TaxLot]:
    """By symbol, those to be sold first first."""
    statement = select(LotRow).execution_options(populate_existing=True)
    if symbol is not None:
        statement = statement.where(LotRow.symbol == symbol)
    rows = await session.exec(
        statement.order_by(
            col(LotRow.symbol),
            col(LotRow.opened_at),
            col(LotRow.bought).desc(),
            col(LotRow.price),
            col(LotRow.lot_id),
        )
    )
    return [
        TaxLot(
            lot_id=row.lot_id,
            symbol=row.symbol,
            opened_at=row.opened_at,
            bought=plain(row.bought),
            price=plain(row.price),
            quantity=plain(row.quantity),
            cost=plain(row.cost),
        )
        for row in rows
    ]


async def closings(
    session: AsyncSession,
    *,
    symbol: str | None = None,
    after: datetime | None = None,
    until: datetime | None = None,
) -> list[LotClosing]:
    """What was sold in `after < t <= until`, in the order of time."""
    statement = select(LotClosingRow)
    if symbol is not None:
        statement = statement.where(LotClosingRow.symbol == symbol)
    if after is not None:
        statement = statement.where(LotClosingRow.closed_at > after)
    if until is not None:
        statement = statement.where(LotClosingRow.closed_at <= until)
    rows = await session.exec(
        statement.order_by(col(LotClosingRow.closed_at), col(LotClosingRow.opened_at), col(LotClosingRow.closing_id))
    )
    return [
        LotClosing(
            lot_id=row.lot_id,
            closed_by=row.closed_by,
            symbol=row.symbol,
            quantity=plain(row.quantity),
            proceeds=plain(row.proceeds),
            cost=plain(row.cost),
            opened_at=row.opened_at,
            closed_at=row.closed_at,
        )
        for row in rows
    ]


async def realized_by_lots(session: AsyncSession) -> dict[str, Decimal]:
    """Dollars by symbol that are final by first in, first out: of what was sold, and dividends."""
    found: dict[str, Decimal] = {}
    sold = select(LotClosingRow.symbol, func.sum(LotClosingRow.proceeds - LotClosingRow.cost)).group_by(
        col(LotClosingRow.symbol)
    )
    paid = (
        select(CashEntryRow.symbol, func.sum(CashEntryRow.amount))
        .where(CashEntryRow.kind == CashKind.DIVIDEND.value)
        .group_by(col(CashEntryRow.symbol))
    )
    for statement in (sold, paid):
        for symbol, amount in await session.exec(statement):
            found[symbol] = found.get(symbol, Decimal(0)) + amount
    return {symbol: plain(amount) for symbol, amount in found.items()}


async def entries(
    session: AsyncSession, *, after: datetime | None = None, until: datetime | None = None
) -> list[CashEntry]:
    """Movements of money in `after < t <= until`, in the order of time."""
    statement = select(CashEntryRow)
    if after is not None:
        statement = statement.where(CashEntryRow.occurred_at > after)
    if until is not None:
        statement = statement.where(CashEntryRow.occurred_at <= until)
    rows = await session.exec(statement.order_by(col(CashEntryRow.occurred_at), col(CashEntryRow.entry_id)))
    return [entry_of(row) for row in rows]


def entry_of(row: CashEntryRow) -> CashEntry:
    return CashEntry(
        kind=CashKind(row.kind),
        source_id=row.source_id,
        amount=plain(row.amount),
        occurred_at=row.occurred_at,
        symbol=row.symbol,
        note=row.note,
    )


# -- lots -------------------------------------------------------------------------------------------------------------


async def _is_latest(session: AsyncSession, fill: Fill) -> bool:
    """Whether nothing of the symbol that was booked happened at the same time or later."""
    fills = await session.exec(
        select(FillRow.fill_id)
        .where(FillRow.symbol == fill.symbol, FillRow.filled_at >= fill.filled_at, FillRow.fill_id != fill.fill_id)
        .limit(1)
    )
    actions = await session.exec(
        select(CorporateActionEntry.symbol)
        .where(
            CorporateActionEntry.symbol == fill.symbol,
            CorporateActionEntry.ex_date > fill.filled_at.astimezone(NEW_YORK).date(),
        )
        .limit(1)
    )
    adjusted = await session.exec(
        select(PositionAdjustment.adjustment_id)
        .where(PositionAdjustment.symbol == fill.symbol, PositionAdjustment.adjusted_at >= fill.filled_at)
        .limit(1)
    )
    return fills.first() is None and actions.first() is None and adjusted.first() is None


async def _bring_up(session: AsyncSession, before: Sequence[TaxLot], fill: Fill, position: Decimal) -> None:
    """Put a fill that arrived late where it belongs: book the symbol again from its first event.

    Where that does not give the position, because an action was booked before a fill of the day before it, or because
    the clocks of two venues differ, the fill is booked as it arrived: the lots are the position whatever happens.
    """
    try:
        again = play(await _events(session, fill.symbol))
    except Conflict:
        again = None
    if again is None or held(again.lots) != position:
        await _write(session, before, fill_lots(before, fill))
        return
    await session.exec(delete(LotClosingRow).where(col(LotClosingRow.symbol) == fill.symbol))
    await _write(session, before, again)


async def _events(session: AsyncSession, symbol: str) -> list[Event]:
    """Everything that was booked on a symbol."""
    fills = await session.exec(select(FillRow).where(FillRow.symbol == symbol))
    actions = await session.exec(select(CorporateActionEntry).where(CorporateActionEntry.symbol == symbol))
    gone = await session.exec(select(PositionAdjustment).where(PositionAdjustment.symbol == symbol))
    return [*map(fill_of, fills), *map(action_of, actions), *map(_gone, gone)]


def _gone(row: PositionAdjustment) -> Fill:
    """Shares that left the position, as the lots know it: as if they had been sold at their average price."""
    return Fill(
        fill_id=row.adjustment_id,
        order_id="",
        intent_id="",
        symbol=row.symbol,
        side=Side.SELL,
        quantity=plain(row.quantity),
        price=plain(row.price),
        fee=Decimal(0),
        filled_at=row.adjusted_at,
    )


def fill_of(row: FillRow) -> Fill:
    return Fill(
        fill_id=row.fill_id,
        order_id=row.order_id,
        intent_id=row.order_id,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=plain(row.quantity),
        price=plain(row.price),
        fee=plain(row.fee),
        filled_at=row.filled_at,
    )


def action_of(row: CorporateActionEntry) -> BookedAction:
    return booked_action(
        symbol=row.symbol, ex_date=row.ex_date, split_ratio=plain(row.split_ratio), cash=plain(row.cash)
    )


async def _write(session: AsyncSession, before: Sequence[TaxLot], change: LotChange) -> None:
    """Write the lots that changed, remove those that are gone, add what was closed."""
    known = {lot.lot_id: lot for lot in before}
    gone = known.keys() - {lot.lot_id for lot in change.lots}
    if gone:
        await session.exec(delete(LotRow).where(col(LotRow.lot_id).in_(sorted(gone))))
    await upsert(session, [LotRow(**lot.model_dump()) for lot in change.lots if known.get(lot.lot_id) != lot])
    await insert_new(
        session,
        [
            LotClosingRow(closing_id=digest("closing", closing.closed_by, closing.lot_id), **closing.model_dump())
            for closing in change.closings
        ],
    )
