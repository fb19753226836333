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
from typing import NamedTuple, TypeVar

import numpy as np

from domain.adjustment import Split, adjusted_close, adjusted_volume, split_factor
from domain.comovement import CoMovement
from domain.config import SignalConfig
from domain.decisions import EvidenceItem, MarketWindow
from domain.documents import NEW_YORK
from domain.entries import EarningsCalendar, KnownReport
from domain.errors import InvalidInput
from domain.evidence_columns import Floats, Ints, RecordedEvidence, micros_since_1970
from domain.layer_terms import OtherLayers, competitive_terms, macro_terms
from domain.macro_items import MacroItem
from domain.market import Bar, CorporateAction, Session
from domain.model import assembled
from domain.portfolio import as_decimal
from domain.registry import Exposures
from domain.rules_config import StopRules
from domain.stops import average_true_range

DAYS_BEFORE = 130
"""Enough calendar days before an instant to count trading days of any age or holding that matters."""
DAYS_AFTER = 7
"""Beyond it, so that a holiday is known to be one."""

Known = TypeVar("Known", EvidenceItem, MacroItem)
Value = TypeVar("Value")
History = Sequence[tuple[datetime, Value]]
"""Values, oldest first, each with the instant from which it was known and held."""


@dataclass(frozen=True)
class KnownBar:
    """A raw bar, and the instant from which it was known."""

    bar: Bar
    available_at: datetime


class BarColumns(NamedTuple):
    """(B,) raw bars of one symbol, oldest first."""

    micros: Ints
    """When each was known, since 1970."""
    closes: Floats
    volumes: Floats


class RecentBars(NamedTuple):
    """Finished bars, oldest first, in the shares of one day."""

    sessions: Sequence[str]
    closes: Sequence[float]
    volumes: Sequence[float]


