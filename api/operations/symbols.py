"""One symbol: what stands at the head of its page, its bars, and what moves it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api import queries
from api.numbers import Money, Shares, from_nano
from api.operations.signals import SignalView, signal_view
from domain.adjustment import adjusted, split_factor
from domain.decisions import Attribution, Layer
from domain.documents import NEW_YORK
from domain.errors import InvalidInput
from domain.macro_items import state_key
from domain.portfolio import OrderStatus, plain, product
from domain.registry import LinkStatus, factor_of
from store import account_history, competitor_history, earnings, exposures, market, recommendations, registry
from store.database import Database
from store.tables.decisions import SignalSnapshot
from store.tables.market import BarRow
from store.tables.registry import Company, CompetitorLink
from store.tables.trading import Order, Position

ZERO = Decimal(0)


class Adjustment(StrEnum):
    RAW = "raw"
    """As traded."""
    SPLIT = "split"
    """In shares of the day from which it is looked at."""


class BarView(BaseModel):
    session: date
    open: Money
    high: Money
    low: Money
    close: Money
    volume: Shares
    factor: Shares = Field(
        description="shares of the day looked from, per share of the session; 1 where nothing was split"
    )
    available_at: datetime = Field(description="the session's close: from then on decisions know it")


class PriceView(BaseModel):
    """The newest bar that is known."""

    session: date
    close: Money
    change_pct: str | None = Field(
        description="on the close before, splits apart; null where there is none", examples=["1.2345"]
    )
    volume: Shares


class HoldingView(BaseModel):
    quantity: Shares
    average_price: Money
    last_price: Money
    market_value: Money
    weight_pct: str | None = Field(description="percent of equity at the last mark; null before the first")


class NewestRecommendation(BaseModel):
    recommendation_id: str
    as_of: datetime
    action: str
    thesis: str


class SymbolSummary(BaseModel):
    symbol: str
    name: str
    kind: str
    sector: str
    industry: str
    exchange: str
    followed: bool
    price: PriceView | None = Field(description="null: the book has no bar")
    holding: HoldingView | None = Field(description="null: nothing is held")
    signal: SignalView | None = Field(description="the newest; null: never assessed")
    recommendation: NewestRecommendation | None
    open_orders: int
    next_report: date | None = Field(description="the next day on which it will report, as far as somebody said")
    last_document_at: datetime | None = Field(description="when the newest document on it could first be known")


class FactorExposure(BaseModel):
    factor: str = Field(examples=["rates"])
    exposure: float = Field(description="in [-1, 1]: how far the company moves with it")
    share: str | None = Field(
        description="what it added to the newest score; null: never assessed", examples=["-0.012"]
    )


class CompetitorExposure(BaseModel):
    """A confirmed competitor, whose news is news on the company."""

    competitor: str
    name: str
    strength: float = Field(description="of the link, in [0, 1]")
    rho: float | None = Field(description="how the company moved at its events; null: not measured")
    events: int = Field(description="that was measured at")
    share: str | None = Field(description="what its news added to the newest score; null: never assessed")


class SymbolExposure(BaseModel):
    symbol: str
    as_of: datetime
    holding: HoldingView | None = Field(description="the account's own exposure; null: nothing is held")
    signal_id: str | None = Field(description="the newest signal: what the shares are parts of")
    profile_version: int = Field(description="of the exposures; 0: nobody gave any")
    direct: str | None = Field(description="what news on the company itself added to the newest score")
    factors: list[FactorExposure]
    competitors: list[CompetitorExposure]
    named_by: list[str] = Field(description="companies that name it as a competitor: its news moves them")


async def summary(database: Database, symbol: str) -> SymbolSummary:
    """Raises NotFound."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        company = await registry.require(session, symbol)
        newest = await recommendations.list_recent(session, limit=1, symbol=symbol)
        about = queries.documents_about(symbol, 1)
        last_document_at = (await session.exec(select(func.max(about.c.available_at)))).one()
        reports = await earnings.list_dates(
            session, symbol=symbol, as_of=now, limit=1, after=now.astimezone(NEW_YORK).date() - timedelta(days=1)
        )
        signal = await _newest_signal(session, symbol)
        return SymbolSummary(
            **company.model_dump(include={"symbol", "name", "kind", "sector", "industry", "exchange", "followed"}),
            price=await _price(session, symbol, now),
            holding=await _holding(session, symbol),
            signal=signal_view(signal) if signal is not None else None,
            recommendation=NewestRecommendation(**newest[0].model_dump(include=set(NewestRecommendation.model_fields)))
            if newest
            else None,
            open_orders=await _open_orders(session, symbol),
            next_report=reports[0].report_date if reports else None,
            last_document_at=last_document_at,
        )


