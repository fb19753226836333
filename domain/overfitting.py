"""What was tried before a result was chosen, and how often choosing the best would have misled.

Source: Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest Overfitting" (Journal of Computational
Finance 20(4), 2017).
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import combinations
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from domain.errors import InvalidInput
from domain.model import Model
from domain.returns import NOISE, Floats, Table, Values, checked_table, deviation, excess
from domain.sharpe import MOST_TRIALS, session_sharpe

BLOCKS = 10
MOST_BLOCKS = 16


class Trials(Model):
    """Every strategy, parameter or variant that was ever tried and logged before one of them was chosen."""

    count: Annotated[int, Field(ge=1, le=MOST_TRIALS)]
    """Failed, abandoned and repeated trials count too."""
    sharpe_variance: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Of the trials' Sharpe ratios per session. None: fewer than two of them have one."""
    overfitting_probability: Annotated[float, Field(ge=0, le=1)] | None = None


def survey_trials(
    returns: Table, *, logged: int | None = None, rf: float | Values = 0.0, blocks: int = BLOCKS
) -> Trials:
    """Sum up what was tried.

    Args:
        returns: (n, strategies) per session, oldest first, of each trial of which a record was kept.
        logged: how many trials were logged in all, with those of which none was kept; else the strategies are all.
        rf: the risk-free return of a session, one for all or (n,).
        blocks: as in `overfitting_probability`.

    Raises:
        InvalidInput: a return is not legal, lengths differ, there is no trial, or fewer are logged than have a record.
    """
    table = checked_table(returns)
    strategies = table.shape[1]
    count = strategies if logged is None else logged
    if count < max(1, strategies):
        raise InvalidInput(
            "TRIALS_MISSING",
            "Count every trial that was logged.",
            field="logged",
            found=count,
            allowed=f"at least {max(1, strategies)}",
        )
    ratios = [session_sharpe(each) for each in excess(table, rf).T]
    known = np.array([ratio for ratio in ratios if ratio is not None], dtype=np.float64)
    return Trials(
        count=count,
        sharpe_variance=None if len(known) < 2 else (deviation(known) or 0.0) ** 2,
        overfitting_probability=overfitting_probability(table, rf=rf, blocks=blocks),
    )


def overfitting_probability(returns: Table, *, rf: float | Values = 0.0, blocks: int = BLOCKS) -> float | None:
    """Chance, in [0, 1], that the best strategy in one half of the record is not above the median in the other: PBO.

    Combinatorially symmetric cross-validation: the sessions are cut into S blocks of equal length, in order, and each
    of the C(S, S/2) choices of half of them is once what one chooses on, by the Sharpe ratio, and the rest what
    follows. A split counts where the chosen strategy's relative rank w = rank / (N + 1) is at most 1/2, that is where
    the logit ln(w / (1 - w)) is at most 0. Equal strategies share their ranks; where several are best, each is chosen
    as often. A half in which a strategy does not vary scores 0, as cash does. On noise it is about 1/2 on average over
    many records, and anything from .1 to .9 on one, for the splits share their sessions.

    Args:
        returns: (n, strategies) per session, oldest first. The oldest n mod S sessions are left out.
        rf: the risk-free return of a session, one for all or (n,).
        blocks: S, even, in [2, 16]; 10 makes 252 splits.

    Returns:
        None with fewer than two strategies, with too few sessions for two in each half, or where no strategy varies.

    Raises:
        InvalidInput: a return is not legal, lengths differ, or the number of blocks is not allowed.
    """
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise InvalidInput("BLOCKS_INVALID", field="blocks", found=blocks, allowed=f"even, in [2, {MOST_BLOCKS}]")
    table = excess(checked_table(returns), rf)
    rows = len(table) // blocks
    kept = table[len(table) - rows * blocks :]
    if table.shape[1] < 2 or rows * blocks < 4 or not (np.ptp(kept, axis=0) > NOISE).any():
        return None
    parts = [_Block.of(each) for each in np.split(kept, blocks)]
    everything = frozenset(range(blocks))
    misled = [
        _misled(_score([parts[at] for at in chosen]), _score([parts[at] for at in sorted(everything - set(chosen))]))
        for chosen in combinations(range(blocks), blocks // 2)
    ]
    return min(1.0, math.fsum(misled) / len(misled))


class _Block(NamedTuple):
    """What the halves need to know of a block of `rows` sessions; each (strategies,)."""

    rows: int
    mean: Floats
    squares: Floats
    """Sum of squared distances from the block's mean."""
    low: Floats
    high: Floats

    @classmethod
    def of(cls, returns: Floats) -> _Block:
        rows = len(returns)
        mean = _column_sums(returns) / rows
        return cls(rows, mean, _column_sums(np.square(returns - mean)), returns.min(axis=0), returns.max(axis=0))


def _column_sums(values: Floats) -> Floats:
    return np.array([math.fsum(column) for column in values.T.tolist()], dtype=np.float64)


def _score(half: list[_Block]) -> Floats:
    """Sharpe ratios per session over a half, (strategies,), from its blocks (Chan, Golub and LeVeque 1983).

    Blocks are added one by one, so that a strategy's last bits do not depend on how many others there are.
    """
    rows = half[0].rows
    mean = reduce(np.add, (block.mean for block in half)) / len(half)
    squares = reduce(np.add, (block.squares + rows * np.square(block.mean - mean) for block in half))
    spread = np.sqrt(squares / (rows * len(half) - 1))
    low, high = reduce(np.minimum, (block.low for block in half)), reduce(np.maximum, (block.high for block in half))
    varies = high - low > NOISE
    return np.where(varies, mean / np.where(varies, spread, 1.0), 0.0)


def _misled(chosen_on: Floats, after: Floats) -> float:
    """Share, in [0, 1], of the best in one half that rank at most in the middle of the other."""
    best = np.flatnonzero(chosen_on == chosen_on.max())
    below = [(int((after < after[at]).sum()), int((after == after[at]).sum())) for at in best]
    # The mean rank of equals is below + (equal + 1) / 2, and the middle is (N + 1) / 2.
    return sum(2 * less + equal <= len(after) for less, equal in below) / len(best)
