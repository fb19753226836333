"""Sessions, sign-in links and step-up tokens. The tokens themselves are never stored, only their sha256.

They have 256 random bits, so that a plain hash is safe and finding one by its hash tells a guesser nothing.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.people import LINK_LASTS, LONGEST_SESSION, OIDC_LASTS, SEEN_NOTED_EVERY, STEP_UP_LASTS, SignInMethod
from domain.people import session_ends as ends
from store import audit
from store.tables.access import OidcRequest, Person, SignInLink, SignInSession, StepUp
from store.tables.platform import ApiKey

_TOKEN_BYTES = 32


@dataclass(frozen=True)
class Held:
    """A session that is good now, and whose it is."""

    session: SignInSession
    person: Person
    key: ApiKey | None
    """The key that it was begun with."""


async def begin(
    session: AsyncSession, *, person: Person, method: SignInMethod, key_id: str | None, actor: str, now: datetime
) -> tuple[SignInSession, SecretStr]:
    """Sign a person in. The token is returned once; signing in counts as a fresh proof."""
    token = new_token()
    row = SignInSession(
        session_id=secrets.token_hex(8),
        token_hash=hashed(token),
        person_id=person.person_id,
        method=method.value,
        key_id=key_id,
        csrf_token=secrets.token_urlsafe(_TOKEN_BYTES),
        created_at=now,
        last_seen_at=now,
        expires_at=now + LONGEST_SESSION,
        step_up_at=now,
    )
    session.add(row)
    await session.flush()
    await audit.append(
        session,
        key=f"session/{row.session_id}/begun",
        actor=actor,
        action="signed_in",
        subject=person.person_id,
        body={"name": person.name, "method": method.value, "session": row.session_id}
        | ({"key": key_id} if key_id else {}),
        recorded_at=now,
    )
    return row, SecretStr(token)


async def find(session: AsyncSession, token: str, *, now: datetime) -> Held | None:
    """The session of a token; None where there is none, it ended, or its person or key may not come in any more."""
    found = (
        await session.exec(
            select(SignInSession, Person)
            .join(Person, col(Person.person_id) == col(SignInSession.person_id))
            .where(SignInSession.token_hash == hashed(token))
        )
    ).first()
    if found is None:
        return None
    row, person = found
    if not alive(row, now) or person.disabled_at is not None:
        return None
    if row.key_id is None or row.method != SignInMethod.KEY.value:
        return Held(row, person, None)
    key = await session.get(ApiKey, row.key_id)
    if key is not None and (key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now)):
        return None
    return Held(row, person, key)


def alive(row: SignInSession, now: datetime) -> bool:
    return row.revoked_at is None and now < ends(last_seen_at=row.last_seen_at, expires_at=row.expires_at)


async def note_use(session: AsyncSession, row: SignInSession, *, now: datetime) -> None:
    if now - row.last_seen_at >= SEEN_NOTED_EVERY:
        row.last_seen_at = now
        session.add(row)


async def note_step_up(session: AsyncSession, row: SignInSession, *, now: datetime) -> None:
    row.step_up_at = now
    session.add(row)


async def list_of(session: AsyncSession, *, person_id: str, now: datetime) -> Sequence[SignInSession]:
    """A person's sessions that are good now, the newest first."""
    rows = await session.exec(
        select(SignInSession)
        .where(
            SignInSession.person_id == person_id,
            col(SignInSession.revoked_at).is_(None),
            col(SignInSession.expires_at) > now,
        )
        .order_by(col(SignInSession.created_at).desc(), col(SignInSession.session_id))
    )
    return [row for row in rows if alive(row, now)]


async def revoke(session: AsyncSession, row: SignInSession, *, actor: str, now: datetime) -> None:
    """End a session; a second time changes nothing."""
    if row.revoked_at is not None:
        return
    row.revoked_at = now
    session.add(row)
    await audit.append(
        session,
        key=f"session/{row.session_id}/ended",
        actor=actor,
        action="signed_out",
        subject=row.person_id,
        body={"session": row.session_id},
        recorded_at=now,
    )


