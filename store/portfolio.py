"""Positions, the account over time, and the portfolio as decisions see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.decisions import Holding, Portfolio, PositionView, Side
from domain.market import CorporateAction
from domain.portfolio import Fill, apply_dividend, apply_fill, apply_split, position_view
from store.database import insert_new, upsert
from store.tables.decisions import OrderIntentRow
from store.tables.trading import AccountSnapshot, CorporateActionEntry, FillRow, Order, Position

NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)


async def holdings(session: AsyncSession) -> list[Holding]:
    """Open positions, by symbol."""
    rows = await session.exec(select(Position).where(Position.quantity != 0).order_by(col(Position.symbol)))
    return [_holding(row) for row in rows]


async def position_views(
    session: AsyncSession, *, symbols: Sequence[str], session_dates: Sequence[date], on: datetime
) -> dict[str, PositionView]:
    """What recommendations need to know about holdings; sessions are counted up to the day of `on`."""
    rows = await session.exec(select(Position).where(col(Position.symbol).in_(symbols)))
    today = on.astimezone(NEW_YORK).date()
    held = {
        row.symbol: position_view(
            row.quantity,
            row.average_price,
            opened=row.opened_session,
            closed=row.closed_session,
            session_dates=session_dates,
            today=today,
        )
        for row in rows
    }
    return {symbol: held.get(symbol, PositionView()) for symbol in symbols}


async def book_fills(session: AsyncSession, *, order_id: str, fills: Sequence[Fill], booked_at: datetime) -> int:
    """Book executions not booked yet: the fill, the position, the realized profit. Returns how many were new."""
    new = 0
    for fill in sorted(fills, key=lambda f: (f.filled_at, -f.quantity, f.price, f.fill_id)):
        row = FillRow(
            fill_id=fill.fill_id,
            order_id=order_id,
            symbol=fill.symbol,
            side=fill.side.value,
            quantity=fill.quantity,
            price=fill.price,
            fee=fill.fee,
            filled_at=fill.filled_at,
        )
        if await insert_new(session, [row]):
            await _book(session, fill, booked_at)
            new += 1
    return new


async def apply_actions(session: AsyncSession, *, actions: Sequence[CorporateAction], applied_at: datetime) -> int:
    """Apply splits and dividends to the positions held, each once. Returns how many were applied."""
    applied = 0
    for action in actions:
        row = await session.get(Position, action.symbol, with_for_update=True)
        if row is None or row.quantity == 0:
            continue
        before = _holding(row)
        dividend = apply_dividend(before, action.cash_dividend)
        split = apply_split(before, action.split_ratio)
        after = split.holding
        entry = CorporateActionEntry(
            symbol=action.symbol,
            ex_date=action.ex_date,
            quantity_before=before.quantity,
            quantity_after=after.quantity,
            split_ratio=action.split_ratio,
            cash=dividend.cash_change,
            applied_at=applied_at,
        )
        if await insert_new(session, [entry]):
            row.quantity, row.average_price = after.quantity, after.average_price
            row.last_price = after.last_price
            row.realized_pnl += dividend.realized_pnl + split.realized_pnl
            session.add(row)
            applied += 1
    return applied


async def mark(session: AsyncSession, *, prices: Mapping[str, Decimal], at: datetime) -> None:
    """Set the last price of every position that has one."""
    for row in await session.exec(select(Position).where(col(Position.symbol).in_(list(prices)))):
        row.last_price, row.updated_at = prices[row.symbol], at
        session.add(row)


async def snapshot(session: AsyncSession, *, as_of: datetime, phase: str, cash: Decimal) -> AccountSnapshot:
    """Record the account as of an instant; a repeat writes the same row."""
    held = await holdings(session)
    value = sum((holding.market_value for holding in held), ZERO)
    equity = cash + value
    before = await latest_snapshot(session, before=as_of)
    realized = sum((row for row in await session.exec(select(col(Position.realized_pnl)))), ZERO)
    row = AccountSnapshot(
        as_of=as_of,
        phase=phase,
        cash=cash,
        equity=equity,
        peak_equity=max(equity, before.peak_equity) if before else equity,
        gross_exposure=sum((abs(holding.market_value) for holding in held), ZERO),
        positions=len(held),
        realized_pnl=realized,
        unrealized_pnl=sum(((h.last_price - h.average_price) * h.quantity for h in held), ZERO),
    )
    await upsert(session, [row])
    return row


async def latest_snapshot(session: AsyncSession, *, before: datetime) -> AccountSnapshot | None:
    rows = await session.exec(
        select(AccountSnapshot)
        .where(AccountSnapshot.as_of < before)
        .order_by(col(AccountSnapshot.as_of).desc())
        .limit(1)
    )
    return rows.first()


async def load(
    session: AsyncSession, *, as_of: datetime, cash: Decimal, besides: str = "", same_tick: datetime | None = None
) -> Portfolio:
    """The account with everything that is under way counted.

    `besides` leaves one intent out of the open orders (the one being judged). With `same_tick`, intents planned at that
    instant count even where they were denied meanwhile, so that the verdicts of one tick do not depend on their order.
    """
    held = await holdings(session)
    equity = cash + sum((holding.market_value for holding in held), ZERO)
    before = await latest_snapshot(session, before=as_of)
    buys: dict[str, Decimal] = {}
    sells: dict[str, Decimal] = {}
    rows = await session.exec(
        select(OrderIntentRow, Order)
        .join(Order, col(Order.intent_id) == col(OrderIntentRow.intent_id), isouter=True)
        .where(
            (OrderIntentRow.state == "open")
            | ((OrderIntentRow.state == "denied") & (OrderIntentRow.as_of == same_tick)),
            OrderIntentRow.intent_id != besides,
        )
        .order_by(col(OrderIntentRow.symbol), col(OrderIntentRow.intent_id))
    )
    for intent, order in rows:
        left = order.quantity - order.filled_quantity if order is not None else intent.quantity
        if intent.side == Side.BUY.value:
            buys[intent.symbol] = buys.get(intent.symbol, ZERO) + left * intent.reference_price
        else:
            sells[intent.symbol] = sells.get(intent.symbol, ZERO) + left
    return Portfolio(
        as_of=as_of,
        cash=cash,
        equity=equity,
        prior_close_equity=before.equity if before else equity,
        peak_equity=max(before.peak_equity, equity) if before else equity,
        holdings=tuple(held),
        open_buys=buys,
        open_sells=sells,
    )


async def list_snapshots(session: AsyncSession, *, first: datetime, last: datetime) -> list[AccountSnapshot]:
    rows = await session.exec(
        select(AccountSnapshot)
        .where(AccountSnapshot.as_of >= first, AccountSnapshot.as_of <= last)
        .order_by(col(AccountSnapshot.as_of))
    )
    return list(rows.all())


async def _book(session: AsyncSession, fill: Fill, booked_at: datetime) -> None:
    row = await session.get(Position, fill.symbol, with_for_update=True)
    day = fill.filled_at.astimezone(NEW_YORK).date()
    before = _holding(row) if row else None
    change = apply_fill(before, fill)
    after = change.holding
    opened = row.opened_session if row and row.quantity != 0 else day
    await upsert(
        session,
        [
            Position(
                symbol=fill.symbol,
                quantity=after.quantity,
                average_price=after.average_price,
                last_price=fill.price,
                realized_pnl=(row.realized_pnl if row else ZERO) + change.realized_pnl,
                opened_session=opened,
                closed_session=day if after.quantity == 0 else None,
                updated_at=booked_at,
            )
        ],
    )
    if row is not None:
        await session.refresh(row)


def _holding(row: Position) -> Holding:
    return Holding(
        symbol=row.symbol,
        quantity=row.quantity,
        average_price=row.average_price,
        last_price=row.last_price,
        opened_session=row.opened_session.isoformat() if row.opened_session else "",
    )
