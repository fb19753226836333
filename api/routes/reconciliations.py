"""`/v1/trading/reconcile` and `/v1/trading/reconciliations`: our book against the broker's."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import reconciliations, trading_commands
from api.operations.reconciliations import ReconciliationBegun, ReconciliationDetail, ReconciliationView
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.acceptance import AcceptanceReport, AcceptDifference, DeclineDifference
from domain.trading import Reason

KIND = "reconciliations"

router = Router(prefix="/v1/trading", tags=["trading"])


DifferenceId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]


class DecisionBody(BaseModel):
    """Why: it stands in the audit log, and beside what is booked."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.post("/reconcile", status_code=202, responses=problems(503))
async def reconcile_now(
    dependencies: Provided, principal: Annotated[Principal, require(Scope.TRADE_CONTROL)]
) -> ReconciliationBegun:
    """Compare book and broker now. What is proven is taken over; the rest is listed under the id."""
    return await reconciliations.begin(dependencies.client, actor=principal.actor)


@router.get("/reconciliations", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_reconciliations(
    dependencies: Provided, query: Annotated[PageQuery, Query()]
) -> Page[ReconciliationView]:
    """Comparisons, the newest first."""
    rows = await reconciliations.list_recent(
        dependencies.database, limit=query.limit + 1, before=position(KIND, query.cursor)
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.as_of, row.reconciliation_id), view=lambda row: row)


@router.get(
    "/reconciliations/{reconciliation_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503)
)
async def read_reconciliation(dependencies: Provided, reconciliation_id: str) -> ReconciliationDetail:
    """What a comparison found, and what was done about it."""
    return await reconciliations.detail(dependencies.database, reconciliation_id)


@router.post(
    "/reconciliations/{reconciliation_id}/differences/{difference_id}/accept", responses=problems(404, 409, 422, 503)
)
async def accept_difference(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.APPROVE)],
    reconciliation_id: str,
    difference_id: DifferenceId,
    body: DecisionBody,
) -> AcceptanceReport:
    """Accept a difference as this comparison showed it. Shares and cash are booked as adjustments.

    A second person must accept it too, unless one runs the house alone. Whatever changes about it is an alarm again.
    """
    command = AcceptDifference(
        reason=body.reason,
        actor=principal.actor,
        reconciliation_id=reconciliation_id,
        difference_id=difference_id,
    )
    return await trading_commands.accept_difference(dependencies.client, command, mode=dependencies.mode)


@router.post(
    "/reconciliations/{reconciliation_id}/differences/{difference_id}/decline", responses=problems(404, 409, 422, 503)
)
async def decline_difference(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.APPROVE)],
    reconciliation_id: str,
    difference_id: DifferenceId,
    body: DecisionBody,
) -> AcceptanceReport:
    """Decline what somebody has accepted and waits for a second person; one's own word is taken back like this.

    Nothing is booked, and the difference stays an alarm.
    """
    command = DeclineDifference(
        reason=body.reason,
        actor=principal.actor,
        reconciliation_id=reconciliation_id,
        difference_id=difference_id,
    )
    return await trading_commands.decline_difference(dependencies.client, command, mode=dependencies.mode)
