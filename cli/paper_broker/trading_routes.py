"""The vendor's endpoints under /v2 for orders and the market."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from cli.paper_broker.bodies import read_body
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.faults import FaultKind
from cli.paper_broker.gate import FAULT
from cli.paper_broker.listing import AssetQuery, CalendarQuery, OrderQuery, is_true
from cli.paper_broker.refusals import invalid


def trading_routes(broker: PaperBroker) -> APIRouter:
    """Make the routes; what they do is the broker's."""
    routes = APIRouter(prefix="/v2")

    @routes.post("/orders")
    async def submit_order(request: Request) -> Response:
        body = read_body(await request.body())
        fault = request.scope.get(FAULT)
        answer = await run_in_threadpool(
            broker.submit,
            body,
            reject_later=fault is FaultKind.REJECT_AFTER_200,
            fill_partly=fault is FaultKind.PARTIAL_FILL,
        )
        return JSONResponse(answer)

    @routes.get("/orders")
    def list_orders(request: Request) -> Response:
        return JSONResponse(broker.orders(OrderQuery.read(request.query_params)))

    @routes.delete("/orders")
    def cancel_all_orders() -> Response:
        return JSONResponse(broker.cancel_all(), status_code=207)

    @routes.get("/orders:by_client_order_id")
    def get_order_by_client_id(request: Request) -> Response:
        client_order_id = request.query_params.get("client_order_id")
        if not client_order_id:
            raise invalid("client_order_id is missing")
        return JSONResponse(broker.order_by_client_id(client_order_id, nested=is_true(request.query_params, "nested")))

    @routes.get("/orders/{order_id}")
    def get_order(order_id: str, request: Request) -> Response:
        return JSONResponse(broker.order(order_id, nested=is_true(request.query_params, "nested")))

    @routes.patch("/orders/{order_id}")
    async def replace_order(order_id: str, request: Request) -> Response:
        body = read_body(await request.body())
        fill_first = request.scope.get(FAULT) is FaultKind.FILL_BEFORE_REPLACE
        return JSONResponse(await run_in_threadpool(broker.replace, order_id, body, fill_first=fill_first))

    @routes.delete("/orders/{order_id}")
    def cancel_order(order_id: str) -> Response:
        broker.cancel(order_id)
        return Response(status_code=204)

    @routes.get("/clock")
    def get_clock() -> Response:
        return JSONResponse(broker.clock())

    @routes.get("/calendar")
    def get_calendar(request: Request) -> Response:
        return JSONResponse(broker.calendar(CalendarQuery.read(request.query_params)))

    @routes.get("/assets")
    def list_assets(request: Request) -> Response:
        return JSONResponse(broker.assets(AssetQuery.read(request.query_params)))

    @routes.get("/assets/{symbol_or_asset_id:path}")
    def get_asset(symbol_or_asset_id: str) -> Response:
        return JSONResponse(broker.asset(symbol_or_asset_id))

    return routes
