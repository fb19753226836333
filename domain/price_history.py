"""Bars as they were known at an instant, laid out on the sessions of one market and adjusted for what was paid."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from domain.bar_series import KnownBar
from domain.kernels import Floats
from domain.market import CorporateAction
from domain.price_panel import from_bars, total_return_closes


@dataclass(frozen=True)
class PriceHistory:
    """Closes with splits and dividends, in shares of the last session; (T,) by symbol, NaN where there is no bar."""

    sessions: tuple[date, ...]
    closes: Mapping[str, Floats]

    def dated(self, symbol: str) -> dict[date, float]:
        """A symbol's closes by session; empty where it has none."""
        values = self.closes[symbol].tolist() if symbol in self.closes else []
        return {day: close for day, close in zip(self.sessions, values, strict=False) if close == close}

    def log_returns(self, symbol: str) -> Floats:
        """From each session to the next, (T,): NaN in the first one, and where either close is missing."""
        logs = np.log(self.closes[symbol]) if symbol in self.closes else np.full(len(self.sessions), np.nan)
        return np.concatenate([[np.nan], np.diff(logs)])


def price_history(
    bars: Mapping[str, Sequence[KnownBar]],
    actions: Sequence[CorporateAction],
    *,
    as_of: datetime,
    sessions: Sequence[date] | None = None,
) -> PriceHistory:
    """Lay out what was known at an instant: later bars and actions have no effect.

    Args:
        sessions: what counts as one, ascending; bars of other days are left out. None: every day with a bar.

    Raises:
        InvalidInput: a price too large to be exact, or a dividend that is not below the price before it.
    """
    known = [each.bar for series in bars.values() for each in series if each.available_at <= as_of]
    days = sorted({bar.session for bar in known}) if sessions is None else list(sessions)
    on = set(days)
    usable = [bar for bar in known if bar.session in on]
    if not usable:
        return PriceHistory(sessions=tuple(days), closes={})
    panel = from_bars(usable, _on_sessions(actions, days), days)
    closes = total_return_closes(panel, len(days) - 1)
    return PriceHistory(
        sessions=panel.sessions,
        closes={symbol: np.ascontiguousarray(closes[:, at]) for at, symbol in enumerate(panel.symbols)},
    )


def _on_sessions(actions: Sequence[CorporateAction], days: Sequence[date]) -> list[CorporateAction]:
    """Let an action of a day without a session take effect in the next one; one behind the last session not at all."""
    found = []
    for action in actions:
        at = bisect_left(days, action.ex_date)
        if at < len(days) and action.ex_date >= days[0]:
            found.append(action.model_copy(update={"ex_date": days[at]}))
    return found
