"""Orders: those of which something may still come, all of them, one with every step of its way; and taking one back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.responses import Response

from api.dashboard.client import ApiProblem, Reading, at
from api.dashboard.pages import PageRoute
from api.dashboard.refusals import Refusal
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

SHOWN = 50
UNFINISHED = f"/v1/orders?unfinished=true&limit={SHOWN}"
WAITING = "/v1/approvals?status=pending&limit=200"
STATUSES = (
    "pending",
    "submitted",
    "accepted",
    "partially_filled",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "denied",
    "declined",
    "unknown",
)
CANCELED = {"canceled": "order-canceled", "filled": "order-filled"}
"""What the next page says where a cancel was carried out, by what became of the order."""


@router.get("/orders")
async def orders(visit: Visiting, symbol: str = "", status: str = "", cursor: str = "") -> Response:
    symbol = symbol.strip().upper()
    listed = await visit.api.get("/v1/orders", limit=SHOWN, symbol=symbol, status=status, cursor=cursor)
    found = await visit.api.read(unfinished=UNFINISHED, waiting=WAITING)
    return await visit.page(
        "orders.html",
        section="orders",
        listed=listed,
        unfinished=found["unfinished"],
        asked=asked(found["waiting"]),
        symbol=symbol,
        status=status,
        statuses=STATUSES,
        cursor=cursor,
    )


@router.get("/orders/{order_id}")
async def order(visit: Visiting, order_id: str) -> Response:
    return await _one(visit, order_id)


@router.post("/orders/{order_id}/cancel")
async def cancel(visit: Visiting, order_id: str) -> Response:
    async def refusing(problem: ApiProblem) -> Response:
        if problem.status in (403, 404):
            raise problem
        return await _one(visit, order_id, refusal=Refusal("cancel", problem, visit.form.fields, ("reason",)))

    body = {"reason": visit.form["reason"]}
    result = await send(visit, "POST", at("/v1/orders/{}/cancel", order_id), body, refusing=refusing)
    if isinstance(result, Response):
        return result
    done = CANCELED.get(result["status"], "order-ended") if result["closed"] else "cancel-asked"
    return visit.see(f"/orders/{order_id}", done)


def asked(waiting: Reading) -> dict[str, str]:
    """Approvals that wait, by the intent that they are about: such an order is declined, not canceled."""
    rows: Sequence[Mapping[str, Any]] = (waiting.value or {}).get("data", [])
    return {row["intent_id"]: row["approval_id"] for row in rows}


async def _one(visit: Visit, order_id: str, *, refusal: Refusal | None = None) -> Response:
    found = await visit.api.get(at("/v1/orders/{}", order_id))
    readings = await visit.api.read(waiting=WAITING)
    return await visit.page(
        "order.html",
        section="orders",
        answer=refusal.problem.status if refusal else 200,
        one=found,
        asked=asked(readings["waiting"]),
        refusal=refusal,
    )
