"""What protects a backtest's account: stops, breakers, the reserve and risk tiers, as one state that sessions move.

Each rule is a pure function of its own module; here stands when a session asks it. Of the breakers those that the past
can tell of take part: daily loss, drawdown, loss streak, volatility. The operator who must release a drawdown does so
as soon as the rules allow it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import numpy as np
from pydantic import Field

from domain.breaker_state import Breaker, BreakerEvent, BreakerInputs, BreakerPhase, Breakers
from domain.breakers import advance as advance_breakers
from domain.breakers import permission, release
from domain.config import Tier, TradingConfig
from domain.model import Model, Utc
from domain.reserve import ReserveMove, ReserveState, skim
from domain.rules_config import TIER_PRESETS, BreakerRules, ReserveRules, StopRules, TierRules
from domain.settings import Settings
from domain.sharpe import probabilistic_sharpe, session_sharpe, shape_of
from domain.stops import StopEvent, StopState
from domain.tiers import TierChange, TierInputs, TierState, next_tier

RELEASING = "backtest"
"""Who releases a drawdown breaker of the past."""
_OF_A_TIER = ("sizing", "limits")


class Protection(Settings):
    """The rules that take part; None: that rule does not."""

    stops: StopRules | None = StopRules()
    breakers: BreakerRules | None = BreakerRules()
    reserve: ReserveRules | None = ReserveRules()
    tiers: Annotated[TierRules | None, Field(description="None: the account stays in its tier")] = TierRules()

    @classmethod
    def for_tier(cls, tier: Tier) -> Protection:
        """The preset of a risk tier."""
        preset = TIER_PRESETS[tier.value]
        return cls.model_validate({name: preset[name] for name in ("stops", "breakers", "reserve")})


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


def config_in(tier: Tier, base: TradingConfig) -> TradingConfig:
    """The configuration in a tier: its own sizes and limits, everything else as it is. In its own tier, unchanged."""
    if tier is base.tier:
        return base
    body = base.model_dump(mode="json")
    preset = TIER_PRESETS[tier.value]
    changed = {name: {**body[name], **preset[name]} for name in _OF_A_TIER}
    return TradingConfig.model_validate({**body, **changed, "tier": tier.value})


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


def look(state: ProtectionState, rules: Protection, seen: Look) -> ProtectionState:
    """Let the breakers look at the account, before the open and at the close."""
    if rules.breakers is None:
        return state
    breakers = _released(state.breakers, rules.breakers, seen)
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
        ),
        rules.breakers,
        as_of=seen.as_of,
        session=seen.session,
    )
    return state.model_copy(update={"breakers": moved, "breaker_events": (*state.breaker_events, *events)})


def _released(breakers: Breakers, rules: BreakerRules, seen: Look) -> Breakers:
    drawdown = breakers.of(Breaker.DRAWDOWN)
    if drawdown.phase is not BreakerPhase.OPEN or breakers.released_by or drawdown.changed_session is None:
        return breakers
    if seen.session - drawdown.changed_session < rules.drawdown_rest:
        return breakers
    return release(breakers, Breaker.DRAWDOWN, operator=RELEASING, rules=rules, session=seen.session)


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
        tier, change = next_tier(
            state.tier,
            TierInputs(
                drawdown=max(Decimal(0), 1 - seen.equity / peak) if peak > 0 else Decimal(0),
                drawdown_limit=limit,
                closed_trades=state.trades_closed - state.trades_at_step,
                psr=_belief(returns[state.tier.since :]),
                trips=trips,
            ),
            rules.tiers,
            session=seen.session,
        )
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
