"""Which change of the configuration lets more happen than before, and so needs a second person.

Every setting of the sections that bound risk has a direction, or is listed as neutral. A tightening is never held up,
and what is neutral or stands in another section may be changed by whoever may change the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from domain.config import Tier, TradingConfig
from domain.model import Model

UP = 1
"""A larger number lets more happen."""
DOWN = -1

SECTIONS = ("limits", "caps", "clusters", "entries", "weights", "sizing", "protection", "approval", "engine")
"""The sections that bound risk."""
DIRECTIONS: dict[str, int] = {
    "limits.name_cap": UP,
    "limits.gross_cap": UP,
    "limits.cash_floor": DOWN,
    "limits.daily_loss": UP,
    "limits.drawdown": UP,
    "limits.max_adv_share": UP,
    "limits.min_price": DOWN,
    "limits.min_adv20": DOWN,
    "limits.min_conviction": DOWN,
    "caps.sector_cap": UP,
    "caps.cluster_cap": UP,
    "clusters.threshold": UP,
    "entries.blackout_before": DOWN,
    "entries.blackout_after": DOWN,
    "entries.trim_above": UP,
    "entries.trim_share": DOWN,
    "entries.unknown_report_days": UP,
    "entries.max_spread_bp": UP,
    "entries.max_position_adv": UP,
    "weights.kelly_fraction": UP,
    "weights.trade_risk": UP,
    "weights.full_conviction": DOWN,
    "sizing.volatility_target": UP,
    "sizing.name_cap": UP,
    "sizing.gross_cap": UP,
    "sizing.cash_floor": DOWN,
    "sizing.target_positions": DOWN,
    "sizing.sessions_per_year": DOWN,
    "sizing.minimum_notional": DOWN,
    "sizing.fee_per_order": DOWN,
    "sizing.minimum_fee_multiple": DOWN,
    "protection.stops.initial_atr": UP,
    "protection.stops.trail_atr": UP,
    "protection.stops.scale_out_r": UP,
    "protection.stops.scale_out_share": DOWN,
    "protection.stops.time_stop_horizons": UP,
    "protection.stops.time_stop_r": DOWN,
    "protection.breakers.daily_loss": UP,
    "protection.breakers.daily_loss_rest": DOWN,
    "protection.breakers.drawdown": UP,
    "protection.breakers.drawdown_rest": DOWN,
    "protection.breakers.losses_to_halve": UP,
    "protection.breakers.losses_to_halt": UP,
    "protection.breakers.loss_streak_rest": DOWN,
    "protection.breakers.volatility_ratio": UP,
    "protection.breakers.index_move": UP,
    "protection.breakers.calm_ratio": UP,
    "protection.breakers.calm_sessions": DOWN,
    "protection.breakers.stale_intervals": UP,
    "protection.breakers.clock_skew_seconds": UP,
    "protection.breakers.fresh_ticks": DOWN,
    "protection.breakers.broker_errors": UP,
    "protection.breakers.broker_window_seconds": DOWN,
    "protection.breakers.broker_rest_seconds": DOWN,
    "protection.breakers.model_failures": UP,
    "protection.breakers.model_recovered": UP,
    "protection.breakers.reduced_size": UP,
    "protection.breakers.half_open_size": UP,
    "protection.breakers.half_open_sessions": DOWN,
    "protection.reserve.skim_share": DOWN,
    "protection.tiers.promotion_sessions": DOWN,
    "protection.tiers.promotion_trades": DOWN,
    "protection.tiers.promotion_drawdown_divisor": DOWN,
    "protection.tiers.promotion_psr": DOWN,
    "protection.tiers.promotion_pause": DOWN,
    "protection.tiers.demotion_drawdown_divisor": DOWN,
    "protection.tiers.demotion_trips": UP,
    "protection.tiers.trip_sessions": DOWN,
    "approval.notional_above": UP,
    "approval.two_people_above": UP,
    "approval.conviction_below": DOWN,
    "approval.first_trade": DOWN,
    "approval.by_hand": DOWN,
    "approval.reductions": DOWN,
    "approval.price_band": UP,
    "approval.expires_after_seconds": UP,
    "approval.submit_within_seconds": UP,
    "approval.maximum_asks": UP,
    "approval.price_look_seconds": UP,
    "approval.escalate_after": UP,
    "approval.live.notional_above": UP,
    "approval.live.two_people_above": UP,
    "approval.live.conviction_below": DOWN,
    "approval.live.first_trade": DOWN,
    "approval.live.by_hand": DOWN,
    "engine.tick_seconds": UP,
}
SWITCHES: dict[str, bool] = {
    "approval.solo": True,
    "approval.signals_approve": True,
    "approval.price_needed": False,
    "approval.live.signals_approve": True,
    "approval.live.price_needed": False,
    "entries.quote_needed": False,
}
"""Settings that are on or off, and the value that lets more happen."""
ANY_CHANGE = ("engine.benchmark",)
"""What has no order: the breakers may see nothing in another index."""
BY_RANK = ("protection.tiers.highest", "approval.notional_above_by_tier")
"""Compared tier by tier."""
NEUTRAL = (
    "sizing.fractional",
    "sizing.quantity_step",
    "sizing.rebalance_band",
    "clusters.span",
    "clusters.window",
    "clusters.minimum_sessions",
    "clusters.shrinkage",
    "protection.stops.atr_sessions",
    "protection.breakers.model_window",
    "approval.escalation_audience",
    "engine.opening_cash",
    "engine.pre_open_seconds",
)
"""Settings that let neither more nor less happen, or whose effect depends on the market."""
_TIERS = tuple(Tier)


class Loosened(Model):
    """One number that lets more happen than before."""

    path: str
    before: str
    after: str


def loosened_anywhere(*changes: tuple[TradingConfig, TradingConfig]) -> tuple[Loosened, ...]:
    """List what a change loosens in any of its views, by path: as configured, and as it is in force.

    They differ where the account was moved into another tier than the configured one: its limits are in force, and
    those configured come back with the tier. Of a path that both loosen the last view is shown.
    """
    found = {one.path: one for before, after in changes for one in loosened(before, after)}
    return tuple(found[path] for path in sorted(found))


def loosened(before: TradingConfig, after: TradingConfig) -> tuple[Loosened, ...]:
    """List what a change loosens, by path; empty: it only tightens, or touches nothing that bounds risk."""
    was, now = before.model_dump(), after.model_dump()
    return tuple(
        Loosened(path=path, before=_shown(_at(was, path)), after=_shown(_at(now, path)))
        for path in sorted(_paths(was, now))
    )


def _paths(was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    if _TIERS.index(now["tier"]) > _TIERS.index(was["tier"]):
        yield "tier"
    for name in ("stops", "breakers", "reserve", "tiers"):
        if was["protection"][name] is not None and now["protection"][name] is None:
            yield f"protection.{name}"
    for path, direction in DIRECTIONS.items():
        part = _at(now, path.rpartition(".")[0])
        if part is not None and _lets_more(_at(was, path), _at(now, path), direction):
            yield path
    for path, loose in SWITCHES.items():
        if _at(was, path) is not _at(now, path) and _at(now, path) is loose:
            yield path
    for path in ANY_CHANGE:
        if _at(was, path) != _at(now, path):
            yield path
    tiers_was, tiers_now = (side["approval"]["notional_above_by_tier"] for side in (was, now))
    for tier, limit in tiers_was.items():
        if tier not in tiers_now or tiers_now[tier] > limit:
            yield f"approval.notional_above_by_tier.{tier.value}"
    if _rank(now) > _rank(was):
        yield "protection.tiers.highest"


def _lets_more(was: Any, now: Any, direction: int) -> bool:
    """Whether a bound is looser, or gone."""
    if was is None:
        return False
    if now is None:
        return direction == UP
    return bool((now - was) * direction > 0)


def _rank(side: dict[str, Any]) -> int:
    tiers = side["protection"]["tiers"]
    return -1 if tiers is None else _TIERS.index(Tier(tiers["highest"]))


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        if values is None:
            return None
        values = values.get(name) if isinstance(values, dict) else None
    return values


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return "on" if isinstance(value, dict) else str(value)
