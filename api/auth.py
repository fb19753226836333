"""Who asks, and whether they may: an API key, or the session of a browser; one scope a route.

A key comes as `Authorization: Bearer sk_...` or `X-API-Key: sk_...`, a session as a cookie, with its CSRF token for
everything that changes something. What `api.policy` names also asks for a proof of the last five minutes.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api import idempotency, keys, policy
from api.dependencies import Dependencies, Provided
from api.errors import Forbidden, Unauthenticated
from api.keys import Scope
from api.throttle import Gate
from domain.actors import BOOTSTRAP_ACTOR, OWNER
from domain.people import STEP_UP_LASTS, person_id
from store import sessions
from store.sessions import Held
from store.tables.access import SignInSession

COOKIE = "__Host-stonks"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BOOTSTRAP_ID = "bootstrap"

_bearer = HTTPBearer(
    scheme_name="bearer", auto_error=False, bearerFormat="sk_<key id>_<secret>", description="An API key"
)
_header = APIKeyHeader(name="X-API-Key", scheme_name="header", auto_error=False, description="The same API key")
_cookie = APIKeyCookie(
    name=COOKIE,
    scheme_name="session",
    auto_error=False,
    description="A session that `POST /v1/session` began; unsafe methods need its `X-CSRF-Token` too",
)
CSRF_HEADER = "X-CSRF-Token"
STEP_UP_HEADER = "Step-Up"


@dataclass(frozen=True)
class PersonRef:
    person_id: str
    name: str


@dataclass(frozen=True)
class Principal:
    """What a request came with: a key, or a session."""

    key_id: str
    """Of the key, or of the session."""
    name: str
    scopes: frozenset[Scope]
    person: PersonRef | None = None
    """Whose it is; None: a key that is nobody's."""
    session: SignInSession | None = None
    unattended: bool = False

    @property
    def actor(self) -> str:
        """How the audit log names it. The person in it is whom four eyes compare."""
        if self.session is not None:
            return f"session:{self.name}/{self.key_id}"
        return f"api:{self.person.name if self.person is not None else self.name}/{self.key_id}"


class Bootstrap(Principal):
    """The key of the environment. It is the owner's, and nobody has to be there for it."""

    @property
    def actor(self) -> str:
        return BOOTSTRAP_ACTOR


BOOTSTRAP = Bootstrap(
    key_id=BOOTSTRAP_ID,
    name="bootstrap",
    scopes=frozenset(Scope),
    person=PersonRef(person_id(OWNER), OWNER),
    unattended=True,
)


def gate_of(request: Request) -> Gate:
    return cast(Gate, request.app.state.gate)


async def authenticated(
    needed: SecurityScopes,
    request: Request,
    dependencies: Provided,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
    cookie: Annotated[str | None, Security(_cookie)],
) -> Principal:
    """Find out who asks and refuse what it may not do: scope, CSRF token, rate, recent proof."""
    given = bearer.credentials if bearer is not None else header
    principal = await _principal(given, cookie, dependencies)
    if principal.session is not None:
        require_csrf(request, principal)
    _admit(request, principal, dependencies)
    _require_scopes(principal, needed)
    if route_of(request) in policy.STEP_UP:
        await _require_step_up(request, principal, dependencies)
    # Streams ask again whether they may go on.
    request.state.recheck = partial(_recheck, given, cookie, needed, dependencies)
    # A person who signed in anew in between is the same one, and the request the same request.
    who = principal.person.person_id if principal.person is not None else principal.key_id
    await idempotency.admit(request, who, dependencies.database)
    return principal


async def _principal(given: str | None, cookie: str | None, dependencies: Dependencies) -> Principal:
    if given:
        return await principal_of_key(given, dependencies)
    if cookie:
        return _of_session(await held(cookie, dependencies))
    raise Unauthenticated("KEY_MISSING", "Send an API key as `Authorization: Bearer sk_...`, or sign in")


async def _recheck(
    given: str | None, cookie: str | None, needed: SecurityScopes, dependencies: Dependencies
) -> Principal:
    principal = await _principal(given, cookie, dependencies)
    _require_scopes(principal, needed)
    return principal


def _require_scopes(principal: Principal, needed: SecurityScopes) -> None:
    missing = [scope for scope in needed.scopes if Scope(scope) not in principal.scopes]
    if missing:
        raise Forbidden(
            "SCOPE_MISSING",
            "Use a key with this scope; an administrator makes one with POST /v1/api-keys",
            needed=", ".join(missing),
            granted=", ".join(sorted(principal.scopes)) or "none",
        )


def require(scope: Scope) -> Any:
    """The dependency of a route that needs `scope`. The OpenAPI document shows it at the route."""
    return Security(authenticated, scopes=[scope.value])


ANYBODY: Any = Security(authenticated, scopes=[])
"""The dependency of a route that every key and session may use."""


