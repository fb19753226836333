"""Our book against the broker's: what differs, and what is done about it.

Four treatments. *Adopted*: the broker's own lists prove it, so the book takes it over (executions, states, splits).
*Left alone*: it is not the platform's; the account's owner may trade beside it. *Alarmed*: neither side proves what is
right, so a person must look; where sizes or exits would rest on it, the difference is blocking. *Accepted*: a person
looked, and it is no alarm as long as it stays as it is.

The comparison is pure. The book is read before the broker, so whatever the book has and the broker has not is really
missing there; what the broker has beyond is new, and taking it over twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from domain.broker import BrokerAccount, BrokerActivity, BrokerFill, BrokerOrder, BrokerPosition
from domain.cash import CashEntry, CashKind
from domain.decisions import Side
from domain.ids import digest
from domain.market import CorporateAction
from domain.model import Model, Utc
from domain.portfolio import OrderStatus
from domain.submission import SendingTimes

ZERO = Decimal(0)
TRANSFERS = frozenset({"TRANS", "CSD", "CSW", "JNL", "JNLC", "JNLS", "ACATC", "ACATS", "FOPT"})
DIVIDENDS = frozenset({"DIV", "CGD", "DIVCGL", "DIVCGS", "DIVROC", "DIVTXEX"})
INTEREST = frozenset({"INT", "INTNRA", "INTTW"})
FEES = frozenset({"FEE", "CFEE", "PTC", "DIVFEE", "DIVNRA", "DIVFT", "DIVTW"})


class DifferenceKind(StrEnum):
    MISSING_ORDER = "missing_order"
    """We sent it, the broker does not know it."""
    UNKNOWN_ORDER = "unknown_order"
    """It carries our prefix, and the book has no such order."""
    LATE_ORDER = "late_order"
    """It was given up, and arrived after all."""
    STATUS_MISMATCH = "status_mismatch"
    """State or filled quantity differ."""
    TERMS_MISMATCH = "terms_mismatch"
    """Another symbol or side under our id."""
    MISSING_FILL = "missing_fill"
    """An execution of ours that the book has not."""
    UNPROVEN_FILL = "unproven_fill"
    """An execution in the book that the broker does not list."""
    UNLISTED_FILLS = "unlisted_fills"
    """The broker's order says more than its activity list: one of them lags."""
    POSITION_MISMATCH = "position_mismatch"
    CASH_MISMATCH = "cash_mismatch"
    """The broker's cash is not what its own activities make it."""
    FOREIGN_ORDER = "foreign_order"
    FOREIGN_POSITION = "foreign_position"
    TRANSFER = "transfer"
    """Money or shares that came in or went out."""
    CORPORATE_ACTION = "corporate_action"
    """A split or dividend that one side has booked and the other has not."""


class Treatment(StrEnum):
    ADOPTED = "adopted"
    LEFT_ALONE = "left_alone"
    ALARMED = "alarmed"
    ACCEPTED = "accepted"
    """It would be an alarm, and a person has accepted it as it is."""


class Difference(Model):
    """`ours` and `broker` are what each side says, as text; `subject` names the order, execution or symbol."""

    kind: DifferenceKind
    treatment: Treatment
    subject: str
    symbol: str = ""
    ours: str = ""
    broker: str = ""
    detail: str = ""
    blocking: bool = False
    """Nothing should be opened or closed on this before a person has looked, or the next run finds it settled."""

    @property
    def fingerprint(self) -> str:
        """What makes two differences the same one. Cash moves with every trade: there the gap is what counts."""
        treatment = Treatment.ALARMED if self.treatment is Treatment.ACCEPTED else self.treatment
        said = (
            (self.detail,) if self.kind is DifferenceKind.CASH_MISMATCH else (self.ours, self.broker, treatment.value)
        )
        return digest("difference", self.kind.value, self.subject, *said)

    @property
    def urgent(self) -> bool:
        """Whether somebody must be told now."""
        return self.treatment is Treatment.ALARMED or self.kind is DifferenceKind.LATE_ORDER


class BookOrder(Model):
    order_id: str
    intent_id: str
    client_order_id: str
    broker_order_id: str = ""
    symbol: str
    side: Side
    quantity: Decimal
    status: OrderStatus
    filled_quantity: Decimal = ZERO
    times: SendingTimes
    abandoned: bool = False
    replacements: tuple[str, ...] = ()
    """Client order ids that changes of it were sent under."""


class BookFill(Model):
    fill_id: str
    order_id: str
    filled_at: Utc


class Book(Model):
    """Our side. `seen` are the activities that earlier runs know, `explained_cash` the dollars they moved together."""

    prefix: str
    """Every client order id of this installation begins with it."""
    orders: tuple[BookOrder, ...] = ()
    fills: tuple[BookFill, ...] = ()
    positions: dict[str, Decimal] = Field(default_factory=dict)
    """Signed shares, by symbol."""
    foreign: dict[str, Decimal] = Field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    explained_cash: Decimal = ZERO
    opening_cash: Decimal | None = None
    """None: nobody ever reconciled this account."""
    unbooked_actions: tuple[CorporateAction, ...] = ()
    """Splits and dividends of what is held that came into force and are not in the book."""
    booked_actions: tuple[tuple[str, date], ...] = ()
    too_new: frozenset[str] = frozenset()
    """Client order ids that came into the book after it was read: the next run compares them."""


