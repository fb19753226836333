"""From recommendations to sized intents: bounded weights, shared limits, exact quantities.

Increases that share a limit are scaled in proportion, never served first come first: relabelling the symbols changes
nothing. Everything after the wanted weight is computed in exact fractions. Formulas: quantitative specification,
section 3, with the weight in `domain.weights` and the gate in `domain.allocation`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from domain.allocation import Allocation, AllocationLimits, Exposure, allocate
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
from domain.reserve import buckets
from domain.stops import stop_distance
from domain.weights import PositionWeight, WeightBound, position_weight


class Surroundings(Protocol):
    """What sizing must know of the market besides the recommendations. Asked only where something is to be bought."""

    def average_range(self, symbol: str) -> float | None:
        """Average true range at the last close known, in dollars a share of the day; None: unknown."""
        ...

    def groups(self, symbols: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        """Sector and cluster of each symbol. What belongs to none has one of its own."""
        ...

    def entry_gates(self, symbol: str) -> Sequence[Gate]:
        """What the calendar says of an entry; nothing is asked for what risk would deny."""
        ...


class Alone:
    """Nothing is known of the market: no position has a stop, and every symbol stands alone."""

    def average_range(self, symbol: str) -> float | None:
        return None

    def groups(self, symbols: Sequence[str]) -> Mapping[str, tuple[str, str]]:
        return {symbol: (symbol, symbol) for symbol in symbols}

    def entry_gates(self, symbol: str) -> Sequence[Gate]:
        return ()


ALONE = Alone()


def volatility_weight(daily_volatility: float, config: SizingConfig) -> float:
    """Give w_vol = (vol target / sqrt(n_target)) / sd_annual, a share of equity; 0 where volatility is unknown."""
    if daily_volatility <= 0.0:
        return 0.0
    each = float(config.volatility_target) / math.sqrt(config.target_positions)
    return each / (daily_volatility * math.sqrt(config.sessions_per_year))


def weight_without_edge(assessment: Assessment, config: SizingConfig) -> float:
    """Give min(w_vol min(1, 2c), name cap): what costs are estimated for, before the edge and its cost bound it too."""
    weight = volatility_weight(assessment.daily_volatility, config) * min(1.0, 2.0 * assessment.conviction)
    return min(weight, float(config.name_cap))


def wanted_weight(one: Recommendation, price: Decimal, config: TradingConfig, around: Surroundings) -> PositionWeight:
    """Give w, the share of equity a position should have on its own, with every bound that was looked at.

    The stop term takes part where positions have stops and the average true range is known.
    """
    assessment, distance = one.assessment, None
    if config.protection.stops is not None and (atr := around.average_range(one.symbol)) is not None:
        distance = stop_distance(price, atr, config.protection.stops)
    return position_weight(
        volatility_weight=volatility_weight(assessment.daily_volatility, config.sizing),
        conviction=assessment.conviction,
        edge_bp=one.edge_bp,
        cost_bp=one.cost_bp,
        daily_volatility=assessment.daily_volatility,
        horizon_td=assessment.horizon_td,
        stop_distance=distance,
        name_cap=config.sizing.name_cap,
        rules=config.weights,
    )


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
    around: Surroundings = ALONE,
) -> tuple[SizedIntent, ...]:
    """Turn the recommendations of one tick into intents: sells first, then by symbol.

    A sell is a full exit of what is held and not already being sold. A buy fills the gap between the wanted weight
    and what is held or being bought; gaps within the rebalance band of an existing position are left alone, and so is
    what may not be entered because of an earnings report, or is as large as its market bears already. Buys are
    scaled together to the caps on name, cluster, sector and gross and to the cash above max(reserve, cash floor), then
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
    asked = [_ask(one, held.get(one.symbol), portfolio, config, around) for one in latest if one.action is Action.BUY]
    return sells + _openings([one for one in asked if one is not None], portfolio, config, around, as_of)


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
        clamps=(Gate.made(name="held", value=str(holding.quantity), limit=str(quantity), passed=being_sold == 0),),
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
    """Dollars to add, within the name cap and the volume of its market."""
    gates: tuple[Gate, ...]


def _ask(
    one: Recommendation, holding: Holding | None, portfolio: Portfolio, config: TradingConfig, around: Surroundings
) -> _Ask | None:
    """Find the gap to the wanted weight; None where there is nothing to add."""
    price = holding.last_price if holding is not None else as_decimal(one.assessment.last_close)
    if price <= 0 or portfolio.open_sells.get(one.symbol, Decimal(0)) > 0:
        return None  # buying what is being sold would trade with ourselves
    equity = Fraction(portfolio.equity)
    there = Fraction(portfolio.open_buys.get(one.symbol, Decimal(0)))
    if holding is not None:
        there += Fraction(holding.quantity) * Fraction(price)
    for known in (ALONE, around):  # the first is cheap, and its weight is never the smaller one
        wanted = wanted_weight(one, price, config, known)
        target = wanted.weight * equity
        gap = target - there
        if gap <= 0 or (there > 0 and gap <= Fraction(config.sizing.rebalance_band) * target):
            return None
    room = Fraction(config.entries.max_position_adv) * _dollar_volume(one) - there
    if room <= 0 or not all(gate.passed for gate in around.entry_gates(one.symbol)):
        return None
    volume = Gate.made(
        name="position_volume", value=_share(there + gap), limit=_share(there + room), passed=gap <= room
    )
    return _Ask(recommendation=one, price=price, there=there, amount=min(gap, room), gates=(*_gates_of(wanted), volume))