async def signed_in(
    request: Request,
    dependencies: Provided,
    cookie: Annotated[str | None, Security(_cookie)],
) -> Principal:
    """The session that a browser came with. Keys are not asked for: what this guards is about the session itself."""
    if not cookie:
        raise Unauthenticated("SESSION_MISSING", "Sign in with POST /v1/session")
    principal = _of_session(await held(cookie, dependencies))
    require_csrf(request, principal)
    _admit(request, principal, dependencies)
    if route_of(request) in policy.STEP_UP:
        await _require_step_up(request, principal, dependencies)
    return principal


SignedIn = Annotated[Principal, Depends(signed_in)]


async def principal_of_key(given: str, dependencies: Dependencies) -> Principal:
    """Whose key it is, and what it may do: never more than its person.

    Raises:
        Unauthenticated: unknown, wrong, revoked, expired, or its person is disabled.
    """
    bootstrap = dependencies.bootstrap_key.get_secret_value()
    if bootstrap and keys.same(given, bootstrap):
        return BOOTSTRAP
    parsed = keys.parse(given)
    if parsed is None:
        raise _refused()
    now = datetime.now(UTC)
    found = await keys.admit(dependencies.database, dependencies.together, *parsed, now=now)
    if found is None:
        raise _refused()
    if not found.use_noted:
        async with dependencies.database.transaction() as session:
            await keys.note_use(session, key_id=found.key_id, now=now)
    return Principal(
        key_id=found.key_id,
        name=found.name,
        scopes=found.scopes,
        person=PersonRef(found.person_id, found.person) if found.person_id is not None else None,
        unattended=found.unattended,
    )


async def held(cookie: str, dependencies: Dependencies) -> Held:
    """The session of a cookie.

    Raises:
        Unauthenticated: there is none, or it has ended.
    """
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        found = await sessions.find(session, cookie, now=now)
        if found is None:
            raise Unauthenticated("SESSION_INVALID", "The session has ended: sign in again")
        await sessions.note_use(session, found.session, now=now)
    return found


def require_csrf(request: Request, principal: Principal) -> None:
    """Refuse a change that another site's page makes a browser send.

    Raises:
        Forbidden: the token is missing, or another session's.
    """
    if request.method in SAFE_METHODS or principal.session is None:
        return
    given = request.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), principal.session.csrf_token.encode()):
        raise Forbidden("CSRF_INVALID", "Send the session's csrf_token in this header", header=CSRF_HEADER)


def step_up_until(session: SignInSession, now: datetime) -> datetime | None:
    """Until when the session's person counts as proven; None where that is over."""
    if session.step_up_at is None:
        return None
    until = session.step_up_at + STEP_UP_LASTS
    return until if now < until else None


def session_scopes(found: Held) -> frozenset[Scope]:
    """What a session may do: as much as its person, and as its key where it was begun with one."""
    scopes = keys.known_scopes(found.person.scopes)
    return scopes if found.key is None else scopes & keys.scopes_of(found.key)


def route_of(request: Request) -> policy.Route:
    """Method and path of the route, as `api.policy` and the OpenAPI document name it."""
    route: Any = request.scope.get("route")
    path = getattr(route, "path_format", None) or getattr(route, "path", request.url.path)
    return request.method, str(path)


def _of_session(found: Held) -> Principal:
    return Principal(
        key_id=found.session.session_id,
        name=found.person.name,
        scopes=session_scopes(found),
        person=PersonRef(found.person.person_id, found.person.name),
        session=found.session,
    )


def _admit(request: Request, principal: Principal, dependencies: Dependencies) -> None:
    method, path = route_of(request)
    gate_of(request).admit(principal.key_id, method=method, path=path, limits=dependencies.limits)


async def _require_step_up(request: Request, principal: Principal, dependencies: Dependencies) -> None:
    now, token = datetime.now(UTC), request.headers.get(STEP_UP_HEADER)
    if principal.session is not None:
        if step_up_until(principal.session, now) is None:
            raise Forbidden("STEP_UP_REQUIRED", "Prove again who you are with POST /v1/session/step-up")
        return
    if principal.unattended:
        return
    if principal.person is None:
        raise Forbidden(
            "STEP_UP_REQUIRED",
            "The key is nobody's, so nobody can prove it: an administrator makes an unattended key",
            key_id=principal.key_id,
        )
    async with dependencies.database.transaction() as session:
        proven = token is not None and await sessions.stepped_up(
            session, token, person_id=principal.person.person_id, key_id=principal.key_id, now=now
        )
    if not proven:
        raise Forbidden(
            "STEP_UP_REQUIRED",
            "Send the person's password to POST /v1/step-up, and what it answers as the header Step-Up",
            key_id=principal.key_id,
        )


def _refused() -> Unauthenticated:
    """One answer for unknown, wrong, revoked and expired: a guesser learns nothing."""
    return Unauthenticated("KEY_INVALID", "The key is unknown, revoked or expired")
