"""Facts that sources bring beside documents: bars, corporate actions, companies' details, reported and macro figures.

What was written stays: a bar or a figure that a vendor changes later would change what past decisions saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import NEW_YORK, end_of_day
from domain.ids import digest
from domain.market import Bar, CorporateAction, MacroFigure, ReportedFigure
from domain.registry import CompanyDetails
from store.database import insert_new
from store.tables.market import BarRow, CorporateActionRow, MacroFigureRow, ReportedFigureRow
from store.tables.registry import Company, CompanyAlias

CLOSE = time(16)
"""When a session's bar counts as known, in New York; on half days that is later than it was."""
BATCH = 1_000
_FILLED = ("name", "exchange", "cik", "industry")
_DATES = ("active_from", "active_to")


async def save_bars(session: AsyncSession, bars: Sequence[Bar]) -> int:
    """Write bars whose symbol and session are new. Returns how many were."""
    rows = {
        (bar.symbol, bar.session): BarRow(
            **bar.model_dump(), available_at=datetime.combine(bar.session, CLOSE, NEW_YORK)
        )
        for bar in bars
    }
    return await _insert(session, list(rows.values()))


async def save_actions(session: AsyncSession, actions: Sequence[CorporateAction]) -> int:
    """Write dividends and splits; of one symbol and day each kind of action is written over by its own kind alone."""
    changed = 0
    for action in actions:
        values: dict[str, Any] = {}
        if action.cash_dividend:
            values["cash_dividend"] = action.cash_dividend
        if action.split_ratio != 1:
            values["split_ratio"] = action.split_ratio
        if not values:
            continue
        known = await session.get(CorporateActionRow, (action.symbol, action.ex_date))
        if known is not None and all(getattr(known, name) == value for name, value in values.items()):
            continue
        table: Any = CorporateActionRow
        statement = insert(table.__table__).values(**CorporateActionRow(**action.model_dump()).model_dump())
        connection = await session.connection()
        await connection.execute(statement.on_conflict_do_update(index_elements=["symbol", "ex_date"], set_=values))
        if known is not None:
            await session.refresh(known)
        changed += 1
    return changed


async def save_reported(session: AsyncSession, figures: Sequence[ReportedFigure]) -> int:
    """Write reported figures; each filing's statement of a figure is a row."""
    rows = {
        (f.cik, f.taxonomy, f.tag, f.unit, f.start or f.end, f.end, f.accession): ReportedFigureRow(
            cik=f.cik,
            taxonomy=f.taxonomy,
            tag=f.tag,
            unit=f.unit,
            period_start=f.start or f.end,
            period_end=f.end,
            accession=f.accession,
            value=f.value,
            form=f.form,
            filed=f.filed,
            available_at=end_of_day(f.filed),
        )
        for f in figures
    }
    return await _insert(session, list(rows.values()))


async def save_macro(session: AsyncSession, figures: Sequence[MacroFigure]) -> int:
    """Write vintages; where one has ended since it was read, its last day is brought up to date."""
    rows = {
        (figure.series, figure.period, figure.known_from): MacroFigureRow(
            **figure.model_dump(), available_at=end_of_day(figure.known_from)
        )
        for figure in figures
    }
    new = await _insert(session, list(rows.values()))
    for figure in figures:
        if figure.known_to == date.max:
            continue
        known = await session.get(MacroFigureRow, (figure.series, figure.period, figure.known_from))
        if known is not None and known.known_to != figure.known_to:
            known.known_to = figure.known_to
            session.add(known)
    return new


async def complete_companies(
    session: AsyncSession, found: Sequence[CompanyDetails], *, origin: str, now: datetime
) -> int:
    """Fill in what the registry does not know; what stands there already, a person's word above all, stays.

    Returns how many companies were new or gained something.
    """
    changed = 0
    for details in found:
        row = await session.get(Company, details.symbol, with_for_update=True)
        if row is None:
            row = Company(
                symbol=details.symbol,
                name=details.name or details.symbol,
                kind=details.kind or "stock",
                exchange=details.exchange,
                cik=details.cik,
                industry=details.industry,
                active_from=details.active_from,
                active_to=details.active_to,
                origin=origin,
                created_at=now,
                updated_at=now,
            )
            session.add(row)
            gained = True
        else:
            gained = _fill(row, details)
            if gained:
                row.version += 1
                row.updated_at = now
        await session.flush()
        aliases = [
            CompanyAlias(
                alias_id=digest(details.symbol, each.alias, each.kind.value, each.valid_from or "", length=16),
                symbol=details.symbol,
                alias=each.alias,
                kind=each.kind.value,
                valid_from=each.valid_from,
                valid_to=each.valid_to,
                origin=origin,
            )
            for each in details.aliases
        ]
        changed += bool(await insert_new(session, aliases)) or gained
    return changed


async def ciks(session: AsyncSession) -> dict[str, str]:
    """Symbol by central index key, of the companies that are followed."""
    rows = await session.exec(select(Company.cik, Company.symbol).where(col(Company.cik) != "", col(Company.followed)))
    return dict(rows.all())


def _fill(row: Company, details: CompanyDetails) -> bool:
    gained = False
    for name in _FILLED:
        value = getattr(details, name)
        if (
            value
            and (not getattr(row, name) or (name == "name" and row.name == row.symbol))
            and (getattr(row, name) != value)
        ):
            setattr(row, name, value)
            gained = True
    for name in _DATES:
        value = getattr(details, name)
        if value is not None and getattr(row, name) is None:
            setattr(row, name, value)
            gained = True
    return gained


async def _insert(session: AsyncSession, rows: Sequence[Any]) -> int:
    return sum([await insert_new(session, rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)])
