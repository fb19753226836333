"""`/v1` as one person's dashboard calls it: with that person's cookie, and each refusal as the problem that it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote

import httpx

from api.dashboard.transport import CLIENT

COOKIE = "__Host-stonks"
_SECONDS = 90.0
"""Longer than the longest act takes to be answered: a cancel that waits for the broker."""
_CONNECT_SECONDS = 5.0


@dataclass(eq=False)
class ApiProblem(Exception):
    """What `/v1` refused, in its own words."""

    status: int
    code: str
    detail: str
    hint: str = ""
    request_id: str = ""
    errors: tuple[Mapping[str, str], ...] = ()
    """Field and message, one entry a field, where the request itself was invalid."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """What else it names, by its code: for example `field` and `found`."""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"


@dataclass(frozen=True)
class Reading:
    """One answer among several that a page needs: a part that cannot be read leaves the others standing."""

    value: Any = None
    problem: ApiProblem | None = None


@dataclass(frozen=True)
class Identity:
    """On whose behalf a call is made."""

    cookie: str = field(default="", repr=False)
    csrf_token: str = field(default="", repr=False)
    client: tuple[str, int] = ("127.0.0.1", 0)
    request_id: str = ""
    base_url: str = ""
    """How the browser names this host, where the API is on it too: by that it judges whether a cookie is safe."""


@dataclass(frozen=True)
class Backend:
    """The API that pages are made from: in this process, or at its own address."""

    http: httpx.AsyncClient
    inside: bool


def at(path: str, *values: Any) -> str:
    """An address with values in it, each of which stays within its place whatever it holds."""
    return path.format(*(quote(str(value), safe="") for value in values))


def connect(transport: httpx.AsyncBaseTransport | None, base_url: str) -> httpx.AsyncClient:
    """Make the client that all requests share. It keeps no cookie: one person's must never go out with another's."""
    return httpx.AsyncClient(
        transport=transport,
        base_url=base_url,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
        trust_env=False,
    )


class Api:
    """Calls `/v1` for one request of one person."""

    def __init__(self, http: httpx.AsyncClient, identity: Identity) -> None:
        self._http = http
        self._identity = identity

    async def get(self, path: str, **query: Any) -> Any:
        """Read one address. Parameters without a value are left out.

        Raises:
            ApiProblem: it was refused, or the API did not answer.
        """
        return (await self._call("GET", path, query=query)).json()

    async def text(self, path: str, **query: Any) -> str:
        """Read an address that answers with text."""
        return (await self._call("GET", path, query=query)).text

    async def read(self, **paths: str) -> dict[str, Reading]:
        """Read several addresses at once, each for itself.

        Raises:
            ApiProblem: the person is not signed in any more.
        """
        readings = await asyncio.gather(*(self._reading(path) for path in paths.values()))
        for reading in readings:
            if reading.problem is not None and reading.problem.status == 401:
                raise reading.problem
        return dict(zip(paths, readings, strict=True))

    async def every(self, path: str, *, limit: int, **query: Any) -> list[Any]:
        """Read a list page by page until `limit` rows or its end."""
        rows: list[Any] = []
        cursor: str | None = None
        while len(rows) < limit:
            page = await self.get(path, limit=min(200, limit - len(rows)), cursor=cursor, **query)
            rows.extend(page["data"])
            cursor = page.get("next_cursor")
            if not cursor:
                break
        return rows

    async def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", version: int | str | None = None
    ) -> Any:
        """Act: `key` makes a repeated form one act, `version` is of what the person looked at.

        Raises:
            ApiProblem: it was refused, or the API did not answer.
        """
        headers = {}
        if key:
            headers["Idempotency-Key"] = key
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        answer = await self._call(method, path, body=body, headers=headers)
        return answer.json() if answer.content else None

    async def answer(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """The same where the headers matter too: signing in sets a cookie."""
        return await self._call(method, path, body=body)

    @asynccontextmanager
    async def stream(self, path: str, *, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        """Open an answer that does not end."""
        request = self._request("GET", path, headers=headers)
        request.extensions["timeout"] = {"connect": _CONNECT_SECONDS, "read": None, "write": None, "pool": None}
        try:
            answer = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        try:
            yield answer
        finally:
            await answer.aclose()

    async def _reading(self, path: str) -> Reading:
        try:
            return Reading(value=await self.get(path))
        except ApiProblem as problem:
            return Reading(problem=problem)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = await self._http.send(self._request(method, path, query=query, body=body, headers=headers))
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error
        if answer.is_success:
            return answer
        raise _problem(answer)

    def _unreachable(self, error: httpx.HTTPError) -> ApiProblem:
        return ApiProblem(
            status=503,
            code="API_UNREACHABLE",
            detail=f"error={type(error).__name__}",
            hint="The dashboard is up, the API behind it is not: look at `stonks doctor`",
            request_id=self._identity.request_id,
        )

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        who = self._identity
        sent = dict(headers or {})
        if who.request_id:
            sent["X-Request-Id"] = who.request_id
        if who.cookie:
            sent["Cookie"] = f"{COOKIE}={who.cookie}"
        if who.csrf_token and method != "GET":
            sent["X-CSRF-Token"] = who.csrf_token
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        return self._http.build_request(
            method,
            who.base_url.rstrip("/") + path,
            params=given or None,
            json=body,
            headers=sent,
            extensions={CLIENT: who.client},
        )


def _problem(answer: httpx.Response) -> ApiProblem:
    try:
        body = answer.json()
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    return ApiProblem(
        status=answer.status_code,
        code=str(body.get("code") or f"HTTP_{answer.status_code}"),
        detail=str(body.get("detail") or answer.reason_phrase),
        hint=str(body.get("hint") or ""),
        request_id=str(body.get("request_id") or answer.headers.get("x-request-id", "")),
        errors=tuple(body.get("errors") or ()),
        fields=dict(body.get("fields") or {}),
    )
