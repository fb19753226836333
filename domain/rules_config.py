"""The numbers of the risk rules: stops, reserve, breakers, tiers, clusters, caps, entries and the weight formula.

Defaults are those of the moderate tier; `TIER_PRESETS` holds every number that differs between the tiers. Source:
quantitative specification, section 3. `domain.config` embeds what stands here.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from domain.settings import Positive, Settings, Unit


def plain(value: Decimal) -> Decimal:
    """Drop trailing zeros and exponents, so that 0.050 and 0.05 have one version."""
    return Decimal(format(value.normalize(), "f"))


Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=9), AfterValidator(plain)]
PositiveShare = Annotated[Decimal, Field(gt=0, le=1, decimal_places=9), AfterValidator(plain)]
Multiple = Annotated[Decimal, Field(gt=0, le=1_000, decimal_places=9), AfterValidator(plain)]
Sessions = Annotated[int, Field(ge=1, le=2_000)]
Count = Annotated[int, Field(ge=1, le=10_000)]
TierName = Literal["conservative", "moderate", "aggressive"]


class StopRules(Settings):
    """Where a long position is left. R is the distance from the entry price to the initial stop."""

    atr_sessions: Annotated[Sessions, Field(description="n of Wilder's average true range")] = 14
    initial_atr: Annotated[Multiple, Field(description="ATR between the entry price and the initial stop")] = Decimal(3)
    trail_atr: Annotated[Multiple, Field(description="ATR between the highest close and the trailing stop")] = Decimal(
        3
    )
    scale_out_r: Annotated[Multiple, Field(description="gain in R at which part of the position is sold")] = Decimal(2)
    scale_out_share: Annotated[PositiveShare, Field(description="part of the position sold there")] = Decimal("0.5")
    time_stop_horizons: Annotated[Multiple, Field(description="horizons after which a gain must have come")] = Decimal(
        "1.5"
    )
    time_stop_r: Annotated[Multiple, Field(description="the gain in R that it must have been")] = Decimal("0.5")


class ReserveRules(Settings):
    """What is put aside of profits."""

    skim_share: Annotated[Share, Field(description="part of each new high of realised net profit")] = Decimal("0.20")


class BreakerRules(Settings):
    """When each breaker trips, and what it needs to reset."""

    daily_loss: Annotated[PositiveShare, Field(description="loss since the prior close that trips")] = Decimal("0.02")
    daily_loss_rest: Annotated[Sessions, Field(description="sessions after the trip")] = 1

    drawdown: Annotated[PositiveShare, Field(description="loss from the high-water mark that trips")] = Decimal("0.10")
    drawdown_rest: Annotated[Sessions, Field(description="sessions before an operator may release it")] = 21

    losses_to_halve: Annotated[Count, Field(description="losing trades in a row that halve the size")] = 5
    losses_to_halt: Annotated[Count, Field(description="losing trades in a row that stop entries")] = 8
    loss_streak_rest: Annotated[Sessions, Field(description="sessions after the trip")] = 2

    volatility_ratio: Annotated[Positive, Field(description="s5/s60 above which it trips")] = 2.5
    index_move: Annotated[Positive, Field(description="index day, in its daily deviations, above which it trips")] = 4.0
    calm_ratio: Annotated[Positive, Field(description="s5/s60 below which the market is calm")] = 1.5
    calm_sessions: Annotated[Sessions, Field(description="sessions it must have been calm for")] = 2

    stale_intervals: Annotated[Positive, Field(description="expected intervals above which a feed is stale")] = 2.0
    clock_skew_seconds: Annotated[Positive, Field(description="skew, either way, above which it trips")] = 5.0
    fresh_ticks: Annotated[Count, Field(description="ticks in a row with everything fresh")] = 3

    broker_errors: Annotated[Count, Field(description="errors within the window that trip")] = 3
    broker_window_seconds: Annotated[Count, Field(description="window of the errors, both ends included")] = 300
    broker_rest_seconds: Annotated[Count, Field(description="quiet after a clean reconciliation")] = 600

    model_window: Annotated[Count, Field(description="model outcomes looked at")] = 50
    model_failures: Annotated[PositiveShare, Field(description="failed part of the window above which it trips")] = (
        Decimal("0.20")
    )
    model_recovered: Annotated[
        PositiveShare, Field(description="failed part of a full window below which it resets")
    ] = Decimal("0.05")

    reduced_size: Annotated[PositiveShare, Field(description="part of the normal size after a halving")] = Decimal(
        "0.5"
    )
    half_open_size: Annotated[PositiveShare, Field(description="part of the normal size when half-open")] = Decimal(
        "0.25"
    )
    half_open_sessions: Annotated[Sessions, Field(description="sessions it stays half-open")] = 1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.losses_to_halve >= self.losses_to_halt:
            raise ValueError(
                f"losses_to_halve {self.losses_to_halve} must be below losses_to_halt {self.losses_to_halt}"
            )
        if self.calm_ratio > self.volatility_ratio:
            raise ValueError(f"calm_ratio {self.calm_ratio} is above volatility_ratio {self.volatility_ratio}")
        if self.model_recovered > self.model_failures:
            raise ValueError(f"model_recovered {self.model_recovered} is above model_failures {self.model_failures}")
        return self


class TierRules(Settings):
    """What moves the account between risk tiers."""

    promotion_sessions: Annotated[Sessions, Field(description="sessions in the tier")] = 60
    promotion_trades: Annotated[int, Field(ge=0, le=10_000, description="trades closed in the tier")] = 30
    promotion_drawdown_divisor: Annotated[
        int, Field(ge=1, le=100, description="drawdown must be below the limit divided by this")
    ] = 3
    promotion_psr: Annotated[Unit, Field(description="probability that the Sharpe ratio is above 0")] = 0.90
    promotion_pause: Annotated[Sessions, Field(description="sessions without promotion after a demotion")] = 20
    highest: Annotated[TierName, Field(description="no promotion above it: aggressive is opted into")] = "moderate"
    demotion_drawdown_divisor: Annotated[
        int, Field(ge=1, le=100, description="drawdown at the limit divided by this demotes")
    ] = 2
    demotion_trips: Annotated[Count, Field(description="breaker trips within the window that demote")] = 2
    trip_sessions: Annotated[Sessions, Field(description="window that trips are counted in, today included")] = 20

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.promotion_drawdown_divisor < self.demotion_drawdown_divisor:
            raise ValueError(
                f"promotion_drawdown_divisor {self.promotion_drawdown_divisor} is below demotion_drawdown_divisor "
                f"{self.demotion_drawdown_divisor}: a drawdown could promote and demote at once"
            )
        return self


class ClusterRules(Settings):
    """Which symbols count as one bet."""

    span: Annotated[Count, Field(ge=2, description="EWMA span n in sessions: alpha = 2 / (n + 1)")] = 60
    window: Annotated[Sessions, Field(description="most recent sessions that are read")] = 250
    minimum_sessions: Annotated[Sessions, Field(description="common sessions without which rho is unknown")] = 60
    shrinkage: Annotated[Unit, Field(description="weight of the sector mean")] = 0.5
    threshold: Annotated[Unit, Field(description="rho above which two symbols are linked")] = 0.7

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum_sessions > self.window:
            raise ValueError(f"minimum_sessions {self.minimum_sessions} is above window {self.window}")
        return self


class CapRules(Settings):
    """Shares of equity in what belongs together; the caps on a name and on gross stand with the limits."""

    sector_cap: PositiveShare = Decimal("0.25")
    cluster_cap: PositiveShare = Decimal("0.15")


class EntryRules(Settings):
    """When nothing is opened, and how large a position may be for its market."""

    blackout_before: Annotated[int, Field(ge=0, le=60, description="sessions before an earnings report")] = 2
    blackout_after: Annotated[int, Field(ge=0, le=60, description="sessions after it, the last one up to its open")] = 1
    trim_above: Annotated[Share, Field(description="part of the name cap above which a holding is halved before")] = (
        Decimal("0.5")
    )
    trim_share: Annotated[PositiveShare, Field(description="part of such a holding that is sold")] = Decimal("0.5")
    unknown_report_days: Annotated[
        int, Field(ge=1, le=400, description="calendar days since the last report from which the next must be known")
    ] = 80
    max_spread_bp: Annotated[float, Field(ge=0, le=1_000, description="quoted spread")] = 30.0
    quote_needed: Annotated[bool, Field(description="refuse to spend real money in the session without a quote")] = (
        False
    )
    max_position_adv: Annotated[PositiveShare, Field(description="position as a share of a day's dollar volume")] = (
        Decimal("0.10")
    )


class WeightRules(Settings):
    """What bounds the weight of one position."""

    kelly_fraction: Annotated[PositiveShare, Field(description="f, the part of the Kelly weight that is taken")] = (
        Decimal("0.20")
    )
    trade_risk: Annotated[PositiveShare, Field(description="share of equity lost if the initial stop is hit")] = (
        Decimal("0.005")
    )
    full_conviction: Annotated[
        float, Field(gt=0, le=1, description="conviction from which the volatility weight counts in full")
    ] = 0.5


class Protection(Settings):
    """The rules that protect an account; None: that rule does not take part."""

    stops: StopRules | None = StopRules()
    breakers: BreakerRules | None = BreakerRules()
    reserve: ReserveRules | None = ReserveRules()
    tiers: Annotated[TierRules | None, Field(description="None: the account stays in its tier")] = TierRules()

    @classmethod
    def for_tier(cls, tier: TierName) -> Protection:
        """The preset of a risk tier."""
        return cls.model_validate({name: TIER_PRESETS[tier][name] for name in PROTECTION_SECTIONS})


def _preset(
    *,
    name: str,
    sector: str,
    cluster: str,
    gross: str,
    floor: str,
    volatility: str,
    kelly: str,
    risk: str,
    conviction: float,
    loss: str,
    drawdown: str,
    adv: str,
    skim: str,
    stop: str,
) -> dict[str, dict[str, Any]]:
    caps = {"name_cap": name, "gross_cap": gross, "cash_floor": floor}
    halts = {"daily_loss": loss, "drawdown": drawdown}
    return {
        "sizing": {**caps, "volatility_target": volatility},
        "limits": {**caps, **halts, "min_conviction": conviction, "max_adv_share": adv},
        "stops": {"initial_atr": stop},
        "reserve": {"skim_share": skim},
        "breakers": halts,
        "caps": {"sector_cap": sector, "cluster_cap": cluster},
        "weights": {"kelly_fraction": kelly, "trade_risk": risk},
    }


TIER_PRESETS: dict[TierName, dict[str, dict[str, Any]]] = {
    "conservative": _preset(
        name="0.03", sector="0.15", cluster="0.10", gross="0.50", floor="0.25", volatility="0.06", kelly="0.10",
        risk="0.0025", conviction=0.35, loss="0.01", drawdown="0.06", adv="0.01", skim="0.30", stop="2.5",
    ),
    "moderate": _preset(
        name="0.05", sector="0.25", cluster="0.15", gross="0.80", floor="0.15", volatility="0.10", kelly="0.20",
        risk="0.005", conviction=0.25, loss="0.02", drawdown="0.10", adv="0.02", skim="0.20", stop="3",
    ),
    "aggressive": _preset(
        name="0.08", sector="0.35", cluster="0.25", gross="0.95", floor="0.05", volatility="0.15", kelly="0.30",
        risk="0.01", conviction=0.20, loss="0.03", drawdown="0.15", adv="0.05", skim="0.10", stop="3.5",
    ),
}  # fmt: skip
"""The table of the specification by tier, then by the section of the configuration that the numbers belong to."""

PROTECTION_SECTIONS = ("stops", "reserve", "breakers")
"""Sections of a preset that belong to `Protection`."""
