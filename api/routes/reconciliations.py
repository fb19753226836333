"""`/v1/trading/reconcile` and `/v1/trading/reconciliations`: our book against the broker's."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import reconciliations
from api.operations.reconciliations import ReconciliationBegun, ReconciliationDetail, ReconciliationView
from api.paging import Page, PageQuery, page, position

KIND = "reconciliations"

router = APIRouter(prefix="/v1/trading", tags=["trading"])


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
