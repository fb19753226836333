"""The HTTP API, put together from what it is given."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from api import errors, etags, idempotency
from api.dependencies import Dependencies
from api.routes import (
    account,
    agents,
    api_keys,
    approvals,
    backtests,
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
    notifications,
    orders,
    overview,
    performance,
    pipeline,
    positions,
    recommendations,
    reconciliations,
    risk,
    schedules,
    search,
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

DESCRIPTION = """
Lists answer `{data, has_more, next_cursor}`, with `limit` and an opaque `cursor`. Money, quantities and scores are
decimal text, instants are UTC. Every error is `application/problem+json` with a stable `code` and a `request_id`.

Send an API key as `Authorization: Bearer sk_...`; the scope that a route needs stands at the route.
"""


def create_app(dependencies: Dependencies) -> FastAPI:
    """Build the application. It opens nothing and closes nothing: whoever made the dependencies does."""
    # The pages' scripts come from this process: a trading machine need not reach anybody else's servers.
    app = FastAPIOffline(title="Stonks Oracle", version="1", description=DESCRIPTION, redoc_url=None)
    app.state.dependencies = dependencies
    app.state.tail = Tail(lambda: dependencies.database)
    idempotency.install(app)  # before the errors: inside their envelope, which caps what it reads
    errors.install(app)
    etags.install(app)
    for module in (
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
        notifications,
        stream,
        api_keys,
    ):
        app.include_router(module.router)
    return app
