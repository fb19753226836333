"""Processor time of the stack's servers and of this process, in which the workers run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import psutil

from cli.stack.names import PartName
from cli.stack.supervisor import Stack

PARTS = (PartName.TEMPORAL, PartName.POSTGRES, PartName.OBJECTS)
WORKER = "worker"


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds used since each process began, by name, with those of its children."""

    seconds: Mapping[str, float]

    @classmethod
    def now(cls, stack: Stack) -> Self:
        servers = {part.value: _used(psutil.Process(stack.pid(part)), children=True) for part in PARTS}
        return cls({WORKER: _used(psutil.Process(), children=False), **servers})

    def since(self, earlier: ProcessorTime, *, count: int) -> dict[str, float]:
        """Milliseconds per document, of `count` documents."""
        return {name: 1000 * (used - earlier.seconds[name]) / count for name, used in self.seconds.items()}


def _used(process: psutil.Process, *, children: bool) -> float:
    times = process.cpu_times()
    used = times.user + times.system
    if not children:
        return float(used)
    # Living children, and those that ended and were waited for: PostgreSQL has a process a connection.
    living = sum(_used(child, children=False) for child in process.children(recursive=True))
    return float(used + times.children_user + times.children_system + living)
