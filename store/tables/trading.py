"""Orders, fills, positions and the account: the book of record."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, dollars, instant, json_list, json_object, shares, text


class Order(SQLModel, table=True):
    """One order at the broker. The client order id is fixed before the first attempt and never changes."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_newest", "created_at", "order_id"),
        Index("ix_orders_of_symbol", "symbol", "created_at", "order_id"),
        Index("ix_orders_of_status", "status", "created_at", "order_id"),
    )

    order_id: str = Field(primary_key=True)
    intent_id: str = Field(foreign_key="order_intents.intent_id", unique=True)
    client_order_id: str = Field(unique=True)
    broker_order_id: str = Field(default="", index=True)
    symbol: str
    side: str = text()
    type: str = text("market")
    time_in_force: str = text("day")
    quantity: Decimal = shares()
    limit_price: Decimal | None = dollars(nullable=True)
    status: str
    filled_quantity: Decimal = shares()
    filled_average_price: Decimal | None = dollars(nullable=True)
    body_hash: str = text()
    reason: str = text("")
    created_at: datetime = instant()
    submitted_at: datetime | None = instant(nullable=True)
    closed_at: datetime | None = instant(nullable=True)
    body: Json = json_object()
    """The ticket as it is sent, whole."""
    expires_at: datetime | None = instant(nullable=True)
    """Not sent any more from then on."""
    sent_at: datetime | None = instant(nullable=True)
    """When it was last let out, whatever came of it."""
    missing_since: datetime | None = instant(nullable=True)
    """When the broker first said, after that, that it does not know the order."""
    abandoned_at: datetime | None = instant(nullable=True)
    """Given up: nobody follows it. The status stays unknown, and the sweep still looks for it."""


class FillRow(SQLModel, table=True):
    """One execution. `fill_id` is the broker's execution id, so that a repeated report changes nothing."""

    __tablename__ = "fills"
    __table_args__ = (
        Index("ix_fills_newest", "filled_at", "fill_id"),
        Index("ix_fills_of_symbol", "symbol", "filled_at", "fill_id"),
    )

    fill_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    symbol: str
    side: str = text()
    quantity: Decimal = shares()
    price: Decimal = dollars()
    fee: Decimal = dollars()
    filled_at: datetime = instant()


class Position(SQLModel, table=True):
    __tablename__ = "positions"

    symbol: str = Field(primary_key=True)
    quantity: Decimal = shares()
    average_price: Decimal = dollars()
    last_price: Decimal = dollars()
    realized_pnl: Decimal = dollars()
    opened_session: date | None = None
    closed_session: date | None = None
    updated_at: datetime = instant()


class CorporateActionEntry(SQLModel, table=True):
    """A split or dividend that was applied to a position: one row an action, so that it is applied once."""

    __tablename__ = "corporate_action_entries"

    symbol: str = Field(primary_key=True)
    ex_date: date = Field(primary_key=True)
    quantity_before: Decimal = shares()
    quantity_after: Decimal = shares()
    split_ratio: Decimal = shares()
    cash: Decimal = dollars()
    applied_at: datetime = instant()


class AccountSnapshot(SQLModel, table=True):
    """The account at a session's close, or at another named instant."""

    __tablename__ = "account_snapshots"

    as_of: datetime = instant(primary_key=True)
    phase: str = text("close")
    cash: Decimal = dollars()
    equity: Decimal = dollars()
    peak_equity: Decimal = dollars()
    gross_exposure: Decimal = dollars()
    positions: int = 0
    realized_pnl: Decimal = dollars()
    unrealized_pnl: Decimal = dollars()
    net_exposure: Decimal | None = dollars(nullable=True)
    """As everything below: None in what was recorded before it was kept."""
    sectors: Json = json_object()
    """Dollars held by sector, as text; what has none is `unknown`."""
    reserve: Decimal | None = dollars(nullable=True)
    floor: Decimal | None = dollars(nullable=True)
    reservations: Decimal | None = dollars(nullable=True)
    deployable: Decimal | None = dollars(nullable=True)
    paid_in: Decimal | None = dollars(nullable=True)
    """Cash, and what the executions booked by then have cost, less dividends: the capital that came from outside."""


