"""Every number that a decision depends on, in one frozen, versioned object.

The defaults are those of the quantitative specification; `TradingConfig.for_tier` gives the presets of the three risk
tiers. Shares of equity and money are `Decimal`, because limits are compared exactly; weights of scores are floats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from domain.documents import Credibility
from domain.errors import InvalidInput
from domain.extraction import EntityRole, EventType, Materiality
from domain.layer_config import CompetitiveLayerConfig, MacroLayerConfig
from domain.rules_config import (
    PROTECTION_SECTIONS,
    TIER_PRESETS,
    CapRules,
    ClusterRules,
    EntryRules,
    PositiveShare,
    Protection,
    Share,
    WeightRules,
    plain,
)
from domain.settings import Positive, Settings, Unit
from domain.taxonomy import half_life_of

VERSION_LENGTH = 12
"""Hex digits of a configuration's version."""


Dollars = Annotated[Decimal, Field(ge=0, decimal_places=6, max_digits=20), AfterValidator(plain)]
HALF_LIVES: dict[EventType, float] = {event: half_life_of(event) for event in EventType}
"""Trading days after which an event weighs half; earnings as for large companies."""

RELEVANCE: dict[EntityRole, float] = {
    EntityRole.SUBJECT: 1.0,
    EntityRole.ACQUIRER: 1.0,
    EntityRole.TARGET: 1.0,
    EntityRole.SUPPLIER: 0.6,
    EntityRole.CUSTOMER: 0.6,
    EntityRole.COMPETITOR: 0.6,
    EntityRole.REGULATOR: 0.3,
    EntityRole.ANALYST: 0.3,
    EntityRole.MENTION: 0.3,
}
"""Subject 1, secondary .6, mention .3. Both sides of a deal are its subject; who judges a company is only mentioned."""

CREDIBILITY: dict[Credibility, float] = {
    Credibility.OFFICIAL: 1.0,
    Credibility.WIRE: 0.9,
    Credibility.MAJOR_PRESS: 0.75,
    Credibility.TRADE_PRESS: 0.6,
    Credibility.AGGREGATOR: 0.4,
    Credibility.UNKNOWN: 0.3,
    Credibility.SOCIAL: 0.2,
}

MATERIALITY: dict[Materiality, float] = {Materiality.LOW: 0.3, Materiality.MEDIUM: 0.6, Materiality.HIGH: 1.0}

K = TypeVar("K", bound=StrEnum)


def _complete(given: Any, defaults: dict[K, float]) -> Any:
    """Fill a partial table from the defaults, in the defaults' order, so that equal tables are equal byte for byte."""
    if not isinstance(given, dict):
        return given
    named = {str(key): value for key, value in given.items()}
    known = {key: named.pop(str(key), default) for key, default in defaults.items()}
    return {**known, **named}


class Tier(StrEnum):
    CONSERVATIVE = "conservative"
    MODERATE = "moderate"
    AGGRESSIVE = "aggressive"


