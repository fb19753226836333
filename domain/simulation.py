"""The backtest engine: sessions of the past through the functions that decide, size and limit live.

    before the open: decide -> corporate actions -> mark -> size -> check risk
    at the open: fill          at the close: mark

As production does it: decided five minutes before the open on what was known then, filled at the open, marked at the
close. An order is for the session; what the participation cap leaves of it goes on at the next open, until it is filled
or the strategy thinks otherwise. Approvals count as given: nobody can be asked about the past.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from domain.backtest import (
    BacktestRequest,
    BacktestState,
    DecisionEntry,
    Mark,
    Noted,
    OrderEnd,
    OrderEntry,
)
from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.decisions import (
    Action,
    Assessment,
    Layer,
    Portfolio,
    Recommendation,
    Side,
    SizedIntent,
    TradingState,
)
from domain.documents import NEW_YORK
from domain.entries import EarningsCalendar, Entry
from domain.market import Session
from domain.panel import Layouts
from domain.risk import decide_risk
from domain.simulated_account import SimulatedAccount
from domain.simulated_guard import Guard
from domain.simulated_market import fill_at_open
from domain.simulated_pass import Decided, Decider, Observer
from domain.sizing import size
from domain.surroundings import SeenMarket, everything

PRE_OPEN = timedelta(minutes=5)
"""Orders of a session are planned this long before its open, on what was known then."""
CITED = 3
"""Documents that are named with a decision."""
ZERO = Decimal(0)

Progress = Callable[[int], None]


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
        layouts: Layouts | None = None,
    ) -> None:
        """Begin a run, or go on from a state.

        Args:
            observe: is shown everything that is decided; nothing is foreseen then.
            layouts: of the same data, where other runs may have left one to share.
        """
        found = state or BacktestState(cash=request.opening_cash)
        self._data, self._request = data, request
        self._account = SimulatedAccount(found.cash, dict(found.positions), found.trades)
        self._decider = Decider(
            data,
            self._account,
            found.actions,
            code_version=code_version,
            observe=observe,
            noted=request.noted,
            layouts=layouts,
        )
        self._guard = Guard(request, data, self._account, found.protection)
        self._done, self._assessed = found.sessions_done, found.assessed
        self._peak, self._prior_close = found.peak_equity, found.prior_close_equity
        self._working, self._orders = list(found.working), list(found.orders)
        self._decisions, self._marks = list(found.decisions), list(found.marks)
        equity = [request.opening_cash, *(mark.equity for mark in self._marks)]
        self._returns = [_change(before, after) for before, after in pairwise(equity)]

    def run(self, until: int | None = None, *, progress: Progress | None = None) -> BacktestState:
        """Play the sessions that are left, or those up to a number; the state can be gone on from.

        All sessions are foreseen at once, also those that an earlier or a later call plays.
        """
        last = len(self._data.sessions) if until is None else min(until, len(self._data.sessions))
        self._decider.foresee([session.opens_at - PRE_OPEN for session in self._data.sessions], self._config)
        for index in range(self._done, last):
            self._play(self._data.sessions[index])
            self._done = index + 1
            if progress is not None:
                progress(self._done)
        return BacktestState(
            sessions_done=self._done,
            cash=self._account.cash,
            positions=dict(sorted(self._account.positions.items())),
            actions=self._decider.actions,
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
        decided = self._decide(before)
        split = self._account.apply(self._data.actions.get(session.date, ()))
        self._guard.split(split)
        self._mark(before)
        self._guard.before_open(self._done, before, self._prior_close, self._peak)
        self._withdraw(decided, split.keys(), before)
        busy = {order.symbol for order in self._working}
        self._working += self._guard.exits(session, before, decided.assessments, busy)
        self._plan(decided.recommendations, before)
        self._fill(session)
        self._orders += self._guard.during(session, before, decided.assessments)
        self._mark(session.closes_at)
        self._account.write_off(lambda symbol: self._data.traded_on(symbol, session.date), session)
        prior, peak = self._prior_close, self._peak
        self._close(session)
        self._guard.end_session(self._done, session, prior, peak, self._returns)

    @property
    def _config(self) -> TradingConfig:
        return self._guard.config

    # -- deciding -----------------------------------------------------------------------------------------------------

    def _decide(self, as_of: datetime) -> Decided:
        """Decide about every company of which anything was known, and note what changed."""
        decided = self._decider.decide(self._done, as_of, self._config)
        self._decisions += [decision_entry(one) for one in decided.recommendations if self._is_noted(one)]
        self._assessed += decided.assessed
        return decided

    def _is_noted(self, one: Recommendation) -> bool:
        traded = one.action in (Action.BUY, Action.SELL)
        return one.action is not one.previous_action and (traded or self._request.noted is Noted.CHANGES)

    def _withdraw(self, decided: Decided, split: Collection[str], as_of: datetime) -> None:
        """End what is left of orders that would not be placed any more, or whose shares were split."""
        if not self._working:
            return
        day, kept = as_of.astimezone(NEW_YORK).date(), []
        earnings, rules = self._earnings(as_of), self._config.entries
        for order in self._working:
            action = decided.actions(order.symbol)
            if order.side is Side.SELL:
                wanted = action is Action.SELL
            else:
                wanted = action in (Action.BUY, Action.HOLD) and self._data.is_member(order.symbol, day)
                wanted = wanted and all(gate.passed for gate in earnings.gates(order.symbol, rules))
            if wanted and order.symbol not in split:
                kept.append(order)
            else:
                self._orders.append(order.model_copy(update={"end": OrderEnd.EXPIRED}))
        self._working = kept

    def _plan(self, found: Sequence[Recommendation], as_of: datetime) -> None:
        """Size what is recommended, and check it against every limit with everything under way counted."""
        busy = {order.symbol for order in self._working}
        day = as_of.astimezone(NEW_YORK).date()
        wanted = {
            one.recommendation_id: one
            for one in found
            if one.symbol not in busy and (one.action is not Action.BUY or self._data.is_member(one.symbol, day))
        }
        if not any(one.action in (Action.BUY, Action.SELL) for one in wanted.values()):
            return
        account = self._portfolio(as_of, ())
        earnings = self._earnings(as_of)
        around = SeenMarket(self._data.bars, self._data.sectors, as_of=as_of, config=self._config, earnings=earnings)
        intents = size(
            list(wanted.values()),
            account,
            config=self._config,
            state=TradingState.ACTIVE,
            as_of=as_of,
            around=around,
        )
        opening = any(intent.side is Side.BUY for intent in intents)  # reductions are exempt from what groups share
        groups = around.groups(everything(account, intents)) if opening else {}
        placed = []
        for intent in intents:
            others = [other for other in intents if other is not intent]
            assessment = wanted[intent.recommendation_id].assessment
            judged = self._judge(intent, others, assessment, groups, earnings.entry(intent.symbol), as_of)
            placed.append(self._guard.admit(judged))
        self._orders += [order for order in placed if order.end is not None]
        self._working += [order for order in placed if order.end is None]

    def _earnings(self, as_of: datetime) -> EarningsCalendar:
        """The reports that are known before the session under way opens."""
        return self._data.earnings_at(self._data.sessions[self._done].date, as_of)

    def _judge(
        self,
        intent: SizedIntent,
        others: Sequence[SizedIntent],
        assessment: Assessment,
        groups: Mapping[str, tuple[str, str]],
        entry: Entry,
        as_of: datetime,
    ) -> OrderEntry:
        verdict = decide_risk(
            intent,
            self._portfolio(as_of, others),
            state=TradingState.ACTIVE,
            conviction=assessment.conviction,
            average_dollar_volume=assessment.average_dollar_volume,
            config=self._config,
            as_of=as_of,
            groups=groups,
            entry=entry,
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
        if not self._working:
            return
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
        self._returns.append(_change(self._marks[-1].equity if self._marks else self._request.opening_cash, equity))
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


def _change(before: Decimal, after: Decimal) -> float:
    return float(after / before - 1)


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
