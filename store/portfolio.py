"""Positions, the account over time, and the portfolio as decisions see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from sqlalchemy import case, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.cash import to_the_micro_dollar
from domain.decisions import Holding, Portfolio, PositionView, Side
from domain.live_protection import LiveProtection
from domain.market import CorporateAction
from domain.portfolio import MICRO, Fill, apply_dividend, apply_fill, apply_split, position_view
from domain.reserve import buckets
from store import accounting, cash_ledger, config, protection
from store.database import insert_new, upsert
from store.tables.accounting import PositionAdjustment
from store.tables.decisions import OrderIntentRow
from store.tables.market import BarRow
from store.tables.registry import Company
from store.tables.trading import AccountSnapshot, CorporateActionEntry, FillRow, Order, Position

NEW_YORK = ZoneInfo("America/New_York")
ZERO = Decimal(0)
NO_SECTOR = "unknown"


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
    """Book executions not booked yet: the fill, the position, its lots, the money. Returns how many were new."""
    new = 0
    for fill in sorted(map(accounting.as_kept, fills), key=lambda f: (f.filled_at, -f.quantity, f.price, f.fill_id)):
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
        cash = dividend.cash_change.quantize(MICRO, rounding=ROUND_HALF_UP)
        entry = CorporateActionEntry(
            symbol=action.symbol,
            ex_date=action.ex_date,
            quantity_before=before.quantity,
            quantity_after=after.quantity,
            split_ratio=action.split_ratio,
            cash=cash,
            applied_at=applied_at,
        )
        if await insert_new(session, [entry]):
            row.quantity, row.average_price = after.quantity, after.average_price
            row.last_price = after.last_price
            row.realized_pnl += cash + split.realized_pnl
            session.add(row)
            booked = accounting.booked_action(
                symbol=action.symbol, ex_date=action.ex_date, split_ratio=action.split_ratio, cash=cash
            )
            await accounting.book_action(session, booked, booked_at=applied_at)
            applied += 1
    return applied


async def take_out(session: AsyncSession, adjustment: PositionAdjustment, *, at: datetime) -> Decimal:
    """Let shares leave a position without an execution, at its average price; returns the amount entered for them."""
    row = await session.get_one(Position, adjustment.symbol, with_for_update=True)
    if not await insert_new(session, [adjustment]):
        return ZERO
    row.quantity -= adjustment.quantity
    row.closed_session = at.astimezone(NEW_YORK).date() if row.quantity == 0 else None
    row.updated_at = at
    session.add(row)
    return await accounting.adjust_shares(session, adjustment, recorded_at=at)


async def mark(session: AsyncSession, *, prices: Mapping[str, Decimal], at: datetime) -> None:
    """Set the last price of every position that has one."""
    for row in await session.exec(select(Position).where(col(Position.symbol).in_(list(prices)))):
        row.last_price, row.updated_at = prices[row.symbol], at
        session.add(row)


async def snapshot(session: AsyncSession, *, as_of: datetime, phase: str, cash: Decimal) -> AccountSnapshot:
    """Record the account as of an instant; a repeat writes the same row."""
    account = await load(session, as_of=as_of, cash=cash)
    held, equity = account.holdings, account.equity
    divided = buckets(
        cash,
        equity=equity,
        reserve=account.reserve,
        cash_floor=(await config.current(session)).limits.cash_floor,
        reservations=sum(account.open_buys.values(), ZERO),
    )
    row = AccountSnapshot(
        as_of=as_of,
        phase=phase,
        cash=cash,
        equity=equity,
        peak_equity=account.peak_equity,
        gross_exposure=sum((abs(holding.market_value) for holding in held), ZERO),
        positions=len(held),
        realized_pnl=await realized(session),
        unrealized_pnl=sum(((h.last_price - h.average_price) * h.quantity for h in held), ZERO),
        net_exposure=sum((holding.market_value for holding in held), ZERO),
        sectors=await _by_sector(session, held),
        paid_in=cash + await _spent(session, until=as_of),
        **to_the_micro_dollar(divided).model_dump(),
    )
    await upsert(session, [row])
    if await latest_snapshot(session, before=as_of) is None:
        await accounting.enter_opening(session, cash=cash, at=as_of)
    await cash_ledger.sum_up(session)
    return row


async def _spent(session: AsyncSession, *, until: datetime) -> Decimal:
    """Dollars that executions have cost up to an instant, less those that sales and dividends brought."""
    traded = case((col(FillRow.side) == Side.BUY.value, FillRow.quantity), else_=-FillRow.quantity) * FillRow.price
    bought = await session.exec(select(func.sum(traded + FillRow.fee)).where(FillRow.filled_at <= until))
    paid = await session.exec(
        select(func.sum(CorporateActionEntry.cash)).where(CorporateActionEntry.applied_at <= until)
    )
    return ((bought.one() or ZERO) - (paid.one() or ZERO)).quantize(MICRO, rounding=ROUND_HALF_UP)


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
    live = await protection.load(session)
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
        peak_equity=_peak(before, live, equity),
        holdings=tuple(held),
        open_buys=buys,
        open_sells=sells,
        reserve=live.state.reserve.balance if live is not None else ZERO,
    )


def _peak(before: AccountSnapshot | None, live: LiveProtection | None, equity: Decimal) -> Decimal:
    """The high-water mark: the highest equity ever, or since an operator let the drawdown breaker go."""
    if live is not None and live.state.breakers.mark is not None:
        return max(live.state.breakers.mark, equity)
    return max(before.peak_equity, equity) if before is not None else equity


async def left_since(session: AsyncSession, symbol: str, *, since: datetime) -> datetime | None:
    """When a symbol that is not held any more was last sold, if that was after an instant."""
    rows = await session.exec(
        select(func.max(FillRow.filled_at))
        .join(Position, col(Position.symbol) == col(FillRow.symbol))
        .where(Position.symbol == symbol, Position.quantity == 0, FillRow.side == Side.SELL.value)
    )
    left = rows.one()
    return left if left is not None and left > since else None


async def without_bar(session: AsyncSession, *, on: date, as_of: datetime) -> set[str]:
    """Symbols held of which the book has no bar of a session yet."""
    held = {holding.symbol for holding in await holdings(session)}
    rows = await session.exec(
        select(BarRow.symbol).where(
            BarRow.session == on, BarRow.available_at <= as_of, col(BarRow.symbol).in_(sorted(held))
        )
    )
    return held - set(rows.all())


async def realized(session: AsyncSession) -> Decimal:
    """Net realised profit since the beginning, in dollars, after fees."""
    return sum((row for row in await session.exec(select(col(Position.realized_pnl)))), ZERO)


async def realized_when_flat(session: AsyncSession) -> dict[str, Decimal]:
    """The realised result of every symbol that is not held and once was, in dollars."""
    rows = await session.exec(select(Position).where(Position.quantity == 0))
    return {row.symbol: row.realized_pnl for row in rows}


async def left_on(session: AsyncSession, *, day: datetime) -> dict[str, datetime]:
    """When each symbol was left that was sold to the last share on the instant's day in New York."""
    today = day.astimezone(NEW_YORK).date()
    rows = await session.exec(
        select(FillRow.symbol, func.max(FillRow.filled_at))
        .join(Position, col(Position.symbol) == col(FillRow.symbol))
        .where(Position.quantity == 0, Position.closed_session == today)
        .group_by(col(FillRow.symbol))
    )
    return dict(rows.all())


