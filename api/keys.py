"""API keys: `sk_<key id>_<secret>`. The secret has 256 random bits, so a plain sha256 of it is safe to store."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import SecretStr
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from api.together import Together
from domain.errors import NotFound
from store import audit, sessions
from store.database import Database
from store.tables.access import Person
from store.tables.platform import ApiKey

PREFIX = "sk"
SECRET_BYTES = 32
USE_NOTED_EVERY = timedelta(minutes=1)
"""The time of last use is written this often at most, so that reading does not become writing."""


_NO_HASH = "0" * 64
_LOOK_UP = """
    SELECT api_keys.name, api_keys.key_hash, api_keys.scopes, api_keys.expires_at, api_keys.revoked_at,
           api_keys.last_used_at, api_keys.unattended, api_keys.person_id,
           people.name AS person, people.scopes AS person_scopes, people.disabled_at
    FROM api_keys LEFT JOIN people ON people.person_id = api_keys.person_id
    WHERE api_keys.key_id = $1
"""


class Scope(StrEnum):
    """What a key may do. Every route needs exactly one."""

    READ = "read"
    REGISTRY_WRITE = "registry:write"
    OPS_WRITE = "ops:write"
    TRADE_CONTROL = "trade:control"
    APPROVE = "approve"
    AGENTS_WRITE = "agents:write"
    ADMIN = "admin"


@dataclass(frozen=True)
class Admitted:
    """A key that is good now, and whose it is."""

    key_id: str
    name: str
    scopes: frozenset[Scope]
    """Never more than its person's."""
    person_id: str | None
    person: str
    unattended: bool
    use_noted: bool
    """Whether its use was written down lately."""


def parse(key: str) -> tuple[str, str] | None:
    """Split a key into its id and its secret; None where it does not have the form of one."""
    prefix, _, rest = key.partition("_")
    key_id, _, secret = rest.partition("_")
    return (key_id, secret) if prefix == PREFIX and key_id and secret else None


def matches(secret: str, key_hash: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(_hash(secret), key_hash)


def same(one: str, other: str) -> bool:
    """Compare two secrets in constant time, whatever their lengths."""
    return hmac.compare_digest(_hash(one), _hash(other))


def scopes_of(key: ApiKey) -> frozenset[Scope]:
    """Scopes this code knows; one that a later version wrote gives no right here."""
    return known_scopes(key.scopes.get("scopes", ()))


def known_scopes(names: Iterable[str]) -> frozenset[Scope]:
    known = {scope.value: scope for scope in Scope}
    return frozenset(known[name] for name in names if name in known)


async def admit(database: Database, together: Together, key_id: str, secret: str, *, now: datetime) -> Admitted | None:
    """What a key may do now; None where it is unknown, wrong, revoked or expired, or its person is disabled.

    Asked of the book at every request, so that a key ends with the next one: in one round trip, which requests of the
    same moment share, and nothing is kept.
    """
    rows = await together.get(("key", key_id), lambda: database.run(_LOOK_UP, key_id))
    row = rows[0] if rows else None
    # An unknown id takes the same path and the same time as a wrong secret.
    if not matches(secret, row["key_hash"] if row else _NO_HASH) or row is None:
        return None
    if row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
        return None
    if row["person_id"] is not None and (row["person"] is None or row["disabled_at"] is not None):
        return None
    scopes = known_scopes(row["scopes"].get("scopes", ()))
    return Admitted(
        key_id=key_id,
        name=row["name"],
        scopes=scopes if row["person_id"] is None else scopes & known_scopes(row["person_scopes"]),
        person_id=row["person_id"],
        person=row["person"] or "",
        unattended=row["unattended"],
        use_noted=row["last_used_at"] is not None and now - row["last_used_at"] < USE_NOTED_EVERY,
    )


async def issue(
    session: AsyncSession,
    *,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None,
    actor: str,
    now: datetime,
    person: Person | None = None,
    unattended: bool = False,
) -> tuple[ApiKey, SecretStr]:
    """Make a key. The key itself is returned once and cannot be read again.

    Args:
        person: whose it is; it may never do more than that person. None: nobody's, a service with a name of its own.
        unattended: it needs no person's password for what asks others for a fresh proof.
    """
    key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(SECRET_BYTES)
    row = ApiKey(
        key_id=key_id,
        name=name,
        key_hash=_hash(secret),
        scopes={"scopes": sorted({scope.value for scope in scopes})},
        created_at=now,
        expires_at=expires_at,
        person_id=person.person_id if person is not None else None,
        unattended=unattended,
    )
    session.add(row)
    await session.flush()
    await audit.append(
        session,
        key=f"api-key/{key_id}/created",
        actor=actor,
        action="api_key_created",
        subject=key_id,
        body={
            "name": name,
            "scopes": row.scopes["scopes"],
            "person": person.name if person is not None else None,
            "unattended": unattended,
        },
        recorded_at=now,
    )
    return row, SecretStr(f"{PREFIX}_{key_id}_{secret}")


async def find(session: AsyncSession, key_id: str) -> ApiKey | None:
    return await session.get(ApiKey, key_id)


async def list_all(
    session: AsyncSession,
    *,
    limit: int,
    before: tuple[datetime, str] | None = None,
    person_id: str | None = None,
) -> Sequence[ApiKey]:
    """Keys, newest first, the revoked ones too; those of one person where one is named."""
    statement = select(ApiKey)
    if person_id is not None:
        statement = statement.where(ApiKey.person_id == person_id)
    if before is not None:
        at, key_id = before
        statement = statement.where(
            (col(ApiKey.created_at) < at) | ((col(ApiKey.created_at) == at) & (col(ApiKey.key_id) < key_id))
        )
    statement = statement.order_by(col(ApiKey.created_at).desc(), col(ApiKey.key_id).desc()).limit(limit)
    return (await session.exec(statement)).all()


async def revoke(session: AsyncSession, *, key_id: str, actor: str, now: datetime) -> None:
    """End a key for good, with the sessions that were begun with it; a second time changes nothing."""
    row = await session.get(ApiKey, key_id, with_for_update=True)
    if row is None:
        raise NotFound("API_KEY_NOT_FOUND", "/v1/api-keys lists them", key_id=key_id)
    if row.revoked_at is not None:
        return
    row.revoked_at = now
    session.add(row)
    await sessions.revoke_all(session, key_id=key_id, now=now)
    await audit.append(
        session,
        key=f"api-key/{key_id}/revoked",
        actor=actor,
        action="api_key_revoked",
        subject=key_id,
        body={"name": row.name},
        recorded_at=now,
    )


async def note_use(session: AsyncSession, *, key_id: str, now: datetime) -> None:
    row = await session.get(ApiKey, key_id)
    if row is not None:
        row.last_used_at = now
        session.add(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
