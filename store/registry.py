"""Companies and their names at a point in time."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib import resources

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.ids import digest
from store.database import insert_new
from store.tables.registry import Company, CompanyAlias


@dataclass(frozen=True)
class SymbolMaster:
    """Tickers and names as they were: a ticker means a company only on the days it was used for it."""

    companies: dict[str, Company]
    tickers: dict[str, tuple[CompanyAlias, ...]] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def resolve(self, ticker: str, on: date) -> str | None:
        """Map a ticker of that day to today's symbol; None where no company used it then.

        An alias that was valid on the day wins over a company that carries the same letters today: GOOG of 2011 is the
        class A share, today's GOOGL.
        """
        label = ticker.strip().upper()
        for alias in self.tickers.get(label, ()):
            if (alias.valid_from is None or alias.valid_from <= on) and (
                alias.valid_to is None or on <= alias.valid_to
            ):
                return alias.symbol
        company = self.companies.get(label)
        if company is None or (company.active_from is not None and on < company.active_from):
            return None
        return company.symbol


async def load_master(session: AsyncSession) -> SymbolMaster:
    """Read the registry whole: some thousand rows at most."""
    companies = {row.symbol: row for row in await session.exec(select(Company))}
    aliases = (await session.exec(select(CompanyAlias).order_by(col(CompanyAlias.alias_id)))).all()
    tickers: dict[str, list[CompanyAlias]] = {}
    names: dict[str, set[str]] = {symbol: {company.name} for symbol, company in companies.items()}
    for alias in aliases:
        if alias.kind == "ticker":
            tickers.setdefault(alias.alias.upper(), []).append(alias)
        elif alias.kind != "name_ambiguous":
            names.setdefault(alias.symbol, set()).add(alias.alias)
    return SymbolMaster(
        companies=companies,
        tickers={label: tuple(rows) for label, rows in tickers.items()},
        names={symbol: tuple(sorted(found, key=lambda n: (-len(n), n))) for symbol, found in names.items()},
    )


async def seed(session: AsyncSession) -> int:
    """Add the packaged companies and aliases that are not there yet; what a person changed stays."""
    folder = resources.files("store") / "seeds"
    with (folder / "companies.csv").open(encoding="utf-8") as file:
        companies = [
            Company(
                symbol=row["symbol"],
                name=row["name"],
                kind=row["kind"] or "stock",
                sector=row["sector"],
                industry=row["industry"],
                cik=row["cik"],
                exchange=row["exchange"],
                active_from=_date(row["active_from"]),
            )
            for row in csv.DictReader(file)
        ]
    with (folder / "aliases.csv").open(encoding="utf-8") as file:
        aliases = [
            CompanyAlias(
                alias_id=digest(row["symbol"], row["alias"], row["kind"], row["valid_from"], length=16),
                symbol=row["symbol"],
                alias=row["alias"],
                kind=row["kind"],
                valid_from=_date(row["valid_from"]),
                valid_to=_date(row["valid_to"]),
            )
            for row in csv.DictReader(file)
        ]
    added = await insert_new(session, companies)
    await insert_new(session, aliases)
    return added


async def add_unnamed(session: AsyncSession, symbols: Sequence[str], *, origin: str) -> int:
    """Add symbols that only a bar file knows, under their ticker as name."""
    rows = [Company(symbol=symbol, name=symbol, origin=origin) for symbol in sorted(set(symbols))]
    return await insert_new(session, rows)


def _date(value: str) -> date | None:
    return date.fromisoformat(value) if value else None
