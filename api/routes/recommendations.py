"""`/v1/recommendations`, and the explanation of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.keysets import key_of
from api.operations import citations
from api.operations.citations import CitedEvidence, RecommendationDetail, RecommendationView, recommendation_view
from api.operations.explanation import Explanation, explain
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, encode, page, position
from api.routing import Router
from domain.decisions import Action
from domain.errors import InvalidInput
from store import recommendations

KIND = "recommendations"
EVIDENCE = "recommendation-evidence"

router = Router(prefix="/v1/recommendations", tags=["recommendations"])

RecommendationId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class RecommendationQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    action: Action | None = None


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
    return page(KIND, rows, query.limit, at=lambda row: (row.as_of, row.recommendation_id), view=recommendation_view)


@router.get("/{recommendation_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_recommendation(dependencies: Provided, recommendation_id: RecommendationId) -> RecommendationDetail:
    """One recommendation with its gates, what would make it wrong, and the orders that were planned from it."""
    return await citations.recommendation(dependencies.database, recommendation_id)


@router.get("/{recommendation_id}/evidence", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def list_evidence(
    dependencies: Provided, recommendation_id: RecommendationId, query: Annotated[PageQuery, Query()]
) -> Page[CitedEvidence]:
    """What it rests on, the strongest first: quotes with their offsets into each document's content."""
    start = _place(query.cursor)
    rows = await citations.evidence(dependencies.database, recommendation_id, start=start, limit=query.limit + 1)
    more = len(rows) > query.limit
    return Page(
        data=rows[: query.limit],
        has_more=more,
        next_cursor=encode(EVIDENCE, [str(start + query.limit)]) if more else None,
    )


@router.get("/{recommendation_id}/explanation", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def explain_recommendation(
    dependencies: Provided, recommendation_id: Annotated[str, Path(pattern=r"^[^\x00]+$")]
) -> Explanation:
    """The whole way from the evidence to the fills, each step with its numbers. Takes a symbol too: its newest."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await explain(dependencies.database, dependencies.objects, links, recommendation_id)


def _place(cursor: str | None) -> int:
    """How many stand on the pages before. What a recommendation rests on never changes, so that its order holds."""
    key = key_of(EVIDENCE, cursor)
    if key is None:
        return 0
    if not key[0].isascii() or not key[0].isdigit() or len(key[0]) > 9:
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return int(key[0])
