"""What protects the live account from tick to tick: stops judged by bars and prices, and what is to be sold for them.

The rules are those of a backtest (`domain.protection`); here stands how they meet a clock that does not wait for bars.
A bar is judged once, when the book has it; between bars a price seen in the session is judged by the same stop. What is
due is sold at the next tick and stays due until it is sold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from domain.config import Tier, TradingConfig
from domain.decisions import Gate, Holding, Side, SizedIntent
from domain.ids import digest
from domain.market import Bar
from domain.model import Model, Utc
from domain.portfolio import product
from domain.protection import EARNINGS_TRIM, ProtectionState, StopRecord, Trim
from domain.rules_config import StopRules
from domain.sizing import floor_to_step
from domain.stops import StopEvent, StopKind, StopState, advance, at_price, open_stop, stop_distance
from domain.stops import split as split_stop
from domain.tiers import TierState

KEPT_SESSIONS = 60
"""Events that are older have their rows in the book and no effect any more."""
A_DAY = timedelta(days=1)


class Due(Model):
    """Part of a position that a stop, a target or time wants sold."""

    kind: StopKind
    share: Annotated[Decimal, Field(gt=0, le=1)]
    level: Decimal
    since: Utc


class PartSale(Model):
    """A sale of part of a position that was planned: it counts once something of it is filled."""

    intent_id: str
    opened: date | None = None
    """When the position was opened that it is of."""
    due: Due | None = None
    """What it is for; None: an earnings report."""
    report: date | None = None


class LiveProtection(Model):
    """The state of the rules, where time stands, and what is due."""

    state: ProtectionState
    session: date
    """Last session that was looked at."""
    index: Annotated[int, Field(ge=0)] = 0
    """Its number: sessions of the exchange since the first that was looked at."""
    base_tier: Tier
    """As configured when the account was last put into a tier by a person."""
    looked_at: Utc | None = None
    judged: dict[str, date] = Field(default_factory=dict)
    """By symbol the last session whose bar its stop has judged."""
    opened: dict[str, date] = Field(default_factory=dict)
    """By symbol when the position was opened that its stop belongs to."""
    due: dict[str, Due] = Field(default_factory=dict)
    parts: dict[str, PartSale] = Field(default_factory=dict)
    """By symbol the sale of a part that is under way."""
    flat: dict[str, Decimal] = Field(default_factory=dict)
    """By symbol its realised result, in dollars, when it was last seen without a position."""


def begun(session: date, tier: Tier) -> LiveProtection:
    """The state of an account that nobody has looked at yet."""
    return LiveProtection(state=ProtectionState(tier=TierState(tier=tier, since=0)), session=session, base_tier=tier)


def entered(live: LiveProtection, session: date, *, passed: int, tier: Tier) -> LiveProtection:
    """Come into a session.

    Args:
        passed: sessions of the exchange since the last one looked at; 0 within it.
        tier: as configured now. Another than before puts the account into it at once: a person has decided.
    """
    index = live.index + passed
    changes: dict[str, object] = {"session": max(session, live.session), "index": index}
    if tier is not live.base_tier:
        moved = TierState(tier=tier, since=index, stepped=index)
        state = live.state.model_copy(update={"tier": moved, "trades_at_step": live.state.trades_closed})
        changes |= {"base_tier": tier, "state": state}
    return live.model_copy(update=changes)


class StopInputs(Model):
    """What is known of one held symbol at a tick, in dollars a share of the day's shares."""

    holding: Holding
    opened: date
    horizon_td: Annotated[float, Field(gt=0)] = 1.0
    """Of the newest recommendation, for a position that has no stop yet."""
    bars: tuple[Bar, ...] = ()
    """Finished since the entry, oldest first, the entry's own included."""
    ranges: dict[date, float] = Field(default_factory=dict)
    """Average true range by the session at whose close it stood."""
    entry_range: float | None = None
    """Average true range at the close before the entry; None: unknown, so that there is no stop yet."""
    price: Decimal | None = None
    """Seen in the session under way."""


