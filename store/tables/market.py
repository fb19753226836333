"""Facts about the market: bars, corporate actions, earnings dates."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, Numeric
from sqlmodel import Field, SQLModel

from store.tables.columns import dollars, instant, shares, text


class BarRow(SQLModel, table=True):
    """One session of one symbol, raw as traded. `available_at` is the session's close."""

    __tablename__ = "bars"

    symbol: str = Field(primary_key=True)
    session: date = Field(primary_key=True, index=True)
    open: Decimal = dollars()
    high: Decimal = dollars()
    low: Decimal = dollars()
    close: Decimal = dollars()
    volume: int = Field(sa_type=BigInteger)
    available_at: datetime = instant()


class CorporateActionRow(SQLModel, table=True):
    __tablename__ = "corporate_actions"

    symbol: str = Field(primary_key=True)
    ex_date: date = Field(primary_key=True)
    cash_dividend: Decimal = dollars()
    split_ratio: Decimal = shares()


class ReportedFigureRow(SQLModel, table=True):
    """A figure that a company reported, one row a filing that states it, so that restatements stand beside it."""

    __tablename__ = "reported_figures"

    cik: str = Field(primary_key=True)
    taxonomy: str = Field(primary_key=True)
    tag: str = Field(primary_key=True)
    unit: str = Field(primary_key=True)
    period_start: date = Field(primary_key=True)
    """The period's end where the figure is one of a day."""
    period_end: date = Field(primary_key=True)
    accession: str = Field(primary_key=True)
    value: Decimal = Field(sa_type=Numeric(40, 10))
    form: str = text()
    filed: date = Field(index=True)
    available_at: datetime = instant()


class MacroFigureRow(SQLModel, table=True):
    """A macro series' figure with the days on which it was the figure known."""

    __tablename__ = "macro_figures"

    series: str = Field(primary_key=True)
    period: date = Field(primary_key=True)
    known_from: date = Field(primary_key=True)
    known_to: date
    value: Decimal | None = Field(default=None, sa_type=Numeric(30, 10))
    available_at: datetime = instant()


class EarningsDate(SQLModel, table=True):
    """A day on which a company will report, as somebody said. A change or a removal is a further row."""

    __tablename__ = "earnings_dates"

    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    report_date: date = Field(primary_key=True)
    number: int = Field(default=1, primary_key=True)
    """From 1, one more with every change; of those known the last holds."""
    timing: str = text("unknown")
    removed: bool = False
    actor: str = text("")
    available_at: datetime = instant()
