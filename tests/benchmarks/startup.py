"""How long the stack takes to start, by part: once with empty data, once with the data of the first start."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from cli.migrate import migrate
from cli.stack.supervisor import Stack, StackReport
from tests.benchmarks.figure import Figure
from tests.conftest import clean_environment


def startup() -> Iterable[Figure]:
    with tempfile.TemporaryDirectory(prefix="stonks-bench-") as directory:
        for label in ("first", "again"):
            report = _start(Path(directory))
            how = f"one start of all parts on {'empty' if label == 'first' else 'existing'} data, to a real operation"
            yield Figure(f"startup.{label}.total", report.total_seconds, "s", how)
            for part, seconds in sorted(report.seconds.items()):
                yield Figure(f"startup.{label}.{part.value}", seconds, "s", how)


def _start(directory: Path) -> StackReport:
    with Stack(directory, mode="replay", inherited=clean_environment(), virtual_clock=True) as stack:
        return stack.start(before_application=migrate)
