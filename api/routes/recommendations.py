"""`/v1/recommendations`, and the explanation of each."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.numbers import from_nano
from api.operations.explanation import Explanation, explain
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from domain.decisions import Action
from store import recommendations
from store.tables.decisions import RecommendationRow

KIND = "recommendations"

router = APIRouter(prefix="/v1/recommendations", tags=["recommendations"])


class RecommendationQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    action: Action | None = None


class RecommendationView(BaseModel):
    recommendation_id: str
    symbol: str
    as_of: datetime
    action: str
    previous_action: str
    score: str
    """In [-1, 1], to the billionth."""
    conviction: float
    edge_bp: float
    cost_bp: float
    thesis: str
    reasons: list[str]
    config_version: str
    record_hash: str


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_recommendations(
    dependencies: Provided, query: Annotated[RecommendationQuery, Query()]
) -> Page[RecommendationView]:
    """Recommendations, newest first."""
    async with dependencies.database.transaction() as session:
        rows = await recommendations.list_recent(
            session,
            limit=query.limit + 1,
            symbol=query.symbol,
            action=query.action.value if query.action else None,
            before=position(KIND, query.cursor),
        )
    return page(KIND, rows, query.limit, at=lambda row: (row.as_of, row.recommendation_id), view=_view)


@router.get("/{recommendation_id}/explanation", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def explain_recommendation(
    dependencies: Provided, recommendation_id: Annotated[str, Path(pattern=r"^[^\x00]+$")]
) -> Explanation:
    """The whole way from the evidence to the fills, each step with its numbers. Takes a symbol too: its newest."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await explain(dependencies.database, dependencies.objects, links, recommendation_id)


def _view(row: RecommendationRow) -> RecommendationView:
    kept = set(RecommendationView.model_fields) - {"score", "reasons"}
    return RecommendationView(
        **row.model_dump(include=kept),
        score=from_nano(row.body["assessment"]["score_nano"]),
        reasons=row.body["reasons"],
    )
