"""Competitors of companies, decisions on them, and searches for them."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.etags import IfMatch, check_version, tag
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import competitors
from api.operations.competitors import InferenceView, LinkChangeView, LinkView, Search
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery
from api.routing import Router
from domain.errors import InvalidInput
from domain.registry import LinkChange, LinkStatus, NewCompetitor

KIND = "competitors"
CHANGES = "competitor-changes"

router = Router(prefix="/v1", tags=["competitors"])

Registrar = Annotated[Principal, require(Scope.REGISTRY_WRITE)]
Id = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
SymbolPath = Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-]{1,20}$", description="the company's symbol")]


class LinkQuery(PageQuery):
    status: LinkStatus | None = None


@router.get("/companies/{symbol}/competitors", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_competitors(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[LinkQuery, Query()]
) -> Page[LinkView]:
    """Competitors by symbol: proposed, confirmed and rejected ones."""
    after = key_of(KIND, query.cursor)
    rows = await competitors.list_links(
        dependencies.database,
        symbol,
        limit=query.limit + 1,
        status=query.status,
        after=after[0] if after else None,
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.competitor,), view=lambda row: row)


@router.get(
    "/companies/{symbol}/competitors/history", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def list_link_changes(
    dependencies: Provided, symbol: SymbolPath, query: Annotated[PageQuery, Query()]
) -> Page[LinkChangeView]:
    """From when each of a company's links held, and with which strength, the newest change first."""
    rows = await competitors.list_changes(
        dependencies.database, symbol, limit=query.limit + 1, before=_change(query.cursor)
    )
    return keyed_page(
        CHANGES,
        rows,
        query.limit,
        key=lambda row: (row.since.isoformat(), row.competitor, str(row.number)),
        view=lambda row: row,
    )


@router.post("/companies/{symbol}/competitors", status_code=HTTPStatus.CREATED, responses=problems(404, 409, 422, 503))
async def add_competitor(
    dependencies: Provided, principal: Registrar, symbol: SymbolPath, wanted: NewCompetitor, response: Response
) -> LinkView:
    """Say that a company competes with this one; in force at once. The other direction is a link of its own."""
    view = await competitors.add(dependencies.database, symbol, wanted, actor=principal.actor)
    tag(response, view.version)
    return view


@router.post(
    "/companies/{symbol}/competitors/infer",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(404, 409, 422, 503),
)
async def infer_competitors(
    dependencies: Provided,
    principal: Registrar,
    symbol: SymbolPath,
    response: Response,
    wanted: Search | None = None,
) -> InferenceView:
    """Search for competitors. `Location` has the result; what it proposes takes part in nothing before it is confirmed.

    The same company and instant are one search: it runs again only where it failed.
    """
    view = await competitors.infer(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        symbol,
        wanted or Search(),
        actor=principal.actor,
    )
    response.headers["Location"] = f"/v1/competitor-inferences/{view.inference_id}"
    return view


@router.get(
    "/competitor-inferences/{inference_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def read_inference(dependencies: Provided, inference_id: Id) -> InferenceView:
    """A search and what it proposed."""
    return await competitors.inference(dependencies.database, _links(dependencies), inference_id)


@router.patch("/competitor-relationships/{link_id}", responses=problems(404, 412, 422, 503))
async def change_competitor(
    dependencies: Provided,
    principal: Registrar,
    link_id: Id,
    wanted: LinkChange,
    response: Response,
    if_match: IfMatch = None,
) -> LinkView:
    """Confirm, reject or weigh. With `If-Match` only as it was shown: a search may have weighed it anew."""
    view = await competitors.change(
        dependencies.database,
        link_id,
        wanted,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )
    tag(response, view.version)
    return view


@router.delete(
    "/competitor-relationships/{link_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(404, 412, 422, 503),
)
async def remove_competitor(
    dependencies: Provided, principal: Registrar, link_id: Id, if_match: IfMatch = None
) -> None:
    """Remove a link. A later search may propose it again; to prevent that, reject it."""
    await competitors.remove(
        dependencies.database,
        link_id,
        actor=principal.actor,
        check=lambda version: check_version(if_match, version),
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)


def _change(cursor: str | None) -> tuple[datetime, str, int] | None:
    key = key_of(CHANGES, cursor, parts=3)
    if key is None:
        return None
    try:
        since, number = datetime.fromisoformat(key[0]), int(key[2])
    except ValueError:
        since, number = None, 0
    if since is None or since.tzinfo is None or not 0 < number < 2**31:
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return since, key[1], number
