"""Positions that sizing would add nothing to are not decided again, and nothing else is left out with them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.backtest_data import BacktestData
from domain.config import TradingConfig
from domain.decisions import Side
from domain.market import CorporateAction
from domain.simulated_pass import Decider
from tests.decisions.builders import SESSIONS

from .any_market import run_foreseen, run_watched
from .builders import WARM_UP, at, data_of, news, request_for, walk

DAYS = 16
BANDS = ("0", "0.01", "0.1", "0.25", "0.6")


def told(seed: int, tones: tuple[float, ...]) -> BacktestData:
    """Two companies that are spoken well of at first, and then in any way."""
    evidence = [
        news(symbol, at(day, 1), sentiment=tone)
        for symbol in ("ACME", "BOLT")
        for day, tone in enumerate((1.0, *tones))
    ]
    return data_of(DAYS, bars=[*walk("ACME", DAYS, seed=seed), *walk("BOLT", DAYS, seed=seed + 1)], evidence=evidence)


def config_of(band: str, kappa: float = 1.0, **sizing: Any) -> TradingConfig:
    """Buys early, so that what is wanted of a company can grow."""
    return TradingConfig.model_validate(
        {
            "sizing": {"rebalance_band": band, **sizing},
            "recommendation": {"edge_over_cost": 0.2, "buy_score": 0.16, "maximum_contradiction": 0.95},
            "limits": {"min_conviction": 0.05},
            "signals": {"kappa": kappa},
        }
    )


def answers(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What is said of positions from now on."""
    found: list[bool] = []
    ask = Decider._is_filled

    def noted(self: Decider, *given: Any) -> bool:
        found.append(ask(self, *given))
        return found[-1]

    monkeypatch.setattr(Decider, "_is_filled", noted)
    return found


@settings(deadline=None, max_examples=100, derandomize=True)
@given(
    st.integers(0, 1_000),
    st.lists(st.sampled_from((1.0, 0.9, 0.3, 0.0, -0.4)), min_size=6, max_size=6).map(tuple),
    st.sampled_from(BANDS),
    st.sampled_from((0.3, 1.0, 2.0)),
    st.sampled_from(({}, {"name_cap": "0.02"}, {"fractional": True}, {"volatility_target": "1"})),
)
def test_run_when_positions_are_held_and_praised_then_every_byte_is_that_of_a_run_with_all_decided(
    seed: int, tones: tuple[float, ...], band: str, kappa: float, sizing: dict[str, Any]
) -> None:
    data = told(seed, tones)
    request = request_for(data, config=config_of(band, kappa, **sizing), opening_cash=Decimal(10**7))
    assert run_foreseen(data, request).model_dump_json() == run_watched(data, request).model_dump_json()


def test_run_when_a_position_is_as_large_as_it_may_be_then_it_is_not_decided_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = told(1, (1.0,) * 6)
    found = answers(monkeypatch)
    state = run_foreseen(data, request_for(data, config=config_of("0.25")))
    assert [order.side for order in state.orders][:2] == [Side.BUY, Side.BUY]
    assert found.count(True) > 3


def test_run_when_there_is_no_band_then_a_position_that_may_grow_is_decided_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = told(1, (0.3, 0.9, 1.0, 1.0, 1.0, 1.0))
    found = answers(monkeypatch)
    run_foreseen(data, request_for(data, config=config_of("0")))
    assert False in found


def test_run_when_a_corporate_action_falls_on_the_day_then_nobody_is_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    data = told(1, (1.0,) * 6)
    days = SESSIONS[WARM_UP : WARM_UP + DAYS]
    paid = {day: [CorporateAction(symbol="ACME", ex_date=day, cash_dividend=Decimal("0.01"))] for day in days}
    data = replace(data, actions=paid)
    found = answers(monkeypatch)
    request = request_for(data, config=config_of("0.25"))
    assert run_foreseen(data, request) == run_watched(data, request)
    assert found
    assert not any(found)
