"""The vendor's endpoints under /v2 for the account: its figures, settings, positions, history and watchlists."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from cli.paper_broker.amounts import nanos
from cli.paper_broker.announcements import AnnouncementQuery
from cli.paper_broker.bodies import read_body
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.history import HistoryQuery
from cli.paper_broker.listing import ActivityQuery, Parameters, is_true
from cli.paper_broker.refusals import invalid, unprocessable

_WHOLE = Decimal(100)


def account_routes(broker: PaperBroker) -> APIRouter:
    """Make the routes; what they do is the broker's."""
    routes = APIRouter(prefix="/v2")

    @routes.get("/account")
    def get_account() -> Response:
        return JSONResponse(broker.account())

    @routes.get("/account/configurations")
    def get_configurations() -> Response:
        return JSONResponse(broker.configurations())

    @routes.patch("/account/configurations")
    async def change_configurations(request: Request) -> Response:
        body = read_body(await request.body())
        return JSONResponse(await run_in_threadpool(broker.configure, body))

    @routes.get("/account/portfolio/history")
    def get_portfolio_history(request: Request) -> Response:
        return JSONResponse(broker.portfolio_history(HistoryQuery.read(request.query_params)))

    @routes.get("/account/activities")
    def list_activities(request: Request) -> Response:
        kinds = request.query_params.get("activity_types", "")
        return JSONResponse(broker.activities(ActivityQuery.read(request.query_params, kinds)))

    @routes.get("/account/activities/{kind}")
    def list_activities_of_kind(kind: str, request: Request) -> Response:
        return JSONResponse(broker.activities(ActivityQuery.read(request.query_params, kind)))

    @routes.get("/positions")
    def list_positions() -> Response:
        return JSONResponse(broker.positions())

    @routes.delete("/positions")
    def close_all_positions(request: Request) -> Response:
        cancel_orders = is_true(request.query_params, "cancel_orders")
        return JSONResponse(broker.close_all_positions(cancel_orders=cancel_orders), status_code=207)

    @routes.get("/positions/{symbol_or_asset_id:path}")
    def get_position(symbol_or_asset_id: str) -> Response:
        return JSONResponse(broker.position(symbol_or_asset_id))

    @routes.delete("/positions/{symbol_or_asset_id:path}")
    def close_position(symbol_or_asset_id: str, request: Request) -> Response:
        quantity, percentage = _part(request.query_params)
        return JSONResponse(broker.close_position(symbol_or_asset_id, quantity=quantity, percentage=percentage))

    @routes.get("/corporate_actions/announcements")
    def list_announcements(request: Request) -> Response:
        return JSONResponse(broker.announcements(AnnouncementQuery.read(request.query_params)))

    @routes.get("/corporate_actions/announcements/{action_id}")
    def get_announcement(action_id: str) -> Response:
        return JSONResponse(broker.announcement(action_id))

    _add_watchlists(routes, broker)
    return routes


def _part(parameters: Parameters) -> tuple[int | None, Decimal | None]:
    """How much of a position to close: a quantity, a percentage, or nothing said."""
    quantity, percentage = _positive(parameters, "qty"), _positive(parameters, "percentage")
    if quantity is not None and percentage is not None:
        raise invalid("only one of qty or percentage is accepted")
    if percentage is not None and percentage > _WHOLE:
        raise invalid("percentage must be between 0 and 100")
    try:
        return None if quantity is None else nanos(quantity), percentage
    except ValueError:
        raise unprocessable("qty must be limited to 9 decimal places") from None


def _positive(parameters: Parameters, name: str) -> Decimal | None:
    text = parameters.get(name)
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise invalid(f"{name} must be a number") from None
    if not number.is_finite() or number <= 0:
        raise invalid(f"{name} must be > 0")
    return number


def _add_watchlists(routes: APIRouter, broker: PaperBroker) -> None:
    """Watchlists by id, and the same by name."""

    @routes.get("/watchlists")
    def list_watchlists() -> Response:
        return JSONResponse(broker.work_on_watchlists(lambda lists: lists.every()))

    @routes.post("/watchlists")
    async def create_watchlist(request: Request) -> Response:
        body = read_body(await request.body())
        return JSONResponse(await run_in_threadpool(broker.work_on_watchlists, lambda lists: lists.create(body)))

    def add(path: str, key: str) -> None:
        def named(request: Request) -> str:
            found = request.path_params.get("watchlist_id") or request.query_params.get("name")
            if not found:
                raise invalid("name is required")
            return str(found)

        @routes.get(path)
        def get_watchlist(request: Request) -> Response:
            return JSONResponse(broker.work_on_watchlists(lambda lists: lists.get(key, named(request))))

        @routes.put(path)
        async def update_watchlist(request: Request) -> Response:
            body = read_body(await request.body())
            step = broker.work_on_watchlists
            return JSONResponse(await run_in_threadpool(step, lambda lists: lists.update(key, named(request), body)))

        @routes.post(path)
        async def add_asset(request: Request) -> Response:
            body = read_body(await request.body())
            step = broker.work_on_watchlists
            return JSONResponse(await run_in_threadpool(step, lambda lists: lists.add(key, named(request), body)))

        @routes.delete(path)
        def delete_watchlist(request: Request) -> Response:
            broker.work_on_watchlists(lambda lists: lists.delete(key, named(request)))
            return Response(status_code=204)

    add("/watchlists/{watchlist_id}", "id")
    add("/watchlists:by_name", "name")

    @routes.delete("/watchlists/{watchlist_id}/{symbol}")
    def remove_asset(watchlist_id: str, symbol: str) -> Response:
        return JSONResponse(broker.work_on_watchlists(lambda lists: lists.remove("id", watchlist_id, symbol.upper())))
