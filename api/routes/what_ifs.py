"""`/v1/recommendations/{id}/what-ifs` and `/v1/what-ifs`: a decision asked again by another reader."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import what_ifs
from api.operations.links import TemporalLinks
from api.operations.what_ifs import NewWhatIf, WhatIfView

router = APIRouter(tags=["what-ifs"])

Asker = Annotated[Principal, require(Scope.AGENTS_WRITE)]


class WhatIfList(BaseModel):
    data: list[WhatIfView]
    has_more: bool = False
    next_cursor: None = None


@router.post(
    "/v1/recommendations/{recommendation_id}/what-ifs",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(404, 422, 503),
)
async def begin_what_if(
    dependencies: Provided, principal: Asker, recommendation_id: str, wanted: NewWhatIf, response: Response
) -> WhatIfView:
    """Have the decision's frozen documents read by another variant, and the decision made again. Changes nothing."""
    view = await what_ifs.begin(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        recommendation_id,
        wanted,
        defaults=dependencies.agent_defaults,
        actor=principal.actor,
    )
    response.headers["Location"] = f"/v1/what-ifs/{view.what_if_id}"
    return view


@router.get(
    "/v1/recommendations/{recommendation_id}/what-ifs",
    dependencies=[require(Scope.READ)],
    responses=problems(404, 422, 503),
)
async def list_what_ifs(dependencies: Provided, recommendation_id: str) -> WhatIfList:
    """What was asked of a recommendation, newest first; the last fifty."""
    found = await what_ifs.list_for(dependencies.database, _links(dependencies), recommendation_id)
    return WhatIfList(data=found)


@router.get("/v1/what-ifs/{what_if_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_what_if(dependencies: Provided, what_if_id: str) -> WhatIfView:
    """One what-if, with its report when it is finished."""
    return await what_ifs.get(dependencies.database, _links(dependencies), what_if_id)


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
