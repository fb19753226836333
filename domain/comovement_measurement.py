"""What is measured of a pair of competitors at an instant: events of the competitor, prices of both, of the market.

An event is a document on the competitor and not on the company as well: news of both is no reaction. It counts for the
first session that closed after it came out, in one session at most once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import numpy as np

from domain.bar_series import KnownBar
from domain.comovement import CoMovement, estimate_comovement, event_abnormal_returns
from domain.layer_config import ComovementConfig
from domain.market import CorporateAction
from domain.model import Model, Utc
from domain.price_history import price_history
from domain.registry import Symbol

DECIMALS = 6
"""Of rho. What is left out is far below its error, and differs between machines."""
DEFAULTS = ComovementConfig()


class ComovementRequest(Model):
    """Which links are measured, and when."""

    symbol: Symbol | None = None
    """Those of one company; None: all."""
    as_of: Utc | None = None
    """Nothing that was known later is read; None: the workflow's now."""


class MeasuredPair(Model):
    """How a company moved at a competitor's events, measured with what was known at an instant."""

    symbol: Symbol
    competitor: Symbol
    as_of: Utc
    comovement: CoMovement
    told: int
    """Sessions of the window with events; around some there are too few prices."""
    first_event: date | None = None
    last_event: date | None = None
    benchmark: str


class ComovementReport(Model):
    """What a measurement came to. `unknown`: links of which no event could be measured, with the reason."""

    as_of: Utc
    links: int = 0
    measured: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class PairInputs:
    """What the book held of a company and its competitors at the instant, and possibly later: the cut is made here."""

    symbol: str
    as_of: datetime
    bars: Mapping[str, Sequence[KnownBar]]
    """Of the company, its competitors and the benchmark."""
    actions: Sequence[CorporateAction] = ()
    events: Mapping[str, Sequence[tuple[datetime, datetime]]] = field(default_factory=dict)
    """By competitor: when each document on it came out, and when it was known."""


def measure_pairs(inputs: PairInputs, config: ComovementConfig) -> list[MeasuredPair]:
    """Measure a company against each competitor that it has events of, in their order.

    Raises:
        InvalidInput: bars or actions contradict themselves.
    """
    market = sorted(
        (each for each in inputs.bars.get(config.benchmark, ()) if each.available_at <= inputs.as_of),
        key=lambda each: each.bar.session,
    )
    sessions = [each.bar.session for each in market]
    prices = price_history(inputs.bars, inputs.actions, as_of=inputs.as_of, sessions=sessions)
    found = []
    for competitor, documents in inputs.events.items():
        came_out = [published for published, known in documents if known <= inputs.as_of]
        events = _sessions_of(came_out, [each.available_at for each in market], config)
        told_on, comovement = len(events), CoMovement()
        if events:
            index = prices.log_returns(config.benchmark)
            theirs, ours = (
                event_abnormal_returns(prices.log_returns(symbol), index, events, config)
                for symbol in (competitor, inputs.symbol)
            )
            usable = ~(np.isnan(theirs) | np.isnan(ours))
            events = [at for at, known in zip(events, usable.tolist(), strict=True) if known]
            comovement = estimate_comovement(theirs, ours)
        found.append(
            MeasuredPair(
                symbol=inputs.symbol,
                competitor=competitor,
                as_of=inputs.as_of,
                comovement=comovement.model_copy(update={"rho": round(comovement.rho, DECIMALS) + 0.0}),
                told=told_on,
                first_event=sessions[events[0]] if events else None,
                last_event=sessions[events[-1]] if events else None,
                benchmark=config.benchmark,
            )
        )
    return found


def _sessions_of(came_out: Sequence[datetime], closes: Sequence[datetime], config: ComovementConfig) -> list[int]:
    """Positions of the sessions in which events first had an effect, ascending, each once, of the window."""
    first = max(0, len(closes) - config.window_sessions)
    found = {bisect_right(closes, instant) for instant in came_out}
    return sorted(at for at in found if first <= at < len(closes))
