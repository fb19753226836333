"""People: who may act, with what rights. Every change stands in the audit log, and one administrator always remains."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from domain.actors import OWNER
from domain.errors import Conflict, NotFound
from domain.ids import digest
from domain.people import person_id, valid_name
from store import audit, sessions
from store.database import insert_new, lock
from store.tables.access import Person

ADMIN = "admin"
"""The scope that somebody must always have."""
_LOCK = 7_203_114_931
"""Held by whoever changes people, so that two administrators cannot end each other at once."""


async def find(session: AsyncSession, name: str) -> Person | None:
    return (await session.exec(select(Person).where(Person.name == name))).first()


async def require(session: AsyncSession, name: str) -> Person:
    row = await find(session, name)
    if row is None:
        raise NotFound("PERSON_NOT_FOUND", "`stonks people list` names them", name=name[:80])
    return row


async def get(session: AsyncSession, identity: str) -> Person | None:
    return await session.get(Person, identity)


async def names(session: AsyncSession, identities: Collection[str]) -> dict[str, str]:
    """Names by ids."""
    rows = await session.exec(select(Person.person_id, Person.name).where(col(Person.person_id).in_(identities)))
    return dict(rows.all())


async def list_all(session: AsyncSession, *, limit: int, after: str | None = None) -> Sequence[Person]:
    """People by name, the disabled ones too."""
    statement = select(Person).order_by(col(Person.name)).limit(limit)
    if after is not None:
        statement = statement.where(col(Person.name) > after)
    return (await session.exec(statement)).all()


async def ensure_owner(session: AsyncSession, *, scopes: Collection[str], now: datetime) -> bool:
    """Make the first person where there is nobody yet. Safe to repeat; returns whether it did."""
    await lock(session, _LOCK)
    if (await session.exec(select(Person.person_id).limit(1))).first() is not None:
        return False
    await add(session, name=OWNER, scopes=scopes, actor="system", now=now)
    return True


async def add(session: AsyncSession, *, name: str, scopes: Collection[str], actor: str, now: datetime) -> Person:
    """Make a person, who cannot sign in until somebody gives a link, a password or a key.

    Raises:
        InvalidInput: the name may not be given.
        Conflict: somebody has it, disabled or not.
    """
    row = Person(person_id=person_id(valid_name(name)), name=name, scopes=sorted(set(scopes)), created_at=now)
    if not await insert_new(session, [row]):
        raise Conflict("PERSON_EXISTS", "A name means one person for good: enable that one, or use another", name=name)
    await _note(session, row, "created", actor=actor, now=now, body={"scopes": row.scopes})
    return await require(session, name)


async def set_scopes(session: AsyncSession, *, name: str, scopes: Collection[str], actor: str, now: datetime) -> Person:
    """Change what a person, with every key and session, may do from the next request on.

    Raises:
        Conflict: nobody would be left who administers.
    """
    row = await _locked(session, name)
    before, after = row.scopes, sorted(set(scopes))
    if before == after:
        return row
    if ADMIN not in after:
        await _require_other_admin(session, row)
    row.scopes = after
    session.add(row)
    await _note(session, row, "scopes_changed", actor=actor, now=now, body={"before": before, "after": after})
    return row


async def set_disabled(session: AsyncSession, *, name: str, disabled: bool, actor: str, now: datetime) -> Person:
    """Shut a person out, with every key and session, or let a person in again. A second time changes nothing.

    Raises:
        Conflict: nobody would be left who administers.
    """
    row = await _locked(session, name)
    if disabled is (row.disabled_at is not None):
        return row
    if disabled:
        await _require_other_admin(session, row)
    row.disabled_at = now if disabled else None
    session.add(row)
    if disabled:
        await _end_everything(session, row, now=now)
    await _note(session, row, "disabled" if disabled else "enabled", actor=actor, now=now, body={})
    return row


async def end_sessions(session: AsyncSession, *, name: str, actor: str, now: datetime) -> None:
    """Sign a person out everywhere, and end links and proofs that were not used yet. Keys stay."""
    row = await _locked(session, name)
    await _end_everything(session, row, now=now)
    await _note(session, row, "signed_out", actor=actor, now=now, body={})


async def set_password(session: AsyncSession, *, name: str, password_hash: str, actor: str, now: datetime) -> Person:
    """Replace the password, or take it away with an empty hash. What was signed in before is signed out."""
    row = await _locked(session, name)
    row.password_hash = password_hash
    await _end_everything(session, row, now=now)
    await _note(session, row, "password_changed", actor=actor, now=now, body={"has_password": bool(password_hash)})
    return row


async def unchanged(session: AsyncSession, proven: Person) -> bool:
    """Whether a person is still as when it proved who it is: not disabled, signed out or given another password since.

    It stays so until the transaction ends: whoever wants to end everything waits for what begins here, and ends it.
    """
    statement = select(Person.person_id).where(
        col(Person.person_id) == proven.person_id,
        col(Person.generation) == proven.generation,
        col(Person.disabled_at).is_(None),
    )
    return (await session.exec(statement.with_for_update(read=True))).first() is not None


async def renew_hash(session: AsyncSession, *, identity: str, before: str, after: str) -> None:
    """Keep the same password under stronger parameters, unless it was changed meanwhile."""
    statement = update(Person).where(col(Person.person_id) == identity, col(Person.password_hash) == before)
    await (await session.connection()).execute(statement.values(password_hash=after))


async def find_by_subject(session: AsyncSession, *, issuer: str, subject: str) -> Person | None:
    statement = select(Person).where(Person.oidc_issuer == issuer, Person.oidc_subject == subject)
    return (await session.exec(statement)).first()


async def bind_subject(
    session: AsyncSession, *, name: str, issuer: str, subject: str, actor: str, now: datetime
) -> Person:
    """Remember who a person is to the provider of sign-in.

    Raises:
        Conflict: the person is somebody else there, or the other way round.
    """
    row = await _locked(session, name)
    if (row.oidc_issuer, row.oidc_subject) == (issuer, subject):
        return row
    holder = await find_by_subject(session, issuer=issuer, subject=subject)
    if row.oidc_subject or holder is not None:
        raise Conflict("OIDC_ACCOUNT_TAKEN", "One account of the provider is one person", name=name, issuer=issuer)
    row.oidc_issuer, row.oidc_subject = issuer, subject
    session.add(row)
    await _note(session, row, "oidc_bound", actor=actor, now=now, body={"issuer": issuer, "subject": subject})
    return row


async def _locked(session: AsyncSession, name: str) -> Person:
    await lock(session, _LOCK)
    row = await require(session, name)
    await session.refresh(row)
    return row


async def _end_everything(session: AsyncSession, row: Person, *, now: datetime) -> None:
    """End sessions, links and proofs, and what is just about to begin with an older proof."""
    row.generation += 1
    session.add(row)
    # Before the sessions: a sign-in that holds the row is waited for, and its session is there to be ended.
    await session.flush()
    await sessions.revoke_all(session, person_id=row.person_id, now=now)


async def _require_other_admin(session: AsyncSession, row: Person) -> None:
    if ADMIN not in row.scopes or row.disabled_at is not None:
        return
    others = select(Person.person_id).where(
        col(Person.person_id) != row.person_id,
        col(Person.disabled_at).is_(None),
        col(Person.scopes).contains([ADMIN]),
    )
    if (await session.exec(others.limit(1))).first() is None:
        raise Conflict("LAST_ADMIN", "Give somebody else the scope admin first", name=row.name)


async def _note(
    session: AsyncSession, row: Person, what: str, *, actor: str, now: datetime, body: dict[str, Any]
) -> None:
    await audit.append(
        session,
        key=f"person/{row.person_id}/{what}/{digest(now, actor, length=12)}",
        actor=actor,
        action=f"person_{what}",
        subject=row.person_id,
        body={"name": row.name, **body},
        recorded_at=now,
    )
