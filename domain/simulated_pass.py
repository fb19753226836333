"""The pass before a session's open: what is decided about every company of which anything is known.

Most of it is foreseen for all sessions at once (`domain.panel`). Who acts otherwise than before, may trade, or is too
near a limit to say is decided by the functions that decide live; of everybody else it is certain that nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from domain import panel
from domain.backtest import Noted
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.decision_pass import conclude
from domain.decisions import Action, Assessment, DecisionRecord, Recommendation
from domain.documents import NEW_YORK
from domain.errors import InvalidInput
from domain.panel import Codes, Layouts, Panel
from domain.panel_passes import Flags
from domain.simulated_account import SimulatedAccount
from domain.simulated_assessments import MARKET_SESSIONS, Assessor, Likely, Place, nothing

PASSES_AHEAD = 64
"""How far is looked for what will probably be decided."""

Weights = Mapping[tuple[int, int], float]
"""Shares of equity by pass and company."""
Observer = Callable[[Recommendation, DecisionRecord], None]
"""Is shown everything that is decided, also what changed nothing."""

ENOUGH = 1e-6
"""By so much, relatively, a position must be too large for more, so that none is wanted for sure."""

_ACTIONS = (Action.NONE, Action.WATCH, Action.BUY, Action.HOLD, Action.SELL)
"""By code, those of `domain.panel` first."""
_CODES = {action: code for code, action in enumerate(_ACTIONS)}


class Assessments(Mapping[str, Assessment]):
    """What was thought of each company at a pass; made when it is asked for."""

    def __init__(self, known: Sequence[Recommendation], others: Callable[[str], Assessment | None]) -> None:
        self._known: dict[str, Assessment | None] = {one.symbol: one.assessment for one in known}
        self._others = others

    def __getitem__(self, symbol: str) -> Assessment:
        if symbol not in self._known:
            self._known[symbol] = self._others(symbol)
        found = self._known[symbol]
        if found is None:
            raise KeyError(symbol)
        return found

    def __iter__(self) -> Iterator[str]:
        return (symbol for symbol, found in self._known.items() if found is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Decided:
    """A pass. What is not among the recommendations is as it was, and can lead to no order."""

    recommendations: Sequence[Recommendation]
    """By symbol."""
    actions: Callable[[str], Action]
    """None of a company that was not assessed."""
    assessments: Mapping[str, Assessment]
    assessed: int


class Decider:
    """Decides pass by pass, and knows the newest action of each company."""

    def __init__(
        self,
        data: BacktestData,
        account: SimulatedAccount,
        actions: Mapping[str, Action],
        *,
        code_version: str,
        observe: Observer | None = None,
        noted: Noted = Noted.CHANGES,
        layouts: Layouts | None = None,
    ) -> None:
        self._data, self._account = data, account
        self._layouts = layouts or Layouts(data)
        self._code_version, self._observe, self._noted = code_version, observe, noted
        self._actions = dict(actions)
        self._assessor = Assessor(data)
        self._ahead: _Ahead | None = None

    @property
    def actions(self) -> dict[str, Action]:
        """The newest of each company that was ever assessed, by symbol."""
        if self._ahead is not None:
            self._actions |= self._ahead.actions()
        return dict(sorted(self._actions.items()))

    def foresee(self, as_of: Sequence[datetime], config: TradingConfig) -> None:
        """Look at all passes together, unless that is done already.

        Another tier may change what a configuration sizes and limits; one that scores otherwise is decided in full.
        """
        if self._observe is not None or (self._ahead is not None and self._ahead.covers(config)):
            return
        self._actions, self._ahead = self.actions, None
        held = {*self._account.positions, *self._actions}
        found = self._layouts.of(as_of, config.signals, sessions=MARKET_SESSIONS, held=held)
        self._ahead = None if found is None else _Ahead(found.panel(config), as_of, self._actions, config)

    def decide(self, number: int, as_of: datetime, config: TradingConfig) -> Decided:
        if self._ahead is not None and not self._ahead.covers(config):
            self._actions, self._ahead = self.actions, None
        if self._ahead is None:
            return self._decide_everything(as_of, config)
        return self._decide_what_moves(self._ahead, number, as_of, config)

    def _decide_everything(self, as_of: datetime, config: TradingConfig) -> Decided:
        held = [holding.symbol for holding in self._account.held]
        found = self._decide(self._data.universe(as_of, config.signals, held), as_of, config)
        acted = {one.symbol: one.action for one in found}
        self._actions |= acted
        return Decided(found, lambda symbol: acted.get(symbol, Action.NONE), Assessments(found, _nobody), len(found))

    def _decide_what_moves(self, ahead: _Ahead, number: int, as_of: datetime, config: TradingConfig) -> Decided:
        row = ahead.row(number, config)
        for holding in self._account.held:
            row.hold(
                holding.symbol,
                lambda symbol: self._is_settled(symbol, as_of, config),
                lambda symbol, weight: self._is_filled(symbol, weight, as_of, config),
            )
        if self._noted is Noted.TRADES:
            row.take_what_is_sure()
        found = self._decide(row.symbols(), as_of, config, row.likely)
        row.note(found)

        def assess(symbol: str) -> Assessment | None:
            return self._assessor.assess([symbol], as_of, config)[1][0] if row.is_assessed(symbol) else None

        return Decided(found, row.action, Assessments(found, assess), row.assessed)

    def _is_filled(self, symbol: str, weight: float, as_of: datetime, config: TradingConfig) -> bool:
        """Whether a position is surely so large that sizing adds nothing to it (`sizing.size`).

        On days of corporate actions nobody is sure.

        Args:
            weight: share of equity that it may have at the most.
        """
        if self._data.actions.get(as_of.astimezone(NEW_YORK).date()):
            return False
        self._account.mark(lambda held: self._data.last_close(held, as_of))
        least = weight * float(self._account.equity) * (1.0 - float(config.sizing.rebalance_band))
        return float(self._account.positions[symbol].holding.market_value) > least * (1.0 + ENOUGH)

    def _is_settled(self, symbol: str, as_of: datetime, config: TradingConfig) -> bool:
        view = self._account.view(symbol, as_of, self._data.session_dates_at(as_of))
        return view.sessions_held >= config.recommendation.minimum_hold_sessions

    def _decide(
        self, symbols: Sequence[str], as_of: datetime, config: TradingConfig, likely: Likely = nothing
    ) -> list[Recommendation]:
        if not symbols:
            return []
        read, assessments = self._assessor.assess(symbols, as_of, config, likely)
        dates = self._data.session_dates_at(as_of)
        decided = conclude(
            read,
            assessments,
            previous=self._actions if self._ahead is None else {one: self._ahead.action(one) for one in symbols},
            positions={symbol: self._account.view(symbol, as_of, dates) for symbol in symbols},
            config=config,
            code_version=self._code_version,
        )
        if self._observe is not None:
            for recommendation, record in decided:
                self._observe(recommendation, record)
        return [recommendation for recommendation, _ in decided]


def _nobody(_: str) -> None:
    return None


class _Ahead:
    """What is foreseen, and the newest action of each company in it."""

    def __init__(
        self,
        found: Panel,
        as_of: Sequence[datetime],
        actions: Mapping[str, Action],
        config: TradingConfig,
    ) -> None:
        self.panel, self._as_of, self._config = found, as_of, config
        self.places = {symbol: place for place, symbol in enumerate(found.names)}
        self.acts = np.zeros(len(found.names), dtype=np.int8)
        self.known = np.zeros(len(found.names), dtype=np.bool_)
        self._codes: dict[str, tuple[Codes, Weights]] = {}
        for symbol, action in actions.items():
            self.acts[self.places[symbol]], self.known[self.places[symbol]] = _CODES[action], True

    def covers(self, config: TradingConfig) -> bool:
        """Whether a configuration scores and judges scores as the one that was looked ahead with."""
        known = self._config
        return config.tier in self._codes or (config.signals, config.recommendation) == (
            known.signals,
            known.recommendation,
        )

    def action(self, symbol: str) -> Action:
        return _ACTIONS[self.acts[self.places[symbol]]]

    def actions(self) -> dict[str, Action]:
        return {self.panel.names[place]: _ACTIONS[self.acts[place]] for place in np.flatnonzero(self.known).tolist()}

    def row(self, number: int, config: TradingConfig) -> _Row:
        known = self._codes.get(config.tier)
        if known is None:
            known = self._codes[config.tier] = self.panel.codes(config), self.panel.weights(config)
        codes, weights = known
        return _Row(self, codes, weights, number)

    def likely(self, codes: Codes, at: int, held: Sequence[int]) -> Iterator[Place]:
        """Who will probably be decided at the passes from number `at` on.

        That is whoever may be bought, and whoever is held where its score keeps it no more.
        """
        ahead = slice(at, at + PASSES_AHEAD)
        decided = (codes[ahead] >= panel.BUY) & self.panel.universe[ahead]
        leaves = self.panel.stays[ahead, held] != 1
        decided[:, held] = False
        decided[leaves.argmax(axis=0), held] = leaves.any(axis=0)
        for later, place in np.argwhere(decided).tolist():
            yield self._as_of[at + later], self.panel.names[place]


class _Row:
    """One pass of what is foreseen, and who must be decided in full."""

    def __init__(self, ahead: _Ahead, codes: Codes, weights: Weights, at: int) -> None:
        self._ahead, self._all, self._weights, self._at = ahead, codes, weights, at
        self._codes = codes[at]
        self._assessed: Flags = ahead.panel.universe[at]
        self._moves: Flags = ((self._codes >= panel.BUY) | (self._codes != ahead.acts)) & self._assessed
        self._held: list[int] = []
        self._kept: list[int] = []

    def hold(self, symbol: str, settled: Callable[[str], bool], filled: Callable[[str, float], bool]) -> None:
        """A company that is held: it is assessed, and judged by the exit score first."""
        place = self._ahead.places[symbol]
        if not self._assessed[place]:
            self._assessed = self._assessed.copy()
            self._assessed[place] = True
        stays, code = self._ahead.panel.stays[self._at, place], self._codes[place]
        kept = (stays == 1 and code < panel.BUY) or (stays == 0 and not settled(symbol))
        self._moves[place] = not kept or self._ahead.acts[place] != _CODES[Action.HOLD]
        if stays == 1 and code == panel.BUY and self._ahead.acts[place] == panel.BUY:
            self._moves[place] = not filled(symbol, self._weights[self._at, place])
        self._held.append(place)
        if kept:
            self._kept.append(place)

    def take_what_is_sure(self) -> None:
        """Take the actions that are certain and trade nothing, for nobody asks for their reasons."""
        sure = self._assessed & (self._codes < panel.BUY)
        sure[self._held] = False
        self._ahead.acts[sure] = self._codes[sure]
        self._ahead.acts[self._kept] = _CODES[Action.HOLD]
        self._moves[sure] = self._moves[self._kept] = False

    def likely(self) -> Iterator[Place]:
        """Who will probably be decided at this pass and those after it."""
        return self._ahead.likely(self._all, self._at, self._held)

    def symbols(self) -> list[str]:
        return [self._ahead.panel.names[place] for place in np.flatnonzero(self._moves).tolist()]

    def note(self, found: Sequence[Recommendation]) -> None:
        """Take the actions that were decided.

        Raises:
            InvalidInput: one of them is not what was certain.
        """
        self._ahead.known |= self._assessed
        for one in found:
            place = self._ahead.places[one.symbol]
            foreseen, decided = int(self._codes[place]), _CODES[one.action]
            if foreseen < panel.BUY and foreseen != decided and place not in self._held:
                raise InvalidInput(
                    "FORESEEN_OTHERWISE",
                    "A rule decides by something that the arrays do not know; this is a defect and not in the data.",
                    symbol=one.symbol,
                    as_of=one.as_of.isoformat(),
                    foreseen=_ACTIONS[foreseen].value,
                    decided=one.action.value,
                )
            self._ahead.acts[place] = decided

    def is_assessed(self, symbol: str) -> bool:
        place = self._ahead.places.get(symbol)
        return place is not None and bool(self._assessed[place])

    def action(self, symbol: str) -> Action:
        return self._ahead.action(symbol) if self.is_assessed(symbol) else Action.NONE

    @property
    def assessed(self) -> int:
        return int(np.count_nonzero(self._assessed))
