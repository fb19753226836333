"""`/v1/lake`: the tables that analysts read, and bringing them up to date."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import lake
from api.operations.lake import LakeTableView, NewPublication, PublicationBegun, PublicationView
from api.operations.links import TemporalLinks
from api.routing import Router

router = Router(prefix="/v1/lake", tags=["lake"])


class LakeTables(BaseModel):
    data: list[LakeTableView]


@router.get("/tables", dependencies=[require(Scope.READ)], responses=problems(503))
async def list_lake_tables(dependencies: Provided) -> LakeTables:
    """Every table of the lake: its columns, how many rows it has, and how far it is behind the book."""
    return LakeTables(data=await lake.list_tables(dependencies.database))


@router.post("/publications", status_code=HTTPStatus.ACCEPTED, responses=problems(422, 503))
async def begin_publication(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.OPS_WRITE)],
    wanted: NewPublication,
    response: Response,
) -> PublicationBegun:
    """Bring the lake up to date now, instead of at the next full hour."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    begun = await lake.begin(dependencies.database, dependencies.client, links, wanted, actor=principal.actor)
    response.headers["Location"] = f"/v1/lake/publications/{begun.publication_id}"
    return begun


@router.get(
    "/publications/{publication_id:path}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def read_publication(dependencies: Provided, publication_id: str) -> PublicationView:
    """What became of each table. An id contains slashes and stands in the path as it is."""
    return await lake.publication(dependencies.database, publication_id)