class ConfirmationConfig(Settings):
    """Market confirmation: how far prices and volume agree with the news."""

    strength: Annotated[Unit, Field(description="largest share by which confirmation scales the score")] = 0.25
    trend_weight: Annotated[Unit, Field(description="weight of the moving-average term")] = 0.6
    momentum_weight: Annotated[Unit, Field(description="weight of the return term")] = 0.4
    short_average: Annotated[int, Field(ge=2, le=250, description="sessions of the short moving average")] = 20
    long_average: Annotated[int, Field(ge=3, le=500, description="sessions of the long moving average")] = 50
    trend_scale: Annotated[Positive, Field(description="daily deviations that make the trend term tanh(1)")] = 5.0
    momentum_sessions: Annotated[int, Field(ge=1, le=60, description="sessions of the recent return")] = 5
    volume_sessions: Annotated[int, Field(ge=2, le=250, description="sessions before the last for the volume z")] = 20
    volume_floor: Annotated[Unit, Field(description="share of the return term that needs no volume")] = 0.5
    volume_z_scale: Annotated[Positive, Field(description="volume z at which the return term counts in full")] = 2.0
    volatility_sessions: Annotated[int, Field(ge=5, le=500, description="sessions of the daily volatility")] = 60
    burst_sessions: Annotated[int, Field(ge=2, le=60, description="sessions of the short volatility")] = 5
    burst_tolerance: Annotated[Positive, Field(description="long over short volatility is multiplied by this")] = 1.5
    liquidity_sessions: Annotated[int, Field(ge=1, le=250, description="sessions of the average dollar volume")] = 20

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.short_average >= self.long_average:
            raise ValueError(f"short_average {self.short_average} must be below long_average {self.long_average}")
        if self.trend_weight + self.momentum_weight > 1 + 1e-9:
            raise ValueError(f"trend_weight and momentum_weight sum to {self.trend_weight + self.momentum_weight} > 1")
        return self

    @property
    def bars_needed(self) -> int:
        """Closes without which there is no confirmation and no volatility."""
        return max(
            self.volatility_sessions + 1,
            self.burst_sessions + 1,
            self.momentum_sessions + 1,
            self.volume_sessions + 1,
            self.long_average,
        )

    @property
    def bars_read(self) -> int:
        """The most recent bars that can have any effect."""
        return max(self.bars_needed, self.liquidity_sessions)


class SignalConfig(Settings):
    """From evidence to a score."""

    relevance: dict[EntityRole, Unit] = RELEVANCE
    credibility: dict[Credibility, Unit] = CREDIBILITY
    materiality: dict[Materiality, Unit] = MATERIALITY
    half_lives: dict[EventType, Positive] = HALF_LIVES
    negative_half_life: Annotated[
        float, Field(ge=1, le=5, description="factor on the half-life of negative evidence")
    ] = 1.5
    kappa: Annotated[Positive, Field(description="shrinkage: weight of the prior belief in a score of 0")] = 1.0
    windows: Annotated[
        tuple[Positive, Positive, Positive], Field(description="ages in trading days, ascending, both ends included")
    ] = (1.0, 7.0, 30.0)
    window_weights: tuple[Unit, Unit, Unit] = (0.2, 0.5, 0.3)
    company_weight: Unit = 0.60
    macro_weight: Unit = 0.25
    competitive_weight: Unit = 0.15
    company_enabled: bool = True
    macro_enabled: bool = True
    competitive_enabled: bool = True
    lookback_days: Annotated[
        int, Field(ge=1, le=400, description="calendar days; evidence older than this is not read at all")
    ] = 60
    session_opens_minute: Annotated[int, Field(ge=0, le=1439, description="UTC minute a trading day starts at")] = 810
    session_closes_minute: Annotated[int, Field(ge=1, le=1440, description="UTC minute a trading day is over")] = 1260
    novelty_window_days: Annotated[Positive, Field(description="calendar days to look back for the same story")] = 7.0
    novelty_documents: Annotated[int, Field(ge=1, le=100, description="stories of each site to compare with")] = 10
    duplicate_similarity: Annotated[
        float, Field(gt=0, le=1, description="Jaccard similarity from which two documents are one story")
    ] = 0.8
    document_share: Annotated[
        float, Field(gt=0, lt=1, description="most of a layer that one document filed with an authority may be")
    ] = 0.5
    site_share: Annotated[float, Field(gt=0, lt=1, description="most of a layer that one site may be")] = 0.4
    crowd_credibility: Annotated[
        Unit, Field(description="weight of credibility below which all sites together count as one")
    ] = 0.5
    contradiction_discount: Annotated[Unit, Field(description="share of conviction lost at full contradiction")] = 0.5
    probability_slope: Annotated[
        float, Field(ge=0, le=0.5, description="p_dir = .5 + slope * conviction until outcomes calibrate it")
    ] = 0.1
    horizon_factor: Annotated[Positive, Field(description="mean life over half-life, 1/ln 2")] = 1.44
    horizon_minimum: Positive = 1.0
    horizon_maximum: Positive = 60.0
    macro: MacroLayerConfig = MacroLayerConfig()
    competitive: CompetitiveLayerConfig = CompetitiveLayerConfig()
    confirmation: ConfirmationConfig = ConfirmationConfig()

    @field_validator("relevance", mode="before")
    @classmethod
    def _all_roles(cls, given: Any) -> Any:
        return _complete(given, RELEVANCE)

    @field_validator("credibility", mode="before")
    @classmethod
    def _all_classes(cls, given: Any) -> Any:
        return _complete(given, CREDIBILITY)

    @field_validator("materiality", mode="before")
    @classmethod
    def _all_materialities(cls, given: Any) -> Any:
        return _complete(given, MATERIALITY)

    @field_validator("half_lives", mode="before")
    @classmethod
    def _all_events(cls, given: Any) -> Any:
        return _complete(given, HALF_LIVES)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.windows[0] <= self.windows[1] <= self.windows[2]:
            raise ValueError(f"windows must ascend, found {self.windows}")
        if sum(self.window_weights) > 1 + 1e-9:
            raise ValueError(f"window_weights sum to {sum(self.window_weights)}, allowed is at most 1")
        layers = self.company_weight + self.macro_weight + self.competitive_weight
        if layers > 1 + 1e-9:
            raise ValueError(f"the layer weights sum to {layers}, allowed is at most 1")
        if self.session_opens_minute >= self.session_closes_minute:
            raise ValueError(
                f"session_opens_minute {self.session_opens_minute} must be below "
                f"session_closes_minute {self.session_closes_minute}"
            )
        if self.horizon_minimum > self.horizon_maximum:
            raise ValueError(f"horizon_minimum {self.horizon_minimum} is above horizon_maximum {self.horizon_maximum}")
        return self


