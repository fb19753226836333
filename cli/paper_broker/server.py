"""The paper broker as a local HTTP server that the vendor's unmodified SDK can talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from cli.paper_broker.account_routes import account_routes
from cli.paper_broker.broker import PaperBroker
from cli.paper_broker.clock import utc_now
from cli.paper_broker.control_routes import control_routes
from cli.paper_broker.data_routes import data_routes
from cli.paper_broker.faults import FaultBoard
from cli.paper_broker.gate import Gate, ResettableProtocol
from cli.paper_broker.refusals import INVALID, Refusal, unknown_endpoint
from cli.paper_broker.settings import BrokerSettings, ClockMode
from cli.paper_broker.stream import stream_routes
from cli.paper_broker.trading_routes import trading_routes
from domain.errors import Conflict, StonksError

_KEEP_ALIVE_SECONDS = 75
_SHUTDOWN_SECONDS = 2


def create_app(settings: BrokerSettings, *, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """Make the application and open its book.

    The faults that reset connections need a server with `ResettableProtocol`, as `server_config` sets it up. `now` is
    the wall clock's source of time.
    """
    broker = PaperBroker(settings, now=now)
    faults = FaultBoard()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if settings.clock is ClockMode.WALL:
            await run_in_threadpool(broker.account)
        yield
        broker.close()

    app = FastAPI(title="paper broker", openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    app.state.broker = broker
    app.add_middleware(Gate, settings=settings, faults=faults)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(StonksError, _conflicting)
    app.add_exception_handler(RequestValidationError, _unreadable)
    app.add_exception_handler(HTTPException, _no_route)
    app.include_router(trading_routes(broker))
    app.include_router(account_routes(broker))
    app.include_router(data_routes(broker))
    app.include_router(stream_routes(broker, settings, faults))
    app.include_router(control_routes(broker, faults))

    @app.get("/healthz")
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    return app


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return JSONResponse(refusal.body(), status_code=refusal.status)


async def _conflicting(_: Request, error: Exception) -> Response:
    assert isinstance(error, StonksError)
    return JSONResponse(
        {"code": error.code, "message": str(error)}, status_code=409 if isinstance(error, Conflict) else 422
    )


async def _unreadable(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}" for issue in error.errors()]
    return JSONResponse({"code": INVALID, "message": "; ".join(found)}, status_code=422)


async def _no_route(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = unknown_endpoint()
    status = error.status_code if error.status_code == 405 else refusal.status
    return JSONResponse(refusal.body(), status_code=status)


def server_config(settings: BrokerSettings, *, now: Callable[[], datetime] = utc_now) -> uvicorn.Config:
    """How the server runs: one process, no access log, connections kept longer than clients keep them."""
    return uvicorn.Config(
        create_app(settings, now=now),
        host=settings.host,
        port=settings.port,
        http=ResettableProtocol,
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def serve(settings: BrokerSettings) -> None:
    """Run the broker until it is told to stop."""
    uvicorn.Server(server_config(settings)).run()
