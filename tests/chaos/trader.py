"""The worker, with one constant shortened: `python -m tests.chaos.trader SECONDS` serves every queue.

A post whose answer was lost is not repeated before `LONGEST_IN_FLIGHT` is over, two minutes in the product: several
times the timeouts of a request, for gateways on the way. Here nothing stands between worker and broker, so a request is
over with its timeout of ten seconds, and trials need not wait longer. Whatever is repeated sooner is tested harder.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from datetime import timedelta

from cli.stack.application import Worker
from cli.stack.process import Command
from domain import submission
from tests.conftest import REPOSITORY
from workers import telemetry
from workers.main import run_worker
from workers.settings import load
from workflows.names import Queue


def part_with(seconds: float) -> type[Worker]:
    """The worker's part of a stack, with this program in place of the product's command."""

    class HastyWorker(Worker):
        def command(self) -> Command:
            given = super().command()
            return dataclasses.replace(
                given,
                argv=(sys.executable, "-m", "tests.chaos.trader", str(seconds)),
                environment={**given.environment, "PYTHONPATH": str(REPOSITORY)},
            )

    return HastyWorker


def shorten(seconds: float) -> None:
    """Let a request count as over after so many seconds, in this process."""
    submission.LONGEST_IN_FLIGHT = timedelta(seconds=seconds)


def main() -> None:
    shorten(float(sys.argv[1]))
    settings = load()
    telemetry.configure(settings.log_format)
    asyncio.run(run_worker(settings, list(Queue)))


if __name__ == "__main__":
    main()
