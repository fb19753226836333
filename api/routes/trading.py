"""`/v1/trading`: pause, resume, halt, status."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.keys import Scope
from api.operations import trading
from api.operations.trading import CommandReport, TradingStatus
from domain.trading import Reason

router = APIRouter(prefix="/v1/trading", tags=["trading"])

Controller = Annotated[Principal, require(Scope.TRADE_CONTROL)]


class CommandBody(BaseModel):
    """Why: it stands in the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("/status", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_status(dependencies: Provided) -> TradingStatus:
    """The state in force, since when and why, and what the engine says."""
    return await trading.status(dependencies.database, dependencies.client, mode=dependencies.mode)


@router.post("/pause", responses=problems(409, 422, 503))
async def pause(dependencies: Provided, principal: Controller, command: CommandBody) -> CommandReport:
    """Open nothing from now on; positions may still be reduced."""
    return await trading.pause(
        dependencies.database,
        dependencies.client,
        mode=dependencies.mode,
        reason=command.reason,
        actor=principal.actor,
    )


@router.post("/resume", responses=problems(409, 422, 503))
async def resume(dependencies: Provided, principal: Controller, command: CommandBody) -> CommandReport:
    """Trade again."""
    return await trading.resume(
        dependencies.database,
        dependencies.client,
        mode=dependencies.mode,
        reason=command.reason,
        actor=principal.actor,
    )


@router.post("/halt", responses=problems(409, 422, 503))
async def halt(dependencies: Provided, principal: Controller, command: CommandBody) -> CommandReport:
    """Send nothing from now on and cancel what is open."""
    return await trading.halt(
        dependencies.database,
        dependencies.client,
        mode=dependencies.mode,
        reason=command.reason,
        actor=principal.actor,
    )
