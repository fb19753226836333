"""Settings: what is in force and what changed it, notifications, one's own sessions, the theme."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from api.dashboard import nested
from api.dashboard.client import ApiProblem, Reading, at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import THEMES, Visiting, refused, send
from api.routing import Router

router = Router(route_class=PageRoute)


@router.get("/settings")
async def settings(visit: Visiting) -> Response:
    found = await visit.api.read(
        config="/v1/trading/config",
        versions="/v1/trading/config/versions?limit=20",
        proposals="/v1/trading/config/proposals",
        notifications="/v1/notifications/config",
        sent="/v1/notifications/history?limit=10",
        sessions="/v1/sessions",
        **({"backups": "/v1/backups?limit=10"} if visit.session.may("admin") else {}),
    )
    configuration = found["config"].value
    return await visit.page(
        "settings.html",
        section="settings",
        readings={"backups": Reading(), **found},
        values=[] if configuration is None else sorted(_rows(configuration["config"])),
        themes=THEMES,
    )


@router.post("/settings/config")
async def change(visit: Visiting) -> Response:
    form = visit.form
    try:
        changes = nested.changes(form["changes"])
    except ApiProblem as problem:
        return await refused(visit, problem)
    body = {"reason": form["reason"], "changes": changes}
    result = await send(visit, "PATCH", "/v1/trading/config", body, version=form["version"])
    if isinstance(result, Response):
        return result
    done = {"in_force": "changed", "proposed": "proposed"}.get(result["outcome"], "unchanged")
    return visit.see("/settings", done)


@router.post("/settings/proposals/{proposal_id}/review")
async def review(visit: Visiting, proposal_id: str) -> Response:
    body = {"reason": visit.form["reason"], "approved": visit.form["answer"] == "approve"}
    path = at("/v1/trading/config/proposals/{}/review", proposal_id)
    result = await send(visit, "POST", path, body)
    return result if isinstance(result, Response) else visit.see("/settings", "reviewed")


@router.post("/settings/sessions/{session_id}/end")
async def end_session(visit: Visiting, session_id: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/sessions/{}", session_id))
    return result if isinstance(result, Response) else visit.see("/settings", "ended")


@router.post("/settings/notifications/test")
async def test_notifications(visit: Visiting) -> Response:
    result = await send(visit, "POST", "/v1/notifications/test", {})
    return result if isinstance(result, Response) else visit.see("/settings", "tested")


@router.post("/settings/backups")
async def back_up(visit: Visiting) -> Response:
    result = await send(visit, "POST", "/v1/backups", {})
    return result if isinstance(result, Response) else visit.see("/settings", "backing-up")


@router.post("/settings/backups/{backup_id}/drill")
async def drill_backup(visit: Visiting, backup_id: str) -> Response:
    result = await send(visit, "POST", at("/v1/backups/{}/drill", backup_id), {})
    return result if isinstance(result, Response) else visit.see("/settings", "drilling")


def _rows(configuration: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, nested.written(value)) for path, value in nested.flat(configuration).items()]