def _dollar_volume(one: Recommendation) -> Fraction:
    """The average of 20 sessions, in dollars; what is no finite number counts as no volume."""
    volume = one.assessment.average_dollar_volume
    return Fraction(volume) if math.isfinite(volume) else Fraction(0)


def _gates_of(wanted: PositionWeight) -> tuple[Gate, ...]:
    """Each bound on the weight beside the weight that the others allow."""
    found = []
    for term in wanted.terms:
        others = min(other.weight for other in wanted.terms if other is not term)
        found.append(
            Gate.made(
                name=_GATES[term.bound],
                value=_share(others),
                limit=_share(term.weight),
                passed=others <= term.weight,
            )
        )
    return tuple(found)


_GATES = {
    WeightBound.VOLATILITY: "volatility_target",
    WeightBound.KELLY: "kelly",
    WeightBound.STOP: "stop_distance",
    WeightBound.NAME_CAP: "name_cap",
}


def _openings(
    asks: Sequence[_Ask], portfolio: Portfolio, config: TradingConfig, around: Surroundings, as_of: datetime
) -> tuple[SizedIntent, ...]:
    """Scale the increases to what they share, in proportion, and make intents of what is left."""
    if not asks:
        return ()
    increases = {ask.recommendation.symbol: ask.amount for ask in asks}
    there = _there(portfolio)
    groups = around.groups(sorted(increases.keys() | there.keys()))

    def exposures(amounts: Mapping[str, Fraction]) -> list[Exposure]:
        return [
            Exposure(symbol=symbol, sector=groups[symbol][0], cluster=groups[symbol][1], amount=amount)
            for symbol, amount in amounts.items()
        ]

    found = allocate(exposures(increases), exposures(there), _limits(portfolio, config))
    intents = (_opening(ask, gets, portfolio, config.sizing, as_of) for ask, gets in zip(asks, found, strict=True))
    return tuple(intent for intent in intents if intent is not None)


def _there(portfolio: Portfolio) -> dict[str, Fraction]:
    """Dollars in each symbol: held, and being bought."""
    found: dict[str, Fraction] = {}
    for holding in portfolio.holdings:
        worth = abs(Fraction(product(holding.quantity, holding.last_price)))
        found[holding.symbol] = found.get(holding.symbol, Fraction(0)) + worth
    for symbol, amount in portfolio.open_buys.items():
        found[symbol] = found.get(symbol, Fraction(0)) + Fraction(amount)
    return found


def _limits(portfolio: Portfolio, config: TradingConfig) -> AllocationLimits:
    sizing = config.sizing
    reservations = sum(portfolio.open_buys.values(), Decimal(0))
    cash = buckets(
        portfolio.cash,
        equity=portfolio.equity,
        reserve=portfolio.reserve,
        cash_floor=sizing.cash_floor,
        reservations=reservations,
    )
    return AllocationLimits(
        equity=portfolio.equity,
        name_cap=sizing.name_cap,
        cluster_cap=config.caps.cluster_cap,
        sector_cap=config.caps.sector_cap,
        gross_cap=sizing.gross_cap,
        deployable=cash.deployable,
    )


def _opening(
    ask: _Ask, gets: Allocation, portfolio: Portfolio, config: SizingConfig, as_of: datetime
) -> SizedIntent | None:
    amount, equity = gets.amount, Fraction(portfolio.equity)
    quantity = floor_to_step(amount / Fraction(ask.price), config.step)
    notional = product(quantity, ask.price)
    smallest = config.smallest_order
    if quantity <= 0 or notional < smallest:
        return None
    one = ask.recommendation
    exact = amount / Fraction(ask.price)
    whole = Gate.made(
        name="quantity_step",
        value=_share(exact),
        limit=str(config.step),
        passed=Fraction(quantity) == exact,
    )
    least = Gate.made(name="minimum_notional", value=str(notional), limit=str(smallest), passed=True)
    return SizedIntent(
        intent_id=intent_id(one.recommendation_id, one.symbol, Side.BUY),
        recommendation_id=one.recommendation_id,
        symbol=one.symbol,
        side=Side.BUY,
        quantity=quantity,
        reference_price=ask.price,
        notional=notional,
        target_weight=float((ask.there + Fraction(notional)) / equity),
        clamps=(*ask.gates, *(_named(gate) for gate in gets.gates), whole, least),
        as_of=as_of,
        reason=_reason(one),
    )


def _named(gate: Gate) -> Gate:
    """The cap on a name bounds the weight and, with what is there, the room: the second has a name of its own."""
    return gate.model_copy(update={"name": "name_room"}) if gate.name == "name_cap" else gate


def floor_to_step(quantity: Fraction, step: Decimal) -> Decimal:
    """Round a quantity down to a multiple of the step, exactly."""
    return product(Decimal(math.floor(quantity / Fraction(step))), step)


def _share(value: Fraction | float) -> str:
    return f"{float(value):.6f}"


def _reason(one: Recommendation) -> str:
    return f"{one.action}: score={one.assessment.score:+.4f}, conviction={one.assessment.conviction:.4f}"
