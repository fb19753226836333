"""All decisions of a backtest foreseen: what would be done about each company at each pass, if it were not held.

    evidence, bars, economy -> scores (K, N) -> codes (K, N): none, watch, buy, or unsure

Codes are made from scores that differ from the exact ones by less than 1e-12. Wherever a comparison that decides lies
within 1e-9 of its limit, and for companies whose inputs do not lend themselves to arrays, the code is unsure, and the
exact functions are asked (`domain.simulated_pass`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.backtest_data import BacktestData
from domain.bar_series import BarSeries
from domain.config import SignalConfig, TradingConfig
from domain.kernels import Floats, composite_score, confirmed_score, conviction_of, market_confirmation
from domain.panel_economy import macro_panel
from domain.panel_evidence import EvidencePanel, lay_out
from domain.panel_gates import NEAR, Candidates, Judged, judge
from domain.panel_market import KnownBars, known_bars, market_panel
from domain.panel_passes import ClockFace, Flags, Passes, is_even, micros_of
from domain.panel_rivals import Rivals
from domain.panel_scores import Workspace, company_details, company_scores
from domain.panel_voices import Tables
from domain.signals import layer_weights

Codes = NDArray[np.int8]

NONE, WATCH, BUY, UNSURE = 0, 1, 2, 9


@dataclass(frozen=True, eq=False)
class Panel:
    names: tuple[str, ...]
    """(N,) companies, in alphabetical order."""
    universe: Flags
    """(K, N) whether it is assessed although it is not held."""
    scores: Floats
    """(K, N) S*; NaN where the arrays do not know it."""
    stays: Codes
    """(K, N) whether a position is kept by its score: 0, 1 or unsure."""
    base: Codes
    """(K, N) codes before entry gates: candidates are unsure."""
    candidates: Candidates
    _last: list[tuple[TradingConfig, Judged]] = field(default_factory=list)
    """How the last configuration judged them."""

    def codes(self, config: TradingConfig) -> Codes:
        """What would be done about a company that is neither held nor cooling down, (K, N).

        The configuration's gates judge the candidates; its signals must be those of the panel.
        """
        judged = self._judged(config)
        codes = self.base.copy()
        codes[self.candidates.at, self.candidates.company] = np.where(
            judged.open, BUY, np.where(judged.shut & self._watched(config), WATCH, UNSURE)
        )
        return codes

    def weights(self, config: TradingConfig) -> dict[tuple[int, int], float]:
        """By pass and company the share of equity that a candidate may have at the most."""
        places = zip(self.candidates.at.tolist(), self.candidates.company.tolist(), strict=True)
        return dict(zip(places, self._judged(config).weight.tolist(), strict=True))

    def _judged(self, config: TradingConfig) -> Judged:
        if not self._last or self._last[0][0] is not config:
            self._last[:] = [(config, judge(self.candidates, config))]
        return self._last[0][1]

    def _watched(self, config: TradingConfig) -> Flags:
        return self.candidates.score > config.recommendation.watch_score + NEAR


@dataclass(frozen=True, eq=False)
class Company:
    """What one company is scored from."""

    symbol: str
    evidence: EvidencePanel
    bars: KnownBars
    macro: Floats | None
    competitive: Floats | None
    plain: bool
    """Whether arrays can tell its score at all."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything that passes read, as arrays: the same for all configurations with the same signals."""

    passes: Passes
    companies: tuple[Company, ...]
    universe: Flags
    """(K, N)"""
    sessions: int
    """Bars that a decision may see."""

    def panel(self, config: TradingConfig) -> Panel:
        """Score all companies at all passes."""
        count = len(self.passes)
        scores = np.full((len(self.companies), count), np.nan)
        found, space = [_NOBODY], Workspace()
        for number, one in enumerate(self.companies):
            if one.plain:
                found.append(_score(number, one, scores[number], self.sessions, config, space))
        rows = [np.concatenate(column) for column in zip(*found, strict=True)]
        scores = np.ascontiguousarray(scores.T)
        rules = config.recommendation
        return Panel(
            names=tuple(one.symbol for one in self.companies),
            universe=self.universe,
            scores=scores,
            stays=_compared(scores, rules.exit_score),
            base=_base_codes(scores, rules.watch_score, rules.buy_score),
            candidates=Candidates(rows[0].astype(np.int64), rows[1].astype(np.int64), *rows[2:]),
        )


