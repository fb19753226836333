"""Pause, halt, resume and what else an operator says to the engine: plain form posts, in reach on every page."""

from __future__ import annotations

from fastapi.responses import Response

from api.dashboard.client import at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import Visit, Visiting, send
from api.routing import Router

router = Router(route_class=PageRoute)

NO_REASON = "from the dashboard, no reason given"


@router.post("/pause")
async def pause(visit: Visiting) -> Response:
    return await _command(visit, "pause", "paused")


@router.post("/halt")
async def halt(visit: Visiting) -> Response:
    return await _command(visit, "halt", "halted")


@router.post("/resume")
async def resume(visit: Visiting) -> Response:
    return await _command(visit, "resume", "resumed")


@router.post("/reconcile")
async def reconcile(visit: Visiting) -> Response:
    result = await send(visit, "POST", "/v1/trading/reconcile")
    return result if isinstance(result, Response) else visit.see("/", "reconciling")


@router.post("/breakers/{name}/reset")
async def reset_breaker(visit: Visiting, name: str) -> Response:
    body = {"reason": visit.form["reason"]}
    result = await send(visit, "POST", at("/v1/trading/breakers/{}/reset", name), body)
    return result if isinstance(result, Response) else visit.see("/", "reset")


async def _command(visit: Visit, command: str, done: str) -> Response:
    body = {"reason": visit.form["reason"] or (NO_REASON if command != "resume" else "")}
    result = await send(visit, "POST", at("/v1/trading/{}", command), body)
    return result if isinstance(result, Response) else visit.see("/", done)