class BarSeries:
    """One symbol's bars, oldest first, seen as of an instant in that day's shares."""

    def __init__(self, symbol: str, bars: Sequence[KnownBar], splits: Sequence[Split]) -> None:
        self.symbol = symbol
        self._bars = sorted(bars, key=lambda known: known.bar.session)
        self._known = [known.available_at for known in self._bars]
        self._columns = BarColumns(
            micros=np.array([micros_since_1970(at) for at in self._known], dtype=np.int64),
            closes=np.array([float(known.bar.close) for known in self._bars], dtype=np.float64),
            volumes=np.array([known.bar.volume for known in self._bars], dtype=np.float64),
        )
        self._in_order = bool((np.diff(self._columns.micros) >= 0).all())
        self._splits = sorted(splits)
        self._epoch = -1
        self._sessions: list[str] = [known.bar.session.isoformat() for known in self._bars]
        self._closes, self._volumes = self._columns.closes, self._columns.volumes
        self._ranges = np.zeros((2, 0))
        """High and low of each bar as it was, NaN where they have not been asked for."""
        self._on = {known.bar.session: known.bar for known in self._bars}

    def on(self, session: date) -> Bar | None:
        """The raw bar of a session."""
        return self._on.get(session)

    @property
    def bars(self) -> Sequence[KnownBar]:
        return self._bars

    @property
    def columns(self) -> BarColumns:
        return self._columns

    @property
    def splits(self) -> Sequence[Split]:
        return self._splits

    @property
    def in_order(self) -> bool:
        """Whether bars became known in the order of their sessions."""
        return self._in_order

    def window(self, as_of: datetime, sessions: int) -> MarketWindow | None:
        """The last bars that were finished at an instant, split-adjusted as of its day in New York."""
        found = self.recent(as_of, sessions)
        if not found.closes:
            return None
        return assembled(
            MarketWindow,
            {
                "symbol": self.symbol,
                "sessions": tuple(found.sessions),
                "closes": tuple(found.closes),
                "volumes": tuple(found.volumes),
            },
        )

    def recent(self, as_of: datetime, sessions: int) -> RecentBars:
        """What `window` shows, as lists; empty where it shows nothing."""
        self._adjust(as_of)
        if self._in_order:
            end = bisect_right(self._known, as_of)
            seen = slice(max(0, end - sessions), end)
            return RecentBars(self._sessions[seen], self._closes[seen].tolist(), self._volumes[seen].tolist())
        rows = [at for at, known in enumerate(self._known) if known <= as_of][-sessions:]
        return RecentBars(
            [self._sessions[at] for at in rows], self._closes[rows].tolist(), self._volumes[rows].tolist()
        )

    def last_close(self, as_of: datetime) -> float | None:
        """The last of the closes that `window` shows; None where it shows none."""
        if not self._in_order:
            closes = self.recent(as_of, 1).closes
            return closes[-1] if closes else None
        self._adjust(as_of)
        end = bisect_right(self._known, as_of)
        return float(self._closes[end - 1]) if end else None

    def average_true_range(self, as_of: datetime, rules: StopRules, sessions: int) -> float | None:
        """The average true range at the last close known, in dollars a share of that day; None where it has none."""
        if self._in_order:
            end = bisect_right(self._known, as_of)
            seen: Sequence[int] = range(max(0, end - sessions), end)
        else:
            seen = [at for at, known in enumerate(self._known) if known <= as_of][-sessions:]
        if len(seen) <= rules.atr_sessions:
            return None
        if self._splits:
            today, bars = as_of.astimezone(NEW_YORK).date(), [self._bars[at].bar for at in seen]
            factors = [split_factor(bar.session, self._splits, today) for bar in bars]
            raw = zip(*((bar.high, bar.low, bar.close) for bar in bars), strict=True)
            highs, lows, closes = (np.array(list(map(adjusted_close, prices, factors))) for prices in raw)
        else:  # dividing by 1 changes nothing
            where = slice(seen.start, seen.stop) if isinstance(seen, range) else list(seen)
            (highs, lows), closes = self._extremes(where), self._columns.closes[where]
        found = float(average_true_range(highs, lows, closes, rules)[-1])
        return found if found > 0.0 else None

    def _extremes(self, where: slice | list[int]) -> Floats:
        """Highs and lows of some bars, (2, B); they become numbers when they are first asked for."""
        if not self._ranges.size:
            self._ranges = np.full((2, len(self._bars)), np.nan)
        missing = np.arange(len(self._bars))[where][np.isnan(self._ranges[0, where])]
        if len(missing):
            bars = [self._bars[at].bar for at in missing.tolist()]
            self._ranges[0, missing] = [float(bar.high) for bar in bars]
            self._ranges[1, missing] = [float(bar.low) for bar in bars]
        found: Floats = self._ranges[:, where]
        return found

    def _adjust(self, as_of: datetime) -> None:
        """Express all bars in the day's shares; done anew only where a split has taken effect since the last time."""
        if not self._splits:
            return
        today = as_of.astimezone(NEW_YORK).date()
        epoch = bisect_right(self._splits, today, key=lambda split: split[0])
        if epoch == self._epoch:
            return
        self._epoch = epoch
        if not epoch:  # dividing by 1 changes nothing
            self._closes, self._volumes = self._columns.closes, self._columns.volumes
            return
        factors = [split_factor(known.bar.session, self._splits, today) for known in self._bars]
        pairs = list(zip(self._bars, factors, strict=True))
        self._closes = np.array([adjusted_close(known.bar.close, factor) for known, factor in pairs])
        self._volumes = np.array([adjusted_volume(known.bar.volume, factor) for known, factor in pairs])


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
        return self.bar_on(symbol, day) is not None

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


def series_of(bars: Sequence[KnownBar], actions: Sequence[CorporateAction]) -> dict[str, BarSeries]:
    """Gather bars and splits into series by symbol."""
    by_symbol: dict[str, list[KnownBar]] = {}
    for known in bars:
        by_symbol.setdefault(known.bar.symbol, []).append(known)
    splits: dict[str, list[Split]] = {}
    for action in actions:
        if action.split_ratio != Decimal(1):
            splits.setdefault(action.symbol, []).append((action.ex_date, action.split_ratio))
    return {symbol: BarSeries(symbol, found, splits.get(symbol, [])) for symbol, found in sorted(by_symbol.items())}
