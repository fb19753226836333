"""What the API is given: built once by the composition root, handed to routes by FastAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from pydantic import SecretStr
from temporalio.client import Client

from activities.adapters.oidc import OidcProvider
from activities.ports import Calendar
from api.remembered import Remembered
from api.throttle import Limits
from api.together import Together
from domain.agents import AgentKind
from store.database import Database
from store.objects import ObjectStore


@dataclass(frozen=True)
class Dependencies:
    """The book, the object store and Temporal. The API holds no broker keys."""

    database: Database
    objects: ObjectStore
    client: Client
    ui_url: str
    """Address of the Temporal UI for links; empty where there is none."""
    mode: str
    """replay, paper or live."""
    bootstrap_key: SecretStr
    """A key with every scope, for making the first real one; empty: there is none."""
    calendar: Callable[[], Calendar]
    """The exchange's sessions, worked out when they are first asked for."""
    code_version: str = ""
    """Part of what a backtest is identified by."""
    agent_defaults: Mapping[AgentKind, Mapping[str, Any]] = field(default_factory=dict)
    """Settings below those of each kind of agent, such as the model that the environment names."""
    remembered: Remembered = field(default_factory=Remembered)
    """What is kept of figures that cost a walk through a whole table."""
    together: Together = field(default_factory=Together)
    """What is read once for everybody who asks at the same moment."""
    limits: Limits = field(default_factory=Limits)
    """How often a key or a session may ask."""
    oidc: OidcProvider | None = None
    """Where people may sign in instead; None: nowhere."""
    oidc_people: Mapping[str, str] = field(default_factory=dict)
    """Names by verified addresses of mail (`anna@example.com`), or by subjects (`sub:248289761001`)."""


async def provided(request: Request) -> Dependencies:
    # A plain function would be called in a thread.
    return cast(Dependencies, request.app.state.dependencies)


Provided = Annotated[Dependencies, Depends(provided)]