def lay_out_all(
    data: BacktestData, as_of: Iterable[datetime], config: SignalConfig, *, sessions: int, held: Iterable[str] = ()
) -> Layout | None:
    """Lay out what all instants read; None where the calendar does not lend itself to it.

    Args:
        sessions: bars that a decision may see.
        held: companies that must have a column, whatever is known of them.
    """
    instants = list(as_of)
    if not instants or not is_even(instants, data.session_dates, config):
        return None
    face = ClockFace(data.session_dates, config)
    passes = Passes.of(instants, face)
    macro, tables = macro_panel(data, passes, config), Tables.of(config)
    rivals = Rivals(data, passes, face, config, tables)
    companies = []
    for symbol in sorted({*data.evidence, *data.exposures, *data.links, *data.bars, *held}):
        items = data.evidence.get(symbol, ())
        series = data.bars.get(symbol) or BarSeries(symbol, (), ())
        linked = config.competitive_enabled and bool(data.links.get(symbol))
        competitive = rivals.score(symbol) if linked else None
        evidence = lay_out(symbol, items, data.taken_back, passes, face, config, tables)
        companies.append(
            Company(
                symbol=symbol,
                evidence=evidence,
                bars=known_bars(series, passes),
                macro=macro.get(symbol),
                competitive=competitive,
                plain=series.in_order and evidence.plain and not (linked and competitive is None),
            )
        )
    return Layout(passes, tuple(companies), _universe(data, companies, passes, config), sessions)


_Columns = tuple[Floats, ...]
_NOBODY: _Columns = (np.zeros(0),) * 9


def _score(
    number: int, company: Company, score: Floats, sessions: int, config: TradingConfig, space: Workspace
) -> _Columns:
    """Score one company in place; returns the columns of its candidates."""
    signals, passes = config.signals, len(score)
    market = market_panel(company.bars, sessions, signals.confirmation)
    nothing = np.zeros(passes)
    composite = composite_score(
        company_scores(company.evidence, passes, signals, space),
        nothing if company.macro is None else company.macro,
        nothing if company.competitive is None else company.competitive,
        layer_weights(signals),
    )
    agreement = market_confirmation(
        composite, market.trend, market.momentum, market.deviation, market.volume_z, signals.confirmation
    )
    score[:] = confirmed_score(composite, agreement, market.deviation, market.burst, signals.confirmation)
    score[market.doubtful] = np.nan
    at = np.flatnonzero(score > config.recommendation.buy_score - NEAR)
    if not len(at):
        return _NOBODY
    details = company_details(company.evidence, at, signals)
    return (
        at.astype(np.float64),
        np.full(len(at), float(number)),
        score[at],
        details.contradiction,
        conviction_of(score[at], details.contradiction, signals.contradiction_discount),
        details.horizon,
        market.deviation[at],
        market.dollar_volume[at],
        market.last_close[at],
    )


def _universe(data: BacktestData, companies: Sequence[Company], passes: Passes, config: SignalConfig) -> Flags:
    """Who is assessed at each pass although not held, (K, N): `BacktestData.universe`."""
    told = {one.symbol: one.evidence.told for one in companies}
    found = {symbol: own.copy() for symbol, own in told.items()}
    if config.macro_enabled:
        for symbol, versions in data.exposures.items():
            if versions:
                (first,) = passes.since(micros_of([versions[0][0]])).tolist()
                found[symbol][first:] = True
    if config.competitive_enabled:
        for symbol, rivals in data.links.items():
            for rival, history in rivals.items():
                if rival in told:
                    linked = np.zeros(len(passes), dtype=np.bool_)
                    begins = passes.since(micros_of([since for since, _ in history])).tolist()
                    for begin, (_, strength) in zip(begins, history, strict=True):
                        linked[begin:] = strength is not None
                    found[symbol] |= linked & told[rival]
    return np.array(list(found.values()), dtype=np.bool_).reshape(len(found), len(passes)).T.copy()


def _compared(scores: Floats, limit: float) -> Codes:
    codes = (scores > limit).astype(np.int8)
    codes[~(np.abs(scores - limit) > NEAR)] = UNSURE
    return codes


def _base_codes(scores: Floats, watch: float, buy: float) -> Codes:
    size = np.abs(scores)
    codes = np.where(size > watch, WATCH, NONE).astype(np.int8)
    codes[~(np.abs(size - watch) > NEAR) | ~(scores < buy - NEAR)] = UNSURE
    return codes
