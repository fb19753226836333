"""`/v1/risk`: the limits in force, and what they say to an order that nobody placed."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, require_version, tag
from api.keys import Scope
from api.operations import protection, risk, trading_commands
from api.operations.protection import LimitsView
from api.operations.risk import EvaluationRequest, EvaluationView, RiskDecisionView
from api.routes.trading import CommandBody
from api.routing import Router
from domain.trading_commands import ConfigReport, Configure

router = Router(prefix="/v1/risk", tags=["risk"])


class LimitsChange(CommandBody):
    limits: Annotated[
        dict[str, Any], Field(min_length=1, max_length=50, examples=[{"daily_loss": "0.015", "min_price": "10"}])
    ]


@router.get("/limits", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_limits(dependencies: Provided, response: Response) -> LimitsView:
    """What is in force, in the tier that the account is in, with the ETag that a change needs."""
    view = await protection.limits(dependencies.database)
    tag(response, view.version)
    return view


@router.put("/limits", responses=problems(409, 412, 422, 428, 503))
async def change_limits(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.ADMIN)],
    body: LimitsChange,
    if_match: IfMatch = None,
) -> ConfigReport:
    """Change limits; those that are left out stay. A tightening is in force at once, a loosening waits."""
    version = (await protection.limits(dependencies.database)).version
    require_version(if_match, version)
    command = Configure(
        reason=body.reason,
        actor=principal.actor,
        changes={"limits": body.limits},
        expected_version=version,
    )
    return await trading_commands.configure(dependencies.client, command, mode=dependencies.mode)


@router.post("/evaluations", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def evaluate(dependencies: Provided, body: EvaluationRequest) -> EvaluationView:
    """Judge an order that nobody placed against the account as the book has it now. Nothing is written."""
    calendar = await asyncio.to_thread(dependencies.calendar)
    return await risk.evaluate(dependencies.database, calendar, body)


@router.get("/evaluations/{decision_id}", dependencies=[require(Scope.READ)], responses=problems(404, 422, 503))
async def read_decision(
    dependencies: Provided, decision_id: Annotated[str, Path(pattern=r"^[0-9a-zA-Z_\-]{1,64}$")]
) -> RiskDecisionView:
    """A verdict on a real order: every check with its value and limit."""
    return await risk.decision(dependencies.database, decision_id)
