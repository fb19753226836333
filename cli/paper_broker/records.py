"""The rows of the book as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cli.paper_broker.amounts import SHARE, divide, quantity_for, value_of
from cli.paper_broker.lifecycle import FINAL, OrderStatus


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        return 1 if self is Side.BUY else -1

    @property
    def other(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"

    @property
    def immediate(self) -> bool:
        """Whether what cannot execute at once is canceled."""
        return self in (TimeInForce.IOC, TimeInForce.FOK)


class OrderClass(StrEnum):
    SIMPLE = "simple"
    BRACKET = "bracket"
    """An entry with two exits, of which one cancels the other."""
    OCO = "oco"
    """Two exits: the take profit, which leads, and the stop loss."""
    OTO = "oto"
    """An entry with one exit."""


class Split(StrEnum):
    """How many executions an order takes."""

    NONE = "none"
    SAME_PHASE = "same_phase"
    LATER = "later"
    """One half when it can fill, the rest at the next price: a partially filled order that clients can see."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `quantity` is None for an order by amount, `reserve_price` where no price was known when it came."""

    id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int | None
    notional: int | None
    limit_price: int | None
    stop_price: int | None
    extended_hours: bool
    order_class: str
    position_intent: str
    status: OrderStatus
    filled_quantity: int
    filled_value: int
    executions: int
    reserve_price: int | None
    triggered: bool
    split: Split
    reason: str
    created_at: datetime
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    filled_at: datetime | None
    canceled_at: datetime | None
    expired_at: datetime | None
    failed_at: datetime | None
    parent_id: str | None = None
    replaces: str | None = None
    replaced_by: str | None = None
    replaced_at: datetime | None = None
    trail_price: int | None = None
    trail_percent: int | None = None
    """In millionths of a percent."""
    hwm: int | None = None
    """The best price a trailing stop has seen: the highest for a sale, the lowest for a buy."""
    sequence: int = 0

    @property
    def closed(self) -> bool:
        return self.status in FINAL

    @property
    def opening(self) -> bool:
        """Whether the order opens or adds to a position, and so needs buying power."""
        return self.position_intent.endswith("_to_open")

    def remaining(self, price: int | None) -> int:
        """Shares still to execute; for an order by amount what the rest buys at `price`, 0 without one."""
        if self.quantity is not None:
            return self.quantity - self.filled_quantity
        if price is None or self.notional is None:
            return 0
        return max(quantity_for(self.notional - self.filled_value, price), 0)

    @property
    def leads_exits(self) -> bool:
        """Whether its complete fill makes its legs work."""
        return self.parent_id is None and self.order_class in (OrderClass.BRACKET, OrderClass.OTO)

    def held(self) -> int:
        """Shares a closing order keeps from other orders; a held leg keeps none, its sibling does."""
        if self.closed or self.opening or self.status is OrderStatus.HELD:
            return 0
        return self.remaining(self.reserve_price)

    def reserved(self, fee_per_share: int) -> int:
        """Money an opening order keeps from other orders; for a short sale half its value on top of the proceeds."""
        if self.closed or not self.opening or self.reserve_price is None:
            return 0
        quantity = self.remaining(self.reserve_price)
        if self.notional is not None:
            value = max(self.notional - self.filled_value, 0)
        else:
            value = value_of(self.reserve_price, quantity)
        share = value if self.side is Side.BUY else divide(value, 2)
        return share + value_of(fee_per_share, quantity)

    def average_price(self) -> int | None:
        return divide(self.filled_value * SHARE, self.filled_quantity) if self.filled_quantity else None


@dataclass(frozen=True, slots=True)
class Position:
    """Signed quantity and its cost, signed alike. `day_cost` takes what was held at the last close at that close."""

    symbol: str
    quantity: int
    cost: int
    day_cost: int


@dataclass(frozen=True, slots=True)
class Price:
    """The latest known price, when it was seen, in which session, and the close of the session before."""

    symbol: str
    last: int
    at: datetime
    session: str
    previous_close: int | None


@dataclass(frozen=True, slots=True)
class Asset:
    id: str
    symbol: str
    name: str
    exchange: str
    fractionable: bool
    shortable: bool


@dataclass(frozen=True, slots=True)
class Activity:
    """One change of cash or position. `cash` and `quantity` are the signed changes themselves."""

    id: str
    kind: str
    at: datetime
    session: str
    symbol: str
    quantity: int
    cash: int
    price: int | None = None
    order_id: str | None = None
    cumulative: int | None = None
    leaves: int | None = None
    order_status: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    number: str
    created_at: datetime
    opening_cash: int
    cash: int
    last_equity: int
    balance_as_of: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class Configurations:
    """What the client chose for the account."""

    no_shorting: bool
    fractional_trading: bool
    max_margin_multiplier: str
    trade_confirm_email: str
    ptp_no_exception_entry: bool
    max_options_trading_level: int
    disable_overnight_trading: bool


@dataclass(frozen=True, slots=True)
class MarketState:
    """What the clock says: `session` is the one under way, or the last one while the market is closed."""

    now: datetime
    is_open: bool
    session: str
    opens_at: datetime | None
    closes_at: datetime | None
