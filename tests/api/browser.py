"""A browser on this machine: it keeps the session's cookie and sends the CSRF token that it was told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any

import httpx
from fastapi import FastAPI

from api.auth import COOKIE
from api.keys import Scope
from api.throttle import Gate
from domain.people import SignInMethod
from store import people, sessions
from store.tables.access import SignInSession
from tests.api.harness import Platform

PASSWORD = "a quiet evening by the sea"
HERE = "http://127.0.0.1:8000"


@dataclass
class Browser:
    app: FastAPI
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    base: str = HERE

    async def __call__(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> Any:
        sent = {"X-CSRF-Token": self.csrf} if self.csrf and method not in ("GET", "HEAD") else {}
        if method in ("POST", "PUT", "PATCH"):
            sent["Idempotency-Key"] = secrets.token_hex(16)
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=self.base) as client:
            answer = await client.request(method, path, headers={**sent, **(headers or {})}, **options)
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
                else:
                    self.cookies.pop(name, None)
        return answer

    async def sign_in(self, **proof: str) -> Any:
        answer = await self("POST", "/v1/session", json=proof)
        if answer.status_code == 201:
            self.csrf = answer.json()["csrf_token"]
        return answer

    @property
    def token(self) -> str:
        return self.cookies[COOKIE]


async def person(platform: Platform, *scopes: Scope, name: str = "") -> str:
    """Add a person with scopes and return the name."""
    name = name or f"p{secrets.token_hex(5)}"
    async with platform.parts.database.transaction() as session:
        await people.add(session, name=name, scopes=scopes, actor="test", now=datetime.now(UTC))
    return name


async def signed_in(
    platform: Platform, name: str, *, app: FastAPI | None = None, proven: bool = True, ago: timedelta = timedelta(0)
) -> Browser:
    """A browser that a person signed in with; `ago` moves the whole session into the past."""
    now = datetime.now(UTC) - ago
    async with platform.parts.database.transaction() as session:
        owner = await people.require(session, name)
        row, token = await sessions.begin(
            session, person=owner, method=SignInMethod.LINK, key_id=None, actor="test", now=now
        )
        if not proven:
            row.step_up_at = now - timedelta(minutes=5)
            session.add(row)
    return Browser(app or platform.app, {COOKIE: token.get_secret_value()}, row.csrf_token)


async def forget_attempts(platform: Platform) -> None:
    """Let nobody wait for what failed before."""
    platform.app.state.gate = Gate()
    await platform.parts.database.run("DELETE FROM sign_in_attempts")


async def session_row(platform: Platform, browser: Browser) -> SignInSession:
    async with platform.parts.database.transaction() as session:
        found = await sessions.find(session, browser.token, now=datetime.now(UTC))
    assert found is not None
    return found.session
