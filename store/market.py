"""Bars and corporate actions: what a decision may see, and what the paper broker fills from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.adjustment import adjusted_close, adjusted_volume, split_factor
from domain.bar_series import PackedBars
from domain.decisions import MarketWindow
from domain.market import Bar, CorporateAction
from store.database import in_groups
from store.tables.market import BarRow, CorporateActionRow

_COLUMNS = f"""
    SELECT symbol, session - date '0001-01-01' + 1, (extract(epoch FROM available_at) * 1000000)::bigint,
           {", ".join(f"({name} * 1000000)::bigint" for name in ("open", "high", "low", "close"))}, volume
    FROM bars
"""  # noqa: S608
"""Dates as Python's ordinals, prices in micro-dollars, as the book keeps them."""
_OF_PERIOD = f"{_COLUMNS} WHERE session >= $1 AND session <= $2 ORDER BY symbol, session"
_KNOWN = f"{_COLUMNS} WHERE symbol = ANY($1) AND session >= $2 AND available_at <= $3 ORDER BY symbol, session"

NEW_YORK = ZoneInfo("America/New_York")


async def bars_on(session: AsyncSession, *, on: date, symbols: Sequence[str] | None = None) -> list[Bar]:
    """Bars of one session, by symbol."""
    statement = select(BarRow).where(BarRow.session == on).order_by(col(BarRow.symbol))
    if symbols is not None:
        statement = statement.where(col(BarRow.symbol).in_(symbols))
    return [bar_of(row) for row in await session.exec(statement)]


async def finished_sessions(session: AsyncSession, *, first: date, as_of: datetime) -> dict[date, int]:
    """Sessions from a day on of which the book has bars, with how many, as far as they were over at an instant."""
    rows = await session.exec(
        select(col(BarRow.session), func.count())
        .where(BarRow.session >= first, BarRow.available_at <= as_of)
        .group_by(col(BarRow.session))
        .order_by(col(BarRow.session))
    )
    return dict(rows.all())


async def newest_sessions(session: AsyncSession, *, symbols: Sequence[str], as_of: datetime) -> dict[str, date]:
    """The last session of which the book has a bar that was over at an instant, by symbol."""
    rows = await session.exec(
        select(col(BarRow.symbol), func.max(BarRow.session))
        .where(col(BarRow.symbol).in_(symbols), BarRow.available_at <= as_of)
        .group_by(col(BarRow.symbol))
    )
    return dict(rows.all())


async def known_bars(
    session: AsyncSession, *, symbols: Sequence[str], first: date, as_of: datetime
) -> dict[str, PackedBars]:
    """Raw bars from a session on that were finished at an instant, by symbol, oldest first."""
    groups = in_groups(session, _KNOWN, list(symbols), first, as_of)
    return {symbol: _packed(symbol, rows) async for symbol, rows in groups}


async def recorded_bars(session: AsyncSession, *, first: date, last: date) -> dict[str, PackedBars]:
    """Raw bars of all symbols of a period, by symbol, oldest first; both days are inclusive."""
    return {symbol: _packed(symbol, rows) async for symbol, rows in in_groups(session, _OF_PERIOD, first, last)}


def _packed(symbol: str, rows: Sequence[Sequence[Any]]) -> PackedBars:
    ordinals, micros, *prices, volumes = np.array([row[1:] for row in rows], dtype=np.int64).T.copy()
    units = np.stack(prices, axis=1)
    return PackedBars(symbol, ordinals, micros, units, np.full(units.shape, -6, dtype=np.int8), volumes)


async def page_of_bars(
    session: AsyncSession,
    *,
    symbol: str,
    as_of: datetime,
    limit: int,
    first: date | None = None,
    last: date | None = None,
    before: date | None = None,
) -> list[BarRow]:
    """Raw bars of a symbol that were finished at an instant, the newest first; both bounds are inclusive."""
    statement = select(BarRow).where(BarRow.symbol == symbol, BarRow.available_at <= as_of)
    if first is not None:
        statement = statement.where(BarRow.session >= first)
    if last is not None:
        statement = statement.where(BarRow.session <= last)
    if before is not None:
        statement = statement.where(BarRow.session < before)
    rows = await session.exec(statement.order_by(col(BarRow.session).desc()).limit(limit))
    return list(rows.all())


