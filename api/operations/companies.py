"""Companies: who they are, what they are called, what they are exposed to. Each change is audited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.documents import NEW_YORK
from domain.registry import CompanyChange, Exposures, NewAlias, NewCompany, Note
from domain.resolution import Resolution
from store import exposures, registry
from store.database import Database
from store.registry import SymbolMaster
from store.tables.registry import Company, CompanyAlias, ExposureProfile

Check = Callable[[int], None]
"""Is given the present version and raises where the caller has seen another."""
T = TypeVar("T")


class CompanyView(BaseModel):
    symbol: str
    name: str
    kind: str
    sector: str
    industry: str
    cik: str
    exchange: str
    active_from: date | None
    active_to: date | None
    followed: bool
    origin: str = Field(description="seed, person, or the source that brought it")
    created_at: datetime | None
    updated_at: datetime | None
    version: int


class AliasView(BaseModel):
    alias_id: str
    symbol: str
    alias: str
    kind: str
    valid_from: date | None
    valid_to: date | None
    origin: str


class CandidateView(BaseModel):
    """A company that a text may mean."""

    symbol: str
    name: str
    followed: bool
    score: float
    reason: str
    surface: str = Field(description="the words that name it most clearly")
    start: int = Field(description="where the company is first named, in characters")
    end: int
    mentions: list[tuple[int, int]] = Field(description="all places, in order")


class Candidates(BaseModel):
    text: str
    on: date
    data: list[CandidateView] = Field(description="the surest first")


class NewProfile(BaseModel):
    """All exposures of a company: what is not named is not known."""

    model_config = ConfigDict(extra="forbid")

    exposures: Exposures = Field(examples=[{"rates": -0.4, "oil": 0.2, "region:Europe": 0.3}])
    provenance: Note = Field(default="", description="where the numbers come from")


class ProfileView(BaseModel):
    symbol: str
    version: int = Field(description="0: nobody gave one yet")
    exposures: dict[str, float]
    provenance: str
    created_by: str
    created_at: datetime | None
    estimate: dict[str, Any] = Field(description="what the numbers were estimated from; empty: a person gave them")


async def list_companies(
    database: Database,
    *,
    limit: int,
    text: str | None = None,
    sector: str | None = None,
    followed: bool | None = None,
    watchlist_id: str | None = None,
    after: str | None = None,
) -> list[CompanyView]:
    """Companies by symbol."""
    async with database.transaction() as session:
        rows = await registry.list_companies(
            session,
            limit=limit,
            text=text,
            sector=sector,
            followed=followed,
            watchlist_id=watchlist_id,
            after=after,
        )
    return [company_view(row) for row in rows]


async def get(database: Database, symbol: str) -> CompanyView:
    """Raises NotFound."""
    async with database.transaction() as session:
        return company_view(await registry.require(session, symbol))


async def create(database: Database, wanted: NewCompany, *, actor: str) -> CompanyView:
    """Add a company. Raises Conflict where the symbol, or its ticker on one of its days, is taken."""
    async with database.transaction() as session:
        return company_view(await registry.create(session, wanted=wanted, actor=actor, now=datetime.now(UTC)))


async def change(
    database: Database, symbol: str, wanted: CompanyChange, *, actor: str, check: Check | None = None
) -> CompanyView:
    """Change a company, or follow it again. Raises NotFound, Conflict, InvalidInput."""

    async def act(session: AsyncSession, row: Company, now: datetime) -> CompanyView:
        return company_view(await registry.change(session, row, wanted=wanted, actor=actor, now=now))

    return await _changed(database, symbol, act, check=check)


async def deactivate(database: Database, symbol: str, *, actor: str, check: Check | None = None) -> CompanyView:
    """Take a company off. Raises NotFound."""

    async def act(session: AsyncSession, row: Company, now: datetime) -> CompanyView:
        return company_view(await registry.deactivate(session, row, actor=actor, now=now))

    return await _changed(database, symbol, act, check=check)


async def list_aliases(
    database: Database, symbol: str, *, limit: int, after: tuple[str, str] | None = None
) -> list[AliasView]:
    """Names and former tickers in the alphabet's order. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        rows = await registry.list_aliases(session, symbol=symbol, limit=limit, after=after)
    return [_alias_view(row) for row in rows]


