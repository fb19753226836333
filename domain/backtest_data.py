"""What a backtest reads: everything that the book came to know, cut at an instant as production would have seen it.

Every fact carries the instant from which it was known, and the cuts read nothing later. One thing has no history and is
that of today: which companies are followed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeVar

import numpy as np

from domain.bar_series import BarSeries
from domain.comovement import CoMovement
from domain.config import SignalConfig
from domain.decisions import EvidenceItem, MarketWindow
from domain.entries import EarningsCalendar, KnownReport
from domain.errors import InvalidInput
from domain.evidence_columns import RecordedEvidence
from domain.layer_terms import OtherLayers, competitive_terms, macro_terms
from domain.macro_items import MacroItem
from domain.market import Bar, CorporateAction, Session
from domain.portfolio import as_decimal
from domain.registry import Exposures

DAYS_BEFORE = 130
"""Enough calendar days before an instant to count trading days of any age or holding that matters."""
DAYS_AFTER = 7
"""Beyond it, so that a holiday is known to be one."""

Known = TypeVar("Known", EvidenceItem, MacroItem)
Value = TypeVar("Value")
History = Sequence[tuple[datetime, Value]]
"""Values, oldest first, each with the instant from which it was known and held."""


@dataclass(frozen=True)
class BacktestData:
    """Everything known, whenever that was; see the cuts."""

    sessions: tuple[Session, ...]
    """Of the period, oldest first."""
    session_dates: tuple[date, ...]
    """Of the exchange, from long before the period to some days after."""
    evidence: Mapping[str, Sequence[EvidenceItem]]
    """By symbol, by (available_at, evidence_id)."""
    bars: Mapping[str, BarSeries]
    actions: Mapping[date, Sequence[CorporateAction]]
    """By ex-date, by symbol."""
    taken_back: Mapping[str, datetime] = field(default_factory=dict)
    """By document, when a correction or a retraction of it was known."""
    economy: Sequence[MacroItem] = ()
    """By (available_at, id)."""
    exposures: Mapping[str, History[Exposures]] = field(default_factory=dict)
    """By followed company its profiles."""
    links: Mapping[str, Mapping[str, History[float | None]]] = field(default_factory=dict)
    """By followed company, by followed competitor: strengths from when a person confirmed them; None: taken back."""
    comovements: Mapping[str, Mapping[str, History[CoMovement]]] = field(default_factory=dict)
    """By company, by competitor."""
    sectors: Mapping[str, str] = field(default_factory=dict)
    """By symbol, as they are today."""
    members: Mapping[str, Sequence[tuple[date, date | None]]] = field(default_factory=dict)
    """By symbol the days on which it was in the universe; a symbol that is not named always was."""
    reports: Mapping[str, Sequence[KnownReport]] = field(default_factory=dict)
    """Earnings reports by symbol, scheduled and made, also those of long before the look-back of evidence."""

    def __post_init__(self) -> None:
        for symbol, items in self.evidence.items():
            if not _is_ascending(items):
                raise InvalidInput("EVIDENCE_NOT_ASCENDING", "Pass it by available_at", symbol=symbol)

    def session_dates_at(self, as_of: datetime) -> list[date]:
        """Sessions of the exchange around an instant, as far as production looks."""
        day = as_of.date()
        start = bisect_left(self.session_dates, (as_of - timedelta(days=DAYS_BEFORE)).date())
        end = bisect_right(self.session_dates, day + timedelta(days=DAYS_AFTER))
        return list(self.session_dates[start:end])

    def told(self, as_of: datetime, config: SignalConfig) -> list[str]:
        """Companies that documents of the look-back spoke of."""
        oldest = as_of - timedelta(days=config.lookback_days)
        return [symbol for symbol, items in self.evidence.items() if _is_told(items, oldest, as_of)]

    def evidence_at(self, symbol: str, as_of: datetime, config: SignalConfig) -> list[EvidenceItem]:
        """What was known of a company: nothing later, nothing older than the look-back, nothing taken back by then."""
        items = _cut(self.evidence.get(symbol, ()), as_of - timedelta(days=config.lookback_days), as_of)
        return [item for item in items if not self._is_taken_back(item.doc_id, as_of)]

    def economy_at(self, as_of: datetime, config: SignalConfig) -> list[MacroItem]:
        """What was known of the economy, cut as evidence is."""
        oldest = as_of - timedelta(days=config.lookback_days)
        return [item for item in _cut(self.economy, oldest, as_of) if not self._is_taken_back(item.doc_id, as_of)]

    def universe(self, as_of: datetime, config: SignalConfig, held: Sequence[str]) -> list[str]:
        """Every company of which anything was known, as production assesses them."""
        told = set(self.told(as_of, config))
        found = {*told, *held}
        if config.macro_enabled:
            found |= {symbol for symbol, versions in self.exposures.items() if versions and versions[0][0] <= as_of}
        if config.competitive_enabled:
            found |= {symbol for symbol in self.links if told & self.links_at(symbol, as_of).keys()}
        return sorted(found)

    def others_at(
        self, evidence: Mapping[str, Sequence[EvidenceItem]], as_of: datetime, config: SignalConfig
    ) -> dict[str, OtherLayers]:
        """The macro and the competitive layer of the symbols whose own evidence is given."""
        profiles = {
            symbol: profile for symbol in evidence if (profile := self._exposures_at(symbol, as_of)) is not None
        }
        by_economy, by_rivals = {}, {}
        if config.macro_enabled and profiles:
            items = self.economy_at(as_of, config)
            by_economy = macro_terms(items, profiles, as_of=as_of, session_dates=self.session_dates, config=config)
        links = {symbol: found for symbol in evidence if (found := self.links_at(symbol, as_of))}
        if config.competitive_enabled and links:
            rivals = {rival for found in links.values() for rival in found} - evidence.keys()
            everybody = {**{rival: self.evidence_at(rival, as_of, config) for rival in rivals}, **evidence}
            by_rivals = competitive_terms(
                links,
                everybody,
                as_of=as_of,
                session_dates=self.session_dates,
                config=config,
                comovements={symbol: self.comovements_at(symbol, as_of) for symbol in links},
            )
        return {
            symbol: OtherLayers.of([*by_economy.get(symbol, ()), *by_rivals.get(symbol, ())]) for symbol in evidence
        }

    def links_at(self, symbol: str, as_of: datetime) -> dict[str, float]:
        """Strength by competitor of the links that were in force."""
        known = {rival: _last(history, as_of) for rival, history in self.links.get(symbol, {}).items()}
        return {rival: strength for rival, strength in known.items() if strength is not None}

    def comovements_at(self, symbol: str, as_of: datetime) -> dict[str, CoMovement]:
        """How it moves at its competitors' events, where that had been measured."""
        known = {rival: _last(history, as_of) for rival, history in self.comovements.get(symbol, {}).items()}
        return {rival: measured for rival, measured in known.items() if measured is not None}

    def windows_at(self, symbols: Sequence[str], as_of: datetime, sessions: int) -> dict[str, MarketWindow]:
        found = {}
        for symbol in symbols:
            series = self.bars.get(symbol)
            window = series.window(as_of, sessions) if series is not None else None
            if window is not None:
                found[symbol] = window
        return found

    def last_close(self, symbol: str, as_of: datetime) -> Decimal | None:
        """The last close that was known, in that day's shares, to the micro-dollar as the book keeps prices."""
        series = self.bars.get(symbol)
        close = series.last_close(as_of) if series is not None else None
        return as_decimal(close) if close is not None else None

    def bar_on(self, symbol: str, day: date) -> Bar | None:
        """The raw bar of a session."""
        series = self.bars.get(symbol)
        return series.on(day) if series is not None else None

    def traded_on(self, symbol: str, day: date) -> bool:
        series = self.bars.get(symbol)
        return series is not None and series.has(day)

    def earnings_at(self, session: date, as_of: datetime) -> EarningsCalendar:
        """The reports that were known, for entries planned at an instant for a session's open."""
        return EarningsCalendar(
            self.reports, session=session, session_dates=self.session_dates, at_open=True, as_of=as_of
        )

    def is_member(self, symbol: str, day: date) -> bool:
        spans = self.members.get(symbol)
        return spans is None or any(first <= day and (last is None or day <= last) for first, last in spans)

    def _is_taken_back(self, doc_id: str, as_of: datetime) -> bool:
        since = self.taken_back.get(doc_id)
        return since is not None and since <= as_of

    def _exposures_at(self, symbol: str, as_of: datetime) -> Exposures | None:
        return _last(self.exposures.get(symbol, ()), as_of)


def _last(history: History[Value], as_of: datetime) -> Value | None:
    """The value that held at an instant; None before the first."""
    at = bisect_right(history, as_of, key=lambda known: known[0])
    return history[at - 1][1] if at else None


def _is_ascending(items: Sequence[EvidenceItem]) -> bool:
    if isinstance(items, RecordedEvidence):
        return bool((np.diff(items.columns.micros) >= 0).all())
    return all(earlier.available_at <= later.available_at for earlier, later in pairwise(items))


def _is_told(items: Sequence[EvidenceItem], oldest: datetime, as_of: datetime) -> bool:
    if isinstance(items, RecordedEvidence):
        return bool(items.places(oldest, as_of))
    return bool(_cut(items, oldest, as_of))


def _cut(items: Sequence[Known], oldest: datetime, as_of: datetime) -> Sequence[Known]:
    """What became available after `oldest` and not after `as_of`."""
    if isinstance(items, RecordedEvidence):
        return items.between(oldest, as_of)
    start = bisect_right(items, oldest, key=lambda item: item.available_at)
    end = bisect_right(items, as_of, key=lambda item: item.available_at)
    return items[start:end]
