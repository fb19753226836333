"""Builders with plain defaults for the tests of the risk rules."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import settings

from domain.allocation import AllocationLimits, Exposure
from domain.breaker_state import Breaker, BreakerEvent, BreakerInputs, Breakers
from domain.breakers import advance
from domain.market import Bar
from domain.rules_config import BreakerRules

START = datetime(2014, 7, 16, 14, 0, tzinfo=UTC)
PROPERTY = settings(deadline=None, max_examples=60, derandomize=True)
"""Settings of every property: reproducible, and not judged by the speed of a shared machine."""


def bar(open: str, high: str, low: str, close: str) -> Bar:
    return Bar(
        symbol="ACME",
        session=date(2014, 7, 16),
        open=Decimal(open),
        high=Decimal(high),
        low=Decimal(low),
        close=Decimal(close),
        volume=1_000,
    )


def inputs(**changes: Any) -> BreakerInputs:
    """A tick on which nothing is wrong: $100,000, a calm market, one fresh feed."""
    values: dict[str, Any] = {
        "equity": Decimal(100_000),
        "prior_close_equity": Decimal(100_000),
        "high_water_mark": Decimal(100_000),
        "short_volatility": 0.01,
        "long_volatility": 0.01,
        "index_move": 0.5,
        "feeds": ({"feed": "prices", "age_seconds": 30.0, "expected_seconds": 60.0},),
        "model_outcomes": (True,) * 50,
    }
    return BreakerInputs.model_validate({**values, **changes})


class Desk:
    """Drives the breakers through ticks and keeps what they recorded."""

    def __init__(self, rules: BreakerRules | None = None) -> None:
        self.rules = rules or BreakerRules()
        self.breakers = Breakers()
        self.events: list[BreakerEvent] = []

    def tick(self, session: int, seconds: float = 0.0, **changes: Any) -> list[str]:
        """Show one tick and give what moved: `daily_loss: closed -> open`."""
        self.breakers, moved = advance(
            self.breakers, inputs(**changes), self.rules, as_of=at(session, seconds), session=session
        )
        self.events.extend(moved)
        return [f"{event.breaker}: {event.before} -> {event.after}" for event in moved]

    def phase(self, breaker: Breaker) -> str:
        return self.breakers.of(breaker).phase.value


def at(session: int, seconds: float = 0.0) -> datetime:
    return START + timedelta(days=session, seconds=seconds)


def exposure(symbol: str, amount: str | int | Fraction, sector: str = "tech", cluster: str = "") -> Exposure:
    """Dollars in one symbol; by default each symbol is its own cluster."""
    return Exposure(symbol=symbol, sector=sector, cluster=cluster or symbol, amount=Fraction(amount))


def limits(**changes: str) -> AllocationLimits:
    """$100,000 with every cap out of the way."""
    values = {
        "equity": "100000",
        "name_cap": "1",
        "cluster_cap": "1",
        "sector_cap": "1",
        "gross_cap": "1",
        "deployable": "100000",
        **changes,
    }
    return AllocationLimits(**{name: Decimal(value) for name, value in values.items()})
