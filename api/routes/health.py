"""Liveness and readiness, for supervisors and load balancers: no key, no details."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import timedelta
from http import HTTPStatus

import structlog
from fastapi import Request, Response
from pydantic import BaseModel
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest

from api.dependencies import Dependencies, Provided
from api.errors import Problem, problem
from api.failures import as_stonks_error
from api.routing import Router

log = structlog.get_logger(__name__)

CHECK_SECONDS = 3.0

router = Router(tags=["health"])


class Health(BaseModel):
    status: str


class DependencyState(BaseModel):
    ok: bool
    seconds: float
    code: str | None = None
    """What is wrong; the log has the details."""


class Readiness(BaseModel):
    status: str
    dependencies: dict[str, DependencyState]


@router.get("/healthz")
async def healthz() -> Health:
    """Whether the process answers at all."""
    return Health(status="alive")


@router.get(
    "/readyz",
    response_model=Readiness,
    response_model_exclude_none=True,
    responses={503: {"model": Problem, "description": "A dependency does not work; `dependencies` says which"}},
)
async def readyz(request: Request, dependencies: Provided) -> Readiness | Response:
    """Whether every dependency does a real operation."""
    names = ("database", "temporal", "object_store")
    found = await asyncio.gather(
        _check("database", dependencies.database.ping()),
        _check("temporal", _temporal(dependencies)),
        _check("object_store", dependencies.objects.exists("readiness")),
    )
    states = dict(zip(names, found, strict=True))
    broken = [name for name, state in states.items() if not state.ok]
    if broken:
        return problem(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "NOT_READY",
            f"Does not work: {', '.join(broken)}",
            hint="`stonks doctor` says why",
            dependencies={name: state.model_dump(exclude_none=True) for name, state in states.items()},
        )
    return Readiness(status="ready", dependencies=states)


async def _temporal(dependencies: Dependencies) -> None:
    await dependencies.client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=dependencies.client.namespace), timeout=timedelta(seconds=CHECK_SECONDS)
    )


async def _check(name: str, operation: Awaitable[object]) -> DependencyState:
    begun = time.monotonic()
    code = None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await operation
    except Exception as error:
        known = as_stonks_error(error)
        code = "TIMED_OUT" if isinstance(error, TimeoutError) else known.code if known else type(error).__name__
        log.warning("dependency_not_ready", dependency=name, code=code, error=str(error))
    return DependencyState(ok=code is None, seconds=round(time.monotonic() - begun, 3), code=code)
