"""Every error as `application/problem+json` (RFC 9457), with the domain's stable code and a request id."""

from __future__ import annotations

import math
import re
import time
import traceback
import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.failures import as_stonks_error
from api.metering import HttpMeter, route_of
from api.policy import most_bytes
from domain.errors import (
    ConfigurationError,
    Conflict,
    InvalidInput,
    ModelOutputInvalid,
    NotFound,
    StonksError,
    VendorRejected,
    VendorThrottled,
    VendorUnavailable,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

_NOTHING_SENT = frozenset({"KEY_MISSING", "SESSION_MISSING", "SIGN_IN_FAILED"})
"""401 without a word on a key: none was sent."""
HSTS = "max-age=31536000"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Unauthenticated(StonksError):
    """No key, or one that is not known, revoked or expired."""


class Forbidden(StonksError):
    """The key is good, but not for this."""


class TooManyRequests(StonksError):
    """More than the limits allow; the same works after `retry_after_seconds`."""

    def __init__(self, code: str, /, hint: str = "", *, retry_after_seconds: float, **fields: Any) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(code, hint, **fields)


_STATUS: tuple[tuple[type[StonksError], HTTPStatus], ...] = (
    (Unauthenticated, HTTPStatus.UNAUTHORIZED),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (TooManyRequests, HTTPStatus.TOO_MANY_REQUESTS),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
    (InvalidInput, HTTPStatus.UNPROCESSABLE_ENTITY),
    (VendorThrottled, HTTPStatus.SERVICE_UNAVAILABLE),
    (VendorUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (VendorRejected, HTTPStatus.BAD_GATEWAY),
    (ModelOutputInvalid, HTTPStatus.BAD_GATEWAY),
    (ConfigurationError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


class FieldError(BaseModel):
    field: str
    """Where it stands: `body.reason`, `query.limit`."""
    message: str


class Problem(BaseModel):
    """What went wrong, with a stable code and what to do about it."""

    type: str = Field(examples=["urn:stonks:error:APPROVAL_DECIDED"])
    title: str
    status: int
    detail: str
    code: str = Field(examples=["APPROVAL_DECIDED"])
    request_id: str
    hint: str | None = None
    fields: dict[str, str] | None = None
    errors: list[FieldError] | None = None
    """One entry a field, where the request itself is invalid."""
    dependencies: dict[str, Any] | None = None
    """State of every dependency, on `/readyz` only."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may answer with these; 401, 403 and 429 always among them."""
    return {
        status: {"model": Problem, "description": HTTPStatus(status).phrase}
        for status in sorted({401, 403, 429, *statuses})
    }


def problem(
    request: Request,
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> JSONResponse:
    body = Problem(
        type=f"urn:stonks:error:{code}",
        title=status.phrase,
        status=status.value,
        detail=detail,
        code=code,
        request_id=str(getattr(request.state, "request_id", "")),
        **members,
    )
    return JSONResponse(
        jsonable_encoder(body, exclude_none=True),
        status_code=status.value,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI, *, meter: HttpMeter | None = None) -> None:
    """Register the handlers, the envelope around every request, and the media type in the OpenAPI document.

    `meter` counts every request, refused ones too.
    """
    app.add_exception_handler(StonksError, _of_stonks_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_middleware(RequestEnvelope, meter=meter)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for operations in document["paths"].values():
            for operation in operations.values():
                if "requestBody" in operation:  # bytes that are no text, or a form that is none
                    operation["responses"].setdefault("400", _answer_of(HTTPStatus.BAD_REQUEST))
                    operation["responses"].setdefault("413", _answer_of(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
                for status, answer in operation["responses"].items():
                    content = answer.get("content", {})
                    if status >= "400" and len(content) == 1:  # a route's own media type, whatever it streams
                        answer["content"] = {MEDIA_TYPE: next(iter(content.values()))}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _answer_of(status: HTTPStatus) -> dict[str, Any]:
    return {
        "description": status.phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def from_stonks_error(request: Request, error: StonksError) -> JSONResponse:
    status = next((found for kind, found in _STATUS if isinstance(error, kind)), HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {}
    if isinstance(error, VendorThrottled | TooManyRequests):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="stonks"' + (
            "" if error.code in _NOTHING_SENT else ', error="invalid_token"'
        )
    fields = {name: str(value) for name, value in error.fields.items()}
    return problem(
        request,
        status,
        error.code,
        ", ".join(f"{name}={value}" for name, value in fields.items()) or error.hint or status.phrase,
        headers=headers,
        hint=error.hint or None,
        fields=fields or None,
    )


async def _of_stonks_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StonksError)
    return from_stonks_error(request, error)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    """Name each field and what is allowed. What was sent is never echoed: it may hold a secret."""
    assert isinstance(error, RequestValidationError)
    found = [
        FieldError(field=".".join(str(part) for part in each["loc"]), message=str(each["msg"]))
        for each in error.errors()
    ]
    return problem(
        request,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "REQUEST_INVALID",
        "; ".join(f"{each.field}: {each.message}" for each in found),
        errors=found,
    )


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: "Nothing lives at this address; /docs lists what there is",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method; the header Allow says which",
    }.get(status, str(error.detail))
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED and (allowed := _methods_at(request)):
        headers["Allow"] = ", ".join(allowed)
    return problem(request, status, status.name, detail, headers=headers)


def _methods_at(request: Request) -> list[str]:
    """Every method that the address takes: the router names those of one of its routes alone."""
    if (own := _own_methods_at(request.app, request.url.path)) is not None:
        return sorted(own)
    known: list[tuple[re.Pattern[str], set[str]]] | None = getattr(request.app.state, "methods_at", None)
    if known is None:
        known = [
            (re.compile(re.sub(r"\\{[^/{}]+\\}", "[^/]+", re.escape(path))), {method.upper() for method in operations})
            for path, operations in request.app.openapi()["paths"].items()
        ]
        request.app.state.methods_at = known
    path = request.url.path
    return sorted({method for pattern, methods in known if pattern.fullmatch(path) for method in methods})


def own_methods(routers: Iterable[APIRouter]) -> dict[str, set[str]]:
    """Methods of the addresses that are written out. Such an address is never also another one's `{id}`."""
    known: dict[str, set[str]] = {}
    for route in (route for router in routers for route in router.routes):
        if isinstance(route, APIRoute) and "{" not in route.path:
            known.setdefault(route.path, set()).update(route.methods or ())
    return known


def _own_methods_at(app: FastAPI, path: str) -> set[str] | None:
    known: dict[str, set[str]] = getattr(app.state, "own_methods", {})
    return known.get(path)


class RequestEnvelope:
    """Give every request an id, cap its body, count it, and turn whatever is left into a problem without details."""

    def __init__(self, app: ASGIApp, meter: HttpMeter | None = None) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = Headers(scope=scope)
        request_id = _request_id(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        answered = False
        most = left = most_bytes(scope["method"], scope["path"])

        async def receive_capped() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(most))
            return message

        async def send_marked(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                marked = MutableHeaders(scope=message)
                marked["X-Request-Id"] = request_id
                marked["X-Content-Type-Options"] = "nosniff"
                marked.setdefault("Referrer-Policy", "no-referrer")
                marked.setdefault("Cross-Origin-Resource-Policy", "same-origin")
                if scope["scheme"] == "https":
                    marked["Strict-Transport-Security"] = HSTS
                marked.setdefault("Cache-Control", "no-store")
                if self._meter is not None:
                    seconds = time.perf_counter() - began
                    self._meter.answered(route_of(scope), scope["method"], message["status"], seconds)
            await send(message)

        request = Request(scope)
        own = _own_methods_at(scope["app"], scope["path"])
        if own is not None and scope["method"] not in own:
            refused = await _of_http(request, HTTPException(HTTPStatus.METHOD_NOT_ALLOWED))
            await refused(scope, receive, send_marked)
            return
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive_capped, send_marked)
            except Exception as error:
                response = self._unexpected(request, error)
                if answered:
                    raise
                await response(scope, receive, send_marked)

    def _unexpected(self, request: Request, error: Exception) -> JSONResponse:
        known = as_stonks_error(error)
        if known is not None:
            log.warning("request_failed", path=request.url.path, code=known.code, error=str(known))
            return from_stonks_error(request, known)
        # As text: a renderer that is given the exception itself may print local variables, and keys with them.
        trace = "".join(traceback.format_exception(error))
        log.error("request_crashed", path=request.url.path, method=request.method, trace=trace)
        return problem(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "Something failed that should not. The log has the details under this request id",
        )


def _request_id(headers: Headers) -> str:
    """The caller's own id where it is short and plain, a new one otherwise."""
    given = headers.get("x-request-id", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _too_large(most: int) -> str:
    return f"The body of this request may have {most} bytes at most"
