"""Trying an agent on a text. Nothing of it enters the book; the budget is charged."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError, TimeoutError

from api.instants import Instant
from api.operations.agents import Defaults, Settings, below_of
from domain.agents import AgentKind, AgentSettings, merged
from domain.errors import InvalidInput, NotFound, StonksError, VendorRejected, VendorUnavailable
from domain.registry import Symbol
from domain.trials import AgentTrialReport, AgentTrialRequest
from store import agents
from store.database import Database
from workflows import names
from workflows.try_agent import TryAgent

TRIAL_TIMEOUT = timedelta(minutes=2)
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_PLAIN = r"^[^\x00]*$"


class AgentTrial(BaseModel):
    """What to read, and who reads it: a variant, or settings over the agent's; without both the agent's own."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=2_000, pattern=_PLAIN)] = ""
    text: Annotated[str, Field(max_length=200_000, pattern=_PLAIN)] = ""
    symbols: Annotated[list[Symbol], Field(max_length=50)] = Field(
        default_factory=list, description="what the source would have named; the text is searched for others"
    )
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    published_at: Annotated[Instant, Field(ge=EARLIEST, le=LATEST)] | None = Field(
        default=None, description="now where it is left out"
    )
    recommendation_id: Annotated[str, Field(max_length=64, pattern=_PLAIN)] = Field(
        default="", description="what a thesis rewriter is given in place of a text"
    )
    variant_id: Annotated[str, Field(max_length=64, pattern=_PLAIN)] = ""
    settings: Settings | None = None


async def try_agent(
    database: Database, client: Client, defaults: Defaults, agent_id: str, wanted: AgentTrial
) -> AgentTrialReport:
    """Let an agent read a text and say what came of it. Nothing is kept.

    Raises:
        NotFound: no such agent or variant.
        InvalidInput: settings that are not allowed, both a variant and settings, or nothing to read.
        VendorUnavailable: nobody answered in time.
        StonksError: what kept the agent from answering, with the code of the step that gave up.
    """
    if wanted.variant_id and wanted.settings is not None:
        raise InvalidInput("CHOICE_INVALID", "Give a variant or settings, not both", field="variant_id")
    kind, settings = await _settings(database, defaults, agent_id, wanted)
    _require_something_to_read(kind, wanted)
    trial = uuid.uuid4().hex
    request = AgentTrialRequest(
        trial_id=trial,
        agent_id=agent_id,
        kind=kind,
        variant_id=wanted.variant_id,
        settings=settings,
        title=wanted.title,
        text=wanted.text,
        language=wanted.language,
        symbols=tuple(wanted.symbols),
        published_at=(wanted.published_at or datetime.now(UTC)).astimezone(UTC),
        recommendation_id=wanted.recommendation_id,
    )
    try:
        return await client.execute_workflow(
            TryAgent.run,
            request,
            id=names.try_agent_id(agent_id, trial),
            task_queue=names.Queue.RESEARCH,
            execution_timeout=TRIAL_TIMEOUT,
            static_summary=f"try {agent_id}",
        )
    except WorkflowFailureError as error:
        raise _told(error, agent_id) from error


async def _settings(
    database: Database, defaults: Defaults, agent_id: str, wanted: AgentTrial
) -> tuple[AgentKind, AgentSettings]:
    async with database.transaction() as session:
        agent = await agents.require(session, agent_id)
        below = below_of(defaults, agent)
        if wanted.variant_id:
            row = await agents.require_variant(session, agent_id, wanted.variant_id)
            return AgentKind(agent.kind), agents.resolved_variant(agent, row, defaults=below).settings
    return AgentKind(agent.kind), merged(below, agent.settings, wanted.settings or {})


def _require_something_to_read(kind: AgentKind, wanted: AgentTrial) -> None:
    if kind is AgentKind.THESIS_REWRITER:
        if not wanted.recommendation_id:
            raise InvalidInput(
                "NOTHING_TO_READ", "A thesis rewriter is given a recommendation, not a text", field="recommendation_id"
            )
    elif not (wanted.text.strip() or wanted.title.strip()):
        raise InvalidInput("NOTHING_TO_READ", "Give a title or a text", field="text")


def _told(error: WorkflowFailureError, agent_id: str) -> StonksError:
    """The step's own error: its code, and its words without the code."""
    cause = error.cause.cause if isinstance(error.cause, ActivityError) else error.cause
    if isinstance(cause, ApplicationError) and cause.type:
        kind = NotFound if cause.type.endswith("_NOT_FOUND") else VendorRejected
        return kind(cause.type, str(cause.message).removeprefix(cause.type).lstrip(":. "))
    if isinstance(cause, TimeoutError):
        return VendorUnavailable(
            "AGENT_TRIAL_TIMED_OUT",
            "Do workers of the queues research and extract run, and is the model's server free? `stonks doctor` tells",
            agent=agent_id,
            seconds=int(TRIAL_TIMEOUT.total_seconds()),
        )
    return StonksError("AGENT_TRIAL_FAILED", "See its workflow in the Temporal UI", reason=str(cause)[:300])
