"""The market around an order as bars show it at an instant: the same for a backtest and for the live book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from domain.bar_series import BarSeries
from domain.config import TradingConfig
from domain.decisions import Gate, Portfolio, SizedIntent
from domain.entries import EarningsCalendar
from domain.grouping import groups, sessions_read

ATR_SESSIONS = 250
"""Bars that an average true range is smoothed over: older ones weigh less than a millionth."""


class SeenMarket:
    """Fulfils `domain.sizing.Surroundings`."""

    def __init__(
        self,
        bars: Mapping[str, BarSeries],
        sectors: Mapping[str, str],
        *,
        as_of: datetime,
        config: TradingConfig,
        earnings: EarningsCalendar | None = None,
    ) -> None:
        self._bars, self._sectors, self._earnings = bars, sectors, earnings
        self._as_of, self._config = as_of, config
        self._known: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {}

    def average_range(self, symbol: str) -> float | None:
        stops, series = self._config.protection.stops, self._bars.get(symbol)
        if stops is None or series is None:
            return None
        return series.average_true_range(self._as_of, stops, ATR_SESSIONS)

    def groups(self, symbols: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        key = tuple(symbols)
        if key in self._known:
            return self._known[key]
        rules, windows = self._config.clusters, {}
        for symbol in symbols:
            series = self._bars.get(symbol)
            recent = series.recent(self._as_of, sessions_read(rules)) if series is not None else None
            if recent is not None and len(recent.closes):
                windows[symbol] = recent
        self._known[key] = groups(symbols, windows, self._sectors, rules)
        return self._known[key]

    def entry_gates(self, symbol: str) -> Sequence[Gate]:
        return self._earnings.gates(symbol, self._config.entries) if self._earnings is not None else ()


def everything(account: Portfolio, intents: Iterable[SizedIntent]) -> list[str]:
    """Symbols that an order is judged beside: held, being bought, and wanted now."""
    held = {holding.symbol for holding in account.holdings}
    return sorted(held | account.open_buys.keys() | {intent.symbol for intent in intents})
