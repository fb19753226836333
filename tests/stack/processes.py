"""Look for processes that belong to a state directory."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from cli.stack.process import belongs


def processes_of(state_dir: Path) -> list[str]:
    """Describe every live process whose command line, environment or working directory points into the directory."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == psutil.Process().pid:
                continue
            inside = belongs(process.pid, state_dir) or Path(process.cwd()).is_relative_to(state_dir)
            if inside:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:120]}")
        except psutil.Error:
            continue
    return found


def wait_until_none(state_dir: Path, seconds: float) -> list[str]:
    """Wait for the processes of the directory to end; returns those that did not."""
    deadline = time.monotonic() + seconds
    while (left := processes_of(state_dir)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
