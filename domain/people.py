"""People: what they may be called, what a password must be, and how long a sign-in lasts."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from enum import StrEnum

from domain.actors import RESERVED, UNNAMED
from domain.errors import InvalidInput
from domain.ids import digest

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1_000
IDLE = timedelta(hours=12)
LONGEST_SESSION = timedelta(days=7)
SEEN_NOTED_EVERY = timedelta(minutes=1)
"""The time of the last request is written this often at most, so that reading does not become writing."""
STEP_UP_LASTS = timedelta(minutes=5)
LINK_LASTS = timedelta(minutes=15)
OIDC_LASTS = timedelta(minutes=10)
"""How long the provider's answer is waited for."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class SignInMethod(StrEnum):
    LINK = "link"
    PASSWORD = "password"  # noqa: S105 a word, not a password
    KEY = "key"
    OIDC = "oidc"


def person_id(name: str) -> str:
    """Identify a person. Names are unique and never change."""
    return digest("person", name, length=16)


def valid_name(name: str) -> str:
    """Return a name that may be given to a person.

    Raises:
        InvalidInput: other characters, or a name that the platform signs with, or that stands for anybody.
    """
    if not _NAME.fullmatch(name) or name in RESERVED | UNNAMED:
        raise InvalidInput(
            "PERSON_NAME_INVALID",
            "Use up to 64 small letters, digits, '.', '_', '@' and '-', and none of the platform's own names",
            field="name",
            found=name[:80],
        )
    return name


def check_password(password: str, *, name: str) -> None:
    """Refuse a password that is too short, too long, or made of the name. It is never echoed.

    Raises:
        InvalidInput: saying what is allowed.
    """
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise InvalidInput(
            "PASSWORD_INVALID",
            "A sentence of a few words is easy to keep and hard to guess",
            field="password",
            found=f"{len(password)} characters",
            allowed=f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD}",
        )
    if len(set(password)) < 5 or len(password.casefold().replace(name, "")) < 8:
        raise InvalidInput(
            "PASSWORD_INVALID",
            "Use a sentence of a few words",
            field="password",
            found="little more than the name, or few different characters",
            allowed="8 characters besides the name, 5 of them different",
        )


def session_ends(*, last_seen_at: datetime, expires_at: datetime) -> datetime:
    """When a session ends if nothing more is asked with it."""
    return min(last_seen_at + IDLE, expires_at)