class RecommendationConfig(Settings):
    """From a score to an action. Scores are in [-1, 1], edges and costs in basis points."""

    buy_score: Annotated[Unit, Field(description="S* from which a symbol may be bought")] = 0.25
    watch_score: Annotated[Unit, Field(description="|S*| from which a symbol is worth watching")] = 0.15
    exit_score: Annotated[
        float, Field(ge=-1, le=1, allow_inf_nan=False, description="S* at or below which a position is sold")
    ] = 0.05
    maximum_contradiction: Unit = 0.6
    information_coefficient: Annotated[Unit, Field(description="correlation of score and return, IC")] = 0.02
    edge_score_scale: Annotated[Positive, Field(description="S* that counts as one standard score")] = 0.2
    edge_score_limit: Annotated[Positive, Field(description="largest standard score that counts")] = 2.0
    edge_over_cost: Annotated[Positive, Field(description="edge needed as a multiple of the cost")] = 1.5
    half_spread_bp: Annotated[float, Field(ge=0, le=100)] = 2.5
    fee_bp: Annotated[float, Field(ge=0, le=100)] = 0.0
    impact: Annotated[float, Field(ge=0, le=5, description="Y of the square-root impact law")] = 0.7
    minimum_hold_sessions: Annotated[int, Field(ge=0, le=60)] = 1
    cool_down_sessions: Annotated[int, Field(ge=0, le=60, description="sessions after an exit without re-entry")] = 2
    cited_documents: Annotated[int, Field(ge=1, le=10, description="documents that a thesis cites")] = 3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.exit_score < self.watch_score <= self.buy_score:
            raise ValueError(
                "exit_score < watch_score <= buy_score is needed, found "
                f"{self.exit_score}, {self.watch_score}, {self.buy_score}"
            )
        return self


