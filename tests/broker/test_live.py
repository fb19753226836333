"""Live mode starts only when every item of the list is met, and says which are not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from domain.config import TradingConfig
from domain.errors import ConfigurationError, VendorUnavailable
from domain.reconciliation import BrokerHealth
from tests.broker.office import Office
from workers.live import FRESH, LiveStanding, check_live, require_live
from workers.settings import Mode, Settings

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SECRET = "c" * 40


def _settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "mode": Mode.LIVE,
        "broker_key_id": SecretStr("AKLIVE"),
        "broker_secret_key": SecretStr(SECRET),
        "i_understand_live_trading": True,
    }
    return Settings(**{**values, **changes})


def _standing(**changes: Any) -> LiveStanding:
    values: dict[str, Any] = {
        "config": TradingConfig(),
        "health": BrokerHealth(last_run_at=NOW, last_clean_at=NOW),
        "channels": 1,
        "at": NOW,
    }
    return LiveStanding(**{**values, **changes})


def _config(**changes: Any) -> TradingConfig:
    return TradingConfig().model_copy(update=changes)


def test_live_when_every_item_is_met_then_it_may_start() -> None:
    check_live(_settings(), _standing())


@pytest.mark.parametrize(
    ("settings", "standing", "item"),
    [
        ({"i_understand_live_trading": False}, {}, "acknowledgement"),
        ({"broker_key_id": SecretStr("PKPAPER")}, {}, "broker_key"),
        ({"broker_key_id": SecretStr("")}, {}, "broker_key"),
        ({"broker_secret_key": SecretStr("short")}, {}, "broker_key"),
        ({"broker_control_key": SecretStr("x")}, {}, "broker_control_key"),
        ({"broker_url": "http://broker.example"}, {}, "broker_host"),
        ({"broker_url": "https://paper-api.alpaca.markets"}, {}, "broker_host"),
        (
            {},
            {"config": _config(protection=TradingConfig().protection.model_copy(update={"breakers": None}))},
            "breakers",
        ),
        ({}, {"config": _config(approval=TradingConfig().approval.model_copy(update={"by_hand": 0}))}, "approval"),
        ({}, {"health": BrokerHealth()}, "reconciliation"),
        ({}, {"health": BrokerHealth(last_run_at=NOW, last_clean_at=NOW, mismatch=True)}, "reconciliation"),
        (
            {},
            {"health": BrokerHealth(last_run_at=NOW, last_clean_at=NOW - FRESH - timedelta(seconds=1))},
            "reconciliation",
        ),
        ({}, {"channels": 0}, "notifications"),
    ],
)
def test_live_when_one_item_is_not_met_then_that_one_is_named(
    settings: dict[str, Any], standing: dict[str, Any], item: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_live(_settings(**settings), _standing(**standing))
    assert refused.value.code == "LIVE_MODE_REFUSED"
    assert refused.value.fields["unmet"] == item
    assert SECRET not in str(refused.value)


def test_live_when_nothing_is_met_then_every_item_is_named_at_once() -> None:
    wrong = {
        "i_understand_live_trading": False,
        "broker_key_id": SecretStr("PK"),
        "broker_control_key": SecretStr("x"),
        "broker_url": "http://x",
    }
    protection = TradingConfig().protection.model_copy(update={"breakers": None})
    approval = TradingConfig().approval.model_copy(update={"by_hand": 0})
    with pytest.raises(ConfigurationError) as refused:
        check_live(
            _settings(**wrong),
            _standing(config=_config(protection=protection, approval=approval), health=BrokerHealth(), channels=0),
        )
    assert len(refused.value.fields["unmet"].split()) == 8


def test_live_when_one_person_runs_the_house_and_says_so_then_it_may_start() -> None:
    approval = TradingConfig().approval.model_copy(update={"by_hand": 0, "solo": True})
    check_live(_settings(), _standing(config=_config(approval=approval)))


@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.REPLAY])
def test_other_modes_when_nothing_is_met_then_they_start(mode: Mode) -> None:
    check_live(_settings(mode=mode, i_understand_live_trading=False), _standing(health=BrokerHealth(), channels=0))


@pytest.mark.stack
async def test_live_start_when_the_broker_cannot_be_compared_then_it_is_one_of_the_items(books: Office) -> None:
    class Away:
        async def account(self) -> None:
            raise VendorUnavailable("BROKER_UNREACHABLE")

    books.broker = Away()
    with pytest.raises(ConfigurationError) as refused:
        await require_live(_settings(), books.database, books.auditor)
    assert refused.value.fields["unmet"] == "reconciliation notifications"
    assert isinstance(refused.value.__cause__, VendorUnavailable)


@pytest.mark.stack
async def test_live_start_when_book_and_broker_agree_then_the_comparison_counts(books: Office) -> None:
    books.now = datetime.now(UTC)
    with pytest.raises(ConfigurationError) as refused:
        await require_live(_settings(), books.database, books.auditor)
    assert refused.value.fields["unmet"] == "notifications"
    await require_live(_settings(mode=Mode.PAPER), books.database, books.auditor)