async def has_bars(session: AsyncSession, *, symbol: str) -> bool:
    rows = await session.exec(select(col(BarRow.session)).where(BarRow.symbol == symbol).limit(1))
    return rows.first() is not None


async def actions_of(session: AsyncSession, *, symbols: Sequence[str], first: date) -> list[CorporateAction]:
    """Dividends and splits of some companies from a day on, by ex-date."""
    rows = await session.exec(
        select(CorporateActionRow)
        .where(col(CorporateActionRow.symbol).in_(symbols), CorporateActionRow.ex_date >= first)
        .order_by(col(CorporateActionRow.ex_date), col(CorporateActionRow.symbol))
    )
    return [_action_of(row) for row in rows]


async def actions_on(session: AsyncSession, *, on: date) -> list[CorporateAction]:
    rows = await session.exec(
        select(CorporateActionRow).where(CorporateActionRow.ex_date == on).order_by(col(CorporateActionRow.symbol))
    )
    return [_action_of(row) for row in rows]


async def actions_between(session: AsyncSession, *, first: date, last: date) -> list[CorporateAction]:
    """Dividends and splits of a period, both ends included, by ex-date."""
    rows = await session.exec(
        select(CorporateActionRow)
        .where(CorporateActionRow.ex_date >= first, CorporateActionRow.ex_date <= last)
        .order_by(col(CorporateActionRow.ex_date), col(CorporateActionRow.symbol))
    )
    return [_action_of(row) for row in rows]


async def windows(
    session: AsyncSession, *, symbols: Sequence[str], as_of: datetime, sessions: int
) -> dict[str, MarketWindow]:
    """The last `sessions` bars of each symbol that were finished at `as_of`, split-adjusted as of that day.

    A split is announced long before its ex-date, so on the morning of the ex-date yesterday's close is already seen in
    new shares.
    """
    ranked = (
        select(
            BarRow, func.row_number().over(partition_by=BarRow.symbol, order_by=col(BarRow.session).desc()).label("age")
        )
        .where(col(BarRow.symbol).in_(symbols), BarRow.available_at <= as_of)
        .subquery()
    )
    rows = await session.exec(
        select(ranked.c.symbol, ranked.c.session, ranked.c.close, ranked.c.volume)
        .where(ranked.c.age <= sessions)
        .order_by(ranked.c.symbol, ranked.c.session)
    )
    splits: dict[str, list[tuple[date, Decimal]]] = {}
    for symbol, ex_date, ratio in await session.exec(
        select(col(CorporateActionRow.symbol), col(CorporateActionRow.ex_date), col(CorporateActionRow.split_ratio))
        .where(col(CorporateActionRow.symbol).in_(symbols), CorporateActionRow.split_ratio != 1)
        .order_by(col(CorporateActionRow.ex_date))
    ):
        splits.setdefault(symbol, []).append((ex_date, ratio))
    found: dict[str, list[tuple[date, Decimal, int]]] = {}
    for symbol, day, close, volume in rows.all():
        found.setdefault(symbol, []).append((day, close, volume))
    today = as_of.astimezone(NEW_YORK).date()
    return {symbol: _window(symbol, bars, splits.get(symbol, []), today) for symbol, bars in found.items()}


def _window(
    symbol: str, bars: list[tuple[date, Decimal, int]], splits: list[tuple[date, Decimal]], today: date
) -> MarketWindow:
    factors = [split_factor(day, splits, today) for day, _, _ in bars]
    return MarketWindow(
        symbol=symbol,
        sessions=tuple(day.isoformat() for day, _, _ in bars),
        closes=tuple(adjusted_close(close, factor) for (_, close, _), factor in zip(bars, factors, strict=True)),
        volumes=tuple(adjusted_volume(volume, factor) for (_, _, volume), factor in zip(bars, factors, strict=True)),
    )


def _action_of(row: CorporateActionRow) -> CorporateAction:
    return CorporateAction(
        symbol=row.symbol, ex_date=row.ex_date, cash_dividend=row.cash_dividend, split_ratio=row.split_ratio
    )


def bar_of(row: BarRow) -> Bar:
    return Bar(
        symbol=row.symbol,
        session=row.session,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
    )
