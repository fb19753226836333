"""What is held by purchase, and every movement of money."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import Column, Computed, Index, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from domain.cash import CashKind
from store.tables.columns import dollars, exact_dollars, instant, shares, text

_PLACES = " ".join(f"WHEN '{kind.value}' THEN '{place}'" for place, kind in enumerate(CashKind))


class LotRow(SQLModel, table=True):
    """What a purchase still holds. The lots of a symbol are its position; they follow from its fills and actions."""

    __tablename__ = "lots"

    lot_id: str = Field(primary_key=True, foreign_key="fills.fill_id")
    symbol: str = Field(index=True)
    opened_at: datetime = instant()
    bought: Decimal = shares()
    price: Decimal = dollars()
    quantity: Decimal = shares()
    cost: Decimal = exact_dollars()


class LotClosingRow(SQLModel, table=True):
    """A lot, or part of one, that is held no more."""

    __tablename__ = "lot_closings"

    closing_id: str = Field(primary_key=True)
    lot_id: str = Field(foreign_key="fills.fill_id")
    closed_by: str = text(index=True)
    symbol: str = Field(index=True)
    quantity: Decimal = shares()
    proceeds: Decimal = exact_dollars()
    cost: Decimal = exact_dollars()
    opened_at: datetime = instant()
    closed_at: datetime = instant(index=True)


class CashEntryRow(SQLModel, table=True):
    """Append-only, and the database holds to it: a wrong entry is put right by another one."""

    __tablename__ = "cash_entries"
    __table_args__ = (
        UniqueConstraint("kind", "source_id"),
        Index("ix_cash_entries_newest", "occurred_at", "place"),
        Index("ix_cash_entries_of_kind", "kind", "occurred_at", "place"),
        Index("ix_cash_entries_of_symbol", "symbol", "occurred_at", "place"),
    )

    entry_id: str = Field(primary_key=True)
    kind: str = text()
    source_id: str = text()
    symbol: str = text("")
    amount: Decimal = exact_dollars()
    occurred_at: datetime = instant()
    recorded_at: datetime = instant()
    note: str = text("")
    place: str = Field(
        default="",
        sa_column=Column(Text, Computed(f"CASE kind {_PLACES} END || '/' || entry_id", persisted=True), nullable=False),
    )
    """Where it stands among entries of its instant; the database makes it."""


class CashBalance(SQLModel, table=True):
    """What the entries of a kind come to at the end of a day in UTC on which one of them is. A projection."""

    __tablename__ = "cash_balances"

    kind: str = Field(primary_key=True, sa_type=Text)
    day: date = Field(primary_key=True)
    balance: Decimal = exact_dollars()


class CashEntryNotSummed(SQLModel, table=True):
    """An entry that no balance counts yet; the database writes it with the entry."""

    __tablename__ = "cash_entries_not_summed"

    entry_id: str = Field(primary_key=True, foreign_key="cash_entries.entry_id")


class PositionAdjustment(SQLModel, table=True):
    """Append-only: shares that left a position without an execution, because a person accepted that they are gone."""

    __tablename__ = "position_adjustments"

    adjustment_id: str = Field(primary_key=True)
    acceptance_id: str = Field(foreign_key="difference_acceptances.acceptance_id")
    symbol: str = Field(index=True)
    quantity: Decimal = shares()
    price: Decimal = dollars()
    """The position's average price of then: the average-cost book has no result from it."""
    adjusted_at: datetime = instant()
    actor: str = text()
    reason: str = text()
