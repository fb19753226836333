"""Who gave a command or a vote: names that nobody may take, and names that stand for nobody in particular."""

from __future__ import annotations

SIGNAL_ACTOR = "temporal-cli"
"""Whoever sends a plain signal: Temporal does not say who that is."""
UNNAMED = frozenset({SIGNAL_ACTOR, "operator"})
"""Actors that may be anybody: of a plain signal, and of a command that says no name."""
OWNER = "owner"
"""The person that a new installation belongs to."""
BOOTSTRAP_ACTOR = "api:bootstrap/bootstrap"
"""The key that the installation is set up with; it is the owner's."""
_WAYS = {"session": "", "api": " (key)", "cli": " (terminal)"}
RESERVED = frozenset({"engine", "trading-engine", "system"})
"""How the platform signs its own work."""


def spoken(actor: str) -> str:
    """How people read an actor; what stands in the book and in the audit log stays as it is.

    >>> spoken("session:anna/3f2a"), spoken("api:anna/9c1e"), spoken("cli:owner/anna")
    ('anna', 'anna (key)', 'owner (terminal)')
    >>> spoken("api:bootstrap/bootstrap")
    "the installation's key"
    """
    if actor == BOOTSTRAP_ACTOR:
        return "the installation's key"
    way, _, whose = actor.partition(":")
    name = whose.partition("/")[0]
    return f"{name}{_WAYS[way]}" if name and way in _WAYS else actor


def is_named(actor: str) -> bool:
    """Whether an actor is somebody in particular."""
    return _plain(actor) not in UNNAMED


def actor_problem(actor: str) -> str:
    """Say why nobody may give a command under a name, `CODE: what was found. What to do`; empty where one may."""
    if _plain(actor) and _plain(actor) not in RESERVED:
        return ""
    return f"ACTOR_INVALID: actor={actor or 'nobody'}, allowed=a person's name. The platform signs its own work so"


def _plain(actor: str) -> str:
    return actor.strip().casefold()
