"""`/v1/approvals`: the inbox."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import approvals
from api.operations.approvals import ApprovalView
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from domain.trading import Reason

KIND = "approvals"

router = APIRouter(prefix="/v1/approvals", tags=["approvals"])


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class ApprovalQuery(PageQuery):
    status: ApprovalStatus | None = None


class Review(BaseModel):
    """A decision on the order as it was shown."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    reason: Reason
    order_hash: Annotated[str, Field(min_length=1, max_length=100, description="of the approval that was looked at")]


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_approvals(dependencies: Provided, query: Annotated[ApprovalQuery, Query()]) -> Page[ApprovalView]:
    """Approvals, the oldest question first."""
    rows = await approvals.inbox(
        dependencies.database,
        _links(dependencies),
        status=query.status.value if query.status else None,
        limit=query.limit + 1,
        after=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.requested_at, row.approval_id), view=lambda row: row)


@router.get("/{approval_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_approval(dependencies: Provided, approval_id: str) -> ApprovalView:
    """One approval with the hash of its order."""
    async with dependencies.database.transaction() as session:
        return await approvals.view(session, _links(dependencies), approval_id)


@router.post("/{approval_id}/review", responses=problems(404, 409, 422, 503))
async def review_approval(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.APPROVE)],
    approval_id: str,
    review: Review,
) -> ApprovalView:
    """Approve or decline. Answers when the decision is in force; 409 where there is nothing left to decide."""
    return await approvals.review(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        approval_id=approval_id,
        approve=review.approve,
        reason=review.reason,
        actor=principal.actor,
        order_hash=review.order_hash,
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
