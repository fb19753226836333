"""Control messages that bring market data: bars and corporate actions of the past, or for clients to look at."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from cli.paper_broker.actions import ExDateAction
from cli.paper_broker.amounts import micros
from cli.paper_broker.assets import Symbol, asset_for
from cli.paper_broker.exchange import NEW_YORK, ExchangeCalendar
from cli.paper_broker.ledger import Ledger
from cli.paper_broker.matching import Range
from cli.paper_broker.tape import Span, StoredBar, Tape, midnight, typical
from domain.market import Price
from domain.model import Model, Utc


class LoadedTimeframe(StrEnum):
    DAY = "1Day"
    MINUTE = "1Min"


class LoadedBar(Model):
    """One bar. A day's bar may carry any instant of its day; without an average price one is derived."""

    symbol: Symbol
    timeframe: LoadedTimeframe = LoadedTimeframe.DAY
    start: Utc
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Annotated[int, Field(ge=0)] = 0
    trades: Annotated[int, Field(ge=0)] = 0
    vwap: Annotated[Decimal, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high:
            raise ValueError(
                f"{self.symbol}: open {self.open} and close {self.close} must lie in {self.low}..{self.high}"
            )
        return self

    def stored(self, days: ExchangeCalendar) -> StoredBar:
        """The bar as the book keeps it: known when its session, or its minute, has ended."""
        bar = Range(micros(self.open), micros(self.high), micros(self.low), micros(self.close))
        start, known_at = self._bounds(days)
        return StoredBar(
            symbol=self.symbol,
            span=Span.DAY if self.timeframe is LoadedTimeframe.DAY else Span.MINUTE,
            start=start,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=self.volume,
            trades=self.trades,
            vwap=typical(bar) if self.vwap is None else micros(round(self.vwap, 6)),
            known_at=known_at,
        )

    def _bounds(self, days: ExchangeCalendar) -> tuple[datetime, datetime]:
        if self.timeframe is LoadedTimeframe.MINUTE:
            start = self.start.replace(second=0, microsecond=0)
            return start, start + timedelta(minutes=1)
        day = self.start.astimezone(NEW_YORK).date()
        sessions = days.between(day, day)
        return midnight(day), sessions[0].closes_at if sessions else midnight(day + timedelta(days=1))


class LoadedAction(ExDateAction):
    """A corporate action of some ex-date, for adjusting bars; it changes neither positions nor orders."""

    ex_date: date


class MarketDataMessage(Model):
    bars: tuple[LoadedBar, ...] = ()
    actions: tuple[LoadedAction, ...] = ()

    def keep(self, tape: Tape, ledger: Ledger, days: ExchangeCalendar) -> dict[str, int]:
        """Write everything; the same message again changes nothing."""
        symbols = {bar.symbol for bar in self.bars} | {action.symbol for action in self.actions}
        ledger.add_unknown_assets([asset_for(symbol) for symbol in sorted(symbols)])
        tape.put_bars([bar.stored(days) for bar in self.bars])
        for action in self.actions:
            action.keep(tape, action.ex_date, 0)
        return {"bars": len(self.bars), "actions": len(self.actions)}
