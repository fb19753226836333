"""Who may come in: people, what they signed in with, and the short-lived tokens on the way there. Tokens are hashes."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from store.tables.columns import instant, text, text_array


class Person(SQLModel, table=True):
    """Somebody who may act. A name is given once and never changed: the audit log and every vote carry it."""

    __tablename__ = "people"

    person_id: str = Field(primary_key=True)
    name: str = Field(unique=True)
    scopes: list[str] = text_array()
    password_hash: str = text("")
    """scrypt with its parameters and salt; empty: no password signs in."""
    oidc_issuer: str = text("")
    oidc_subject: str = text("")
    """Who it is to the provider of sign-in; empty: nobody."""
    created_at: datetime = instant()
    disabled_at: datetime | None = instant(nullable=True)
    generation: int = 0
    """Counted up whenever everything of the person's ends at once: what was proven before then begins no session."""


class SignInSession(SQLModel, table=True):
    """A browser that is signed in, until it rests too long, its time is over, or somebody ends it."""

    __tablename__ = "sessions"

    session_id: str = Field(primary_key=True)
    token_hash: str = Field(unique=True)
    person_id: str = Field(index=True)
    method: str = text()
    """link, password, key or oidc."""
    key_id: str | None = Field(default=None, index=True)
    """The API key that it was begun with: it may no more than that, and ends with it."""
    csrf_token: str = text()
    created_at: datetime = instant()
    last_seen_at: datetime = instant()
    expires_at: datetime = instant()
    step_up_at: datetime | None = instant(nullable=True)
    """When the person last proved who it is."""
    revoked_at: datetime | None = instant(nullable=True)


class SignInLink(SQLModel, table=True):
    """A link that signs one person in once."""

    __tablename__ = "sign_in_links"

    token_hash: str = Field(primary_key=True)
    person_id: str = Field(index=True)
    created_by: str = text()
    created_at: datetime = instant()
    expires_at: datetime = instant()
    used_at: datetime | None = instant(nullable=True)


class SignInAttempts(SQLModel, table=True):
    """Attempts in a row to sign in with a password, on one name or from one address."""

    __tablename__ = "sign_in_attempts"

    key: str = Field(primary_key=True)
    """`name/` and a keyed hash of what was typed, which may be a password in the wrong field; `address/` and it."""
    count: int = 0
    last_at: datetime = instant(index=True)


class StepUp(SQLModel, table=True):
    """A person's proof for what one API key does in the next minutes."""

    __tablename__ = "step_ups"

    token_hash: str = Field(primary_key=True)
    person_id: str = text()
    key_id: str = Field(index=True)
    created_at: datetime = instant()
    expires_at: datetime = instant()


class OidcRequest(SQLModel, table=True):
    """A sign-in that was sent to the provider and has not come back: what its answer must fit."""

    __tablename__ = "oidc_requests"

    state_hash: str = Field(primary_key=True)
    browser_hash: str = text()
    """Of the cookie that the same browser must bring back."""
    nonce: str = text()
    verifier: str = text()
    """The secret of PKCE."""
    next_path: str = text()
    created_at: datetime = instant(index=True)
