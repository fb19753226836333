"""The backtest engine: sessions of the past through the functions that decide, size and limit live.

    before the open: decide everything -> corporate actions -> mark -> size -> check risk
    at the open: fill          at the close: mark

As production does it: decided five minutes before the open on what was known then, filled at the open, marked at the
close. An order is for the session; what the participation cap leaves of it goes on at the next open, until it is filled
or the strategy thinks otherwise. Approvals count as given: nobody can be asked about the past.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from domain.backtest import (
    BacktestRequest,
    BacktestState,
    DecisionEntry,
    Mark,
    OrderEnd,
    OrderEntry,
)
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.decision_pass import PassInputs, decide_all
from domain.decisions import (
    Action,
    Assessment,
    DecisionRecord,
    Layer,
    Portfolio,
    Recommendation,
    Side,
    SizedIntent,
    TradingState,
)
from domain.documents import NEW_YORK
from domain.market import Session
from domain.risk import decide_risk
from domain.simulated_account import SimulatedAccount
from domain.simulated_guard import Guard
from domain.simulated_market import fill_at_open
from domain.sizing import size

PRE_OPEN = timedelta(minutes=5)
"""Orders of a session are planned this long before its open, on what was known then."""
MARKET_SESSIONS = 61
"""Bars that a decision may see: sixty daily returns."""
CITED = 3
"""Documents that are named with a decision."""
ZERO = Decimal(0)

Progress = Callable[[int], None]
Observer = Callable[[Recommendation, DecisionRecord], None]
"""Is shown everything that is decided, also what changed nothing."""


class Simulation:
    """One run. Equal data, request and state give equal results, to the last bit."""

    def __init__(
        self,
        data: BacktestData,
        request: BacktestRequest,
        *,
        code_version: str,
        state: BacktestState | None = None,
        observe: Observer | None = None,
    ) -> None:
        found = state or BacktestState(cash=request.opening_cash)
        self._data, self._request = data, request
        self._code_version = code_version
        self._observe = observe
        self._account = SimulatedAccount(found.cash, dict(found.positions), found.trades)
        self._guard = Guard(request, data, self._account, found.protection)
        self._done, self._assessed = found.sessions_done, found.assessed
        self._actions = dict(found.actions)
        self._peak, self._prior_close = found.peak_equity, found.prior_close_equity
        self._working, self._orders = list(found.working), list(found.orders)
        self._decisions, self._marks = list(found.decisions), list(found.marks)

    def run(self, until: int | None = None, *, progress: Progress | None = None) -> BacktestState:
        """Play the sessions that are left, or those up to a number; the state can be gone on from."""
        last = len(self._data.sessions) if until is None else min(until, len(self._data.sessions))
        for index in range(self._done, last):
            self._play(self._data.sessions[index])
            self._done = index + 1
            if progress is not None:
                progress(self._done)
        return BacktestState(
            sessions_done=self._done,
            cash=self._account.cash,
            positions=dict(sorted(self._account.positions.items())),
            actions=dict(sorted(self._actions.items())),
            peak_equity=self._peak,
            prior_close_equity=self._prior_close,
            working=tuple(self._working),
            orders=tuple(self._orders),
            decisions=tuple(self._decisions),
            marks=tuple(self._marks),
            trades=self._account.valued_trades(),
            assessed=self._assessed,
            protection=self._guard.state if self._request.protection is not None else None,
        )

    def _play(self, session: Session) -> None:
        before = session.opens_at - PRE_OPEN
        self._account.traded = ZERO
        found = self._decide(before)
        assessments = {one.symbol: one.assessment for one in found}
        split = self._account.apply(self._data.actions.get(session.date, ()))
        self._guard.split(split)
        self._mark(before)
        self._guard.before_open(self._done, before, self._prior_close, self._peak)
        self._withdraw(found, split.keys(), before)
        self._working += self._guard.exits(before, assessments, {order.symbol for order in self._working})
        self._plan(found, before)
        self._fill(session)
        self._orders += self._guard.during(session, before, assessments)
        self._mark(session.closes_at)
        self._account.write_off(lambda symbol: self._data.traded_on(symbol, session.date), session)
        prior, peak = self._prior_close, self._peak
        self._close(session)
        self._guard.end_session(self._done, session, prior, peak, self._returns())

    @property
    def _config(self) -> TradingConfig:
        return self._guard.config

    def _returns(self) -> list[float]:
        equity = [self._request.opening_cash, *(mark.equity for mark in self._marks)]
        return [float(after / before - 1) for before, after in pairwise(equity)]

    # -- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, as_of: datetime) -> list[Recommendation]:
        """Assess every company of which anything was known, and note what changed."""
        signals = self._config.signals
        symbols = self._data.universe(as_of, signals, [holding.symbol for holding in self._account.held])
        evidence = {symbol: self._data.evidence_at(symbol, as_of, signals) for symbol in symbols}
        dates = self._data.session_dates_at(as_of)
        decided = decide_all(
            symbols,
            as_of,
            PassInputs(
                config=self._config,
                session_dates=dates,
                evidence=evidence,
                others=self._data.others_at(evidence, as_of, signals),
                windows=self._data.windows_at(symbols, as_of, MARKET_SESSIONS),
                previous=self._actions,
                positions={symbol: self._account.view(symbol, as_of, dates) for symbol in symbols},
            ),
            code_version=self._code_version,
        )
        if self._observe is not None:
            for recommendation, record in decided:
                self._observe(recommendation, record)
        found = [recommendation for recommendation, _ in decided]
        for one in found:
            if one.action is not one.previous_action:
                self._decisions.append(decision_entry(one))
            self._actions[one.symbol] = one.action
        self._assessed += len(found)
        return found

    def _withdraw(self, found: Sequence[Recommendation], split: Collection[str], as_of: datetime) -> None:
        """End what is left of orders that the strategy would not place any more, or whose shares were split."""
        actions = {one.symbol: one.action for one in found}
        day = as_of.astimezone(NEW_YORK).date()
        for order in self._working:
            action = actions.get(order.symbol, Action.NONE)
            if order.side is Side.SELL:
                wanted = action is Action.SELL
            else:
                wanted = action in (Action.BUY, Action.HOLD) and self._data.is_member(order.symbol, day)
            if not wanted or order.symbol in split:
                self._orders.append(order.model_copy(update={"end": OrderEnd.EXPIRED}))
        ended = {order.intent_id for order in self._orders}
        self._working = [order for order in self._working if order.intent_id not in ended]

    def _plan(self, found: Sequence[Recommendation], as_of: datetime) -> None:
        """Size what is recommended, and check it against every limit with everything under way counted."""
        busy = {order.symbol for order in self._working}
        day = as_of.astimezone(NEW_YORK).date()
        wanted = {
            one.recommendation_id: one
            for one in found
            if one.symbol not in busy and (one.action is not Action.BUY or self._data.is_member(one.symbol, day))
        }
        intents = size(
            list(wanted.values()),
            self._portfolio(as_of, ()),
            config=self._config,
            state=TradingState.ACTIVE,
            as_of=as_of,
        )
        placed = []
        for intent in intents:
            others = [other for other in intents if other is not intent]
            judged = self._judge(intent, others, wanted[intent.recommendation_id].assessment, as_of)
            placed.append(self._guard.admit(judged))
        self._orders += [order for order in placed if order.end is not None]
        self._working += [order for order in placed if order.end is None]

    def _judge(
        self, intent: SizedIntent, others: Sequence[SizedIntent], assessment: Assessment, as_of: datetime
    ) -> OrderEntry:
        verdict = decide_risk(
            intent,
            self._portfolio(as_of, others),
            state=TradingState.ACTIVE,
            conviction=assessment.conviction,
            average_dollar_volume=assessment.average_dollar_volume,
            config=self._config,
            as_of=as_of,
        )
        return OrderEntry(
            intent_id=intent.intent_id,
            recommendation_id=intent.recommendation_id,
            as_of=as_of,
            symbol=intent.symbol,
            side=intent.side,
            quantity=intent.quantity,
            allowed=ZERO if verdict.denied else verdict.allowed_quantity,
            reference_price=intent.reference_price,
            reason=intent.reason,
            end=OrderEnd.DENIED if verdict.denied else None,
            daily_volatility=assessment.daily_volatility,
            average_dollar_volume=assessment.average_dollar_volume,
            layers=layers_of(assessment),
        )

    def _portfolio(self, as_of: datetime, others: Sequence[SizedIntent]) -> Portfolio:
        """The account with what is under way: what is left of earlier orders, and other intents of the tick."""
        under_way = [(one.symbol, one.side, one.quantity, one.reference_price) for one in others]
        under_way += [(one.symbol, one.side, one.allowed - one.filled, one.reference_price) for one in self._working]
        buys: dict[str, Decimal] = {}
        sells: dict[str, Decimal] = {}
        for symbol, side, quantity, price in under_way:
            if side is Side.BUY:
                buys[symbol] = buys.get(symbol, ZERO) + quantity * price
            else:
                sells[symbol] = sells.get(symbol, ZERO) + quantity
        equity = self._account.equity
        return Portfolio(
            as_of=as_of,
            cash=self._account.cash,
            equity=equity,
            prior_close_equity=equity if self._prior_close is None else self._prior_close,
            peak_equity=equity if self._peak is None else max(self._peak, equity),
            holdings=tuple(self._account.held),
            open_buys=buys,
            open_sells=sells,
            reserve=self._guard.reserve,
        )

    # -- the market ---------------------------------------------------------------------------------------------------

    def _fill(self, session: Session) -> None:
        after = fill_at_open(
            self._working,
            self._account,
            self._data,
            session,
            costs=self._request.costs,
            step=self._config.sizing.step,
        )
        self._orders += [order for order in after if order.end is not None]
        self._working = [order for order in after if order.end is None]

    def _mark(self, as_of: datetime) -> None:
        """Value positions at the last close that was known, in the shares of the day."""
        self._account.mark(lambda symbol: self._data.last_close(symbol, as_of))

    def _close(self, session: Session) -> None:
        held, equity = self._account.held, self._account.equity
        self._prior_close = equity
        self._peak = equity if self._peak is None else max(self._peak, equity)
        self._marks.append(
            Mark(
                session=session.date,
                as_of=session.closes_at,
                cash=self._account.cash,
                equity=equity,
                gross=sum((holding.market_value for holding in held), ZERO),
                positions=len(held),
                traded=self._account.traded,
            )
        )


def decision_entry(one: Recommendation) -> DecisionEntry:
    """Shorten a recommendation to what a report shows of it."""
    return DecisionEntry(
        recommendation_id=one.recommendation_id,
        as_of=one.as_of,
        symbol=one.symbol,
        action=one.action,
        previous=one.previous_action,
        score=one.assessment.score,
        score_nano=one.assessment.score_nano,
        conviction=one.assessment.conviction,
        edge_bp=one.edge_bp,
        cost_bp=one.cost_bp,
        reasons=one.reasons,
        thesis=one.thesis,
        layers=layers_of(one.assessment),
        documents=leading_documents(one.assessment),
    )


def layers_of(assessment: Assessment) -> dict[Layer, int]:
    """Sum the attributions by layer, in nano-units: together the score."""
    found = dict.fromkeys(Layer, 0)
    for term in assessment.attributions:
        found[term.layer] += term.nano
    return found


def leading_documents(assessment: Assessment) -> tuple[str, ...]:
    """Name the documents with the largest parts of the score, the largest first."""
    parts: dict[str, int] = {}
    for term in assessment.attributions:
        if term.doc_id and term.nano:
            parts[term.doc_id] = parts.get(term.doc_id, 0) + term.nano
    return tuple(sorted(parts, key=lambda doc: (-abs(parts[doc]), doc))[:CITED])
