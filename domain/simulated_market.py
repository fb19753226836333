"""The open of a backtest's session: what orders fill at, and how much of them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from domain.backtest import FillEntry, OrderEnd, OrderEntry
from domain.backtest_data import BacktestData
from domain.costs import CostModel, Execution, execute, fillable
from domain.decisions import Side
from domain.market import Bar, Session
from domain.portfolio import product
from domain.simulated_account import SimulatedAccount
from domain.sizing import floor_to_step


def fill_at_open(
    orders: Sequence[OrderEntry],
    account: SimulatedAccount,
    data: BacktestData,
    session: Session,
    *,
    costs: CostModel,
    step: Decimal,
) -> list[OrderEntry]:
    """Fill what can be filled, sells first, so that what they free can be spent. Returns the orders as they are then.

    Where the opens of all buys together cost more than the cash there is, all are cut in proportion: no name comes
    first. An order without a bar, or of which nothing can be bought any more, has ended.

    Args:
        step: the unit of quantities, in shares.
    """
    sells = [order for order in orders if order.side is Side.SELL]
    buys = [order for order in orders if order.side is Side.BUY]
    after = [_fill(order, account, data, session, costs, step, Fraction(1)) for order in _sorted(sells)]
    scale = _scale(buys, account, data, session, costs)
    after += [_fill(order, account, data, session, costs, step, scale) for order in _sorted(buys)]
    return _sorted(after)


def _sorted(orders: Sequence[OrderEntry]) -> list[OrderEntry]:
    return sorted(orders, key=lambda one: (one.as_of, one.symbol, one.side))


def _scale(
    buys: Sequence[OrderEntry], account: SimulatedAccount, data: BacktestData, session: Session, costs: CostModel
) -> Fraction:
    needed = Decimal(0)
    for order in buys:
        bar = data.bar_on(order.symbol, session.date)
        quantity = fillable(_left(order, account), bar.volume, costs) if bar is not None else Decimal(0)
        if bar is not None and quantity > 0:
            execution = _execute(order, quantity, bar, costs)
            needed += product(quantity, execution.price) + execution.fee
    return Fraction(1) if needed <= account.cash else max(Fraction(0), Fraction(account.cash)) / Fraction(needed)


def _left(order: OrderEntry, account: SimulatedAccount) -> Decimal:
    left = order.allowed - order.filled
    return min(left, account.quantity(order.symbol)) if order.side is Side.SELL else left


def _fill(
    order: OrderEntry,
    account: SimulatedAccount,
    data: BacktestData,
    session: Session,
    costs: CostModel,
    step: Decimal,
    scale: Fraction,
) -> OrderEntry:
    bar, left = data.bar_on(order.symbol, session.date), _left(order, account)
    if bar is None or left <= 0:
        return order.model_copy(update={"end": OrderEnd.EXPIRED})
    quantity = fillable(left, bar.volume, costs)
    if quantity <= 0:
        return order
    if scale < 1:
        quantity = floor_to_step(Fraction(quantity) * scale, step)
        if quantity <= 0:
            return order.model_copy(update={"end": OrderEnd.REJECTED})
    execution = _execute(order, quantity, bar, costs)
    account.book(order, execution, session)
    entry = FillEntry(
        at=session.opens_at,
        session=session.date,
        quantity=quantity,
        price=execution.price,
        spread=execution.spread,
        impact=execution.impact,
        fee=execution.fee,
    )
    return order.model_copy(
        update={
            "filled": order.filled + quantity,
            "fills": (*order.fills, entry),
            "end": OrderEnd.FILLED if quantity == left else None,
        }
    )


def _execute(order: OrderEntry, quantity: Decimal, bar: Bar, costs: CostModel) -> Execution:
    return execute(
        order.side,
        quantity,
        bar.open,
        daily_volatility=order.daily_volatility,
        average_dollar_volume=order.average_dollar_volume,
        costs=costs,
    )
