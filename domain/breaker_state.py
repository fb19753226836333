"""The shapes that the circuit breakers travel in: what a tick knows, what they remember, what they permit.

How they trip and reset stands in `breakers`. The three phases are those of Nygard, "Release It!" (2007).
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from domain.model import Model, Utc


class Breaker(StrEnum):
    DAILY_LOSS = "daily_loss"
    DRAWDOWN = "drawdown"
    LOSS_STREAK = "loss_streak"
    VOLATILITY = "volatility"
    STALE_DATA = "stale_data"
    BROKER = "broker"
    MODEL = "model"


class BreakerPhase(StrEnum):
    CLOSED = "closed"
    """Armed: everything is normal."""
    REDUCED = "reduced"
    """Entries at half size: the first level of the loss streak."""
    OPEN = "open"
    """Tripped."""
    HALF_OPEN = "half_open"
    """Trying out: entries at a quarter of the size."""


class FeedAge(Model):
    """How long ago a feed last delivered, and how often it is expected to."""

    feed: str
    age_seconds: Annotated[float, Field(ge=0)]
    """Infinite where it never did."""
    expected_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BreakerInputs(Model):
    """What one tick knows. Money in dollars."""

    equity: Annotated[Decimal, Field(allow_inf_nan=False)]
    prior_close_equity: Annotated[Decimal, Field(allow_inf_nan=False)]
    high_water_mark: Annotated[Decimal, Field(allow_inf_nan=False)]
    """Highest equity ever; what a rebase changes is remembered in `Breakers.mark`."""
    consecutive_losses: Annotated[int, Field(ge=0)] = 0
    """Losing trades closed since the last winner."""
    short_volatility: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    """s5 of the index, daily; None: unknown, which neither trips nor counts as calm."""
    long_volatility: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    """s60 of the index."""
    index_move: Annotated[float | None, Field(allow_inf_nan=False)] = None
    """The index's return of the day in its daily deviations, signed."""
    feeds: tuple[FeedAge, ...] = ()
    """Every feed that something is expected of now; without any, none can be stale."""
    clock_skew_seconds: float = 0.0
    """Against a reference clock, signed; not a number counts as too much."""
    broker_errors: tuple[Utc, ...] = ()
    """Times of the recent errors; older ones and later ones than now are not looked at."""
    reconciliation_mismatch: bool = False
    """The last reconciliation found that broker and book differ."""
    reconciled_at: Utc | None = None
    """When the last clean reconciliation was made."""
    model_outcomes: tuple[bool, ...] = ()
    """Oldest first: True where the output was valid and its quotes were found. Only the last 50 are read."""


class BreakerState(Model):
    breaker: Breaker
    phase: BreakerPhase = BreakerPhase.CLOSED
    changed_at: Utc | None = None
    """When it came into its phase; None: it never was in another."""
    changed_session: int | None = None
    """The index of that session."""


class Breakers(Model):
    """All breakers, in the order of the table, and what they remember between ticks."""

    states: tuple[BreakerState, ...] = tuple(BreakerState(breaker=breaker) for breaker in Breaker)
    acknowledged_losses: int = 0
    """The streak at the last reset: only a longer one trips again. 0 after a winner."""
    calm_since: int | None = None
    """First session without a tick that was not calm; None before the first tick."""
    fresh_ticks: int = 0
    """Ticks in a row with all data fresh."""
    trouble_at: Utc | None = None
    """Last error or mismatch with the broker."""
    clean_since: Utc | None = None
    """First clean reconciliation after it."""
    mismatch: bool = False
    """Broker and book differed, and have not been found equal since."""
    released_by: str = ""
    """The operator who let the drawdown breaker go; empty while nobody has."""
    mark: Decimal | None = None
    """High-water mark since a rebase; None: the account's own counts."""
    session: int | None = None
    """Session of the last tick."""

    def of(self, breaker: Breaker) -> BreakerState:
        return next(state for state in self.states if state.breaker is breaker)


class BreakerEvent(Model):
    """One change of phase, as recorded. A trip leads to `reduced` or `open`, a reset out of them."""

    breaker: Breaker
    before: BreakerPhase
    after: BreakerPhase
    value: str
    limit: str
    as_of: Utc
    session: int
    operator: str = ""

    @property
    def is_trip(self) -> bool:
        return self.after in (BreakerPhase.OPEN, BreakerPhase.REDUCED)


class Permission(Model):
    """What all breakers together permit."""

    entries: bool
    size: Annotated[Decimal, Field(ge=0, le=1)]
    """Factor on the size of entries: 1, .5, .25 or 0; the smallest of all breakers."""
    exits: bool = True
    """Always: a position may be left whatever has tripped."""
    page_human: bool = False
    """Broker and book differ: exits may rest on wrong quantities, and a person must look."""
    rules_only: bool = False
    """The model's output may not be used; the rules' may."""
    tripped: tuple[Breaker, ...] = ()
    """Those that are not closed."""
