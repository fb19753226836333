"""The numbers of the specification's tables, and that presets fit the configuration that embeds them."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.config import RiskLimits, SizingConfig, Tier, TradingConfig
from domain.rules_config import (
    TIER_PRESETS,
    BreakerRules,
    CapRules,
    ClusterRules,
    EntryRules,
    ReserveRules,
    StopRules,
    TierName,
    TierRules,
    WeightRules,
)

TABLE: dict[TierName, tuple[str, ...]] = {
    "conservative": (
        "0.03", "0.15", "0.10", "0.50", "0.25", "0.06", "0.10", "0.0025", "0.35", "0.01", "0.06", "0.01", "0.30", "2.5",
    ),
    "moderate": (
        "0.05", "0.25", "0.15", "0.80", "0.15", "0.10", "0.20", "0.005", "0.25", "0.02", "0.10", "0.02", "0.20", "3",
    ),
    "aggressive": (
        "0.08", "0.35", "0.25", "0.95", "0.05", "0.15", "0.30", "0.01", "0.20", "0.03", "0.15", "0.05", "0.10", "3.5",
    ),
}  # fmt: skip
"""name, sector, cluster, gross, cash floor, volatility, Kelly, risk, conviction, day, drawdown, ADV, skim, stop."""


@pytest.mark.parametrize("tier", TABLE)
def test_preset_when_read_then_it_is_the_table_of_the_specification(tier: TierName) -> None:
    preset = TIER_PRESETS[tier]
    skim = ReserveRules.model_validate(preset["reserve"]).skim_share
    stop = StopRules.model_validate(preset["stops"]).initial_atr
    sizing = SizingConfig.model_validate(preset["sizing"])
    bounds = RiskLimits.model_validate(preset["limits"])
    caps = CapRules.model_validate(preset["caps"])
    weights = WeightRules.model_validate(preset["weights"])
    breakers = BreakerRules.model_validate(preset["breakers"])
    found = (
        sizing.name_cap, caps.sector_cap, caps.cluster_cap, sizing.gross_cap, sizing.cash_floor,
        sizing.volatility_target, weights.kelly_fraction, weights.trade_risk, bounds.min_conviction,
        breakers.daily_loss, breakers.drawdown, bounds.max_adv_share, skim, stop,
    )  # fmt: skip
    assert [Decimal(str(value)) for value in found] == [Decimal(value) for value in TABLE[tier]]
    assert (bounds.daily_loss, bounds.drawdown) == (breakers.daily_loss, breakers.drawdown)
    assert (bounds.name_cap, bounds.gross_cap, bounds.cash_floor) == (
        sizing.name_cap, sizing.gross_cap, sizing.cash_floor,
    )  # fmt: skip


@pytest.mark.parametrize("tier", Tier)
def test_preset_when_compared_with_the_configuration_then_what_both_have_is_equal(tier: Tier) -> None:
    preset = TIER_PRESETS[tier.value]
    config = TradingConfig.for_tier(tier)
    for section in ("sizing", "limits"):
        settings = getattr(config, section)
        assert settings == type(settings).model_validate(preset[section])


def test_defaults_when_not_set_then_they_are_the_moderate_tier() -> None:
    preset = TIER_PRESETS["moderate"]
    assert StopRules() == StopRules.model_validate(preset["stops"])
    assert ReserveRules() == ReserveRules.model_validate(preset["reserve"])
    assert BreakerRules() == BreakerRules.model_validate(preset["breakers"])
    assert CapRules() == CapRules.model_validate(preset["caps"])
    assert WeightRules() == WeightRules.model_validate(preset["weights"])


@pytest.mark.parametrize(
    ("rules", "wrong"),
    [
        (BreakerRules, {"losses_to_halve": 8}),
        (BreakerRules, {"calm_ratio": 3.0}),
        (BreakerRules, {"model_recovered": "0.3"}),
        (TierRules, {"promotion_drawdown_divisor": 1}),
        (TierRules, {"highest": "reckless"}),
        (ClusterRules, {"minimum_sessions": 251}),
        (StopRules, {"scale_out_share": "1.5"}),
        (EntryRules, {"unknown_days": 80}),
    ],
)
def test_rules_when_they_contradict_each_other_then_they_are_refused(rules: type, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        rules(**wrong)
