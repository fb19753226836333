"""Who is followed: companies, their names over time, watchlists, exposures, competitors."""

from datetime import date, datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, instant, json_object, text


class Company(SQLModel, table=True):
    __tablename__ = "companies"

    symbol: str = Field(primary_key=True)
    name: str = text()
    kind: str = text("stock")
    sector: str = text("")
    industry: str = text("")
    cik: str = text("")
    exchange: str = text("")
    active_from: date | None = None
    active_to: date | None = None
    origin: str = text("seed")
    version: int = 1


class CompanyAlias(SQLModel, table=True):
    """A name or an old ticker of a company, with the days on which it was valid (both inclusive, empty = open)."""

    __tablename__ = "company_aliases"

    alias_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol", index=True)
    alias: str = text(index=True)
    kind: str = text()
    valid_from: date | None = None
    valid_to: date | None = None


class Watchlist(SQLModel, table=True):
    __tablename__ = "watchlists"

    watchlist_id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    created_at: datetime = instant()


class WatchlistMember(SQLModel, table=True):
    __tablename__ = "watchlist_members"

    watchlist_id: str = Field(primary_key=True, foreign_key="watchlists.watchlist_id")
    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    added_at: datetime = instant()


class ExposureProfile(SQLModel, table=True):
    """Signed exposures of a company to macro factors; a change is a new version."""

    __tablename__ = "exposure_profiles"

    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    version: int = Field(primary_key=True)
    exposures: Json = json_object()
    provenance: str = text("")
    created_at: datetime = instant()


class CompetitorLink(SQLModel, table=True):
    __tablename__ = "competitor_links"
    __table_args__ = (UniqueConstraint("symbol", "competitor"),)

    link_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol")
    competitor: str = Field(foreign_key="companies.symbol", index=True)
    strength: float
    status: str = text("proposed")
    provenance: str = text("")
    created_at: datetime = instant()
