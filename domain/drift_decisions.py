"""What was decided on a day beside what the engine decides when it is played again."""

from __future__ import annotations

from collections.abc import Mapping

from domain.drift import Gap, GapKind, LiveDay, LiveDecision, PlayedDay, PlayedDecision, Subject
from domain.drift_inputs import CODE, DecisionInputs, differences

NOTHING = "nothing"


class DayDecisions:
    """The day's decisions by company, and what each differs in."""

    def __init__(self, live: LiveDay, played: PlayedDay, inputs: Mapping[str, DecisionInputs]) -> None:
        self.was_decided = live.was_decided
        self._live = live
        self.at_pass = {each.symbol: each for each in live.decisions if each.as_of == live.decided_at}
        self.later: dict[str, list[LiveDecision]] = {}
        for each in sorted(live.decisions, key=lambda one: one.as_of):
            if each.as_of != live.decided_at:
                self.later.setdefault(each.symbol, []).append(each)
        self.played = {each.symbol: each for each in played.decisions}
        self._inputs = inputs
        self.alike = sum(1 for symbol in self.at_pass if symbol in self.played and not self.differs_in(symbol))
        self.intraday = sum(1 for found in self.later.values() for each in found if not each.changed)

    def differs_in(self, symbol: str) -> str:
        """Name the inputs that a company's decisions before the open were not both made from; empty: none.

        Newer code is no gap where it came to the same result: neither its version, nor what it adds to a record.
        """
        one, other = self.at_pass.get(symbol), self.played.get(symbol)
        if not self.was_decided or (one is None and other is None):
            return ""
        if one is None or other is None:
            return f"nothing was known of it {'then' if one is None else 'now'}"
        if one.record_hash == other.record_hash:
            return ""
        before = self._inputs.get(one.record_hash)
        if before is None:
            return "its decision record is lost"
        found = differences(before, other.inputs)
        if found.keys() <= {CODE} and _result(one) == _result(other):
            return ""
        return "; ".join(f"{name}: {change}" for name, change in found.items()) or "the record alone"

    def gaps(self) -> list[Gap]:
        found = [
            gap for symbol in sorted(self.at_pass.keys() | self.played.keys()) for gap in self._before_open(symbol)
        ]
        return found + [
            Gap(
                kind=GapKind.TIMING,
                symbol=symbol,
                what=Subject.DECISION,
                live=_said(each),
                played=NOTHING,
                detail=f"decided at {each.as_of:%H:%M:%S} UTC, after the pass before the open",
            )
            for symbol in sorted(self.later)
            for each in self.changes(symbol)
        ]

    def changes(self, symbol: str) -> list[LiveDecision]:
        """Decisions after the pass that changed the action."""
        return [each for each in self.later.get(symbol, ()) if each.changed]

    def _before_open(self, symbol: str) -> list[Gap]:
        one, other = self.at_pass.get(symbol), self.played.get(symbol)
        changed = (one is not None and one.changed) or (other is not None and other.changed)
        detail = self.differs_in(symbol)
        kind = GapKind.DATA if detail else GapKind.NONE
        if not self.was_decided:
            kind, detail = GapKind.TIMING, "nothing was decided before the open"
        if kind is not GapKind.DATA and not changed:
            return []
        return [
            Gap(
                kind=kind,
                symbol=symbol,
                what=Subject.DECISION,
                live=_said(one),
                played=_said(other),
                detail=detail,
            )
        ]


def _result(one: LiveDecision | PlayedDecision) -> tuple[object, ...]:
    return one.action, one.previous, one.score, one.conviction


def _said(one: LiveDecision | PlayedDecision | None) -> str:
    return NOTHING if one is None else f"{one.action} after {one.previous}, score {one.score:+.6f}"
