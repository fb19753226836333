"""A campaign: trials one after the other on one stack, each checked, until one fails or enough were played."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from cli.stack.supervisor import Stack
from tests.chaos.evidence import Evidence
from tests.chaos.house import House, Impatient, house_of, running_stack
from tests.chaos.invariants import Violation, violations
from tests.chaos.script import Script, label_of, script_of
from tests.chaos.trial import Player, Trial, gather_evidence

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """What went wrong, and in which trial. `stuck` where it did not come to an end."""

    script: Script
    violations: tuple[Violation, ...] = ()
    stuck: str = ""

    @property
    def again(self) -> str:
        return f"make chaos SEED={self.script.seed} ONLY={self.script.number}"

    def lines(self) -> list[str]:
        what = [str(each) for each in self.violations] or [f"STUCK: {self.stuck}"]
        script = self.script
        return [
            f"trial {script.number} of seed {script.seed} failed ({script.label}, {script.at} s after its beginning):",
            *(f"  {each}" for each in what),
            f"  {script.disturbance}{f', beside it {script.beside}' if script.beside else ''}",
            *(f"  {line}" for line in script.lines),
            f"run it again: {self.again}",
        ]


@dataclass
class Result:
    """What a campaign came to. Dollars as text."""

    seed: int
    trials: int = 0
    seconds: float = 0.0
    played: Counter[str] = field(default_factory=Counter)
    """Disturbances ordered, by kind."""
    struck: Counter[str] = field(default_factory=Counter)
    """Those that met something."""
    beside: Counter[str] = field(default_factory=Counter)
    """Faults that waited while a process was killed, by kind."""
    outcomes: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    durations: list[float] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "trials": self.trials,
            "seconds": round(self.seconds, 1),
            "trial_seconds_median": round(median(self.durations), 2) if self.durations else None,
            "trial_seconds_longest": round(max(self.durations), 2) if self.durations else None,
            "disturbances": dict(sorted(self.played.items())),
            "disturbances_that_struck": dict(sorted(self.struck.items())),
            "faults_beside_kills": dict(sorted(self.beside.items())),
            "kills": sum(count for label, count in self.struck.items() if label.startswith("kill ")),
            "outcomes": dict(sorted(self.outcomes.items())),
            "refused_by_the_api": self.refused,
            **self.final,
            "failure": None if self.failure is None else self.failure.lines(),
        }


def run_campaign(
    directory: Path,
    numbers: Sequence[int],
    *,
    seed: int,
    minutes: float | None = None,
    in_flight: float | None = None,
    tell: Progress = print,
    go_on: Callable[[], bool] = lambda: True,
    afterwards: Callable[[House, Evidence], Awaitable[None]] | None = None,
) -> Result:
    """Play trials by number on a stack of their own, in the main thread; ends at the first that fails.

    Args:
        minutes: no trial begins later than that.
        go_on: asked before each trial.
        in_flight: seconds after which a post counts as over; the product's own two minutes where it is None.
        afterwards: gets the house, still standing, and the last evidence where no trial failed.
    """
    with running_stack(directory, in_flight=in_flight) as stack:
        return asyncio.run(
            _run(stack, numbers, seed=seed, minutes=minutes, tell=tell, go_on=go_on, afterwards=afterwards)
        )


async def _run(
    stack: Stack,
    numbers: Sequence[int],
    *,
    seed: int,
    minutes: float | None,
    tell: Progress,
    go_on: Callable[[], bool],
    afterwards: Callable[[House, Evidence], Awaitable[None]] | None,
) -> Result:
    result = Result(seed)
    began = time.monotonic()
    sent: list[str] = []
    evidence: Evidence | None = None
    async with house_of(stack) as house:
        tell(f"the stack stands after {time.monotonic() - began:.1f} s; seed {seed}")
        began = time.monotonic()
        for number in numbers:
            if not go_on() or (minutes is not None and time.monotonic() - began > 60 * minutes):
                break
            script = script_of(seed, number)
            try:
                trial = await Player(house, script).play()
                sent += trial.begun
                evidence = await gather_evidence(house, trial, intents=tuple(sent))
            except Impatient as impatient:
                result.failure = Failure(script, stuck=str(impatient))
                break
            except Exception as error:  # an answer that nobody expects is a failure, too, and names its trial
                result.failure = Failure(script, stuck="".join(traceback.format_exception(error)))
                break
            _count(result, trial)
            result.final = _figures(evidence)
            tell(f"trial {number}: {script.label} at {script.at} s, {' '.join(trial.outcomes)}, {trial.seconds:.1f} s")
            if found := violations(evidence):
                result.failure = Failure(script, tuple(found))
                break
        result.seconds = time.monotonic() - began
        if afterwards is not None and evidence is not None and result.failure is None:
            await afterwards(house, evidence)
    return result


def _count(result: Result, trial: Trial) -> None:
    result.trials += 1
    label = label_of(trial.script.disturbance)
    result.played[label] += 1
    result.struck[label] += trial.struck
    if trial.script.beside is not None:
        result.beside[label_of(trial.script.beside)] += 1
    result.outcomes.update(trial.outcomes)
    result.refused += trial.refused
    result.durations.append(trial.seconds)


def _figures(evidence: Evidence) -> dict[str, Any]:
    """Totals of both books at the end."""
    ours, broker = evidence.ours, evidence.broker
    roots = Counter(order.client_order_id for order in broker.orders if not order.replaces)
    booked = {each.execution_id for each in ours.executions}
    return {
        "intents": len(ours.intents),
        "orders_at_the_broker": len(broker.orders),
        "replacements": sum(bool(order.replaces) for order in broker.orders),
        "fills": len(booked),
        "duplicates": sum(count - 1 for count in roots.values()),
        "lost": sum(intent.state == "open" for intent in ours.intents.values()),
        "fills_not_booked": len(broker.executions) - len(booked),
        "cash_difference": str((ours.cash - broker.cash).normalize() + Decimal(0)),
        "turnover": str(sum((abs(each.cash) for each in broker.executions), Decimal(0)).normalize()),
    }


def table(result: Result) -> list[str]:
    """The figures as a person reads them."""
    lines = [f"{name:<26}{value}" for name, value in result.as_json().items() if not isinstance(value, (dict, list))]
    lines.append("disturbances (struck of ordered):")
    lines += [f"  {label:<24}{result.struck[label]} of {count}" for label, count in sorted(result.played.items())]
    return lines
