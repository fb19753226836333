"""`/v1/backtests`: strategies over the past, on what the book knew then."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Query, Response
from pydantic import BaseModel

from api.auth import Principal, require
from api.dependencies import Dependencies, Provided
from api.errors import problems
from api.keys import Scope
from api.operations import backtests
from api.operations.backtests import BacktestView, NewBacktest
from api.operations.links import TemporalLinks
from api.paging import Page, PageQuery, page, position
from api.routing import Router
from domain.backtest import TradeEntry
from domain.backtest_report import BacktestReport

KIND = "backtests"

router = Router(prefix="/v1/backtests", tags=["backtests"])

Trader = Annotated[Principal, require(Scope.TRADE_CONTROL)]
BacktestId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class Trades(BaseModel):
    """Every position from its first share to its last."""

    data: list[TradeEntry]


class Ended(BaseModel):
    backtest_id: str
    outcome: str
    """canceling or removed."""


@router.post("", status_code=HTTPStatus.ACCEPTED, responses=problems(404, 422, 503))
async def begin_backtest(
    dependencies: Provided, principal: Trader, wanted: NewBacktest, response: Response
) -> BacktestView:
    """Begin a backtest. The same request on the same data is the backtest that was begun before."""
    view = await backtests.begin(
        dependencies.database,
        dependencies.client,
        _links(dependencies),
        wanted,
        code_version=dependencies.code_version,
        actor=principal.actor,
    )
    response.headers["Location"] = f"/v1/backtests/{view.backtest_id}"
    return view


@router.get("", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_backtests(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[BacktestView]:
    """Backtests, the newest first. Removed ones stay in the list: they were tried."""
    rows = await backtests.list_recent(
        dependencies.database, _links(dependencies), limit=query.limit + 1, before=position(KIND, query.cursor)
    )
    return page(KIND, rows, query.limit, at=lambda row: (row.created_at, row.backtest_id), view=lambda row: row)


@router.get("/{backtest_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_backtest(dependencies: Provided, backtest_id: BacktestId) -> BacktestView:
    """One backtest: its progress while it runs, its headline when it is finished."""
    return await backtests.get(dependencies.database, dependencies.client, _links(dependencies), backtest_id)


@router.get("/{backtest_id}/report", dependencies=[require(Scope.READ)], responses=problems(404, 409, 422, 503))
async def read_report(dependencies: Provided, backtest_id: BacktestId) -> BacktestReport:
    """Everything that a finished backtest found."""
    return await backtests.report(dependencies.database, dependencies.objects, backtest_id)


@router.get(
    "/{backtest_id}/page",
    dependencies=[require(Scope.READ)],
    responses={200: {"content": {"text/html": {}}}, **problems(404, 409, 422, 503)},
    response_class=Response,
)
async def read_page(dependencies: Provided, backtest_id: BacktestId) -> Response:
    """The report as one page that needs nothing else."""
    body = await backtests.page(dependencies.database, dependencies.objects, backtest_id)
    return Response(body, media_type="text/html; charset=utf-8")


@router.get("/{backtest_id}/trades", dependencies=[require(Scope.READ)], responses=problems(404, 409, 422, 503))
async def list_trades(dependencies: Provided, backtest_id: BacktestId) -> Trades:
    """The trades of a finished backtest, in the order in which they were opened."""
    found = await backtests.report(dependencies.database, dependencies.objects, backtest_id)
    return Trades(data=list(found.trades))


@router.delete("/{backtest_id}", responses=problems(404, 422, 503))
async def end_backtest(dependencies: Provided, principal: Trader, backtest_id: BacktestId) -> Ended:
    """Cancel a backtest that runs, forget the result of one that ended. That it was tried is not forgotten."""
    outcome = await backtests.cancel_or_remove(dependencies.database, dependencies.client, backtest_id)
    return Ended(backtest_id=backtest_id, outcome=outcome)


def _links(dependencies: Dependencies) -> TemporalLinks:
    return TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
