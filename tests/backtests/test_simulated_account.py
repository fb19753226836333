"""The account of a run that goes on from a state."""

from __future__ import annotations

from decimal import Decimal

from domain.backtest import BacktestState
from domain.simulated_account import SimulatedAccount

from .builders import at, data_of, news, run, walk


def held() -> BacktestState:
    """ACME was bought and is held."""
    state = run(data_of(3, bars=walk("ACME", 3), evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2))]))
    assert state.trades[0].open_value > 0
    assert state.trades[0].closed is None
    return state


def test_trades_when_a_run_goes_on_then_a_result_that_is_final_does_not_contain_what_was_open() -> None:
    state = held()
    account = SimulatedAccount(state.cash, dict(state.positions), state.trades)
    assert [trade.open_value for trade in account.trades] == [Decimal(0)]
    assert account.valued_trades() == state.trades


def test_positions_when_a_run_goes_on_then_those_that_are_open_are_held() -> None:
    state = held()
    account = SimulatedAccount(state.cash, dict(state.positions), state.trades)
    assert [holding.symbol for holding in account.held] == ["ACME"]
    assert account.equity == state.marks[-1].equity