class BrokerSide(Model):
    """The broker's side, as of one instant."""

    orders: tuple[BrokerOrder, ...] = ()
    """Every open one, and every one of the window; legs under their parents."""
    fills: tuple[BrokerFill, ...] = ()
    activities: tuple[BrokerActivity, ...] = ()
    positions: tuple[BrokerPosition, ...] = ()
    account: BrokerAccount
    not_found: frozenset[str] = frozenset()
    """Client order ids that were asked for one by one, and that the broker does not know."""
    since: Utc
    """Executions and activities are listed from here on."""
    at: Utc


class AdoptedFill(Model):
    order_id: str
    intent_id: str
    fill: BrokerFill


class AdoptedOrder(Model):
    """`late`: it was given up before, so its intent is opened again until it is closed."""

    intent_id: str
    seen: BrokerOrder
    late: bool = False


class MissingOrder(Model):
    intent_id: str
    missing_since: Utc
    abandoned: bool


class SeenActivity(Model):
    activity_id: str
    kind: str
    day: date
    symbol: str = ""
    quantity: Decimal = ZERO
    cash: Decimal = ZERO
    """Dollars it moved, signed."""
    ours: bool = False


class Adoption(Model):
    """What the book takes over. Applying it a second time changes nothing."""

    fills: tuple[AdoptedFill, ...] = ()
    orders: tuple[AdoptedOrder, ...] = ()
    missing: tuple[MissingOrder, ...] = ()
    actions: tuple[CorporateAction, ...] = ()
    foreign: dict[str, Decimal] = Field(default_factory=dict)
    """Shares that are not ours, where that changed."""
    activities: tuple[SeenActivity, ...] = ()
    opening_cash: Decimal = ZERO


class Reconciled(Model):
    differences: tuple[Difference, ...]
    adoption: Adoption

    @property
    def mismatches(self) -> int:
        return sum(each.blocking and each.treatment is not Treatment.ADOPTED for each in self.differences)

    @property
    def clean(self) -> bool:
        """Book and broker agree, once what is proven has been adopted."""
        return self.mismatches == 0

    def count(self, treatment: Treatment) -> int:
        return sum(each.treatment is treatment for each in self.differences)


class BrokerHealth(Model):
    """What a breaker needs to know of the broker, as of an instant."""

    broker_errors: tuple[Utc, ...] = ()
    mismatch: bool = False
    """The last reconciliation found that book and broker differ."""
    last_run_at: Utc | None = None
    last_clean_at: Utc | None = None


class ReconcileRequest(Model):
    """Compare book and broker. The same id twice answers what the first run found."""

    reconciliation_id: str
    trigger: str
    """Who asked: schedule, stream, engine, start, or a person."""
    as_of: Utc


class BeginReconciliation(Model):
    """Start a run; without an instant it is as of now."""

    trigger: str
    as_of: Utc | None = None


class ReconcileReport(Model):
    """The headline. `clean` says whether to act on the book."""

    reconciliation_id: str
    at: Utc
    clean: bool
    mismatches: int = 0
    adopted: int = 0
    left_alone: int = 0
    changed_intents: tuple[str, ...] = ()
    """Whose orders the book took something over for: their workflows should look."""


def ledger_entry(activity: SeenActivity) -> CashEntry | None:
    """What an activity is in the cash ledger. Executions and dividends are entered with what they are of."""
    if activity.kind == "FILL" or activity.kind in DIVIDENDS or not activity.cash:
        return None
    if activity.kind in TRANSFERS:
        kind = CashKind.TRANSFER_IN if activity.cash > 0 else CashKind.TRANSFER_OUT
    elif activity.kind in INTEREST:
        kind = CashKind.INTEREST
    else:
        kind = CashKind.FEE if activity.kind in FEES and activity.cash < 0 else CashKind.ADJUSTMENT
    return CashEntry(
        kind=kind,
        source_id=activity.activity_id,
        amount=activity.cash,
        occurred_at=datetime(activity.day.year, activity.day.month, activity.day.day, tzinfo=UTC),
        symbol=activity.symbol,
        note=f"{activity.kind} at the broker",
    )


def signed(side: Side, quantity: Decimal) -> Decimal:
    return quantity if side is Side.BUY else -quantity


def totals(fills: Sequence[BrokerFill]) -> Mapping[str, Decimal]:
    """Shares executed under each broker order id."""
    found: dict[str, Decimal] = {}
    for fill in fills:
        found[fill.broker_order_id] = found.get(fill.broker_order_id, ZERO) + fill.quantity
    return found
