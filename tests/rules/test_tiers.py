"""Tiers: every condition by hand, and what holds for any history."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.config import Tier
from domain.errors import InvalidInput
from domain.rules_config import TIER_PRESETS, TierRules
from domain.tiers import LADDER, TierInputs, TierState, belief_matters, next_tier

from .builders import PROPERTY

RULES = TierRules(highest="aggressive")
NOW = 100


def state(tier: Tier = Tier.CONSERVATIVE, since: int = 0, **changes: Any) -> TierState:
    return TierState(tier=tier, since=since, **changes)


def known(**changes: Any) -> TierInputs:
    """An account that has earned a promotion: no drawdown, 30 trades, a believable ratio."""
    values: dict[str, Any] = {
        "drawdown": "0", "drawdown_limit": "0.06", "closed_trades": 30, "psr": 0.90, "trips": (), **changes,
    }  # fmt: skip
    return TierInputs.model_validate(values)


@pytest.mark.parametrize(
    ("before", "changes", "promoted"),
    [
        ({}, {}, True),
        ({"since": 40}, {}, True),
        ({"since": 41}, {}, False),
        ({}, {"closed_trades": 29}, False),
        ({}, {"drawdown": "0.0199999"}, True),
        ({}, {"drawdown": "0.02"}, False),
        ({}, {"psr": 0.8999}, False),
        ({}, {"psr": None}, False),
        ({}, {"trips": (80,)}, True),
        ({}, {"trips": (81,)}, False),
        ({}, {"trips": (101,)}, True),
        ({"demoted": 80}, {}, True),
        ({"demoted": 81}, {}, False),
        ({"stepped": 100}, {}, False),
        ({"tier": Tier.MODERATE}, {"drawdown_limit": "0.10"}, True),
        ({"tier": Tier.AGGRESSIVE}, {"drawdown_limit": "0.15"}, False),
    ],
)
def test_promotion_when_every_condition_is_met_then_it_is_one_step(
    before: dict[str, Any], changes: dict[str, Any], promoted: bool
) -> None:
    start = state(**before)
    after, change = next_tier(start, known(**changes), RULES, session=NOW)
    assert (change is not None) is promoted
    if change is None:
        assert after == start
        return
    assert LADDER.index(after.tier) == LADDER.index(start.tier) + 1
    assert (after.since, after.stepped) == (NOW, NOW)
    assert (change.before, change.after, change.session) == (start.tier, after.tier, NOW)
    assert all(gate.passed for gate in change.gates)


def test_promotion_when_aggressive_is_not_opted_into_then_moderate_is_the_highest() -> None:
    after, _ = next_tier(state(), known(), TierRules(), session=NOW)
    assert after.tier is Tier.MODERATE
    _, change = next_tier(state(Tier.MODERATE), known(), TierRules(), session=NOW)
    assert change is None


@pytest.mark.parametrize(
    ("changes", "demoted"),
    [
        ({"drawdown": "0.0499999"}, False),
        ({"drawdown": "0.05"}, True),
        ({"trips": (81, 100)}, True),
        ({"trips": (100, 100)}, True),
        ({"trips": (80, 100)}, False),
        ({"trips": (100, 101)}, False),
    ],
)
def test_demotion_when_there_is_a_reason_then_it_is_at_once(changes: dict[str, Any], demoted: bool) -> None:
    start = state(Tier.MODERATE, since=99)
    after, change = next_tier(start, known(drawdown_limit="0.10", **changes), RULES, session=NOW)
    assert (after.tier is Tier.CONSERVATIVE) is demoted
    assert (change is not None) is demoted
    assert after.demoted == (NOW if demoted else None)


def test_demotion_when_there_was_a_step_today_then_it_waits_for_tomorrow() -> None:
    start = state(Tier.MODERATE, since=NOW, stepped=NOW)
    bad = known(drawdown="0.09", drawdown_limit="0.10")
    assert next_tier(start, bad, RULES, session=NOW) == (start, None)
    after, _ = next_tier(start, bad, RULES, session=NOW + 1)
    assert after.tier is Tier.CONSERVATIVE


def test_demotion_when_the_same_trips_are_seen_again_then_they_do_not_demote_twice() -> None:
    trips = (99, 100)
    after, _ = next_tier(state(Tier.AGGRESSIVE), known(drawdown_limit="0.15", trips=trips), RULES, session=NOW)
    again, change = next_tier(after, known(drawdown_limit="0.10", trips=trips), RULES, session=NOW + 1)
    assert (again.tier, change) == (Tier.MODERATE, None)
    third, _ = next_tier(again, known(drawdown_limit="0.10", trips=(*trips, 102, 102)), RULES, session=NOW + 2)
    assert third.tier is Tier.CONSERVATIVE


def test_demotion_when_the_tier_is_the_lowest_then_the_clock_starts_again() -> None:
    after, change = next_tier(state(), known(drawdown="0.03"), RULES, session=NOW)
    assert change is None
    assert (after.tier, after.since, after.demoted) == (Tier.CONSERVATIVE, NOW, NOW)
    _, change = next_tier(after, known(), RULES, session=NOW + 59)
    assert change is None
    _, change = next_tier(after, known(), RULES, session=NOW + 60)
    assert change is not None


def test_tier_when_asked_for_a_past_session_then_it_is_refused() -> None:
    with pytest.raises(InvalidInput, match="SESSION_BEFORE_LAST"):
        next_tier(state(stepped=NOW), known(), RULES, session=NOW - 1)


SHORT = TierRules(promotion_sessions=3, promotion_trades=2, promotion_pause=2, trip_sessions=3, highest="aggressive")
"""The same rules, quick enough for a history to go up and down."""

drawdowns = st.sampled_from(
    [Decimal(cents) / 1000 for cents in (0, 5, 10, 19, 20, 29, 30, 33, 34, 49, 50, 74, 75, 150)]
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Decimal, Decimal, float | None, int]]:
    """Sessions with a drawdown, a worse or equal one, a probabilistic Sharpe ratio and the number of trips."""
    found = []
    for _ in range(draw(st.integers(1, 40))):
        drawdown = draw(drawdowns)
        worse = max(drawdown, draw(drawdowns))
        ratio = draw(st.sampled_from([0.95, 0.95, 0.95, 0.5, None]))
        found.append((drawdown, worse, ratio, draw(st.sampled_from([0, 0, 0, 0, 1, 2]))))
    return found


def limit_of(tier: Tier) -> str:
    return str(TIER_PRESETS[tier.value]["breakers"]["drawdown"])


def live(days: list[tuple[Decimal, float | None, int]], start: Tier) -> list[TierState]:
    """Go through a history, one look a session, one closed trade a session."""
    present, seen, trips = TierState(tier=start, since=0), [], []
    for session, (drawdown, ratio, tripped) in enumerate(days):
        trips += [session] * tripped
        found = known(
            drawdown=drawdown,
            drawdown_limit=limit_of(present.tier),
            closed_trades=session - present.since,
            psr=ratio,
            trips=tuple(trips),
        )
        present, _ = next_tier(present, found, SHORT, session=session)
        seen.append(present)
    return seen


@PROPERTY
@given(histories(), st.sampled_from(Tier))
def test_tier_when_the_history_is_any_then_it_moves_at_most_one_step_a_session(
    history: list[tuple[Decimal, Decimal, float | None, int]], start: Tier
) -> None:
    ranks = [LADDER.index(start)]
    ranks += [LADDER.index(one.tier) for one in live([(day[0], day[2], day[3]) for day in history], start)]
    assert all(abs(after - before) <= 1 for before, after in pairwise(ranks))


@PROPERTY
@given(histories(), st.sampled_from(Tier))
def test_tier_when_the_history_of_drawdowns_is_worse_then_it_is_never_higher(
    history: list[tuple[Decimal, Decimal, float | None, int]], start: Tier
) -> None:
    better = live([(drawdown, ratio, trips) for drawdown, _, ratio, trips in history], start)
    worse = live([(drawdown, ratio, trips) for _, drawdown, ratio, trips in history], start)
    for one, other in zip(better, worse, strict=True):
        assert LADDER.index(other.tier) <= LADDER.index(one.tier)


@PROPERTY
@given(
    st.sampled_from(Tier), st.integers(0, NOW), st.one_of(st.none(), st.integers(0, NOW)), drawdowns, drawdowns,
    st.lists(st.integers(70, NOW), max_size=3), st.integers(0, 6), st.integers(0, 60),
)  # fmt: skip
def test_tier_when_only_the_drawdown_is_worse_then_it_is_never_higher(
    tier: Tier, since: int, step: int | None, one: Decimal, other: Decimal, trips: list[int], looks: int, trades: int
) -> None:
    present = state(tier, since, stepped=step, demoted=step)
    small, large = sorted((one, other))
    ranks = []
    for drawdown in (small, large):
        after = present
        moved = {LADDER.index(tier)}
        for _ in range(looks + 1):
            found = known(
                drawdown=drawdown, drawdown_limit=limit_of(after.tier), closed_trades=trades, trips=tuple(trips)
            )
            after, _ = next_tier(after, found, RULES, session=NOW)
            moved.add(LADDER.index(after.tier))
        assert max(moved) - min(moved) <= 1  # however often it is asked
        ranks.append(LADDER.index(after.tier))
    assert ranks[1] <= ranks[0]


@PROPERTY
@given(
    st.sampled_from(Tier), st.integers(0, NOW), st.one_of(st.none(), st.integers(0, NOW)), drawdowns,
    st.lists(st.integers(70, NOW), max_size=3), st.integers(20, 40), st.sampled_from([0.95, 0.5, None]),
)  # fmt: skip
def test_tier_when_belief_does_not_matter_then_whatever_it_is_changes_nothing(
    tier: Tier,
    since: int,
    step: int | None,
    drawdown: Decimal,
    trips: list[int],
    trades: int,
    belief: float | None,
) -> None:
    present = state(tier, since, stepped=step, demoted=step)
    limit = limit_of(tier)
    found = known(drawdown=drawdown, drawdown_limit=limit, closed_trades=trades, psr=belief, trips=tuple(trips))
    unknown = found.model_copy(update={"psr": None})
    matters = belief_matters(present, unknown, RULES, session=NOW)
    assert matters == belief_matters(present, found, RULES, session=NOW)
    if not matters:
        assert next_tier(present, found, RULES, session=NOW) == next_tier(present, unknown, RULES, session=NOW)


def test_belief_when_everything_else_is_met_then_it_matters() -> None:
    assert belief_matters(state(), known(psr=None), RULES, session=NOW)
    assert not belief_matters(state(), known(psr=None, closed_trades=29), RULES, session=NOW)