class SizingConfig(Settings):
    """From an action to a quantity."""

    volatility_target: Annotated[PositiveShare, Field(description="yearly volatility wanted of the portfolio")] = (
        Decimal("0.10")
    )
    target_positions: Annotated[int, Field(ge=1, le=500, description="positions the target is spread over")] = 10
    sessions_per_year: Annotated[int, Field(ge=200, le=366)] = 252
    name_cap: PositiveShare = Decimal("0.05")
    gross_cap: PositiveShare = Decimal("0.80")
    cash_floor: Share = Decimal("0.15")
    minimum_notional: Dollars = Decimal(100)
    fee_per_order: Dollars = Decimal(0)
    minimum_fee_multiple: Annotated[Decimal, Field(ge=0, le=1000), AfterValidator(plain)] = Decimal(20)
    fractional: Annotated[bool, Field(description="False: whole shares only")] = False
    quantity_step: Annotated[
        Decimal,
        Field(gt=0, le=1, decimal_places=9, description="smallest part of a share when fractional"),
        AfterValidator(plain),
    ] = Decimal("0.001")
    rebalance_band: Annotated[Share, Field(description="gap, as a share of the target, that is left alone")] = Decimal(
        "0.25"
    )

    @property
    def step(self) -> Decimal:
        """The unit quantities are floored to, in shares."""
        return self.quantity_step if self.fractional else Decimal(1)

    @property
    def smallest_order(self) -> Decimal:
        """Notional in dollars below which an opening order is not worth placing."""
        return max(self.minimum_notional, self.minimum_fee_multiple * self.fee_per_order)


class RiskLimits(Settings):
    """What risk never lets pass, whatever was sized."""

    name_cap: PositiveShare = Decimal("0.05")
    gross_cap: PositiveShare = Decimal("0.80")
    cash_floor: Share = Decimal("0.15")
    daily_loss: Annotated[PositiveShare, Field(description="loss since the prior close that stops openings")] = Decimal(
        "0.02"
    )
    drawdown: Annotated[PositiveShare, Field(description="loss from the peak that stops openings")] = Decimal("0.10")
    max_adv_share: Annotated[PositiveShare, Field(description="order as a share of average dollar volume")] = Decimal(
        "0.02"
    )
    min_price: Dollars = Decimal(5)
    min_adv20: Annotated[Dollars, Field(description="average dollar volume of 20 sessions")] = Decimal(5_000_000)
    min_conviction: Unit = 0.25


People = Annotated[int, Field(ge=0, le=2)]
"""How many different people must approve; 0: nobody is asked."""


class LiveApprovals(Settings):
    """What real money adds to the policy. Of the two, the stricter counts: live is never looser than paper."""

    notional_above: Dollars = Decimal(10_000)
    two_people_above: Dollars | None = Decimal(100_000)
    conviction_below: Unit = 0.35
    first_trade: People = 1
    by_hand: People = 1
    signals_approve: bool = False
    price_needed: bool = True


class ApprovalPolicy(Settings):
    """Which orders how many people must approve, and how long and how far the question stays valid.

    Of all rules that apply, the one that asks the most people counts. Limits speak of opening orders; a reduction waits
    for nobody unless `reductions` says so.
    """

    notional_above: Annotated[Dollars, Field(description="above it one person is asked")] = Decimal(25_000)
    notional_above_by_tier: dict[Tier, Dollars] = Field(default_factory=dict, description="the same in one risk tier")
    two_people_above: Annotated[Dollars | None, Field(description="above it two people are asked")] = None
    conviction_below: Annotated[Unit, Field(description="below it one person is asked")] = 0.0
    first_trade: Annotated[People, Field(description="asked about a symbol that was never traded")] = 0
    by_hand: Annotated[People, Field(description="asked about an order that a person made or changed")] = 1
    reductions: People = 0
    solo: Annotated[bool, Field(description="one person runs the house and may approve own proposals alone")] = False
    signals_approve: Annotated[bool, Field(description="plain signals, which nobody signs, may approve")] = True
    price_needed: Annotated[bool, Field(description="refuse to send an approved order at an unknown price")] = False
    expires_after_seconds: Annotated[int, Field(ge=1, le=7 * 86_400)] = 14_400
    price_band: Annotated[Share, Field(description="move of the price after which it must be asked again")] = Decimal(
        "0.02"
    )
    price_look_seconds: Annotated[int, Field(ge=1, le=86_400, description="pause between two looks at the price")] = 300
    maximum_asks: Annotated[int, Field(ge=1, le=10, description="questions about one order, then it expires")] = 3
    submit_within_seconds: Annotated[int, Field(ge=1, le=86_400, description="an approval older than this is void")] = (
        900
    )
    escalate_after: Annotated[Share, Field(description="share of the time after which others are told; 1: never")] = (
        Decimal("0.5")
    )
    escalation_audience: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] = "escalation"
    live: LiveApprovals = LiveApprovals()


