"""Risk tiers: how an account earns a wider one, and how it loses it.

A step up needs time, trades, a small drawdown, a believable Sharpe ratio and quiet breakers; a step down needs only one
of two reasons. At most one step a session. Whatever else is equal, a worse drawdown never gives a higher tier; judged
once a session, not even a history of worse drawdowns does. Source: quantitative specification, section 3.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from domain.config import Tier
from domain.decisions import Gate
from domain.errors import InvalidInput
from domain.model import Model
from domain.rules_config import TierRules

LADDER: tuple[Tier, ...] = (Tier.CONSERVATIVE, Tier.MODERATE, Tier.AGGRESSIVE)
"""From the narrowest to the widest."""


class TierState(Model):
    """The tier an account is in, and since when. Sessions are indices of the trading calendar."""

    tier: Tier
    since: int
    """Session that the time in the tier counts from: the last step, or the last day that there was reason to demote."""
    stepped: int | None = None
    """Session of the last step, up or down."""
    demoted: int | None = None
    """Last session on which there was reason to demote; in the lowest tier nothing but the clock moves."""
    trips_counted: int | None = None
    """Session up to which trips have had their effect: they demote once, but bar promotion as long as they are seen."""


class TierInputs(Model):
    """What is known at one look."""

    drawdown: Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
    """From the high-water mark, a positive share of it."""
    drawdown_limit: Annotated[Decimal, Field(gt=0, le=1)]
    """At which the present tier halts."""
    closed_trades: Annotated[int, Field(ge=0)]
    """Closed since `TierState.since`."""
    psr: Annotated[float | None, Field(ge=0, le=1)] = None
    """Probabilistic Sharpe ratio against 0; None: undefined, and not enough for a promotion."""
    trips: tuple[int, ...] = ()
    """Sessions of the breakers' trips, one entry a trip; later than the present one are not looked at."""


class TierChange(Model):
    """One step, with every condition that was looked at."""

    before: Tier
    after: Tier
    session: int
    gates: tuple[Gate, ...]


def next_tier(
    state: TierState, inputs: TierInputs, rules: TierRules, *, session: int
) -> tuple[TierState, TierChange | None]:
    """Judge the account once; it may be asked any number of times a session.

    Reason to demote in the lowest tier restarts the time in it, as a step down would have.

    Raises:
        InvalidInput: the session lies before the last step.
    """
    if state.stepped is not None and session < state.stepped:
        raise InvalidInput("SESSION_BEFORE_LAST", session=session, last=state.stepped)
    kept = demotion_gates(state, inputs, rules, session=session)
    if not all(gate.passed for gate in kept):
        return _demote(state, kept, session)
    met = promotion_gates(state, inputs, rules, session=session)
    if not all(gate.passed for gate in met):
        return state, None
    return _step(state, LADDER[LADDER.index(state.tier) + 1], met, session)


def belief_matters(state: TierState, inputs: TierInputs, rules: TierRules, *, session: int) -> bool:
    """Whether a step up wants nothing but belief in the returns: in all other cases `psr` is not looked at."""
    return all(gate.passed for gate in promotion_gates(state, inputs, rules, session=session) if gate.name != "psr")


def demotion_gates(state: TierState, inputs: TierInputs, rules: TierRules, *, session: int) -> tuple[Gate, ...]:
    """List what keeps the tier; any that is not passed is a reason to demote. At a limit is a reason."""
    counted = state.trips_counted
    fresh = [trip for trip in _trips(inputs, rules, session) if counted is None or trip > counted]
    return (
        Gate.made(
            name="drawdown",
            value=str(inputs.drawdown),
            limit=f"< {inputs.drawdown_limit} / {rules.demotion_drawdown_divisor}",
            passed=_below(inputs, rules.demotion_drawdown_divisor),
        ),
        Gate.made(
            name="trips",
            value=str(len(fresh)),
            limit=f"< {rules.demotion_trips} in {rules.trip_sessions} sessions",
            passed=len(fresh) < rules.demotion_trips,
        ),
    )


def promotion_gates(state: TierState, inputs: TierInputs, rules: TierRules, *, session: int) -> tuple[Gate, ...]:
    """List what a step up needs; all of them must be passed."""
    ceiling, rank = LADDER.index(Tier(rules.highest)), LADDER.index(state.tier)
    sessions, trips = session - state.since, len(_trips(inputs, rules, session))
    believable = inputs.psr is not None and inputs.psr >= rules.promotion_psr
    pause = None if state.demoted is None else session - state.demoted
    return (
        Gate.made(name="highest_tier", value=state.tier.value, limit=f"below {rules.highest}", passed=rank < ceiling),
        Gate.made(
            name="one_step_a_session",
            value="none" if state.stepped is None else str(state.stepped),
            limit=f"before {session}",
            passed=state.stepped is None or state.stepped < session,
        ),
        Gate.made(
            name="sessions_in_tier",
            value=str(sessions),
            limit=f">= {rules.promotion_sessions}",
            passed=sessions >= rules.promotion_sessions,
        ),
        Gate.made(
            name="closed_trades",
            value=str(inputs.closed_trades),
            limit=f">= {rules.promotion_trades}",
            passed=inputs.closed_trades >= rules.promotion_trades,
        ),
        Gate.made(
            name="drawdown",
            value=str(inputs.drawdown),
            limit=f"< {inputs.drawdown_limit} / {rules.promotion_drawdown_divisor}",
            passed=_below(inputs, rules.promotion_drawdown_divisor),
        ),
        Gate.made(
            name="psr",
            value="undefined" if inputs.psr is None else f"{inputs.psr:.9g}",
            limit=f">= {rules.promotion_psr:g}",
            passed=believable,
        ),
        Gate.made(name="trips", value=str(trips), limit=f"0 in {rules.trip_sessions} sessions", passed=trips == 0),
        Gate.made(
            name="sessions_since_demotion",
            value="none" if pause is None else str(pause),
            limit=f">= {rules.promotion_pause}",
            passed=pause is None or pause >= rules.promotion_pause,
        ),
    )


def _demote(state: TierState, gates: tuple[Gate, ...], session: int) -> tuple[TierState, TierChange | None]:
    if state.stepped == session:
        return state, None  # the reason is looked at again tomorrow
    marks = {"demoted": session, "trips_counted": state.trips_counted}
    if any(gate.name == "trips" and not gate.passed for gate in gates):
        marks["trips_counted"] = session
    rank = LADDER.index(state.tier)
    if rank == 0:
        return state.model_copy(update={"since": session, **marks}), None
    after, change = _step(state, LADDER[rank - 1], gates, session)
    return after.model_copy(update=marks), change


def _step(state: TierState, tier: Tier, gates: tuple[Gate, ...], session: int) -> tuple[TierState, TierChange]:
    after = state.model_copy(update={"tier": tier, "since": session, "stepped": session})
    return after, TierChange(before=state.tier, after=tier, session=session, gates=gates)


def _below(inputs: TierInputs, divisor: int) -> bool:
    return Fraction(inputs.drawdown) * divisor < Fraction(inputs.drawdown_limit)


def _trips(inputs: TierInputs, rules: TierRules, session: int) -> list[int]:
    return [trip for trip in inputs.trips if session - rules.trip_sessions < trip <= session]
