"""Which symbols share a cap: those of a sector, and those that move together, as of an instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from domain.clusters import Floats, clusters
from domain.rules_config import ClusterRules


class Closes(Protocol):
    """Closes of one symbol, oldest first, each with its session."""

    @property
    def sessions(self) -> Sequence[str]: ...

    @property
    def closes(self) -> Sequence[float] | Floats: ...


def sessions_read(rules: ClusterRules) -> int:
    """Bars that groups are made from: one more than the returns that clusters read."""
    return rules.window + 1


def groups(
    symbols: Sequence[str], windows: Mapping[str, Closes], sectors: Mapping[str, str], rules: ClusterRules
) -> dict[str, tuple[str, str]]:
    """Sector and cluster of each symbol. Without a sector, and without bars, a symbol has one of its own.

    Args:
        windows: by symbol the last `sessions_read` bars that were known, split-adjusted; other symbols are not read.
    """
    known = [symbol for symbol in sorted(set(symbols)) if symbol in windows]
    found = clusters(_returns(known, windows, rules), known, sectors, rules) if known else {}
    return {symbol: (sectors.get(symbol) or symbol, found.get(symbol, symbol)) for symbol in symbols}


def _returns(symbols: Sequence[str], windows: Mapping[str, Closes], rules: ClusterRules) -> Floats:
    """Daily log returns (T, N) over the sessions that any symbol has; NaN where a close is missing at either end."""
    first = windows[symbols[0]].sessions
    if len(first) <= sessions_read(rules) and all(windows[symbol].sessions == first for symbol in symbols):
        table = np.ascontiguousarray(np.array([windows[symbol].closes for symbol in symbols], dtype=np.float64).T)
        return np.diff(np.log(table), axis=0)
    days = sorted({day for symbol in symbols for day in windows[symbol].sessions})[-sessions_read(rules) :]
    place = {day: at for at, day in enumerate(days)}
    closes = np.full((len(days), len(symbols)), np.nan)
    for column, symbol in enumerate(symbols):
        window = windows[symbol]
        for day, close in zip(window.sessions, window.closes, strict=True):
            if day in place:
                closes[place[day], column] = close
    return np.diff(np.log(closes), axis=0)
