"""Assessments of a backtest, made together where more of them are likely to be asked for at the passes to come.

What is thought of a company does not depend on the account. A pass asks for one or two companies, and arrays of one
cost nearly as much as arrays of fifty; what was made and is never asked for costs what it costs, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice

from domain.backtest_data import BacktestData
from domain.config import SignalConfig, TradingConfig
from domain.decision_pass import PassInputs, read_all
from domain.decisions import Assessment
from domain.signals import Cut, SymbolInputs, assess_cuts

MARKET_SESSIONS = 61
"""Bars that a decision may see: sixty daily returns."""

FEW = 16
"""Of fewer than so many that are missing, arrays are not worth their while."""
TOGETHER = 64
"""As many are made at once then, where so many are likely to be asked for."""

Place = tuple[datetime, str]
"""The instant of a pass, and a company."""
Likely = Callable[[], Iterable[Place]]


def nothing() -> Iterable[Place]:
    return ()


@dataclass(frozen=True)
class _Made:
    inputs: SymbolInputs
    session_dates: tuple[date, ...]
    assessment: Assessment


class Assessor:
    """Assesses companies at passes; the same as `decide_all` does, whatever else was made with it."""

    def __init__(self, data: BacktestData) -> None:
        self._data = data
        self._made: dict[Place, _Made] = {}
        self._signals: SignalConfig | None = None
        """With which that was."""

    def assess(
        self, symbols: Sequence[str], as_of: datetime, config: TradingConfig, likely: Likely = nothing
    ) -> tuple[Cut, tuple[Assessment, ...]]:
        """What symbols are assessed from at an instant, and what is thought of them, in their order.

        Args:
            likely: what will probably be asked for at this pass and those after it; asked where some are missing.
        """
        if self._signals is not config.signals:
            self._made, self._signals = {}, config.signals
        missing = {(as_of, symbol) for symbol in symbols}.difference(self._made)
        if missing:
            self._made = {place: made for place, made in self._made.items() if place[0] >= as_of}
            ahead = likely() if len(missing) < FEW else ()
            more = (place for place in ahead if place not in self._made and place not in missing)
            self._made |= self._make([*sorted(missing), *islice(more, max(0, TOGETHER - len(missing)))], config)
        found = [self._made[as_of, symbol] for symbol in symbols]
        read = Cut(as_of, tuple(one.inputs for one in found), found[0].session_dates if found else ())
        return read, tuple(one.assessment for one in found)

    def _make(self, places: Iterable[Place], config: TradingConfig) -> dict[Place, _Made]:
        passes: dict[datetime, dict[str, None]] = {}
        for as_of, symbol in places:
            passes.setdefault(as_of, {})[symbol] = None
        cuts = [self._read(list(symbols), as_of, config) for as_of, symbols in passes.items()]
        assessed = assess_cuts(cuts, config=config)
        return {
            (read.as_of, one.symbol): _Made(one, read.session_dates, assessment)
            for read, assessments in zip(cuts, assessed, strict=True)
            for one, assessment in zip(read.inputs, assessments, strict=True)
        }

    def _read(self, symbols: Sequence[str], as_of: datetime, config: TradingConfig) -> Cut:
        evidence = {symbol: self._data.evidence_at(symbol, as_of, config.signals) for symbol in symbols}
        given = PassInputs(
            config=config,
            session_dates=self._data.session_dates_at(as_of),
            evidence=evidence,
            others=self._data.others_at(evidence, as_of, config.signals),
            windows=self._data.windows_at(symbols, as_of, MARKET_SESSIONS),
        )
        return read_all(symbols, as_of, given)
