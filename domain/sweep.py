"""Parameter sweeps and walk-forward tests: which configurations are tried on which sessions, and what came of them.

Every trial is a backtest of its own and is logged as one. A walk-forward test chooses on a train period by Sharpe ratio
and plays only the chosen configuration on the sessions after it; between the two lies a purge as long as a
recommendation may look ahead, so that no outcome of the train period reaches into the test.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from domain.backtest import BacktestRequest
from domain.backtest_run import BacktestResult, BacktestStart
from domain.errors import InvalidInput
from domain.metrics import PerformanceMetrics, measure
from domain.model import Model
from domain.overfitting import Trials, survey_trials

MOST_TRIALS = 200
DAYS_A_MONTH = 30.4375

Values = Annotated[tuple[Any, ...], Field(min_length=1, max_length=50)]


class WalkForward(Model):
    """Lengths of the periods, and of what is left out between them."""

    train_months: Annotated[int, Field(ge=1, le=240)] = 36
    test_months: Annotated[int, Field(ge=1, le=60)] = 6
    purge_sessions: Annotated[int, Field(ge=0, le=250, description="at least the longest horizon of a decision")] = 60


class SweepRequest(Model):
    """What is varied, over which period."""

    name: Annotated[str, Field(max_length=200)] = ""
    base: BacktestRequest
    """Everything that is not varied."""
    grid: Annotated[dict[str, Values], Field(max_length=10)]
    """By the place in the configuration, such as `signals.kappa`, the values that are tried."""
    walk_forward: WalkForward | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        trials = 1
        for values in self.grid.values():
            trials *= len(values)
        if trials > MOST_TRIALS:
            raise ValueError(f"the grid has {trials} combinations, allowed are {MOST_TRIALS}")
        return self


class Trial(Model):
    """One configuration of a sweep on one period."""

    label: str
    start: BacktestStart


class SweepWindow(Model):
    """What is tried on one period, and what the chosen one is played on afterwards, in the order of the trials."""

    first: date
    last: date
    trials: tuple[Trial, ...]
    tests: tuple[Trial, ...] = ()


class SweepPlan(Model):
    windows: tuple[SweepWindow, ...]


class WindowOutcome(Model):
    """What came of a window."""

    first: date
    last: date
    results: tuple[tuple[str, str, BacktestResult], ...]
    """Label, backtest and result of each trial, in order."""
    chosen: str
    """Label of the best by Sharpe ratio; the first where several are."""
    test: tuple[str, BacktestResult] | None = None
    """Backtest and result of the chosen one on the sessions after."""


class SweepReport(Model):
    """What a sweep found."""

    sweep_id: str
    request: SweepRequest
    windows: tuple[WindowOutcome, ...]
    trials: Trials | None = None
    """Of the first window, or of the only one."""
    out_of_sample: PerformanceMetrics | None = None
    """The tests' sessions, one after the other; None where nothing was tested."""


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Every combination of a grid, with a label: the changes of a configuration, nested as it is."""
    found = []
    names = list(grid)
    for values in itertools.product(*(grid[name] for name in names)):
        changes: dict[str, Any] = {}
        for name, value in zip(names, values, strict=True):
            inner = changes
            *path, last = name.split(".")
            for part in path:
                inner = inner.setdefault(part, {})
            inner[last] = value
        label = ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True)) or "as it is"
        found.append((label, changes))
    return found


def periods(sessions: Sequence[date], walk: WalkForward) -> list[tuple[tuple[date, date], tuple[date, date]]]:
    """Train and test periods, one after the other: the tests lie side by side, each behind its purge.

    Args:
        sessions: of the whole period, oldest first.

    Raises:
        InvalidInput: the period is too short for one of each.
    """
    found = []
    test_first = _months_after(sessions, sessions[0], walk.train_months)
    while test_first is not None:
        test_end = _months_after(sessions, sessions[test_first], walk.test_months)
        test_last = len(sessions) - 1 if test_end is None else test_end - 1
        start = bisect_left(sessions, sessions[test_first] - timedelta(days=walk.train_months * DAYS_A_MONTH))
        train_last = test_first - 1 - walk.purge_sessions
        if train_last <= start:
            raise InvalidInput(
                "PURGE_TOO_LONG",
                "Nothing is left of the train period: lengthen it, or purge less",
                field="purge_sessions",
                found=walk.purge_sessions,
                allowed=f"at most {max(0, test_first - 2 - start)}",
            )
        found.append(((sessions[start], sessions[train_last]), (sessions[test_first], sessions[test_last])))
        test_first = test_end
    if not found:
        raise InvalidInput(
            "PERIOD_TOO_SHORT",
            "Lengthen the period, or shorten train and test",
            field="train_months",
            found=walk.train_months,
            allowed=f"less than the {len(sessions)} sessions from {sessions[0]} to {sessions[-1]}",
        )
    return found


def _months_after(sessions: Sequence[date], first: date, months: int) -> int | None:
    """The place of the first session so many months after a day; None where there is none."""
    place = bisect_left(sessions, first + timedelta(days=months * DAYS_A_MONTH))
    return place if place < len(sessions) else None


def chosen(results: Sequence[tuple[str, str, BacktestResult]]) -> int:
    """The place of the best by Sharpe ratio; one that has none is worse than any."""
    ratios = [result.sharpe if result.sharpe is not None else float("-inf") for _, _, result in results]
    return ratios.index(max(ratios))


def report_on(
    sweep_id: str,
    request: SweepRequest,
    windows: Sequence[WindowOutcome],
    returns: Mapping[str, Sequence[float]],
) -> SweepReport:
    """Sum up what was tried, and how the chosen ones did afterwards.

    Args:
        returns: of each session of each backtest that is named.
    """
    first = [returns[backtest_id] for _, backtest_id, _ in windows[0].results]
    table = [list(row) for row in zip(*first, strict=True)]
    tested = [value for window in windows if window.test is not None for value in returns[window.test[0]]]
    return SweepReport(
        sweep_id=sweep_id,
        request=request,
        windows=tuple(windows),
        trials=survey_trials(table) if table else None,
        out_of_sample=measure(tested) if tested else None,
    )
