"""What protects an account, live or in a backtest: stops, breakers, the reserve and risk tiers, as one state.

Each rule is a pure function of its own module; here stands when a session asks it. In a backtest those breakers take
part that the past can tell of: daily loss, drawdown, loss streak, volatility.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from domain.breaker_state import Breaker, BreakerEvent, BreakerInputs, BreakerPhase, Breakers, FeedAge
from domain.breakers import advance as advance_breakers
from domain.breakers import permission, release
from domain.config import SizingConfig, Tier, TradingConfig
from domain.decisions import Gate, Holding, Side, SizedIntent
from domain.entries import EarningsCalendar
from domain.model import Model, Utc
from domain.portfolio import product
from domain.reserve import ReserveMove, ReserveState, skim
from domain.returns import deviation
from domain.rules_config import TIER_PRESETS, BreakerRules, Protection
from domain.sharpe import probabilistic_sharpe, session_sharpe, shape_of
from domain.sizing import floor_to_step
from domain.stops import StopEvent, StopState
from domain.tiers import TierChange, TierInputs, TierState, belief_matters, next_tier

EARNINGS_TRIM = "EARNINGS_TRIM"
"""The reason of such a sale."""
SAME_REPORT = timedelta(days=30)
"""A report that is moved by less is the one for which was sold already."""
INDEX_SESSIONS, BURST_SESSIONS = 61, 5
"""Closes that sixty daily returns are made of, and the returns of the short volatility."""
_OF_A_TIER = ("sizing", "limits", "caps", "weights")


class StopRecord(Model):
    """A stop, a target or a time stop that was reached."""

    symbol: str
    as_of: Utc
    event: StopEvent


class ProtectionState(Model):
    """Where the rules stand after a session, and everything they did."""

    stops: dict[str, StopState] = Field(default_factory=dict)
    breakers: Breakers = Breakers()
    reserve: ReserveState = ReserveState()
    tier: TierState
    losses: Annotated[int, Field(ge=0)] = 0
    """Trades in a row that lost."""
    trades_closed: Annotated[int, Field(ge=0)] = 0
    trades_at_step: Annotated[int, Field(ge=0)] = 0
    """Closed when the account came into its tier."""
    stop_events: tuple[StopRecord, ...] = ()
    breaker_events: tuple[BreakerEvent, ...] = ()
    reserve_moves: tuple[ReserveMove, ...] = ()
    tier_changes: tuple[TierChange, ...] = ()
    trims: dict[str, date] = Field(default_factory=dict)
    """By symbol the day of the earnings report before which its holding was last made smaller."""


class Look(Model):
    """What one look at the account knows. Money in dollars."""

    session: Annotated[int, Field(ge=0)]
    as_of: Utc
    equity: Decimal
    prior_close_equity: Decimal
    peak_equity: Decimal
    realized: Decimal
    """Net of fees and losses, since the beginning."""
    short_volatility: float | None = None
    long_volatility: float | None = None
    index_move: float | None = None
    feeds: tuple[FeedAge, ...] = ()
    clock_skew_seconds: float = 0.0
    broker_errors: tuple[Utc, ...] = ()
    reconciliation_mismatch: bool = False
    reconciled_at: Utc | None = None
    model_outcomes: tuple[bool, ...] = ()
    """Oldest first; see `BreakerInputs`."""


def index_reading(closes: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Volatility of an index over 5 and 60 sessions, and its last move in the deviations of the 60; None: too few bars.

    Args:
        closes: the last `INDEX_SESSIONS` that were known, oldest first.
    """
    if len(closes) < INDEX_SESSIONS:
        return None, None, None
    returns = np.diff(np.log(np.array(closes, dtype=np.float64)))
    long = deviation(returns)
    return deviation(returns[-BURST_SESSIONS:]), long, float(returns[-1]) / long if long else None


