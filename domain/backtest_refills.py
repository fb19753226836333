"""The fills of a run booked again at other costs: what the same trading would have come to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import partial

from domain.backtest import BacktestState, FillEntry, OrderEntry
from domain.backtest_data import BacktestData
from domain.costs import CostModel, execute
from domain.decisions import Side
from domain.errors import InvalidInput
from domain.simulated_account import SimulatedAccount

NO_COSTS = "no costs"
OWN_COSTS = "the costs of the run"
RISING: tuple[tuple[str, str], ...] = (
    (NO_COSTS, OWN_COSTS),
    (OWN_COSTS, "a higher spread"),
    (OWN_COSTS, "a higher impact"),
    (OWN_COSTS, "a higher fee"),
    (OWN_COSTS, "a higher fee per share"),
    ("a higher spread", "everything higher"),
    ("a higher impact", "everything higher"),
    ("a higher fee", "everything higher"),
)
"""Lower costs and higher ones, by name."""


def cost_models(own: CostModel) -> dict[str, CostModel]:
    """Give the costs of `RISING` by name: each part raised within what it may be."""
    spread = {"half_spread_bp": min(1_000.0, own.half_spread_bp * 2 + 5.0)}
    impact = {"impact": min(10.0, own.impact * 2 + 0.5)}
    fee = {"fee_bp": min(1_000.0, own.fee_bp * 2 + 1.0)}
    per_share = {"fee_per_share": min(Decimal(10), own.fee_per_share * 2 + Decimal("0.01"))}
    return {
        NO_COSTS: CostModel.none(),
        OWN_COSTS: own,
        "a higher spread": own.model_copy(update=spread),
        "a higher impact": own.model_copy(update=impact),
        "a higher fee": own.model_copy(update=fee),
        "a higher fee per share": own.model_copy(update=per_share),
        "everything higher": own.model_copy(update={**spread, **impact, **fee, **per_share}),
    }


def fills_of(state: BacktestState) -> list[tuple[OrderEntry, FillEntry]]:
    """All executions with their orders, in the order in which they were booked."""
    found = [(order, fill) for order in (*state.orders, *state.working) for fill in order.fills]
    return sorted(found, key=lambda one: (one[1].at, one[0].side is Side.BUY, one[0].as_of, one[0].symbol))


def equity_with(costs: CostModel, state: BacktestState, data: BacktestData, opening: Decimal) -> Sequence[Decimal]:
    """Equity at each close with the same fills at other costs. Nobody asks here whether there is the cash.

    Raises:
        InvalidInput: a fill on a day on which its symbol has no bar.
    """
    account = SimulatedAccount(opening, {}, ())
    by_session: dict[date, list[tuple[OrderEntry, FillEntry]]] = {}
    for order, fill in fills_of(state):
        by_session.setdefault(fill.session, []).append((order, fill))
    curve = []
    for session in data.sessions[: state.sessions_done]:
        account.apply(data.actions.get(session.date, ()))
        for order, fill in by_session.get(session.date, ()):
            series = data.bars.get(order.symbol)
            bar = series.on(session.date) if series is not None else None
            if bar is None:
                raise InvalidInput(
                    "FILL_WITHOUT_BAR",
                    "Pass the data that the backtest was run on.",
                    symbol=order.symbol,
                    session=session.date,
                )
            execution = execute(
                order.side,
                fill.quantity,
                bar.open,
                daily_volatility=order.daily_volatility,
                average_dollar_volume=order.average_dollar_volume,
                costs=costs,
            )
            account.book(order, execution, session)
        account.mark(partial(data.last_close, as_of=session.closes_at))
        account.write_off(partial(data.traded_on, day=session.date), session)
        curve.append(account.equity)
    return curve
