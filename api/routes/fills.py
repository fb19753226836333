"""`/v1/fills`: executions, as the broker reported them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from api.auth import require
from api.dependencies import Provided
from api.errors import problems
from api.instants import Instant
from api.keys import Scope
from api.numbers import Money, Shares
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.decisions import Side
from domain.portfolio import plain, product
from store import account_history
from store.tables.trading import FillRow

KIND = "fills"

router = Router(prefix="/v1/fills", tags=["orders"])


class FillQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    side: Side | None = None
    order_id: Annotated[str | None, Field(max_length=64)] = None
    first: Annotated[Instant | None, Field(alias="from", description="filled at or after")] = None
    last: Annotated[Instant | None, Field(alias="to", description="filled at or before")] = None


class FillView(BaseModel):
    fill_id: str
    order_id: str
    symbol: str
    side: str
    quantity: Shares
    price: Money
    amount: Money
    """Quantity times price, without the fee."""
    fee: Money
    filled_at: datetime


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_fills(dependencies: Provided, query: Annotated[FillQuery, Query()]) -> Page[FillView]:
    """Executions, newest first."""
    async with dependencies.database.transaction() as session:
        rows = await account_history.page_of_fills(
            session,
            limit=query.limit + 1,
            symbol=query.symbol,
            side=query.side.value if query.side else None,
            order_id=query.order_id,
            first=query.first,
            last=query.last,
            before=position(KIND, query.cursor),
        )
    return page(KIND, rows, query.limit, at=lambda row: (row.filled_at, row.fill_id), view=_view)


def _view(row: FillRow) -> FillView:
    return FillView(**row.model_dump(), amount=plain(product(row.quantity, row.price)))
