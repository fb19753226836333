"""`/v1/trading`: pause, resume, halt, status, settings, breakers, the reserve, reset."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import Principal, require
from api.dependencies import Provided
from api.errors import problems
from api.etags import IfMatch, require_version, tag
from api.keys import Scope
from api.keysets import key_of, keyed_page
from api.operations import protection, trading, trading_commands
from api.operations.protection import ConfigView, ProposalView, ProtectionView, VersionView
from api.operations.trading import CommandReport, TradingStatus
from api.paging import Page, PageQuery
from api.routing import Router
from domain.breaker_state import Breaker
from domain.errors import InvalidInput
from domain.trading import Reason
from domain.trading_commands import (
    ConfigReport,
    Configure,
    DoneReport,
    EngineDebug,
    ReleaseReserve,
    ResetBreaker,
    ResetEngine,
    ReviewConfig,
)

router = Router(prefix="/v1/trading", tags=["trading"])

VERSIONS = "config-versions"

Controller = Annotated[Principal, require(Scope.TRADE_CONTROL)]
Administrator = Annotated[Principal, require(Scope.ADMIN)]
ProposalId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$")]


class CommandBody(BaseModel):
    """Why: it stands in the audit log."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("/status", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_status(dependencies: Provided) -> TradingStatus:
    """The state in force, since when and why, what the engine says, and how book and broker compared."""
    return await trading.status(
        dependencies.database, dependencies.client, mode=dependencies.mode, calendar=dependencies.calendar
    )


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


class ConfigChange(CommandBody):
    """Settings that differ, nested as the configuration is."""

    changes: Annotated[
        dict[str, Any],
        Field(min_length=1, max_length=200, examples=[{"limits": {"name_cap": "0.04"}, "signals": {"kappa": 1.5}}]),
    ]


class ReviewBody(CommandBody):
    approved: bool


class ReleaseBody(CommandBody):
    amount: Annotated[Decimal, Field(gt=0, decimal_places=6, max_digits=20, description="dollars")]


@router.get("/config", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_config(dependencies: Provided, response: Response) -> ConfigView:
    """What was configured, with the ETag that a change needs."""
    view = await protection.configuration(dependencies.database)
    tag(response, view.version)
    return view


@router.patch("/config", responses=problems(409, 412, 422, 428, 503))
async def change_config(
    dependencies: Provided, principal: Controller, body: ConfigChange, if_match: IfMatch = None
) -> ConfigReport:
    """Change settings. A tightening is in force at once; what loosens a limit waits for a second person."""
    version = (await protection.configuration(dependencies.database)).version
    require_version(if_match, version)
    command = Configure(reason=body.reason, actor=principal.actor, changes=body.changes, expected_version=version)
    return await trading_commands.configure(dependencies.client, command, mode=dependencies.mode)


@router.get("/config/versions", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_versions(dependencies: Provided, query: Annotated[PageQuery, Query()]) -> Page[VersionView]:
    """What was in force when, who changed it and why, with the difference; the newest first."""
    key = key_of(VERSIONS, query.cursor)
    rows = await protection.versions(
        dependencies.database, limit=query.limit + 1, before=_version(key[0]) if key is not None else None
    )
    return keyed_page(VERSIONS, rows, query.limit, key=lambda row: (str(row.version),), view=lambda row: row)


@router.get("/config/proposals", dependencies=[require(Scope.READ)], responses=problems(422, 503))
async def list_proposals(
    dependencies: Provided, status: Literal["pending", "approved", "declined"] | None = None
) -> list[ProposalView]:
    """Changes that loosen something and wait, or waited, for a second person; the newest first, at most 100."""
    return await protection.proposals(dependencies.database, status=status)


@router.post("/config/proposals/{proposal_id}/review", responses=problems(404, 409, 422, 503))
async def review_proposal(
    dependencies: Provided,
    principal: Annotated[Principal, require(Scope.APPROVE)],
    proposal_id: ProposalId,
    body: ReviewBody,
) -> ConfigReport:
    """Approve or decline a change that loosens something. Who proposed it may only decline."""
    command = ReviewConfig(reason=body.reason, actor=principal.actor, proposal_id=proposal_id, approved=body.approved)
    return await trading_commands.review_config(dependencies.client, command, mode=dependencies.mode)


@router.get("/protection", dependencies=[require(Scope.READ)], responses=problems(503))
async def read_protection(dependencies: Provided) -> ProtectionView:
    """Breakers, tier, reserve and stops after the engine's last look."""
    return await protection.standing(dependencies.database)


@router.post("/breakers/{name}/reset", responses=problems(409, 422, 503))
async def reset_breaker(
    dependencies: Provided, principal: Controller, name: Breaker, command: CommandBody
) -> DoneReport:
    """Let a breaker go that waits for an operator: the drawdown, after its rest. The others reset themselves."""
    return await trading_commands.reset_breaker(
        dependencies.client,
        ResetBreaker(reason=command.reason, actor=principal.actor, breaker=name),
        mode=dependencies.mode,
    )


@router.post("/reserve/release", responses=problems(409, 422, 503))
async def release_reserve(dependencies: Provided, principal: Controller, body: ReleaseBody) -> DoneReport:
    """Take money out of the reserve pool: from then on it may be invested."""
    command = ReleaseReserve(reason=body.reason, actor=principal.actor, amount=body.amount)
    return await trading_commands.release_reserve(dependencies.client, command, mode=dependencies.mode)


@router.post("/reset", responses=problems(409, 422, 503))
async def reset(dependencies: Provided, principal: Administrator, command: CommandBody) -> DoneReport:
    """Forget breakers, tier, loss streak and stops of a paper account. Refused where real money is traded."""
    return await trading_commands.reset(
        dependencies.client, ResetEngine(reason=command.reason, actor=principal.actor), mode=dependencies.mode
    )


@router.get("/debug/state", dependencies=[require(Scope.ADMIN)], responses=problems(503))
async def read_debug_state(dependencies: Provided) -> EngineDebug:
    """What the engine remembers, for people who look for a fault."""
    return await trading_commands.debug_state(dependencies.client)


def _version(text: str) -> int:
    if not text.isdecimal():
        raise InvalidInput("CURSOR_INVALID", "Pass `next_cursor` of the page before, unchanged and to the same list")
    return int(text)
