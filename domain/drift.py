"""A day as it was traded and the same day played again: what both consist of, and the gaps between them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, PlainSerializer

from domain.backtest import BacktestState
from domain.decisions import Action, Side, TradingState
from domain.drift_inputs import DecisionInputs
from domain.market import Session
from domain.model import Model, Utc


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize() + 0:f}"


Dollars = Annotated[Decimal, PlainSerializer(_plain, return_type=str, when_used="json")]
"""Written without an exponent and without trailing zeros."""


class GapKind(StrEnum):
    """Why something that happened is not what the engine does when the day is played again."""

    NONE = "none"
    """It is equal."""
    DATA = "data"
    """The same instant decided, sized or booked on other inputs."""
    FILL = "fill"
    """The same order, another quantity or price."""
    TIMING = "timing"
    """Decided or ordered at another instant, or not at all."""
    APPROVAL = "approval"
    """A person declined it, let it expire, was still asked, or approved it after the open."""


class Subject(StrEnum):
    """What a gap is about."""

    DECISION = "decision"
    ORDER = "order"
    ACTION = "corporate action"


class LiveDecision(Model):
    """A recommendation of the day."""

    recommendation_id: str
    symbol: str
    as_of: Utc
    action: Action
    previous: Action
    score: float
    conviction: float
    record_hash: str
    record_key: str = ""
    """Where its decision record lies."""

    @property
    def changed(self) -> bool:
        return self.action is not self.previous


class LiveFill(Model):
    at: Utc
    quantity: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)


class LiveApproval(Model):
    """What a person was asked, and what came of it."""

    status: str
    """pending, approved, declined or expired."""
    requested_at: Utc
    decided_at: Utc | None = None
    decided_by: str = ""
    reason: str = ""

    @property
    def withheld(self) -> bool:
        return self.status != "approved"


class LiveOrder(Model):
    """An intent with everything that came of it in the session."""

    intent_id: str
    recommendation_id: str
    symbol: str
    side: Side
    as_of: Utc
    quantity: Decimal
    """As sized."""
    allowed: Decimal | None = None
    """As risk let through; None: risk was never asked."""
    denied: bool = False
    status: str
    """The order's at the broker where there is one, else the intent's."""
    reason: str = ""
    submitted_at: Utc | None = None
    approval: LiveApproval | None = None
    fills: tuple[LiveFill, ...] = ()


class LiveAction(Model):
    """A split or dividend as it was booked on a position."""

    symbol: str
    cash: Decimal
    quantity: Decimal
    """Shares after it."""


class AccountMark(Model):
    """The account at a close."""

    as_of: Utc
    cash: Decimal
    equity: Decimal


class LiveDay(Model):
    """What happened in a session, as the book has it."""

    session: Session
    decided_at: Utc
    """The instant of the pass over every company before the open; where there was none, that of the engine's plan."""
    decisions: tuple[LiveDecision, ...] = ()
    """From that instant to the close."""
    orders: tuple[LiveOrder, ...] = ()
    """Planned since the close before, and those that were under way from earlier."""
    actions: tuple[LiveAction, ...] = ()
    before: AccountMark | None = None
    """At the close of the session before; None: this was the first."""
    after: AccountMark | None = None
    """At the close; None: nobody marked the account."""
    trading_state: TradingState = TradingState.ACTIVE
    """Other than active only where it was so before the open and still is."""
    state_reason: str = ""

    @property
    def was_decided(self) -> bool:
        """Whether there was a pass before the open."""
        return any(decision.as_of == self.decided_at for decision in self.decisions)


class PlayedDecision(Model):
    """What the engine thinks of a company at the instant of the pass, on what the book holds now."""

    symbol: str
    action: Action
    previous: Action
    score: float
    conviction: float
    record_hash: str
    inputs: DecisionInputs

    @property
    def changed(self) -> bool:
        return self.action is not self.previous


class PlayedDay(Model):
    """The day played again."""

    opening: BacktestState
    """The account in the morning."""
    state: BacktestState
    """The account at the close, with the day's orders."""
    decisions: tuple[PlayedDecision, ...]
    closes: dict[str, Decimal] = Field(default_factory=dict)
    """The last close known at the session's, by symbol."""
    config_version: str
    """Of the configuration that it was played with: the day's, where the book still has it."""
    data_version: str
    code_version: str


class Gap(Model):
    """One thing of the day, live beside played."""

    kind: GapKind
    symbol: str
    what: Subject
    live: str
    played: str
    dollars: Dollars = Decimal(0)
    """What it moved in the account's change of the day: live less played."""
    basis_points: float | None = None
    """How much worse (positive) the live price was, where both were filled."""
    detail: str = ""


class EquityGap(Model):
    """The day's change of the account, live beside played, in dollars."""

    before: Dollars
    """Equity in the morning, the same for both."""
    live_change: Dollars | None
    """None: the account was not marked."""
    played_change: Dollars
    difference: Dollars | None
    explained: dict[GapKind, Dollars]
    """The parts of the difference by the label of the gaps."""
    unexplained: Dollars | None
    """What is left: transfers, fees that were never booked, other closing prices."""


class DriftReport(Model):
    """A day compared with itself."""

    session: date
    decided_at: Utc
    gaps: tuple[Gap, ...]
    """With those of kind none: decisions that changed an action, and orders, that are equal."""
    counts: dict[GapKind, int]
    assessed: int
    """Companies that both assessed alike, whether or not it changed anything."""
    intraday: int
    """Assessments after the pass that changed nothing."""
    equity: EquityGap
    config_version: str
    data_version: str
    code_version: str

    @property
    def found(self) -> tuple[Gap, ...]:
        """What is not equal."""
        return tuple(gap for gap in self.gaps if gap.kind is not GapKind.NONE)
