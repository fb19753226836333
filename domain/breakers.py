"""The seven circuit breakers: what trips them, what resets them, and what they permit together.

    closed -> open -> half-open (25 % size, one session) -> closed

A breaker that is open stops entries; exits stay permitted always. Two are milder: the loss streak first only halves the
size (`reduced`, and from there back to closed, as nothing was stopped that would have to be tried out), and the model
breaker leaves the rules, so that entries go on without the model's word. A condition that is met while half-open opens
the breaker again. Source: quantitative specification, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from domain.breaker_state import (
    Breaker,
    BreakerEvent,
    BreakerInputs,
    BreakerPhase,
    Breakers,
    BreakerState,
    FeedAge,
    Permission,
)
from domain.errors import InvalidInput
from domain.rules_config import BreakerRules


def advance(
    breakers: Breakers, inputs: BreakerInputs, rules: BreakerRules, *, as_of: datetime, session: int
) -> tuple[Breakers, tuple[BreakerEvent, ...]]:
    """Look at one tick: every breaker makes at most one move, and every move is recorded.

    Args:
        session: index of the trading session that the tick belongs to; it counts up by one a session.

    Raises:
        InvalidInput: the session lies before that of the last tick.
    """
    if breakers.session is not None and session < breakers.session:
        raise InvalidInput("SESSION_BEFORE_LAST", session=session, last=breakers.session)
    tick = _Tick(_remember(breakers, inputs, rules, as_of, session), inputs, rules, as_of, session)
    states, events = [], []
    for state in tick.breakers.states:
        trips, resets = CONDITIONS[state.breaker]
        trip = trips(tick)
        if state.phase is BreakerPhase.CLOSED:
            move = (trip.phase, trip) if trip.met else None
        else:
            move = _next_phase(state, trip, resets(tick), tick)
        if move is None:
            states.append(state)
            continue
        after, reading = move
        states.append(state.model_copy(update={"phase": after, "changed_at": as_of, "changed_session": session}))
        events.append(
            BreakerEvent(
                breaker=state.breaker,
                before=state.phase,
                after=after,
                value=reading.value,
                limit=reading.limit,
                as_of=as_of,
                session=session,
                operator=reading.operator,
            )
        )
    moved = tick.breakers.model_copy(update={"states": tuple(states)})
    return _forgive(moved, events, inputs), tuple(events)


def release(breakers: Breakers, breaker: Breaker, *, operator: str, rules: BreakerRules, session: int) -> Breakers:
    """Let an operator release the drawdown breaker, once its rest is over; the next tick makes it half-open.

    Raises:
        InvalidInput: the breaker resets by itself, is not open, has not rested long enough, or nobody is named.
    """
    if breaker is not Breaker.DRAWDOWN:
        raise InvalidInput("BREAKER_RESETS_ITSELF", "Wait for its reset condition.", breaker=breaker.value)
    if not operator.strip():
        raise InvalidInput("OPERATOR_MISSING", "Only a named operator releases a breaker.", breaker=breaker.value)
    state = breakers.of(breaker)
    if state.phase is not BreakerPhase.OPEN:
        raise InvalidInput("BREAKER_NOT_OPEN", breaker=breaker.value, phase=state.phase.value)
    rested = _rested(state, session)
    if rested < rules.drawdown_rest:
        raise InvalidInput("BREAKER_RESTING", breaker=breaker.value, sessions=rested, needed=rules.drawdown_rest)
    return breakers.model_copy(update={"released_by": operator.strip()})


def permission(breakers: Breakers, rules: BreakerRules) -> Permission:
    """Combine the breakers: the strictest decides."""
    size = min(_size(state, rules) for state in breakers.states)
    return Permission(
        entries=size > 0,
        size=size,
        page_human=breakers.mismatch,
        rules_only=breakers.of(Breaker.MODEL).phase is BreakerPhase.OPEN,
        tripped=tuple(state.breaker for state in breakers.states if state.phase is not BreakerPhase.CLOSED),
    )


@dataclass(frozen=True)
class _Tick:
    """One tick, with what the breakers remember brought up to it."""

    breakers: Breakers
    inputs: BreakerInputs
    rules: BreakerRules
    as_of: datetime
    session: int

    def rested(self, breaker: Breaker) -> int:
        return _rested(self.breakers.of(breaker), self.session)


class _Reading(NamedTuple):
    """One condition as found: whether it is met, and the value and the limit to record."""

    met: bool
    value: str
    limit: str
    phase: BreakerPhase = BreakerPhase.OPEN
    """Where a trip leads to; means nothing for a reset."""
    operator: str = ""


def daily_loss_trips(tick: _Tick) -> _Reading:
    """Equity has fallen by the limit since the prior close; at it is enough."""
    return _fallen(tick.inputs.prior_close_equity, tick.inputs.equity, tick.rules.daily_loss)


def daily_loss_resets(tick: _Tick) -> _Reading:
    return _sessions(tick.rested(Breaker.DAILY_LOSS), tick.rules.daily_loss_rest)


def drawdown_trips(tick: _Tick) -> _Reading:
    """Equity has fallen by the limit from the high-water mark; at it is enough."""
    mark = tick.breakers.mark if tick.breakers.mark is not None else tick.inputs.high_water_mark
    return _fallen(mark, tick.inputs.equity, tick.rules.drawdown)


def drawdown_resets(tick: _Tick) -> _Reading:
    """The rest is over and an operator has released it; the mark is rebased to the equity of this tick."""
    rest = _sessions(tick.rested(Breaker.DRAWDOWN), tick.rules.drawdown_rest)
    operator = tick.breakers.released_by
    value = f"{rest.value}, released by {operator or 'nobody'}, mark {tick.inputs.equity}"
    return _Reading(rest.met and bool(operator), value, f"{rest.limit}, released by an operator", operator=operator)


def loss_streak_trips(tick: _Tick) -> _Reading:
    """The streak has grown to a limit: the lower one halves the size, the higher one stops entries."""
    streak, rules = tick.inputs.consecutive_losses, tick.rules
    longer = streak > tick.breakers.acknowledged_losses
    if streak >= rules.losses_to_halt:
        return _Reading(longer, str(streak), str(rules.losses_to_halt))
    halves = longer and streak >= rules.losses_to_halve
    return _Reading(halves, str(streak), str(rules.losses_to_halve), BreakerPhase.REDUCED)


def loss_streak_resets(tick: _Tick) -> _Reading:
    return _sessions(tick.rested(Breaker.LOSS_STREAK), tick.rules.loss_streak_rest)


def volatility_trips(tick: _Tick) -> _Reading:
    """The short volatility is far above the long one, or the index has moved, up or down, as it hardly ever does."""
    inputs, rules = tick.inputs, tick.rules
    ratio = _volatility_ratio(inputs)
    met = (ratio is not None and ratio > rules.volatility_ratio) or _index_jumped(inputs, rules)
    value = f"ratio={_number(ratio)}, index={_number(inputs.index_move)} sd"
    return _Reading(met, value, f"ratio={rules.volatility_ratio:g}, index={rules.index_move:g} sd")


def volatility_resets(tick: _Tick) -> _Reading:
    """The required number of sessions has gone by, all of them calm at every tick, the session of the trip not one."""
    since = tick.breakers.calm_since
    calm = 0 if since is None else max(0, tick.session - since)
    return _sessions(calm, tick.rules.calm_sessions)


def stale_data_trips(tick: _Tick) -> _Reading:
    """A feed is late, or the clock is wrong."""
    inputs, rules = tick.inputs, tick.rules
    worst = max(inputs.feeds, key=lambda feed: (_intervals(feed), feed.feed), default=None)
    late = "none" if worst is None else f"{worst.feed} {_intervals(worst):.9g} intervals"
    value = f"feed={late}, skew={inputs.clock_skew_seconds:.9g} s"
    limit = f"feed={rules.stale_intervals:g} intervals, skew={rules.clock_skew_seconds:g} s"
    return _Reading(not _is_fresh(inputs, rules), value, limit)


def stale_data_resets(tick: _Tick) -> _Reading:
    found, needed = tick.breakers.fresh_ticks, tick.rules.fresh_ticks
    return _Reading(found >= needed, f"{found} fresh ticks", f"{needed} fresh ticks")


def broker_trips(tick: _Tick) -> _Reading:
    """Too many errors within the window, or broker and book differ."""
    start = tick.as_of - timedelta(seconds=tick.rules.broker_window_seconds)
    errors = sum(1 for at in tick.inputs.broker_errors if start <= at <= tick.as_of)
    mismatch = tick.inputs.reconciliation_mismatch
    value = f"errors={errors}, mismatch={'yes' if mismatch else 'no'}"
    limit = f"errors={tick.rules.broker_errors} in {tick.rules.broker_window_seconds} s, mismatch=no"
    return _Reading(mismatch or errors >= tick.rules.broker_errors, value, limit)


def broker_resets(tick: _Tick) -> _Reading:
    """A clean reconciliation, and a quiet rest after it: any error or mismatch asks for both again."""
    since, rest = tick.breakers.clean_since, tick.rules.broker_rest_seconds
    limit = f"{rest} s after a clean reconciliation"
    if since is None:
        return _Reading(False, "not reconciled", limit)
    quiet = (tick.as_of - since).total_seconds()
    return _Reading(quiet >= rest and not broker_trips(tick).met, f"{quiet:g} s", limit)


def model_trips(tick: _Tick) -> _Reading:
    """More failures than the share of a full window allows, also while the window is not full yet."""
    failed = _failures(tick)
    limit = Fraction(tick.rules.model_failures) * tick.rules.model_window
    return _Reading(failed > limit, f"{failed} failed", f"{float(limit):g} of {tick.rules.model_window}")


def model_resets(tick: _Tick) -> _Reading:
    """Fewer failures than the lower share of a full window."""
    failed, window = _failures(tick), tick.rules.model_window
    limit = Fraction(tick.rules.model_recovered) * window
    full = len(tick.inputs.model_outcomes) >= window
    seen = min(len(tick.inputs.model_outcomes), window)
    return _Reading(full and failed < limit, f"{failed} failed of {seen}", f"below {float(limit):g} of {window}")


Condition = Callable[[_Tick], _Reading]

CONDITIONS: dict[Breaker, tuple[Condition, Condition]] = {
    Breaker.DAILY_LOSS: (daily_loss_trips, daily_loss_resets),
    Breaker.DRAWDOWN: (drawdown_trips, drawdown_resets),
    Breaker.LOSS_STREAK: (loss_streak_trips, loss_streak_resets),
    Breaker.VOLATILITY: (volatility_trips, volatility_resets),
    Breaker.STALE_DATA: (stale_data_trips, stale_data_resets),
    Breaker.BROKER: (broker_trips, broker_resets),
    Breaker.MODEL: (model_trips, model_resets),
}
"""What trips and what resets each breaker: the rows of the table."""


def _next_phase(
    state: BreakerState, trip: _Reading, reset: _Reading, tick: _Tick
) -> tuple[BreakerPhase, _Reading] | None:
    """Decide where a breaker goes that is not closed, and the reading that sends it there; None: it stays."""
    rested = _rested(state, tick.session)
    if state.phase is BreakerPhase.HALF_OPEN:
        if trip.met:
            return BreakerPhase.OPEN, trip
        tried = _sessions(rested, tick.rules.half_open_sessions)
        return (BreakerPhase.CLOSED, tried) if tried.met else None
    if state.phase is BreakerPhase.REDUCED:
        if trip.met and trip.phase is BreakerPhase.OPEN:
            return BreakerPhase.OPEN, trip
        return (BreakerPhase.CLOSED, reset) if reset.met else None
    if trip.met and state.breaker is Breaker.DAILY_LOSS:
        return (BreakerPhase.OPEN, trip) if rested > 0 else None  # another session's loss is another trip
    return (BreakerPhase.HALF_OPEN, reset) if reset.met else None


def _remember(
    breakers: Breakers, inputs: BreakerInputs, rules: BreakerRules, as_of: datetime, session: int
) -> Breakers:
    """Bring what the breakers remember up to this tick, before any of them is judged."""
    calm = session if breakers.calm_since is None else breakers.calm_since
    mark = None if breakers.mark is None else max(breakers.mark, inputs.equity)
    streak_goes_on = inputs.consecutive_losses >= breakers.acknowledged_losses
    changes = {
        "acknowledged_losses": breakers.acknowledged_losses if streak_goes_on else 0,
        "calm_since": calm if _is_calm(inputs, rules) else session + 1,
        "fresh_ticks": breakers.fresh_ticks + 1 if _is_fresh(inputs, rules) else 0,
        "mark": None if mark is None or mark >= inputs.high_water_mark else mark,
        "session": session,
    }
    return _remember_broker(breakers.model_copy(update=changes), inputs, as_of)


def _remember_broker(breakers: Breakers, inputs: BreakerInputs, as_of: datetime) -> Breakers:
    troubles = [at for at in (breakers.trouble_at, *inputs.broker_errors) if at is not None and at <= as_of]
    if inputs.reconciliation_mismatch:
        return breakers.model_copy(update={"trouble_at": as_of, "clean_since": None, "mismatch": True})
    trouble = max(troubles, default=None)
    since = breakers.clean_since
    if since is not None and trouble is not None and since <= trouble:
        since = None
    at = inputs.reconciled_at
    clean = at is not None and at <= as_of and (trouble is None or at > trouble)
    return breakers.model_copy(
        update={
            "trouble_at": trouble,
            "clean_since": (since or at) if clean else since,
            "mismatch": breakers.mismatch and not clean,
        }
    )


def _forgive(breakers: Breakers, events: list[BreakerEvent], inputs: BreakerInputs) -> Breakers:
    """Note what a reset has taken off the table: the streak so far, and the fall from the old mark."""
    changes: dict[str, object] = {}
    for event in events:
        if event.breaker is Breaker.LOSS_STREAK and not event.is_trip:
            changes["acknowledged_losses"] = inputs.consecutive_losses
        if event.breaker is Breaker.DRAWDOWN and event.after is BreakerPhase.HALF_OPEN:
            changes |= {"mark": inputs.equity, "released_by": ""}
    return breakers.model_copy(update=changes)


def _size(state: BreakerState, rules: BreakerRules) -> Decimal:
    if state.phase is BreakerPhase.OPEN:
        return Decimal(1) if state.breaker is Breaker.MODEL else Decimal(0)
    if state.phase is BreakerPhase.REDUCED:
        return rules.reduced_size
    if state.phase is BreakerPhase.HALF_OPEN:
        return rules.half_open_size
    return Decimal(1)


def _rested(state: BreakerState, session: int) -> int:
    return 0 if state.changed_session is None else session - state.changed_session


def _sessions(found: int, needed: int) -> _Reading:
    return _Reading(found >= needed, f"{found} sessions", f"{needed} sessions")


def _fallen(reference: Decimal, equity: Decimal, limit: Decimal) -> _Reading:
    """Measure how far equity is below a reference, as a share of it; without a reference it has not fallen."""
    fall = 1 - Fraction(equity) / Fraction(reference) if 0 < reference > equity else Fraction(0)
    return _Reading(fall >= Fraction(limit), f"{float(fall):.9g}", str(limit))


def _volatility_ratio(inputs: BreakerInputs) -> float | None:
    short, long = inputs.short_volatility, inputs.long_volatility
    return None if short is None or not long else short / long


def _index_jumped(inputs: BreakerInputs, rules: BreakerRules) -> bool:
    return inputs.index_move is not None and abs(inputs.index_move) > rules.index_move


def _is_calm(inputs: BreakerInputs, rules: BreakerRules) -> bool:
    ratio = _volatility_ratio(inputs)
    return ratio is not None and ratio < rules.calm_ratio and not _index_jumped(inputs, rules)


def _is_fresh(inputs: BreakerInputs, rules: BreakerRules) -> bool:
    on_time = all(_intervals(feed) <= rules.stale_intervals for feed in inputs.feeds)
    return on_time and abs(inputs.clock_skew_seconds) <= rules.clock_skew_seconds


def _intervals(feed: FeedAge) -> float:
    return feed.age_seconds / feed.expected_seconds


def _failures(tick: _Tick) -> int:
    return sum(1 for valid in tick.inputs.model_outcomes[-tick.rules.model_window :] if not valid)


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.9g}"
