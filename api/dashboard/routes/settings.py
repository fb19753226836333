"""Settings: what is in force and what changed it, people and keys, notifications, sessions, the theme."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from api.dashboard import nested
from api.dashboard.client import ApiProblem, at
from api.dashboard.pages import PageRoute
from api.dashboard.visits import THEMES, Visiting, refused, send

router = APIRouter(route_class=PageRoute)

SCOPES = ("read", "registry:write", "ops:write", "trade:control", "approve", "agents:write", "admin")


@router.get("/settings")
async def settings(visit: Visiting) -> Response:
    return await _page(visit)


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


@router.post("/settings/keys")
async def new_key(visit: Visiting) -> Response:
    """Make a key and show it on the page that answers, this once."""
    form = visit.form
    scopes = [scope for scope in SCOPES if form[f"scope-{scope}"] == "yes"]
    body: dict[str, Any] = {"name": form["name"], "scopes": scopes}
    if form["days"]:
        body["expires_in_days"] = form["days"]
    result = await send(visit, "POST", "/v1/api-keys", body)
    return result if isinstance(result, Response) else await _page(visit, made=result)


@router.post("/settings/keys/{key_id}/revoke")
async def revoke(visit: Visiting, key_id: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/api-keys/{}", key_id))
    return result if isinstance(result, Response) else visit.see("/settings", "revoked")


@router.post("/settings/sessions/{session_id}/end")
async def end_session(visit: Visiting, session_id: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/sessions/{}", session_id))
    return result if isinstance(result, Response) else visit.see("/settings", "ended")


@router.post("/settings/notifications/test")
async def test_notifications(visit: Visiting) -> Response:
    result = await send(visit, "POST", "/v1/notifications/test", {})
    return result if isinstance(result, Response) else visit.see("/settings", "tested")


async def _page(visit: Visiting, made: dict[str, Any] | None = None) -> Response:
    reads = {
        "config": "/v1/trading/config",
        "versions": "/v1/trading/config/versions?limit=20",
        "proposals": "/v1/trading/config/proposals",
        "notifications": "/v1/notifications/config",
        "sent": "/v1/notifications/history?limit=10",
        "sessions": "/v1/sessions",
    }
    if visit.session.may("admin"):
        reads |= {"keys": "/v1/api-keys?limit=50", "people": "/v1/people"}
    found = await visit.api.read(**reads)
    configuration = found["config"].value
    return await visit.page(
        "settings.html",
        section="settings",
        readings={"keys": None, "people": None, **found},  # type: ignore[dict-item]
        values=[] if configuration is None else sorted(_rows(configuration["config"])),
        made=made,
        scopes=SCOPES,
        themes=THEMES,
    )


def _rows(configuration: dict[str, Any]) -> list[tuple[str, str]]:
    return [(path, nested.written(value)) for path, value in nested.flat(configuration).items()]
