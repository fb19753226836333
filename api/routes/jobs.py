"""`/v1/jobs`: workflows. An id contains slashes (`document/8f03...`) and stands in the path as it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import jobs
from api.operations.jobs import JobCancel, JobDetail, JobFilter, JobView
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, from_token, token_of
from api.routing import Router
from domain.trading import Reason

KIND = "jobs"

router = Router(prefix="/v1/jobs", tags=["jobs"])


class JobQuery(PageQuery, JobFilter):
    pass


class CancelBody(BaseModel):
    """Why: it stands in the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_jobs(dependencies: Provided, query: Annotated[JobQuery, Query()]) -> Page[JobView]:
    """What runs and what ran, the newest first, as long as Temporal keeps it (30 days)."""
    wanted = JobFilter(**query.model_dump(include=set(JobFilter.model_fields)))
    found, token = await jobs.list_page(
        dependencies.client, _links(dependencies), wanted, limit=query.limit, token=token_of(KIND, query.cursor)
    )
    return Page(data=found, has_more=bool(token), next_cursor=from_token(KIND, token))


@router.get("/{workflow_id:path}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_job(dependencies: Provided, workflow_id: str) -> JobDetail:
    """One job: what it does now, how often that was tried, why it failed last."""
    return await jobs.get(dependencies.client, _links(dependencies), workflow_id)


@router.post("/{workflow_id:path}/cancel", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409, 422, 503))
async def cancel_job(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.OPS_WRITE)],
    workflow_id: str,
    body: CancelBody,
) -> JobCancel:
    """Ask a job to end. What must not end that way (the engine, orders, ...) says what to do instead."""
    return await jobs.cancel(
        dependencies.client,
        dependencies.database,
        _links(dependencies),
        workflow_id,
        reason=body.reason,
        actor=principal.actor,
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