async def bars(
    database: Database,
    symbol: str,
    *,
    limit: int,
    adjustment: Adjustment = Adjustment.RAW,
    first: date | None = None,
    last: date | None = None,
    as_of: datetime | None = None,
    before: date | None = None,
) -> list[BarView]:
    """Sessions that were finished at an instant, the newest first; both bounds are inclusive.

    Raises:
        NotFound: the registry has no such company, and the book no bar of it.
    """
    instant = as_of or datetime.now(UTC)
    try:
        today = instant.astimezone(NEW_YORK).date()
    except OverflowError:
        raise InvalidInput(
            "VALUE_OUT_OF_RANGE", "Give an instant of the years 1 to 9999, in UTC as well", field="as_of"
        ) from None
    async with database.transaction() as session:
        rows = await market.page_of_bars(
            session, symbol=symbol, as_of=instant, limit=limit, first=first, last=last, before=before
        )
        if not rows and not await market.has_bars(session, symbol=symbol):
            await registry.require(session, symbol)
        splits = await _splits(session, symbol, rows) if adjustment is Adjustment.SPLIT else []
    return [_bar(row, split_factor(row.session, splits, today)) for row in rows]


async def exposure(database: Database, symbol: str) -> SymbolExposure:
    """What moves a company: news on itself, the economy, and its competitors. Raises NotFound."""
    now = datetime.now(UTC)
    async with database.transaction() as session:
        await registry.require(session, symbol)
        profile = await exposures.current(session, symbol)
        links = (await competitor_history.in_force(session, [symbol], as_of=now))[symbol]
        moves = (await competitor_history.newest_comovements(session, [symbol], as_of=now))[symbol]
        companies = await session.exec(select(Company.symbol, Company.name).where(col(Company.symbol).in_(links)))
        called = dict(companies.all())
        naming = await session.exec(
            select(CompetitorLink.symbol)
            .where(CompetitorLink.competitor == symbol, CompetitorLink.status == LinkStatus.CONFIRMED.value)
            .order_by(col(CompetitorLink.symbol))
        )
        named_by = list(naming.all())
        signal = await _newest_signal(session, symbol)
        holding = await _holding(session, symbol)
    stored = signal.assessment["attributions"] if signal is not None else []
    terms = [Attribution.model_validate(term) for term in stored]

    def share(layer: Layer, via: str) -> str | None:
        if signal is None:
            return None
        return from_nano(sum(term.nano for term in terms if term.layer is layer and term.via == via))

    return SymbolExposure(
        symbol=symbol,
        as_of=now,
        holding=holding,
        signal_id=signal.snapshot_id if signal is not None else None,
        profile_version=profile.version if profile is not None else 0,
        direct=share(Layer.COMPANY, ""),
        factors=[
            FactorExposure(factor=factor, exposure=value, share=share(Layer.MACRO, state_key(*factor_of(factor))))
            for factor, value in sorted((profile.exposures if profile is not None else {}).items())
        ],
        competitors=[
            CompetitorExposure(
                competitor=competitor,
                name=called.get(competitor, ""),
                strength=strength,
                rho=moves[competitor].rho if competitor in moves else None,
                events=moves[competitor].events if competitor in moves else 0,
                share=share(Layer.COMPETITIVE, competitor),
            )
            for competitor, strength in sorted(links.items())
        ],
        named_by=named_by,
    )


async def _newest_signal(session: AsyncSession, symbol: str) -> SignalSnapshot | None:
    rows = await session.exec(
        select(SignalSnapshot)
        .where(SignalSnapshot.symbol == symbol)
        .order_by(col(SignalSnapshot.as_of).desc())
        .limit(1)
    )
    return rows.first()


async def _price(session: AsyncSession, symbol: str, now: datetime) -> PriceView | None:
    rows = await market.page_of_bars(session, symbol=symbol, as_of=now, limit=2)
    if not rows:
        return None
    newest, *earlier = rows
    change = None
    if earlier and earlier[0].close:
        factor = split_factor(earlier[0].session, await _splits(session, symbol, rows), newest.session)
        change = f"{(newest.close * factor / earlier[0].close - 1) * 100:.4f}"
    return PriceView(session=newest.session, close=newest.close, change_pct=change, volume=Decimal(newest.volume))


async def _holding(session: AsyncSession, symbol: str) -> HoldingView | None:
    row = await session.get(Position, symbol)
    if row is None or not row.quantity:
        return None
    worth = plain(product(row.quantity, row.last_price))
    marked = await account_history.page_of_snapshots(session, limit=1)
    equity = marked[0].equity if marked else ZERO
    return HoldingView(
        **row.model_dump(include={"quantity", "average_price", "last_price"}),
        market_value=worth,
        weight_pct=f"{worth / equity * 100:.4f}" if equity > 0 else None,
    )


async def _open_orders(session: AsyncSession, symbol: str) -> int:
    under_way = [status.value for status in OrderStatus if not status.final]  # few, and found by the index
    counted = await session.exec(
        select(func.count()).select_from(Order).where(Order.symbol == symbol, col(Order.status).in_(under_way))
    )
    return int(counted.one())


async def _splits(session: AsyncSession, symbol: str, rows: Sequence[BarRow]) -> list[tuple[date, Decimal]]:
    if not rows:
        return []
    actions = await market.actions_of(session, symbols=[symbol], first=min(row.session for row in rows))
    return [(action.ex_date, action.split_ratio) for action in actions if action.split_ratio != 1]


def _bar(row: BarRow, factor: Decimal) -> BarView:
    prices: dict[str, Any] = {name: adjusted(getattr(row, name), factor) for name in ("open", "high", "low", "close")}
    return BarView(
        session=row.session,
        **prices,
        volume=plain(Decimal(row.volume) * factor),
        factor=factor,
        available_at=row.available_at,
    )