def judge_stops(
    live: LiveProtection, held: Iterable[StopInputs], rules: StopRules | None, *, as_of: datetime
) -> LiveProtection:
    """Put stops under new positions, judge what came since the last look, and note what is due.

    Idempotent but for the price: bars are judged once. Without stop rules nothing is due.
    """
    known = {inputs.holding.symbol: inputs for inputs in held} if rules is not None else {}
    same = {symbol for symbol, inputs in known.items() if live.opened.get(symbol, inputs.opened) == inputs.opened}
    stops = {symbol: stop for symbol, stop in live.state.stops.items() if symbol in same}
    judged = {symbol: day for symbol, day in live.judged.items() if symbol in same}
    due = {symbol: one for symbol, one in live.due.items() if symbol in same}
    records = list(live.state.stop_events)
    for symbol, inputs in sorted(known.items()):
        if rules is None or (stop := stops.get(symbol) or _fresh(inputs, rules)) is None:
            continue
        stop, events = _judged(stop, inputs, rules, judged)
        stops[symbol] = stop
        for event in events:
            records.append(StopRecord(symbol=symbol, as_of=as_of, event=event))
            due[symbol] = _worse(due.get(symbol), event, as_of)
    state = live.state.model_copy(update={"stops": dict(sorted(stops.items())), "stop_events": tuple(records)})
    opened = {symbol: inputs.opened for symbol, inputs in sorted(known.items())}
    return live.model_copy(
        update={"state": state, "judged": judged, "opened": opened, "due": dict(sorted(due.items()))}
    )


def _fresh(inputs: StopInputs, rules: StopRules) -> StopState | None:
    price, atr = inputs.holding.average_price, inputs.entry_range
    if atr is None or price <= 0 or stop_distance(price, atr, rules) >= 1:
        return None
    return open_stop(price, atr, inputs.horizon_td, rules)


def _judged(
    stop: StopState, inputs: StopInputs, rules: StopRules, judged: dict[str, date]
) -> tuple[StopState, list[StopEvent]]:
    """Judge the bars that are new, in order, and then the price."""
    symbol, events = inputs.holding.symbol, list[StopEvent]()
    last = judged.get(symbol, inputs.opened - A_DAY)
    for bar in inputs.bars:
        if bar.session <= last or stop.closed:
            continue
        stop, event = advance(stop, bar, rules, atr=inputs.ranges.get(bar.session))
        events += [event] if event is not None else []
        last = bar.session
    judged[symbol] = last
    if inputs.price is not None and inputs.price > 0 and not stop.closed:
        stop, event = at_price(stop, inputs.price, rules)
        events += [event] if event is not None else []
    return stop, events


def _worse(before: Due | None, event: StopEvent, as_of: datetime) -> Due:
    """Of two reasons to sell the one that sells more; the earlier of equal ones."""
    if before is not None and before.share >= event.share:
        return before
    return Due(kind=event.kind, share=event.share, level=event.level, since=as_of)


def exits(
    live: LiveProtection, holdings: Sequence[Holding], *, busy: Iterable[str], config: TradingConfig, as_of: datetime
) -> tuple[SizedIntent, ...]:
    """Sell what is due of what is held, by symbol.

    Args:
        busy: symbols with an open intent: they wait, so that nobody trades with themselves.
    """
    waiting, sold = set(busy), []
    for holding in sorted(holdings, key=lambda one: one.symbol):
        due = live.due.get(holding.symbol)
        if due is None or holding.symbol in waiting or holding.quantity <= 0:
            continue
        quantity = holding.quantity
        if due.share < 1:
            quantity = floor_to_step(Fraction(holding.quantity) * Fraction(due.share), config.sizing.step)
        if quantity <= 0:
            continue
        gate = Gate(name=due.kind.value, value=str(holding.last_price), limit=str(due.level), passed=False)
        sold.append(_sale(holding, quantity, due.kind.value.upper(), gate, as_of, f"level={due.level}"))
    return tuple(sold)


