"""`/v1/orders`."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import orders as order_details
from api.operations import trading_commands
from api.operations.links import TemporalLinks
from api.operations.orders import OrderCancel, OrderDetail, OrderView
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.decisions import Side
from domain.portfolio import OrderStatus
from domain.trading import Reason
from domain.trading_commands import OverrideOrder, OverrideReport
from store import orders

KIND = "orders"

router = Router(prefix="/v1/orders", tags=["orders"])


OrderId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class OrderQuery(PageQuery):
    symbol: Annotated[str | None, Field(max_length=20)] = None
    status: OrderStatus | None = None
    unfinished: Annotated[bool, Field(description="only those of which something may still come")] = False


class CancelBody(BaseModel):
    """Why: it stands in the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


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
            unfinished=query.unfinished,
            before=position(KIND, query.cursor),
        )

    return page(
        KIND,
        rows,
        query.limit,
        at=lambda row: (row.created_at, row.order_id),
        view=lambda row: order_details.view(row, links),
    )


@router.get("/{order_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_order(dependencies: Provided, order_id: OrderId) -> OrderDetail:
    """One order: every step of its way, its executions, and where its decision stands."""
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await order_details.get(dependencies.database, links, order_id)


@router.post("/{order_id}/cancel", responses=problems(404, 409, 422, 503))
async def cancel_order(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.TRADE_CONTROL)],
    order_id: OrderId,
    body: CancelBody,
) -> OrderCancel:
    """Take an order back, at the broker or before it is sent. What was filled stays filled.

    One that waits in the inbox is declined instead.
    """
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return await order_details.cancel(
        dependencies.database,
        dependencies.client,
        links,
        order_id,
        reason=body.reason,
        actor=principal.actor,
    )


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
