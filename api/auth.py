"""Who asks, and whether they may: `Authorization: Bearer sk_...` or `X-API-Key: sk_...`, one scope a route."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from api import idempotency, keys
from api.dependencies import Dependencies, Provided
from api.errors import Forbidden, Unauthenticated
from api.keys import Scope

_bearer = HTTPBearer(
    scheme_name="bearer", auto_error=False, bearerFormat="sk_<key id>_<secret>", description="An API key"
)
_header = APIKeyHeader(name="X-API-Key", scheme_name="header", auto_error=False, description="The same API key")


@dataclass(frozen=True)
class Principal:
    """The key that a request came with."""

    key_id: str
    name: str
    scopes: frozenset[Scope]

    @property
    def actor(self) -> str:
        """How the audit log names it."""
        return f"api:{self.name}/{self.key_id}"


BOOTSTRAP = Principal(key_id="bootstrap", name="bootstrap", scopes=frozenset(Scope))


async def authenticated(
    request: Request,
    needed: SecurityScopes,
    dependencies: Provided,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    header: Annotated[str | None, Security(_header)],
) -> Principal:
    """Find out whose key it is and refuse it where a scope is missing."""
    given = bearer.credentials if bearer is not None else header
    if not given:
        raise Unauthenticated("KEY_MISSING", "Send an API key as `Authorization: Bearer sk_...` or as `X-API-Key`")
    principal = await _entitled(given, needed, dependencies)
    # Streams ask again whether they may go on.
    request.state.recheck = partial(_entitled, given, needed, dependencies)
    await idempotency.admit(request, principal.actor, dependencies.database)
    return principal


async def _entitled(given: str, needed: SecurityScopes, dependencies: Dependencies) -> Principal:
    principal = await principal_of(given, dependencies)
    missing = [scope for scope in needed.scopes if Scope(scope) not in principal.scopes]
    if missing:
        raise Forbidden(
            "SCOPE_MISSING",
            "Use a key with this scope; an administrator makes one with POST /v1/api-keys",
            needed=", ".join(missing),
            granted=", ".join(sorted(principal.scopes)) or "none",
        )
    return principal


def require(scope: Scope) -> Any:
    """The dependency of a route that needs `scope`. The OpenAPI document shows it at the route."""
    return Security(authenticated, scopes=[scope.value])


async def principal_of(given: str, dependencies: Dependencies) -> Principal:
    """Whose key it is.

    Raises:
        Unauthenticated: nobody's, or one that was revoked or has expired.
    """
    bootstrap = dependencies.bootstrap_key.get_secret_value()
    if bootstrap and keys.same(given, bootstrap):
        return BOOTSTRAP
    parsed = keys.parse(given)
    if parsed is None:
        raise _refused()
    key_id, secret = parsed
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        row = await keys.find(session, key_id)
        # An unknown id takes the same path and the same time as a wrong secret.
        if not keys.matches(secret, row.key_hash if row else "0" * 64) or row is None or not keys.usable(row, now):
            raise _refused()
        if row.last_used_at is None or now - row.last_used_at >= keys.USE_NOTED_EVERY:
            await keys.note_use(session, key_id=key_id, now=now)
        return Principal(key_id=row.key_id, name=row.name, scopes=keys.scopes_of(row))


def _refused() -> Unauthenticated:
    """One answer for unknown, wrong, revoked and expired: a guesser learns nothing."""
    return Unauthenticated("KEY_INVALID", "The key is unknown, revoked or expired")
