"""`/v1/trading/decisions`: the decision audit."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from api.auth import require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.operations import decisions
from api.operations.decisions import DecisionAudit, DecisionView
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.decisions import Side

KIND = "decisions"

router = Router(prefix="/v1/trading/decisions", tags=["trading"], dependencies=[require(Scope.READ)])

Word = Annotated[str | None, Field(max_length=64)]


class DecisionQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    side: Side | None = None
    state: Annotated[Word, Field(description="open, or how it ended: filled, denied, declined, ...")] = None
    recommendation_id: Word = None
    first: Annotated[Instant | None, Field(alias="from", description="decided at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="decided at or before")] = None


@router.get("", responses=problems(422, 503))
async def list_decisions(dependencies: Provided, query: Annotated[DecisionQuery, Query()]) -> Page[DecisionView]:
    """Every wish to trade and what became of it, newest first."""
    rows = await decisions.decisions(
        dependencies.database,
        _links(dependencies),
        limit=query.limit + 1,
        symbol=query.symbol,
        side=query.side.value if query.side else None,
        state=query.state,
        recommendation_id=query.recommendation_id,
        first=query.first,
        last=query.last,
        before=position(KIND, query.cursor),
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.as_of, row.decision_id), view=lambda row: row)


@router.get("/{decision_id}", responses=problems(404, 422, 503))
async def read_decision(
    dependencies: Provided, decision_id: Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
) -> DecisionAudit:
    """Recommendation, inputs, versions, intent, risk, approvals, orders, fills, audit log, workflow."""
    return await decisions.decision(dependencies.database, dependencies.objects, _links(dependencies), decision_id)


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
