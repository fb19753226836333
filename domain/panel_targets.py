"""From target positions to fills and equity, over arrays: what a plain rule makes of the same bars.

A rule says at each close whether a symbol should be held. What it says is done at the next open that the symbol has,
with whole shares and all the cash of the symbol's own account, less half the spread and a fee on every execution.
Money is int64 micro-dollars throughout. Nothing here decides for the platform: it is a control, and a yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.costs import CostModel
from domain.errors import InvalidInput
from domain.kernels import Floats
from domain.panel_market import rolling_sum
from domain.panel_passes import Flags, Ints

MICRO_DOLLARS = 1_000_000
"""In a dollar."""
UNIT = 1_000_000
"""Costs are whole parts of this: a hundredth of a basis point."""
MOST_CASH = 10**15
"""Micro-dollars of one symbol's account at the beginning: a thousand times as much still fits 64 bits."""


@dataclass(frozen=True, eq=False)
class Fills:
    """(E,) executions, by symbol and row."""

    row: Ints
    column: Ints
    shares: Ints
    """Above 0 bought, below 0 sold; 0 where the cash does not buy one share."""
    price: Ints
    """Micro-dollars a share, with half the spread in it."""
    fee: Ints
    cash: Ints
    """Of the symbol's account, afterwards."""


@dataclass(frozen=True, eq=False)
class TargetRun:
    fills: Fills
    equity: Ints
    """(T, N) micro-dollars of each symbol's account at the close."""


def moving_average_targets(closes: Floats, short: int, long: int) -> Flags:
    """Hold what closes with the average of its last `short` closes above that of its last `long` ones; (T, N).

    Args:
        closes: (T, N) dollars, every one above 0, in shares of one day.

    Raises:
        InvalidInput: the averages are not 0 < short < long.
    """
    if not 0 < short < long:
        raise InvalidInput("AVERAGES_OUT_OF_ORDER", short=short, long=long, allowed="0 < short < long")
    rows = np.ascontiguousarray(closes.T)
    held = rolling_sum(rows, short) * long > rolling_sum(rows, long) * short
    held[:, : long - 1] = False
    return held.T


def fill_targets(
    targets: Flags, opens: Floats, closes: Floats, traded: Flags, *, opening: int, costs: CostModel
) -> TargetRun:
    """Trade towards the targets of the row before, at each open.

    Args:
        targets: (T, N) whether a symbol should be held, decided at the row's close.
        opens: (T, N) dollars, read where the symbol traded.
        closes: (T, N) dollars; where it did not trade, the last one before is taken.
        traded: (T, N) whether there is a bar.
        opening: cash of each symbol's account, in micro-dollars.
        costs: of which half the spread and the fee in basis points count.

    Raises:
        InvalidInput: arrays of different shapes, or cash out of bounds.
    """
    shapes = {targets.shape, opens.shape, closes.shape, traded.shape}
    if len(shapes) != 1:
        raise InvalidInput("UNEQUAL_SHAPES", "Pass (T, N) arrays of one shape.", found=sorted(shapes))
    if not 0 < opening <= MOST_CASH:
        raise InvalidInput("CASH_OUT_OF_RANGE", found=opening, allowed=f"1 to {MOST_CASH} micro-dollars")
    column, row = np.nonzero(_turns(targets, traded))
    price = np.rint(opens[row, column] * MICRO_DOLLARS).astype(np.int64)
    fills = _executed(row, column, price, opening, costs)
    return TargetRun(fills, _equity(fills, closes, traded, opening))


def _turns(targets: Flags, traded: Flags) -> Flags:
    """Where a position is opened or closed, (N, T): at an open that finds another target than the open before."""
    wanted = np.zeros_like(targets)
    wanted[1:] = targets[:-1]
    wanted, seen = np.ascontiguousarray(wanted.T), np.ascontiguousarray(traded.T)
    if not seen.all():
        wanted = np.where(seen, wanted, False)
        last = np.maximum.accumulate(np.where(seen, np.arange(seen.shape[1]), -1), axis=1)
        wanted = np.where(last >= 0, np.take_along_axis(wanted, np.maximum(last, 0), axis=1), False)
    turns = wanted.copy()
    turns[:, 1:] ^= wanted[:, :-1]
    return turns


def _executed(row: Ints, column: Ints, price: Ints, opening: int, costs: CostModel) -> Fills:
    """Buys and sells of a symbol take turns: the n-th executions of all symbols are made together."""
    spread, fee_share = round(costs.half_spread_bp * 100), round(costs.fee_bp * 100)
    begins = np.flatnonzero(np.diff(column, prepend=-1))
    counts = np.diff(np.append(begins, len(column)))
    nth = np.arange(len(column)) - np.repeat(begins, counts)
    buying = nth % 2 == 0
    paid = np.where(
        buying, -(-price * (UNIT + spread) // UNIT), np.maximum(1, price * (UNIT - spread) // UNIT)
    )  # against us, to the micro-dollar
    shares, fees, cash = np.zeros_like(price), np.zeros_like(price), np.full_like(price, opening)
    for turn in range(int(counts.max(initial=0))):
        at = begins[counts > turn] + turn
        before = cash[at - 1] if turn else cash[at]
        if turn % 2:
            shares[at] = -shares[at - 1]
        else:
            shares[at] = before // (paid[at] + _fee(paid[at], fee_share))
        fees[at] = _fee(np.abs(shares[at]) * paid[at], fee_share)
        cash[at] = before - shares[at] * paid[at] - fees[at]
    return Fills(row=row, column=column, shares=shares, price=paid, fee=fees, cash=cash)


def _fee(notional: Ints, share: int) -> Ints:
    """Rounded up to the micro-dollar."""
    whole, rest = np.divmod(notional, UNIT)
    fee: Ints = whole * share - (-rest * share) // UNIT
    return fee


def _equity(fills: Fills, closes: Floats, traded: Flags, opening: int) -> Ints:
    rows, columns = closes.shape
    cash, shares = np.zeros((columns, rows), dtype=np.int64), np.zeros((columns, rows), dtype=np.int64)
    # Differences where something happens, summed up along the rows.
    first = np.diff(fills.column, prepend=-1) != 0
    before = np.where(first, opening, np.roll(fills.cash, 1))
    cash[fills.column, fills.row] = fills.cash - before
    shares[fills.column, fills.row] = fills.shares
    held, free = np.cumsum(shares, axis=1), np.cumsum(cash, axis=1) + opening
    prices = np.where(traded, closes, 0.0).T
    micro = np.rint(prices * MICRO_DOLLARS).astype(np.int64)
    if not traded.all():
        last = np.maximum.accumulate(np.where(traded.T, np.arange(rows), 0), axis=1)
        micro = np.take_along_axis(micro, last, axis=1)
    return np.ascontiguousarray((free + held * micro).T)