def config_in(tier: Tier, base: TradingConfig) -> TradingConfig:
    """The configuration in a tier: its own sizes and limits, everything else as it is. In its own tier, unchanged."""
    if tier is base.tier:
        return base
    body = base.model_dump(mode="json")
    preset = TIER_PRESETS[tier.value]
    changed: dict[str, Any] = {name: {**body[name], **preset[name]} for name in _OF_A_TIER}
    protection = rules_in(tier, base, base.protection)
    return TradingConfig.model_validate({**body, **changed, "protection": protection, "tier": tier.value})


def rules_in(tier: Tier, base: TradingConfig, rules: Protection) -> Protection:
    """The rules in a tier that the account has come into: what a tier presets changes with it."""
    if tier is base.tier:
        return rules
    preset = TIER_PRESETS[tier.value]
    changed = {
        name: {**part, **preset[name]}
        for name, part in rules.model_dump(mode="json").items()
        if part is not None and name in preset
    }
    return Protection.model_validate({**rules.model_dump(mode="json"), **changed})


def entry_size(state: ProtectionState, rules: Protection) -> Decimal:
    """The factor on the size of entries: 1, less after a trip, 0 while a breaker is open."""
    return permission(state.breakers, rules.breakers).size if rules.breakers is not None else Decimal(1)


def reduced(intents: Sequence[SizedIntent], size: Decimal, sizing: SizingConfig) -> tuple[SizedIntent, ...]:
    """Make entries as small as the breakers want them; those that are too small then are left out. Exits stay.

    Args:
        size: factor in [0, 1], see `entry_size`.
    """
    kept = []
    for intent in intents:
        if intent.side is Side.SELL or size >= 1:
            kept.append(intent)
            continue
        quantity = floor_to_step(Fraction(intent.quantity) * Fraction(size), sizing.step)
        notional = product(quantity, intent.reference_price)
        if quantity <= 0 or notional < sizing.smallest_order:
            continue
        share = float(Fraction(notional) / Fraction(intent.notional))
        gate = Gate(name="breakers", value=str(intent.quantity), limit=f"{size} of it", passed=False)
        kept.append(
            intent.model_copy(
                update={
                    "quantity": quantity,
                    "notional": notional,
                    "target_weight": intent.target_weight * share,
                    "clamps": (*intent.clamps, gate),
                }
            )
        )
    return tuple(kept)


class Trim(Model):
    """Part of a holding that is sold before an earnings report."""

    symbol: str
    quantity: Decimal
    report: date
    weight: str
    """The holding's share of equity."""


def trims(
    state: ProtectionState,
    holdings: Iterable[Holding],
    equity: Decimal,
    earnings: EarningsCalendar,
    config: TradingConfig,
    *,
    busy: Collection[str],
) -> tuple[Trim, ...]:
    """Give what is to be sold of large holdings because their companies report, by symbol. Once per report.

    Args:
        busy: symbols with an open order: they wait.
    """
    found = []
    for holding in sorted(holdings, key=lambda one: one.symbol):
        report = earnings.next_report(holding.symbol)
        if report is None or holding.quantity <= 0 or equity <= 0 or holding.symbol in busy:
            continue
        last = state.trims.get(holding.symbol)
        if last is not None and report - last < SAME_REPORT:
            continue
        weight = Fraction(holding.market_value) / Fraction(equity)
        share = earnings.trim(holding.symbol, config.entries, weight=weight, name_cap=config.limits.name_cap)
        quantity = floor_to_step(Fraction(holding.quantity) * Fraction(share), config.sizing.step)
        if quantity > 0:
            found.append(Trim(symbol=holding.symbol, quantity=quantity, report=report, weight=f"{float(weight):.6f}"))
    return tuple(found)


def note_trims(state: ProtectionState, planned: Iterable[Trim]) -> ProtectionState:
    """Note before which reports holdings were made smaller."""
    return state.model_copy(update={"trims": {**state.trims, **{trim.symbol: trim.report for trim in planned}}})


