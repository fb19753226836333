"""`/v1/watchlists`: the operator's own selections of companies."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, check_version, tag
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import watchlists
from api.operations.watchlists import WatchlistDetails, WatchlistView
from api.paging import Page, PageQuery
from api.routing import Router
from domain.registry import NewWatchlist, WatchlistChange

KIND = "watchlists"

router = Router(prefix="/v1/watchlists", tags=["watchlists"])

Registrar = Annotated[Principal, require(Scope.REGISTRY_WRITE)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
SymbolPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-]{1,20}$", description="a company's symbol")]


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_watchlists(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[WatchlistView]:
    """Watchlists by name."""
    after = key_of(KIND, query.cursor)
    rows = await watchlists.list_watchlists(
        dependencies.database, limit=query.limit + 1, after=after[0] if after else None
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.name,), view=lambda row: row)


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(409, 422, 503))
async def create_watchlist(
    dependencies: Provided, principal: Registrar, wanted: NewWatchlist, response: Response
) -> WatchlistDetails:
    """Make an empty watchlist."""
    view = await watchlists.create(dependencies.database, wanted, actor=principal.actor)
    response.headers["Location"] = f"/v1/watchlists/{view.watchlist_id}"
    tag(response, view.version)
    return view


@router.get("/{watchlist_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_watchlist(dependencies: Provided, watchlist_id: Id, response: Response) -> WatchlistDetails:
    """One watchlist with the companies on it."""
    view = await watchlists.get(dependencies.database, watchlist_id)
    tag(response, view.version)
    return view


@router.patch("/{watchlist_id}", responses=problems(404, 409, 412, 422, 503))
async def change_watchlist(
    dependencies: Provided,
    principal: Registrar,
    watchlist_id: Id,
    wanted: WatchlistChange,
    response: Response,
    if_match: IfMatch = None,
) -> WatchlistDetails:
    """Rename or describe. `If-Match` may be left out."""
    view = await watchlists.change(
        dependencies.database,
        watchlist_id,
        wanted,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.delete("/{watchlist_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 412, 422, 503))
async def delete_watchlist(
    dependencies: Provided, principal: Registrar, watchlist_id: Id, if_match: IfMatch = None
) -> None:
    """Delete a watchlist; the companies on it stay. `If-Match` may be left out."""
    await watchlists.delete(
        dependencies.database,
        watchlist_id,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )


@router.put("/{watchlist_id}/members/{symbol}", responses=problems(404, 422, 503))
async def add_member(
    dependencies: Provided, principal: Registrar, watchlist_id: Id, symbol: SymbolPath, response: Response
) -> WatchlistDetails:
    """Put a company on a watchlist; a second time changes nothing."""
    view = await watchlists.add_member(dependencies.database, watchlist_id, symbol, actor=principal.actor)
    tag(response, view.version)
    return view


@router.delete("/{watchlist_id}/members/{symbol}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 422, 503))
async def remove_member(dependencies: Provided, principal: Registrar, watchlist_id: Id, symbol: SymbolPath) -> None:
    """Take a company off a watchlist; a second time changes nothing."""
    await watchlists.remove_member(dependencies.database, watchlist_id, symbol, actor=principal.actor)
