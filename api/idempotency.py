"""`Idempotency-Key`: a request that is sent again is carried out once, and is answered as it was the first time.

    key and body -> who asks is known -> claim -> the route acts -> its answer is kept, then sent
                                           `-> somebody has it: 409; it was answered: the same answer; another body: 422

A key belongs to a principal and a route. Answers are kept for 24 hours; those of 500 and more are not, nor those that
speak of who asks, how often and of which version (401, 403, 412, 428, 429). An attempt whose process died is over a
minute later, and the same request then runs again: what routes do is keyed by its own inputs, so that a second run
finds what the first one did. `POST /v1/api-keys` is not: such a run makes a second key, which the list shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import MEDIA_TYPE, problem
from api.etags import PreconditionRequired
from domain.errors import Conflict, InvalidInput
from domain.ids import digest
from store import requests
from store.database import Database

log = structlog.get_logger(__name__)

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replay"
ACTS = frozenset({"POST", "PUT", "PATCH"})
"""Methods that take a key. A DELETE that is repeated finds nothing left to do."""

REQUIRED = frozenset(
    {
        ("PATCH", "/v1/trading/config"),
        ("POST", "/v1/trading/resume"),
        ("POST", "/v1/trading/reset"),
        ("POST", "/v1/trading/breakers/{name}/reset"),
        ("POST", "/v1/orders/overrides"),
        ("PUT", "/v1/risk/limits"),
        ("POST", "/v1/approvals/{approval_id}/review"),
        ("POST", "/v1/agents/{agent_id}/variants/{variant_id}/activate"),
        ("POST", "/v1/api-keys"),
    }
)
"""What may not be done twice by accident: without a key it is refused."""

STOPS = frozenset({("POST", "/v1/trading/pause"), ("POST", "/v1/trading/halt")})
"""What is carried out again rather than refused while an attempt holds the key, which may be one that died."""

SECRETS: Mapping[tuple[str, str], str] = {("POST", "/v1/api-keys"): "key"}
"""Answers with a secret, and the field that it stands in: there the kept answer has null."""

_NEVER = ("/v1/session", "/v1/step-up")
"""Signing in answers with secrets, in headers too: a key is ignored there."""

_NEVER_AT_THE_END = ("/password", "/sign-in-links")
"""Not even the hash of a password is kept with a request, and a link is a secret: there a key is ignored, too."""

_KEPT_HEADERS = ("content-type", "location", "etag")
_NOT_KEPT = frozenset({401, 403, 412, 428, 429})
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_STATE = "idempotency"


class Replayed(Exception):
    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(status)
        self.response = Response(body, status_code=status, headers={**headers, REPLAYED: "true"})


@dataclass
class _Attempt:
    """A request that came with a key, and its claim once its principal is known."""

    key: str
    body: bytes
    database: Database | None = None
    request_id: str = ""
    secret: str = ""
    attempt: str = ""

    @property
    def claimed(self) -> bool:
        return self.database is not None


async def admit(request: Request, actor: str, database: Database) -> None:
    """Claim the request for its principal, where it came with a key. Called once who asks is known and may.

    Raises:
        PreconditionRequired: the route may not be used without a key.
        Conflict: the same request is under way.
        InvalidInput: the key was used for another request.
        Replayed: it was answered before; the handler sends that.
    """
    if request.method not in ACTS:
        return
    template = str(getattr(request.scope.get("route"), "path", request.url.path))
    route = (request.method, template)
    attempt: _Attempt | None = request.scope.get("state", {}).get(_STATE)
    if attempt is None:
        if route in REQUIRED:
            raise PreconditionRequired(
                "IDEMPOTENCY_KEY_REQUIRED",
                "Send a new value, such as a UUID, for each act, and the same one where you repeat it",
                header=HEADER,
            )
        return
    if attempt.claimed:
        return
    request_id = digest("request", actor, *route, attempt.key, length=32)
    fingerprint = _fingerprint(request, attempt)
    mine, now = uuid.uuid4().hex, datetime.now(UTC)
    async with database.transaction() as session:
        known = await requests.claim(
            session,
            request_id=request_id,
            fingerprint=fingerprint,
            actor=actor,
            route=" ".join(route),
            attempt=mine,
            now=now,
        )
    if known is None:
        attempt.database, attempt.request_id, attempt.attempt = database, request_id, mine
        attempt.secret = SECRETS.get(route, "")
        return
    if not hmac.compare_digest(known.fingerprint, fingerprint):
        raise InvalidInput(
            "IDEMPOTENCY_KEY_REUSED",
            "The key was used for another request: send this one with a new key",
            header=HEADER,
        )
    if known.status == requests.UNDER_WAY:
        if route in STOPS:
            return
        raise Conflict(
            "REQUEST_IN_FLIGHT",
            "The same request is being carried out: ask again in a moment, with the same key",
            begun_at=known.begun_at.isoformat(timespec="seconds"),
        )
    raise Replayed(known.status, {str(name): str(value) for name, value in known.headers.items()}, known.body)


class KeepAnswers:
    """Read the body of a request that has a key, and keep the answer before it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ACTS or not _takes_keys(scope["path"]):
            await self._app(scope, receive, send)
            return
        key = Headers(scope=scope).get(HEADER)
        if key is None:
            await self._app(scope, receive, send)
            return
        if not _KEY.fullmatch(key):
            raise InvalidInput("IDEMPOTENCY_KEY_INVALID", "Send 1 to 255 visible ASCII characters", header=HEADER)
        try:
            body = await _read(receive)
        except HTTPException as error:  # it is too long
            status = HTTPStatus(error.status_code)
            await problem(Request(scope), status, status.name, str(error.detail))(scope, receive, send)
            return
        if body is None:  # the caller is gone
            return
        attempt = _Attempt(key=key, body=body)
        scope.setdefault("state", {})[_STATE] = attempt
        answer: list[Message] = []

        async def hold_back(message: Message) -> None:
            answer.append(message)

        try:
            async with _held(attempt):
                await self._app(scope, _again(body, receive), hold_back)
        except BaseException:
            await _let_go(attempt)
            raise
        await _keep(attempt, answer)
        for message in answer:
            await send(message)


