"""What holds for a backtest whatever the market does: its books balance, and it can stop and go on anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from fractions import Fraction
from math import floor

from domain.backtest import BacktestState, FillEntry, OrderEnd, OrderEntry
from domain.backtest_checks import check_costs, check_relabelling, check_truncation
from domain.config import TradingConfig
from domain.costs import CostModel
from domain.decisions import Action, Side
from domain.market import CorporateAction
from domain.simulated_account import DELISTED, SILENT_SESSIONS
from domain.simulation import Simulation
from tests.decisions.builders import SESSIONS

from .builders import (
    CODE,
    WARM_UP,
    World,
    at,
    bar,
    data_of,
    in_any_world,
    market,
    news,
    played,
    request_for,
    run,
    session,
    walk,
)


def fills(state: BacktestState) -> Iterator[tuple[OrderEntry, FillEntry]]:
    for order in (*state.orders, *state.working):
        for fill in order.fills:
            yield order, fill


# -- the books --------------------------------------------------------------------------------------------------------


@in_any_world
def test_equity_when_the_world_is_any_then_it_is_cash_and_positions_at_every_mark(world: World) -> None:
    _, _, states = played(world)
    for state in states[1:]:
        held = [one.holding for one in state.positions.values() if one.holding.quantity]
        worth = sum((Fraction(one.quantity) * Fraction(one.last_price) for one in held), Fraction(0))
        mark = state.marks[-1]
        assert Fraction(mark.equity) == Fraction(mark.cash) + worth
        assert (mark.cash, mark.positions) == (state.cash, len(held))
        assert state.prior_close_equity == mark.equity
        assert state.peak_equity == max(one.equity for one in state.marks)


@in_any_world
def test_cash_when_the_world_is_any_then_it_is_never_below_zero(world: World) -> None:
    _, _, states = played(world)
    assert all(mark.cash >= 0 for mark in states[-1].marks)
    assert all(one.holding.quantity >= 0 for one in states[-1].positions.values())


@in_any_world
def test_books_when_the_world_is_any_then_opening_fills_and_dividends_are_the_cash_exactly(world: World) -> None:
    """A second bookkeeping, in fractions, from the fills and the corporate actions alone."""
    data, request, states = played(world)
    cash, held = Fraction(request.opening_cash), dict[str, Decimal]()
    for done, one in enumerate(data.sessions, start=1):
        for action in data.actions.get(one.date, ()):
            quantity = held.get(action.symbol, Decimal(0))
            cash += Fraction(quantity) * Fraction(action.cash_dividend)
            held[action.symbol] = (quantity * action.split_ratio).quantize(Decimal("1e-9"), ROUND_FLOOR)
        for order, fill in fills(states[-1]):
            if fill.session == one.date:
                sign = 1 if order.side is Side.BUY else -1
                cash -= sign * Fraction(fill.quantity) * Fraction(fill.price) + Fraction(fill.fee)
                held[order.symbol] = held.get(order.symbol, Decimal(0)) + sign * fill.quantity
        assert Fraction(states[done].cash) == cash
        positions = {symbol: own.holding.quantity for symbol, own in states[done].positions.items()}
        assert {symbol: own for symbol, own in positions.items() if own} == {
            symbol: own for symbol, own in held.items() if own
        }


@in_any_world
def test_trades_when_the_world_is_any_then_their_results_are_what_the_account_gained(world: World) -> None:
    _, request, states = played(world)
    for state in states[1:]:
        gained = sum((Fraction(trade.result) for trade in state.trades), Fraction(0))
        assert gained == Fraction(state.marks[-1].equity) - Fraction(request.opening_cash)


@in_any_world
def test_orders_when_the_world_is_any_then_fills_are_what_they_say(world: World) -> None:
    _, _, states = played(world)
    state = states[-1]
    for order in (*state.orders, *state.working):
        assert order.filled == sum((fill.quantity for fill in order.fills), Decimal(0)) <= order.allowed
        assert order.allowed <= order.quantity
        assert (order.end is OrderEnd.DENIED) == (order.allowed == 0)
        assert all(fill.quantity > 0 and fill.price > 0 and fill.fee >= 0 for fill in order.fills)
        assert all(fill.spread >= 0 and fill.impact >= 0 for fill in order.fills)
    assert len({order.intent_id for order in (*state.orders, *state.working)}) == len(state.orders) + len(state.working)


# -- the market -------------------------------------------------------------------------------------------------------


@in_any_world
def test_fills_when_the_world_is_any_then_each_has_a_bar_and_is_within_its_participation(world: World) -> None:
    data, request, states = played(world)
    for order, fill in fills(states[-1]):
        bar = data.bars[order.symbol].on(fill.session)
        assert bar is not None
        assert fill.price >= bar.open if order.side is Side.BUY else fill.price <= bar.open
        if request.costs.participation < 1:
            assert fill.quantity <= floor(bar.volume * request.costs.participation)
        assert fill.at == session(fill.session).opens_at


@in_any_world
def test_purchases_when_the_world_is_any_then_they_are_of_members_alone(world: World) -> None:
    data, _, states = played(world)
    for order in (*states[-1].orders, *states[-1].working):
        if order.side is Side.BUY:
            assert data.is_member(order.symbol, order.as_of.date())
            assert all(data.is_member(order.symbol, fill.session) for fill in order.fills)


# -- going on ---------------------------------------------------------------------------------------------------------


@in_any_world
def test_run_when_it_stops_anywhere_and_goes_on_from_json_then_every_bit_stays(world: World) -> None:
    data, request, states = played(world)
    middle = world.days // 2
    for state in (states[middle], states[-2]):
        again = BacktestState.model_validate_json(state.model_dump_json())
        ended = Simulation(data, request, code_version=CODE, state=again).run()
        assert ended.model_dump_json() == states[-1].model_dump_json()


def test_run_when_it_stops_after_every_session_and_goes_on_from_json_then_every_bit_stays() -> None:
    data = market()
    request = request_for(data)
    state = BacktestState(cash=request.opening_cash)
    for done in range(1, len(data.sessions) + 1):
        simulation = Simulation(data, request, code_version=CODE, state=state)
        state = BacktestState.model_validate_json(simulation.run(until=done).model_dump_json())
    assert state.model_dump_json() == run(data, request).model_dump_json()


# -- the proofs, on any world -----------------------------------------------------------------------------------------


@in_any_world
def test_costs_when_the_world_is_any_then_higher_ones_never_leave_more(world: World) -> None:
    data, request, states = played(world)
    result = check_costs(states[-1], data, request)
    assert result.passed, str(result.difference)


@in_any_world
def test_truncation_when_the_world_is_any_then_it_passes(world: World) -> None:
    data, request, _ = played(world)
    result = check_truncation(data, request, code_version=CODE, cuts=(world.days - 2,), reach=1)
    assert result.passed, str(result.difference)


@in_any_world
def test_relabelling_when_companies_swap_names_then_it_passes_in_any_world(world: World) -> None:
    data, request, _ = played(world)
    result = check_relabelling(data, request, code_version=CODE)
    assert result.passed, str(result.difference)


# -- single cases -----------------------------------------------------------------------------------------------------


def test_equity_when_there_is_no_data_then_it_is_a_flat_line() -> None:
    data = data_of(12)
    state = run(data)
    assert [mark.equity for mark in state.marks] == [Decimal(100_000)] * 12
    assert (state.orders, state.decisions, state.trades, state.assessed) == ((), (), (), 0)


def bought(days: int, **others: object) -> tuple[BacktestState, ...]:
    """States of a run that buys ACME at the first open."""
    data = data_of(days, evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2))], **others)
    simulation = Simulation(data, request_for(data, costs=CostModel.none()), code_version=CODE)
    return tuple(simulation.run(until=done) for done in range(days + 1))


def test_equity_when_what_is_held_splits_then_its_value_stays() -> None:
    days = SESSIONS[WARM_UP : WARM_UP + 4]
    bars = walk("ACME", 0)
    close = float(bars[-1].bar.close)
    prices = (close, close, close / 4, close / 4)
    bars += [bar("ACME", day, round(price, 2)) for day, price in zip(days, prices, strict=True)]
    action = CorporateAction(symbol="ACME", ex_date=days[2], split_ratio=Decimal(4))
    states = bought(4, bars=bars, actions=[action])
    before, after = states[2].positions["ACME"].holding, states[3].positions["ACME"].holding
    assert after.quantity == 4 * before.quantity > 0
    rounding = Decimal("0.01") * after.quantity
    assert abs(states[3].marks[-1].equity - states[2].marks[-1].equity) <= rounding
    assert states[3].cash == states[2].cash


def test_price_when_a_split_leaves_endless_digits_then_it_is_kept_to_the_micro_dollar() -> None:
    """As the book keeps prices: an order planned on the ex-date would else carry a reference price it cannot store."""
    bars, day = walk("ACME", 3), SESSIONS[WARM_UP + 2]
    sold = [news("ACME", at(2, 1 + n), f"bad{n}", sentiment=-1.0) for n in range(4)]
    data = data_of(
        3,
        bars=bars,
        evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2)), *sold],
        actions=[CorporateAction(symbol="ACME", ex_date=day, split_ratio=Decimal(3))],
    )
    sale = run(data).orders[-1]
    exact = bars[-2].bar.close / 3
    assert (sale.side, sale.as_of.date()) == (Side.SELL, day)
    assert sale.reference_price == exact.quantize(Decimal("0.000001")) != exact


def test_order_when_volume_is_thin_then_it_is_filled_over_the_sessions_up_to_its_share_of_each() -> None:
    days = SESSIONS[WARM_UP : WARM_UP + 5]
    bars = walk("ACME", 0)
    close = float(bars[-1].bar.close)
    volumes = (400, 9, 250, 30_000, 30_000)
    bars += [bar("ACME", day, close, volume=volume) for day, volume in zip(days, volumes, strict=True)]
    data = data_of(5, bars=bars, evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2))])
    state = run(data)
    first = (*state.orders, *state.working)[0]
    wanted = first.allowed
    assert [(fill.session, fill.quantity) for fill in first.fills] == [
        (days[0], 40), (days[2], 25), (days[3], wanted - 65),
    ]  # fmt: skip
    assert first.end is OrderEnd.FILLED


def test_position_when_its_symbol_stops_trading_then_it_is_written_off_after_twenty_silent_sessions() -> None:
    bars = walk("ACME", 2)
    states = bought(2 + SILENT_SESSIONS + 1, bars=bars)
    last_price = bars[-1].bar.close
    quantity = states[2].positions["ACME"].holding.quantity
    until = 2 + SILENT_SESSIONS
    assert all(states[done].positions["ACME"].holding.quantity == quantity > 0 for done in range(2, until))
    held, paid = states[until - 1], states[until]
    assert held.marks[-1].equity == held.cash + quantity * last_price
    assert paid.positions["ACME"].holding.quantity == 0
    assert paid.cash - held.cash == quantity * last_price * Decimal("0.7")
    assert (paid.trades[0].reason, paid.trades[0].closed) == (DELISTED, paid.marks[-1].session)
    assert states[-1].marks[-1].equity == paid.marks[-1].equity


def test_symbol_when_it_leaves_the_universe_then_it_is_kept_and_sold_but_not_bought() -> None:
    days = SESSIONS[WARM_UP : WARM_UP + 5]
    sold = [news("ACME", at(3, 1 + n), f"bad{n}", sentiment=-1.0) for n in range(4)]
    data = data_of(
        5,
        bars=walk("ACME", 5),
        evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2)), *sold],
        members={"ACME": [(days[0], days[1])]},
    )
    state = run(data)
    assert [(order.side, order.fills[0].session) for order in state.orders] == [
        (Side.BUY, days[0]), (Side.SELL, days[3]),
    ]  # fmt: skip
    late = replace(data, members={"ACME": [(days[4], None)]})
    assert not any(order.as_of.date() < days[4] for order in run(late).orders)


def test_order_when_its_symbol_leaves_the_universe_then_what_is_left_of_it_is_not_bought() -> None:
    days = SESSIONS[WARM_UP : WARM_UP + 4]
    bars = walk("ACME", 0)
    bars += [bar("ACME", day, float(bars[-1].bar.close), volume=400) for day in days]
    data = data_of(
        4,
        bars=bars,
        evidence=[news("ACME", at(0, 1)), news("ACME", at(0, 2))],
        members={"ACME": [(days[0], days[1])]},
    )
    (order,) = run(data).orders
    assert [fill.session for fill in order.fills] == [days[0], days[1]]
    assert (order.end, order.filled) == (OrderEnd.EXPIRED, 80)


def test_decisions_when_a_document_is_taken_back_then_it_counts_up_to_then() -> None:
    data = data_of(
        4,
        bars=walk("ACME", 4),
        evidence=[news("ACME", at(0, 1), "one"), news("ACME", at(0, 2), "two")],
        taken_back={"doc-one": at(2, 1), "doc-two": at(2, 1)},
    )
    found = [(one.as_of.date(), one.action) for one in run(data).decisions]
    assert found[:2] == [(SESSIONS[WARM_UP], Action.BUY), (SESSIONS[WARM_UP + 2], Action.SELL)]


def test_run_when_configurations_are_default_then_it_is_the_same_engine() -> None:
    data = market(4)
    state = run(data, request_for(data, config=TradingConfig()))
    assert len(state.marks) == 4
