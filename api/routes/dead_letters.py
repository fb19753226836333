"""`/v1/dead-letters`: failed workflows. An id contains slashes (`document/8f03...`) and stands in the path as it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import dead_letter_details, dead_letters
from api.operations.dead_letter_details import DeadLetterDetail
from api.operations.dead_letters import BulkReport, DeadLetter, Discarded, Filter, Retried
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, from_token, token_of
from api.routing import Router
from domain.trading import Reason, Remark

KIND = "dead-letters"

router = Router(prefix="/v1/dead-letters", tags=["dead letters"])

Operator = Annotated[Principal, require(Scope.OPS_WRITE)]


class DeadLetterQuery(PageQuery, Filter):
    pass


class RetryBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Remark = ""


class RetryAllBody(Filter):
    reason: Remark = ""


class DiscardBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_dead_letters(dependencies: Provided, query: Annotated[DeadLetterQuery, Query()]) -> Page[DeadLetter]:
    """Failed workflows that nobody has retried, started again or discarded, newest first.

    A page may be shorter than `limit` although there are more: `has_more` decides.
    """
    letters, token = await dead_letters.list_page(
        dependencies.client,
        dependencies.database,
        _links(dependencies),
        wanted=Filter(workflow_type=query.workflow_type, stage=query.stage, error_type=query.error_type),
        limit=query.limit,
        token=token_of(KIND, query.cursor),
    )
    return Page(data=letters, has_more=bool(token), next_cursor=from_token(KIND, token))


@router.get("/{workflow_id:path}", dependencies=[require(Scope.READ)], responses=problems(404, 409, 422, 503))
async def read_dead_letter(dependencies: Provided, workflow_id: str) -> DeadLetterDetail:
    """One dead letter: what it was given, what went wrong, step by step, and what people did about it before."""
    return await dead_letter_details.get(
        dependencies.client, dependencies.database, _links(dependencies), workflow_id=workflow_id
    )


@router.post("/actions/retry", status_code=HTTPStatus.ACCEPTED, responses=problems(422, 503))
async def retry_dead_letters(dependencies: Provided, principal: Operator, body: RetryAllBody) -> BulkReport:
    """Retry all that match, at most 200 at a time; call again for the rest."""
    return await dead_letters.retry_all(
        dependencies.client,
        dependencies.database,
        _links(dependencies),
        wanted=Filter(workflow_type=body.workflow_type, stage=body.stage, error_type=body.error_type),
        actor=principal.actor,
        reason=body.reason,
    )


@router.post("/{workflow_id:path}/retry", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 409, 422, 503))
async def retry_dead_letter(
    dependencies: Provided, principal: Operator, workflow_id: str, body: RetryBody | None = None
) -> Retried:
    """Start again at the step that failed; what was done before it is kept."""
    return await dead_letters.retry(
        dependencies.client,
        dependencies.database,
        _links(dependencies),
        workflow_id=workflow_id,
        actor=principal.actor,
        reason=body.reason if body else "",
    )


@router.post("/{workflow_id:path}/discard", responses=problems(404, 409, 422, 503))
async def discard_dead_letter(
    dependencies: Provided, principal: Operator, workflow_id: str, body: DiscardBody
) -> Discarded:
    """Take it off the list, with a reason. Its history stays."""
    return await dead_letters.discard(
        dependencies.client,
        dependencies.database,
        workflow_id=workflow_id,
        actor=principal.actor,
        reason=body.reason,
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
