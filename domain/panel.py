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
from functools import cached_property

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
from domain.panel_passes import ClockFace, Flags, Ints, Passes, is_even, micros_of
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
class Scored:
    """All companies at all passes, (N, K); NaN or 0 where the arrays do not know it."""

    scores: Floats
    deviation: Floats
    dollar_volume: Floats
    last_close: Floats


@dataclass(frozen=True, eq=False)
class Layout:
    """Everything that passes read, as arrays: the same for all configurations with the same signals."""

    passes: Passes
    companies: tuple[Company, ...]
    universe: Flags
    """(K, N)"""
    sessions: int
    """Bars that a decision may see."""
    signals: SignalConfig

    @cached_property
    def scored(self) -> Scored:
        """Scores of all companies at all passes, which configurations share that differ in other things alone."""
        shape = len(self.companies), len(self.passes)
        found = Scored(np.full(shape, np.nan), *(np.zeros(shape) for _ in range(3)))
        space = Workspace()
        for number, one in enumerate(self.companies):
            if one.plain:
                _score(number, one, found, self.sessions, self.signals, space)
        return found

    def panel(self, config: TradingConfig) -> Panel:
        """What a configuration with these signals makes of the scores."""
        rules, scored = config.recommendation, self.scored
        found = [_NOBODY]
        for number, one in enumerate(self.companies):
            at = np.flatnonzero(scored.scores[number] > rules.buy_score - NEAR)
            if len(at):
                found.append(_candidates(number, one, at, scored, self.signals))
        rows = [np.concatenate(column) for column in zip(*found, strict=True)]
        scores = np.ascontiguousarray(scored.scores.T)
        return Panel(
            names=tuple(one.symbol for one in self.companies),
            universe=self.universe,
            scores=scores,
            stays=_compared(scores, rules.exit_score),
            base=_base_codes(scores, rules.watch_score, rules.buy_score),
            candidates=Candidates(rows[0].astype(np.int64), rows[1].astype(np.int64), *rows[2:]),
        )


class Layouts:
    """Lays out a backtest's data, and keeps the last layout for the next trial that reads the same."""

    def __init__(self, data: BacktestData) -> None:
        self._data = data
        self._last: tuple[tuple[object, ...], Layout | None] | None = None

    def of(
        self, as_of: Sequence[datetime], config: SignalConfig, *, sessions: int, held: Iterable[str]
    ) -> Layout | None:
        """See `lay_out_all`."""
        others = frozenset(held).difference(*_named(self._data))
        key = tuple(as_of), config, sessions, others
        if self._last is None or self._last[0] != key:
            self._last = None  # two of them need not be there at once
            self._last = key, lay_out_all(self._data, as_of, config, sessions=sessions, held=others)
        return self._last[1]


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
    for symbol in sorted(set(held).union(*_named(data))):
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
    return Layout(passes, tuple(companies), _universe(data, companies, passes, config), sessions, config)


def _named(data: BacktestData) -> tuple[Iterable[str], ...]:
    """Companies of which the data know anything."""
    return data.evidence, data.exposures, data.links, data.bars


_Columns = tuple[Floats, ...]
_NOBODY: _Columns = (np.zeros(0),) * 9


def _score(number: int, company: Company, found: Scored, sessions: int, config: SignalConfig, space: Workspace) -> None:
    """Score one company in its row."""
    score = found.scores[number]
    market = market_panel(company.bars, sessions, config.confirmation)
    nothing = np.zeros(len(score))
    composite = composite_score(
        company_scores(company.evidence, len(score), config, space),
        nothing if company.macro is None else company.macro,
        nothing if company.competitive is None else company.competitive,
        layer_weights(config),
    )
    agreement = market_confirmation(
        composite, market.trend, market.momentum, market.deviation, market.volume_z, config.confirmation
    )
    score[:] = confirmed_score(composite, agreement, market.deviation, market.burst, config.confirmation)
    score[market.doubtful] = np.nan
    found.deviation[number] = market.deviation
    found.dollar_volume[number] = market.dollar_volume
    found.last_close[number] = market.last_close


def _candidates(number: int, company: Company, at: Ints, scored: Scored, config: SignalConfig) -> _Columns:
    """The columns of one company's candidates, which are at these passes."""
    details = company_details(company.evidence, at, config)
    score = scored.scores[number, at]
    return (
        at.astype(np.float64),
        np.full(len(at), float(number)),
        score,
        details.contradiction,
        conviction_of(score, details.contradiction, config.contradiction_discount),
        details.horizon,
        scored.deviation[number, at],
        scored.dollar_volume[number, at],
        scored.last_close[number, at],
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
