"""Who is followed: companies, their names over time, watchlists, exposures, competitors."""

from datetime import date, datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, instant, json_list, json_object, text


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
    followed: bool = True
    """False: an operator took it off; its past stays, and nothing new is concluded about it."""
    origin: str = text("seed")
    created_at: datetime | None = instant(nullable=True)
    updated_at: datetime | None = instant(nullable=True)
    version: int = 1


class CompanyAlias(SQLModel, table=True):
    """A name or an old ticker of a company, with the days on which it was valid (both inclusive, empty = open)."""

    __tablename__ = "company_aliases"
    __table_args__ = (Index("ix_company_aliases_of_symbol", "symbol", "alias", "alias_id"),)

    alias_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol")
    alias: str = text(index=True)
    kind: str = text()
    valid_from: date | None = None
    valid_to: date | None = None
    origin: str = text("seed")


class Watchlist(SQLModel, table=True):
    __tablename__ = "watchlists"

    watchlist_id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    description: str = text("")
    created_at: datetime = instant()
    version: int = 1


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
    created_by: str = text("")
    created_at: datetime = instant()
    estimate: Json = json_object()
    """What it was estimated from, as it was accepted; empty: a person gave the numbers."""


class CompetitorLink(SQLModel, table=True):
    __tablename__ = "competitor_links"
    __table_args__ = (UniqueConstraint("symbol", "competitor"),)

    link_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol")
    competitor: str = Field(foreign_key="companies.symbol", index=True)
    strength: float
    status: str = text("proposed")
    provenance: str = text("")
    """Who or what says so: `person`, `inference/<id>`, a file."""
    reasons: list[str] = json_list()
    created_at: datetime = instant()
    updated_at: datetime | None = instant(nullable=True)
    decided_by: str = text("")
    version: int = 1


class CompetitorLinkChange(SQLModel, table=True):
    """From when on a link held with a strength, or held no longer. Rows are never changed."""

    __tablename__ = "competitor_link_changes"

    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    competitor: str = Field(primary_key=True, foreign_key="companies.symbol")
    number: int = Field(primary_key=True)
    """Counts the changes of the pair from 1; `since` never falls."""
    since: datetime = instant()
    strength: float | None = None
    """None: from then on it is not in force."""
    actor: str = text("")


class CompetitorComovement(SQLModel, table=True):
    """How a company moved at a competitor's events, as measured at an instant. Rows are never changed."""

    __tablename__ = "competitor_comovements"

    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    competitor: str = Field(primary_key=True, foreign_key="companies.symbol")
    as_of: datetime = instant(primary_key=True)
    """Nothing that was known later was read."""
    known_at: datetime = instant()
    """When it was measured: decisions before it do not know it."""
    rho: float
    events: int
    told: int = 0
    """Sessions with events; around some there were too few prices."""
    first_event: date | None = None
    last_event: date | None = None
    benchmark: str = text("")


class CompetitorInference(SQLModel, table=True):
    """One search for a company's competitors and what it proposed."""

    __tablename__ = "competitor_inferences"

    inference_id: str = Field(primary_key=True)
    symbol: str = Field(foreign_key="companies.symbol", index=True)
    status: str = text("running")
    """running, finished or failed."""
    as_of: datetime = instant()
    requested_by: str = text("")
    requested_at: datetime = instant()
    finished_at: datetime | None = instant(nullable=True)
    proposals: list[Json] = json_list()
    error: str = text("")
