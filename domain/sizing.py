"""From recommendations to sized intents: volatility-scaled weights, shared limits, exact quantities.

Increases that share a limit are scaled in proportion, never served first come first: relabelling the symbols changes
nothing. Everything after the wanted weight is computed in exact fractions. Formulas: quantitative specification,
section 3; the fractional-Kelly and stop-distance bounds join `wanted_weight` when their inputs exist.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from domain.config import SizingConfig, TradingConfig
from domain.decisions import (
    Action,
    Assessment,
    Gate,
    Holding,
    Portfolio,
    Recommendation,
    Side,
    SizedIntent,
    TradingState,
)
from domain.ids import digest
from domain.portfolio import as_decimal, product


def volatility_weight(daily_volatility: float, config: SizingConfig) -> float:
    """Give w_vol = (vol target / sqrt(n_target)) / sd_annual, a share of equity; 0 where volatility is unknown."""
    if daily_volatility <= 0.0:
        return 0.0
    each = float(config.volatility_target) / math.sqrt(config.target_positions)
    return each / (daily_volatility * math.sqrt(config.sessions_per_year))


def conviction_scale(conviction: float) -> float:
    """Give min(1, 2c): half conviction is enough for a full position."""
    return min(1.0, 2.0 * conviction)


def wanted_weight(assessment: Assessment, config: SizingConfig) -> float:
    """Give w = min(w_vol min(1, 2c), name cap), the share of equity a position should have on its own."""
    weight = volatility_weight(assessment.daily_volatility, config) * conviction_scale(assessment.conviction)
    return min(weight, float(config.name_cap))


def intent_id(recommendation_id: str, symbol: str, side: Side) -> str:
    """Identify the intent that a recommendation leads to: planning it again finds the same one."""
    return digest("intent", recommendation_id, symbol, side)


def size(
    recommendations: Sequence[Recommendation],
    portfolio: Portfolio,
    *,
    config: TradingConfig,
    state: TradingState,
    as_of: datetime,
) -> tuple[SizedIntent, ...]:
    """Turn the recommendations of one tick into intents: sells first, then by symbol.

    A sell is a full exit of what is held and not already being sold. A buy fills the gap between the wanted weight
    and what is held or being bought; gaps within the rebalance band of an existing position are left alone. Buys are
    cut to the name cap, then all of them scaled to the gross cap and to the cash above max(reserve, cash floor), then
    floored to the quantity step. Cash that sells will free is not counted. What falls below the smallest order is
    dropped. Of several recommendations on a symbol the latest counts; those made after `as_of` are not looked at.
    Paused trading gives sells only, halted trading nothing.
    """
    if state is TradingState.HALTED:
        return ()
    latest = _latest(recommendations, as_of)
    held = {holding.symbol: holding for holding in portfolio.holdings if holding.quantity > 0}
    exits = [_exit(one, held[one.symbol], portfolio, as_of) for one in latest if _is_exit(one, held)]
    sells = tuple(intent for intent in exits if intent is not None)
    if state is not TradingState.ACTIVE or portfolio.equity <= 0:
        return sells
    asked = [_ask(one, held.get(one.symbol), portfolio, config.sizing) for one in latest if one.action is Action.BUY]
    return sells + _openings([one for one in asked if one is not None], portfolio, config.sizing, as_of)


def _latest(recommendations: Sequence[Recommendation], as_of: datetime) -> tuple[Recommendation, ...]:
    latest: dict[str, Recommendation] = {}
    for one in sorted(recommendations, key=lambda one: (one.symbol, one.as_of, one.recommendation_id)):
        if one.as_of <= as_of:
            latest[one.symbol] = one
    return tuple(latest.values())


def _is_exit(one: Recommendation, held: dict[str, Holding]) -> bool:
    return one.action is Action.SELL and one.symbol in held


def _exit(one: Recommendation, holding: Holding, portfolio: Portfolio, as_of: datetime) -> SizedIntent | None:
    being_sold = portfolio.open_sells.get(one.symbol, Decimal(0))
    quantity = holding.quantity - being_sold
    if quantity <= 0:
        return None
    return SizedIntent(
        intent_id=intent_id(one.recommendation_id, one.symbol, Side.SELL),
        recommendation_id=one.recommendation_id,
        symbol=one.symbol,
        side=Side.SELL,
        quantity=quantity,
        reference_price=holding.last_price,
        notional=product(quantity, holding.last_price),
        target_weight=0.0,
        clamps=(Gate(name="held", value=str(holding.quantity), limit=str(quantity), passed=being_sold == 0),),
        as_of=as_of,
        reason=_reason(one),
    )


@dataclass(frozen=True)
class _Ask:
    """A buy before the shared limits: what is wanted in dollars, and what is there already."""

    recommendation: Recommendation
    price: Decimal
    there: Fraction
    """Dollars held or being bought."""
    amount: Fraction
    """Dollars to add, within the name cap."""
    gates: tuple[Gate, ...]


def _ask(one: Recommendation, holding: Holding | None, portfolio: Portfolio, config: SizingConfig) -> _Ask | None:
    """Find the gap to the wanted weight; None where there is nothing to add."""
    price = holding.last_price if holding is not None else as_decimal(one.assessment.last_close)
    if price <= 0 or portfolio.open_sells.get(one.symbol, Decimal(0)) > 0:
        return None  # buying what is being sold would trade with ourselves
    equity = Fraction(portfolio.equity)
    there = Fraction(portfolio.open_buys.get(one.symbol, Decimal(0)))
    if holding is not None:
        there += Fraction(holding.quantity) * Fraction(price)
    by_volatility = volatility_weight(one.assessment.daily_volatility, config)
    scale = conviction_scale(one.assessment.conviction)
    uncapped = by_volatility * scale
    cap = Fraction(config.name_cap)
    target = min(Fraction(wanted_weight(one.assessment, config)), cap) * equity  # a float cap may lie above the exact
    gap = target - there
    if gap <= 0 or (there > 0 and gap <= Fraction(config.rebalance_band) * target):
        return None
    gates = (
        Gate(name="volatility_target", value=_share(by_volatility), limit=_share(by_volatility), passed=True),
        Gate(name="conviction", value=_share(scale), limit="1", passed=scale >= 1.0),
        Gate(name="name_cap", value=_share(uncapped), limit=str(config.name_cap), passed=Fraction(uncapped) <= cap),
    )
    return _Ask(recommendation=one, price=price, there=there, amount=gap, gates=gates)


def _openings(
    asks: Sequence[_Ask], portfolio: Portfolio, config: SizingConfig, as_of: datetime
) -> tuple[SizedIntent, ...]:
    """Scale the increases to what they share, in proportion, and make intents of what is left."""
    equity = Fraction(portfolio.equity)
    reserved = sum((Fraction(amount) for amount in portfolio.open_buys.values()), Fraction(0))
    invested = sum((abs(Fraction(one.quantity) * Fraction(one.last_price)) for one in portfolio.holdings), Fraction(0))
    asked = sum((one.amount for one in asks), Fraction(0))
    gross_room = Fraction(config.gross_cap) * equity - invested - reserved
    gross_scale = _scale(asked, gross_room)
    kept = asked * gross_scale
    floor = max(Fraction(portfolio.reserve), Fraction(config.cash_floor) * equity)
    cash = Fraction(portfolio.cash) - reserved
    cash_scale = _scale(kept, cash - floor)
    shared = (
        Gate(
            name="gross_cap",
            value=_share((invested + reserved + asked) / equity),
            limit=str(config.gross_cap),
            passed=gross_scale == 1,
        ),
        Gate(
            name="cash_floor",
            value=_share((cash - kept) / equity),
            limit=_share(floor / equity),
            passed=cash_scale == 1,
        ),
    )
    scale = gross_scale * cash_scale
    intents = (_opening(one, one.amount * scale, shared, equity, config, as_of) for one in asks)
    return tuple(intent for intent in intents if intent is not None)


def _scale(asked: Fraction, room: Fraction) -> Fraction:
    if asked == 0 or asked <= room:
        return Fraction(1)
    return max(Fraction(0), room) / asked


def _opening(
    ask: _Ask, amount: Fraction, shared: tuple[Gate, ...], equity: Fraction, config: SizingConfig, as_of: datetime
) -> SizedIntent | None:
    quantity = floor_to_step(amount / Fraction(ask.price), config.step)
    notional = product(quantity, ask.price)
    smallest = config.smallest_order
    if quantity <= 0 or notional < smallest:
        return None
    one = ask.recommendation
    exact = amount / Fraction(ask.price)
    whole = Gate(
        name="quantity_step",
        value=_share(exact),
        limit=str(config.step),
        passed=Fraction(quantity) == exact,
    )
    least = Gate(name="minimum_notional", value=str(notional), limit=str(smallest), passed=True)
    return SizedIntent(
        intent_id=intent_id(one.recommendation_id, one.symbol, Side.BUY),
        recommendation_id=one.recommendation_id,
        symbol=one.symbol,
        side=Side.BUY,
        quantity=quantity,
        reference_price=ask.price,
        notional=notional,
        target_weight=float((ask.there + Fraction(notional)) / equity),
        clamps=(*ask.gates, *shared, whole, least),
        as_of=as_of,
        reason=_reason(one),
    )


def floor_to_step(quantity: Fraction, step: Decimal) -> Decimal:
    """Round a quantity down to a multiple of the step, exactly."""
    return product(Decimal(math.floor(quantity / Fraction(step))), step)


def _share(value: Fraction | float) -> str:
    return f"{float(value):.6f}"


def _reason(one: Recommendation) -> str:
    return f"{one.action}: score={one.assessment.score:+.4f}, conviction={one.assessment.conviction:.4f}"