def install(app: FastAPI) -> None:
    """Register the envelope that keeps answers, how they are given again, and the header in the OpenAPI document."""
    app.add_exception_handler(Replayed, _replay)
    app.add_middleware(KeepAnswers)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if method.upper() in ACTS and _takes_keys(path):
                    _describe(operation, required=(method.upper(), path) in REQUIRED)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _takes_keys(path: str) -> bool:
    return path.startswith("/v1/") and not path.startswith(_NEVER) and not path.endswith(_NEVER_AT_THE_END)


def _describe(operation: dict[str, Any], *, required: bool) -> None:
    parameters = operation.setdefault("parameters", [])
    if any(each["name"] == HEADER for each in parameters):
        return
    parameters.append(
        {
            "name": HEADER,
            "in": "header",
            "required": required,
            "description": "Chosen by you, a new one for each act: repeated with it, the request is carried out once",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    )
    shape = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    needed = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
    for status in (*needed, HTTPStatus.PRECONDITION_REQUIRED) if required else needed:
        operation["responses"].setdefault(str(status.value), {"description": status.phrase, **shape})


async def _replay(request: Request, error: Exception) -> Response:
    assert isinstance(error, Replayed)
    return error.response


def _fingerprint(request: Request, attempt: _Attempt) -> str:
    """Of the address and the body, by the key: without it nobody can try which body it was."""
    said = b"\n".join((request.method.encode(), request.url.path.encode(), request.url.query.encode(), attempt.body))
    return hmac.new(attempt.key.encode(), said, hashlib.sha256).hexdigest()


async def _read(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read already; after it whatever comes."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


@contextlib.asynccontextmanager
async def _held(attempt: _Attempt) -> AsyncIterator[None]:
    """Hold the claim for as long as the route acts."""

    async def hold() -> None:
        while True:
            await asyncio.sleep(requests.HELD.total_seconds() / 3)
            if attempt.database is None:
                continue
            try:
                async with attempt.database.transaction() as session:
                    await requests.hold(
                        session, request_id=attempt.request_id, attempt=attempt.attempt, now=datetime.now(UTC)
                    )
            except Exception as error:
                log.warning("request_not_held", request_id=attempt.request_id, error=str(error))

    task = asyncio.create_task(hold())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _keep(attempt: _Attempt, answer: list[Message]) -> None:
    start = next((message for message in answer if message["type"] == "http.response.start"), None)
    if attempt.database is None or start is None:
        return
    status = int(start["status"])
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_KEPT:
        await _let_go(attempt)
        return
    headers = Headers(raw=start["headers"])
    body = b"".join(message.get("body", b"") for message in answer if message["type"] == "http.response.body")
    try:
        async with attempt.database.transaction() as session:
            await requests.keep(
                session,
                request_id=attempt.request_id,
                attempt=attempt.attempt,
                status=status,
                headers={name: headers[name] for name in _KEPT_HEADERS if name in headers},
                body=_without(attempt.secret, body) if status < HTTPStatus.BAD_REQUEST else body,
                now=datetime.now(UTC),
            )
    except Exception as error:  # it was done: the caller learns that all the same
        log.warning("answer_not_kept", request_id=attempt.request_id, error=str(error))


async def _let_go(attempt: _Attempt) -> None:
    if attempt.database is None:
        return
    try:
        async with attempt.database.transaction() as session:
            await requests.let_go(session, request_id=attempt.request_id, attempt=attempt.attempt)
    except Exception as error:  # it is over a minute later by itself
        log.warning("request_not_let_go", request_id=attempt.request_id, error=str(error))


def _without(secret: str, body: bytes) -> bytes:
    """The body without the field that holds a secret."""
    if not secret:
        return body
    found = json.loads(body)
    return json.dumps({**found, secret: None}, separators=(",", ":")).encode()
