"""What is held: by average cost, and purchase by purchase, first in, first out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, Field
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import Money, Shares
from domain.errors import NotFound
from domain.lots import LotClosing, TaxLot, cost_of
from domain.portfolio import plain, product
from store import account_history, accounting
from store.database import Database
from store.portfolio import NO_SECTOR
from store.tables.registry import Company
from store.tables.trading import Position

CLOSINGS_SHOWN = 100
ZERO = Decimal(0)


class MethodView(BaseModel):
    """A position's results by one method. Both methods have the same `total`."""

    cost: Money
    realized_pnl: Money
    """Final: of what was sold, and dividends."""
    unrealized_pnl: Money
    """On what is held, at the last price."""
    total: Money


class PositionView(BaseModel):
    symbol: str
    sector: str
    quantity: Shares
    average_price: Money
    last_price: Money
    market_value: Money
    weight_pct: str | None
    """Percent of equity at the last mark; null before the first."""
    opened_session: date | None
    closed_session: date | None = Field(description="null while it is held")
    average_cost: MethodView
    """Fees are a result at once."""
    fifo: MethodView
    """Fees of a purchase are part of its cost."""
    updated_at: datetime


class LotView(BaseModel):
    """What one purchase still holds."""

    lot_id: str
    opened_at: datetime
    bought: Shares
    """In shares of then."""
    price: Money
    """Dollars a share of then."""
    quantity: Shares
    """What is left, in shares of now."""
    cost: Money
    market_value: Money
    unrealized_pnl: Money


class ClosingView(BaseModel):
    lot_id: str
    closed_by: str
    """The sale's execution, or a split that left nothing."""
    quantity: Shares
    proceeds: Money
    cost: Money
    gain: Money
    long_term: bool
    """Held for more than a year."""
    opened_at: datetime
    closed_at: datetime


class PositionDetail(PositionView):
    lots: list[LotView]
    """Those to be sold first first; together they are the position."""
    closings: list[ClosingView]
    """The newest first, one hundred at most."""


async def positions(
    database: Database, *, limit: int, closed: bool = False, after: str | None = None
) -> list[PositionView]:
    """By symbol; with `closed` also what is held no more."""
    async with database.transaction() as session:
        statement = select(Position).order_by(col(Position.symbol)).limit(limit)
        if not closed:
            statement = statement.where(Position.quantity != 0)
        if after is not None:
            statement = statement.where(Position.symbol > after)
        rows = (await session.exec(statement)).all()
        return await _views(session, rows)


async def position(database: Database, symbol: str) -> PositionDetail:
    """One position with its lots, also where nothing is held any more.

    Raises:
        NotFound: the symbol was never held.
    """
    wanted = symbol.upper()
    async with database.transaction() as session:
        row = await session.get(Position, wanted)
        if row is None:
            raise NotFound(
                "POSITION_NOT_FOUND", "/v1/positions?closed=true lists all that was ever held", symbol=wanted
            )
        (view,) = await _views(session, [row])
        lots = await accounting.open_lots(session, symbol=wanted)
        closings = await accounting.closings(session, symbol=wanted)
    return PositionDetail(
        **dict(view),
        lots=[_lot(lot, row.last_price) for lot in lots],
        closings=[_closing(each) for each in reversed(closings[-CLOSINGS_SHOWN:])],
    )


async def _views(session: AsyncSession, rows: Sequence[Position]) -> list[PositionView]:
    symbols = [row.symbol for row in rows]
    companies = await session.exec(select(Company.symbol, Company.sector).where(col(Company.symbol).in_(symbols)))
    sectors = dict(companies.all())
    lots: dict[str, list[TaxLot]] = {}
    for lot in await accounting.open_lots(session):
        lots.setdefault(lot.symbol, []).append(lot)
    realized = await accounting.realized_by_lots(session)
    marked = await account_history.page_of_snapshots(session, limit=1)
    equity = marked[0].equity if marked else ZERO
    return [
        _view(
            row,
            sector=sectors.get(row.symbol) or NO_SECTOR,
            cost=cost_of(lots.get(row.symbol, [])),
            realized=realized.get(row.symbol, ZERO),
            equity=equity,
        )
        for row in rows
    ]


def _view(row: Position, *, sector: str, cost: Decimal, realized: Decimal, equity: Decimal) -> PositionView:
    worth = plain(product(row.quantity, row.last_price))
    return PositionView(
        **row.model_dump(include=set(PositionView.model_fields)),
        sector=sector,
        market_value=worth,
        weight_pct=f"{worth / equity * 100:.4f}" if equity > 0 else None,
        average_cost=_method(product(row.quantity, row.average_price), row.realized_pnl, worth),
        fifo=_method(cost, realized, worth),
    )


def _method(cost: Decimal, realized: Decimal, worth: Decimal) -> MethodView:
    return MethodView(
        cost=plain(cost), realized_pnl=realized, unrealized_pnl=worth - cost, total=plain(realized + worth - cost)
    )


def _lot(lot: TaxLot, price: Decimal) -> LotView:
    worth = plain(product(lot.quantity, price))
    return LotView(**lot.model_dump(exclude={"symbol"}), market_value=worth, unrealized_pnl=worth - lot.cost)


def _closing(closing: LotClosing) -> ClosingView:
    return ClosingView(**closing.model_dump(exclude={"symbol"}), gain=closing.gain, long_term=closing.long_term)
