"""`/v1/recommendations/{id}/what-ifs` and `/v1/what-ifs`: a decision asked again by another reader."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import what_ifs
from api.operations.links import TemporalLinks
from api.operations.what_ifs import NewWhatIf, WhatIfSummary, WhatIfView
from api.paging import Page, PageQuery, page, position
from api.routing import Router

KIND = "what-ifs"

router = Router(tags=["what-ifs"])

Asker = Annotated[Principal, require(Scope.AGENTS_WRITE)]


Recommended = Annotated[str, Path(pattern=r"^[^\x00]+$", description="a recommendation's id, or a symbol: its newest")]
WhatIfId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


@router.post(
    "/v1/recommendations/{recommendation_id}/what-ifs",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(404, 422, 503),
)
async def begin_what_if(
    dependencies: Provided, principal: Asker, recommendation_id: Recommended, wanted: NewWhatIf, response: Response
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
async def list_what_ifs(
    dependencies: Provided, recommendation_id: Recommended, query: Annotated[PageQuery, Query()]
) -> Page[WhatIfSummary]:
    """What was asked of a recommendation, the newest first; each has its report at its own address."""
    rows = await what_ifs.list_for(
        dependencies.database,
        _links(dependencies),
        recommendation_id,
        limit=query.limit + 1,
        before=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.requested_at, row.what_if_id), view=lambda row: row)


@router.get("/v1/what-ifs/{what_if_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_what_if(dependencies: Provided, what_if_id: WhatIfId) -> WhatIfView:
    """One what-if, with its report when it is finished."""
    return await what_ifs.get(dependencies.database, _links(dependencies), what_if_id)


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
