"""Orders, fills, positions and the account: the book of record."""

from datetime import date, datetime
from decimal import Decimal

from sqlmodel import Field, SQLModel

from store.tables.columns import Json, dollars, instant, json_list, json_object, shares, text


class Order(SQLModel, table=True):
    """One order at the broker. The client order id is fixed before the first attempt and never changes."""

    __tablename__ = "orders"

    order_id: str = Field(primary_key=True)
    intent_id: str = Field(foreign_key="order_intents.intent_id", unique=True)
    client_order_id: str = Field(unique=True)
    broker_order_id: str = Field(default="", index=True)
    symbol: str = Field(index=True)
    side: str = text()
    type: str = text("market")
    time_in_force: str = text("day")
    quantity: Decimal = shares()
    limit_price: Decimal | None = dollars(nullable=True)
    status: str = Field(index=True)
    filled_quantity: Decimal = shares()
    filled_average_price: Decimal | None = dollars(nullable=True)
    body_hash: str = text()
    reason: str = text("")
    created_at: datetime = instant(index=True)
    submitted_at: datetime | None = instant(nullable=True)
    closed_at: datetime | None = instant(nullable=True)


class FillRow(SQLModel, table=True):
    """One execution. `fill_id` is the broker's execution id, so that a repeated report changes nothing."""

    __tablename__ = "fills"

    fill_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    symbol: str = Field(index=True)
    side: str = text()
    quantity: Decimal = shares()
    price: Decimal = dollars()
    fee: Decimal = dollars()
    filled_at: datetime = instant(index=True)


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


class ReserveEntry(SQLModel, table=True):
    __tablename__ = "reserve_ledger"

    entry_id: str = Field(primary_key=True)
    as_of: datetime = instant(index=True)
    amount: Decimal = dollars()
    balance: Decimal = dollars()
    reason: str = text()


class BreakerEvent(SQLModel, table=True):
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


class Backtest(SQLModel, table=True):
    __tablename__ = "backtests"

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
    created_at: datetime = instant(index=True)
    finished_at: datetime | None = instant(nullable=True)
