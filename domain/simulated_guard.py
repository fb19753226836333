"""When the rules that protect an account are asked during a backtest's session.

before the open: breakers look, sizes of entries, time stops become orders
in the session: stops and targets     at the close: breakers look, reserve, tier
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from domain.backtest import BacktestRequest, FillEntry, OrderEnd, OrderEntry
from domain.backtest_data import BacktestData
from domain.config import Tier, TradingConfig
from domain.costs import execute, fillable
from domain.decisions import Assessment, Side
from domain.ids import digest
from domain.market import Bar, Session
from domain.portfolio import product
from domain.protection import (
    EARNINGS_TRIM,
    INDEX_SESSIONS,
    Look,
    ProtectionState,
    StopRecord,
    config_in,
    end_session,
    entry_size,
    index_reading,
    look,
    note_trades,
    note_trims,
    rules_in,
    trims,
)
from domain.rules_config import Protection
from domain.simulated_account import SimulatedAccount
from domain.sizing import floor_to_step
from domain.stops import StopEvent, StopKind, StopState, advance, open_stop, split, stop_distance
from domain.surroundings import ATR_SESSIONS
from domain.tiers import TierState

RELEASING = "backtest"
"""Who releases a drawdown breaker of the past, as soon as its rest is over: nobody can be asked."""
ZERO = Decimal(0)


class Guard:
    """The rules of one backtest. Without any it permits everything and sells nothing."""

    def __init__(
        self, request: BacktestRequest, data: BacktestData, account: SimulatedAccount, state: ProtectionState | None
    ) -> None:
        self._request, self._data, self._account = request, data, account
        self._base = request.protection
        self.state = state or ProtectionState(tier=TierState(tier=request.config.tier, since=0))
        self._due: set[str] = set()
        """Positions whose time is up, or whose stop could not be filled whole."""
        self._index_closes: Sequence[float] = []
        self._index_read = index_reading(())
        self._in_tier: dict[Tier, tuple[TradingConfig, Protection | None]] = {}
        self._adopt()

    @property
    def rules(self) -> Protection | None:
        return self._rules

    @property
    def config(self) -> TradingConfig:
        """The configuration in the tier that the account is in."""
        return self._config

    @property
    def reserve(self) -> Decimal:
        return self.state.reserve.balance

    def _adopt(self) -> None:
        """Take the configuration and the rules of the tier that the account is in; they are made once for each."""
        tier, base, rules = self.state.tier.tier, self._request.config, self._base
        if tier not in self._in_tier:
            config = config_in(tier, base) if rules is not None and rules.tiers is not None else base
            self._in_tier[tier] = config, None if rules is None else rules_in(tier, base, rules)
        self._config, self._rules = self._in_tier[tier]

    # -- before the open ----------------------------------------------------------------------------------------------

    def before_open(self, index: int, as_of: datetime, prior_close: Decimal | None, peak: Decimal | None) -> None:
        if self.rules is not None:
            seen = self._look(index, as_of, prior_close, peak, at_close=False)
            self.state = look(self.state, self.rules, seen, releasing=RELEASING)

    def split(self, ratios: Mapping[str, Decimal]) -> None:
        """Restate the stops of what was split."""
        stops = dict(self.state.stops)
        for symbol, ratio in ratios.items():
            if symbol in stops:
                stops[symbol] = split(stops[symbol], ratio)
        self.state = self.state.model_copy(update={"stops": stops})

    def admit(self, order: OrderEntry) -> OrderEntry:
        """Make an entry as small as the breakers want it; one that is too small then is denied."""
        rules = self.rules
        if rules is None or order.side is Side.SELL or order.end is not None:
            return order
        size = entry_size(self.state, rules)
        if size >= 1:
            return order
        sizing = self.config.sizing
        allowed = floor_to_step(Fraction(order.allowed) * Fraction(size), sizing.step)
        if allowed <= 0 or product(allowed, order.reference_price) < sizing.smallest_order:
            return order.model_copy(
                update={"allowed": ZERO, "end": OrderEnd.DENIED, "reason": f"BREAKERS: size={size}; {order.reason}"}
            )
        return order.model_copy(update={"allowed": allowed})

    def exits(
        self, session: Session, as_of: datetime, assessments: Mapping[str, Assessment], busy: set[str]
    ) -> list[OrderEntry]:
        """Orders for positions whose time is up, and for large ones whose companies report."""
        due = sorted(symbol for symbol in self._due - busy if self._account.quantity(symbol) > 0)
        self._due = set()
        exits = [self._exit(symbol, as_of, assessments.get(symbol), "TIME_STOP") for symbol in due]
        if self.rules is None:
            return exits
        smaller = trims(
            self.state,
            self._account.held,
            self._account.equity,
            self._data.earnings_at(session.date, as_of),
            self.config,
            busy={*busy, *due},
        )
        self.state = note_trims(self.state, smaller)
        return exits + [
            self._exit(trim.symbol, as_of, assessments.get(trim.symbol), EARNINGS_TRIM, trim.quantity)
            for trim in smaller
        ]

    def _exit(
        self,
        symbol: str,
        as_of: datetime,
        assessment: Assessment | None,
        reason: str,
        part: Decimal | None = None,
    ) -> OrderEntry:
        holding = self._account.positions[symbol].holding
        quantity = holding.quantity if part is None else part
        return OrderEntry(
            intent_id=digest("protective-exit", symbol, as_of, reason),
            recommendation_id="",
            as_of=as_of,
            symbol=symbol,
            side=Side.SELL,
            quantity=quantity,
            allowed=quantity,
            reference_price=holding.last_price,
            reason=reason,
            daily_volatility=assessment.daily_volatility if assessment is not None else 0.0,
            average_dollar_volume=assessment.average_dollar_volume if assessment is not None else 0.0,
        )

    # -- in the session -----------------------------------------------------------------------------------------------

    def during(self, session: Session, as_of: datetime, assessments: Mapping[str, Assessment]) -> list[OrderEntry]:
        """Put stops under what was opened, and judge the session's bar by them; returns the sales that followed."""
        rules = self.rules
        if rules is None or rules.stops is None:
            return []
        stops, sales = dict(self.state.stops), []
        records = list(self.state.stop_events)
        held = [holding.symbol for holding in self._account.held]
        for symbol in held:
            if symbol not in stops and (fresh := self._fresh(symbol, as_of, assessments.get(symbol))) is not None:
                stops[symbol] = fresh
        for symbol in [symbol for symbol in held if symbol in stops]:
            bar = self._data.bar_on(symbol, session.date)
            if bar is None:
                continue
            atr = self._atr(symbol, session.closes_at)
            stops[symbol], event = advance(stops[symbol], bar, rules.stops, atr=atr)
            if event is None:
                continue
            records.append(StopRecord(symbol=symbol, as_of=session.closes_at, event=event))
            if event.kind is StopKind.TIME_STOP:
                self._due.add(symbol)
                continue
            sale = self._sell(symbol, event, bar, session, assessments.get(symbol))
            if sale is not None:
                sales.append(sale)
        open_now = {holding.symbol for holding in self._account.held}
        kept = {symbol: stop for symbol, stop in stops.items() if symbol in open_now and not stop.closed}
        self._due |= {symbol for symbol in open_now if symbol in stops and stops[symbol].closed}
        self.state = self.state.model_copy(update={"stops": dict(sorted(kept.items())), "stop_events": tuple(records)})
        return sales

    def _fresh(self, symbol: str, as_of: datetime, assessment: Assessment | None) -> StopState | None:
        """The stop of a new position; None where no range is known yet, or no stop fits under the price."""
        rules, price = self.rules, self._account.positions[symbol].holding.average_price
        atr = self._atr(symbol, as_of)
        if rules is None or rules.stops is None or atr is None or stop_distance(price, atr, rules.stops) >= 1:
            return None
        return open_stop(price, atr, assessment.horizon_td if assessment is not None else 1.0, rules.stops)

    def _atr(self, symbol: str, as_of: datetime) -> float | None:
        series = self._data.bars.get(symbol)
        rules = self.rules
        if series is None or rules is None or rules.stops is None:
            return None
        return series.average_true_range(as_of, rules.stops, ATR_SESSIONS)

    def _sell(
        self, symbol: str, event: StopEvent, bar: Bar, session: Session, assessment: Assessment | None
    ) -> OrderEntry | None:
        held = self._account.quantity(symbol)
        wanted = held if event.share == 1 else floor_to_step(Fraction(held) * Fraction(event.share), self._step)
        quantity = fillable(wanted, bar.volume, self._request.costs)
        if quantity <= 0:
            return None
        order = self._exit(symbol, session.closes_at, assessment, event.kind.value.upper())
        execution = execute(
            Side.SELL,
            quantity,
            event.price,
            daily_volatility=order.daily_volatility,
            average_dollar_volume=order.average_dollar_volume,
            costs=self._request.costs,
        )
        self._account.book(order, execution, session)
        entry = FillEntry(
            at=session.closes_at,
            session=session.date,
            quantity=quantity,
            price=execution.price,
            spread=execution.spread,
            impact=execution.impact,
            fee=execution.fee,
        )
        return order.model_copy(
            update={
                "quantity": wanted,
                "allowed": quantity,
                "filled": quantity,
                "fills": (entry,),
                "reference_price": event.level,
                "end": OrderEnd.FILLED,
            }
        )

    @property
    def _step(self) -> Decimal:
        return self.config.sizing.step

    # -- at the close -------------------------------------------------------------------------------------------------

    def end_session(
        self, index: int, session: Session, prior_close: Decimal | None, peak: Decimal | None, returns: Sequence[float]
    ) -> None:
        rules = self.rules
        if rules is None:
            return
        closed = [trade.result for trade in self._account.trades if trade.closed == session.date]
        state = note_trades(self.state, closed) if closed else self.state
        seen = self._look(index, session.closes_at, prior_close, peak, at_close=True)
        state = look(state, rules, seen, releasing=RELEASING)
        limit = self.config.limits.drawdown
        self.state = end_session(state, rules, seen, limit=limit, returns=returns)
        self._adopt()

    def _look(
        self, index: int, as_of: datetime, prior_close: Decimal | None, peak: Decimal | None, *, at_close: bool
    ) -> Look:
        equity = self._account.equity
        short, long, move = self._index(as_of)
        return Look(
            session=index,
            as_of=as_of,
            equity=equity,
            prior_close_equity=equity if prior_close is None else prior_close,
            peak_equity=equity if peak is None else max(peak, equity),
            realized=self._account.realized,
            short_volatility=short,
            long_volatility=long,
            index_move=move if at_close else None,
        )

    def _index(self, as_of: datetime) -> tuple[float | None, float | None, float | None]:
        """Volatility of the benchmark over 5 and 60 sessions, and its last move in the deviations of the 60."""
        series = self._data.bars.get(self._request.benchmark)
        closes = series.recent(as_of, INDEX_SESSIONS).closes.tolist() if series is not None else []
        if closes != self._index_closes:
            self._index_closes, self._index_read = closes, index_reading(closes)
        return self._index_read
