"""Who looks: the session as `/v1/session` tells it, and how one begins and ends."""

from __future__ import annotations

import hashlib
from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict

from api.dashboard.client import COOKIE, Api, ApiProblem, Identity


class Person(BaseModel):
    model_config = ConfigDict(frozen=True)

    person_id: str
    name: str


class Session(BaseModel):
    """One person signed in."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    person: Person
    scopes: frozenset[str]
    csrf_token: str
    signed_in_at: datetime | None = None
    expires_at: datetime | None = None
    step_up_until: datetime | None = None
    method: str = ""
    has_password: bool = False
    solo: bool = False

    def may(self, scope: str) -> bool:
        return scope in self.scopes


async def current(http: httpx.AsyncClient, identity: Identity) -> tuple[Api, Session | None]:
    """Find out who asks, and the client that acts for that person.

    Raises:
        ApiProblem: the API could not say.
    """
    if not identity.cookie:
        return Api(http, identity), None
    try:
        return Api(http, identity), Session.model_validate(await Api(http, identity).get("/v1/session"))
    except ApiProblem as problem:
        if problem.status == 401:
            return Api(http, identity), None
        if problem.status != 404:
            raise
    return await _by_key(http, identity)


async def sign_in(api: Api, body: dict[str, str]) -> list[str]:
    """Begin a session; gives the `Set-Cookie` headers for the browser.

    Raises:
        ApiProblem: refused.
    """
    try:
        answer = await api.answer("POST", "/v1/session", body)
        return answer.headers.get_list("set-cookie")
    except ApiProblem as problem:
        if problem.status != 404 or "key" not in body:
            raise
    await api.acting_by(body["key"]).get("/v1/overview")
    return [f"{COOKIE}={body['key']}; Path=/; Secure; HttpOnly; SameSite=Lax"]


async def sign_out(api: Api) -> list[str]:
    """End the session; gives the headers that clear the cookie."""
    cleared = [f"{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]
    try:
        answer = await api.answer("DELETE", "/v1/session")
    except ApiProblem as problem:
        if problem.status not in (401, 404):
            raise
        return cleared
    return answer.headers.get_list("set-cookie") or cleared


# Where the API knows keys alone, the cookie is the key.

_EVERY_SCOPE = frozenset({"read", "registry:write", "ops:write", "trade:control", "approve", "agents:write", "admin"})


async def _by_key(http: httpx.AsyncClient, identity: Identity) -> tuple[Api, Session | None]:
    token = hashlib.sha256(b"csrf:" + identity.cookie.encode()).hexdigest()
    if identity.csrf_token and identity.csrf_token != token:
        raise ApiProblem(403, "CSRF_INVALID", "The form is of another session", "Load the page again")
    api = Api(http, identity).acting_by(identity.cookie)
    try:
        await api.get("/v1/overview")
    except ApiProblem as problem:
        if problem.status == 401:
            return api, None
        raise
    name = identity.cookie.split("_")[1] if identity.cookie.startswith("sk_") else "bootstrap"
    return api, Session(person=Person(person_id=name, name=name), scopes=_EVERY_SCOPE, csrf_token=token)
