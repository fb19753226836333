"""What a person may tell the engine besides pause, resume and halt, and what comes of it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from domain.breaker_state import Breaker
from domain.decisions import Side
from domain.loosening import Loosened
from domain.model import Model, Utc
from domain.trading import Command, PlannedOrder

MAX_CHANGES = 200


class Configure(Command):
    """Change settings, nested as the configuration is: `{"limits": {"name_cap": "0.04"}}`."""

    changes: Annotated[dict[str, Any], Field(min_length=1, max_length=MAX_CHANGES)]
    expected_version: int | None = None
    """The version that the change was made for; None: whichever is in force."""


class ReviewConfig(Command):
    """A second person's word on a change that loosens something."""

    proposal_id: str
    approved: bool


class ResetBreaker(Command):
    breaker: Breaker


class ReleaseReserve(Command):
    """Take money out of the reserve pool."""

    amount: Annotated[Decimal, Field(gt=0, decimal_places=6, max_digits=20)]


class OverrideOrder(Command):
    """An order by hand. It passes risk, and people as the policy says."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$")]
    side: Side
    quantity: Annotated[Decimal, Field(gt=0, decimal_places=9, max_digits=20)]
    key: Annotated[str, Field(min_length=8, max_length=80, pattern=r"^[A-Za-z0-9._\-]+$")]
    """Chosen by whoever asks: asking again with the same key is the same order."""


class ResetEngine(Command):
    """Forget breakers, tier, loss streak and stops of a paper account. Positions, cash and the reserve stay."""


class CommandStep(Model):
    """A command as an activity carries it out. `key` makes a repeat harmless."""

    key: str
    as_of: Utc


class ConfigureStep(CommandStep):
    command: Configure


class ReviewConfigStep(CommandStep):
    command: ReviewConfig


class ResetBreakerStep(CommandStep):
    command: ResetBreaker


class ReleaseReserveStep(CommandStep):
    command: ReleaseReserve


class OverrideStep(CommandStep):
    command: OverrideOrder


class ResetEngineStep(CommandStep):
    command: ResetEngine


class ConfigOutcome(StrEnum):
    IN_FORCE = "in_force"
    PROPOSED = "proposed"
    """It loosens something: a second person decides."""
    DECLINED = "declined"
    UNCHANGED = "unchanged"


class ConfigReport(Model):
    outcome: ConfigOutcome
    version: int
    """In force now."""
    proposal_id: str = ""
    loosened: tuple[Loosened, ...] = ()


class DoneReport(Model):
    """What was done, in a line."""

    message: str


class OverrideReport(Model):
    order: PlannedOrder
    known: bool = False
    """It was asked for before, with the same key."""


class EngineDebug(Model):
    """The engine's memory, for people who look for a fault. Nothing in it is secret."""

    state: str
    reason: str
    driven: bool
    ticks: int
    planned: int
    notices: int
    changes: int
    settled: int
    commands: int
    reconciled: str
    """When book and broker were compared last, and what came of it."""
    busy: bool
    closed_session: str
    last_tick_at: Utc | None = None
    next_tick_at: Utc | None = None
    run_id: str
    history_events: int
    history_bytes: int
