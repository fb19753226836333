"""Who looks: the session as `/v1/session` tells it, and how one begins and ends."""

from __future__ import annotations

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
    api = Api(http, identity)
    if not identity.cookie:
        return api, None
    try:
        return api, Session.model_validate(await api.get("/v1/session"))
    except ApiProblem as problem:
        if problem.status == 401:
            return api, None
        raise


async def sign_in(api: Api, body: dict[str, str]) -> list[str]:
    """Begin a session; gives the `Set-Cookie` headers for the browser.

    Raises:
        ApiProblem: refused.
    """
    return (await api.answer("POST", "/v1/session", body)).headers.get_list("set-cookie")


async def sign_out(api: Api, *, everywhere: bool = False) -> list[str]:
    """End the session, or all of the person's; gives the headers that clear the cookie."""
    try:
        answer = await api.answer("DELETE", "/v1/sessions" if everywhere else "/v1/session")
    except ApiProblem as problem:
        if problem.status != 401:
            raise
        return [f"{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"]
    return answer.headers.get_list("set-cookie")
