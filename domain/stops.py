"""Stops of a long position: where it is left at a loss, how the stop follows the price, when time is up.

A bar is judged by the stop that was in force when it began; what its close does to the stop applies from the next bar.
Within a bar nobody knows the order of high and low: when both the stop and the target lie in it, the stop is assumed.
Prices are raw, as positions are, in dollars a share; a split goes through `split`. R is the distance from the entry
price to the initial stop. Sources: quantitative specification, section 3; Wilder, "New Concepts in Technical Trading
Systems" (1978), for the average true range.
"""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from domain.errors import InvalidInput
from domain.market import Bar
from domain.model import Model
from domain.portfolio import MICRO, as_decimal, product
from domain.rules_config import StopRules

Floats = NDArray[np.float64]


class StopKind(StrEnum):
    STOP = "stop"
    """The stop was hit: everything is sold, within the bar."""
    SCALE_OUT = "scale_out"
    """The target was reached: part of the position is sold, within the bar. Once in a position's life."""
    TIME_STOP = "time_stop"
    """Time is up at the close: everything is to be sold at the next open."""


class StopState(Model):
    """A position's stop after the last bar that was seen."""

    entry_price: Annotated[Decimal, Field(gt=0)]
    initial_stop: Annotated[Decimal, Field(gt=0)]
    stop: Annotated[Decimal, Field(gt=0)]
    """In force during the next bar."""
    highest_close: Annotated[Decimal, Field(gt=0)]
    """Since the entry; the entry price until there is a higher one."""
    horizon_td: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """H of the recommendation, in trading days."""
    sessions_held: Annotated[int, Field(ge=0)] = 0
    """Bars seen, the entry's own included."""
    scaled_out: bool = False
    closed: bool = False
    """The stop was hit: there is nothing left to protect."""

    @property
    def risk(self) -> Decimal:
        """R in dollars a share."""
        return self.entry_price - self.initial_stop

    def at_gain(self, multiple: Decimal) -> Decimal:
        """Give the price that is `multiple` R above the entry."""
        return self.entry_price + product(multiple, self.risk)


class StopEvent(Model):
    """What a bar did to a position, and the price at which it did."""

    kind: StopKind
    price: Annotated[Decimal, Field(gt=0)]
    """The assumed fill; of a time stop the close that it was decided at."""
    level: Annotated[Decimal, Field(gt=0)]
    """The stop or target that was reached; of a time stop the close that would have been enough."""
    share: Annotated[Decimal, Field(gt=0, le=1)]
    """Part of the quantity then held that is sold."""


