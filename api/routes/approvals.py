"""`/v1/approvals`: the inbox."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.etags import IfMatch, tag
from api.keys import Scope
from api.operations import approvals
from api.operations.approvals import ApprovalDetail, ApprovalView, ExpiredView
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.approvals import ApprovalStatus
from domain.trading import Reason

KIND = "approvals"

router = Router(prefix="/v1/approvals", tags=["approvals"])


class ApprovalQuery(PageQuery):
    status: ApprovalStatus | None = None


class Review(BaseModel):
    """A decision on the order as it was shown."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    reason: Reason
    order_hash: Annotated[str, Field(min_length=1, max_length=100, description="of the approval that was looked at")]


class Amendment(BaseModel):
    """Another size for the order as it was shown."""

    model_config = ConfigDict(extra="forbid")

    quantity: Annotated[Decimal, Field(gt=0, max_digits=24, decimal_places=9, description="shares")]
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


@router.post("/actions/expire", responses=problems(409, 503))
async def expire_approvals(
    dependencies: Provided, principal: Annotated[Principal, require(Scope.OPS_WRITE)]
) -> ExpiredView:
    """End the questions whose time is over: for orders whose workflow is gone, or whose worker stays away."""
    return await approvals.expire(
        dependencies.database, dependencies.client, mode=dependencies.mode, actor=principal.actor
    )


@router.get("/{approval_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_approval(dependencies: Provided, approval_id: str, response: Response) -> ApprovalDetail:
    """One approval with its votes, the rules, checks and evidence behind it. `ETag` is its order's hash."""
    found = await approvals.detail(dependencies.database, _links(dependencies), approval_id)
    tag(response, found.order_hash)
    return found


@router.post("/{approval_id}/review", responses=problems(403, 404, 409, 412, 422, 503))
async def review_approval(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.APPROVE)],
    approval_id: str,
    review: Review,
    if_match: IfMatch = None,
) -> ApprovalView:
    """Vote. Answers when the vote stands; `status` is `pending` where another person must approve too.

    403 for the proposer's own approval, 409 where the vote does not count, 412 where `If-Match` names another order.
    """
    return await approvals.review(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        approval_id=approval_id,
        approve=review.approve,
        reason=review.reason,
        actor=principal.actor,
        order_hash=review.order_hash,
        if_match=if_match,
    )


@router.post("/{approval_id}/amend", responses=problems(404, 409, 422, 503))
async def amend_approval(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.TRADE_CONTROL)],
    approval_id: str,
    amendment: Amendment,
) -> ApprovalView:
    """Change the size of an order that waits. It is asked anew, and whoever changed it cannot approve it."""
    return await approvals.amend(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        approval_id=approval_id,
        quantity=amendment.quantity,
        reason=amendment.reason,
        actor=principal.actor,
        order_hash=amendment.order_hash,
    )


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
