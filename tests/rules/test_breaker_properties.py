"""What holds for the breakers on any path of ticks."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.breaker_state import Breaker, BreakerPhase, Breakers
from domain.breakers import advance, permission, release
from domain.errors import InvalidInput
from domain.rules_config import BreakerRules

from .builders import PROPERTY, at, inputs

RULES = BreakerRules(drawdown_rest=3, model_window=5)
SIZES = {Decimal(0), Decimal("0.25"), Decimal("0.5"), Decimal(1)}
MOVES = {
    ("closed", "open"), ("closed", "reduced"), ("reduced", "open"), ("reduced", "closed"),
    ("open", "half_open"), ("half_open", "open"), ("half_open", "closed"),
}  # fmt: skip


@st.composite
def ticks(draw: st.DrawFn) -> list[tuple[int, float, dict[str, Any], bool]]:
    """Session, second, what is wrong, and whether an operator would release the drawdown breaker before it."""
    found, session, second = [], 0, 0.0
    for _ in range(draw(st.integers(1, 25))):
        if draw(st.booleans()):
            session, second = session + draw(st.integers(1, 2)), 0.0
        second += draw(st.integers(1, 900))
        now = at(session, second)
        changes = {
            "equity": Decimal(draw(st.integers(85, 105)) * 1_000),
            "prior_close_equity": Decimal(draw(st.integers(85, 105)) * 1_000),
            "consecutive_losses": draw(st.integers(0, 9)),
            "short_volatility": draw(st.sampled_from([None, 0.01, 0.02, 0.03])),
            "index_move": draw(st.sampled_from([None, 0.0, -5.0])),
            "clock_skew_seconds": draw(st.sampled_from([0.0, 0.0, 9.0])),
            "broker_errors": (now,) * draw(st.sampled_from([0, 0, 1, 3])),
            "reconciliation_mismatch": draw(st.sampled_from([False, False, True])),
            "reconciled_at": draw(st.sampled_from([None, now])),
            "model_outcomes": tuple(draw(st.lists(st.booleans(), max_size=8))),
        }
        found.append((session, second, changes, draw(st.booleans())))
    return found


def walk(path: list[tuple[int, float, dict[str, Any], bool]]) -> list[tuple[Breakers, Breakers, Any]]:
    breakers, seen = Breakers(), []
    for session, second, changes, wanted in path:
        if wanted:
            try:
                breakers = release(breakers, Breaker.DRAWDOWN, operator="ada", rules=RULES, session=session)
            except InvalidInput as refused:
                assert refused.code in {"BREAKER_NOT_OPEN", "BREAKER_RESTING"}  # noqa: PT017
        before = breakers
        breakers, events = advance(before, inputs(**changes), RULES, as_of=at(session, second), session=session)
        seen.append((before, breakers, events))
    return seen


@PROPERTY
@given(ticks())
def test_permission_when_anything_but_the_model_is_open_then_nothing_is_opened_and_exits_go_on(path: Any) -> None:
    for _, breakers, _ in walk(path):
        found = permission(breakers, RULES)
        phases = {state.breaker: state.phase for state in breakers.states}
        stopped = any(phase is BreakerPhase.OPEN for breaker, phase in phases.items() if breaker is not Breaker.MODEL)
        assert found.exits
        assert found.size in SIZES
        assert found.entries == (found.size > 0) == (not stopped)
        assert found.rules_only == (phases[Breaker.MODEL] is BreakerPhase.OPEN)
        if BreakerPhase.HALF_OPEN in phases.values():
            assert found.size <= Decimal("0.25")


@PROPERTY
@given(ticks())
def test_breakers_when_ticks_are_any_then_every_move_is_legal_and_recorded(path: Any) -> None:
    for before, after, events in walk(path):
        recorded = {event.breaker: event for event in events}
        assert len(recorded) == len(events)
        for old, new in zip(before.states, after.states, strict=True):
            event = recorded.get(old.breaker)
            assert (old != new) == (event is not None)
            if event is None:
                continue
            assert (event.before, event.after) == (old.phase, new.phase)
            again = (old.breaker, old.phase, new.phase) == (Breaker.DAILY_LOSS, BreakerPhase.OPEN, BreakerPhase.OPEN)
            assert again or (old.phase.value, new.phase.value) in MOVES
            assert event.value
            assert event.limit
            leaves_drawdown = old.breaker is Breaker.DRAWDOWN and new.phase is BreakerPhase.HALF_OPEN
            assert (event.operator == "ada") == leaves_drawdown


@PROPERTY
@given(ticks())
def test_breakers_when_a_trip_condition_holds_then_entries_are_not_at_full_size(path: Any) -> None:
    for (_, _, changes, _), (_, breakers, _) in zip(path, walk(path), strict=True):
        lost = changes["equity"] <= changes["prior_close_equity"] * (1 - RULES.daily_loss)
        if lost or changes["reconciliation_mismatch"] or changes["clock_skew_seconds"] > 5:
            assert permission(breakers, RULES).size == 0
