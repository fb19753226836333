"""`/v1/session`: sign in, sign out, prove again who one is; `/v1/sessions`: where one is signed in."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, model_validator
from pydantic.json_schema import SkipJsonSchema

from activities.adapters.oidc import LONGEST_CODE
from api.auth import ANYBODY, COOKIE, Principal, SignedIn, gate_of
from api.dependencies import Provided
from api.errors import Unauthenticated, problems
from api.operations import oidc, people, sign_in
from api.operations.people import OwnSession
from api.operations.sign_in import Given, SessionView
from api.origins import address_of, require_private_way, require_same_origin
from api.routing import Router
from domain.errors import StonksError
from domain.people import LONGEST_PASSWORD, LONGEST_SESSION, OIDC_LASTS, SignInMethod

router = Router(prefix="/v1", tags=["sign-in"])

OIDC_COOKIE = "__Host-stonks-oidc"
_COOKIE: dict[str, Any] = {"path": "/", "secure": True, "httponly": True, "samesite": "lax"}

Secret = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD)]
_WAYS = ({"link"}, {"password"}, {"key"})
_SIGN_IN_WAYS = ({"link"}, {"name", "password"}, {"key"})


def _one_of(*ways: Collection[str]) -> dict[str, JsonValue]:
    return {"oneOf": [{"required": [*sorted(way)], "maxProperties": len(way)} for way in ways]}


class Credentials(BaseModel):
    """Exactly one way to prove who one is."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_of(*_WAYS))

    link: Secret | SkipJsonSchema[None] = None
    password: Secret | SkipJsonSchema[None] = None
    key: Secret | SkipJsonSchema[None] = None

    @model_validator(mode="after")
    def _one(self) -> Credentials:
        if self.model_fields_set not in self.ways():
            raise ValueError(f"give exactly one of: {', '.join('+'.join(sorted(way)) for way in self.ways())}")
        if any(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("null proves nothing")
        return self

    @classmethod
    def ways(cls) -> tuple[set[str], ...]:
        return _WAYS

    def given(self, name: str = "") -> Given:
        if self.link is not None:
            return Given(SignInMethod.LINK, self.link)
        if self.key is not None:
            return Given(SignInMethod.KEY, self.key)
        assert self.password is not None
        return Given(SignInMethod.PASSWORD, self.password, name)


class SignIn(Credentials):
    """`{"link": ...}`, `{"name": ..., "password": ...}` or `{"key": ...}`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_one_of(*_SIGN_IN_WAYS))

    name: Annotated[str, Field(min_length=1, max_length=100)] | SkipJsonSchema[None] = None

    @classmethod
    def ways(cls) -> tuple[set[str], ...]:
        return _SIGN_IN_WAYS


class PasswordProof(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Secret


class NewPassword(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Secret


class StepUpView(BaseModel):
    """Send `token` as the header `Step-Up`, with the same key."""

    token: str
    step_up_until: datetime


class OidcMethod(BaseModel):
    name: str
    start_url: str


class Methods(BaseModel):
    """What the sign-in page offers."""

    password: bool
    """Whether anybody has one."""
    key: bool
    oidc: OidcMethod | None


@router.post("/session", status_code=HTTPStatus.CREATED, responses=problems(422, 503))
async def begin_session(request: Request, response: Response, dependencies: Provided, body: SignIn) -> SessionView:
    """Sign in and receive the session's cookie. A session that the browser had before ends."""
    require_private_way(request)
    require_same_origin(request)
    token, view = await sign_in.sign_in(
        dependencies,
        gate_of(request),
        body.given(body.name or ""),
        address=address_of(request),
        before=request.cookies.get(COOKIE),
    )
    set_cookie(response, token)
    return view


@router.get("/session", responses=problems(503))
async def read_session(dependencies: Provided, principal: SignedIn) -> SessionView:
    """Who is signed in."""
    return await sign_in.current(dependencies, principal)


@router.delete("/session", status_code=HTTPStatus.NO_CONTENT, responses=problems(503))
async def end_session(response: Response, dependencies: Provided, principal: SignedIn) -> None:
    """Sign out."""
    await sign_in.sign_out(dependencies, principal)
    response.delete_cookie(COOKIE, **_COOKIE)


@router.post("/session/step-up", responses=problems(422, 503))
async def step_up_session(
    request: Request, dependencies: Provided, principal: SignedIn, body: Credentials
) -> SessionView:
    """Prove again who one is; what asks for that is open for five minutes."""
    given = body.given(principal.name)
    return await sign_in.step_up(dependencies, gate_of(request), principal, given, address=address_of(request))


@router.put("/session/password", responses=problems(422, 503))
async def change_password(
    request: Request, response: Response, dependencies: Provided, principal: SignedIn, body: NewPassword
) -> SessionView:
    """Give oneself a password, or another one. Every session ends; this browser begins a new one."""
    token, view = await people.change_own_password(dependencies, gate_of(request), principal, body.password)
    set_cookie(response, token)
    return view


@router.get("/session/methods", responses=problems(503))
async def read_methods(dependencies: Provided) -> Methods:
    """How one can sign in here."""
    found = dependencies.oidc
    return Methods(
        password=await people.anybody_has_password(dependencies),
        key=True,
        oidc=OidcMethod(name=found.config.name, start_url="/v1/session/oidc/start") if found is not None else None,
    )


@router.get(
    "/session/oidc/start",
    status_code=HTTPStatus.FOUND,
    response_class=RedirectResponse,
    responses=problems(404, 422, 502, 503),
)
async def start_oidc(
    request: Request,
    dependencies: Provided,
    next_path: Annotated[str, Query(alias="next", max_length=oidc.LONGEST_PATH)] = "/",
) -> RedirectResponse:
    """Go to the provider of sign-in."""
    require_private_way(request)
    target, browser = await oidc.start(dependencies, gate_of(request), next_path=next_path, address=address_of(request))
    answer = RedirectResponse(target, status_code=HTTPStatus.FOUND)
    answer.set_cookie(OIDC_COOKIE, browser.get_secret_value(), max_age=int(OIDC_LASTS.total_seconds()), **_COOKIE)
    return answer


@router.get(
    "/session/oidc/callback",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
    responses=problems(404, 409, 422, 502, 503),
)
async def finish_oidc(
    request: Request,
    dependencies: Provided,
    state: Annotated[str, Query(min_length=1, max_length=200)],
    code: Annotated[str, Query(max_length=LONGEST_CODE)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> RedirectResponse:
    """Come back from the provider and be signed in. A page that is shown to people goes back to the sign-in page."""
    require_private_way(request)
    try:
        if error or not code:
            raise Unauthenticated("OIDC_DECLINED", "Begin again, or sign in another way", error=error or "no code")
        token, target = await oidc.finish(
            dependencies,
            gate_of(request),
            state=state,
            code=code,
            browser=request.cookies.get(OIDC_COOKIE, ""),
            address=address_of(request),
            before=request.cookies.get(COOKIE),
        )
    except StonksError as refused:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        return RedirectResponse(f"/sign-in?problem={refused.code}", status_code=HTTPStatus.SEE_OTHER)
    answer = RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)
    set_cookie(answer, token)
    answer.delete_cookie(OIDC_COOKIE, **_COOKIE)
    return answer


@router.post("/step-up", responses=problems(422, 503))
async def step_up_key(
    request: Request, dependencies: Provided, principal: Annotated[Principal, ANYBODY], body: PasswordProof
) -> StepUpView:
    """Exchange the password of the key's person for a token that opens what asks for a proof, for five minutes."""
    token, until = await sign_in.step_up_key(
        dependencies, gate_of(request), principal, body.password, address=address_of(request)
    )
    return StepUpView(token=token.get_secret_value(), step_up_until=until)


@router.get("/sessions", responses=problems(503))
async def list_sessions(dependencies: Provided, principal: SignedIn) -> list[OwnSession]:
    """Where one is signed in, the newest first."""
    return await people.own_sessions(dependencies, principal)


@router.delete("/sessions", status_code=HTTPStatus.NO_CONTENT, responses=problems(503))
async def end_own_sessions(
    response: Response, dependencies: Provided, principal: Annotated[Principal, ANYBODY]
) -> None:
    """Sign oneself out everywhere, here too; links that were not used yet end as well. Keys stay."""
    await people.end_own_sessions(dependencies, principal)
    response.delete_cookie(COOKIE, **_COOKIE)


@router.delete("/sessions/{session_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(404, 422, 503))
async def end_own_session(dependencies: Provided, principal: SignedIn, session_id: str) -> None:
    """End one of one's own sessions. Another person's does not exist here."""
    await people.end_own_session(dependencies, principal, session_id, now=datetime.now(UTC))


def set_cookie(response: Response, token: SecretStr) -> None:
    response.set_cookie(COOKIE, token.get_secret_value(), max_age=int(LONGEST_SESSION.total_seconds()), **_COOKIE)
