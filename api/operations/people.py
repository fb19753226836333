"""People and their sessions: who may come in, with what rights, and where they are signed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, SecretStr
from sqlmodel import col, select

from api import keys
from api.auth import Principal
from api.dependencies import Dependencies
from api.errors import Forbidden
from api.keys import Scope
from api.operations import sign_in
from api.operations.sign_in import Proof, SessionView
from api.throttle import Gate
from domain.errors import NotFound
from domain.people import LINK_LASTS, SignInMethod, session_ends
from store import people, sessions
from store.database import Database
from store.tables.access import Person, SignInSession


class PersonDetail(BaseModel):
    """Somebody who may act."""

    person_id: str
    name: str
    scopes: list[str]
    has_password: bool
    oidc_subject: str
    """Who it is to the provider of sign-in; empty: nobody."""
    created_at: datetime
    disabled_at: datetime | None


class LinkMade(BaseModel):
    """A link that signs the person in once. It is shown once."""

    token: str
    path: str
    """Below the dashboard's address."""
    expires_at: datetime


class OwnSession(BaseModel):
    session_id: str
    method: SignInMethod
    signed_in_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    current: bool
    """Whether it is the one that asks."""


async def list_people(database: Database, *, limit: int, after: str | None = None) -> list[PersonDetail]:
    async with database.transaction() as session:
        return [view(row) for row in await people.list_all(session, limit=limit, after=after)]


async def read(database: Database, name: str) -> PersonDetail:
    async with database.transaction() as session:
        return view(await people.require(session, name))


async def add(database: Database, *, name: str, scopes: Sequence[Scope], actor: str) -> PersonDetail:
    async with database.transaction() as session:
        row = await people.add(session, name=name, scopes=scopes, actor=actor, now=datetime.now(UTC))
        return view(row)


async def change(
    database: Database,
    *,
    name: str,
    actor: str,
    scopes: Sequence[Scope] | None = None,
    disabled: bool | None = None,
) -> PersonDetail:
    """Change scopes, or shut a person out, or let a person in again; what is None stays.

    Raises:
        Conflict: nobody would be left who administers.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        row = await people.require(session, name)
        if scopes is not None:
            row = await people.set_scopes(session, name=name, scopes=scopes, actor=actor, now=now)
        if disabled is not None:
            row = await people.set_disabled(session, name=name, disabled=disabled, actor=actor, now=now)
        return view(row)


async def set_password(
    database: Database, gate: Gate, *, name: str, password: SecretStr | None, actor: str
) -> PersonDetail:
    """Give a person a password, or take it away. Every session of that person ends.

    Raises:
        InvalidInput: it is too weak.
    """
    await read(database, name)
    made = await sign_in.hashed(gate, password, name=name) if password is not None else ""
    async with database.transaction() as session:
        row = await people.set_password(session, name=name, password_hash=made, actor=actor, now=datetime.now(UTC))
        return view(row)


async def make_link(database: Database, *, name: str, actor: str) -> LinkMade:
    """Make a link that signs a person in once.

    Raises:
        NotFound: there is no such person, or it may not come in.
    """
    now = datetime.now(UTC)
    async with database.transaction() as session:
        person = await people.require(session, name)
        if person.disabled_at is not None:
            raise NotFound("PERSON_DISABLED", "Enable the person first", name=name)
        token = (await sessions.make_link(session, person=person, actor=actor, now=now)).get_secret_value()
    return LinkMade(token=token, path=f"/sign-in?link={token}", expires_at=now + LINK_LASTS)


async def change_own_password(
    dependencies: Dependencies, gate: Gate, principal: Principal, password: SecretStr
) -> tuple[SecretStr, SessionView]:
    """Replace one's own password and begin a new session; all others end."""
    assert principal.person is not None
    assert principal.session is not None
    name, method, key_id = principal.name, SignInMethod(principal.session.method), principal.session.key_id
    await set_password(dependencies.database, gate, name=name, password=password, actor=principal.actor)
    async with dependencies.database.transaction() as session:
        person = await people.require(session, name)
    return await sign_in.begin(dependencies, Proof(person, method, key_id), before=None)


async def anybody_has_password(dependencies: Dependencies) -> bool:
    async with dependencies.database.transaction() as session:
        statement = select(Person.person_id).where(col(Person.password_hash) != "", col(Person.disabled_at).is_(None))
        return (await session.exec(statement.limit(1))).first() is not None


async def own_sessions(dependencies: Dependencies, principal: Principal) -> list[OwnSession]:
    assert principal.person is not None
    async with dependencies.database.transaction() as session:
        rows = await sessions.list_of(session, person_id=principal.person.person_id, now=datetime.now(UTC))
    return [_own(row, principal) for row in rows]


async def sessions_of(dependencies: Dependencies, principal: Principal, name: str) -> list[OwnSession]:
    """Where a person is signed in, the newest first.

    Raises:
        NotFound: there is no such person.
    """
    async with dependencies.database.transaction() as session:
        person = await people.require(session, name)
        rows = await sessions.list_of(session, person_id=person.person_id, now=datetime.now(UTC))
    return [_own(row, principal) for row in rows]


async def end_sessions(database: Database, *, name: str, actor: str) -> None:
    """Sign a person out everywhere.

    Raises:
        NotFound: there is no such person.
    """
    async with database.transaction() as session:
        await people.end_sessions(session, name=name, actor=actor, now=datetime.now(UTC))


async def end_own_sessions(dependencies: Dependencies, principal: Principal) -> None:
    """Sign oneself out everywhere.

    Raises:
        Forbidden: a key asks that is nobody's.
    """
    if principal.person is None:
        raise Forbidden("KEY_WITHOUT_PERSON", "Only a person is signed in anywhere", key_id=principal.key_id)
    await end_sessions(dependencies.database, name=principal.person.name, actor=principal.actor)


async def end_own_session(dependencies: Dependencies, principal: Principal, session_id: str, *, now: datetime) -> None:
    """End a session of one's own.

    Raises:
        NotFound: there is none with this id, or it is another person's.
    """
    assert principal.person is not None
    async with dependencies.database.transaction() as session:
        row = await session.get(SignInSession, session_id, with_for_update=True)
        if row is None or row.person_id != principal.person.person_id:
            raise NotFound("SESSION_NOT_FOUND", "/v1/sessions lists yours", session_id=session_id[:80])
        await sessions.revoke(session, row, actor=principal.actor, now=now)


def view(row: Person) -> PersonDetail:
    kept: dict[str, Any] = row.model_dump(include=set(PersonDetail.model_fields) - {"scopes"})
    return PersonDetail(**kept, scopes=sorted(keys.known_scopes(row.scopes)), has_password=bool(row.password_hash))


def _own(row: SignInSession, principal: Principal) -> OwnSession:
    return OwnSession(
        session_id=row.session_id,
        method=SignInMethod(row.method),
        signed_in_at=row.created_at,
        last_seen_at=row.last_seen_at,
        expires_at=session_ends(last_seen_at=row.last_seen_at, expires_at=row.expires_at),
        current=row.session_id == principal.key_id,
    )