async def add_alias(database: Database, symbol: str, wanted: NewAlias, *, actor: str) -> AliasView:
    """Add a name or a ticker. Raises NotFound, and Conflict where it is another company's on one of its days."""

    async def act(session: AsyncSession, row: Company, now: datetime) -> AliasView:
        return _alias_view(await registry.add_alias(session, row, wanted=wanted, actor=actor, now=now))

    return await _changed(database, symbol, act)


async def remove_alias(database: Database, symbol: str, alias_id: str, *, actor: str) -> None:
    """Take a name or a ticker away. Raises NotFound, Conflict."""

    async def act(session: AsyncSession, row: Company, now: datetime) -> None:
        await registry.remove_alias(session, row, alias_id=alias_id, actor=actor, now=now)

    await _changed(database, symbol, act)


async def resolve(database: Database, text: str, *, on: date | None = None) -> Candidates:
    """Find the companies that a text names on a day, by default today in New York.

    Where it names none it may itself be a name or a ticker, without any text around it.
    """
    day = on or datetime.now(NEW_YORK).date()
    async with database.transaction() as session:
        master = await registry.load_master(session)
    found = await asyncio.to_thread(_resolve, master, text, day)  # names of a large registry take a second at first
    return Candidates(text=text, on=day, data=[_candidate(each, master) for each in found])


async def profile(database: Database, symbol: str) -> ProfileView:
    """The exposures in force: version 0 and none where nobody gave any. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        return profile_view(symbol, await exposures.current(session, symbol))


async def replace_profile(
    database: Database, symbol: str, wanted: NewProfile, *, actor: str, check: Check | None = None
) -> ProfileView:
    """Write a new version of the exposures. Raises NotFound."""

    async def act(session: AsyncSession, row: Company, now: datetime) -> ProfileView:
        if check is not None:
            before = await exposures.current(session, symbol)
            check(before.version if before is not None else 0)
        written = await exposures.replace(
            session, row, exposures=wanted.exposures, provenance=wanted.provenance, actor=actor, now=now
        )
        return profile_view(symbol, written)

    return await _changed(database, symbol, act)


async def list_profiles(database: Database, symbol: str, *, limit: int, before: int | None = None) -> list[ProfileView]:
    """Versions of the exposures, the newest first. Raises NotFound."""
    async with database.transaction() as session:
        await registry.require(session, symbol)
        rows = await exposures.list_versions(session, symbol=symbol, limit=limit, before=before)
    return [profile_view(symbol, row) for row in rows]


def company_view(row: Company) -> CompanyView:
    return CompanyView(**row.model_dump(include=set(CompanyView.model_fields)))


def profile_view(symbol: str, row: ExposureProfile | None) -> ProfileView:
    if row is None:
        return ProfileView(
            symbol=symbol, version=0, exposures={}, provenance="", created_by="", created_at=None, estimate={}
        )
    return ProfileView(**row.model_dump())


async def _changed(
    database: Database,
    symbol: str,
    act: Callable[[AsyncSession, Company, datetime], Awaitable[T]],
    *,
    check: Check | None = None,
) -> T:
    """One change of a company is one transaction, and nobody else changes it meanwhile."""
    async with database.transaction() as session:
        row = await registry.require(session, symbol, for_change=True)
        if check is not None:
            check(row.version)
        return await act(session, row, datetime.now(UTC))


def _alias_view(row: CompanyAlias) -> AliasView:
    return AliasView(**row.model_dump())


def _candidate(found: Resolution, master: SymbolMaster) -> CandidateView:
    company = master.companies[found.symbol]
    start, end = found.mentions[0]
    return CandidateView(
        symbol=found.symbol,
        name=company.name,
        followed=company.followed,
        score=found.score,
        reason=found.reason.value,
        surface=found.surface,
        start=start,
        end=end,
        mentions=list(found.mentions),
    )


def _resolve(master: SymbolMaster, text: str, day: date) -> tuple[Resolution, ...]:
    return master.index.resolve(text, day) or _shifted(master.index.resolve_name(text, day), text)


def _shifted(found: tuple[Resolution, ...], text: str) -> tuple[Resolution, ...]:
    """A bare name is read without the blanks around it: count these."""
    blanks = len(text) - len(text.lstrip())
    return tuple(
        each.model_copy(update={"mentions": tuple((start + blanks, end + blanks) for start, end in each.mentions)})
        for each in found
    )
