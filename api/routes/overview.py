"""`/v1/overview`."""

from __future__ import annotations

from fastapi import APIRouter

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations.overview import Overview, overview

router = APIRouter(prefix="/v1/overview", tags=["overview"])


@router.get("", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_overview(dependencies: Provided) -> Overview:
    """Trading state, account, positions, open work, documents, the newest recommendations.

    In a book of millions of rows the counts of documents, and executions in `return_pct`, may be up to 30 seconds old.
    """
    return await overview(dependencies.database, dependencies.remembered, mode=dependencies.mode)
