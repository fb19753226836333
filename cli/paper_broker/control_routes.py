"""The control API: time, prices, the account's opening, faults and the audit. Not part of the vendor's protocol."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from cli.paper_broker.actions import CorporateActions
from cli.paper_broker.assets import AssetMessage
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.faults import FaultBoard, FaultMessage
from cli.paper_broker.finished import FinishedSession
from cli.paper_broker.market_messages import MarketDataMessage
from cli.paper_broker.sessions import SeenPrice, SessionMessage
from domain.model import Model, Utc


class PricesMessage(Model):
    prices: tuple[SeenPrice, ...]


class AccountMessage(Model):
    """What to set; what is left out stays."""

    cash: Annotated[Decimal, Field(ge=0, decimal_places=6, max_digits=18)] | None = None
    trade_suspended_by_user: bool | None = None


class ClockMessage(Model):
    at: Utc


def control_routes(broker: PaperBroker, faults: FaultBoard) -> APIRouter:
    """Make the routes; the gate has checked the control key."""
    routes = APIRouter(prefix="/control")

    @routes.post("/sessions")
    def apply_session(message: SessionMessage) -> Response:
        return JSONResponse(broker.apply_session(message))

    @routes.post("/clock")
    def move_clock(message: ClockMessage) -> Response:
        return JSONResponse(broker.move_clock(message.at))

    @routes.post("/prices")
    def set_prices(message: PricesMessage) -> Response:
        return JSONResponse(broker.set_prices(message.prices))

    @routes.get("/finished-sessions")
    def finished_sessions() -> Response:
        return JSONResponse(broker.finished_sessions())

    @routes.post("/finished-sessions")
    def finish_session(message: FinishedSession) -> Response:
        return JSONResponse(broker.finish_session(message))

    @routes.get("/corporate-actions")
    def applied_actions(since: date) -> Response:
        return JSONResponse(broker.applied_actions(since))

    @routes.post("/corporate-actions")
    def apply_corporate_actions(message: CorporateActions) -> Response:
        return JSONResponse(broker.apply_corporate_actions(message))

    @routes.post("/account")
    def set_account(message: AccountMessage) -> Response:
        return JSONResponse(broker.set_account(cash=message.cash, suspended=message.trade_suspended_by_user))

    @routes.post("/bars")
    def put_market_data(message: MarketDataMessage) -> Response:
        return JSONResponse(broker.put_market_data(message))

    @routes.get("/assets")
    def list_assets() -> Response:
        return JSONResponse(broker.list_assets())

    @routes.post("/assets")
    def put_assets(messages: list[AssetMessage]) -> Response:
        return JSONResponse(broker.put_assets(messages))

    @routes.get("/audit")
    async def audit() -> Response:
        return JSONResponse({"violations": await run_in_threadpool(broker.audit)})

    @routes.get("/faults")
    async def list_faults() -> Response:
        return JSONResponse([fault.model_dump(mode="json") for fault in faults.waiting()])

    @routes.post("/faults")
    async def add_fault(message: FaultMessage) -> Response:
        faults.add(message)
        return await list_faults()

    @routes.delete("/faults")
    async def clear_faults() -> Response:
        faults.clear()
        return await list_faults()

    return routes
