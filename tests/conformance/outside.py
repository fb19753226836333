"""Finding and running the clients that live in environments of their own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conformance.environments import python_of, reason_file
from tests.paper_broker.harness import CONTROL, KEY, SECRET

VARIABLE = "CONFORMANCE_ENVIRONMENTS"
CLIENTS = Path(__file__).parent / "clients"
KEYS = {"key": KEY, "secret": SECRET, "control_key": CONTROL}


def _directory() -> Path:
    found = os.environ.get(VARIABLE)
    if not found:
        pytest.skip("`make conformance` makes the environments of the other clients")
    return Path(found).resolve()


def require(name: str) -> Path:
    """The folder of an environment, or of a suite; the test is skipped with the reason where it could not be made."""
    directory = _directory()
    reason = reason_file(directory, name)
    if reason.exists():
        pytest.skip(f"{name}: {reason.read_text()}")
    return directory / name


def interpreter(client: str) -> Path:
    require(client)
    return python_of(_directory(), client)


def plain_environment(**variables: str) -> dict[str, str]:
    """The environment without any client's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("APCA_", "ALPACA_", "PYTHON"))}
    return kept | variables


def start(client: str, script: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(interpreter(client)), str(CLIENTS / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=plain_environment(**variables),
    )
