"""Facts about the market: bars, corporate actions, earnings dates."""

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from store.tables.columns import dollars, instant, shares, text


class BarRow(SQLModel, table=True):
    """One session of one symbol, raw as traded. `available_at` is the session's close."""

    __tablename__ = "bars"

    symbol: str = Field(primary_key=True)
    session: date = Field(primary_key=True)
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


class EarningsDate(SQLModel, table=True):
    __tablename__ = "earnings_dates"

    symbol: str = Field(primary_key=True, foreign_key="companies.symbol")
    report_date: date = Field(primary_key=True)
    timing: str = text("unknown")
    available_at: datetime = instant()
