"""Bars, corporate actions and trading sessions: facts about the market."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.model import Model, Utc

Price = Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)]


class Bar(Model):
    """One session of one symbol, raw: as traded that day, not adjusted for later splits or dividends."""

    symbol: str
    session: date
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high {self.high} is below low {self.low}")
        if not self.low <= self.open <= self.high:
            raise ValueError(f"open {self.open} is outside low..high {self.low}..{self.high}")
        if not self.low <= self.close <= self.high:
            raise ValueError(f"close {self.close} is outside low..high {self.low}..{self.high}")
        return self


class CorporateAction(Model):
    """A cash dividend per share and/or a split taking effect before the open of `ex_date`.

    `split_ratio` is new shares per old share: 7 for Apple's 2014 split, 0.1 for Citigroup's 2011 reverse split.
    """

    symbol: str
    ex_date: date
    cash_dividend: Annotated[Decimal, Field(ge=0)] = Decimal(0)
    split_ratio: Annotated[Decimal, Field(gt=0)] = Decimal(1)

    def with_also(self, other: CorporateAction) -> CorporateAction:
        """Join another action of the same symbol and day, for example a regular and a special dividend."""
        return self.model_copy(
            update={
                "cash_dividend": self.cash_dividend + other.cash_dividend,
                "split_ratio": self.split_ratio * other.split_ratio,
            }
        )


class ReportedFigure(Model):
    """A figure that a company reported in a filing, as its XBRL tag says."""

    cik: str
    taxonomy: str
    tag: str
    unit: str
    start: date | None = None
    """First day of the period; None for a figure of one day."""
    end: date
    value: Decimal
    form: str
    accession: str
    filed: date
    """Known from the end of this day in New York on."""


class MacroFigure(Model):
    """A series' figure for a period, with the days on which it was the figure known: one of its vintages."""

    series: str
    period: date
    value: Decimal | None
    """None: on those days the series had none for the period."""
    known_from: date
    known_to: date


class Session(Model):
    """One trading session of the exchange."""

    date: date
    opens_at: Utc
    closes_at: Utc
