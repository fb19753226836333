"""What the broker said: replacements of orders, its activities, its failures, and how its books compared with ours."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from store.tables.columns import Json, dollars, instant, json_list, json_object, shares, text


class OrderReplacement(SQLModel, table=True):
    """A change of an order's terms. Its client order id, `<id>-r<n>`, is fixed before the broker hears of it."""

    __tablename__ = "order_replacements"

    client_order_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    number: int
    request_key: str = Field(unique=True)
    """Whose change it is: a repeated request finds its own replacement."""
    change: Json = json_object()
    status: str = text("asked")
    broker_order_id: str = text("")
    reason: str = text("")
    asked_at: datetime = instant()
    """When it was last let out."""


class OrderEventRow(SQLModel, table=True):
    """Append-only: an order's status changed, or more of it was filled."""

    __tablename__ = "order_events"

    event_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    status: str = text()
    filled_quantity: Decimal = shares()
    filled_average_price: Decimal | None = dollars(nullable=True)
    broker_order_id: str = text("")
    reason: str = text("")
    at: datetime = instant()


class BrokerActivityRow(SQLModel, table=True):
    """A change of cash or position on the broker's books, ours and others' alike, as its activity list has it."""

    __tablename__ = "broker_activities"

    activity_id: str = Field(primary_key=True)
    kind: str = text(index=True)
    day: date
    symbol: str = Field(default="", index=True)
    quantity: Decimal = shares()
    cash: Decimal = dollars()
    ours: bool = False
    seen_at: datetime = instant(index=True)


class BrokerFailure(SQLModel, table=True):
    """A request that the broker did not answer, or answered with an error that was not about the request."""

    __tablename__ = "broker_failures"

    failure_id: str = Field(primary_key=True)
    code: str = text()
    at: datetime = instant(index=True)


class ReconciliationRow(SQLModel, table=True):
    __tablename__ = "reconciliations"
    __table_args__ = (Index("ix_reconciliations_newest", "as_of", "reconciliation_id"),)

    reconciliation_id: str = Field(primary_key=True)
    trigger: str = text()
    as_of: datetime = instant()
    finished_at: datetime = instant()
    clean: bool
    mismatches: int = 0
    adopted: int = 0
    left_alone: int = 0
    cash: Decimal = dollars()
    """The broker's."""
    opening_cash: Decimal = dollars()
    """The cash that the activities known do not explain: the account's at its beginning, the same ever after."""
    equity: Decimal = dollars()
    found: list[Json] = json_list()


class ReconciliationDifference(SQLModel, table=True):
    """A difference from the run that first saw it to the run that saw it no more."""

    __tablename__ = "reconciliation_differences"

    difference_id: str = Field(primary_key=True)
    fingerprint: str = text(index=True)
    kind: str = text(index=True)
    treatment: str = text()
    subject: str = text()
    symbol: str = text("")
    ours: str = text("")
    broker: str = text("")
    detail: str = text("")
    blocking: bool = False
    first_reconciliation: str = Field(foreign_key="reconciliations.reconciliation_id")
    last_reconciliation: str = Field(foreign_key="reconciliations.reconciliation_id")
    first_seen_at: datetime = instant(index=True)
    last_seen_at: datetime = instant()
    resolved_at: datetime | None = instant(nullable=True)


class ForeignPosition(SQLModel, table=True):
    """Shares on the broker's books that are not the platform's: recorded, never touched, not counted."""

    __tablename__ = "foreign_positions"

    symbol: str = Field(primary_key=True)
    quantity: Decimal = shares()
    first_seen_at: datetime = instant()
    last_seen_at: datetime = instant()
    reconciliation_id: str = Field(foreign_key="reconciliations.reconciliation_id")


class DifferenceAcceptance(SQLModel, table=True):
    """A person's word that a difference stays as it is; another person's beside it, unless one runs the house alone."""

    __tablename__ = "difference_acceptances"

    acceptance_id: str = Field(primary_key=True)
    difference_id: str = Field(foreign_key="reconciliation_differences.difference_id", index=True)
    fingerprint: str = text()
    status: str = Field(default="pending", index=True)
    reason: str = text()
    proposed_by: str = text()
    proposed_at: datetime = instant()
    decided_by: str = text("")
    decided_at: datetime | None = instant(nullable=True)
    decision_reason: str = text("")
    booked: str = text("")
    """What the book took over, in words; empty where nothing can be booked."""
