import pytest
from pydantic import ValidationError

from domain.config import HALF_LIVES, SignalConfig, SizingConfig, Tier, TradingConfig
from domain.extraction import EventType


def test_config_when_default_then_it_is_the_moderate_tier() -> None:
    assert TradingConfig() == TradingConfig.for_tier("moderate")
    assert TradingConfig().version() == TradingConfig.for_tier(Tier.MODERATE).version()


def test_config_when_tiers_differ_then_versions_differ() -> None:
    assert len({TradingConfig.for_tier(tier).version() for tier in Tier}) == 3


@pytest.mark.parametrize(
    ("tier", "name", "gross", "floor", "target", "conviction", "loss", "drawdown", "adv"),
    [
        ("conservative", "0.03", "0.5", "0.25", "0.06", 0.35, "0.01", "0.06", "0.01"),
        ("moderate", "0.05", "0.8", "0.15", "0.1", 0.25, "0.02", "0.1", "0.02"),
        ("aggressive", "0.08", "0.95", "0.05", "0.15", 0.20, "0.03", "0.15", "0.05"),
    ],
)
def test_config_when_made_for_a_tier_then_it_holds_the_tiers_numbers(
    tier: str, name: str, gross: str, floor: str, target: str, conviction: float, loss: str, drawdown: str, adv: str
) -> None:
    config = TradingConfig.for_tier(tier)
    assert (str(config.sizing.name_cap), str(config.sizing.gross_cap), str(config.sizing.cash_floor)) == (
        name, gross, floor,
    )  # fmt: skip
    assert (str(config.limits.name_cap), str(config.limits.gross_cap), str(config.limits.cash_floor)) == (
        name, gross, floor,
    )  # fmt: skip
    assert str(config.sizing.volatility_target) == target
    assert config.limits.min_conviction == conviction
    assert (str(config.limits.daily_loss), str(config.limits.drawdown)) == (loss, drawdown)
    assert str(config.limits.max_adv_share) == adv


def test_config_when_written_differently_then_version_is_the_same() -> None:
    assert TradingConfig(sizing=SizingConfig(name_cap="0.0500")).version() == TradingConfig().version()


def test_config_when_read_back_from_json_then_it_is_equal() -> None:
    config = TradingConfig.for_tier("aggressive")
    assert TradingConfig.model_validate_json(config.model_dump_json()) == config
    assert TradingConfig.model_validate(config.model_dump(mode="json")).version() == config.version()


def test_config_when_a_record_was_stored_before_a_number_existed_then_it_is_read_with_the_default() -> None:
    stored = TradingConfig().model_dump(mode="json")
    del stored["signals"]["crowd_credibility"]
    assert TradingConfig.model_validate(stored) == TradingConfig()


def test_config_when_one_number_changes_then_version_changes() -> None:
    changed = TradingConfig(signals=SignalConfig(half_lives={"rumour": 2}))
    assert changed.version() != TradingConfig().version()


def test_half_lives_when_given_in_part_then_the_rest_is_default_in_default_order() -> None:
    table = SignalConfig(half_lives={EventType.RUMOUR: 2}).half_lives
    assert list(table) == list(HALF_LIVES) == list(EventType)
    assert table == {**HALF_LIVES, EventType.RUMOUR: 2.0}
    assert SignalConfig().half_lives == HALF_LIVES


@pytest.mark.parametrize(
    "wrong",
    [
        {"signals": {"half_lives": {"gossip": 2}}},
        {"signals": {"kappa": 0}},
        {"signals": {"windows": [7, 1, 30]}},
        {"signals": {"company_weight": 0.61}},
        {"signals": {"window_weights": [0.2, 0.5, 0.4]}},
        {"recommendation": {"exit_score": 0.15}},
        {"recommendation": {"watch_score": 0.3}},
        {"sizing": {"name_cap": "0.051"}},
        {"sizing": {"gross_cap": "0.81"}},
        {"sizing": {"cash_floor": "0.14"}},
        {"sizing": {"quantity_step": 0}},
        {"limits": {"drawdown": 0}},
        {"limit": {}},
    ],
)
def test_config_when_a_number_is_out_of_bounds_then_it_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TradingConfig.model_validate(wrong)
