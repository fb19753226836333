"""A day of a small market played again, and the live day that would equal it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from domain.backtest import BacktestState, OrderEntry
from domain.backtest_data import BacktestData
from domain.costs import CostModel
from domain.decisions import EvidenceItem, Side
from domain.drift import (
    AccountMark,
    DriftReport,
    Gap,
    GapKind,
    LiveAction,
    LiveApproval,
    LiveDay,
    LiveDecision,
    LiveFill,
    LiveOrder,
    PlayedDay,
    PlayedDecision,
)
from domain.drift_comparison import compare
from domain.drift_inputs import DecisionInputs
from domain.drift_play import play_day
from domain.sizing import intent_id
from tests.backtests.builders import CODE, market, request_for, run

DAYS = 8
LEAD = timedelta(minutes=15)
ZERO = Decimal(0)


def carried(state: BacktestState) -> BacktestState:
    """What a book hands on to the next morning: positions, cash, actions, marks; orders are for a day."""
    positions = {
        symbol: position.model_copy(update={"trade": None, "silent": 0}) for symbol, position in state.positions.items()
    }
    return BacktestState(
        cash=state.cash,
        positions=positions,
        actions=state.actions,
        peak_equity=state.peak_equity,
        prior_close_equity=state.prior_close_equity,
    )


@lru_cache
def day(number: int) -> tuple[BacktestData, BacktestState]:
    """The data of one session of the market, and the account of its morning."""
    data = market(DAYS)
    state = run(data, request_for(data, costs=CostModel.none()), until=number)
    return replace(data, sessions=(data.sessions[number],)), carried(state)


def play(
    number: int, data: BacktestData | None = None, *, lead: timedelta = LEAD, called: str = "", **changes: Any
) -> PlayedDay:
    """Play a session, on other data or under another request where they are given.

    Args:
        called: the configuration's name; empty: today's.
    """
    known, opening = day(number)
    wanted = data or known
    request = request_for(wanted, **{"costs": CostModel.none(), **changes})
    at = wanted.sessions[0].opens_at - lead
    return play_day(
        wanted,
        request,
        opening,
        at,
        config_version=called or request.config.version(),
        code_version=CODE,
        data_version="data",
    )


def with_evidence(number: int, *items: EvidenceItem) -> BacktestData:
    """The data of a session with evidence besides."""
    data, _ = day(number)
    evidence = {symbol: list(found) for symbol, found in data.evidence.items()}
    for one in items:
        evidence.setdefault(one.symbol, []).append(one)
    ordered = {
        symbol: sorted(found, key=lambda each: (each.available_at, each.evidence_id))
        for symbol, found in sorted(evidence.items())
    }
    return replace(data, evidence=ordered)


def mirror(number: int, played: PlayedDay) -> LiveDay:
    """The live day in which exactly what was played happened."""
    data, opening = day(number)
    session = data.sessions[0]
    at = session.opens_at - LEAD
    decisions = {each.symbol: live_decision(each, at) for each in played.decisions}
    booked = []
    for action in data.actions.get(session.date, ()):
        position = opening.positions.get(action.symbol)
        if position is not None and position.holding.quantity:
            quantity = position.holding.quantity
            booked.append(
                LiveAction(
                    symbol=action.symbol, cash=quantity * action.cash_dividend, quantity=quantity * action.split_ratio
                )
            )
    orders = [live_order(order, session.opens_at) for order in (*played.state.orders, *played.state.working)]
    return LiveDay(
        session=session,
        decided_at=at,
        decisions=tuple(decisions.values()),
        orders=tuple(orders),
        actions=tuple(booked),
        before=AccountMark(
            as_of=session.opens_at - timedelta(hours=17),
            cash=opening.cash,
            equity=opening.prior_close_equity or opening.cash,
        ),
        after=AccountMark(
            as_of=session.closes_at, cash=played.state.marks[-1].cash, equity=played.state.marks[-1].equity
        ),
    )


def live_decision(each: PlayedDecision, at: Any, **changes: Any) -> LiveDecision:
    values = {
        "recommendation_id": f"r-{each.symbol}-{each.record_hash[:8]}",
        "symbol": each.symbol,
        "as_of": at,
        "action": each.action,
        "previous": each.previous,
        "score": each.score,
        "conviction": each.conviction,
        "record_hash": each.record_hash,
    }
    return LiveDecision(**{**values, **changes})


def live_order(order: OrderEntry, opens_at: Any, **changes: Any) -> LiveOrder:
    values = {
        "intent_id": intent_id(order.recommendation_id, order.symbol, order.side),
        "recommendation_id": order.recommendation_id,
        "symbol": order.symbol,
        "side": order.side,
        "as_of": opens_at - timedelta(minutes=5),
        "quantity": order.quantity,
        "allowed": order.allowed,
        "denied": order.end == "denied",
        "status": order.end or "accepted",
        "submitted_at": opens_at - timedelta(minutes=5),
        "fills": tuple(LiveFill(at=opens_at, quantity=fill.quantity, price=fill.price) for fill in order.fills),
    }
    return LiveOrder(**{**values, **changes})


def approval(status: str, live: LiveDay) -> LiveApproval:
    return LiveApproval(status=status, requested_at=live.session.opens_at - timedelta(minutes=5))


def marked(live: LiveDay, played: PlayedDay) -> LiveDay:
    """Value the live account anew from the morning and its own fills: an account kept without the comparison."""
    opening = played.opening
    cash = opening.cash + sum((each.cash for each in live.actions), ZERO)
    shares = {symbol: position.holding.quantity for symbol, position in opening.positions.items()}
    shares.update({each.symbol: each.quantity for each in live.actions})
    for order in live.orders:
        sign = 1 if order.side is Side.BUY else -1
        for fill in order.fills:
            shares[order.symbol] = shares.get(order.symbol, ZERO) + sign * fill.quantity
            cash -= sign * fill.quantity * fill.price + fill.fee
    equity = cash + sum((count * played.closes[symbol] for symbol, count in shares.items() if count), ZERO)
    assert live.after is not None
    return live.model_copy(update={"after": live.after.model_copy(update={"cash": cash, "equity": equity})})


def laid(live: LiveDay, played: PlayedDay, inputs: Mapping[str, DecisionInputs] | None = None) -> DriftReport:
    return compare(live, played, inputs=inputs or {}, actions=market(DAYS).actions.get(live.session.date, ()))


def found_of(report: DriftReport, kind: GapKind) -> Sequence[Gap]:
    return [gap for gap in report.gaps if gap.kind is kind]
