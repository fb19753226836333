"""Signing in, and proving once more who one is: by a one-time link, a password, or an API key."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, SecretStr
from sqlmodel.ext.asyncio.session import AsyncSession

from api import keys
from api.auth import PersonRef, Principal, principal_of_key, session_scopes, step_up_until
from api.dependencies import Dependencies
from api.errors import Forbidden, Unauthenticated
from api.throttle import Gate, network_of, sign_in_throttled
from domain import passwords
from domain.errors import InvalidInput
from domain.people import SignInMethod, check_password, session_ends, valid_name
from domain.sign_in_delays import FREE_FOR_A_NAME, FREE_FOR_AN_ADDRESS
from store import audit, config, people, sessions, sign_in_attempts
from store.sessions import Held
from store.tables.access import Person


class PersonView(BaseModel):
    person_id: str
    name: str


class SessionView(BaseModel):
    """Who is signed in, what that allows, and until when."""

    person: PersonView
    scopes: list[str]
    csrf_token: str
    """Every unsafe request with the cookie needs it as `X-CSRF-Token`."""
    signed_in_at: datetime
    expires_at: datetime
    """Where nothing more is asked."""
    step_up_until: datetime | None
    """Until when the person counts as proven for what asks for that."""
    method: SignInMethod
    has_password: bool
    solo: bool
    """Whether the house is explicitly one person's: no second one is asked."""


@dataclass(frozen=True)
class Given:
    """One of the ways to prove who one is."""

    method: SignInMethod
    secret: SecretStr
    name: str = ""
    """Of the person, with a password."""


@dataclass(frozen=True)
class Proof:
    """Somebody who proved it."""

    person: Person
    method: SignInMethod
    key_id: str | None = None


async def sign_in(
    dependencies: Dependencies, gate: Gate, given: Given, *, address: str, before: str | None
) -> tuple[SecretStr, SessionView]:
    """Begin a session. One that the browser had before ends.

    Raises:
        Unauthenticated: one answer for everything that is wrong.
        TooManyRequests: too many attempts failed before.
    """
    proof = await prove(dependencies, gate, given, address=address)
    return await begin(dependencies, proof, before=before)


async def begin(dependencies: Dependencies, proof: Proof, *, before: str | None) -> tuple[SecretStr, SessionView]:
    """Begin the session of somebody who has proven who it is.

    Raises:
        Unauthenticated: everything of this person's has ended since the proof.
    """
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        await _require_unchanged(session, proof)
        if before:
            old = await sessions.find(session, before, now=now)
            if old is not None:
                await sessions.revoke(session, old.session, actor=actor_of(proof), now=now)
        row, token = await sessions.begin(
            session,
            person=proof.person,
            method=proof.method,
            key_id=proof.key_id,
            actor=actor_of(proof),
            now=now,
        )
        key = await keys.find(session, proof.key_id) if proof.key_id else None
        view = await _view(session, Held(row, proof.person, key), now)
    return token, view


async def prove(
    dependencies: Dependencies, gate: Gate, given: Given, *, address: str, expected: str | None = None
) -> Proof:
    """Find out who somebody is.

    Args:
        expected: the only person that it may be.

    Raises:
        Unauthenticated, TooManyRequests: as `sign_in` does.
        Forbidden: the key is good, but nobody's.
    """
    gate.count_sign_in(address=address, limits=dependencies.limits)
    if given.method is SignInMethod.PASSWORD:
        await _begin_attempt(dependencies, given.name, address)
    try:
        proof = await _proof(dependencies, gate, given, expected=expected)
    except Unauthenticated:
        await _note_failure(dependencies, given, address)
        raise
    if given.method is SignInMethod.PASSWORD:
        name_key, address_key = _attempt_keys(dependencies, given.name, address)
        await sign_in_attempts.succeeded(dependencies.database, name=name_key, address=address_key)
    return proof


