"""`/v1/orders`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.numbers import Money, Shares
from api.operations import trading_commands
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from domain.decisions import Side
from domain.portfolio import OrderStatus
from domain.trading import Reason
from domain.trading_commands import OverrideOrder, OverrideReport
from store import orders
from store.tables.trading import Order
from workflows import names

KIND = "orders"

router = APIRouter(prefix="/v1/orders", tags=["orders"])


class OrderQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    status: OrderStatus | None = None


class OrderView(BaseModel):
    order_id: str
    intent_id: str
    client_order_id: str
    broker_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Shares
    limit_price: Money | None
    status: str
    filled_quantity: Shares
    filled_average_price: Money | None
    reason: str
    created_at: datetime
    submitted_at: datetime | None
    closed_at: datetime | None
    temporal_url: str


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_orders(dependencies: Provided, query: Annotated[OrderQuery, Query()]) -> Page[OrderView]:
    """Orders, newest first. What was planned and never became an order stands in the explanation."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    async with dependencies.database.transaction() as session:
        rows = await orders.list_orders(
            session,
            limit=query.limit + 1,
            symbol=query.symbol,
            status=query.status.value if query.status else None,
            before=position(KIND, query.cursor),
        )

    def view(row: Order) -> OrderView:
        return OrderView(
            **row.model_dump(include=set(OrderView.model_fields)),
            temporal_url=links.workflow(names.order_id(row.intent_id)),
        )

    return page(KIND, rows, query.limit, at=lambda row: (row.created_at, row.order_id), view=view)


class OverrideBody(BaseModel):
    """An order by hand; see `POST /v1/risk/evaluations` for what risk would say to it."""

    model_config = ConfigDict(extra="forbid")

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$", examples=["MSFT"])]
    side: Side
    quantity: Annotated[Decimal, Field(gt=0, decimal_places=9, max_digits=20, examples=["10"])]
    reason: Reason
    key: Annotated[
        str,
        Field(
            min_length=8,
            max_length=80,
            pattern=r"^[A-Za-z0-9._\-]+$",
            description="chosen by you: asking again with the same key is the same order",
            examples=["2026-11-26-msft-1"],
        ),
    ]


@router.post("/overrides", status_code=HTTPStatus.ACCEPTED, responses=problems(409, 422, 503))
async def place_by_hand(
    dependencies: Provided, principal: Annotated[Principal, require(Scope.TRADE_CONTROL)], body: OverrideBody
) -> OverrideReport:
    """Place an order by hand: through every limit and, as the policy says, past another person."""
    command = OverrideOrder(**body.model_dump(), actor=principal.actor)
    return await trading_commands.override(dependencies.client, command, mode=dependencies.mode)
