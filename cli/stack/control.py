"""What commands other than `up` do with a stack: find it, talk to it, end it."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
import time
from pathlib import Path

from cli.stack import credentials
from cli.stack.environment import secret_variables
from cli.stack.names import PartName
from cli.stack.state import RunLock, StateDirectory, lock_holder, read_state
from cli.stack.supervisor import end_leftovers
from domain.errors import NotFound, StonksError


class DownOutcome(enum.Enum):
    STOPPED = "stopped"
    LEFTOVERS_ENDED = "leftovers ended"
    NOTHING_RAN = "nothing ran"


def client_environment(state_dir: Path) -> dict[str, str]:
    """Return the environment of a command that talks to a running stack, secrets of embedded parts included.

    Secrets of external parts are never stored: they must be in the command's own environment.

    Raises:
        NotFound: no stack runs in the directory.
    """
    directory = StateDirectory(state_dir)
    state = read_state(state_dir)
    if state is None or not state.alive:
        raise NotFound(
            "STACK_NOT_RUNNING",
            "Start it with `stonks up`, or name its state directory",
            state_directory=directory.root,
        )
    embedded = [part for part in PartName if part in state.addresses and part not in state.external]
    kept = credentials.load(directory.credentials)
    secrets = secret_variables(embedded, kept) if kept else {}
    if not state.own_api_key:
        secrets.pop("STONKS_API_KEY", None)
    return {**state.environment, **secrets}


def down(state_dir: Path, *, timeout_seconds: float = 60.0) -> DownOutcome:
    """Stop the stack of a state directory and wait until nothing of it is left.

    Raises:
        StonksError: the supervisor is still there when the time is over.
    """
    directory = StateDirectory(state_dir)
    if not directory.lock.exists():
        return DownOutcome.NOTHING_RAN
    deadline = time.monotonic() + timeout_seconds
    asked: set[int] = set()
    while (holder := lock_holder(directory)) is not None:
        if holder.alive and holder.pid not in asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(holder.pid, signal.SIGTERM)
            asked.add(holder.pid)
        if time.monotonic() > deadline:
            raise StonksError(
                "STACK_DOES_NOT_STOP",
                f"End it with `kill -9 {holder.pid}`; the servers end with it, and the next start recovers",
                pid=holder.pid,
                waited_seconds=int(timeout_seconds),
            )
        time.sleep(0.05)
    if asked:
        return DownOutcome.STOPPED
    lock = RunLock(directory).acquire()
    try:
        state = read_state(state_dir)
        leftovers = end_leftovers(directory, state) if state else []
    finally:
        lock.release()
    return DownOutcome.LEFTOVERS_ENDED if leftovers else DownOutcome.NOTHING_RAN
