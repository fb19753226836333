"""A campaign in several houses at once: each plays its share of the trials on a stack and in a process of its own."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import structlog

from tests.chaos.campaign import Result, run_campaign

_failed: Event | None = None
"""Set in every house's process: one of them has found what must not be."""


def run_street(
    directory: Path,
    numbers: Sequence[int],
    *,
    houses: int,
    seed: int,
    minutes: float | None = None,
    in_flight: float | None = None,
) -> Result:
    """Play trials by number, in so many houses; once one has failed, the others begin no more.

    Most of a trial is waiting, so that a processor carries two houses.
    """
    spawning = multiprocessing.get_context("spawn")
    failed = spawning.Event()
    play = partial(_play, directory, seed=seed, minutes=minutes, in_flight=in_flight)
    with ProcessPoolExecutor(houses, mp_context=spawning, initializer=_remember, initargs=(failed,)) as street:
        return together(seed, list(street.map(play, range(houses), shares_of(numbers, houses))))


def shares_of(numbers: Sequence[int], houses: int) -> list[Sequence[int]]:
    """What each house plays: one stretch, in which each disturbance still comes once before any comes again."""
    each, more = divmod(len(numbers), houses)
    ends = [each * house + min(house, more) for house in range(houses + 1)]
    return [numbers[begin:end] for begin, end in itertools.pairwise(ends)]


def together(seed: int, results: Sequence[Result]) -> Result:
    """What the houses came to as one; differences of cash do not make up for each other."""
    total = Result(seed)
    for result in results:
        total.trials += result.trials
        total.seconds = max(total.seconds, result.seconds)
        for name in ("played", "struck", "beside", "outcomes"):
            getattr(total, name).update(getattr(result, name))
        total.refused += result.refused
        total.durations += result.durations
        total.final = {name: _added(total.final.get(name), figure) for name, figure in result.final.items()}
        total.failure = total.failure or result.failure
    return total


def _added(before: Any, figure: Any) -> Any:
    if isinstance(figure, str):
        return str(Decimal(before or 0) + abs(Decimal(figure)))
    return (before or 0) + figure


def _remember(failed: Event) -> None:
    global _failed
    _failed = failed


def _play(
    directory: Path,
    house: int,
    numbers: Sequence[int],
    *,
    seed: int,
    minutes: float | None,
    in_flight: float | None,
) -> Result:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    failed = _failed
    assert failed is not None
    result = run_campaign(
        directory / f"house-{house}",
        numbers,
        seed=seed,
        minutes=minutes,
        in_flight=in_flight,
        tell=lambda line: print(f"house {house}: {line}", flush=True),
        go_on=lambda: not failed.is_set(),
    )
    if result.failure is not None:
        failed.set()
    return result