class EngineConfig(Settings):
    """How the trading engine runs, and the account that costs are estimated for."""

    opening_cash: Annotated[Dollars, Field(gt=0, description="cash a new book starts with")] = Decimal(100_000)
    tick_seconds: Annotated[float, Field(ge=1, le=86_400, description="pause between looks at the book")] = 300.0
    pre_open_seconds: Annotated[float, Field(ge=0, le=86_400, description="lead of the day's plan")] = 300.0
    benchmark: Annotated[
        str, Field(pattern=r"^[A-Z0-9.\-]{1,20}$", description="index whose volatility the breakers look at")
    ] = "SPY"


class TradingConfig(Settings):
    """The whole configuration of decisions. Equal configurations have equal versions."""

    tier: Tier = Tier.MODERATE
    signals: SignalConfig = SignalConfig()
    recommendation: RecommendationConfig = RecommendationConfig()
    sizing: SizingConfig = SizingConfig()
    limits: RiskLimits = RiskLimits()
    approval: ApprovalPolicy = ApprovalPolicy()
    engine: EngineConfig = EngineConfig()
    protection: Protection = Protection()
    caps: CapRules = CapRules()
    clusters: ClusterRules = ClusterRules()
    entries: EntryRules = EntryRules()
    weights: WeightRules = WeightRules()

    @model_validator(mode="after")
    def _sizing_within_limits(self) -> Self:
        for name in ("name_cap", "gross_cap"):
            wanted, limit = getattr(self.sizing, name), getattr(self.limits, name)
            if wanted > limit:
                raise ValueError(f"sizing.{name} {wanted} is above limits.{name} {limit}: lower it or raise the limit")
        if self.sizing.cash_floor < self.limits.cash_floor:
            raise ValueError(
                f"sizing.cash_floor {self.sizing.cash_floor} is below limits.cash_floor {self.limits.cash_floor}: "
                "raise it or lower the limit"
            )
        return self

    @classmethod
    def for_tier(cls, tier: Tier | str) -> TradingConfig:
        """Build the preset of a risk tier: conservative, moderate or aggressive.

        Raises:
            ValueError: no such tier.
        """
        return cls.model_validate({"tier": Tier(tier), **_preset_of(Tier(tier))})

    def version(self) -> str:
        """Identify the configuration: the first 12 hex digits of the sha256 of its canonical JSON."""
        body = json.dumps(self.model_dump(mode="json"), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(body.encode()).hexdigest()[:VERSION_LENGTH]


def changed(base: TradingConfig, changes: Mapping[str, Any]) -> TradingConfig:
    """Apply changes to a configuration, nested as it is: `{"signals": {"kappa": 2}}`.

    Raises:
        InvalidInput: names the field, the value and what is allowed.
    """
    try:
        return TradingConfig.model_validate(_merged(base.model_dump(mode="json"), changes))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(
            "CONFIG_INVALID",
            str(first["msg"]),
            field=".".join(str(part) for part in first["loc"]) or "config",
            found=json.dumps(first.get("input"), default=str)[:200],
        ) from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for name, value in changes.items():
        inner = found.get(name)
        found[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return found


def _preset_of(tier: Tier) -> dict[str, Any]:
    """A tier's numbers, nested as the configuration is."""
    preset = TIER_PRESETS[tier.value]
    protection = {name: preset[name] for name in PROTECTION_SECTIONS}
    return {name: part for name, part in preset.items() if name not in PROTECTION_SECTIONS} | {"protection": protection}
