"""`/v1/companies`: the registry of companies, their names over time and their exposures."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, check_version, require_version, tag
from api.instants import Day, Instant
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import companies, earnings, exposures
from api.operations.companies import AliasView, Candidates, CompanyView, NewProfile, ProfileView
from api.operations.earnings import EarningsDateView, NewEarningsDate
from api.operations.exposures import Acceptance, EstimateView
from api.paging import Page, PageQuery
from api.routing import Router
from domain.errors import InvalidInput
from domain.registry import CompanyChange, NewAlias, NewCompany

KIND = "companies"
ALIASES = "aliases"
VERSIONS = "exposure-versions"
EARNINGS = "earnings-dates"

router = Router(prefix="/v1/companies", tags=["companies"])

Registrar = Annotated[Principal, require(Scope.REGISTRY_WRITE)]
SymbolPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-]{1,20}$", description="the company's symbol")]
DayPath = Annotated[Day, Path(alias="date", description="the day of the report in New York")]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class CompanyQuery(PageQuery):
    q: Annotated[Words | None, Field(description="part of a symbol, a name or an alias")] = None
    sector: Words | None = None
    followed: bool | None = None
    watchlist: Annotated[Words | None, Field(description="id of a watchlist")] = None


class ResolveQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=4_000, pattern=r"^[^\x00]*$")]
    on: Annotated[Day | None, Field(description="the day on which it was written; today where it is left out")] = None


class EstimateQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: Annotated[
        Instant | None, Field(description="nothing that was known later is read; now where it is left out")
    ] = None


class EarningsQuery(PageQuery):
    as_of: Annotated[Instant | None, Field(description="the dates that were known then; now where it is left out")] = (
        None
    )


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_companies(dependencies: Provided, query: Annotated[CompanyQuery, Query()]) -> Page[CompanyView]:
    """Companies by symbol."""
    after = key_of(KIND, query.cursor)
    rows = await companies.list_companies(
        dependencies.database,
        limit=query.limit + 1,
        text=query.q,
        sector=query.sector,
        followed=query.followed,
        watchlist_id=query.watchlist,
        after=after[0] if after else None,
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.symbol,), view=lambda row: row)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(409, 422, 503))
async def create_company(
    dependencies: Provided, principal: Registrar, wanted: NewCompany, response: Response
) -> CompanyView:
    """Add a company and follow it. 409 where its ticker is another company's on one of its days."""
    view = await companies.create(dependencies.database, wanted, actor=principal.actor)
    response.headers["Location"] = f"/v1/companies/{view.symbol}"
    tag(response, view.version)
    return view


