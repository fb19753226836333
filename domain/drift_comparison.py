"""A day live beside the same day played again: every gap with its label, and the difference that the gaps explain.

The dollars of all gaps and the rest that none explains sum to the difference of the day's change of the account.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal

from domain.drift import DriftReport, EquityGap, Gap, GapKind, LiveDay, PlayedDay, Subject
from domain.drift_decisions import DayDecisions
from domain.drift_inputs import DecisionInputs
from domain.drift_orders import order_gaps
from domain.market import CorporateAction
from domain.portfolio import apply_dividend, apply_split, product, value

ZERO, CENT = Decimal(0), Decimal("0.01")


def compare(
    live: LiveDay,
    played: PlayedDay,
    *,
    inputs: Mapping[str, DecisionInputs],
    actions: Sequence[CorporateAction] = (),
) -> DriftReport:
    """Lay a day beside itself.

    Args:
        inputs: by record hash, of the live decisions that have another hash than the played ones.
        actions: splits and dividends of the day, as the book knows them now.
    """
    decisions = DayDecisions(live, played, inputs)
    gaps = [*decisions.gaps(), *order_gaps(live, played, decisions), *_actions(live, played, actions)]
    counts = Counter(gap.kind for gap in gaps)
    return DriftReport(
        session=live.session.date,
        decided_at=live.decided_at,
        gaps=tuple(gaps),
        counts={kind: counts[kind] for kind in GapKind},
        assessed=decisions.alike,
        intraday=decisions.intraday,
        equity=_equity(live, played, gaps),
        config_version=played.config_version,
        data_version=played.data_version,
        code_version=played.code_version,
    )


def _actions(live: LiveDay, played: PlayedDay, actions: Sequence[CorporateAction]) -> list[Gap]:
    """Compare what was booked on the morning's positions with what the book knows of the day now."""
    booked = {each.symbol: (each.cash, each.quantity) for each in live.actions}
    known = {}
    for action in actions:
        position = played.opening.positions.get(action.symbol)
        if position is not None and position.holding.quantity > 0:
            cash = apply_dividend(position.holding, action.cash_dividend).cash_change
            known[action.symbol] = (cash, apply_split(position.holding, action.split_ratio).holding.quantity)
    gaps = []
    for symbol in sorted(booked.keys() | known.keys()):
        position = played.opening.positions.get(symbol)
        unchanged = (ZERO, position.holding.quantity if position is not None else ZERO)
        was, now = booked.get(symbol, unchanged), known.get(symbol, unchanged)
        if abs(was[0] - now[0]) < CENT and was[1] == now[1]:
            continue
        close = played.closes.get(symbol, ZERO)
        gaps.append(
            Gap(
                kind=GapKind.DATA,
                symbol=symbol,
                what=Subject.ACTION,
                live=f"{was[0]:f} dollars, {was[1].normalize():f} shares",
                played=f"{now[0]:f} dollars, {now[1].normalize():f} shares",
                dollars=was[0] - now[0] + product(was[1] - now[1], close),
                detail="a dividend or split of the day came or changed later",
            )
        )
    return gaps


def _equity(live: LiveDay, played: PlayedDay, gaps: Sequence[Gap]) -> EquityGap:
    opening = played.opening
    held = [position.holding for position in opening.positions.values()]
    before = opening.prior_close_equity if opening.prior_close_equity is not None else value(opening.cash, held)
    after = played.state.marks[-1].equity
    explained = {
        kind: sum((gap.dollars for gap in gaps if gap.kind is kind), ZERO)
        for kind in GapKind
        if kind is not GapKind.NONE
    }
    difference = live.after.equity - after if live.after is not None else None
    return EquityGap(
        before=before,
        live_change=live.after.equity - before if live.after is not None else None,
        played_change=after - before,
        difference=difference,
        explained=explained,
        unexplained=difference - sum(explained.values(), ZERO) if difference is not None else None,
    )