def trimmings(planned: Iterable[Trim], holdings: Iterable[Holding], *, as_of: datetime) -> tuple[SizedIntent, ...]:
    """Sell parts of large holdings before their companies report; see `domain.protection.trims`."""
    held = {holding.symbol: holding for holding in holdings}
    return tuple(
        _sale(
            held[trim.symbol],
            trim.quantity,
            EARNINGS_TRIM,
            Gate(name=EARNINGS_TRIM.lower(), value=trim.weight, limit=f"report on {trim.report}", passed=False),
            as_of,
            f"report={trim.report}, weight={trim.weight}",
        )
        for trim in planned
    )


def _sale(holding: Holding, quantity: Decimal, code: str, gate: Gate, as_of: datetime, why: str) -> SizedIntent:
    return SizedIntent(
        intent_id=digest("protective-exit", holding.symbol, as_of, code),
        recommendation_id="",
        symbol=holding.symbol,
        side=Side.SELL,
        quantity=quantity,
        reference_price=holding.last_price,
        notional=product(quantity, holding.last_price),
        target_weight=0.0,
        clamps=(gate,),
        as_of=as_of,
        reason=f"{code}: price={holding.last_price}, {why}",
    )


def placed(live: LiveProtection, intents: Iterable[SizedIntent], *, trims: Iterable[Trim] = ()) -> LiveProtection:
    """Note that exits were planned. A whole exit stays due until the position is gone, a part until its intent ends."""
    reports, due, parts = {trim.symbol: trim.report for trim in trims}, dict(live.due), dict(live.parts)
    for intent in intents:
        symbol, opened = intent.symbol, live.opened.get(intent.symbol)
        one = due.get(symbol)
        if one is not None and one.share < 1:
            parts[symbol] = PartSale(intent_id=intent.intent_id, opened=opened, due=due.pop(symbol))
        elif one is None and symbol in reports:
            parts[symbol] = PartSale(intent_id=intent.intent_id, opened=opened, report=reports[symbol])
    return live.model_copy(update={"due": due, "parts": parts})


def settled(live: LiveProtection, ended: Mapping[str, bool]) -> LiveProtection:
    """Count the sales of parts that were filled, and let those be due again of which nothing was.

    Args:
        ended: of intents that have ended whether anything was filled, by their ids; others are still under way.
    """
    state, due, parts = live.state, dict(live.due), dict(live.parts)
    for symbol, part in live.parts.items():
        filled = ended.get(part.intent_id)
        if filled is None:
            continue
        del parts[symbol]
        if filled and part.report is not None:
            state = state.model_copy(update={"trims": {**state.trims, symbol: part.report}})
        elif not filled and part.due is not None and live.opened.get(symbol) == part.opened:
            due.setdefault(symbol, part.due)
    return live.model_copy(update={"state": state, "due": dict(sorted(due.items())), "parts": parts})


def restated(live: LiveProtection, ratios: Mapping[str, Decimal]) -> LiveProtection:
    """Restate stops after splits, on the morning of the ex-date: new shares for each old one, by symbol."""
    stops = dict(live.state.stops)
    for symbol, ratio in ratios.items():
        if symbol in stops:
            stops[symbol] = split_stop(stops[symbol], ratio)
    return live.model_copy(update={"state": live.state.model_copy(update={"stops": stops})})


def trimmed(live: LiveProtection) -> LiveProtection:
    """Forget events that have no effect any more; the book has their rows."""
    state, first = live.state, live.index - KEPT_SESSIONS
    recent = tuple(event for event in state.breaker_events if event.session >= first)
    return live.model_copy(
        update={
            "state": state.model_copy(
                update={"stop_events": (), "breaker_events": recent, "reserve_moves": (), "tier_changes": ()}
            )
        }
    )
