"""Messages of trading: ticks, commands, order requests and their outcomes."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from domain.decisions import RiskOutcome, TradingState
from domain.market import Session
from domain.model import Model, Utc

MAX_REASON = 500
_NUL = "\x00"


def _without_nul(given: Any) -> Any:
    """The book cannot hold this character, and a word to stop must not be stuck on one that nobody sees."""
    return given.replace(_NUL, "") if isinstance(given, str) else given


Reason = Annotated[str, BeforeValidator(_without_nul), Field(min_length=1, max_length=MAX_REASON)]
Remark = Annotated[str, BeforeValidator(_without_nul), Field(max_length=MAX_REASON)]
"""A reason that may be left out."""


def reason_given(text: str, *, otherwise: str) -> str:
    """The reason that came with a plain signal, which nothing has checked, as the book can keep it."""
    return text.replace(_NUL, "")[:MAX_REASON] or otherwise


class TickPhase(StrEnum):
    PRE_OPEN = "pre_open"
    INTRADAY = "intraday"
    CLOSE = "close"


class TickRequest(Model):
    """Look at the book and the recommendations of an instant and act on them."""

    as_of: Utc
    phase: TickPhase
    session: Session


class PlannedOrder(Model):
    intent_id: str
    symbol: str
    side: str


class TickReport(Model):
    as_of: Utc
    phase: TickPhase
    planned: tuple[PlannedOrder, ...] = ()
    equity: str = ""
    tick_seconds: float | None = None
    """As configured now; None: as the engine was started with."""
    pre_open_seconds: float | None = None


class Command(Model):
    """A person's word to the engine."""

    reason: Reason
    actor: str = "operator"


class Resume(Command):
    """Trade again, as the kill switch stood when the command was given."""

    epoch: int | None = None
    """Of the kill switch at that moment: the resume is refused where it has moved. None: it was not looked at."""


class ControlChange(Model):
    """Write a trading state to the kill switch. `change_key` makes a repeat harmless."""

    state: TradingState
    reason: str
    actor: str
    change_key: str
    as_of: Utc
    cancel_open_orders: bool = False
    epoch: int | None = None
    """Of the kill switch, beyond which trading is not resumed; None: whatever it is."""


class ControlReport(Model):
    state: TradingState
    epoch: int
    canceled_orders: int = 0
    """Open orders whose cancel the broker took."""
    not_canceled: tuple[str, ...] = ()
    """Client order ids of those that may still be open, with why."""
    reason: str = ""


class EngineTrouble(Model):
    """What the engine could not do. It goes on."""

    key: str
    doing: str
    problem: str
    as_of: Utc


class EngineStatus(Model):
    state: TradingState
    reason: str = ""
    ticks: int = 0
    planned: int = 0
    last_tick_at: Utc | None = None
    next_tick_at: Utc | None = None


class EngineState(Model):
    """What `TradingEngine` carries from run to run."""

    driven: bool = False
    state: TradingState = TradingState.ACTIVE
    reason: str = ""
    ticks: int = 0
    planned: int = 0
    tick_seconds: float = 300.0
    """Pause between two looks at the book while the exchange is open."""
    pre_open_seconds: float = 300.0
    """How long before the open the day's orders are planned."""
    last_tick_at: Utc | None = None
    closed_session: str = ""
    """The last session that was closed and marked."""


class SessionQuery(Model):
    as_of: Utc


class OrderRequest(Model):
    """Carry one intent to its end."""

    intent_id: str
    symbol: str
    side: str
    as_of: Utc
    driven: bool = False
    poll_seconds: float = 5.0
    maximum_poll_seconds: float = 1_800.0
    """The pause doubles up to this while nothing changes; the broker's stream and the comparison wake the order."""


class RiskRequest(Model):
    intent_id: str
    as_of: Utc


class RiskVerdict(Model):
    """What risk said, short enough for a history; the checks stand in the database."""

    decision_id: str
    outcome: RiskOutcome
    allowed_quantity: str
    needs_approval: bool
    approval_reason: str = ""
    denial: str = ""


class ApprovalRequest(Model):
    intent_id: str
    decision_id: str
    as_of: Utc
    ask: int = 1
    """Counts the questions about the intent."""
    replaces: str = ""
    """The question before, which was voided."""


class ApprovalTicket(Model):
    """A question as its workflow needs it. The defaults are those of questions asked before there were quorums."""

    approval_id: str
    order_hash: str
    expires_at: Utc
    people: int = 1
    """How many different people must approve."""
    proposers: tuple[str, ...] = ()
    solo: bool = False
    signals_approve: bool = True
    escalates_at: Utc | None = None
    look_seconds: float = 0.0
    """Pause between two looks at the price; 0: it is not looked at."""
    last_ask: bool = True
    """What voids this question ends the order: it is not asked again."""


class ApprovalVerdict(StrEnum):
    APPROVED = "approved"
    DECLINED = "declined"
    EXPIRED = "expired"


class ApprovalDecision(Model):
    """A person's decision, bound to the order it was shown for."""

    approved: bool
    actor: str
    reason: Reason
    order_hash: str = ""
    """Empty only on the plain-signal path, where the workflow's own pending order is meant."""


class ApprovalRecord(Model):
    approval_id: str
    verdict: ApprovalVerdict
    actor: str
    reason: str
    as_of: Utc


class SubmitRequest(Model):
    intent_id: str
    decision_id: str
    as_of: Utc


class SyncRequest(Model):
    intent_id: str
    as_of: Utc


class CloseRequest(Model):
    """End an intent without an order, or after one."""

    intent_id: str
    state: str
    reason: str
    as_of: Utc


class OrderState(StrEnum):
    """Where an `ExecuteOrder` stands, as shown in the search attribute `StonksState`."""

    ASSESSING = "assessing"
    AWAITING_APPROVAL = "awaiting_approval"
    SUBMITTING = "submitting"
    WORKING = "working"
    CLOSED = "closed"


class OrderProgress(Model):
    """An order as the broker last reported it."""

    status: str
    filled_quantity: str = "0"
    filled_average_price: str = ""
    closed: bool = False
    reason: str = ""
    to_send: bool = False
    """Nothing of it is at the broker or on its way: it may be sent, once it was judged again."""


class CancelReport(Model):
    """How an order stands after its cancel was asked for. Filled is a valid outcome: the broker was faster."""

    status: str
    closed: bool
    """False: the broker has not carried it out yet, or nobody knows whether it has the order; it is asked again."""
    filled_quantity: str = "0"
    reason: str = ""


class OrderOutcome(Model):
    intent_id: str
    status: str
    filled_quantity: str = "0"
    filled_average_price: str = ""
    reason: str = ""


class RefreshRequest(Model):
    """Look again at an instant: expire what is due, ask the broker what happened."""

    as_of: Utc


class RefreshReport(Model):
    state: OrderState
    status: str = ""


class MarkRequest(Model):
    """Value the book and record the account."""

    as_of: Utc
    phase: TickPhase
    session: Session


class MarkReport(Model):
    equity: str
    cash: str
    positions: int