def look(state: ProtectionState, rules: Protection, seen: Look, *, releasing: str = "") -> ProtectionState:
    """Let the breakers look at the account.

    Args:
        releasing: who releases a tripped drawdown as soon as its rest is over; empty: nobody, it waits for an operator.
    """
    if rules.breakers is None:
        return state
    breakers = _released(state.breakers, rules.breakers, seen, releasing)
    moved, events = advance_breakers(
        breakers,
        BreakerInputs(
            equity=seen.equity,
            prior_close_equity=seen.prior_close_equity,
            high_water_mark=seen.peak_equity,
            consecutive_losses=state.losses,
            short_volatility=seen.short_volatility,
            long_volatility=seen.long_volatility,
            index_move=seen.index_move,
            feeds=seen.feeds,
            clock_skew_seconds=seen.clock_skew_seconds,
            broker_errors=seen.broker_errors,
            reconciliation_mismatch=seen.reconciliation_mismatch,
            reconciled_at=seen.reconciled_at,
            model_outcomes=seen.model_outcomes,
        ),
        rules.breakers,
        as_of=seen.as_of,
        session=seen.session,
    )
    return state.model_copy(update={"breakers": moved, "breaker_events": (*state.breaker_events, *events)})


def _released(breakers: Breakers, rules: BreakerRules, seen: Look, operator: str) -> Breakers:
    drawdown = breakers.of(Breaker.DRAWDOWN)
    if not operator or drawdown.phase is not BreakerPhase.OPEN or breakers.released_by:
        return breakers
    if drawdown.changed_session is None or seen.session - drawdown.changed_session < rules.drawdown_rest:
        return breakers
    return release(breakers, Breaker.DRAWDOWN, operator=operator, rules=rules, session=seen.session)


def end_session(
    state: ProtectionState, rules: Protection, seen: Look, *, limit: Decimal, returns: Sequence[float]
) -> ProtectionState:
    """Skim the reserve and judge the tier, at the close.

    Args:
        limit: the drawdown at which the present tier halts.
        returns: of the sessions so far.
    """
    changes: dict[str, object] = {}
    if rules.reserve is not None:
        reserve, move = skim(state.reserve, seen.realized, rules.reserve, as_of=seen.as_of)
        changes |= {"reserve": reserve, "reserve_moves": (*state.reserve_moves, *((move,) if move else ()))}
    if rules.tiers is not None:
        trips = tuple(event.session for event in state.breaker_events if event.is_trip)
        peak = state.breakers.mark if state.breakers.mark is not None else seen.peak_equity
        known = TierInputs(
            drawdown=max(Decimal(0), 1 - seen.equity / peak) if peak > 0 else Decimal(0),
            drawdown_limit=limit,
            closed_trades=state.trades_closed - state.trades_at_step,
            trips=trips,
        )
        if belief_matters(state.tier, known, rules.tiers, session=seen.session):  # it reads all returns in the tier
            known = known.model_copy(update={"psr": _belief(returns[state.tier.since :])})
        tier, change = next_tier(state.tier, known, rules.tiers, session=seen.session)
        changes |= {"tier": tier, "tier_changes": (*state.tier_changes, *((change,) if change else ()))}
        if tier.since != state.tier.since:
            changes["trades_at_step"] = state.trades_closed
    return state.model_copy(update=changes)


def _belief(returns: Sequence[float]) -> float | None:
    """Chance that the true Sharpe ratio of the returns is above 0."""
    series = np.array(returns, dtype=np.float64)
    sharpe, shape = session_sharpe(series), shape_of(series)
    if sharpe is None or shape is None:
        return None
    return probabilistic_sharpe(sharpe, len(series), skewness=shape.skewness, kurtosis=shape.kurtosis)


def note_trades(state: ProtectionState, results: Sequence[Decimal]) -> ProtectionState:
    """Count the trades that a session closed, in dollars gained. Which came first is not asked: winners count first."""
    losses = sum(1 for result in results if result < 0)
    streak = 0 if losses < len(results) else state.losses
    return state.model_copy(update={"losses": streak + losses, "trades_closed": state.trades_closed + len(results)})