async def step_up(
    dependencies: Dependencies, gate: Gate, principal: Principal, given: Given, *, address: str
) -> SessionView:
    """Prove for the next five minutes that whoever is signed in is there.

    Raises:
        Unauthenticated: wrong, or somebody else's.
    """
    assert principal.session is not None
    assert principal.person is not None
    await prove(dependencies, gate, given, address=address, expected=principal.person.person_id)
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        await sessions.note_step_up(session, principal.session, now=now)
        await _note(session, principal.actor, principal.person, given.method, f"session/{principal.key_id}", now)
    return await current(dependencies, principal)


async def step_up_key(
    dependencies: Dependencies, gate: Gate, principal: Principal, password: SecretStr, *, address: str
) -> tuple[SecretStr, datetime]:
    """Give a key a token for the next five minutes, for its person's password.

    Raises:
        Forbidden: the key is nobody's.
    """
    if principal.person is None or principal.session is not None:
        raise Forbidden(
            "KEY_WITHOUT_PERSON", "A session steps up with POST /v1/session/step-up", key_id=principal.key_id
        )
    given = Given(SignInMethod.PASSWORD, password, principal.person.name)
    proof = await prove(dependencies, gate, given, address=address, expected=principal.person.person_id)
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        await _require_unchanged(session, proof)
        token, until = await sessions.make_step_up(
            session, person_id=principal.person.person_id, key_id=principal.key_id, now=now
        )
        await _note(session, principal.actor, principal.person, given.method, f"key/{principal.key_id}", now)
    return token, until


async def current(dependencies: Dependencies, principal: Principal) -> SessionView:
    """The session that a principal came with, as it is now."""
    assert principal.session is not None
    assert principal.person is not None
    async with dependencies.database.transaction() as session:
        person = await people.require(session, principal.person.name)
        key = await keys.find(session, principal.session.key_id) if principal.session.key_id else None
        return await _view(session, Held(principal.session, person, key), datetime.now(UTC))


async def sign_out(dependencies: Dependencies, principal: Principal) -> None:
    assert principal.session is not None
    async with dependencies.database.transaction() as session:
        row = await session.merge(principal.session)
        await sessions.revoke(session, row, actor=principal.actor, now=datetime.now(UTC))


async def hashed(gate: Gate, password: SecretStr, *, name: str) -> str:
    """Hash a new password, off the event loop.

    Raises:
        InvalidInput: it is too weak.
    """
    check_password(password.get_secret_value(), name=name)
    async with gate.hashing:
        return await asyncio.to_thread(
            passwords.hash_password, password.get_secret_value(), salt=secrets.token_bytes(passwords.SALT_BYTES)
        )


def actor_of(proof: Proof) -> str:
    """How the audit log names somebody who has just come in."""
    return f"session:{proof.person.name}/{proof.method.value}"


async def _begin_attempt(dependencies: Dependencies, name: str, address: str) -> None:
    """Count an attempt with a password. Links and keys cannot be guessed, so they wait for nobody's failures.

    Raises:
        TooManyRequests: too many failed before it, on this name or from this address.
    """
    name_key, address_key = _attempt_keys(dependencies, name, address)
    free = {name_key: FREE_FOR_A_NAME, address_key: FREE_FOR_AN_ADDRESS}
    wait = await sign_in_attempts.begin(dependencies.database, free, now=datetime.now(UTC))
    if wait:
        raise sign_in_throttled(wait)


def _attempt_keys(dependencies: Dependencies, name: str, address: str) -> tuple[str, str]:
    """What attempts are counted under: the same in every process, and for the names of nobody as for the others.

    A name may be a password in the wrong field, so it is hashed with a key that is not in the book.
    """
    key = dependencies.database.settings.password.get_secret_value().encode()
    typed = hmac.new(key, b"sign-in/" + name.encode("utf-8", "surrogatepass"), "sha256")
    return f"name/{typed.hexdigest()[:32]}", f"address/{network_of(address)}"