@router.get("/resolve", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def resolve_text(dependencies: Provided, query: Annotated[ResolveQuery, Query()]) -> Candidates:
    """Whom a text names on a day; also a bare name or ticker. Nobody: an empty list."""
    return await companies.resolve(dependencies.database, query.text, on=query.on)


@router.get("/{symbol}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_company(dependencies: Provided, symbol: SymbolPath, response: Response) -> CompanyView:
    """One company, with the ETag that a change of it needs."""
    view = await companies.get(dependencies.database, symbol)
    tag(response, view.version)
    return view


@router.patch("/{symbol}", responses=problems(404, 409, 412, 422, 428, 503))
async def change_company(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    wanted: CompanyChange,
    response: Response,
    if_match: IfMatch = None,
) -> CompanyView:
    """Change what is given; `followed: true` follows a company again that was taken off."""
    view = await companies.change(
        dependencies.database,
        symbol,
        wanted,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.delete("/{symbol}", responses=problems(404, 412, 422, 428, 503))
async def deactivate_company(
    dependencies: Provided, principal: Registrar, symbol: SymbolPath, response: Response, if_match: IfMatch = None
) -> CompanyView:
    """Take a company off: nothing new is concluded about it. All that is known of it stays."""
    view = await companies.deactivate(
        dependencies.database,
        symbol,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.get("/{symbol}/aliases", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_aliases(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[PageQuery, Query()]
) -> Page[AliasView]:
    """Names, brands and former tickers with their days, in the alphabet's order."""
    after = key_of(ALIASES, query.cursor, parts=2)
    rows = await companies.list_aliases(
        dependencies.database, symbol, limit=query.limit + 1, after=(after[0], after[1]) if after else None
    )
    return keyed_page(ALIASES, rows, query.limit, key=lambda row: (row.alias, row.alias_id), view=lambda row: row)


@router.post("/{symbol}/aliases", status_code=HTTPStatus.CREATED, responses=problems(404, 409, 422, 503))
async def add_alias(dependencies: Provided, principal: Registrar, symbol: SymbolPath, wanted: NewAlias) -> AliasView:
    """Add a name, or a ticker with its days. 409 where the ticker is another company's on one of them."""
    return await companies.add_alias(dependencies.database, symbol, wanted, actor=principal.actor)


@router.delete(
    "/{symbol}/aliases/{alias_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 409, 422, 503)
)
async def remove_alias(dependencies: Provided, principal: Registrar, symbol: SymbolPath, alias_id: Id) -> None:
    """Take a name or a ticker away; neither the packaged names nor a vendor bring it back."""
    await companies.remove_alias(dependencies.database, symbol, alias_id, actor=principal.actor)


@router.get("/{symbol}/exposure-profile", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_profile(dependencies: Provided, symbol: SymbolPath, response: Response) -> ProfileView:
    """The exposures in force, with their ETag; version 0 and none where nobody gave any."""
    view = await companies.profile(dependencies.database, symbol)
    tag(response, view.version)
    return view


@router.put("/{symbol}/exposure-profile", responses=problems(404, 412, 422, 428, 503))
async def replace_profile(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    wanted: NewProfile,
    response: Response,
    if_match: IfMatch = None,
) -> ProfileView:
    """Write a new version of the exposures; the one before stays readable."""
    view = await companies.replace_profile(
        dependencies.database,
        symbol,
        wanted,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.get(
    "/{symbol}/exposure-profile/estimate", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def estimate_profile(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[EstimateQuery, Query()], response: Response
) -> EstimateView:
    """Exposures estimated from weekly returns, beside those in force; the ETag is that of the profile in force.

    Nothing is written. Where there is no estimate, `proposal.problem` says why and what to add.
    """
    view = await exposures.estimate(dependencies.database, symbol, as_of=query.as_of)
    tag(response, view.current.version)
    return view


@router.post("/{symbol}/exposure-profile/accept", responses=problems(404, 409, 412, 422, 428, 503))
async def accept_estimate(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    wanted: Acceptance,
    response: Response,
    if_match: IfMatch = None,
) -> ProfileView:
    """Put an estimate in force as a new version, which says what it was estimated from. 409 where it is another now."""
    view, _ = await exposures.accept(
        dependencies.database,
        symbol,
        wanted,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.get(
    "/{symbol}/exposure-profile/versions", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def list_profiles(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[PageQuery, Query()]
) -> Page[ProfileView]:
    """Every version of the exposures, the newest first."""
    rows = await companies.list_profiles(
        dependencies.database, symbol, limit=query.limit + 1, before=_version(query.cursor)
    )
    return keyed_page(VERSIONS, rows, query.limit, key=lambda row: (str(row.version),), view=lambda row: row)


@router.get("/{symbol}/earnings-dates", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_earnings_dates(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[EarningsQuery, Query()]
) -> Page[EarningsDateView]:
    """Days on which the company reports, as people have said, the earliest first."""
    rows = await earnings.list_dates(
        dependencies.database, symbol, limit=query.limit + 1, as_of=query.as_of, after=_day(query.cursor)
    )
    return keyed_page(EARNINGS, rows, query.limit, key=lambda row: (row.date.isoformat(),), view=lambda row: row)


@router.put("/{symbol}/earnings-dates/{date}", responses=problems(404, 412, 422, 503))
async def set_earnings_date(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    day: DayPath,
    wanted: NewEarningsDate,
    response: Response,
    if_match: IfMatch = None,
) -> EarningsDateView:
    """Say that the company will report on a day; the same again changes nothing. Nothing is opened close to it."""
    view = await earnings.set_date(
        dependencies.database,
        symbol,
        day,
        wanted,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.delete(
    "/{symbol}/earnings-dates/{date}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(404, 412, 422, 503),
)
async def remove_earnings_date(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    day: DayPath,
    if_match: IfMatch = None,
) -> None:
    """Say that the company will not report on a day. Decisions about earlier instants still see the date."""
    await earnings.remove_date(
        dependencies.database,
        symbol,
        day,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )


def _day(cursor: str | None) -> date | None:
    key = key_of(EARNINGS, cursor)
    if key is None:
        return None
    try:
        return date.fromisoformat(key[0])
    except ValueError:
        raise InvalidInput(
            "CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list"
        ) from None


def _version(cursor: str | None) -> int | None:
    key = key_of(VERSIONS, cursor)
    if key is None:
        return None
    if not key[0].isascii() or not key[0].isdigit() or len(key[0]) > 9:
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return int(key[0])
