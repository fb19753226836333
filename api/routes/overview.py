"""`/v1/overview`."""

from __future__ import annotations

from fastapi import Response

from api.auth import require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations.overview import Overview, overview
from api.routing import Router

router = Router(prefix="/v1/overview", tags=["overview"])


@router.get("", dependencies=[require(Scope.READ)], response_model=Overview, responses=problems(503))
async def read_overview(dependencies: Provided) -> Response:
    """Trading state, account, positions, open work, documents, the newest recommendations.

    In a book of many documents their counts may be up to 30 seconds old.
    """
    body = await dependencies.together.get("overview", lambda: _read(dependencies))
    return Response(body, media_type="application/json")


async def _read(dependencies: Dependencies) -> str:
    found = await overview(dependencies.database, dependencies.remembered, mode=dependencies.mode)
    return found.model_dump_json()
