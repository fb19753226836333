"""`/v1/trading/performance`: how the account fared."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Day
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import performance
from api.operations.performance import BENCHMARK, PerformancePointView, PerformanceView
from api.paging import Page, PageQuery
from api.routing import Router

KIND = "performance"

router = Router(prefix="/v1/trading/performance", tags=["trading"], dependencies=[require(Scope.READ)])

First = Annotated[Day | None, Field(alias="from", description="first session; the account's first where left out")]
Last = Annotated[Day | None, Field(alias="to", description="last session; the account's last where left out")]
Benchmark = Annotated[str, Field(pattern=r"^[A-Za-z0-9.\-]{1,20}$", description="a symbol whose bars the book has")]


class PerformanceQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    first: First = None
    last: Last = None
    benchmark: Benchmark = BENCHMARK


class SeriesQuery(PageQuery):
    first: First = None
    last: Last = None
    benchmark: Benchmark = BENCHMARK


@router.get("", responses=problems(422, 503))
async def read_performance(dependencies: Provided, query: Annotated[PerformanceQuery, Query()]) -> PerformanceView:
    """Figures of a period, net of transfers, with a benchmark beside them. A figure that is not defined is null."""
    return await performance.performance(
        dependencies.database, first=query.first, last=query.last, benchmark=query.benchmark
    )


@router.get("/history", responses=problems(422, 503))
async def list_performance(
    dependencies: Provided, query: Annotated[SeriesQuery, Query()]
) -> Page[PerformancePointView]:
    """Session by session, newest first. Growth and drawdown count from the beginning of the period."""
    rows = await performance.series(
        dependencies.database, first=query.first, last=query.last, benchmark=query.benchmark
    )
    before = key_of(KIND, query.cursor)
    left = [row for row in rows if before is None or row.session.isoformat() < before[0]]
    return keyed_page(
        KIND, left[: query.limit + 1], query.limit, key=lambda row: (row.session.isoformat(),), view=lambda row: row
    )
