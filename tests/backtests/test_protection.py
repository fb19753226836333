"""Stops, breakers, the reserve and tiers in a backtest: when they act, and that they never do more than they may."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.backtest import BacktestState, OrderEnd
from domain.backtest_checks import check_relabelling, check_truncation
from domain.backtest_data import BacktestData
from domain.bar_series import KnownBar
from domain.breaker_state import Breaker, BreakerPhase
from domain.config import Tier, TradingConfig
from domain.costs import CostModel
from domain.decisions import Side
from domain.portfolio import as_decimal
from domain.protection import config_in
from domain.rules_config import BreakerRules, Protection, ReserveRules, StopRules
from domain.simulation import Simulation
from domain.stops import StopKind

from .builders import CODE, SESSIONS, WARM_UP, at, data_of, market, news, request_for, walk

FREE = CostModel.none()
STOPS = Protection(breakers=None, reserve=None, tiers=None)


def played(data: BacktestData, protection: Protection | None, **changes: Any) -> BacktestState:
    request = request_for(data, protection=protection, costs=FREE, **changes)
    return Simulation(data, request, code_version=CODE).run()


def falling(day: int, to: str, *, days: int = 8) -> BacktestData:
    """One company that is bought on the first day and opens at a price on another."""
    return data_of(days, bars=_moved(walk("ACME", days), day, Decimal(to)), evidence=[news("ACME", at(0, 3))])


def _moved(bars: list[KnownBar], day: int, factor: Decimal) -> list[KnownBar]:
    """Multiply all prices from a session on."""
    first = SESSIONS[WARM_UP + day]
    return [known if known.bar.session < first else replace(known, bar=_times(known, factor)) for known in bars]


def _times(known: KnownBar, factor: Decimal) -> Any:
    prices = {name: as_decimal(float(getattr(known.bar, name) * factor)) for name in ("open", "high", "low", "close")}
    return known.bar.model_copy(update=prices)


def sales(state: BacktestState) -> list[Any]:
    return [order for order in state.orders if order.side is Side.SELL]


def test_stop_when_the_price_gaps_through_it_then_it_fills_at_the_open() -> None:
    data = falling(3, "0.7")
    state = played(data, STOPS)
    (sale,) = sales(state)
    bar = data.bars["ACME"].on(SESSIONS[WARM_UP + 3])
    assert bar is not None
    assert (sale.reason, sale.end, sale.fills[0].price) == ("STOP", OrderEnd.FILLED, bar.open)
    assert sale.fills[0].price < sale.reference_price  # worse than the stop itself
    assert state.protection is not None
    assert [record.event.kind for record in state.protection.stop_events] == [StopKind.STOP]
    assert state.protection.stops == {}
    assert state.trades[0].closed == SESSIONS[WARM_UP + 3]


def test_stop_when_nothing_falls_then_nothing_is_sold_and_the_stop_has_risen() -> None:
    data = data_of(8, bars=walk("ACME", 8), evidence=[news("ACME", at(0, 3))])
    state, bare = played(data, STOPS), played(data, None)
    assert state.protection is not None
    assert sales(state) == []
    stop = state.protection.stops["ACME"]
    assert stop.stop >= stop.initial_stop > 0
    assert stop.sessions_held == 8
    assert state.marks == bare.marks
    assert bare.protection is None


def test_target_when_it_is_reached_then_half_is_sold_once() -> None:
    data = falling(3, "1.4")
    state = played(data, STOPS)
    reached = [order for order in sales(state) if order.reason == "SCALE_OUT"]
    (bought,) = [order for order in state.orders if order.side is Side.BUY][:1]
    assert [order.filled for order in reached] == [Decimal(int(bought.filled / 2))]
    assert reached[0].fills[0].price >= reached[0].reference_price


def test_stop_when_the_position_is_split_then_it_is_restated_and_not_hit() -> None:
    data = market(4)  # the split is on its last day
    state = played(data, STOPS)
    assert state.protection is not None
    held = {symbol for symbol, position in state.positions.items() if position.holding.quantity > 0}
    assert "ACME" in held
    stop = state.protection.stops["ACME"]
    close = data.bars["ACME"].on(SESSIONS[WARM_UP + 3])
    assert close is not None
    assert stop.entry_price < close.close * 2  # in the shares after the split
    assert not [order for order in sales(state) if order.symbol == "ACME" and order.reason == "STOP"]


def test_time_stop_when_no_gain_comes_then_the_position_is_left_at_the_next_open() -> None:
    flat = [replace(known, bar=_times(known, Decimal(1))) for known in walk("ACME", 8)]
    rules = StopRules(time_stop_horizons=Decimal("0.1"), time_stop_r=Decimal(5), scale_out_r=Decimal(50))
    data = data_of(8, bars=flat, evidence=[news("ACME", at(0, 3))])
    state = played(data, Protection(stops=rules, breakers=None, reserve=None, tiers=None))
    left = [order for order in sales(state) if order.reason == "TIME_STOP"]
    assert left
    assert left[0].fills[0].at > left[0].as_of
    assert left[0].end is OrderEnd.FILLED


@pytest.mark.parametrize(("loss", "phase"), [("0.001", BreakerPhase.OPEN), ("0.9", BreakerPhase.CLOSED)])
def test_drawdown_when_it_reaches_the_limit_then_nothing_more_is_opened(loss: str, phase: BreakerPhase) -> None:
    bars = [*_moved(walk("ACME", 8), 3, Decimal("0.8")), *walk("BOLT", 8, seed=1)]
    data = data_of(8, bars=bars, evidence=[news("ACME", at(0, 3)), news("BOLT", at(4, 3))])
    rules = Protection(
        stops=None, breakers=BreakerRules(drawdown=Decimal(loss), daily_loss=Decimal("0.95")), reserve=None, tiers=None
    )
    state = played(data, rules)
    assert state.protection is not None
    assert state.protection.breakers.of(Breaker.DRAWDOWN).phase is phase
    opened = {order.symbol for order in state.orders if order.side is Side.BUY and order.filled > 0}
    assert opened == ({"ACME"} if phase is BreakerPhase.OPEN else {"ACME", "BOLT"})
    denied = [order for order in state.orders if order.end is OrderEnd.DENIED]
    assert bool(denied) is (phase is BreakerPhase.OPEN)
    assert all("BREAKERS" in order.reason for order in denied)


def test_reserve_when_a_profit_is_realised_then_its_share_is_put_aside_and_not_spent() -> None:
    rules = Protection(stops=StopRules(), breakers=None, reserve=ReserveRules(skim_share=Decimal("0.5")), tiers=None)
    state = played(falling(3, "1.4"), rules)
    assert state.protection is not None
    realized = sum((position.realized for position in state.positions.values()), Decimal(0))
    assert realized > 0
    assert state.protection.reserve.balance == realized / 2
    assert [move.amount for move in state.protection.reserve_moves] == [realized / 2]


def test_tier_when_it_changes_then_sizes_and_limits_are_its_presets_and_the_rest_stays() -> None:
    base = TradingConfig.for_tier("moderate").model_copy(
        update={"signals": TradingConfig().signals.model_copy(update={"kappa": 3.0})}
    )
    down = config_in(Tier.CONSERVATIVE, base)
    assert (down.sizing, down.limits) == (
        TradingConfig.for_tier("conservative").sizing,
        TradingConfig.for_tier("conservative").limits,
    )
    assert (down.signals, down.tier) == (base.signals, Tier.CONSERVATIVE)
    assert config_in(Tier.MODERATE, base) is base


def test_protection_when_all_takes_part_then_neither_the_future_nor_names_matter() -> None:
    data = market(8)
    request = request_for(data, protection=Protection.for_tier("aggressive"))
    assert check_truncation(data, request, code_version=CODE, cuts=(2, 4, 6, 8)).passed
    found = check_relabelling(data, request, code_version=CODE)
    assert found.passed, str(found.difference)


def test_protection_when_a_run_is_continued_then_it_equals_an_uninterrupted_one() -> None:
    data = market(8)
    request = request_for(data, protection=Protection.for_tier("aggressive"))
    whole = Simulation(data, request, code_version=CODE).run()
    for stop in range(1, 8):
        half = Simulation(data, request, code_version=CODE).run(stop)
        again = BacktestState.model_validate_json(half.model_dump_json())
        assert Simulation(data, request, code_version=CODE, state=again).run() == whole