class ReserveEntry(SQLModel, table=True):
    __tablename__ = "reserve_ledger"

    entry_id: str = Field(primary_key=True)
    as_of: datetime = instant(index=True)
    amount: Decimal = dollars()
    balance: Decimal = dollars()
    reason: str = text()


class ProtectionRow(SQLModel, table=True):
    """One row: where stops, breakers, the reserve and the tier stand after the last look."""

    __tablename__ = "protection_state"

    state_id: int = Field(default=1, primary_key=True)
    body: Json = json_object()
    updated_at: datetime = instant()


class StopEventRow(SQLModel, table=True):
    """A stop, a target or a time stop that was reached."""

    __tablename__ = "stop_events"

    event_id: str = Field(primary_key=True)
    symbol: str = Field(index=True)
    as_of: datetime = instant(index=True)
    kind: str = text()
    price: Decimal = dollars()
    level: Decimal = dollars()
    share: Decimal = shares()


class BreakerEventRow(SQLModel, table=True):
    __tablename__ = "breaker_events"

    event_id: str = Field(primary_key=True)
    breaker: str = Field(index=True)
    state: str = text()
    as_of: datetime = instant(index=True)
    value: str = text("")
    limit: str = text("")
    reason: str = text("")


class TierEvent(SQLModel, table=True):
    __tablename__ = "tier_events"

    event_id: str = Field(primary_key=True)
    as_of: datetime = instant(index=True)
    from_tier: str = text()
    to_tier: str = text()
    reason: str = text("")


class TradingControl(SQLModel, table=True):
    """The kill switch: one row that the submit activity reads in the same transaction that lets an order out."""

    __tablename__ = "trading_control"

    control_id: int = Field(default=1, primary_key=True)
    state: str = text("active")
    reason: str = text("")
    changed_by: str = text("")
    changed_at: datetime = instant()
    epoch: int = 0
    """Grows with every change, so that a late writer cannot undo a newer command."""


class TradingConfigRow(SQLModel, table=True):
    """A version of the configuration. The highest version is in force."""

    __tablename__ = "trading_config"

    version: int = Field(primary_key=True)
    config_hash: str = text()
    body: Json = json_object()
    created_at: datetime = instant()
    created_by: str = text()
    reason: str = text("")


class ConfigProposal(SQLModel, table=True):
    """A change of the configuration that loosens something and waits for a second person."""

    __tablename__ = "config_proposals"

    proposal_id: str = Field(primary_key=True)
    base_version: int
    """In force when it was made: over another one it is void."""
    body: Json = json_object()
    changes: Json = json_object()
    loosened: list[Json] = json_list()
    reason: str = text()
    proposed_by: str = text()
    proposed_at: datetime = instant(index=True)
    status: str = Field(default="pending", index=True)
    """pending, approved, declined or void."""
    decided_by: str = text("")
    decided_at: datetime | None = instant(nullable=True)
    decision_reason: str = text("")


class Backtest(SQLModel, table=True):
    __tablename__ = "backtests"
    __table_args__ = (Index("ix_backtests_newest", "created_at", "backtest_id"),)

    backtest_id: str = Field(primary_key=True)
    kind: str = text("backtest")
    status: str = text()
    request: Json = json_object()
    data_version: str = text("")
    result: Json = json_object()
    returns: list[float] = json_list()
    """Of each session: what later trials of the period are compared with."""
    error: str = text("")
    requested_by: str = text("")
    created_at: datetime = instant()
    finished_at: datetime | None = instant(nullable=True)


class DriftReportRow(SQLModel, table=True):
    """A session compared with the same session played again."""

    __tablename__ = "drift_reports"

    session: date = Field(primary_key=True)
    compared_at: datetime = instant()
    gaps: int = 0
    """What is not equal."""
    counts: Json = json_object()
    """By label."""
    difference: Decimal | None = dollars(nullable=True)
    """Of the day's change of the account, live less played; None: nobody marked it."""
    unexplained: Decimal | None = dollars(nullable=True)
    report: Json = json_object()
