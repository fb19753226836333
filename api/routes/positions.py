"""`/v1/positions`: what is held, with its lots."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from pydantic import Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import positions
from api.operations.positions import PositionDetail, PositionView
from api.paging import Page, PageQuery
from api.routing import Router

KIND = "positions"

router = Router(prefix="/v1/positions", tags=["account"], dependencies=[require(Scope.READ)])


class PositionQuery(PageQuery):
    closed: Annotated[bool, Field(description="also what is held no more")] = False


@router.get("", responses=problems(422, 503))
async def list_positions(dependencies: Provided, query: Annotated[PositionQuery, Query()]) -> Page[PositionView]:
    """Positions by symbol, with their results by average cost and first in, first out."""
    after = key_of(KIND, query.cursor)
    rows = await positions.positions(
        dependencies.database, limit=query.limit + 1, closed=query.closed, after=after[0] if after else None
    )
    return keyed_page(KIND, rows, query.limit, key=lambda row: (row.symbol,), view=lambda row: row)


@router.get("/{symbol}", responses=problems(404, 422, 503))
async def read_position(
    dependencies: Provided, symbol: Annotated[str, Path(pattern=r"^[A-Za-z0-9.\-]{1,20}$")]
) -> PositionDetail:
    """One position with its lots and what was sold of them."""
    return await positions.position(dependencies.database, symbol)
