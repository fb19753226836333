"""Every route of the OpenAPI document against everybody who may not use it. A new route is here by itself."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import keys, policy
from api.auth import SAFE_METHODS
from api.keys import Scope
from tests.api.browser import Browser, person, signed_in
from tests.api.harness import Platform, assert_problem, caller
from tests.api.openapi import document

pytestmark = pytest.mark.stack

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/v1/session"),
    ("GET", "/v1/session/methods"),
    ("GET", "/v1/session/oidc/start"),
    ("GET", "/v1/session/oidc/callback"),
}
"""What asks for nothing: whether it works, and the way in."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    scope: Scope | None
    takes_keys: bool
    step_up: bool

    @property
    def filled(self) -> str:
        return re.sub(r"{[^}]+}", "x", self.path)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, found in document()["paths"].items()
        for method, operation in found.items()
    ]


def routes() -> list[Route]:
    """Every route that asks who one is."""
    found = []
    for method, path, operation in operations():
        if not operation.get("security"):
            continue
        scopes = {scope for each in operation["security"] for asked in each.values() for scope in asked}
        assert len(scopes) <= 1, path
        found.append(
            Route(
                method,
                path,
                Scope(scopes.pop()) if scopes else None,
                any("bearer" in each for each in operation["security"]),
                operation.get("x-step-up", False),
            )
        )
    return found


ROUTES = routes()
SCOPED = [route for route in ROUTES if route.scope is not None]
KEYED = [route for route in ROUTES if route.takes_keys]
UNSAFE = [route for route in ROUTES if route.method not in SAFE_METHODS]
STEP_UP = [route for route in ROUTES if route.step_up]


@dataclass
class Cast:
    """Who may not: made once for all routes."""

    expired: str
    revoked: str
    disabled: str
    without: dict[Scope, str]
    browser: Browser
    stranger: Browser
    stale: Browser
    ended: Browser
    attended: str


@pytest.fixture(scope="module")
async def cast(platform: Platform) -> Cast:
    now = datetime.now(UTC)
    database = platform.parts.database
    everything, nobody = await person(platform, *Scope), await person(platform)
    revoked = await platform.key(*Scope)
    (key_id, _) = keys.parse(revoked) or ("", "")
    async with database.transaction() as session:
        await keys.revoke(session, key_id=key_id, actor="test", now=now)
    gone = await person(platform, *Scope)
    disabled = await platform.key(*Scope, person=gone)
    async with database.transaction() as session:
        from store import people

        await people.set_disabled(session, name=gone, disabled=True, actor="test", now=now)
    return Cast(
        expired=await platform.key(*Scope, expires_at=now - timedelta(seconds=1)),
        revoked=revoked,
        disabled=disabled,
        without={each: await platform.key(*(scope for scope in Scope if scope != each)) for each in Scope},
        browser=await signed_in(platform, everything),
        stranger=await signed_in(platform, nobody),
        stale=await signed_in(platform, everything, proven=False),
        ended=await signed_in(platform, everything, ago=timedelta(hours=12)),
        attended=await platform.key(*Scope, person=everything, unattended=False),
    )


async def harmless(ask: Any, route: Route) -> Any:
    """Send a body and a parameter that no route takes: what acts does not act, and no stream begins."""
    async with asyncio.timeout(60):
        return await ask(route.method, route.filled, params={"nobody": "knows"}, json={"nobody": "knows"})


def test_routes_when_listed_then_only_the_way_in_is_open() -> None:
    assert len(ROUTES) >= 120
    assert {(method, path) for method, path, operation in operations() if not operation.get("security")} == OPEN


def test_policy_when_read_then_every_route_in_it_exists() -> None:
    known = {(method, path) for method, path, _ in operations()}
    assert known >= policy.STEP_UP | policy.HEAVY | policy.NEVER_LIMITED
    assert {(route.method, route.path) for route in STEP_UP} == policy.STEP_UP
    assert not policy.STEP_UP & policy.NEVER_LIMITED


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_route_when_nothing_is_sent_then_401(platform: Platform, route: Route) -> None:
    answer = await caller(platform, key="")(route.method, route.filled, json={})
    assert_problem(answer, 401, "KEY_MISSING" if route.takes_keys else "SESSION_MISSING")
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", KEYED, ids=str)
async def test_route_when_the_key_is_no_good_then_401(platform: Platform, cast: Cast, route: Route) -> None:
    for key in (cast.expired, cast.revoked, cast.disabled, "sk_none_such"):
        assert_problem(await caller(platform, key)(route.method, route.filled, json={}), 401, "KEY_INVALID")


@pytest.mark.parametrize("route", SCOPED, ids=str)
async def test_route_when_only_its_scope_is_missing_then_403(platform: Platform, cast: Cast, route: Route) -> None:
    assert route.scope is not None
    for ask in (caller(platform, cast.without[route.scope]), cast.stranger):
        body = assert_problem(await ask(route.method, route.filled, json={}), 403, "SCOPE_MISSING")
        assert body["fields"]["needed"] == route.scope


@pytest.mark.parametrize("route", SCOPED, ids=str)
async def test_route_when_the_key_has_its_scope_alone_then_it_is_let_in(platform: Platform, route: Route) -> None:
    assert route.scope is not None
    key = await platform.key(route.scope)
    answer = await harmless(caller(platform, key), route)
    assert answer.status_code not in (401, 403), answer.text


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_route_when_the_session_has_rested_too_long_then_401(cast: Cast, route: Route) -> None:
    assert_problem(await cast.ended(route.method, route.filled, json={}), 401, "SESSION_INVALID")


@pytest.mark.parametrize("route", UNSAFE, ids=str)
async def test_route_when_it_changes_something_and_the_session_sends_no_csrf_token_then_403(
    cast: Cast, route: Route
) -> None:
    for token in ("", "wrong", cast.stranger.csrf, "é"):
        headers = {"X-CSRF-Token": token.encode()}
        answer = await cast.browser(route.method, route.filled, json={}, headers=headers)
        assert_problem(answer, 403, "CSRF_INVALID")


@pytest.mark.parametrize("route", STEP_UP, ids=str)
async def test_route_when_nobody_has_proven_who_it_is_lately_then_403(
    platform: Platform, cast: Cast, route: Route
) -> None:
    assert_problem(await cast.stale(route.method, route.filled, json={}), 403, "STEP_UP_REQUIRED")
    if route.takes_keys:
        for token in ("", "nonsense"):
            answer = await caller(platform, cast.attended)(
                route.method, route.filled, json={}, headers={"Step-Up": token}
            )
            assert_problem(answer, 403, "STEP_UP_REQUIRED")
    answer = await harmless(cast.browser, route)
    assert answer.status_code not in (401, 403), answer.text


def test_openapi_when_read_then_every_route_declares_its_problems() -> None:
    found = document()
    assert found["components"]["schemas"]["Problem"]["properties"]["code"]
    assert "HTTPValidationError" not in found["components"]["schemas"]
    for path, each in found["paths"].items():
        for operation in each.values():
            errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            if path.startswith("/v1/"):
                assert {"401", "403", "429", "503"} <= set(errors), path
            if operation.get("parameters") or operation.get("requestBody"):
                assert "422" in errors, path
            for answer in errors.values():
                schema = answer["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
