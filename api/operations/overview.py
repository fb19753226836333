"""The platform at a glance: trading state, account, open work, documents, the newest recommendations."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, Field
from sqlalchemy import func
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.numbers import Money, Shares
from domain.decisions import Side, TradingState
from store import control, documents, portfolio
from store.database import Database
from store.portfolio import NEW_YORK
from store.tables.decisions import Approval, OrderIntentRow, RecommendationRow
from store.tables.trading import AccountSnapshot, CorporateActionEntry, FillRow

_END_OF_TIME = datetime.fromisoformat("9999-01-01T00:00:00+00:00")


class TradingView(BaseModel):
    state: TradingState
    reason: str
    since: datetime | None = Field(description="null: nobody ever changed it")
    changed_by: str


class AccountView(BaseModel):
    """The account as it was marked last; `as_of` says when."""

    as_of: datetime
    equity: Money
    cash: Money
    gross_exposure: Money
    realized_pnl: Money
    unrealized_pnl: Money
    drawdown_pct: str
    """Percent below the highest equity so far, never negative."""
    return_pct: str | None
    """Percent earned on the capital paid in: cash, plus what fills have cost, less dividends."""


class PositionRow(BaseModel):
    symbol: str
    quantity: Shares
    average_price: Money
    last_price: Money
    market_value: Money
    unrealized_pnl: Money


class RecommendationCounts(BaseModel):
    """How many symbols got which action at the newest instant that has recommendations."""

    as_of: datetime
    by_action: dict[str, int]


class Overview(BaseModel):
    mode: str
    trading: TradingView
    account: AccountView | None = Field(description="null: no session was closed yet")
    positions: list[PositionRow]
    open_orders: int
    """Intents under way: being judged, waiting for approval, or at the broker."""
    approvals_pending: int
    documents: dict[str, int]
    last_session: date | None
    recommendations: RecommendationCounts | None


async def overview(database: Database, *, mode: str) -> Overview:
    async with database.transaction() as session:
        row = await control.state(session)
        marked = await portfolio.latest_snapshot(session, before=_END_OF_TIME)
        held = await portfolio.holdings(session)
        return Overview(
            mode=mode,
            trading=TradingView(
                state=TradingState(row.state),
                reason=row.reason,
                since=row.changed_at if row.epoch else None,
                changed_by=row.changed_by,
            ),
            account=await _account(session, marked) if marked else None,
            positions=[
                PositionRow(
                    symbol=one.symbol,
                    quantity=one.quantity,
                    average_price=one.average_price,
                    last_price=one.last_price,
                    market_value=_cents(one.market_value),
                    unrealized_pnl=_cents((one.last_price - one.average_price) * one.quantity),
                )
                for one in held
            ],
            open_orders=await _count(session, OrderIntentRow, col(OrderIntentRow.state) == "open"),
            approvals_pending=await _count(session, Approval, col(Approval.status) == "pending"),
            documents=dict(sorted((await documents.count_by_status(session)).items())),
            last_session=marked.as_of.astimezone(NEW_YORK).date() if marked else None,
            recommendations=await _recommendations(session),
        )


async def _account(session: AsyncSession, marked: AccountSnapshot) -> AccountView:
    paid_in = await _paid_in(session, marked)
    below = (1 - marked.equity / marked.peak_equity) * 100 if marked.peak_equity > 0 else Decimal(0)
    return AccountView(
        as_of=marked.as_of,
        equity=_cents(marked.equity),
        cash=_cents(marked.cash),
        gross_exposure=_cents(marked.gross_exposure),
        realized_pnl=_cents(marked.realized_pnl),
        unrealized_pnl=_cents(marked.unrealized_pnl),
        drawdown_pct=f"{max(below, Decimal(0)):.4f}",
        return_pct=f"{(marked.equity / paid_in - 1) * 100:+.4f}" if paid_in > 0 else None,
    )


async def _paid_in(session: AsyncSession, marked: AccountSnapshot) -> Decimal:
    """Capital that came from outside, by the identity cash = paid in - bought + sold - fees + dividends."""
    cash = marked.cash
    totals = await session.exec(
        select(FillRow.side, func.sum(FillRow.quantity * FillRow.price), func.sum(FillRow.fee))
        .where(FillRow.filled_at <= marked.as_of)
        .group_by(FillRow.side)
    )
    for side, amount, fees in totals:
        cash += (amount if side == Side.BUY.value else -amount) + fees
    dividends = await session.exec(
        select(func.coalesce(func.sum(CorporateActionEntry.cash), 0)).where(
            CorporateActionEntry.applied_at <= marked.as_of
        )
    )
    return cash - Decimal(dividends.one())


async def _recommendations(session: AsyncSession) -> RecommendationCounts | None:
    as_of = (await session.exec(select(func.max(RecommendationRow.as_of)))).one()
    if as_of is None:
        return None
    rows = await session.exec(
        select(RecommendationRow.action, func.count())
        .where(RecommendationRow.as_of == as_of)
        .group_by(RecommendationRow.action)
        .order_by(RecommendationRow.action)
    )
    return RecommendationCounts(as_of=as_of, by_action=dict(rows.all()))


async def _count(session: AsyncSession, table: type[SQLModel], condition: object) -> int:
    statement = select(func.count()).select_from(table).where(condition)  # type: ignore[arg-type]
    return (await session.exec(statement)).one()


def _cents(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"))