async def revoke_all(
    session: AsyncSession, *, now: datetime, person_id: str | None = None, key_id: str | None = None
) -> None:
    """End every session of a person, or that was begun with a key, and what was proven for it."""
    assert (person_id is None) is not (key_id is None)
    connection = await session.connection()
    owned = col(SignInSession.person_id) == person_id if person_id is not None else col(SignInSession.key_id) == key_id
    await connection.execute(
        update(SignInSession).where(owned, col(SignInSession.revoked_at).is_(None)).values(revoked_at=now)
    )
    proven = col(StepUp.person_id) == person_id if person_id is not None else col(StepUp.key_id) == key_id
    await connection.execute(delete(StepUp).where(proven))
    if person_id is not None:
        unused = col(SignInLink.used_at).is_(None)
        await connection.execute(delete(SignInLink).where(col(SignInLink.person_id) == person_id, unused))


async def make_link(session: AsyncSession, *, person: Person, actor: str, now: datetime) -> SecretStr:
    """Make a link that signs a person in once within a quarter of an hour."""
    token = new_token()
    row = SignInLink(
        token_hash=hashed(token),
        person_id=person.person_id,
        created_by=actor,
        created_at=now,
        expires_at=now + LINK_LASTS,
    )
    session.add(row)
    await session.flush()
    await audit.append(
        session,
        key=f"sign-in-link/{row.token_hash[:16]}",
        actor=actor,
        action="sign_in_link_made",
        subject=person.person_id,
        body={"name": person.name, "expires_at": row.expires_at.isoformat()},
        recorded_at=now,
    )
    return SecretStr(token)


async def use_link(session: AsyncSession, token: str, *, now: datetime) -> Person | None:
    """Take a link, for good, and give its person. None where it is unknown, used, or too old."""
    connection = await session.connection()
    statement = (
        update(SignInLink)
        .where(
            col(SignInLink.token_hash) == hashed(token),
            col(SignInLink.used_at).is_(None),
            col(SignInLink.expires_at) > now,
        )
        .values(used_at=now)
        .returning(col(SignInLink.person_id))
    )
    owner = (await connection.execute(statement)).scalar_one_or_none()
    person = await session.get(Person, owner) if owner is not None else None
    return person if person is not None and person.disabled_at is None else None


async def make_step_up(
    session: AsyncSession, *, person_id: str, key_id: str, now: datetime
) -> tuple[SecretStr, datetime]:
    """Make a token that lets one key do what needs a fresh proof, and say until when."""
    token, until = new_token(), now + STEP_UP_LASTS
    connection = await session.connection()
    await connection.execute(delete(StepUp).where(col(StepUp.expires_at) <= now))
    session.add(StepUp(token_hash=hashed(token), person_id=person_id, key_id=key_id, created_at=now, expires_at=until))
    await session.flush()
    return SecretStr(token), until


async def stepped_up(session: AsyncSession, token: str, *, person_id: str, key_id: str, now: datetime) -> bool:
    """Whether a token was given to this key for this person, and still holds."""
    row = await session.get(StepUp, hashed(token))
    return row is not None and (row.person_id, row.key_id) == (person_id, key_id) and now < row.expires_at


async def remember_oidc(
    session: AsyncSession, *, browser: str, nonce: str, verifier: str, next_path: str, now: datetime
) -> str:
    """Write down a sign-in that goes to the provider and return its state."""
    state = new_token()
    connection = await session.connection()
    await connection.execute(delete(OidcRequest).where(col(OidcRequest.created_at) <= now - OIDC_LASTS))
    session.add(
        OidcRequest(
            state_hash=hashed(state),
            browser_hash=hashed(browser),
            nonce=nonce,
            verifier=verifier,
            next_path=next_path,
            created_at=now,
        )
    )
    return state


async def take_oidc(session: AsyncSession, *, state: str, browser: str, now: datetime) -> OidcRequest | None:
    """Take a sign-in that comes back, once. None where it is not this browser's, unknown, or too old."""
    row = await session.get(OidcRequest, hashed(state), with_for_update=True)
    if row is None or row.browser_hash != hashed(browser) or now >= row.created_at + OIDC_LASTS:
        return None
    await session.delete(row)
    return row


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
