"""`/v1/backtests/sweeps`: every combination of a grid tried, or walked forward through a period."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import backtests
from api.operations.backtests import NewBacktest
from api.operations.links import TemporalLinks
from api.routing import Router
from domain.sweep import SweepReport, WalkForward
from workflows import names

router = Router(prefix="/v1/backtests/sweeps", tags=["backtests"])

Trader = Annotated[Principal, require(Scope.TRADE_CONTROL)]
SweepId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class NewSweep(BaseModel):
    """What is varied, and what all of the trials share."""

    model_config = ConfigDict(extra="forbid")

    backtest: NewBacktest
    grid: Annotated[
        dict[str, list[Any]],
        Field(min_length=1, max_length=10, examples=[{"signals.kappa": [0.5, 1, 2]}]),
    ]
    walk_forward: WalkForward | None = None


class SweepBegun(BaseModel):
    sweep_id: str
    workflow_id: str
    temporal_url: str


@router.post("", status_code=HTTPStatus.ACCEPTED, responses=problems(422, 503))
async def begin_sweep(dependencies: Provided, principal: Trader, wanted: NewSweep, response: Response) -> SweepBegun:
    """Begin a sweep. Every trial is logged as a backtest of its own and counts for how far the best is believed."""
    sweep_id = await backtests.begin_sweep(
        dependencies.database,
        dependencies.client,
        wanted.backtest,
        wanted.grid,
        wanted.walk_forward,
        actor=principal.actor,
    )
    response.headers["Location"] = f"/v1/backtests/sweeps/{sweep_id}"
    workflow_id = names.sweep_id(sweep_id)
    links = TemporalLinks(dependencies.ui_url, dependencies.client.namespace)
    return SweepBegun(sweep_id=sweep_id, workflow_id=workflow_id, temporal_url=links.workflow(workflow_id))


@router.get("/{sweep_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_sweep(dependencies: Provided, sweep_id: SweepId) -> SweepReport:
    """What a sweep found, once it has ended; its workflow shows how far it is."""
    return await backtests.sweep_report(dependencies.database, sweep_id)
