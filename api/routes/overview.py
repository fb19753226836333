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
    """Trading state, account, positions, open work, documents, the newest recommendations."""
    return await overview(dependencies.database, mode=dependencies.mode)
