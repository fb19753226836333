"""People: who may come in and with what rights; a link, sessions and keys of one of them; keys of services."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from api.dashboard.client import ApiProblem, at
from api.dashboard.pages import PageRoute
from api.dashboard.refusals import Refusal
from api.dashboard.visits import Form, Visit, Visiting, refused, send
from api.routing import Router

router = Router(route_class=PageRoute)

SCOPES = (
    ("read", "look at everything but people, keys and the audit log"),
    ("registry:write", "companies, aliases, exposures, watchlists, sources"),
    ("ops:write", "dead letters, jobs, schedules, documents"),
    ("trade:control", "pause, resume, settings, breakers, orders, backtests"),
    ("approve", "approve orders, and changes that loosen a limit"),
    ("agents:write", "agents and their variants"),
    ("admin", "people, keys, the audit log, notifications, reset"),
)
MOST = 500
KEYS = 50


@router.get("/people")
async def people(visit: Visiting, cursor: str = "") -> Response:
    return await _everybody(visit, cursor=cursor)


@router.post("/people")
async def add(visit: Visiting) -> Response:
    form = visit.form

    async def refusing(problem: ApiProblem) -> Response:
        return await _everybody(visit, refusal=Refusal("add", problem, form.fields, ("name", "scopes")))

    body = {"name": form["name"], "scopes": _chosen(form)}
    result = await send(visit, "POST", "/v1/people", body, refusing=refusing)
    return result if isinstance(result, Response) else visit.see(f"/people/{result['name']}", "person-added")


@router.get("/people/{name}")
async def person(visit: Visiting, name: str) -> Response:
    return await _one(visit, name)


@router.post("/people/{name}/scopes")
async def change_scopes(visit: Visiting, name: str) -> Response:
    return await _change(visit, name, {"scopes": _chosen(visit.form)}, form="scopes", done="changed")


@router.post("/people/{name}/disable")
async def disable(visit: Visiting, name: str) -> Response:
    return await _change(visit, name, {"disabled": True}, form="state", done="person-disabled")


@router.post("/people/{name}/enable")
async def enable(visit: Visiting, name: str) -> Response:
    return await _change(visit, name, {"disabled": False}, form="state", done="person-enabled")


@router.post("/people/{name}/link")
async def link(visit: Visiting, name: str) -> Response:
    """Make a link and show it on the page that answers, this once."""

    async def refusing(problem: ApiProblem) -> Response:
        return await _one(visit, name, refusal=Refusal("link", problem, visit.form.fields, ()))

    result = await send(visit, "POST", at("/v1/people/{}/sign-in-links", name), refusing=refusing)
    if isinstance(result, Response):
        return result
    address = str(visit.request.base_url).rstrip("/") + result["path"]
    return await _one(visit, name, link={"address": address, "expires_at": result["expires_at"]})


@router.post("/people/{name}/sign-out")
async def sign_out(visit: Visiting, name: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/people/{}/sessions", name))
    return result if isinstance(result, Response) else visit.see(f"/people/{name}", "signed-out")


@router.post("/people/{name}/keys")
async def new_key(visit: Visiting, name: str) -> Response:
    """Make a person's key and show it on the page that answers, this once."""

    async def refusing(problem: ApiProblem) -> Response:
        return await _one(visit, name, refusal=_of_key(visit, problem))

    result = await send(visit, "POST", "/v1/api-keys", _key(visit.form, name), refusing=refusing)
    return result if isinstance(result, Response) else await _one(visit, name, made=result)


@router.post("/keys")
async def new_service_key(visit: Visiting) -> Response:
    """Make a key that is nobody's and show it on the page that answers, this once."""

    async def refusing(problem: ApiProblem) -> Response:
        return await _everybody(visit, refusal=_of_key(visit, problem))

    result = await send(visit, "POST", "/v1/api-keys", _key(visit.form, None), refusing=refusing)
    return result if isinstance(result, Response) else await _everybody(visit, made=result)


@router.post("/keys/{key_id}/end")
async def end_key(visit: Visiting, key_id: str) -> Response:
    result = await send(visit, "DELETE", at("/v1/api-keys/{}", key_id))
    return result if isinstance(result, Response) else visit.see("/people", "revoked")


async def _change(visit: Visit, name: str, body: dict[str, Any], *, form: str, done: str) -> Response:
    async def refusing(problem: ApiProblem) -> Response:
        return await _one(visit, name, refusal=Refusal(form, problem, visit.form.fields, ("scopes",)))

    result = await send(visit, "PATCH", at("/v1/people/{}", name), body, refusing=refusing)
    return result if isinstance(result, Response) else visit.see(f"/people/{name}", done)


async def _everybody(
    visit: Visit, *, cursor: str = "", made: dict[str, Any] | None = None, refusal: Refusal | None = None
) -> Response:
    may = visit.session.may("admin")
    if refusal is not None and not may:
        return await refused(visit, refusal.problem)
    if may:
        rows = await visit.api.every("/v1/people", limit=MOST)
        keys = await visit.api.get("/v1/api-keys", limit=KEYS, cursor=cursor)
    return await visit.page(
        "people.html",
        section="people",
        answer=refusal.problem.status if refusal else 200,
        people=rows if may else None,
        keys=keys if may else None,
        cursor=cursor,
        made=made,
        refusal=refusal,
        scopes=SCOPES,
    )


async def _one(
    visit: Visit,
    name: str,
    *,
    link: dict[str, Any] | None = None,
    made: dict[str, Any] | None = None,
    refusal: Refusal | None = None,
) -> Response:
    found = await visit.api.get(at("/v1/people/{}", name))
    readings = await visit.api.read(
        sessions=at("/v1/people/{}/sessions", name), keys=at("/v1/api-keys?limit=50&person={}", name)
    )
    return await visit.page(
        "person.html",
        section="people",
        answer=refusal.problem.status if refusal else 200,
        readings=readings,
        one=found,
        link=link,
        made=made,
        refusal=refusal,
        scopes=SCOPES,
    )


def _of_key(visit: Visit, problem: ApiProblem) -> Refusal:
    return Refusal("key", problem, visit.form.fields, ("name", "scopes", "expires_in_days"))


def _key(form: Form, person: str | None) -> dict[str, Any]:
    """What a form asks of a new key; a number of days that is none goes on as it is and is refused."""
    return {
        "name": form["name"],
        "scopes": _chosen(form),
        "person": person,
        "unattended": form["unattended"] == "yes",
        "expires_in_days": form["expires_in_days"] or None,
    }


def _chosen(form: Form) -> list[str]:
    return [scope for scope, _ in SCOPES if form[f"scope-{scope}"] == "yes"]