async def _proof(dependencies: Dependencies, gate: Gate, given: Given, *, expected: str | None) -> Proof:
    now, key_id = datetime.now(UTC), None
    if given.method is SignInMethod.PASSWORD:
        person = await _by_password(dependencies, gate, given)
    elif given.method is SignInMethod.KEY:
        person, key_id = await _by_key(dependencies, given.secret)
    else:
        async with dependencies.database.transaction() as session:
            person = await sessions.use_link(session, given.secret.get_secret_value(), now=now)
    if person is None or expected not in (None, person.person_id):
        raise _failed(given.method)
    return Proof(person, given.method, key_id)


async def _by_password(dependencies: Dependencies, gate: Gate, given: Given) -> Person | None:
    """Compare; an unknown name, a disabled person and one without a password take the same time."""
    person = None
    if _may_be_a_name(given.name):
        async with dependencies.database.transaction() as session:
            person = await people.find(session, given.name)
    kept = person.password_hash if person is not None and person.password_hash else passwords.NOBODYS
    async with gate.hashing:
        right = await asyncio.to_thread(passwords.password_matches, given.secret.get_secret_value(), kept)
    return person if right and person is not None and person.password_hash and person.disabled_at is None else None


async def _by_key(dependencies: Dependencies, secret: SecretStr) -> tuple[Person | None, str | None]:
    try:
        principal = await principal_of_key(secret.get_secret_value(), dependencies)
    except Unauthenticated:
        return None, None
    if principal.person is None:
        raise Forbidden(
            "KEY_WITHOUT_PERSON", "Only a person signs in: use a key that belongs to one", key_id=principal.key_id
        )
    async with dependencies.database.transaction() as session:
        person = await people.get(session, principal.person.person_id)
    return (person if person is not None and person.disabled_at is None else None), principal.key_id


async def _require_unchanged(session: AsyncSession, proof: Proof) -> None:
    if not await people.unchanged(session, proof.person):
        raise _failed(proof.method)


def _failed(method: SignInMethod) -> Unauthenticated:
    hint = {
        SignInMethod.LINK: "The link was used, is older than 15 minutes, or never was: `stonks sign-in-link` makes one",
        SignInMethod.KEY: "The key is unknown, revoked, expired, or another person's",
    }.get(method, "Name and password do not belong together")
    return Unauthenticated("SIGN_IN_FAILED", hint)


async def _note_failure(dependencies: Dependencies, given: Given, address: str) -> None:
    """Write a failed attempt down. A name that is nobody's may be a password that was typed into the wrong field."""
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        known = await people.find(session, given.name) if _may_be_a_name(given.name) else None
        await audit.append(
            session,
            key=f"sign-in-failed/{secrets.token_hex(8)}",
            actor="anonymous",
            action="sign_in_failed",
            subject=known.person_id if known is not None else "unknown",
            body={"method": given.method.value, "address": address[:100]},
            recorded_at=now,
        )


async def _note(
    session: AsyncSession, actor: str, person: PersonRef, method: SignInMethod, what: str, now: datetime
) -> None:
    await audit.append(
        session,
        key=f"{what}/step-up/{secrets.token_hex(8)}",
        actor=actor,
        action="stepped_up",
        subject=person.person_id,
        body={"method": method.value},
        recorded_at=now,
    )


async def _view(session: AsyncSession, found: Held, now: datetime) -> SessionView:
    row, person = found.session, found.person
    return SessionView(
        person=PersonView(person_id=person.person_id, name=person.name),
        scopes=sorted(session_scopes(found)),
        csrf_token=row.csrf_token,
        signed_in_at=row.created_at,
        expires_at=session_ends(last_seen_at=row.last_seen_at, expires_at=row.expires_at),
        step_up_until=step_up_until(row, now),
        method=SignInMethod(row.method),
        has_password=bool(person.password_hash),
        solo=(await config.current(session)).approval.solo,
    )


def _may_be_a_name(text: str) -> bool:
    try:
        return bool(valid_name(text))
    except InvalidInput:
        return False
