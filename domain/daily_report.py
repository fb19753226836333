"""The day at the session's close, in numbers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from domain.model import Model, Utc


class ReportPosition(Model):
    symbol: str
    quantity: Decimal
    value: Decimal
    """Dollars, at the last price."""
    unrealized: Decimal
    """Dollars, against the average price."""


class ReportFill(Model):
    symbol: str
    side: str
    quantity: Decimal
    average_price: Decimal
    """Dollars, over the executions of the day."""


class DailyReport(Model):
    session: date
    as_of: Utc
    equity: Decimal
    cash: Decimal
    previous_equity: Decimal | None = None
    """At the close before; None: there was none. Money paid in or out meanwhile is part of the difference."""
    realized: Decimal | None = None
    """Dollars since the close before."""
    orders: dict[str, int]
    """Of the session, by status."""
    fills: tuple[ReportFill, ...]
    """Of the session, by symbol and side."""
    positions: tuple[ReportPosition, ...]
    """Held at the close, the largest first."""
    breakers: dict[str, str]
    """Those that are not closed, with their state."""
    approvals_waiting: int
    dead_letters: int
    """Reported so far, and neither retried nor discarded."""

    @property
    def change(self) -> Decimal | None:
        """Dollars since the close before."""
        return None if self.previous_equity is None else self.equity - self.previous_equity

    @property
    def change_percent(self) -> Decimal | None:
        change = self.change
        if change is None or not self.previous_equity:
            return None
        return change / self.previous_equity * 100
