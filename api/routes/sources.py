"""`/v1/sources`: where documents and market data come from."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.etags import IfMatch, etag, require_version
from api.keys import Scope
from api.operations import sources
from api.operations.links import TemporalLinks
from api.operations.sources import NewSource, RunView, SourceChange, SourceView, Started
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.ingestion import SourceTestReport, SourceTestRequest

RUNS = "source-runs"

router = Router(prefix="/v1/sources", tags=["sources"])

Registrar = Annotated[Principal, require(Scope.REGISTRY_WRITE)]
Operator = Annotated[Principal, require(Scope.OPS_WRITE)]


class SourceTest(BaseModel):
    """What to try; without a configuration the saved one."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any] | None = Field(default=None, examples=[{"kind": "feed", "url": "https://example.com/news"}])


class SourceList(BaseModel):
    data: list[SourceView]
    has_more: bool = False
    next_cursor: None = None


@router.get("", dependencies=[require(Scope.READ)], responses=problems(503))
async def list_sources(dependencies: Provided) -> SourceList:
    """Every source with its health and its last run, by id."""
    return SourceList(data=await sources.list_sources(dependencies.database, _links(dependencies)))


@router.post("", status_code=HTTPStatus.CREATED, responses=problems(409, 422, 503))
async def add_source(dependencies: Provided, principal: Registrar, new: NewSource, response: Response) -> SourceView:
    """Add a source. Its configuration, addresses included, is checked now and at every fetch."""
    view = await sources.add(
        dependencies.database, dependencies.client, _links(dependencies), new, actor=principal.actor
    )
    response.headers["Location"] = f"/v1/sources/{view.source_id}"
    response.headers["ETag"] = etag(view.version)
    return view


@router.get("/{source_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_source(dependencies: Provided, source_id: str, response: Response) -> SourceView:
    """One source, with the ETag that a change of it needs."""
    view = await sources.get(dependencies.database, _links(dependencies), source_id)
    response.headers["ETag"] = etag(view.version)
    return view


@router.patch("/{source_id}", responses=problems(404, 409, 412, 422, 428, 503))
async def change_source(
    dependencies: Provided,
    principal: Registrar,
    source_id: str,
    wanted: SourceChange,
    response: Response,
    if_match: IfMatch = None,
) -> SourceView:
    """Change a source: configuration, cadences, pause. How far it was read stays."""
    view = await sources.change(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        source_id,
        wanted,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )
    response.headers["ETag"] = etag(view.version)
    return view


@router.delete("/{source_id}", responses=problems(404, 412, 422, 428, 503))
async def remove_source(
    dependencies: Provided, principal: Registrar, source_id: str, if_match: IfMatch = None
) -> SourceView:
    """Read a source never again. Its documents and runs stay; added again, it goes on where it stood."""
    return await sources.remove(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        source_id,
        actor=principal.actor,
        check=lambda version: require_version(if_match, version),
    )


@router.post("/{source_id}/test", responses=problems(404, 422, 502, 503))
async def try_source(
    dependencies: Provided, principal: Registrar, source_id: str, wanted: SourceTest
) -> SourceTestReport:
    """Ask for the first page and tell what is in it, registering nothing; also for a source that is not saved yet."""
    if wanted.config is None:
        await sources.get(dependencies.database, _links(dependencies), source_id)
    return await sources.try_source(dependencies.client, SourceTestRequest(source_id=source_id, config=wanted.config))


@router.get("/{source_id}/runs", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_runs(dependencies: Provided, source_id: str, query: Annotated[PageQuery, Query()]) -> Page[RunView]:
    """Runs, the newest first."""
    rows = await sources.list_runs(
        dependencies.database,
        _links(dependencies),
        source_id,
        limit=query.limit + 1,
        before=position(RUNS, query.cursor),
    )
    return page(RUNS, rows, query.limit, at=lambda row: (row.started_at, row.run_id), view=lambda row: row)


@router.post("/{source_id}/runs", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 422, 503))
async def run_source(dependencies: Provided, principal: Operator, source_id: str, response: Response) -> Started:
    """Read a source now, whatever its schedule says."""
    started = await sources.run_now(
        dependencies.database, dependencies.client, _links(dependencies), source_id, actor=principal.actor
    )
    response.headers["Location"] = f"/v1/sources/{source_id}/runs"
    return started


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
