"""The dashboard put together: into the API's own application, or as a process of its own beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from api import errors
from api.dashboard import client, pages
from api.dashboard.client import Backend
from api.dashboard.routes import (
    agents,
    backtests,
    dead_letters,
    decisions,
    documents,
    inbox,
    jobs,
    live,
    orders,
    overview,
    people,
    settings,
    sign_in,
    symbols,
    trading,
    welcome,
)
from api.dashboard.transport import InProcess

MODULES = (
    overview,
    inbox,
    decisions,
    orders,
    symbols,
    documents,
    agents,
    backtests,
    jobs,
    dead_letters,
    people,
    settings,
    welcome,
    trading,
    sign_in,
    live,
)
_API = ("/v1/", "/docs", "/openapi", "/healthz", "/readyz", "/metrics")


def install(app: FastAPI) -> None:
    """Add the pages to the API's application. They call it as anybody else would, over HTTP semantics."""
    _add(app, Backend(client.connect(InProcess(app), "http://stonks.internal"), inside=True))


def alone(base_url: str) -> FastAPI:
    """Build the dashboard as an application of its own, a client of the API at `base_url`."""
    http = client.connect(None, base_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with http:
            yield

    app = FastAPI(title="Stonks Oracle dashboard", openapi_url=None, lifespan=lifespan)
    errors.install(app)
    _add(app, Backend(http, inside=False))
    return app


def _add(app: FastAPI, backend: Backend) -> None:
    app.state.dashboard = backend
    for module in MODULES:
        app.include_router(module.router, include_in_schema=False)
    app.mount("/static", _Kept(directory=pages.STATIC), name="static")
    before = cast(
        "Callable[[Request, Exception], Awaitable[Response]] | None", app.exception_handlers.get(HTTPException)
    )

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if _is_page(request):
            return pages.not_found(request)
        if before is not None:
            return await before(request, error)
        return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)

    app.add_exception_handler(HTTPException, of_http)


def _is_page(request: Request) -> bool:
    """Whether a person's browser asks for an address that is not one of the API's."""
    wants = "text/html" in request.headers.get("accept", "")
    return wants and request.method == "GET" and not request.url.path.startswith(_API)


class _Kept(StaticFiles):
    """Files of ours, kept by browsers for ever: their address changes with their content."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                headers: list[Any] = message["headers"]
                headers.append((b"cache-control", b"public, max-age=31536000, immutable"))
                headers.append((b"x-content-type-options", b"nosniff"))
            await send(message)

        await super().__call__(scope, receive, kept)
