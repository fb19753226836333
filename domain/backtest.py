"""Messages of a backtest: what is asked, what it found, and the book that it carries between sessions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.config import TradingConfig
from domain.costs import CostModel
from domain.decisions import Action, Holding, Layer, Side
from domain.model import Model, Utc
from domain.protection import ProtectionState
from domain.rules_config import Protection


class ReadBy(StrEnum):
    """Whose readings of documents decide."""

    ALL = "all"
    RULES = "rules"
    """The control: what the rules alone would have done."""


class Noted(StrEnum):
    """Which decisions a backtest keeps with their thesis and their documents. What is traded does not depend on it."""

    CHANGES = "changes"
    """Every one that changed what is thought of a company."""
    TRADES = "trades"
    """Those to buy and to sell: many times faster, as the others need not be made in full."""


class Membership(Model):
    """Days on which a symbol belonged to the universe; `last` None: it still does."""

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$")]
    first: date
    last: date | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last is not None and self.last < self.first:
            raise ValueError(f"{self.symbol}: last {self.last} is before first {self.first}")
        return self


class BacktestRequest(Model):
    """A strategy over a period of the book. Its id is a function of all of this and of the data."""

    name: Annotated[str, Field(max_length=200)] = ""
    first: date
    last: date
    opening_cash: Annotated[Decimal, Field(gt=0, le=10**12)] = Decimal(100_000)
    config: TradingConfig
    costs: CostModel = CostModel()
    protection: Protection | None = None
    """Stops, breakers, the reserve and tiers; None: what is bought is held until the strategy sells it."""
    read_by: ReadBy = ReadBy.ALL
    noted: Noted = Noted.CHANGES
    universe: Annotated[tuple[Membership, ...], Field(max_length=20_000)] = ()
    """What may be bought, and when: an index as it was. Empty: everything with bars."""
    benchmark: Annotated[str, Field(max_length=20)] = "SPY"
    model_cutoff: date | None = None
    """Last day that the model's training may have seen. None: unknown, so that no reading of it is out of sample."""


class OrderEnd(StrEnum):
    FILLED = "filled"
    EXPIRED = "expired"
    """No bar, or never enough volume, before the strategy thought otherwise."""
    DENIED = "denied"
    REJECTED = "rejected"
    """Not enough cash at the price of the open."""


class FillEntry(Model):
    """One execution. Its costs are dollars in total; spread and impact are in the price."""

    at: Utc
    session: date
    quantity: Decimal
    price: Decimal
    spread: Decimal = Decimal(0)
    impact: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)


class OrderEntry(Model):
    """An order from its plan to its end."""

    intent_id: str
    recommendation_id: str
    as_of: Utc
    symbol: str
    side: Side
    quantity: Decimal
    """As sized."""
    allowed: Decimal
    """As risk let through."""
    reference_price: Decimal
    """Price that the size was computed at."""
    reason: str = ""
    end: OrderEnd | None = None
    """None: it still works."""
    filled: Decimal = Decimal(0)
    fills: tuple[FillEntry, ...] = ()
    daily_volatility: float = 0.0
    average_dollar_volume: float = 0.0
    layers: dict[Layer, int] = Field(default_factory=dict)
    """The score's attribution by layer when it was decided, in nano-units."""


class DecisionEntry(Model):
    """A recommendation that changed its symbol's action."""

    recommendation_id: str
    as_of: Utc
    symbol: str
    action: Action
    previous: Action
    score: float
    score_nano: int
    conviction: float
    edge_bp: float
    cost_bp: float
    reasons: tuple[str, ...]
    thesis: str
    layers: dict[Layer, int] = Field(default_factory=dict)
    documents: tuple[str, ...] = ()
    """Those with the largest part of the score, the largest first."""


class Mark(Model):
    """The account at a session's close."""

    session: date
    as_of: Utc
    cash: Decimal
    equity: Decimal
    gross: Decimal
    positions: int
    traded: Decimal
    """Dollars bought and sold in the session."""


class TradeEntry(Model):
    """A position from its first share to its last, or to the end of the backtest."""

    symbol: str
    opened: date
    closed: date | None = None
    quantity: Decimal
    """The most that was held."""
    cost: Decimal
    """Dollars paid, fees included."""
    proceeds: Decimal = Decimal(0)
    """Dollars received, after fees, with dividends."""
    dividends: Decimal = Decimal(0)
    open_value: Decimal = Decimal(0)
    """What is still held, at the last close."""
    layers: dict[Layer, int] = Field(default_factory=dict)
    """Attribution of the score that opened it."""
    reason: str = ""
    """Why it ended."""

    @property
    def result(self) -> Decimal:
        """Dollars gained, costs and fees taken off."""
        return self.proceeds + self.open_value - self.cost


class BookPosition(Model):
    """A symbol that is or was held."""

    holding: Holding
    opened: date | None = None
    closed: date | None = None
    realized: Decimal = Decimal(0)
    trade: int | None = None
    """Its trade's place in the list, while it is held."""
    silent: int = 0
    """Sessions without a bar."""


class BacktestState(Model):
    """All that goes from one session to the next, and all that was found so far."""

    sessions_done: int = 0
    cash: Decimal
    positions: dict[str, BookPosition] = Field(default_factory=dict)
    actions: dict[str, Action] = Field(default_factory=dict)
    """The newest of each symbol."""
    peak_equity: Decimal | None = None
    prior_close_equity: Decimal | None = None
    working: tuple[OrderEntry, ...] = ()
    """Orders with something left to fill."""
    orders: tuple[OrderEntry, ...] = ()
    decisions: tuple[DecisionEntry, ...] = ()
    marks: tuple[Mark, ...] = ()
    trades: tuple[TradeEntry, ...] = ()
    assessed: int = 0
    protection: ProtectionState | None = None