def true_ranges(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> Floats:
    """Give max(high, prior close) - min(low, prior close) of every bar, (T,); NaN for the first, which has no prior.

    Args:
        high, low, close: (T,) split-adjusted prices as of the last bar, oldest first.

    Raises:
        InvalidInput: the arrays differ in shape, or hold a price that is not finite and positive.
    """
    highs, lows, closes = _prices(high, low, close)
    ranges = np.full(closes.shape, np.nan)
    ranges[1:] = np.maximum(highs[1:], closes[:-1]) - np.minimum(lows[1:], closes[:-1])
    return ranges


def average_true_range(high: ArrayLike, low: ArrayLike, close: ArrayLike, rules: StopRules) -> Floats:
    """Smooth the true ranges as Wilder does, (T,), n = 14: ATR = ((n-1) ATR + TR) / n, from the mean of the first n.

    NaN for the first n bars. The average depends, ever less, on where the series begins: pass the whole history.

    Raises:
        InvalidInput: as `true_ranges`.
    """
    n = rules.atr_sessions
    ranges = true_ranges(high, low, close).tolist()
    if len(ranges) <= n:
        return np.full(len(ranges), np.nan)
    average = math.fsum(ranges[1 : n + 1]) / n
    averages = [math.nan] * n + [average]
    for each in ranges[n + 1 :]:
        average = ((n - 1) * average + each) / n
        averages.append(average)
    return np.array(averages, dtype=np.float64)


def stop_distance(price: Decimal, atr: float, rules: StopRules) -> Fraction:
    """Measure the way to the initial stop as a share of the price: initial_atr x ATR / price, exactly.

    At 1 or above there is no positive stop, and the position must not be opened.

    Raises:
        InvalidInput: the price or the range is not finite and positive.
    """
    if not (price.is_finite() and price > 0):
        raise InvalidInput("PRICE_NOT_POSITIVE", price=price)
    return Fraction(product(rules.initial_atr, _range(atr))) / Fraction(price)


def open_stop(entry_price: Decimal, atr: float, horizon_td: float, rules: StopRules) -> StopState:
    """Place the initial stop under a new position; it is in force from the entry's own bar on.

    Args:
        atr: average true range at the close before the entry, in dollars.

    Raises:
        InvalidInput: the stop would not be positive, the average range or the horizon is not finite and positive.
    """
    if stop_distance(entry_price, atr, rules) >= 1:
        raise InvalidInput(
            "STOP_NOT_POSITIVE", "Do not open it: no stop fits under the price.", price=entry_price, atr=atr
        )
    if not (math.isfinite(horizon_td) and horizon_td > 0):
        raise InvalidInput("HORIZON_NOT_POSITIVE", horizon_td=horizon_td)
    stop = entry_price - product(rules.initial_atr, _range(atr))
    return StopState(
        entry_price=entry_price, initial_stop=stop, stop=stop, highest_close=entry_price, horizon_td=horizon_td
    )


def advance(
    state: StopState, bar: Bar, rules: StopRules, *, atr: float | None = None
) -> tuple[StopState, StopEvent | None]:
    """Judge one bar, then let the stop follow its close.

    The stop, then the target, then time: of several the first is the event, and the others are no longer looked at. A
    time stop is reported at every close until the position is gone, and the stop goes on protecting it.

    Args:
        atr: average true range at the bar's close, in dollars; None where it is unknown: the stop stays where it is.

    Raises:
        InvalidInput: the stop was hit before, or the range is not finite and positive.
    """
    if state.closed:
        raise InvalidInput("STOP_ALREADY_HIT", "Open a new stop for a new position.", session=bar.session)
    held = state.sessions_held + 1
    if bar.low <= state.stop:
        hit = StopEvent(
            kind=StopKind.STOP, price=stop_fill(bar.open, bar.low, state.stop), level=state.stop, share=Decimal(1)
        )
        return state.model_copy(update={"sessions_held": held, "closed": True}), hit
    highest = max(state.highest_close, bar.close)
    trail = state.stop if atr is None else highest - product(rules.trail_atr, _range(atr))
    target = state.at_gain(rules.scale_out_r)
    reached = not state.scaled_out and bar.high >= target
    after = state.model_copy(
        update={
            "sessions_held": held,
            "highest_close": highest,
            "stop": max(state.stop, trail),
            "scaled_out": state.scaled_out or reached,
        }
    )
    if reached:
        price = max(bar.open, target)
        return after, StopEvent(kind=StopKind.SCALE_OUT, price=price, level=target, share=rules.scale_out_share)
    if time_is_up(after, rules):
        level = after.at_gain(rules.time_stop_r)
        return after, StopEvent(kind=StopKind.TIME_STOP, price=bar.close, level=level, share=Decimal(1))
    return after, None


def at_price(state: StopState, price: Decimal, rules: StopRules) -> tuple[StopState, StopEvent | None]:
    """Judge one price seen in the session: the stop, then the target. The bar is still to be judged at its close.

    Raises:
        InvalidInput: the stop was hit before, or the price is not finite and positive.
    """
    if state.closed:
        raise InvalidInput("STOP_ALREADY_HIT", "Open a new stop for a new position.")
    if not (price.is_finite() and price > 0):
        raise InvalidInput("PRICE_NOT_POSITIVE", price=price)
    if price <= state.stop:
        hit = StopEvent(kind=StopKind.STOP, price=price, level=state.stop, share=Decimal(1))
        return state.model_copy(update={"closed": True}), hit
    target = state.at_gain(rules.scale_out_r)
    if not state.scaled_out and price >= target:
        reached = StopEvent(kind=StopKind.SCALE_OUT, price=price, level=target, share=rules.scale_out_share)
        return state.model_copy(update={"scaled_out": True}), reached
    return state, None


def time_is_up(state: StopState, rules: StopRules) -> bool:
    """Tell whether 1.5 H sessions have passed without a close at +.5 R; a position that was scaled out had its gain."""
    if state.scaled_out or state.highest_close >= state.at_gain(rules.time_stop_r):
        return False
    return state.sessions_held >= Fraction(rules.time_stop_horizons) * Fraction(state.horizon_td)


def stop_fill(open: Decimal, low: Decimal, stop: Decimal) -> Decimal:
    """Give the price at which a sell stop is filled: min(open, stop), because a gap goes through it.

    Raises:
        InvalidInput: the bar does not reach the stop.
    """
    if low > stop:
        raise InvalidInput("STOP_NOT_REACHED", low=low, stop=stop)
    return min(open, stop)


def split(state: StopState, ratio: Decimal) -> StopState:
    """Restate all prices after a split: `ratio` new shares for each old one, prices rounded to the micro-dollar.

    Raises:
        InvalidInput: the ratio is not positive, or a price would vanish.
    """
    if not (ratio.is_finite() and ratio > 0):
        raise InvalidInput("INVALID_SPLIT", "A split gives a positive number of new shares for one old.", ratio=ratio)
    names = ("entry_price", "initial_stop", "stop", "highest_close")
    prices = {name: (getattr(state, name) / ratio).quantize(MICRO) for name in names}
    if prices["initial_stop"] <= 0:
        raise InvalidInput("INVALID_SPLIT", "The stop would be below a micro-dollar.", ratio=ratio)
    return state.model_copy(update=prices)


def _range(atr: float) -> Decimal:
    if not (math.isfinite(atr) and atr > 0):
        raise InvalidInput("RANGE_NOT_POSITIVE", "An average true range is finite and positive.", atr=atr)
    return as_decimal(atr)


def _prices(high: ArrayLike, low: ArrayLike, close: ArrayLike) -> tuple[Floats, Floats, Floats]:
    highs, lows, closes = (np.asarray(prices, dtype=np.float64) for prices in (high, low, close))
    if not (highs.ndim == 1 and highs.shape == lows.shape == closes.shape):
        raise InvalidInput("UNEQUAL_SERIES", found=(highs.shape, lows.shape, closes.shape))
    for name, prices in (("high", highs), ("low", lows), ("close", closes)):
        if not bool(np.all(np.isfinite(prices) & (prices > 0))):
            raise InvalidInput("PRICE_NOT_POSITIVE", field=name)
    return highs, lows, closes
