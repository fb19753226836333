"""What tests share: where real data lies, and one embedded stack for the whole session."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cli.migrate import migrate
from cli.stack.names import PartName
from cli.stack.supervisor import Stack

SERVERS = (PartName.POSTGRES, PartName.TEMPORAL, PartName.OBJECTS)
REPOSITORY = Path(__file__).resolve().parent.parent
LONGEST_TEST_SECONDS = 400
SHARED = REPOSITORY.parent / "shared" / "data"

gc.set_threshold(10_000)  # as the product does; collecting the tests makes millions of objects
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: modules and tests, half a second each time it goes through."""
    gc.collect()
    gc.freeze()


def shared_data(name: str) -> Path:
    """A file of the shared real data; the test is skipped, and says so, where it is absent."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"real data not here: {name}")
    return path


def clean_environment() -> dict[str, str]:
    """The environment without any `STONKS_` variable, so that tests never touch somebody's real installation."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STONKS_")}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole embedded stack, started once: real Temporal, PostgreSQL, S3, paper broker, workers and API."""
    directory = tmp_path_factory.mktemp("stack")
    with Stack(directory, mode="replay", inherited=clean_environment(), virtual_clock=True) as stack:
        stack.start(before_application=migrate)
        yield stack


@contextmanager
def running_servers(directory: Path) -> Iterator[Stack]:
    with Stack(directory, inherited=clean_environment(), parts=SERVERS) as running:
        running.start()
        migrate(running.environment())
        yield running


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Temporal, PostgreSQL and S3 alone: workers run in the tests' own process, or in processes that they start."""
    with running_servers(tmp_path_factory.mktemp("servers")) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_test_waits_for_ever() -> Iterator[None]:
    """Fail a test that hangs, instead of the whole run."""

    def fail(number: int, frame: object) -> None:
        raise TimeoutError(f"the test took longer than {LONGEST_TEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(LONGEST_TEST_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def stonks(*arguments: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
    """Run the real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def stonks_json(*arguments: str, timeout: float = 300.0) -> Any:
    """Run a command with `--json` and return what it printed; the test fails with its messages otherwise."""
    done = stonks(*arguments, "--json", timeout=timeout)
    assert done.returncode == 0, f"{arguments} exited with {done.returncode}:\n{done.stderr[-4000:]}"
    return json.loads(done.stdout)
