"""The account of a run that goes on from a state."""

from __future__ import annotations

from decimal import Decimal

from domain.backtest import BacktestState, OrderEntry
from domain.costs import Execution
from domain.decisions import Side
from domain.market import CorporateAction
from domain.simulated_account import SILENT_SESSIONS, SimulatedAccount

from .builders import at, data_of, news, period, run, walk


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


def test_realized_when_the_account_changes_in_any_way_then_it_is_the_sum_over_all_positions() -> None:
    state, session = held(), period(4)[3]
    account = SimulatedAccount(state.cash, dict(state.positions), state.trades)
    seen = [account.realized]

    def changed() -> bool:
        seen.append(account.realized)
        assert seen[-1] == sum((position.realized for position in account.positions.values()), Decimal(0))
        return seen[-1] != seen[-2]

    account.apply([CorporateAction(symbol="ACME", ex_date=session.date, cash_dividend=Decimal("0.5"))])
    assert changed()
    order = OrderEntry(
        intent_id="sale",
        recommendation_id="",
        as_of=session.opens_at,
        symbol="ACME",
        side=Side.SELL,
        quantity=Decimal(1),
        allowed=Decimal(1),
        reference_price=Decimal(50),
    )
    account.book(order, Execution(Decimal(1), Decimal(50), Decimal(0), Decimal(0), Decimal("0.01")), session)
    assert changed()
    account.mark(lambda _: Decimal(60))
    assert not changed()
    for _ in range(SILENT_SESSIONS):
        account.write_off(lambda _: False, session)
    assert not account.held
    assert changed()
