"""Kill -9 workers, the Temporal server, PostgreSQL and the supervisor in the middle of a replay: nothing may change.

The undisturbed run and the disturbed one must end with the same report, byte for byte: same orders, fills and cash.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from cli.demo_data import actions_path, bars_path, documents_path
from cli.stack.control import client_environment
from cli.stack.names import PartName
from cli.stack.state import read_state
from domain.errors import StonksError
from tests.conftest import REPOSITORY, clean_environment
from workflows.client import connect
from workflows.replay_period import ReplayPeriod

pytestmark = pytest.mark.long

FIRST, LAST = "2014-07-15", "2014-07-18"
LIMIT_SECONDS = 180.0
VICTIMS = (PartName.WORKER, PartName.TEMPORAL, PartName.POSTGRES)


def _command(state: Path, report: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "cli.main", "replay"),
        *("--documents", str(documents_path()), "--bars", str(bars_path()), "--actions", str(actions_path())),
        *("--from", FIRST, "--to", LAST, "--tier", "aggressive"),
        *("--state", str(state), "--report", str(report)),
    ]


def _start(state: Path, report: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        _command(state, report),
        cwd=REPOSITORY,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=report.with_suffix(".log").open("ab"),
    )


@dataclass
class Disturbance:
    """Watches a replay and kills one process after another, each at a later point of its progress."""

    state: Path
    killed: list[str] = field(default_factory=list)
    _client: Client | None = None

    def replay_state_dir(self) -> Path | None:
        return next(iter(self.state.glob("replays/*")), None)

    async def documents_released(self) -> int | None:
        """How far the replay is; None while it cannot be asked."""
        directory = self.replay_state_dir()
        if directory is None:
            return None
        try:
            client = await self._connected(directory)
            async for each in client.list_workflows('WorkflowType="ReplayPeriod"'):
                ask = client.get_workflow_handle(each.id).query(ReplayPeriod.progress)
                progress = await asyncio.wait_for(ask, timeout=2)
                return progress.documents_released if progress.plan else None
        except (RPCError, StonksError, RuntimeError, OSError):  # TimeoutError is an OSError
            return None
        return None

    async def _connected(self, directory: Path) -> Client:
        """One client for the whole run: it finds a server that was started again by itself."""
        if self._client is None:
            environment = client_environment(directory)
            self._client = await connect(
                environment["STONKS_TEMPORAL_ADDRESS"], environment["STONKS_TEMPORAL_NAMESPACE"]
            )
        return self._client

    def kill(self, part: PartName) -> None:
        directory = self.replay_state_dir()
        assert directory is not None
        state = read_state(directory)
        assert state is not None
        os.kill(state.processes[part].pid, signal.SIGKILL)
        self.killed.append(part.value)


async def _disturb(process: subprocess.Popen[bytes], disturbance: Disturbance) -> None:
    """Kill a victim each time that the replay got further, and the supervisor at the end."""
    deadline = time.monotonic() + LIMIT_SECONDS
    seen = 0
    waiting = [*VICTIMS, None]
    while waiting and process.poll() is None:
        assert time.monotonic() < deadline, f"the replay made no progress; killed so far: {disturbance.killed}"
        released = await disturbance.documents_released()
        if released is not None and released > seen:
            seen = released
            victim = waiting.pop(0)
            if victim is None:
                process.kill()
                process.wait()
                disturbance.killed.append("supervisor")
            else:
                disturbance.kill(victim)
        await asyncio.sleep(0.2)


def _finish(process: subprocess.Popen[bytes], report: Path) -> None:
    process.wait(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, _messages(report)


def _messages(report: Path) -> str:
    """What the command told the person."""
    return report.with_suffix(".log").read_text(encoding="utf-8", errors="replace")[-4000:]


@pytest.mark.crash
async def test_replay_when_every_server_is_killed_then_orders_fills_and_cash_are_the_same(tmp_path: Path) -> None:
    calm, shaken = tmp_path / "calm.json", tmp_path / "shaken.json"
    await asyncio.to_thread(_finish, _start(tmp_path / "calm", calm), calm)

    disturbance = Disturbance(tmp_path / "shaken")
    process = _start(disturbance.state, shaken)
    try:
        await _disturb(process, disturbance)
        assert disturbance.killed == ["worker", "temporal", "postgres", "supervisor"], _messages(shaken)
        process = _start(disturbance.state, shaken)
        await asyncio.to_thread(_finish, process, shaken)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()

    assert shaken.read_bytes() == calm.read_bytes()
    assert b'"books_balance": true' in calm.read_bytes()
    assert b'"status": "filled"' in calm.read_bytes()
