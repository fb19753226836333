"""Sign-in at the provider: there with a state that only this browser can bring back, and back with a code."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pydantic import SecretStr

from activities.adapters.oidc import OidcIdentity, OidcProvider
from api.dependencies import Dependencies
from api.errors import Forbidden, Unauthenticated
from api.operations import sign_in
from api.operations.sign_in import Proof
from api.throttle import Gate
from domain.errors import NotFound
from domain.people import SignInMethod
from store import people, sessions
from store.tables.access import Person

_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
LONGEST_PATH = 500


def provider(dependencies: Dependencies) -> OidcProvider:
    """The provider that is configured.

    Raises:
        NotFound: none is.
    """
    if dependencies.oidc is None:
        raise NotFound("OIDC_NOT_CONFIGURED", "Set STONKS_OIDC_ISSUER and its client, or sign in another way")
    return dependencies.oidc


def local_path(given: str) -> str:
    """Where to go after signing in: a path of ours, and the start page for anything else."""
    return given if len(given) <= LONGEST_PATH and _PATH.fullmatch(given) else "/"


async def start(dependencies: Dependencies, gate: Gate, *, next_path: str, address: str) -> tuple[str, SecretStr]:
    """Begin: where the browser goes, and the secret that it must bring back as a cookie."""
    found = provider(dependencies)
    gate.count_sign_in(address=address, limits=dependencies.limits)
    browser, nonce, verifier = (sessions.new_token() for _ in range(3))
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        state = await sessions.remember_oidc(
            session,
            browser=browser,
            nonce=nonce,
            verifier=verifier,
            next_path=local_path(next_path),
            now=now,
        )
    return await found.authorization_url(state=state, nonce=nonce, verifier=verifier, now=now), SecretStr(browser)


async def finish(
    dependencies: Dependencies, gate: Gate, *, state: str, code: str, browser: str, address: str, before: str | None
) -> tuple[SecretStr, str]:
    """Come back: the session's token, and where to go on.

    Raises:
        Unauthenticated: the state is not this browser's, or was used.
        VendorRejected, VendorUnavailable: what the provider answered.
        Forbidden: nobody here is who the provider says.
    """
    found = provider(dependencies)
    gate.count_sign_in(address=address, limits=dependencies.limits)
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        asked = await sessions.take_oidc(session, state=state, browser=browser, now=now)
    if asked is None:
        raise Unauthenticated("OIDC_STATE_INVALID", "Begin again in this browser; an answer is taken once")
    identity = await found.identity(code=code, nonce=asked.nonce, verifier=asked.verifier, now=now)
    person = await _person(dependencies, identity)
    token, _ = await sign_in.begin(dependencies, Proof(person, SignInMethod.OIDC), before=before)
    return token, asked.next_path


async def _person(dependencies: Dependencies, identity: OidcIdentity) -> Person:
    """Who it is here. The first time, the operator's list says so; from then on the subject alone counts."""
    now = datetime.now(UTC)
    async with dependencies.database.transaction() as session:
        person = await people.find_by_subject(session, issuer=identity.issuer, subject=identity.subject)
        if person is None:
            name = _listed(dependencies, identity)
            person = await people.bind_subject(
                session,
                name=name,
                issuer=identity.issuer,
                subject=identity.subject,
                actor=f"session:{name}/{SignInMethod.OIDC.value}",
                now=now,
            )
        if person.disabled_at is not None:
            raise _nobody()
    return person


def _listed(dependencies: Dependencies, identity: OidcIdentity) -> str:
    known = dependencies.oidc_people
    name = known.get(f"sub:{identity.subject}") or known.get(identity.email.casefold() if identity.email else "")
    if not name:
        raise _nobody()
    return name


def _nobody() -> Forbidden:
    return Forbidden("OIDC_PERSON_UNKNOWN", "An administrator lists the account in STONKS_OIDC_PEOPLE")