async def list_snapshots(session: AsyncSession, *, first: datetime, last: datetime) -> list[AccountSnapshot]:
    rows = await session.exec(
        select(AccountSnapshot)
        .where(AccountSnapshot.as_of >= first, AccountSnapshot.as_of <= last)
        .order_by(col(AccountSnapshot.as_of))
    )
    return list(rows.all())


async def _book(session: AsyncSession, fill: Fill, booked_at: datetime) -> None:
    nothing = Position(
        symbol=fill.symbol,
        quantity=ZERO,
        average_price=ZERO,
        last_price=fill.price,
        realized_pnl=ZERO,
        updated_at=booked_at,
    )
    await insert_new(session, [nothing])  # there is no lock on a row that is not there
    row = await session.get_one(Position, fill.symbol, with_for_update=True)
    day = fill.filled_at.astimezone(NEW_YORK).date()
    change = apply_fill(_holding(row), fill)
    after = change.holding
    opened = row.opened_session if row.quantity != 0 else day
    await upsert(
        session,
        [
            Position(
                symbol=fill.symbol,
                quantity=after.quantity,
                average_price=after.average_price,
                last_price=fill.price,
                realized_pnl=row.realized_pnl + change.realized_pnl,
                opened_session=opened,
                closed_session=day if after.quantity == 0 else None,
                updated_at=booked_at,
            )
        ],
    )
    await session.refresh(row)
    await accounting.book_fill(session, fill, position=after.quantity, booked_at=booked_at)


async def _by_sector(session: AsyncSession, held: Sequence[Holding]) -> dict[str, str]:
    """Dollars held by sector, as text."""
    rows = await session.exec(
        select(Company.symbol, Company.sector).where(col(Company.symbol).in_([holding.symbol for holding in held]))
    )
    sector_of = dict(rows.all())
    found: dict[str, Decimal] = {}
    for holding in held:
        sector = sector_of.get(holding.symbol) or NO_SECTOR
        found[sector] = found.get(sector, ZERO) + holding.market_value
    return {sector: str(amount) for sector, amount in sorted(found.items())}


def _holding(row: Position) -> Holding:
    return Holding(
        symbol=row.symbol,
        quantity=row.quantity,
        average_price=row.average_price,
        last_price=row.last_price,
        opened_session=row.opened_session.isoformat() if row.opened_session else "",
    )
