"""The HTTP API, put together from what it is given."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import errors, etags, idempotency, policy
from api.dashboard import site
from api.dependencies import Dependencies
from api.metering import HttpMeter
from api.routes import (
    account,
    agents,
    api_keys,
    approvals,
    audit,
    backtests,
    backups,
    companies,
    competitors,
    dead_letters,
    decisions,
    documents,
    drift,
    evaluations,
    extractions,
    fills,
    health,
    jobs,
    lake,
    notifications,
    orders,
    overview,
    people,
    performance,
    pipeline,
    positions,
    recommendations,
    reconciliations,
    risk,
    schedules,
    search,
    session,
    signals,
    sources,
    stream,
    sweeps,
    symbols,
    trading,
    watchlists,
    what_ifs,
)
from api.tail import Tail
from api.throttle import Gate

DESCRIPTION = """
Lists answer `{data, has_more, next_cursor}`, with `limit` and an opaque `cursor`. Money, quantities and scores are
decimal text, instants are UTC. Every error is `application/problem+json` with a stable `code` and a `request_id`.

Send an API key as `Authorization: Bearer sk_...`; the scope that a route needs stands at the route. A browser's session
is a cookie, and its unsafe requests carry `X-CSRF-Token`. A route marked `x-step-up` needs a proof of who it is of the
last five minutes: a session's own, or the header `Step-Up` beside a key that is not unattended.
"""


def create_app(dependencies: Dependencies, *, meter: HttpMeter | None = None) -> FastAPI:
    """Build the application. It opens nothing and closes nothing: whoever made the dependencies does.

    `meter` counts requests; without one nothing does.
    """
    # The pages' scripts come from this process: a trading machine need not reach anybody else's servers.
    app = FastAPIOffline(title="Stonks Oracle", version="1", description=DESCRIPTION, redoc_url=None)
    app.state.dependencies = dependencies
    app.state.tail = Tail(lambda: dependencies.database)
    app.state.gate = Gate()
    idempotency.install(app)  # before the errors: inside their envelope, which caps what it reads
    errors.install(app, meter=meter)
    etags.install(app)
    modules = (
        health,
        overview,
        pipeline,
        documents,
        extractions,
        search,
        signals,
        symbols,
        recommendations,
        orders,
        fills,
        positions,
        account,
        approvals,
        reconciliations,
        trading,
        performance,
        decisions,
        risk,
        dead_letters,
        jobs,
        schedules,
        sources,
        companies,
        watchlists,
        competitors,
        agents,
        evaluations,
        what_ifs,
        sweeps,
        drift,  # before the backtests: its path would be one's id
        backtests,
        lake,
        notifications,
        stream,
        session,
        people,
        api_keys,
        audit,
        backups,
    )
    for module in modules:
        app.include_router(module.router)
    app.state.own_methods = errors.own_methods(module.router for module in modules)
    _mark_step_up(app)
    site.install(app)
    return app


def _mark_step_up(app: FastAPI) -> None:
    """Show in the OpenAPI document which routes need a recent proof."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for method, path in policy.STEP_UP:
            document["paths"][path][method.lower()]["x-step-up"] = True
        return document

    app.openapi = openapi  # type: ignore[method-assign]
