"""`/v1/pipeline`."""

from __future__ import annotations

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import pipeline
from api.operations.pipeline import PipelineHealth
from api.routing import Router

router = Router(prefix="/v1/pipeline", tags=["pipeline"])


@router.get("/health", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_health(dependencies: Provided) -> PipelineHealth:
    """Each part of the pipeline: when it last succeeded, what waits, and for how long."""
    return await pipeline.health(dependencies.database, mode=dependencies.mode)
